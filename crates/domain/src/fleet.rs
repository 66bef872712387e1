//! What pages and the API show of devices and of the fleet: read models, computed from the store at one instant. One module a page.
//!
//! `Option` means *not reported* or *not known* throughout, never zero.

mod command;
mod device;
mod devices;
mod drain;
mod log;
mod members;
mod outbox;
mod overview;
mod payload;
mod state;

pub use self::command::{CommandEvent, CommandLogs, CommandRow, CommandView};
pub use self::device::{Convergence, ConvergenceVerdict, DeviceView, EntryRow, TimelineEvent, TimelineKind};
pub use self::devices::{DeviceList, DeviceRow, DeviceSort, FleetCounts};
pub use self::drain::{
    Approver, Breakdown, DRY_RUN_MAX, DrainChange, DrainItemRow, DrainJobRow, DrainJobView, DrainPreview, DryRun, FailureReason,
    Forecast, JobEvent, JobTally, Released, RunningDevice, SampleEntry,
};
pub use self::log::{ChangeRow, Trace, TraceStage};
pub use self::members::{DrainMemberRow, MemberPart};
pub use self::outbox::{
    Attempt, CollectionTally, EntryDrain, EntryPast, FailureGroup, GROUP_HOURS, OutboxDevice, OutboxEntryView, OutboxFigures,
    OutboxRow, StateTally, Untold,
};
pub use self::overview::{
    Board, BoardCell, ConsoleFacts, DiskSpace, DiskState, Figure, FleetScore, Metric, Overview, Point, Recommendation, Risk,
    Series, Target, Urgency, WorkItem,
};
pub use self::payload::EntryPayload;
pub use self::state::{Condition, Contact, Drift, DriftCause, Gate, Health, Score, Scores};

/// The five tones of a verdict (`data-tone`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Settled well.
    Good,
    /// Someone should look.
    Watch,
    /// Someone must act.
    Act,
    /// In progress.
    Run,
    /// Neither.
    Idle,
}

impl Tone {
    /// As the attribute writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Watch => "watch",
            Self::Act => "act",
            Self::Run => "run",
            Self::Idle => "idle",
        }
    }
}
