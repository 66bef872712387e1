//! Reads reports into the domain, with ranges checked and the member at fault named.

use serde_json::Value;
use tidewatch_domain::control::MeshMode;
use tidewatch_domain::report::{
    AttemptCounts, BatteryOptimization, Connectivity, DeviceFacts, EntryState, LatencySummary, MeshFacts, OfflineResilience,
    OutboxDigest, OutboxEntry, RelayQuality, Report, ReportedDigest, ReportedError, SyncFacts, UserExperience,
};

use crate::limits::{FILTER_TERMS_MAX, INTEGER_MAX, LABELS_MAX, OUTBOX_ENTRIES_MAX, REPORTS_MAX};
use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::strict::{self, JsonFault};
use crate::v1::raw::{Envelope, text_member};
use crate::v1::telemetry::ReportRefused;

type Read<T> = Result<T, FieldError>;

/// One report as read, or why it was refused.
pub type ReportRead = Result<Report, ReportRefused>;

/// Percent.
const PERCENT: std::ops::RangeInclusive<f64> = 0.0..=100.0;
/// Rates and efficiencies.
const RATE: std::ops::RangeInclusive<f64> = 0.0..=1.0;
/// Durations and latencies.
const FROM_ZERO: std::ops::RangeInclusive<f64> = 0.0..=f64::MAX;
/// Counts.
const COUNT: std::ops::RangeInclusive<i64> = 0..=INTEGER_MAX;

/// A batch of reports as read.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryRead {
    /// The device it names, if it does.
    pub client_id: Option<String>,
    /// In order.
    pub reports: Vec<ReportRead>,
}

/// Reads the body of `POST /telemetry`.
///
/// # Errors
/// `json_invalid`, `envelope_invalid` or `batch_too_large`, naming the member.
pub fn telemetry_read(body: &[u8]) -> Result<TelemetryRead, Problem> {
    let envelope = Envelope::read(body, &["reports"])?;
    let invalid = |error: FieldError| Problem::new(Code::EnvelopeInvalid).field(error);
    let members = Members::of(&envelope.members, "").map_err(invalid)?;
    let items = envelope.items("reports", REPORTS_MAX)?.ok_or_else(|| invalid(members.missing("reports")))?;
    Ok(TelemetryRead {
        client_id: members.text_owned("client_id", 64).map_err(invalid)?,
        reports: items.into_iter().map(|raw| report_read(raw.get())).collect(),
    })
}

/// Reads one report from its text.
///
/// # Errors
/// The refusal that the answer carries.
pub fn report_read(raw: &str) -> ReportRead {
    let refuse = |report_id: Option<String>, code: Code, detail: String| ReportRefused {
        report_id,
        code: code.as_str().to_owned(),
        detail,
    };
    let value = strict::parse(raw).map_err(|fault| {
        let code = if fault == JsonFault::NumberOutOfRange { Code::NumberOutOfRange } else { Code::SchemaInvalid };
        refuse(text_member(raw, "report_id"), code, fault.to_string())
    })?;
    report_members(&value, raw).map_err(|error| {
        let id = value.get("report_id").and_then(Value::as_str).filter(|id| id.len() <= 64).map(str::to_owned);
        refuse(id, Code::SchemaInvalid, error.to_string())
    })
}

fn report_members(value: &Value, raw: &str) -> Read<Report> {
    let members = Members::of(value, "")?;
    Ok(Report {
        report_id: members.text_required("report_id", 64)?.to_owned(),
        at: members.instant("at")?.ok_or_else(|| members.missing("at"))?,
        seq: members.integer("seq", COUNT)?,
        device: group(&members, "device", device)?,
        connectivity: group(&members, "connectivity", connectivity)?,
        offline_resilience: group(&members, "offline_resilience", offline_resilience)?,
        battery_optimization: group(&members, "battery_optimization", battery_optimization)?,
        user_experience: group(&members, "user_experience", user_experience)?,
        sync: group(&members, "sync", sync)?,
        outbox: members.object("outbox")?.map(|outbox| outbox_digest(&outbox)).transpose()?,
        mesh: group(&members, "mesh", mesh)?,
        raw: raw.to_owned(),
    })
}

fn group<T: Default>(members: &Members<'_>, name: &str, read: fn(&Members<'_>) -> Read<T>) -> Read<T> {
    members.object(name)?.map(|group| read(&group)).transpose().map(Option::unwrap_or_default)
}

