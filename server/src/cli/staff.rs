//! `tidewatch user …`, `tidewatch token …` and `tidewatch collections …`: errands for whoever owns the store.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use tidewatch_domain::ids::Scope;
use tidewatch_domain::role::Role;
use tidewatch_service::sync::COLLECTION_SETS;
use tidewatch_service::{Actor, Cx, Service};

use crate::clock::Clock;
use crate::errand::{self, Errand};
use crate::serve::Opened;
use crate::settings::DataArgs;

/// Longest password that is read from standard input.
const PASSWORD_BYTES_MAX: u64 = 4_096;

/// Staff.
#[derive(Clone, Debug, Subcommand)]
pub enum UserCommand {
    /// Add a member of staff; the password comes from standard input
    Add {
        /// Sign-in name
        name: String,
        /// viewer, support, operator, product_owner or admin
        #[arg(long, value_parser = role_read)]
        role: Role,
        /// Read the password from standard input
        #[arg(long, required = true)]
        password_stdin: bool,
        /// The store.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Set a password; it comes from standard input, and that user's sessions end
    Passwd {
        /// Sign-in name
        name: String,
        /// Read the password from standard input
        #[arg(long)]
        password_stdin: bool,
        /// The store.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Remove a member of staff; their sessions end
    Remove {
        /// Sign-in name
        name: String,
        /// The store.
        #[command(flatten)]
        data: DataArgs,
    },
    /// List staff
    List(DataArgs),
}

/// Collections.
#[derive(Clone, Debug, Subcommand)]
pub enum CollectionsCommand {
    /// Add collections or change those that are there; prints what became of each
    Import {
        /// A ready-made set (arxos, asyncstorage, demo, posalpro, prism), or a JSON file:
        /// [{"name": …, "priority": …, "schema": {"min": 1, "current": 1}, "policy": {"kind": …}}]
        #[arg(value_name = "NAME|FILE")]
        source: String,
        /// The store.
        #[command(flatten)]
        data: DataArgs,
    },
    /// List collections with their policies
    List(DataArgs),
    /// Print the definition of all collections, as `import` takes it
    Export(DataArgs),
}

/// Kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindChoice {
    /// Registers devices
    Enrolment,
    /// Calls the read API of the console
    Api,
}

/// What a new token is.
#[derive(Clone, Debug, Args)]
pub struct TokenCreate {
    /// Name, for the list and the audit log
    #[arg(long)]
    pub name: Option<String>,
    /// Kind
    #[arg(long, value_enum)]
    pub kind: KindChoice,
    /// Role of an API token
    #[arg(long, value_parser = role_read)]
    pub role: Option<Role>,
    /// Scopes that devices get with an enrolment token, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = scope_read)]
    pub scopes: Vec<Scope>,
    /// The store.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Tokens.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; prints it alone on standard output, once
    Create(TokenCreate),
    /// List tokens
    List(DataArgs),
    /// Revoke a token for good
    Revoke {
        /// Name
        name: String,
        /// The store.
        #[command(flatten)]
        data: DataArgs,
    },
}

/// Devices.
#[derive(Clone, Debug, Subcommand)]
pub enum DeviceCommand {
    /// Revoke the access and refresh token of a device for good: it is out at once, and cannot enrol again under its id
    Revoke {
        /// Id of the device, as the console shows it
        client_id: String,
        /// The store.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Give a device a role with its rank, for guards and `higher_role_wins`; without --role it has none
    Role {
        /// Id of the device, as the console shows it
        client_id: String,
        /// Role
        #[arg(long)]
        role: Option<String>,
        /// Rank of the role
        #[arg(long, default_value_t = 0)]
        rank: i64,
        /// The store.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Let a device read and write one scope more; it learns of it when it pulls
    GrantScope(DeviceScopeArgs),
    /// Let a device read and write one scope less; it drops what it has of it when it pulls
    RevokeScope(DeviceScopeArgs),
}

/// A device and a scope.
#[derive(Clone, Debug, Args)]
pub struct DeviceScopeArgs {
    /// Id of the device, as the console shows it
    pub client_id: String,
    /// The scope: `global` or `type:id`
    #[arg(value_parser = scope_read)]
    pub scope: Scope,
    /// The store.
    #[command(flatten)]
    pub data: DataArgs,
}

/// The control channel.
#[derive(Clone, Debug, Subcommand)]
pub enum ControlCommand {
    /// Make the next key that signs commands, and print its name; the key before it vouches for it
    RotateKey(DataArgs),
}

fn role_read(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "must be viewer, support, operator, product_owner or admin".to_owned())
}

fn scope_read(text: &str) -> Result<Scope, String> {
    Scope::parse(text).map_err(|error| error.to_string())
}

/// Runs a command about staff.
///
/// # Errors
/// What is refused, in one sentence.
pub(super) async fn user(command: UserCommand) -> anyhow::Result<()> {
    let (data, errand) = match command {
        UserCommand::Add { name, role, password_stdin: _, data } => {
            (data, Errand::UserAdd { name, role: role.as_str().to_owned(), password: password_read()? })
        }
        UserCommand::Passwd { name, password_stdin: _, data } => (data, Errand::UserPasswd { name, password: password_read()? }),
        UserCommand::Remove { name, data } => (data, Errand::UserRemove { name }),
        UserCommand::List(data) => (data, Errand::UserList),
    };
    errand_run(&data, errand).await
}

/// Runs a command about tokens.
///
/// # Errors
/// What is refused, in one sentence.
pub(super) async fn token(command: TokenCommand) -> anyhow::Result<()> {
    let (data, errand) = match command {
        TokenCommand::Create(create) => (create.data.clone(), create_errand(create)?),
        TokenCommand::List(data) => (data, Errand::TokenList),
        TokenCommand::Revoke { name, data } => (data, Errand::TokenRevoke { name }),
    };
    errand_run(&data, errand).await
}

/// Runs a command about devices.
///
/// # Errors
/// What is refused, in one sentence.
pub(super) async fn device(command: DeviceCommand) -> anyhow::Result<()> {
    let scope = |args: DeviceScopeArgs, open| {
        (args.data, Errand::DeviceScope { client_id: args.client_id, scope: args.scope.into_string(), open })
    };
    let (data, errand) = match command {
        DeviceCommand::Revoke { client_id, data } => (data, Errand::DeviceRevoke { client_id }),
        DeviceCommand::Role { client_id, role, rank, data } => (data, Errand::DeviceRole { client_id, role, rank }),
        DeviceCommand::GrantScope(args) => scope(args, true),
        DeviceCommand::RevokeScope(args) => scope(args, false),
    };
    errand_run(&data, errand).await
}

/// Runs a command about the control channel.
///
/// # Errors
/// What is refused, in one sentence.
pub(super) async fn control(command: ControlCommand) -> anyhow::Result<()> {
    let ControlCommand::RotateKey(data) = command;
    errand_run(&data, Errand::ControlRotateKey).await
}

/// Runs a command about collections.
///
/// # Errors
/// What is refused, in one sentence.
pub(super) async fn collections(command: CollectionsCommand) -> anyhow::Result<()> {
    let (data, errand) = match command {
        CollectionsCommand::Import { source, data } => (data, Errand::CollectionsImport { json: definition_text(&source)? }),
        CollectionsCommand::List(data) => (data, Errand::CollectionsList),
        CollectionsCommand::Export(data) => (data, Errand::CollectionsExport),
    };
    errand_run(&data, errand).await
}

/// The text of a definition: of a ready-made set, unless a file has that name.
fn definition_text(source: &str) -> anyhow::Result<String> {
    let path = PathBuf::from(source);
    match COLLECTION_SETS.into_iter().find(|(name, _)| *name == source).filter(|_| !path.is_file()) {
        Some((_, json)) => Ok(json.to_owned()),
        None => std::fs::read_to_string(&path).with_context(|| {
            let sets = COLLECTION_SETS.map(|(name, _)| name).join(", ");
            format!("{source} is no ready-made set ({sets}), and cannot be read as a file")
        }),
    }
}

fn create_errand(create: TokenCreate) -> anyhow::Result<Errand> {
    let name = create.name.unwrap_or_else(|| format!("cli-{}", Clock::system().now().0));
    match (create.kind, create.role) {
        (KindChoice::Api, Some(role)) if create.scopes.is_empty() => {
            Ok(Errand::TokenApi { name, role: role.as_str().to_owned() })
        }
        (KindChoice::Api, Some(_)) => bail!("--scopes is for enrolment tokens"),
        (KindChoice::Api, None) => bail!("--role is needed for an API token"),
        (KindChoice::Enrolment, Some(_)) => bail!("--role is for API tokens; an enrolment token takes --scopes"),
        (KindChoice::Enrolment, None) if create.scopes.is_empty() => bail!("--scopes is needed for an enrolment token"),
        (KindChoice::Enrolment, None) => {
            Ok(Errand::TokenEnrolment { name, scopes: create.scopes.into_iter().map(Scope::into_string).collect() })
        }
    }
}

fn password_read() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(PASSWORD_BYTES_MAX).read_to_string(&mut text).context("the password on standard input is not text")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// By the server that owns the store, or on the store itself when there is none.
async fn errand_run(data: &DataArgs, errand: Errand) -> anyhow::Result<()> {
    if let Some(text) = errand::bring(&data.data, &errand).await? {
        print!("{text}");
        return Ok(());
    }
    let clock = Clock::system();
    let opened = Opened::open(data, &clock).await?;
    let service = Service::new(opened.store().clone());
    let cx = Cx { actor: Actor::System, now: clock.now(), request_id: uuid::Uuid::now_v7().to_string() };
    let done = errand::run_here(&service, &cx, errand).await;
    opened.close().await?;
    print!("{}", done?);
    Ok(())
}
