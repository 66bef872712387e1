//! Who can sign in to a demo, and the token its fleet enrols with. Made once and kept beside the demo's data, readable by its
//! owner alone, so that every start prints the same.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tidewatch_domain::ids::Scope;
use tidewatch_domain::role::Role;
use tidewatch_domain::time::Millis;
use tidewatch_fleet_sim::places::SITES;
use tidewatch_service::auth::TokenKind;
use tidewatch_service::{Actor, Cx, Error, Service};

/// File under the data directory.
const FILE: &str = "demo-accounts.json";
/// One account for each role.
const ACCOUNTS: [(&str, Role); 5] = [
    ("viewer", Role::Viewer),
    ("support", Role::Support),
    ("operator", Role::Operator),
    ("owner", Role::ProductOwner),
    ("admin", Role::Admin),
];
/// No vowels, nothing that looks like something else: passwords that can be read aloud and are no words.
const ALPHABET: &[u8; 32] = b"bcdfghjkmnpqrstvwxyz23456789BCDF";

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Sign-in name.
    pub name: String,
    /// Role, as the command line writes it.
    pub role: String,
    /// Password.
    pub password: String,
}

/// What a demo keeps of its accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// One for each role, the mightiest last.
    pub accounts: Vec<Account>,
    /// Enrolment token of the fleet.
    pub enrolment_token: String,
}

/// The accounts of the demo under this directory: those that are there, or new ones.
///
/// # Errors
/// As the store and the file system; when the accounts file can not be read.
pub async fn accounts(service: &Service, data: &Path, now: Millis) -> anyhow::Result<Accounts> {
    let path = data.join(FILE);
    if path.exists() {
        let text = tokio::fs::read_to_string(&path).await?;
        return serde_json::from_str(&text)
            .map_err(|error| anyhow::anyhow!("{} is damaged: {error}; remove it to get new accounts", path.display()));
    }
    let cx = Cx { actor: Actor::System, now, request_id: "demo".to_owned() };
    let mut accounts = Vec::new();
    for (name, role) in ACCOUNTS {
        let password = password_make()?;
        match service.user_create(&cx, name, role, &password).await {
            Ok(_) => {}
            // The file was removed, the store was not: the name is there with a password that nobody knows any more.
            Err(Error::Invalid { field: "name", .. }) => refused(service.user_password_set(&cx, name, &password).await)?,
            Err(error) => return Err(anyhow::anyhow!("{error:?}")),
        }
        accounts.push(Account { name: name.to_owned(), role: role.as_str().to_owned(), password });
    }
    let scopes = SITES.iter().map(|site| Scope::parse(format!("site:{}", site.slug)).expect("site slugs are valid")).collect();
    let kind = TokenKind::Enrolment { scopes };
    let enrolment_token = match service.token_create(&cx, "demo-fleet", kind.clone()).await {
        // The file was removed, the store was not.
        Err(Error::Invalid { field: "name", .. }) => {
            refused(service.token_create(&cx, &format!("demo-fleet-{}", now.0), kind).await)?
        }
        made => refused(made)?,
    };
    let made = Accounts { accounts, enrolment_token };
    write_private(&path, &serde_json::to_string_pretty(&made)?)?;
    Ok(made)
}

fn refused<T>(done: tidewatch_service::Result<T>) -> anyhow::Result<T> {
    done.map_err(|error| anyhow::anyhow!("{error:?}"))
}

fn password_make() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let letters: String = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    Ok(format!("{}-{}-{}-{}", &letters[..4], &letters[4..8], &letters[8..12], &letters[12..]))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
