//! The control channel (`control.md` 4): commands to devices, their states and what moves them. It works when the data sync of a device
//! does not.

use serde_json::Value;

use crate::ids::ClientId;
use crate::time::{DAY_MS, Millis};

/// How long a command waits for its device, unless it says otherwise.
pub const COMMAND_TTL_MS: i64 = 3 * DAY_MS;
/// Commands that one poll hands over.
pub const COMMANDS_PAGE: u32 = 50;
/// Open commands that one device may have.
pub const COMMANDS_OPEN_MAX: u32 = 1_000;

/// What a device is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandKind {
    /// Take entries out of the way.
    Drain,
    /// Send payloads of the write-ahead log.
    UploadWal,
    /// Escrow, then a snapshot, then replay.
    Resync,
    /// Fetch flags and models.
    RefreshPolicy,
    /// Change the mesh mode.
    Mesh,
    /// Send the logs of the app.
    UploadLogs,
}

impl CommandKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Drain, Self::UploadWal, Self::Resync, Self::RefreshPolicy, Self::Mesh, Self::UploadLogs];

    /// As wire, SQL and URL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::UploadWal => "upload_wal",
            Self::Resync => "resync",
            Self::RefreshPolicy => "refresh_policy",
            Self::Mesh => "mesh",
            Self::UploadLogs => "upload_logs",
        }
    }

    /// Reads what [`CommandKind::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Where a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommandState {
    /// Waits for the device to ask.
    Queued,
    /// Handed over at least once.
    Delivered,
    /// The device is at it.
    Running,
    /// Done.
    Done,
    /// The device could not.
    Failed,
    /// Its time was over before it was done.
    Expired,
    /// A newer one took its place.
    Superseded,
    /// Taken back.
    Cancelled,
}

impl CommandState {
    /// Every state; the position is what SQL stores.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Delivered,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Expired,
        Self::Superseded,
        Self::Cancelled,
    ];

    /// As wire and URL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads what [`CommandState::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether it can still change.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Delivered | Self::Running)
    }
}

/// A command before it has an id.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCommand {
    /// For which device.
    pub client_id: ClientId,
    /// What.
    pub kind: CommandKind,
    /// Its arguments, as the wire has them (`control.md` 4).
    pub args: Value,
    /// 1 (first) to 5.
    pub priority: i64,
    /// Never delivered after this.
    pub expires_at: Millis,
    /// A newer command with the same key takes the place of one that was not delivered yet.
    pub supersede_key: Option<String>,
    /// The drain job that it belongs to.
    pub job: Option<String>,
    /// Who asks, as the audit log names them.
    pub actor: String,
    /// Why.
    pub reason: String,
}
