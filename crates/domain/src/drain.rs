//! Draining: taking entries of outboxes out of the way, without losing any. Words, rules and limits that the service enforces and the
//! pages show; `docs/adr/0010-drain-in-one-transaction.md` says where the state lives.

mod archive;
mod item;
mod job;
mod patching;
mod retention;

use serde_json::Value;

pub use self::archive::{ArchiveOrigin, ArchiveState};
pub use self::item::ItemFilter;
pub use self::job::{JobChange, Recent, Undoable};
pub use self::patching::{PATCHED_ID_MAX, Unpatched, patched_id, patched_intent};
pub use self::retention::{
    ItemRetention, Keeping, PurgeRun, PurgeState, RETAIN_DAYS_MAX, RETAIN_DISCARDED_DAYS, RETAIN_ITEMS_DAYS, Retention, Rolled,
};
use crate::ids::ClientId;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};

/// Most entries of one frozen set; a larger selection is refused with its count, never cut.
pub const SET_ENTRIES_MAX: u64 = 200_000;
/// Entries that support may drain in one go (`product.md` 5).
pub const SUPPORT_ENTRIES_MAX: u64 = 50;
/// From here on a canary goes first unless somebody says otherwise.
pub const CANARY_FROM_ENTRIES: u64 = 50;
/// Entries of a canary, each of another device where there are so many.
pub const CANARY_ENTRIES: u32 = 5;
/// More entries than this need a second person.
pub const APPROVAL_ENTRIES: u64 = 1_000;
/// More devices than this need a second person.
pub const APPROVAL_DEVICES: u64 = 10;
/// How long a second person has to approve.
pub const APPROVAL_MS: i64 = HOUR_MS;
/// How long a frozen set waits to be submitted.
pub const SET_MS: i64 = HOUR_MS;
/// How long a job can be taken back as a whole; of discarded entries no longer than retention keeps them.
pub const RESTORE_MS: i64 = 90 * DAY_MS;
/// Entries a second of one job, unless it says otherwise.
pub const RATE_PER_S: u32 = 50;
/// Share of failures among the last [`STOP_WINDOW`] finished entries at which a job stops by itself.
pub const STOP_PERCENT: u8 = 20;
/// See [`STOP_PERCENT`].
pub const STOP_WINDOW: u32 = 20;
/// Frozen sets that a person may have open, not submitted yet; the oldest goes when there is one more.
pub const SETS_OPEN_MAX: u32 = 10;
/// Entries that a selection may name one by one; more are selected by a filter.
pub const SELECTED_MAX: usize = 5_000;
/// Most entries of a canary.
pub const CANARY_ENTRIES_MAX: u32 = 50;
/// Most entries a second that a job may ask for.
pub const RATE_MAX: u32 = 10_000;
/// How long a canary waits for its outcomes before the job pauses.
pub const CANARY_MS: i64 = 15 * MINUTE_MS;
/// Least characters of a reason.
pub const REASON_CHARS_MIN: usize = 8;
/// Most characters of a reason.
pub const REASON_CHARS_MAX: usize = 500;

/// What is done with an entry (glossary: *drain*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DrainAction {
    /// Send or decide it once more, under its own id.
    Retry,
    /// Leave it where it is and do not send it.
    Hold,
    /// Let what waits behind it pass; it stays listed and is not sent.
    Skip,
    /// Close it and send a corrected copy under a new id, linked to it.
    Patch,
    /// Hand it to a person as a conflict of its record.
    ToConflict,
    /// Take it out of the queue into the archive; it can be put back.
    Quarantine,
    /// Give it up; kept in the archive until retention.
    Discard,
    /// Put a quarantined, skipped or discarded entry back in its old place, under its own id.
    Restore,
}

impl DrainAction {
    /// Every action.
    pub const ALL: [Self; 8] =
        [Self::Retry, Self::Hold, Self::Skip, Self::Patch, Self::ToConflict, Self::Quarantine, Self::Discard, Self::Restore];

