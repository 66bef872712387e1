//! What the control channel reads, what its signatures cover.

use serde_json::json;
use tidewatch_domain::control::{CommandKind, LOG_LINES_MAX, LogLevel, LogLine};
use tidewatch_domain::time::Millis;

use super::*;
use crate::problem::Problem;

fn field(problem: &Problem) -> &str {
    problem.errors.first().map_or("", |error| error.field.as_str())
}

#[test]
fn a_report_that_cannot_be_read_names_its_member() {
    let cases = [
        (json!({}), "state"),
        (json!({"state": "asleep"}), "state"),
        (json!({"state": "running", "progress": {"done": 3, "total": 2}}), "progress.done"),
        (json!({"state": "running", "progress": {"done": 3}}), "progress.total"),
        (json!({"state": "failed"}), "error"),
        (json!({"state": "failed", "error": {"message": "no"}}), "error.code"),
        (
            json!({"state": "done", "result": {"entries": [{"operation_id": "a", "outcome": "maybe"}]}}),
            "result.entries[0].outcome",
        ),
        (
            json!({"state": "done", "result": {"entries": [{"operation_id": "a", "outcome": "refused"}]}}),
            "result.entries[0].code",
        ),
        (json!({"state": "done", "result": {"text": "x".repeat(300_000)}}), "result"),
    ];
    for (body, member) in cases {
        let problem = status_report_read(body.to_string().as_bytes()).expect_err("refused");
        assert_eq!((&*problem.code, field(&problem)), ("envelope_invalid", member));
    }
}

#[test]
fn a_command_of_staff_that_cannot_be_read_names_its_member() {
    let reason = "the tablet is stuck";
    let cases = [
        (json!({"reason": reason}), "kind"),
        (json!({"kind": "reboot", "reason": reason}), "kind"),
        (json!({"kind": "mesh", "args": {"mode": "loud"}, "reason": reason}), "args.mode"),
        (
            json!({"kind": "mesh", "args": {"mode": "off", "broadcast_interval_ms": 10}, "reason": reason}),
            "args.broadcast_interval_ms",
        ),
        (json!({"kind": "upload_logs", "args": {"since": "now"}, "reason": reason}), "args.since"),
        (json!({"kind": "resync", "args": {"scopes": "all", "mode": "hard"}, "reason": reason}), "args.mode"),
        (json!({"kind": "refresh_policy", "priority": 6, "reason": reason}), "priority"),
        (json!({"kind": "refresh_policy", "ttl_s": 10, "reason": reason}), "ttl_s"),
        (json!({"kind": "refresh_policy", "when": "now", "reason": reason}), "when"),
        (json!({"kind": "refresh_policy"}), "reason"),
    ];
    for (body, member) in cases {
        let problem = command_request_read(body.to_string().as_bytes()).expect_err("refused");
        assert_eq!(field(&problem), member);
    }
}