fn device(members: &Members<'_>) -> Read<DeviceFacts> {
    Ok(DeviceFacts {
        name: members.text_owned("name", 128)?,
        platform: members.text_owned("platform", 32)?,
        os_version: members.text_owned("os_version", 64)?,
        app_version: members.text_owned("app_version", 64)?,
        schema_version: members.integer("schema_version", COUNT)?,
        model: members.text_owned("model", 128)?,
        labels: text_pairs(members, "labels", LABELS_MAX)?,
        power: members.text_owned("power", 32)?,
        battery_percent: members.number("battery_percent", PERCENT)?,
        network: members.text_owned("network", 32)?,
        foreground: members.flag("foreground")?,
        clock_offset_ms: members.integer("clock_offset_ms", -INTEGER_MAX..=INTEGER_MAX)?,
    })
}

fn text_pairs(members: &Members<'_>, name: &str, max: usize) -> Read<Vec<(String, String)>> {
    let Some(pairs) = members.object(name)? else { return Ok(Vec::new()) };
    let keys: Vec<&str> = pairs.names().collect();
    if keys.len() > max || keys.iter().any(|key| key.len() > 160) {
        return Err(members.fault(name, format!("must have at most {max} members with names of at most 160 bytes")));
    }
    let pair = |key: &str| Ok(pairs.text(key, 256)?.map(|value| (key.to_owned(), value.to_owned())));
    keys.into_iter().filter_map(|key| pair(key).transpose()).collect()
}

fn connectivity(members: &Members<'_>) -> Read<Connectivity> {
    let quality = |text: &str| match text {
        "excellent" => Ok(RelayQuality::Excellent),
        "good" => Ok(RelayQuality::Good),
        "fair" => Ok(RelayQuality::Fair),
        "poor" => Ok(RelayQuality::Poor),
        "none" => Ok(RelayQuality::None),
        _ => Err(members.fault("relay_connection_quality", "must be excellent, good, fair, poor or none")),
    };
    Ok(Connectivity {
        p2p_peers_connected: members.integer("p2p_peers_connected", COUNT)?,
        relay_connection_quality: members.text("relay_connection_quality", 32)?.map(quality).transpose()?,
        network_partition_duration: members.number("network_partition_duration", FROM_ZERO)?,
        last_successful_sync: members.instant("last_successful_sync")?,
    })
}

fn mesh(members: &Members<'_>) -> Read<MeshFacts> {
    let mode = |text: &str| MeshMode::parse(text).ok_or_else(|| members.fault("mode", "must be multi_hop, single_hop or off"));
    Ok(MeshFacts {
        mode: members.text("mode", 32)?.map(mode).transpose()?,
        broadcast_interval_ms: members.integer("broadcast_interval_ms", COUNT)?,
        key_revision: members.integer("key_revision", COUNT)?,
    })
}

fn offline_resilience(members: &Members<'_>) -> Read<OfflineResilience> {
    Ok(OfflineResilience {
        queued_operations_count: members.integer("queued_operations_count", COUNT)?,
        critical_operations_pending: members.integer("critical_operations_pending", COUNT)?,
        storage_usage_percent: members.number("storage_usage_percent", PERCENT)?,
        sync_conflicts_detected: members.integer("sync_conflicts_detected", COUNT)?,
    })
}

fn battery_optimization(members: &Members<'_>) -> Read<BatteryOptimization> {
    Ok(BatteryOptimization {
        background_processing_efficiency: members.number("background_processing_efficiency", RATE)?,
        battery_impact_score: members.number("battery_impact_score", 0.0..=10.0)?,
        sync_frequency_adaptive_rate: members.number("sync_frequency_adaptive_rate", RATE)?,
    })
}

fn user_experience(members: &Members<'_>) -> Read<UserExperience> {
    Ok(UserExperience {
        offline_feature_availability_percent: members.number("offline_feature_availability_percent", PERCENT)?,
        sync_conflict_resolution_success_rate: members.number("sync_conflict_resolution_success_rate", RATE)?,
        user_intervention_required_count: members.integer("user_intervention_required_count", COUNT)?,
    })
}

