//! Errands of the command line about staff, tokens and collections. A running server owns the store, so they are brought to it over a socket in
//! the data directory, which only its owner can open; without a server they are run on the store itself.
//!
//! One errand a connection: a line of JSON in, a line of JSON out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::role::Role;
use tidewatch_protocol::Timestamp;
use tidewatch_protocol::v1::control::key_bytes;
use tidewatch_service::auth::TokenKind;
use tidewatch_service::{Cx, Error, Service};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::state::App;

/// Longest line either way.
const LINE_BYTES_MAX: u64 = 4 * 1_024 * 1_024;
/// A connection that says nothing is closed after this.
const PATIENCE: Duration = Duration::from_secs(10);

/// One errand.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "errand", rename_all = "snake_case")]
pub enum Errand {
    /// Add a member of staff.
    UserAdd {
        /// Sign-in name.
        name: String,
        /// Role.
        role: String,
        /// Password.
        password: String,
    },
    /// Set a password.
    UserPasswd {
        /// Sign-in name.
        name: String,
        /// Password.
        password: String,
    },
    /// Remove a member of staff.
    UserRemove {
        /// Sign-in name.
        name: String,
    },
    /// List staff.
    UserList,
    /// Make an enrolment token.
    TokenEnrolment {
        /// Name.
        name: String,
        /// Scopes.
        scopes: Vec<String>,
    },
    /// Make an API token.
    TokenApi {
        /// Name.
        name: String,
        /// Role.
        role: String,
    },
    /// Add or change collections.
    CollectionsImport {
        /// Their definition, JSON text.
        json: String,
    },
    /// List collections.
    CollectionsList,
    /// Print the definition of all collections.
    CollectionsExport,
    /// List tokens.
    TokenList,
    /// Revoke a token.
    TokenRevoke {
        /// Name.
        name: String,
    },
    /// Revoke the access and refresh token of a device.
    DeviceRevoke {
        /// Id of the device.
        client_id: String,
    },
    /// Make the next key that signs commands.
    ControlRotateKey,
    /// Give a device a role, or take it away.
    DeviceRole {
        /// Id of the device.
        client_id: String,
        /// Role.
        role: Option<String>,
        /// Its rank.
        rank: i64,
    },
    /// Open a scope to a device, or close it.
    DeviceScope {
        /// Id of the device.
        client_id: String,
        /// Scope.
        scope: String,
        /// Open it.
        open: bool,
    },
}

/// How an errand ended: what to print, or what was refused.
type Outcome = Result<String, String>;

/// The socket of the server that owns a data directory.
#[must_use]
pub fn socket_path(data: &Path) -> PathBuf {
    data.join("tidewatch.sock")
}

/// Runs an errand with the rights of the console itself.
///
/// # Errors
/// What the service refuses.
pub async fn run(service: &Service, cx: &Cx, errand: Errand) -> Result<String, Error> {
    let role = |text: String| {
        let unknown =
            || Error::Invalid { field: "role", detail: "must be viewer, support, operator, product_owner or admin".to_owned() };
        Role::parse(&text).ok_or_else(unknown)
    };
    let scope = |text: String| Scope::parse(text).map_err(|error| Error::Invalid { field: "scopes", detail: error.to_string() });
    match errand {
        Errand::UserAdd { name, role: text, password } => {
            service.user_create(cx, &name, role(text)?, &password).await?;
        }
        Errand::UserPasswd { name, password } => service.user_password_set(cx, &name, &password).await?,
        Errand::UserRemove { name } => service.user_delete(cx, &name).await?,
        Errand::UserList => return users_print(service, cx).await,
        Errand::TokenEnrolment { name, scopes } => {
            let scopes = scopes.into_iter().map(scope).collect::<Result<_, _>>()?;
            return Ok(format!("{}\n", service.token_create(cx, &name, TokenKind::Enrolment { scopes }).await?));
        }
        Errand::TokenApi { name, role: text } => {
            return Ok(format!("{}\n", service.token_create(cx, &name, TokenKind::Api { role: role(text)? }).await?));
        }
        Errand::CollectionsImport { json } => {
            let line = |change: tidewatch_service::sync::CollectionChange| format!("{:<24} {}\n", change.name, change.words());
            return Ok(service.collections_import(cx, &json).await?.into_iter().map(line).collect());
        }
        Errand::CollectionsList => return Ok(collections_print(service)),
        Errand::CollectionsExport => return Ok(service.collections_export()),
        Errand::TokenList => return tokens_print(service, cx).await,
        Errand::TokenRevoke { name } => service.token_revoke(cx, &name).await?,
        Errand::DeviceRevoke { client_id } => service.device_tokens_revoke(cx, &client_read(client_id)?).await?,
        Errand::DeviceRole { client_id, role, rank } => {
            service.device_role_set(cx, &client_read(client_id)?, role, rank).await?;
        }
        Errand::DeviceScope { client_id, scope: text, open } => {
            let changed = service.device_scope_set(cx, &client_read(client_id)?, &scope(text)?, open).await?;
            return Ok(if changed { String::new() } else { "Nothing to change\n".to_owned() });
        }
        Errand::ControlRotateKey => {
            let bytes = |kid: &str, public: &[u8; 32], created| key_bytes(kid, public, Timestamp(created));
            return Ok(format!("{}\n", service.control_key_rotate(cx, bytes).await?));
        }
    }
    Ok(String::new())
}