#[test]
fn a_line_in_escrow_keeps_the_bytes_of_its_intent() {
    let intent = r#"{ "operation_id":"op-1", "collection":"notes","record_id":"n-1","op":"update","fields":{"b":1.50,"a":2} }"#;
    let read = escrow_line_read(&format!(r#"{{"state":"held","intent":{intent}}}"#)).expect("valid");
    assert_eq!((read.intent.as_str(), read.operation_id.as_str(), read.held), (intent, "op-1", true));
    let cases = [
        ("", "intent"),
        ("{}", "intent"),
        (r#"{"intent":{"operation_id":"a b"}}"#, "intent.operation_id"),
        (r#"{"intent":{"operation_id":"a","collection":"notes","record_id":"/"}}"#, "intent.record_id"),
        (r#"{"intent":{"operation_id":"a","collection":"notes","record_id":"r"}}"#, "intent.op"),
        (r#"{"intent":{"operation_id":"a","a":1,"a":2}}"#, "$"),
    ];
    for (line, member) in cases {
        let (_, _, error) = escrow_line_read(line).expect_err("refused");
        assert_eq!(error.field, member, "{line}");
    }
}

#[test]
fn a_signature_covers_everything_but_itself() {
    let command = Command {
        id: "c-1".to_owned(),
        kind: CommandKind::RefreshPolicy,
        args: "{}".to_owned(),
        priority: 3,
        created: Millis(0),
        expires: Millis(60_000),
        supersede_key: None,
        reason: "a test".to_owned(),
    };
    let client = ClientId::parse("0192f0c1-7b1e-7c3a-9d2e-000000000001").expect("an id");
    let entry = CommandEntry::unsigned(command, &client, "k1").expect("JSON");
    let bytes = entry.signed_bytes();
    let signed = entry.signed(&[7; 64]);
    assert_eq!(signed.signed_bytes(), bytes);
    let mut wire = serde_json::to_value(&signed).expect("JSON");
    assert_eq!(command_bytes(&wire), bytes, "what arrives has the same bytes");
    wire["later"] = json!("a member of a later version");
    assert_ne!(command_bytes(&wire), bytes);
}

#[test]
fn log_lines_come_back_as_they_were_written() {
    let line = |ms: i64, message: &str| LogLine {
        at: Millis(1_790_000_000_000 + ms),
        level: LogLevel::Warn,
        target: "sync.push".to_owned(),
        message: message.to_owned(),
    };
    let lines = vec![line(0, "one \"quoted\" line"), line(7, "é")];
    let text = log_lines_written(&lines);
    assert_eq!(text.lines().count(), 2);
    assert_eq!(log_lines_read(text.as_bytes()), Ok(lines.clone()));
    let spaced = text.replace('\n', "\r\n\n");
    assert_eq!(log_lines_read(spaced.as_bytes()), Ok(lines), "empty lines say nothing");
    assert_eq!(log_lines_read(b""), Ok(Vec::new()), "a log may be empty");
}

#[test]
fn a_log_line_that_cannot_be_read_is_named_and_none_is_taken() {
    let good = r#"{"at":"2026-11-20T15:21:40.680Z","level":"info","target":"app","message":"fine"}"#;
    let long = format!(r#"{{"at":"2026-11-20T15:21:40Z","level":"info","target":"a","message":"{}"}}"#, "x".repeat(2_001));
    let cases = [
        ("no json", "json_invalid", "lines[1]"),
        ("[]", "schema_invalid", "lines[1]"),
        (r#"{"level":"info","target":"a","message":"m"}"#, "schema_invalid", "lines[1].at"),
        (r#"{"at":"noon","level":"info","target":"a","message":"m"}"#, "schema_invalid", "lines[1].at"),
        (r#"{"at":"1969-12-31T23:59:59.999Z","level":"info","target":"a","message":"m"}"#, "schema_invalid", "lines[1].at"),
        (r#"{"at":"2026-11-20T15:21:40Z","level":"loud","target":"a","message":"m"}"#, "schema_invalid", "lines[1].level"),
        (r#"{"at":"2026-11-20T15:21:40Z","level":"info","message":"m"}"#, "schema_invalid", "lines[1].target"),
        (r#"{"at":"2026-11-20T15:21:40Z","level":"info","target":"a"}"#, "schema_invalid", "lines[1].message"),
        (r#"{"at":"2026-11-20T15:21:40Z","level":"info","target":"a","message":"a\nb"}"#, "schema_invalid", "lines[1].message"),
        (
            r#"{"at":"2026-11-20T15:21:40Z","level":"info","target":"a","message":"m","payload":{}}"#,
            "schema_invalid",
            "lines[1].payload",
        ),
        (&long, "schema_invalid", "lines[1].message"),
    ];
    for (bad, code, member) in cases {
        let problem = log_lines_read(format!("{good}\n{bad}\n{good}").as_bytes()).expect_err("refused");
        assert_eq!((&*problem.code, field(&problem)), (code, member), "{bad}");
    }
    let most = format!("{good}\n").repeat(LOG_LINES_MAX);
    assert_eq!(log_lines_read(most.as_bytes()).map(|lines| lines.len()), Ok(LOG_LINES_MAX));
    assert_eq!(&*log_lines_read(format!("{most}{good}").as_bytes()).expect_err("refused").code, "batch_too_large");
    assert_eq!(&*log_lines_read(b"\xff").expect_err("refused").code, "json_invalid");
}
