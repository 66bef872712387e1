//! A device's telemetry report (`control.md` 1). Every member but id and time is optional, and missing means *not reported*: never zero.

pub mod range;

use crate::control::MeshMode;
use crate::time::Millis;

/// One report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Deduplicates together with the device.
    pub report_id: String,
    /// When the device took it; may be long ago.
    pub at: Millis,
    /// Counts the reports of the device.
    pub seq: Option<i64>,
    /// What the device is.
    pub device: DeviceFacts,
    /// How it is connected.
    pub connectivity: Connectivity,
    /// How it copes without the network.
    pub offline_resilience: OfflineResilience,
    /// What syncing costs its battery.
    pub battery_optimization: BatteryOptimization,
    /// What its user feels.
    pub user_experience: UserExperience,
    /// What its sync loop did.
    pub sync: SyncFacts,
    /// Digest of its outbox.
    pub outbox: Option<OutboxDigest>,
    /// How it uses its mesh.
    pub mesh: MeshFacts,
    /// The report as it came, JSON text, unknown members included.
    pub raw: String,
}

/// How it uses its mesh, as far as it is kept; its other members stay in the report as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeshFacts {
    /// Mode.
    pub mode: Option<MeshMode>,
    /// Time between two broadcasts.
    pub broadcast_interval_ms: Option<i64>,
    /// Which key it uses: counts rotations.
    pub key_revision: Option<i64>,
}

/// What the device is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceFacts {
    /// Name that people use for it.
    pub name: Option<String>,
    /// `ios`, `android`, `windows`, `macos`, `linux`, `web`.
    pub platform: Option<String>,
    /// Version of the operating system.
    pub os_version: Option<String>,
    /// Version of the client app.
    pub app_version: Option<String>,
    /// Schema version of the local database.
    pub schema_version: Option<i64>,
    /// Hardware model.
    pub model: Option<String>,
    /// Free labels, e.g. `region: north`.
    pub labels: Vec<(String, String)>,
    /// `battery`, `charging`, `mains`.
    pub power: Option<String>,
    /// 0 to 100.
    pub battery_percent: Option<f64>,
    /// `wifi`, `cellular`, `ethernet`, `none`.
    pub network: Option<String>,
    /// Whether the app is in front.
    pub foreground: Option<bool>,
    /// Device clock minus server clock.
    pub clock_offset_ms: Option<i64>,
}

/// Quality of the link to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayQuality {
    /// Best.
    Excellent,
    /// Good.
    Good,
    /// Fair.
    Fair,
    /// Poor.
    Poor,
    /// No relay.
    None,
}

/// How it is connected (seed 000's names).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Connectivity {
    /// Peers connected now.
    pub p2p_peers_connected: Option<i64>,
    /// Link to the relay.
    pub relay_connection_quality: Option<RelayQuality>,
    /// Seconds.
    pub network_partition_duration: Option<f64>,
    /// Last sync that succeeded, by the device.
    pub last_successful_sync: Option<Millis>,
}

/// How it copes without the network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OfflineResilience {
    /// Operations waiting.
    pub queued_operations_count: Option<i64>,
    /// Of them, critical.
    pub critical_operations_pending: Option<i64>,
    /// 0 to 100.
    pub storage_usage_percent: Option<f64>,
    /// Conflicts the device saw.
    pub sync_conflicts_detected: Option<i64>,
}

/// What syncing costs its battery.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BatteryOptimization {
    /// 0 to 1.
    pub background_processing_efficiency: Option<f64>,
    /// 0 (no impact) to 10.
    pub battery_impact_score: Option<f64>,
    /// 0 to 1.
    pub sync_frequency_adaptive_rate: Option<f64>,
}

/// What its user feels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UserExperience {
    /// 0 to 100.
    pub offline_feature_availability_percent: Option<f64>,
    /// 0 to 1.
    pub sync_conflict_resolution_success_rate: Option<f64>,
    /// Times a person had to step in.
    pub user_intervention_required_count: Option<i64>,
}