fn collections_print(service: &Service) -> String {
    let line = |info: tidewatch_domain::sync::CollectionInfo| {
        let policy: serde_json::Value = serde_json::from_str(&info.policy).unwrap_or_default();
        let (kind, rev) = (policy["kind"].as_str().unwrap_or_default(), info.policy_rev);
        format!(
            "{:<24} {kind:<18} revision {rev:<4} schema {} to {}, {}\n",
            info.name, info.schema_min, info.schema_current, info.priority
        )
    };
    service.collections().into_iter().map(line).collect()
}

fn client_read(text: String) -> Result<ClientId, Error> {
    ClientId::parse(text).map_err(|_| Error::Invalid { field: "client_id", detail: "must be a lower-case UUID".to_owned() })
}

async fn users_print(service: &Service, cx: &Cx) -> Result<String, Error> {
    let line =
        |user: tidewatch_service::auth::User| format!("{:<24} {:<14} since {}\n", user.name, user.role.as_str(), user.created);
    Ok(service.users_list(cx).await?.into_iter().map(line).collect())
}

async fn tokens_print(service: &Service, cx: &Cx) -> Result<String, Error> {
    let line = |token: tidewatch_service::auth::TokenRow| {
        let scopes = || token.scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(",");
        let what = token.role.map_or_else(scopes, |role| role.as_str().to_owned());
        let kind = if token.role.is_some() { "api" } else { "enrolment" };
        let state = token.revoked.map_or_else(String::new, |at| format!(", revoked {at}"));
        format!("{:<24} {kind:<10} {what:<24} since {}{state}\n", token.name, token.created)
    };
    Ok(service.tokens_list(cx).await?.into_iter().map(line).collect())
}

/// A refusal in one sentence.
fn words(error: &Error) -> String {
    match error {
        Error::Internal(cause) => format!("{:?}", cause.0),
        Error::Invalid { field, detail } => format!("{field} {detail}"),
        other => other.to_string(),
    }
}

/// Brings an errand to the server of a data directory. `None` when no server listens there.
///
/// # Errors
/// What the server refuses; or the connection broke.
pub async fn bring(data: &Path, errand: &Errand) -> anyhow::Result<Option<String>> {
    let Ok(mut stream) = UnixStream::connect(socket_path(data)).await else { return Ok(None) };
    let mut line = serde_json::to_vec(errand)?;
    line.push(b'\n');
    stream.write_all(&line).await.context("the server went away")?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut answer).await.context("the server went away")?;
    match serde_json::from_str::<Outcome>(&answer).context("the server did not answer")? {
        Ok(text) => Ok(Some(text)),
        Err(refused) => bail!("{refused}"),
    }
}

/// Runs an errand on a store that no server owns.
///
/// # Errors
/// What the service refuses, in one sentence.
pub async fn run_here(service: &Service, cx: &Cx, errand: Errand) -> anyhow::Result<String> {
    run(service, cx, errand).await.map_err(|error| anyhow::anyhow!(words(&error)))
}

/// Takes errands until the server stops.
///
/// # Errors
/// When the socket cannot be opened.
pub fn listen(app: &App, data: &Path) -> std::io::Result<JoinHandle<()>> {
    let path = socket_path(data);
    // What is left of a server that was killed. The lock on the directory says that there is none now.
    if path.exists() {
        std::fs::remove_file(&path)?;
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let app = app.clone();
    Ok(tokio::spawn(async move {
        loop {
            tokio::select! {
                () = app.stopping().cancelled() => break,
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        tokio::spawn(tokio::time::timeout(PATIENCE, answer(app.clone(), stream)));
                    }
                }
            }
        }
        if let Err(error) = tokio::fs::remove_file(&path).await {
            tracing::warn!(%error, "the errand socket was not removed");
        }
    }))
}

async fn answer(app: App, stream: UnixStream) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_BYTES_MAX)).read_line(&mut line).await?;
    let outcome: Outcome = match serde_json::from_str(&line) {
        Ok(errand) => run(app.service(), &app.system_cx(), errand).await.map_err(|error| words(&error)),
        Err(_) => Err("the errand is not understood; is the server of the same version?".to_owned()),
    };
    let mut text = serde_json::to_vec(&outcome)?;
    text.push(b'\n');
    write.write_all(&text).await
}
