//! What the control channel reads, what its signatures cover.

use serde_json::json;
use tidewatch_domain::control::CommandKind;
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
        (json!({"kind": "mesh", "args": {"mode": "off"}, "reason": reason}), "kind"),
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
