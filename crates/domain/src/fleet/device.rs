//! The pages of one device: its view, its timeline, the entries of its outbox.

use super::Tone;
use super::devices::DeviceRow;
use super::overview::{Recommendation, Risk};
use super::state::{Drift, Scores};
use crate::ids::{ClientId, Seq};
use crate::report::{EntryState, ReportedError};
use crate::time::Millis;

/// Everything about one device but its lists.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceView {
    /// Its line in the table.
    pub row: DeviceRow,
    /// Drift, with its gates.
    pub drift: Drift,
    /// Scores.
    pub scores: Scores,
    /// One sentence that says what is the matter.
    pub sentence: String,
    /// Per scope and collection: equal, behind or diverged.
    pub convergence: Vec<Convergence>,
    /// Facts, in reading order: label and value; `None` is *not reported*.
    pub facts: Vec<(&'static str, Option<String>)>,
    /// When it is expected next.
    pub next_expected: Option<Millis>,
    /// Check-ins kept of the last 24 expected.
    pub kept_of_24: Option<(u32, u32)>,
    /// Enrolled at.
    pub enrolled: Millis,
    /// Whether it is refused.
    pub blocked: bool,
    /// Risks that follow from its trends.
    pub risks: Vec<Risk>,
    /// What to do, worst first.
    pub recommended: Vec<Recommendation>,
}

/// What a digest says about one collection in one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convergence {
    /// Scope.
    pub scope: String,
    /// Collection.
    pub collection: String,
    /// Verdict.
    pub verdict: ConvergenceVerdict,
}

/// Equal, behind, diverged, or not to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConvergenceVerdict {
    /// Digest verified identical at this position.
    Identical(Seq),
    /// So many changes behind.
    Behind(i64),
    /// Digest differs at the same position, since.
    Diverged(Option<Millis>),
    /// Entries of this collection are stuck on the device.
    Blocked(i64),
    /// No digest reported.
    NotReported,
}

/// One event of a device's timeline, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEvent {
    /// When.
    pub at: Millis,
    /// Which kind: the filter of the timeline.
    pub kind: TimelineKind,
    /// Good, watch, act, run or idle.
    pub tone: Tone,
    /// What happened.
    pub title: String,
    /// To what, how much, what comes next.
    pub detail: String,
    /// Operation to open a trace of.
    pub operation_id: Option<String>,
}

/// Kinds of timeline events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimelineKind {
    /// Pushes, pulls, check-ins.
    Sync,
    /// Conflicts opened and closed.
    Conflict,
    /// What people did.
    People,
}

impl TimelineKind {
    /// As the URL writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Conflict => "conflict",
            Self::People => "people",
        }
    }
}

/// One entry of a device's outbox as the mirror holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryRow {
    /// Device.
    pub client_id: ClientId,
    /// Operation.
    pub operation_id: String,
    /// Collection.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope.
    pub scope: Option<String>,
    /// `create`, `update`, …
    pub op: String,
    /// 1 to 5.
    pub priority: i64,
    /// State.
    pub state: EntryState,
    /// Attempts.
    pub attempts: i64,
    /// Made at.
    pub created_at: Option<Millis>,
    /// Last attempt.
    pub last_attempt_at: Option<Millis>,
    /// Next attempt.
    pub next_attempt_at: Option<Millis>,
    /// Size.
    pub bytes: Option<i64>,
    /// Last failure.
    pub error: Option<ReportedError>,
    /// What it waits for.
    pub depends_on: Vec<String>,
}
