//! The ranges of a report's members (`control.md` 1): one that is out of range refuses its report, and is named.

use super::{OutboxDigest, Report};
use crate::time::Millis;

/// The most entries one digest of an outbox may carry.
pub const OUTBOX_ENTRIES_MAX: usize = 500;
/// The most labels a device may carry.
pub const LABELS_MAX: usize = 32;
/// The longest text in a report, in bytes; messages may be longer.
pub const TEXT_BYTES_MAX: usize = 256;
/// The longest message of an error, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 2_000;
/// The most scopes or digests one report may list.
pub const SCOPES_MAX: usize = 200;
/// Any count above this is an error of the device.
pub const COUNT_MAX: i64 = 1_000_000_000;

/// A member out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {detail}")]
pub struct OutOfRange {
    /// Path of the member, e.g. `offline_resilience.storage_usage_percent`.
    pub field: &'static str,
    /// What it must be.
    pub detail: String,
}

type Checked = Result<(), OutOfRange>;

fn refuse(field: &'static str, detail: impl Into<String>) -> Checked {
    Err(OutOfRange { field, detail: detail.into() })
}

fn between(field: &'static str, value: Option<f64>, low: f64, high: f64) -> Checked {
    match value {
        Some(v) if !(low..=high).contains(&v) => refuse(field, format!("must be {low} to {high}")),
        _ => Ok(()),
    }
}

fn count(field: &'static str, value: Option<i64>) -> Checked {
    match value {
        Some(v) if !(0..=COUNT_MAX).contains(&v) => refuse(field, format!("must be 0 to {COUNT_MAX}")),
        _ => Ok(()),
    }
}

fn text(field: &'static str, value: Option<&str>) -> Checked {
    match value {
        Some(v) if v.len() > TEXT_BYTES_MAX => refuse(field, format!("must be at most {TEXT_BYTES_MAX} bytes")),
        _ => Ok(()),
    }
}

fn at_most(field: &'static str, found: usize, most: usize) -> Checked {
    if found > most { refuse(field, format!("must have at most {most} elements")) } else { Ok(()) }
}

impl Report {
    /// Checks every member's range.
    ///
    /// # Errors
    /// The first member that is out of range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        if self.report_id.is_empty() || self.report_id.len() > 128 {
            return refuse("report_id", "must be 1 to 128 bytes");
        }
        if self.at < Millis(0) || self.at > Millis(i64::MAX / 2) {
            return refuse("at", "must be a time since 1970");
        }
        self.device_check()?;
        self.groups_check()?;
        self.sync_check()?;
        self.outbox.as_ref().map_or(Ok(()), outbox_check)
    }

    fn device_check(&self) -> Checked {
        let device = &self.device;
        for (field, value) in [
            ("device.name", &device.name),
            ("device.platform", &device.platform),
            ("device.os_version", &device.os_version),
            ("device.app_version", &device.app_version),
            ("device.model", &device.model),
            ("device.power", &device.power),
            ("device.network", &device.network),
        ] {
            text(field, value.as_deref())?;
        }
        at_most("device.labels", device.labels.len(), LABELS_MAX)?;
        for (key, value) in &device.labels {
            text("device.labels", Some(key))?;
            text("device.labels", Some(value))?;
        }
        count("device.schema_version", device.schema_version)?;
        between("device.battery_percent", device.battery_percent, 0.0, 100.0)
    }

    fn groups_check(&self) -> Checked {
        let (link, offline) = (&self.connectivity, &self.offline_resilience);
        let (battery, user) = (&self.battery_optimization, &self.user_experience);
        count("connectivity.p2p_peers_connected", link.p2p_peers_connected)?;
        between("connectivity.network_partition_duration", link.network_partition_duration, 0.0, 1e9)?;
        count("offline_resilience.queued_operations_count", offline.queued_operations_count)?;
        count("offline_resilience.critical_operations_pending", offline.critical_operations_pending)?;
        between("offline_resilience.storage_usage_percent", offline.storage_usage_percent, 0.0, 100.0)?;
        count("offline_resilience.sync_conflicts_detected", offline.sync_conflicts_detected)?;
        between("battery_optimization.background_processing_efficiency", battery.background_processing_efficiency, 0.0, 1.0)?;
        between("battery_optimization.battery_impact_score", battery.battery_impact_score, 0.0, 10.0)?;
        between("battery_optimization.sync_frequency_adaptive_rate", battery.sync_frequency_adaptive_rate, 0.0, 1.0)?;
        between("user_experience.offline_feature_availability_percent", user.offline_feature_availability_percent, 0.0, 100.0)?;
        between("user_experience.sync_conflict_resolution_success_rate", user.sync_conflict_resolution_success_rate, 0.0, 1.0)?;
        count("user_experience.user_intervention_required_count", user.user_intervention_required_count)
    }

    fn sync_check(&self) -> Checked {
        let sync = &self.sync;
        at_most("sync.cursors", sync.cursors.len(), SCOPES_MAX)?;
        at_most("sync.digests", sync.digests.len(), SCOPES_MAX * 4)?;
        count("sync.retry_count", sync.retry_count)?;
        count("sync.token_errors", sync.token_errors)?;
        if let Some(latency) = sync.latency_ms {
            count("sync.latency_ms.count", Some(latency.count))?;
            between("sync.latency_ms.p50", Some(latency.p50), 0.0, 1e9)?;
            between("sync.latency_ms.p95", Some(latency.p95), latency.p50, 1e9)?;
            between("sync.latency_ms.p99", Some(latency.p99), latency.p95, 1e9)?;
        }
        if let Some(attempts) = sync.attempts {
            count("sync.attempts.total", Some(attempts.total))?;
            between("sync.attempts.ok", Some(attempts.ok as f64), 0.0, attempts.total as f64)?;
            between("sync.attempts.first_try_ok", Some(attempts.first_try_ok as f64), 0.0, attempts.ok as f64)?;
        }
        match &sync.last_error {
            Some(error) => error_check("sync.last_error", error),
            None => Ok(()),
        }
    }
}

