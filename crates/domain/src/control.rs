//! The control channel (`control.md` 4): commands to devices, their states and what moves them. It works when the data sync of a device
//! does not.

mod course;
mod forecast;
mod logs;
mod mesh;
mod order;

use serde_json::Value;

pub use self::course::{Reported, Stays, Step, ends_at, step};
pub use self::forecast::{ContactRhythm, forecast};
pub use self::logs::{
    LOG_BYTES_MAX, LOG_LINES_MAX, LOG_MESSAGE_BYTES_MAX, LOG_TARGET_BYTES_MAX, LOG_UPLOADS_KEPT, LogLevel, LogLine, LogsHeld,
};
pub use self::mesh::{MESH_INTERVAL_MS_DEFAULT, MESH_INTERVAL_MS_MAX, MESH_INTERVAL_MS_MIN, MeshMode, MeshOrder};
pub use self::order::{EntryOrder, Order, OrderError, PATCH_BYTES_MAX, ResyncMode, WalWanted};
use crate::ids::ClientId;
use crate::time::{DAY_MS, HOUR_MS, Millis, SECOND_MS};

/// How long a command waits for its device, unless it says otherwise.
pub const COMMAND_TTL_MS: i64 = 3 * DAY_MS;
/// The longest that a command may wait for its device.
pub const COMMAND_TTL_MS_MAX: i64 = 30 * DAY_MS;
/// A device that is at a command and says nothing for so long is given up, once the time of the command is over as well.
pub const RUNNING_SILENT_MS: i64 = DAY_MS;
/// A command that was handed over is handed over again after this long without a word.
pub const HAND_OVER_AGAIN_MS: i64 = 15 * SECOND_MS;
/// A command that a device is at is handed over again after this long without a word.
pub const RUNNING_AGAIN_MS: i64 = HOUR_MS;
/// Entries of one `drain` command.
pub const DRAIN_ENTRIES_MAX: usize = 500;
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
    /// Change how it uses its mesh.
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

/// A command as a device gets it, but for its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Id; a device obeys each once.
    pub id: String,
    /// What.
    pub kind: CommandKind,
    /// Its arguments, JSON text.
    pub args: String,
    /// 1 (first) to 5.
    pub priority: i64,
    /// Made at.
    pub created: Millis,
    /// Not to be begun after.
    pub expires: Millis,
    /// A newer command with the same key takes its place.
    pub supersede_key: Option<String>,
    /// Why.
    pub reason: String,
}

/// What a device says of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandReport {
    /// Where it stands.
    pub reported: Reported,
    /// Done and total.
    pub progress: Option<(u64, u64)>,
    /// Result, JSON text.
    pub result: Option<String>,
    /// Code and words of a failure.
    pub error: Option<(String, String)>,
    /// Of a `drain` command: what became of its entries.
    pub entries: Vec<EntryAnswer>,
}

/// What a device says became of one entry of a `drain` command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryOutcome {
    /// Done.
    Ok,
    /// The device has no such entry.
    NotFound,
    /// It was not done, with the reason.
    Refused,
}

impl EntryOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Ok, Self::NotFound, Self::Refused];

    /// As the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
        }
    }

    /// Reads what [`EntryOutcome::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// Code of an entry that nothing was done with, since it had been applied before.
pub const ALREADY_APPLIED: &str = "already_applied";

/// The answer of a device to one entry of a `drain` command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryAnswer {
    /// Which.
    pub operation_id: String,
    /// What became of it.
    pub outcome: EntryOutcome,
    /// Code of a refusal, or [`ALREADY_APPLIED`].
    pub code: Option<String>,
    /// Words of a refusal.
    pub detail: Option<String>,
}

impl CommandKind {
    /// What a forced end of a command that is under way leaves behind.
    #[must_use]
    pub const fn cannot_undo(self) -> &'static str {
        match self {
            Self::Drain => "entries that the device has drained already stay drained; their payloads are in the archive",
            Self::UploadWal => "payloads that were uploaded already stay in the archive",
            Self::Resync => "operations in escrow stay there; a replica that was dropped is pulled again in any case",
            Self::RefreshPolicy => "a policy that was fetched already stays in force",
            Self::Mesh => "a mode that was changed already stays changed, and a key that was rotated stays the new one",
            Self::UploadLogs => "logs that were uploaded already stay here",
        }
    }
}

#[cfg(test)]
mod tests;