fn sync(members: &Members<'_>) -> Read<SyncFacts> {
    let required = |group: &Members<'_>, name: &str| group.integer(name, COUNT)?.ok_or_else(|| group.missing(name));
    let millis = |group: &Members<'_>, name: &str| group.number(name, FROM_ZERO)?.ok_or_else(|| group.missing(name));
    let latency = |group: Members<'_>| {
        Ok(LatencySummary {
            count: required(&group, "count")?,
            p50: millis(&group, "p50")?,
            p95: millis(&group, "p95")?,
            p99: millis(&group, "p99")?,
        })
    };
    let attempts = |group: Members<'_>| {
        Ok(AttemptCounts {
            first_try_ok: required(&group, "first_try_ok")?,
            ok: required(&group, "ok")?,
            total: required(&group, "total")?,
        })
    };
    Ok(SyncFacts {
        cursors: text_pairs(members, "cursors", FILTER_TERMS_MAX)?,
        digests: digests(members)?,
        oldest_pending_at: members.instant("oldest_pending_at")?,
        last_attempt_at: members.instant("last_attempt_at")?,
        last_ack_at: members.instant("last_ack_at")?,
        last_applied_at: members.instant("last_applied_at")?,
        retry_count: members.integer("retry_count", COUNT)?,
        latency_ms: members.object("latency_ms")?.map(latency).transpose()?,
        attempts: members.object("attempts")?.map(attempts).transpose()?,
        token_errors: members.integer("token_errors", COUNT)?,
        last_error: members.object("last_error")?.map(|error| reported_error(&error)).transpose()?,
    })
}

fn digests(members: &Members<'_>) -> Read<Vec<ReportedDigest>> {
    let Some(scopes) = members.object("digests")? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for scope in scopes.names() {
        let collections = scopes.object(scope)?.ok_or_else(|| scopes.missing(scope))?;
        for collection in collections.names() {
            if all.len() == FILTER_TERMS_MAX {
                return Err(members.fault("digests", format!("must have at most {FILTER_TERMS_MAX} collections in all")));
            }
            let entry = collections.object(collection)?.ok_or_else(|| collections.missing(collection))?;
            all.push(ReportedDigest {
                scope: scope.to_owned(),
                collection: collection.to_owned(),
                rows: entry.integer("rows", COUNT)?.ok_or_else(|| entry.missing("rows"))?,
                digest: entry.text_required("digest", 64)?.to_owned(),
            });
        }
    }
    Ok(all)
}

fn reported_error(members: &Members<'_>) -> Read<ReportedError> {
    Ok(ReportedError {
        code: members.text_required("code", 64)?.to_owned(),
        status: members.integer("status", 0..=999)?,
        message: members.text_owned("message", 512)?,
    })
}

fn outbox_digest(members: &Members<'_>) -> Read<OutboxDigest> {
    let items = members.list("entries", OUTBOX_ENTRIES_MAX)?.unwrap_or_default();
    let entry = |(at, item): (usize, &Value)| outbox_entry(&Members::of(item, members.path(&format!("entries[{at}]")))?);
    let entries: Vec<OutboxEntry> = items.iter().enumerate().map(entry).collect::<Read<_>>()?;
    let total = members.integer("total", COUNT)?.ok_or_else(|| members.missing("total"))?;
    if usize::try_from(total).is_ok_and(|total| total < entries.len()) {
        return Err(members.fault("total", "must be at least the number of entries"));
    }
    Ok(OutboxDigest {
        total,
        bytes: members.integer("bytes", COUNT)?,
        truncated: members.flag("truncated")?.unwrap_or(false),
        entries,
    })
}

fn outbox_entry(members: &Members<'_>) -> Read<OutboxEntry> {
    let state = EntryState::parse(members.text_required("state", 32)?)
        .filter(|state| !state.is_drained())
        .ok_or_else(|| members.fault("state", "must be queued, sending, retrying, waiting, poisoned or held"))?;
    Ok(OutboxEntry {
        operation_id: members.text_required("operation_id", 64)?.to_owned(),
        collection: members.text_required("collection", 64)?.to_owned(),
        record_id: members.text_required("record_id", 64)?.to_owned(),
        scope: members.text_owned("scope", 128)?,
        op: members.text_required("op", 32)?.to_owned(),
        priority: members.integer("priority", 1..=5)?.unwrap_or(3),
        created_at: members.instant("created_at")?,
        depends_on: members.texts("depends_on", 100, 64)?,
        attempts: members.integer("attempts", COUNT)?.unwrap_or(0),
        last_attempt_at: members.instant("last_attempt_at")?,
        next_attempt_at: members.instant("next_attempt_at")?,
        bytes: members.integer("bytes", COUNT)?,
        state,
        error: members.object("error")?.map(|error| reported_error(&error)).transpose()?,
    })
}