fn error_check(field: &'static str, error: &super::ReportedError) -> Checked {
    text(field, Some(&error.code))?;
    if error.message.as_ref().is_some_and(|message| message.len() > MESSAGE_BYTES_MAX) {
        return refuse(field, format!("must have a message of at most {MESSAGE_BYTES_MAX} bytes"));
    }
    Ok(())
}

fn outbox_check(outbox: &OutboxDigest) -> Checked {
    count("outbox.total", Some(outbox.total))?;
    at_most("outbox.entries", outbox.entries.len(), OUTBOX_ENTRIES_MAX)?;
    if outbox.entries.len() as i64 > outbox.total {
        return refuse("outbox.total", "must not be less than the number of entries");
    }
    for entry in &outbox.entries {
        if entry.operation_id.is_empty() {
            return refuse("outbox.entries.operation_id", "must not be empty");
        }
        text("outbox.entries.operation_id", Some(&entry.operation_id))?;
        text("outbox.entries.collection", Some(&entry.collection))?;
        text("outbox.entries.record_id", Some(&entry.record_id))?;
        text("outbox.entries.scope", entry.scope.as_deref())?;
        text("outbox.entries.op", Some(&entry.op))?;
        between("outbox.entries.priority", Some(entry.priority as f64), 1.0, 5.0)?;
        count("outbox.entries.attempts", Some(entry.attempts))?;
        at_most("outbox.entries.depends_on", entry.depends_on.len(), 64)?;
        if let Some(error) = &entry.error {
            error_check("outbox.entries.error", error)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::report::{AttemptCounts, EntryState, LatencySummary, OutboxEntry};

    fn report(change: impl FnOnce(&mut Report)) -> Result<(), OutOfRange> {
        let mut report = Report { report_id: "r1".into(), at: Millis(1), ..Report::default() };
        change(&mut report);
        report.check()
    }

    #[test]
    fn a_report_with_nothing_but_id_and_time_is_fine() {
        assert_eq!(report(|_| {}), Ok(()));
    }

    #[rstest]
    #[case(0.0, true)]
    #[case(100.0, true)]
    #[case(-0.1, false)]
    #[case(100.1, false)]
    #[case(f64::NAN, false)]
    fn percents_are_nought_to_a_hundred(#[case] value: f64, #[case] fine: bool) {
        let found = report(|r| r.offline_resilience.storage_usage_percent = Some(value));
        assert_eq!(found.is_ok(), fine);
        if let Err(error) = found {
            assert_eq!(error.field, "offline_resilience.storage_usage_percent");
        }
    }

    #[rstest]
    #[case(10.0, true)]
    #[case(10.01, false)]
    fn impact_is_nought_to_ten(#[case] value: f64, #[case] fine: bool) {
        assert_eq!(report(|r| r.battery_optimization.battery_impact_score = Some(value)).is_ok(), fine);
    }

    #[test]
    fn percentiles_and_attempts_must_be_in_order() {
        let latency = |p50, p95, p99| report(|r| r.sync.latency_ms = Some(LatencySummary { count: 1, p50, p95, p99 }));
        assert_eq!(latency(1.0, 2.0, 2.0), Ok(()));
        assert_eq!(latency(3.0, 2.0, 4.0).expect_err("out of order").field, "sync.latency_ms.p95");
        let attempts = |first_try_ok, ok, total| report(|r| r.sync.attempts = Some(AttemptCounts { first_try_ok, ok, total }));
        assert_eq!(attempts(1, 2, 2), Ok(()));
        assert_eq!(attempts(1, 3, 2).expect_err("more ok than tried").field, "sync.attempts.ok");
    }

    #[test]
    fn an_outbox_lists_no_more_than_it_holds() {
        let entry = OutboxEntry {
            operation_id: "o".into(),
            collection: "c".into(),
            record_id: "r".into(),
            scope: None,
            op: "update".into(),
            priority: 2,
            created_at: None,
            depends_on: Vec::new(),
            attempts: 0,
            last_attempt_at: None,
            next_attempt_at: None,
            bytes: None,
            state: EntryState::Queued,
            error: None,
        };
        let outbox = |total, n| {
            report(|r| r.outbox = Some(OutboxDigest { total, bytes: None, truncated: false, entries: vec![entry.clone(); n] }))
        };
        assert_eq!(outbox(500, OUTBOX_ENTRIES_MAX), Ok(()));
        assert_eq!(outbox(501, OUTBOX_ENTRIES_MAX + 1).expect_err("too many").field, "outbox.entries");
        assert_eq!(outbox(1, 2).expect_err("more than the total").field, "outbox.total");
    }
}
