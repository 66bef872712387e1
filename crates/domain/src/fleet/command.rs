//! Commands as pages show them: those of a device, one with what became of it, and the log lines that one brought.

use super::drain::Forecast;
use crate::control::{CommandKind, CommandState, LogLine, LogsHeld};
use crate::ids::ClientId;
use crate::page::Page;
use crate::time::Millis;

/// A command in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandRow {
    /// Id.
    pub id: String,
    /// Device.
    pub client_id: ClientId,
    /// What.
    pub kind: CommandKind,
    /// Where it stands.
    pub state: CommandState,
    /// Done and total, as the device last said.
    pub progress: Option<(u64, u64)>,
    /// 1 (first) to 5.
    pub priority: i64,
    /// Who asked.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Job that it belongs to.
    pub job: Option<String>,
    /// Made at.
    pub created: Millis,
    /// In this state since.
    pub changed: Millis,
    /// Never delivered after.
    pub expires: Millis,
    /// Code and words of a failure.
    pub error: Option<(String, String)>,
    /// Of what was compared with what the device says: whether all of it could be. None where nothing is.
    pub verified: Option<bool>,
}

impl CommandRow {
    /// Whether it is done on the word of its device, since not all of it could be compared.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        self.state == CommandState::Done && self.verified == Some(false)
    }
}

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandView {
    /// Its line.
    pub row: CommandRow,
    /// Arguments, JSON text.
    pub args: String,
    /// Result as the device gave it, JSON text.
    pub result: Option<String>,
    /// Handed over so often.
    pub deliveries: u64,
    /// When it is expected to be picked up, while it is queued.
    pub forecast: Option<Forecast>,
    /// States it went through, oldest first.
    pub history: Vec<CommandEvent>,
    /// Of an `upload_logs`: what was uploaded, while it is kept.
    pub logs: Option<LogsHeld>,
}

/// A state that a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandEvent {
    /// Which.
    pub state: CommandState,
    /// When.
    pub at: Millis,
    /// Who brought it there, as the audit log names them.
    pub actor: String,
    /// Why, or what went wrong.
    pub detail: Option<String>,
}

/// A page of the lines of one upload, as the reader may see them.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandLogs {
    /// What the whole upload holds.
    pub held: LogsHeld,
    /// Whether messages stand here with what looks like a secret masked; otherwise each is a name for its text.
    pub readable: bool,
    /// Lines, oldest first.
    pub page: Page<LogLine>,
}
