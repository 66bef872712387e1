//! Settings: flags over environment (`TIDEWATCH_…`) over `Leptos.toml` for what Leptos defines. The only reader of the environment.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use tidewatch_domain::drain::{ItemRetention, RETAIN_DAYS_MAX, Retention};
use tidewatch_store::Durability;

use crate::gate::SESSION_IDLE_S;

/// Where the server listens when nobody says so.
const LISTEN_DEFAULT: &str = "127.0.0.1:4600";
/// The longest that a session may stay without a request: a month.
const SESSION_IDLE_S_MAX: i64 = 30 * 24 * 3_600;
/// The file that Leptos' settings come from.
const LEPTOS_TOML: &str = "Leptos.toml";

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DurabilityChoice {
    /// Survives power loss
    #[default]
    Full,
    /// Survives kill -9, not power loss
    Normal,
}

impl From<DurabilityChoice> for Durability {
    fn from(choice: DurabilityChoice) -> Self {
        match choice {
            DurabilityChoice::Full => Self::Full,
            DurabilityChoice::Normal => Self::Normal,
        }
    }
}

/// Where the store is.
#[derive(Clone, Debug, Args)]
pub struct DataArgs {
    /// Directory of the store
    #[arg(long, env = "TIDEWATCH_DATA", default_value = "./data")]
    pub data: PathBuf,
    /// What an acknowledgement promises
    #[arg(long, env = "TIDEWATCH_DURABILITY", value_enum, default_value_t)]
    pub durability: DurabilityChoice,
    /// File of the keys that open payloads in escrow; made when nothing needs it yet [default: escrow.key in the directory of the store]
    #[arg(long, env = "TIDEWATCH_ESCROW_KEY", value_name = "FILE")]
    pub escrow_key: Option<PathBuf>,
    /// Go on with a new epoch when the log is shorter than it once was
    #[arg(long)]
    pub accept_rollback: bool,
}

/// Logs.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// What to log, for example info,tidewatch_server=debug
    #[arg(long, env = "TIDEWATCH_LOG", default_value = "info,tower_sessions=error,tower_sessions_core=error", global = true)]
    pub log: String,
    /// How to write logs
    #[arg(long, env = "TIDEWATCH_LOG_FORMAT", value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
}

/// How long payloads of what was given up, and items of drains, are kept; what is due is written to a file and then removed.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct RetentionArgs {
    /// Days to keep the payloads of discarded entries: 1 to 3650, or never to purge them [default: 30]
    #[arg(long, env = "TIDEWATCH_RETENTION_DISCARDED", value_parser = days_read, value_name = "DAYS")]
    pub retention_discarded: Option<Days>,
    /// Days to keep the payloads of quarantined entries: 1 to 3650, or never to purge them [default: never]
    #[arg(long, env = "TIDEWATCH_RETENTION_QUARANTINED", value_parser = days_read, value_name = "DAYS")]
    pub retention_quarantined: Option<Days>,
    /// Days to keep what became of each entry of a drain once the drain is over, twice as many when nobody has acknowledged its end: 1 to 3650, or never to move it to a file [default: 90]
    #[arg(long, env = "TIDEWATCH_RETENTION_JOBS", value_parser = days_read, value_name = "DAYS")]
    pub retention_jobs: Option<Days>,
}

/// So many days, or no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(Option<u32>);

fn days_read(text: &str) -> Result<Days, String> {
    match text.parse::<u32>() {
        _ if text == "never" => Ok(Days(None)),
        Ok(days) if (1..=RETAIN_DAYS_MAX).contains(&days) => Ok(Days(Some(days))),
        _ => Err(format!("must be 1 to {RETAIN_DAYS_MAX} days, or never")),
    }
}

impl RetentionArgs {
    /// As the use cases take it.
    #[must_use]
    pub fn retention(self) -> Retention {
        let default = Retention::default();
        Retention {
            discarded: self.retention_discarded.map_or(default.discarded, |days| days.0),
            quarantined: self.retention_quarantined.map_or(default.quarantined, |days| days.0),
        }
    }

    /// The same of items of drains.
    #[must_use]
    pub fn items(self) -> ItemRetention {
        self.retention_jobs.map_or_else(ItemRetention::default, |days| ItemRetention { days: days.0 })
    }
}

/// Arguments of `tidewatch serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The store.
    #[command(flatten)]
    pub data: DataArgs,
    /// Address to listen on [default: site-addr of Leptos.toml, else 127.0.0.1:4600]
    #[arg(long, env = "TIDEWATCH_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Sign staff out after so many seconds without a request
    #[arg(long, env = "TIDEWATCH_SESSION_SECONDS", default_value_t = SESSION_IDLE_S, value_parser = clap::value_parser!(u32).range(1..=SESSION_IDLE_S_MAX))]
    pub session_seconds: u32,
    /// Take from devices that have bound a key only requests that are signed with it
    #[arg(long, env = "TIDEWATCH_REQUIRE_SIGNATURES")]
    pub require_signatures: bool,
    /// How long payloads are kept.
    #[command(flatten)]
    pub retention: RetentionArgs,
    /// Write every batch with what decided it to this file, for `tidewatch replay`; it must not be there yet
    #[arg(long, env = "TIDEWATCH_CAPTURE")]
    pub capture: Option<PathBuf>,
}

impl ServeArgs {
    /// The address to listen on.
    ///
    /// # Errors
    /// One sentence that names the setting.
    pub fn listen_address(&self) -> Result<SocketAddr, String> {
        match self.listen {
            Some(address) => Ok(address),
            None => leptos_address(Path::new(LEPTOS_TOML)),
        }
    }
}

/// `site-addr`, from the file or from `LEPTOS_SITE_ADDR`; our default when there is neither.
fn leptos_address(file: &Path) -> Result<SocketAddr, String> {
    if !file.exists() && std::env::var_os("LEPTOS_SITE_ADDR").is_none() {
        return Ok(LISTEN_DEFAULT.parse().expect("the default is an address"));
    }
    let path = file.exists().then(|| file.to_str().unwrap_or(LEPTOS_TOML));
    leptos::config::get_configuration(path)
        .map(|configuration| configuration.leptos_options.site_addr)
        .map_err(|error| format!("site-addr of {LEPTOS_TOML} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_days_in_bounds_or_never() {
        assert_eq!(
            [days_read("1"), days_read("3650"), days_read("never")],
            [Ok(Days(Some(1))), Ok(Days(Some(3_650))), Ok(Days(None))]
        );
        for bad in ["0", "3651", "-1", "", "30d", "Never"] {
            assert!(days_read(bad).is_err(), "{bad}");
        }
        assert_eq!(RetentionArgs::default().retention(), Retention::default());
        assert_eq!(RetentionArgs::default().items(), ItemRetention { days: Some(90) });
        let said = RetentionArgs {
            retention_discarded: Some(Days(None)),
            retention_quarantined: Some(Days(Some(90))),
            retention_jobs: Some(Days(Some(7))),
        };
        assert_eq!(said.retention(), Retention { discarded: None, quarantined: Some(90) });
        assert_eq!(said.items(), ItemRetention { days: Some(7) });
        let never = RetentionArgs { retention_jobs: Some(Days(None)), ..RetentionArgs::default() };
        assert_eq!(never.items(), ItemRetention { days: None });
    }
}
