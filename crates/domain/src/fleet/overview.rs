//! The overview, which is also the resilience report: figures with their trends, work, risks, the board.

use super::Tone;
use super::devices::FleetCounts;
use super::state::Scores;
use crate::ids::{ClientId, Seq};
use crate::time::{Millis, TimeRange};

/// One point of a trend. `None` is *no data*: drawn as hatching, never as zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Start of the step.
    pub at: Millis,
    /// Value.
    pub value: Option<f64>,
}

/// One line over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is, as a legend says it.
    pub name: &'static str,
    /// Points, oldest first, one per step of the range.
    pub points: Vec<Point>,
}

/// The metrics that have a figure, a spark and a trend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Operations not finally answered.
    QueueDepth,
    /// Share of push and pull attempts that succeeded, percent.
    SyncSuccess,
    /// 95th percentile of drift age, milliseconds.
    DriftAge,
    /// Conflict rate, percent.
    ConflictRate,
    /// Sync latency, milliseconds: p95 and p50.
    SyncLatency,
    /// Battery score of the fleet, 0 to 100.
    BatteryScore,
}

impl Metric {
    /// In the order of the overview.
    pub const ALL: [Self; 6] =
        [Self::QueueDepth, Self::SyncSuccess, Self::DriftAge, Self::ConflictRate, Self::SyncLatency, Self::BatteryScore];

    /// As URL and element ids write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueDepth => "queue_depth",
            Self::SyncSuccess => "sync_success",
            Self::DriftAge => "drift_age",
            Self::ConflictRate => "conflict_rate",
            Self::SyncLatency => "sync_latency",
            Self::BatteryScore => "battery_score",
        }
    }

    /// As pages write it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::QueueDepth => "Queue depth",
            Self::SyncSuccess => "Sync success",
            Self::DriftAge => "Drift age p95",
            Self::ConflictRate => "Conflict rate",
            Self::SyncLatency => "Sync latency p95",
            Self::BatteryScore => "Battery score",
        }
    }
}

/// A figure of the overview: value, verdict, note, and its trend over the range.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Which.
    pub metric: Metric,
    /// Value in the metric's unit; `None` is *no data in this range*.
    pub value: Option<f64>,
    /// Tone of the verdict.
    pub tone: Tone,
    /// The verdict, e.g. "Within SLO".
    pub verdict: String,
    /// What relates it to traffic, to normal or to its SLO.
    pub note: String,
    /// The limit the verdict is measured against, in the metric's unit.
    pub slo: Option<f64>,
    /// One series, or two for latency (p95, p50).
    pub series: Vec<Series>,
    /// The same range, one range earlier, when asked for.
    pub previous: Option<Series>,
}

/// How urgent work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Urgency {
    /// Now.
    Now,
    /// Today.
    Today,
    /// This week.
    ThisWeek,
}

impl Urgency {
    /// In words.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Now => "Now",
            Self::Today => "Today",
            Self::ThisWeek => "This week",
        }
    }
}

/// Where a link leads; pages turn it into a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The device table with a filter.
    Devices(String),
    /// One device.
    Device(ClientId),
    /// The log explorer with a filter.
    Changes(String),
    /// The trace of an operation.
    Trace(String),
    /// A group of failures in the outbox, by its id.
    Failures(String),
    /// A drain, by its id.
    Drain(String),
    /// What this console says of itself.
    Console,
}

/// Something that needs a person.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkItem {
    /// How urgent.
    pub urgency: Urgency,
    /// What, to how many.
    pub title: String,
    /// The consequence, one sentence.
    pub detail: String,
    /// Since when.
    pub since: Option<Millis>,
    /// How many devices.
    pub devices: u64,
    /// Verb of its one action.
    pub verb: &'static str,
    /// Where the action leads.
    pub target: Target,
    /// devices × hours × entries at risk: the order within an urgency.
    pub weight: f64,
}

/// A risk that a trend foretells, with how good the fit is.
#[derive(Clone, Debug, PartialEq)]
pub struct Risk {
    /// What will happen, e.g. "Storage full on 3 devices".
    pub title: String,
    /// When, at this rate.
    pub due: Millis,
    /// How the prediction was made and its error, one sentence.
    pub basis: String,
    /// Where to look.
    pub target: Target,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Recommendation {
    /// What to do.
    pub title: String,
    /// What it will change.
    pub detail: String,
    /// Where.
    pub target: Target,
}

/// One cell of the hour × day board.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoardCell {
    /// Start of the hour.
    pub at: Millis,
    /// Devices expected in that hour; `None` when the store has no data for it.
    pub expected: Option<u32>,
    /// Devices that synced.
    pub synced: u32,
}

/// Seven days of 24 hours, oldest day first; the last row is today and its future hours have no data.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// Rows of 24 cells.
    pub days: Vec<Vec<BoardCell>>,
    /// Share of expected devices that synced today so far, percent.
    pub today_percent: Option<f64>,
}

/// The fleet score: the mean over devices seen in the window, and its spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FleetScore {
    /// Means by group.
    pub scores: Scores,
    /// 10th percentile of device scores.
    pub p10: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// Devices with a score.
    pub devices: u64,
    /// Total one range earlier.
    pub previous: Option<f64>,
}

/// The overview; also the answer of `GET /api/v1/resilience-report`.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Computed at.
    pub as_of: Millis,
    /// Over.
    pub range: TimeRange,
    /// Devices by condition and contact.
    pub counts: FleetCounts,
    /// The finding, one sentence.
    pub headline: String,
    /// Score.
    pub score: FleetScore,
    /// In the order of [`Metric::ALL`].
    pub figures: Vec<Figure>,
    /// Worst first.
    pub work: Vec<WorkItem>,
    /// Soonest first.
    pub risks: Vec<Risk>,
    /// Worst first.
    pub recommended: Vec<Recommendation>,
    /// Optimisation opportunities (seed 000).
    pub opportunities: Vec<Recommendation>,
    /// Devices that synced, by hour.
    pub board: Board,
    /// This console itself.
    pub console: ConsoleFacts,
}

/// The file system that a store lies on, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// That this process may still fill.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// How much room is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskState {
    /// Nobody has to look.
    Enough,
    /// Below 2 GiB, or below a tenth of a disk and 50 GiB.
    Low,
    /// Below 512 MiB, or below a fiftieth of a disk and 10 GiB.
    Scarce,
}

impl DiskSpace {
    /// How much room is left.
    #[must_use]
    pub fn state(self) -> DiskState {
        const GIB: u64 = 1024 * 1024 * 1024;
        let below = |least: u64, share: u64, most: u64| self.free < least || (self.free < self.total / share && self.free < most);
        if below(GIB / 2, 50, 10 * GIB) {
            DiskState::Scarce
        } else if below(2 * GIB, 10, 50 * GIB) {
            DiskState::Low
        } else {
            DiskState::Enough
        }
    }
}

/// What this console knows of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsoleFacts {
    /// `primary`.
    pub role: &'static str,
    /// Epoch, 16 hex digits.
    pub epoch: String,
    /// Position of the log.
    pub head: Seq,
    /// Bytes of the log and its projections.
    pub store_bytes: u64,
    /// The disk that it lies on.
    pub disk: DiskSpace,
    /// Started at.
    pub started: Millis,
}
