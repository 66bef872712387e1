//! What moves a command from state to state. Pure: whoever keeps commands asks here, and keeps what comes back.

use super::{CommandState, RUNNING_SILENT_MS};
use crate::time::Millis;

/// What a device says of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reported {
    /// It is at it.
    Running,
    /// It has done it.
    Done,
    /// It could not.
    Failed,
}

impl Reported {
    /// Every word.
    pub const ALL: [Self; 3] = [Self::Running, Self::Done, Self::Failed];

    /// The state that it means.
    #[must_use]
    pub const fn state(self) -> CommandState {
        match self {
            Self::Running => CommandState::Running,
            Self::Done => CommandState::Done,
            Self::Failed => CommandState::Failed,
        }
    }

    /// Reads the wire's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reported| reported.state().as_str() == text)
    }
}

/// Something that happens to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// It is handed to the device.
    HandOver,
    /// The device speaks of it.
    Report(Reported),
    /// Somebody takes it back; by force also when the device is at it.
    Cancel {
        /// Knowing that what was done stays done.
        force: bool,
    },
    /// Its time is over.
    Expire,
    /// A newer command with the same key is there.
    Supersede,
    /// Its device is gone for good.
    Close,
}

/// Why a command stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stays {
    /// That is its state already.
    Same,
    /// It has ended.
    Ended,
    /// The device is at it, and nobody forces an end.
    UnderWay,
}

/// The state after a step.
///
/// # Errors
/// Why it stays as it is.
pub const fn step(state: CommandState, step: Step) -> Result<CommandState, Stays> {
    use CommandState::{Cancelled, Delivered, Done, Expired, Failed, Queued, Running, Superseded};
    match (state, step) {
        (Queued, Step::HandOver) => Ok(Delivered),
        (Delivered | Running, Step::HandOver) | (Running, Step::Report(Reported::Running)) => Err(Stays::Same),
        (Done, Step::Report(Reported::Done)) | (Failed, Step::Report(Reported::Failed)) => Err(Stays::Same),
        (Cancelled, Step::Cancel { .. } | Step::Close) | (Expired, Step::Expire) => Err(Stays::Same),
        (Superseded, Step::Supersede) => Err(Stays::Same),
        (Queued | Delivered | Running, Step::Report(reported)) => Ok(reported.state()),
        (Queued | Delivered, Step::Cancel { .. }) | (Running, Step::Cancel { force: true }) => Ok(Cancelled),
        (Queued | Delivered | Running, Step::Close) => Ok(Cancelled),
        (Queued | Delivered | Running, Step::Expire) => Ok(Expired),
        (Queued, Step::Supersede) => Ok(Superseded),
        (Running, Step::Cancel { force: false }) | (Delivered | Running, Step::Supersede) => Err(Stays::UnderWay),
        (Done | Failed | Expired | Superseded | Cancelled, _) => Err(Stays::Ended),
    }
}

/// When an open command ends by itself. One that was not begun ends with its time; one that the device is at is given a while
/// after its last word, and a device that is never seen again does not keep it open.
#[must_use]
pub fn ends_at(state: CommandState, expires: Millis, changed: Millis) -> Millis {
    match state {
        CommandState::Running => expires.max(changed.plus(RUNNING_SILENT_MS)),
        _ => expires,
    }
}
