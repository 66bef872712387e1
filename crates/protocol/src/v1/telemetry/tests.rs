//! What a report may and may not say.

use super::*;
use tidewatch_domain::control::MeshMode;
use tidewatch_domain::report::{EntryState, MeshFacts};

/// The example of the specification.
const FULL: &str = r#"{"report_id":"r-1","at":"2026-11-20T15:21:40.680Z","seq":812,
 "device":{"name":"Ward 3 tablet","platform":"ios","labels":{"region":"north"},"battery_percent":61,"foreground":false,"clock_offset_ms":-420},
 "connectivity":{"p2p_peers_connected":3,"relay_connection_quality":"good","network_partition_duration":0},
 "offline_resilience":{"queued_operations_count":12,"storage_usage_percent":41.5},
 "battery_optimization":{"background_processing_efficiency":0.91,"battery_impact_score":2.4},
 "sync":{"cursors":{"building:42":"v1.x"},"digests":{"building:42":{"equipment":{"rows":812,"digest":"00ff"}}},
         "latency_ms":{"count":18,"p50":120,"p95":410,"p99":800},"attempts":{"first_try_ok":95,"ok":99,"total":100},
         "last_error":{"code":"schema_invalid","status":422,"message":"…"}},
 "outbox":{"total":12,"bytes":8120,"truncated":true,"entries":[
   {"operation_id":"op-1","collection":"equipment","record_id":"eq-1","op":"update","priority":2,"attempts":7,"state":"retrying",
    "error":{"code":"guard_failed","status":422}}]},
 "mesh":{"peer_id":"kept","mode":"multi_hop","broadcast_interval_ms":30000,"key_revision":2}}"#;

fn refused(report: &str) -> (Option<String>, String, String) {
    let refusal = report_read(report).expect_err("the report is refused");
    (refusal.report_id, refusal.code, refusal.detail)
}

#[test]
fn the_example_of_the_specification_is_read_and_kept_as_it_came() {
    let report = report_read(FULL).expect("readable");
    assert_eq!(report.raw, FULL);
    assert_eq!(report.device.battery_percent, Some(61.0));
    assert_eq!(report.device.labels, vec![("region".to_owned(), "north".to_owned())]);
    assert_eq!(report.offline_resilience.queued_operations_count, Some(12));
    let mesh = MeshFacts { mode: Some(MeshMode::MultiHop), broadcast_interval_ms: Some(30_000), key_revision: Some(2) };
    assert_eq!(report.mesh, mesh);
    let outbox = report.outbox.expect("reported");
    assert_eq!((outbox.total, outbox.truncated, outbox.entries[0].state), (12, true, EntryState::Retrying));
}

#[test]
fn what_is_missing_or_null_is_not_reported() {
    let report = report_read(r#"{"report_id":"r-1","at":"2026-11-20T15:21:40.680Z","device":{"battery_percent":null}}"#)
        .expect("readable");
    assert_eq!(report.device.battery_percent, None);
    assert_eq!(report.connectivity.p2p_peers_connected, None);
    assert_eq!(report.outbox, None);
}

#[test]
fn a_value_out_of_range_names_its_member() {
    let with = |group: &str| format!(r#"{{"report_id":"r-1","at":"2026-11-20T15:21:40.680Z",{group}}}"#);
    let cases = [
        (r#""device":{"battery_percent":100.5}"#, "device.battery_percent: must be within 0 and 100"),
        (
            r#""battery_optimization":{"battery_impact_score":11}"#,
            "battery_optimization.battery_impact_score: must be within 0 and 10",
        ),
        (
            r#""user_experience":{"sync_conflict_resolution_success_rate":-0.1}"#,
            "user_experience.sync_conflict_resolution_success_rate: must be within 0 and 1",
        ),
        (
            r#""connectivity":{"relay_connection_quality":"superb"}"#,
            "connectivity.relay_connection_quality: must be excellent, good, fair, poor or none",
        ),
        (
            r#""outbox":{"total":1,"entries":[{"operation_id":"o","collection":"c","record_id":"r","op":"update","state":"lost"}]}"#,
            "outbox.entries[0].state: must be queued, sending, retrying, waiting, poisoned or held",
        ),
        (r#""outbox":{"entries":[]}"#, "outbox.total: is required"),
        (r#""sync":{"latency_ms":{"count":1}}"#, "sync.latency_ms.p50: is required"),
        (r#""device":[]"#, "device: must be an object"),
    ];
    for (group, detail) in cases {
        assert_eq!(refused(&with(group)), (Some("r-1".to_owned()), "schema_invalid".to_owned(), detail.to_owned()));
    }
}

#[test]
fn the_edges_of_a_range_are_inside() {
    for percent in ["0", "100"] {
        let text = format!(r#"{{"report_id":"r-1","at":"2026-11-20T15:21:40.680Z","device":{{"battery_percent":{percent}}}}}"#);
        assert!(report_read(&text).is_ok(), "{percent}");
    }
}

#[test]
fn a_number_beyond_the_safe_integers_refuses_that_report_only() {
    let bad = r#"{"report_id":"r-2","at":"2026-11-20T15:21:40.680Z","seq":9007199254740993}"#;
    let body = format!(r#"{{"client_id":"x","reports":[{FULL},{bad}]}}"#);
    let read = telemetry_read(body.as_bytes()).expect("the batch is readable");
    assert!(read.reports[0].is_ok());
    let refusal = read.reports[1].as_ref().expect_err("refused");
    assert_eq!((refusal.report_id.as_deref(), refusal.code.as_str()), (Some("r-2"), "number_out_of_range"));
}

#[test]
fn a_hundred_reports_are_read_and_one_more_is_refused() {
    let many = |count: usize| format!(r#"{{"reports":[{}]}}"#, vec![FULL; count].join(","));
    assert_eq!(telemetry_read(many(100).as_bytes()).expect("readable").reports.len(), 100);
    assert_eq!(telemetry_read(many(101).as_bytes()).expect_err("refused").code, "batch_too_large");
}

#[test]
fn what_the_client_writes_the_server_reads() {
    let written: Report = serde_json::from_str(FULL).expect("the wire type reads the example");
    let text = serde_json::to_string(&written).expect("a report is JSON");
    let read = report_read(&text).expect("readable");
    assert_eq!(read.sync.attempts.map(|attempts| attempts.total), Some(100));
    assert_eq!(read.sync.digests[0].digest, "00ff");
}
