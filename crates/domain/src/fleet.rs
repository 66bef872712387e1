//! What pages and the API show of devices and of the fleet: read models, computed from the store at one instant.
//!
//! `Option` means *not reported* or *not known* throughout, never zero.

use crate::ids::{ClientId, Seq};
use crate::page::Page;
use crate::report::{EntryState, ReportedError};
use crate::time::{Millis, TimeRange};

/// Health, the first axis (`control.md` 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// Does its work.
    Healthy,
    /// In trouble that may pass by itself.
    Degraded,
    /// In trouble that will not.
    Failing,
    /// Not enough is known.
    Unknown,
}

impl Health {
    /// Every value, worst first.
    pub const ALL: [Self; 4] = [Self::Failing, Self::Degraded, Self::Unknown, Self::Healthy];

    /// As URL and SQL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Unknown => "unknown",
        }
    }
}

/// The condition behind a health: the word that pages show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    /// Rejected entries, or pushes not acknowledged for two hours.
    Stuck,
    /// Nothing pending, yet the digest differs.
    Diverged,
    /// Fails, and retries by itself.
    Stalling,
    /// Stopped by a person.
    Held,
    /// No recent report.
    Unknown,
    /// Behind, and coming closer.
    CatchingUp,
    /// Digest verified identical, or nothing pending and nothing behind.
    Converged,
}

impl Condition {
    /// Every condition, worst first.
    pub const ALL: [Self; 7] =
        [Self::Stuck, Self::Diverged, Self::Stalling, Self::Held, Self::Unknown, Self::CatchingUp, Self::Converged];

    /// As URL and SQL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Diverged => "diverged",
            Self::Stalling => "stalling",
            Self::Held => "held",
            Self::Unknown => "unknown",
            Self::CatchingUp => "catching_up",
            Self::Converged => "converged",
        }
    }

    /// In words, sentence case.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stuck => "Stuck",
            Self::Diverged => "Diverged",
            Self::Stalling => "Stalling",
            Self::Held => "Held",
            Self::Unknown => "Unknown",
            Self::CatchingUp => "Catching up",
            Self::Converged => "Converged",
        }
    }

    /// The axis value it stands for.
    #[must_use]
    pub const fn health(self) -> Health {
        match self {
            Self::Stuck | Self::Diverged => Health::Failing,
            Self::Stalling | Self::Held => Health::Degraded,
            Self::Unknown => Health::Unknown,
            Self::CatchingUp | Self::Converged => Health::Healthy,
        }
    }

    /// Reads what [`Condition::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.as_str() == text)
    }
}

/// Contact, the second axis: against the device's own rhythm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contact {
    /// Within its own usual interval.
    Active,
    /// Later than usual, not yet overdue.
    Quiet,
    /// Past its expected contact (three times its median gap, 15 min at least).
    Overdue,
    /// Not seen for 30 days.
    Lost,
    /// Enrolled, never once in contact since.
    Never,
}

impl Contact {
    /// Every value, worst first.
    pub const ALL: [Self; 5] = [Self::Lost, Self::Overdue, Self::Never, Self::Quiet, Self::Active];

    /// As URL and SQL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Quiet => "quiet",
            Self::Overdue => "overdue",
            Self::Lost => "lost",
            Self::Never => "never",
        }
    }

    /// Reads what [`Contact::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contact| contact.as_str() == text)
    }
}

/// The four causes of drift, in the order of the gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DriftCause {
    /// No contact since the expected one.
    NotConnected,
    /// Contact, but no progress of its pulls while its scopes moved.
    NotPulling,
    /// The cursor advances at the server, the reported one does not.
    NotApplying,
    /// Attempts seen, the oldest pending operation does not move.
    NotAcknowledged,
}

impl DriftCause {
    /// The gates, in order.
    pub const ALL: [Self; 4] = [Self::NotConnected, Self::NotPulling, Self::NotApplying, Self::NotAcknowledged];

    /// As URL and SQL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::NotPulling => "not_pulling",
            Self::NotApplying => "not_applying",
            Self::NotAcknowledged => "not_acknowledged",
        }
    }

    /// In words.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotConnected => "Not connected",
            Self::NotPulling => "Connected, not pulling",
            Self::NotApplying => "Pulling, not applying",
            Self::NotAcknowledged => "Pushed, not acknowledged",
        }
    }

    /// Reads what [`DriftCause::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// How long a device has not been proven equal to the store, split by cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Longest of the gates; `None` when never proven and nothing is known.
    pub age_ms: Option<i64>,
    /// The first gate that is shut.
    pub cause: Option<DriftCause>,
    /// One gate per cause, in the order of [`DriftCause::ALL`].
    pub gates: [Gate; 4],
}

/// One gate of drift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Which.
    pub cause: DriftCause,
    /// How long it has been shut; 0 when open, `None` when it cannot be told.
    pub shut_ms: Option<i64>,
    /// The fact behind it, one short sentence.
    pub note: String,
}

/// A score with the share of its inputs that was reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// 0 to 100; `None` below a coverage of 0.5 ("not enough data").
    pub value: Option<f64>,
    /// Share of the weight that was present, 0 to 1.
    pub coverage: f64,
}

