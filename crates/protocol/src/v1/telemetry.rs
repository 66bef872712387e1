//! `POST /telemetry`: reports of devices (`control.md` 1). Missing is *not reported*, never zero.
//!
//! Each report is read on its own: one that breaks a rule is refused by its id with the member named, the others stand.

mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::timestamp::Timestamp;

pub use read::{ReportRead, TelemetryRead, report_read, telemetry_read};

macro_rules! optional_members {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
        pub struct $name {
            $(
                $(#[$member_doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $member: Option<$kind>,
            )*
        }
    };
}

/// A batch of reports.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TelemetryRequest {
    /// The acting device.
    pub client_id: String,
    /// At most 100.
    #[schema(value_type = Vec<Report>)]
    pub reports: Vec<Box<RawValue>>,
}

/// The answer to a batch of reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TelemetryAnswered {
    /// Stored.
    pub accepted: u32,
    /// Already there.
    pub duplicates: u32,
    /// Refused, each with the member at fault.
    pub rejected: Vec<ReportRefused>,
    /// When to report again.
    pub poll_after_ms: i64,
    /// Commands waiting on the control channel.
    pub commands_waiting: u32,
}

/// A refused report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReportRefused {
    /// Which; absent when it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_id: Option<String>,
    /// `schema_invalid` or `number_out_of_range`.
    pub code: String,
    /// The member at fault, and why.
    pub detail: String,
}

/// One report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Report {
    /// Deduplicates together with the device.
    pub report_id: String,
    /// When the device took it.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Counts the reports of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
    /// What the device is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceFacts>,
    /// How it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connectivity: Option<Connectivity>,
    /// How it copes without the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offline_resilience: Option<OfflineResilience>,
    /// What syncing costs its battery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery_optimization: Option<BatteryOptimization>,
    /// What its user feels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_experience: Option<UserExperience>,
    /// What its sync loop did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncFacts>,
    /// Digest of its outbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbox: Option<Outbox>,
    /// How it uses its mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<Mesh>,
}

impl Report {
    /// A report that says nothing yet.
    #[must_use]
    pub fn new(report_id: String, at: Timestamp) -> Self {
        Self {
            report_id,
            at,
            seq: None,
            device: None,
            connectivity: None,
            offline_resilience: None,
            battery_optimization: None,
            user_experience: None,
            sync: None,
            outbox: None,
            mesh: None,
        }
    }
}

optional_members! {
    /// What the device is.
    DeviceFacts {
        /// Name that people use for it.
        name: String,
        /// `ios`, `android`, `windows`, `macos`, `linux`, `web`.
        platform: String,
        /// Version of the operating system.
        os_version: String,
        /// Version of the client app.
        app_version: String,
        /// Schema version of the local database.
        schema_version: i64,
        /// Hardware model.
        model: String,
        /// Free labels.
        labels: BTreeMap<String, String>,
        /// `battery`, `charging`, `mains`.
        power: String,
        /// 0 to 100.
        battery_percent: f64,
        /// `wifi`, `cellular`, `ethernet`, `none`.
        network: String,
        /// Whether the app is in front.
        foreground: bool,
        /// Device clock minus server clock.
        clock_offset_ms: i64,
    }
}

optional_members! {
    /// How it is connected.
    Connectivity {
        /// Peers connected now.
        p2p_peers_connected: i64,
        /// `excellent`, `good`, `fair`, `poor`, `none`.
        relay_connection_quality: String,
        /// Seconds.
        network_partition_duration: f64,
        /// Last sync that succeeded.
        last_successful_sync: Timestamp,
    }
}

optional_members! {
    /// How it copes without the network.
    OfflineResilience {
        /// Operations waiting.
        queued_operations_count: i64,
        /// Of them, critical.
        critical_operations_pending: i64,
        /// 0 to 100.
        storage_usage_percent: f64,
        /// Conflicts it saw.
        sync_conflicts_detected: i64,
    }
}

optional_members! {
    /// What syncing costs its battery.
    BatteryOptimization {
        /// 0 to 1.
        background_processing_efficiency: f64,
        /// 0 (no impact) to 10.
        battery_impact_score: f64,
        /// 0 to 1.
        sync_frequency_adaptive_rate: f64,
    }
}

optional_members! {
    /// What its user feels.
    UserExperience {
        /// 0 to 100.
        offline_feature_availability_percent: f64,
        /// 0 to 1.
        sync_conflict_resolution_success_rate: f64,
        /// Times a person had to step in.
        user_intervention_required_count: i64,
    }
}

optional_members! {
    /// What its sync loop did.
    SyncFacts {
        /// Cursor by scope.
        cursors: BTreeMap<String, String>,
        /// Digest by scope and collection.
        digests: BTreeMap<String, BTreeMap<String, DigestEntry>>,
        /// When the oldest pending operation was made.
        oldest_pending_at: Timestamp,
        /// Last attempt.
        last_attempt_at: Timestamp,
        /// Last final answer.
        last_ack_at: Timestamp,
        /// Last page applied.
        last_applied_at: Timestamp,
        /// Retries in a row.
        retry_count: i64,
        /// Round trips since the last report.
        latency_ms: Latency,
        /// Attempts since the last report.
        attempts: Attempts,
        /// Token refreshes refused.
        token_errors: i64,
        /// Last failure.
        last_error: ReportedError,
    }
}

optional_members! {
    /// How it uses its mesh. Further members are kept as they come.
    Mesh {
        /// `multi_hop`, `single_hop`, `off`.
        mode: String,
        /// Time between two broadcasts.
        broadcast_interval_ms: i64,
        /// Which key it uses: counts rotations.
        key_revision: i64,
    }
}

/// A digest as the device computed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DigestEntry {
    /// Live rows.
    pub rows: i64,
    /// 16 hex digits.
    pub digest: String,
}

/// Percentiles of round trips, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Latency {
    /// How many.
    pub count: i64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

/// Outcomes of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Attempts {
    /// Succeeded at the first try.
    pub first_try_ok: i64,
    /// Succeeded.
    pub ok: i64,
    /// All.
    pub total: i64,
}

/// A failure as the device saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReportedError {
    /// Problem code.
    pub code: String,
    /// HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i64>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Digest of an outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Outbox {
    /// True depth.
    pub total: i64,
    /// Bytes in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// When true, an entry that is missing here is not gone.
    #[serde(default)]
    pub truncated: bool,
    /// At most 500, worst first.
    #[serde(default)]
    pub entries: Vec<OutboxEntry>,
}

/// One entry of an outbox, without its payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OutboxEntry {
    /// Which operation.
    pub operation_id: String,
    /// Collection.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `create`, `update`, …
    pub op: String,
    /// 1 to 5; 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// When the device queued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Timestamp>,
    /// Operations it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Attempts so far.
    #[serde(default)]
    pub attempts: i64,
    /// Last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_attempt_at: Option<Timestamp>,
    /// Next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
    /// Size of the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// `queued`, `sending`, `retrying`, `waiting`, `poisoned`, `held`.
    pub state: String,
    /// Last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ReportedError>,
}

#[cfg(test)]
mod tests;