/// What its sync loop did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncFacts {
    /// Scope and cursor, as the device holds them.
    pub cursors: Vec<(String, String)>,
    /// Scope, collection, rows, digest, as the device holds them.
    pub digests: Vec<ReportedDigest>,
    /// Age of the oldest operation not finally answered.
    pub oldest_pending_at: Option<Millis>,
    /// Last attempt to push or pull.
    pub last_attempt_at: Option<Millis>,
    /// Last final answer.
    pub last_ack_at: Option<Millis>,
    /// Last page applied.
    pub last_applied_at: Option<Millis>,
    /// Retries in a row.
    pub retry_count: Option<i64>,
    /// Round trips since the last report.
    pub latency_ms: Option<LatencySummary>,
    /// Attempts since the last report.
    pub attempts: Option<AttemptCounts>,
    /// Token refreshes refused.
    pub token_errors: Option<i64>,
    /// Last failure.
    pub last_error: Option<ReportedError>,
}

/// A digest as the device computed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedDigest {
    /// Scope.
    pub scope: String,
    /// Collection.
    pub collection: String,
    /// Live rows.
    pub rows: i64,
    /// 16 hex digits.
    pub digest: String,
}

/// Percentiles of round trips, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LatencySummary {
    /// How many round trips.
    pub count: i64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

/// Outcomes of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptCounts {
    /// Succeeded at the first try.
    pub first_try_ok: i64,
    /// Succeeded.
    pub ok: i64,
    /// All.
    pub total: i64,
}

/// A failure as the device saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedError {
    /// Problem code.
    pub code: String,
    /// HTTP status.
    pub status: Option<i64>,
    /// Words.
    pub message: Option<String>,
}

/// Digest of an outbox: the worst entries, and the true depth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutboxDigest {
    /// True depth.
    pub total: i64,
    /// Bytes in all.
    pub bytes: Option<i64>,
    /// When true, an entry that is missing here is not gone.
    pub truncated: bool,
    /// At most 500, worst first.
    pub entries: Vec<OutboxEntry>,
}

/// States of an entry that a device can report.
pub const STATES_REPORTED: usize = 6;
/// All states of an entry.
pub const STATES: usize = 11;

/// State of an entry (glossary: *entry*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryState {
    /// Not sent yet.
    Queued,
    /// On its way.
    Sending,
    /// Failed, will be sent again by itself.
    Retrying,
    /// Behind another entry.
    Waiting,
    /// Cannot succeed by retrying.
    Poisoned,
    /// Stopped by a person.
    Held,
    /// Its payload was handed in by the device, which has dropped its copy.
    Escrowed,
    /// Taken out of the queue into the archive.
    Quarantined,
    /// What waited behind it passed; it is not sent.
    Skipped,
    /// Given up.
    Discarded,
    /// Settled by a person: it was decided again, a corrected copy took its place, or a conflict stands for it.
    Done,
}

impl EntryState {
    /// Every state, worst first; the position is what SQL stores. Those that a device can report come before the drained ones.
    pub const ALL: [Self; STATES] = [
        Self::Poisoned,
        Self::Retrying,
        Self::Held,
        Self::Waiting,
        Self::Queued,
        Self::Sending,
        Self::Escrowed,
        Self::Quarantined,
        Self::Skipped,
        Self::Discarded,
        Self::Done,
    ];

    /// As wire, SQL and URL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Retrying => "retrying",
            Self::Waiting => "waiting",
            Self::Poisoned => "poisoned",
            Self::Held => "held",
            Self::Escrowed => "escrowed",
            Self::Quarantined => "quarantined",
            Self::Skipped => "skipped",
            Self::Discarded => "discarded",
            Self::Done => "done",
        }
    }

    /// Reads what [`EntryState::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The states that a device can report: of what it still has to send.
    #[must_use]
    pub fn reported() -> &'static [Self] {
        &Self::ALL[..STATES_REPORTED]
    }

    /// Whether it was taken out of the way, so that nothing of it is left to send.
    #[must_use]
    pub fn is_drained(self) -> bool {
        !Self::reported().contains(&self)
    }
}

/// One entry of an outbox, without its payload.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEntry {
    /// Which operation.
    pub operation_id: String,
    /// Collection.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope.
    pub scope: Option<String>,
    /// `create`, `update`, …
    pub op: String,
    /// 1 (first) to 5.
    pub priority: i64,
    /// When the device queued it.
    pub created_at: Option<Millis>,
    /// Operations it waits for.
    pub depends_on: Vec<String>,
    /// Attempts so far.
    pub attempts: i64,
    /// Last attempt.
    pub last_attempt_at: Option<Millis>,
    /// Next attempt.
    pub next_attempt_at: Option<Millis>,
    /// Size of the intent.
    pub bytes: Option<i64>,
    /// State.
    pub state: EntryState,
    /// Last failure.
    pub error: Option<ReportedError>,
}