    /// As wire, SQL and URL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Skip => "skip",
            Self::Patch => "patch",
            Self::ToConflict => "to_conflict",
            Self::Quarantine => "quarantine",
            Self::Discard => "discard",
            Self::Restore => "restore",
        }
    }

    /// Reads what [`DrainAction::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }

    /// As the audit log names it, one row per entry.
    #[must_use]
    pub const fn audit_action(self) -> &'static str {
        match self {
            Self::Retry => "entry_retry",
            Self::Hold => "entry_hold",
            Self::Skip => "entry_skip",
            Self::Patch => "entry_patch",
            Self::ToConflict => "entry_to_conflict",
            Self::Quarantine => "entry_quarantine",
            Self::Discard => "entry_discard",
            Self::Restore => "entry_restore",
        }
    }

    /// Whether the archived intent is decided on, so that it has to be read; the others only move its row.
    #[must_use]
    pub const fn decides(self) -> bool {
        matches!(self, Self::Retry | Self::Patch | Self::ToConflict)
    }

    /// Whether the payload leaves the device, so that it has to be in the archive first.
    #[must_use]
    pub const fn needs_payload(self) -> bool {
        matches!(self, Self::Skip | Self::Patch | Self::ToConflict | Self::Quarantine | Self::Discard)
    }
}

/// What becomes of the entries that wait behind a drained one. Always chosen, never assumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dependants {
    /// The same action is done with them.
    TakeAlong,
    /// They are held.
    Hold,
    /// They no longer wait: they are sent without it. What is sent once more lets them go when it is accepted.
    Cut,
}

impl Dependants {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::TakeAlong, Self::Hold, Self::Cut];

    /// Whether it goes with an action. A device sends nothing past an entry that it holds, so nothing behind one can be let go.
    #[must_use]
    pub const fn goes_with(self, action: DrainAction) -> bool {
        !matches!((self, action), (Self::Cut, DrainAction::Hold))
    }

    /// As wire, SQL and URL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TakeAlong => "take_along",
            Self::Hold => "hold",
            Self::Cut => "cut",
        }
    }

    /// Reads what [`Dependants::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == text)
    }
}

/// Which entries are meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// Everything that a list shows, on all its pages.
    Matching {
        /// Signature of a group of failures, when the list is of one.
        signature: Option<String>,
        /// Filter as the list has it.
        filter: String,
    },
    /// These: device and operation.
    Entries(Vec<(ClientId, String)>),
    /// What failed in a job, once more.
    Failed {
        /// Which job, `J` and digits.
        job: String,
        /// Only with this code.
        code: Option<String>,
    },
}

/// What is to be done with a selection.
#[derive(Clone, Debug, PartialEq)]
pub struct DrainOrder {
    /// What.
    pub action: DrainAction,
    /// What becomes of those behind them.
    pub dependants: Dependants,
    /// For [`DrainAction::Patch`]: operations over the fields of the intent ([`crate::patch::corrected`]).
    pub patch: Option<Value>,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits for a second person.
    Requested,
    /// The first few go ahead of the others.
    Canary,
    /// At work.
    Running,
    /// Stopped for now, by a person or by its failures.
    Paused,
    /// Everything has an outcome.
    Done,
    /// Cancelled: what was done stays done, the rest was left alone.
    Cancelled,
    /// The second person refused, or did not answer in time.
    Refused,
    /// Taken back.
    Undone,
}

impl JobState {
    /// Every state; the position is what SQL stores.
    pub const ALL: [Self; 8] =
        [Self::Requested, Self::Canary, Self::Running, Self::Paused, Self::Done, Self::Cancelled, Self::Refused, Self::Undone];

    /// As wire and URL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Canary => "canary",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Undone => "undone",
        }
    }

    /// Reads what [`JobState::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing more happens by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Refused | Self::Undone)
    }
}

/// What became of one entry of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemOutcome {
    /// Not begun.
    Waiting,
    /// A command for it is on its way to the device.
    Sent,
    /// Done.
    Ok,
    /// Left alone, with the reason: it had changed, it was gone, it was another job's.
    Skipped,
    /// Tried in vain, with the reason.
    Failed,
}

impl ItemOutcome {
    /// Every outcome; the position is what SQL stores.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Sent, Self::Ok, Self::Skipped, Self::Failed];

    /// As wire and URL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }

    /// What SQL stores.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// Reads [`ItemOutcome::number`].
    #[must_use]
    pub fn of_number(number: i64) -> Option<Self> {
        of_number(&Self::ALL, number)
    }

    /// Reads what [`ItemOutcome::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// Whether so much needs a second person.
#[must_use]
pub const fn needs_approval(entries: u64, devices: u64) -> bool {
    entries > APPROVAL_ENTRIES || devices > APPROVAL_DEVICES
}

/// The one at a position, as SQL stores it.
fn of_number<T: Copy>(all: &[T], number: i64) -> Option<T> {
    usize::try_from(number).ok().and_then(|at| all.get(at)).copied()
}