/// The device score and its four groups (seed 000's weighting 0.3, 0.3, 0.2, 0.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// All groups.
    pub total: Score,
    /// Weight 0.3.
    pub connectivity: Score,
    /// Weight 0.3.
    pub offline_resilience: Score,
    /// Weight 0.2.
    pub battery: Score,
    /// Weight 0.2.
    pub user_experience: Score,
}

/// One line of the device table.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceRow {
    /// Which device.
    pub client_id: ClientId,
    /// Its name; the head of its id when it reported none.
    pub name: String,
    /// Who it belongs to.
    pub principal: String,
    /// See [`crate::report::DeviceFacts::platform`].
    pub platform: Option<String>,
    /// Version of the operating system.
    pub os_version: Option<String>,
    /// Version of the app.
    pub app_version: Option<String>,
    /// Whether the simulator made it.
    pub simulated: bool,
    /// First axis, in words.
    pub condition: Condition,
    /// Second line of the status, e.g. "9 rejected, 44 waiting".
    pub condition_note: String,
    /// Second axis.
    pub contact: Contact,
    /// Last contact of any kind.
    pub last_contact: Option<Millis>,
    /// Its usual gap between contacts.
    pub interval_ms: Option<i64>,
    /// Its last 12 expected check-ins, oldest first: `true` kept, `false` missed.
    pub rhythm: Vec<bool>,
    /// Operations not finally answered.
    pub queue_depth: Option<i64>,
    /// Of them, poisoned.
    pub poisoned: i64,
    /// When the oldest of them was made.
    pub oldest_pending: Option<Millis>,
    /// Drift.
    pub drift_age_ms: Option<i64>,
    /// The shut gate.
    pub drift_cause: Option<DriftCause>,
    /// Battery charge, percent.
    pub battery_percent: Option<f64>,
    /// Its last 24 battery charges, oldest first.
    pub battery_trend: Vec<f64>,
    /// Resilience score.
    pub score: Score,
    /// Open conflicts.
    pub conflicts: i64,
    /// Changes of its scopes it has not pulled.
    pub behind: Option<i64>,
}

/// Order of the device table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceSort {
    /// Worst condition first, then deepest queue; the default.
    #[default]
    Worst,
    /// Deepest queue first.
    Queue,
    /// Oldest drift first.
    Drift,
    /// Latest contact first.
    Contact,
    /// By name.
    Name,
    /// Lowest score first.
    Score,
}

impl DeviceSort {
    /// Every order.
    pub const ALL: [Self; 6] = [Self::Worst, Self::Queue, Self::Drift, Self::Contact, Self::Name, Self::Score];

    /// As the URL writes it (`?sort=queue`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worst => "worst",
            Self::Queue => "queue",
            Self::Drift => "drift",
            Self::Contact => "contact",
            Self::Name => "name",
            Self::Score => "score",
        }
    }

    /// Reads what [`DeviceSort::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text)
    }
}

/// How many devices are in each condition and contact, for tabs and sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetCounts {
    /// All devices.
    pub devices: u64,
    /// In the order of [`Condition::ALL`].
    pub by_condition: [u64; 7],
    /// In the order of [`Contact::ALL`].
    pub by_contact: [u64; 5],
    /// Made by the simulator.
    pub simulated: u64,
}

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
    /// Started at.
    pub started: Millis,
}

/// One row of the change log, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRow {
    /// Position.
    pub seq: Seq,
    /// Committed at.
    pub committed: Millis,
    /// Collection; empty for control rows.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope.
    pub scope: String,
    /// `create`, `update`, `put`, `delete`, `genesis`, …
    pub op: &'static str,
    /// Version of the record.
    pub version: i64,
    /// Names of the fields it touched.
    pub changed: Vec<String>,
    /// Who.
    pub client_id: Option<ClientId>,
    /// Name of the device, when it has one.
    pub device_name: Option<String>,
    /// Operation.
    pub operation_id: String,
    /// How it was decided: `applied`, `merged`, …
    pub decision: &'static str,
    /// Effective clock, `ms-counter-node`.
    pub hlc: String,
    /// Clock as claimed, when the skew clamp changed it.
    pub hlc_claimed: Option<String>,
}

/// Everything the store knows of one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Operation.
    pub operation_id: String,
    /// Device that made it.
    pub client_id: Option<ClientId>,
    /// Name of that device.
    pub device_name: Option<String>,
    /// Collection and record.
    pub subject: Option<(String, String)>,
    /// Scope.
    pub scope: Option<String>,
    /// Stages, oldest first.
    pub stages: Vec<TraceStage>,
    /// Final answer, e.g. `applied`; `None` while there is none.
    pub status: Option<String>,
    /// Body after the change with every value replaced by its type, JSON text.
    pub shape: Option<String>,
    /// Devices subscribed to its scope that have pulled past it, of all that are.
    pub pulled: Option<(u64, u64)>,
}

/// One stage of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceStage {
    /// When; `None` when only the order is known.
    pub at: Option<Millis>,
    /// `enqueued`, `attempt`, `received`, `deduplicated`, `validated`, `decided`, `committed`, `pulled`.
    pub stage: &'static str,
    /// Tone.
    pub tone: Tone,
    /// What happened.
    pub title: String,
    /// With what result.
    pub detail: String,
}

/// A list of devices with the counts that its tabs need.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceList {
    /// The page.
    pub page: Page<DeviceRow>,
    /// Of the whole fleet.
    pub counts: FleetCounts,
    /// Computed at.
    pub as_of: Millis,
}
