//! The queue of ArxOS mobile.

use serde_json::{Map, Value, json};
use tidewatch_domain::hlc::Ticks;
use tidewatch_domain::ids::Scope;
use tidewatch_domain::time::Millis;

use super::{device, seen};
use crate::facades::arxos::{Operation, Single, batch_answer, batch_read, since_millis, single_read};
use crate::timestamp::Timestamp;
use crate::v1::mutations::{MutationResult, MutationStatus};

fn operation(kind: &str, id: &str, operation: &str, payload: Value) -> Value {
    json!({"entity_type": kind, "entity_id": id, "operation": operation, "payload": payload,
        "local_time": "2026-11-20T10:00:00+01:00"})
}

fn read(operations: &[Value]) -> Vec<Operation> {
    batch_read(json!({"operations": operations}).to_string().as_bytes(), &device()).expect("an envelope")
}

fn intents(operations: &[Operation]) -> Vec<Value> {
    let items: Vec<_> = operations.iter().map(|operation| operation.item.clone()).collect();
    seen(&items)
}

fn pump() -> Value {
    json!({"id": "eq-1", "building_id": 42, "name": "Pump", "type": "pump", "status": "fault", "location_x": 1.5, "location_y": 2,
        "created_at": 1_763_600_000_000_i64, "updated_at": 1_763_629_000_000_i64, "synced_at": 1_763_600_000_000_i64,
        "sync_status": "pending", "version": 6})
}

#[test]
fn an_operation_of_the_queue_becomes_an_intent() {
    let read = read(&[operation("equipment", "eq-1", "update", pump())]);
    let mut intent = intents(&read).remove(0);
    let id = intent["operation_id"].take();
    assert_eq!(id.as_str().map(str::len), Some(36));
    assert_eq!(
        intent,
        json!({"operation_id": null, "collection": "equipment", "record_id": "eq-1", "scope": "building:42", "op": "update",
            "base_version": 6, "logical_timestamp": "01a1f82f1e800000-0192f0c1-7b1e-7c3a-9d2e-000000000001",
            "created_at": "2026-11-20T09:00:00.000Z",
            "fields": {"building_id": 42, "name": "Pump", "type": "pump", "status": "fault", "location_x": 1.5, "location_y": 2,
                "created_at": 1_763_600_000_000_i64, "updated_at": 1_763_629_000_000_i64}})
    );
}

#[test]
fn a_row_of_the_local_queue_is_taken_as_it_lies_there() {
    // Its payload is a column of text, and its time is `Date.now()`.
    let row = json!({"id": 7, "entity_type": "anchor", "entity_id": "a-1", "operation": "create", "created_at": 1_763_629_200_000_i64,
        "payload": "{\"building_id\":\"42\",\"position_x\":1.0}", "attempts": 3, "error": "timeout"});
    let intent = intents(&read(&[row])).remove(0);
    assert_eq!(
        (&intent["collection"], &intent["op"], &intent["scope"]),
        (&json!("spatial_anchors"), &json!("create"), &json!("building:42"))
    );
    assert_eq!(intent["created_at"], "2025-11-20T09:00:00.000Z");
}

#[test]
fn a_building_is_its_own_scope_and_a_deletion_without_one_is_looked_up() {
    let mut read = read(&[
        operation("building", "42", "update", json!({"name": "North"})),
        operation("equipment", "eq-1", "delete", json!({})),
        operation("equipment", "eq-2", "delete", json!({})),
    ]);
    assert_eq!(intents(&read)[0]["scope"], "building:42");
    assert_eq!(read[1].homeless(), Some(("equipment", "eq-1")));
    read[1].scope_set(Some(&Scope::parse("building:7").expect("valid")));
    read[2].scope_set(None);
    let intents = intents(&read);
    assert_eq!((&intents[1]["scope"], intents[1].get("fields")), (&json!("building:7"), None));
    assert_eq!(intents[2], "schema_invalid: payload.building_id: is required for an entity that is not there");
}

#[test]
fn the_same_operation_is_the_same_intent_in_any_company_with_or_without_force() {
    let one = operation("equipment", "eq-1", "update", pump());
    let mut forced = pump();
    forced["force"] = json!(true);
    let ids =
        |operations: &[Value]| -> Vec<String> { read(operations).iter().map(|o| o.item.operation_id.to_string()).collect() };
    let alone = ids(std::slice::from_ref(&one));
    let company = ids(&[operation("equipment", "eq-0", "delete", json!({})), one.clone()]);
    assert_eq!(alone[0], company[1]);
    let asks = read(&[operation("equipment", "eq-1", "update", forced)]);
    assert_eq!((asks[0].item.operation_id.as_str(), asks[0].force), (alone[0].as_str(), true));
    assert!(intents(&asks)[0]["fields"].get("force").is_none());
    let mut later = one;
    later["local_time"] = json!("2026-11-20T10:00:01+01:00");
    assert_ne!(ids(&[later])[0], alone[0]);
}

#[test]
fn an_operation_depends_on_the_one_before_it_on_the_same_entity() {
    let first = operation("equipment", "eq-1", "create", json!({"building_id": 42}));
    let second = operation("equipment", "eq-1", "update", pump());
    let other = operation("equipment", "eq-2", "create", json!({"building_id": 42}));
    let read = read(&[first.clone(), other, second, first]);
    let ids: Vec<&str> = read.iter().map(|operation| operation.item.operation_id.as_str()).collect();
    let intents = intents(&read);
    assert_eq!(intents[2]["depends_on"], json!([ids[0]]));
    assert_eq!((intents[0].get("depends_on"), intents[1].get("depends_on")), (None, None));
    // Sent twice in one batch: it does not wait for itself.
    assert_eq!((ids[3], intents[3].get("depends_on")), (ids[0], None));
}

#[test]
fn an_operation_that_does_not_say_where_it_is_is_where_the_one_before_it_was() {
    let made = operation("equipment", "eq-1", "create", json!({"building_id": 42}));
    let gone = operation("equipment", "eq-1", "delete", json!({}));
    let read = read(&[made, gone.clone()]);
    assert_eq!((read[1].homeless(), &intents(&read)[1]["scope"]), (None, &json!("building:42")));
    assert!(batch_read(json!({"operations": [gone]}).to_string().as_bytes(), &device()).expect("read")[0].homeless().is_some());
}

#[test]
fn a_stamp_that_must_win_is_that_of_now_or_just_behind_the_record() {
    let now = Millis(1_763_700_000_000);
    let mut read = read(&[operation("equipment", "eq-1", "update", pump())]);
    read[0].win(now, None, &device());
    assert!(intents(&read)[0]["logical_timestamp"].as_str().is_some_and(|stamp| stamp.starts_with("019aa4b645000000-")));
    let ahead = Ticks(Ticks::at(now.plus(9_000)).0 | 5);
    read[0].win(now, Some(ahead), &device());
    assert!(intents(&read)[0]["logical_timestamp"].as_str().is_some_and(|stamp| stamp.starts_with("019aa4b668280006-")));
    let before = read[0].item.operation_id.clone();
    read[0].asked_again();
    assert_ne!(read[0].item.operation_id, before);
    assert_eq!(intents(&read)[0]["operation_id"], read[0].item.operation_id.as_str());
}

#[test]
fn an_operation_at_fault_is_refused_alone_by_the_names_that_the_app_uses() {
    let cases = [
        (
            json!({"entity_type": "robot", "entity_id": "r", "operation": "update", "payload": {"a": 1}, "local_time": "2026-11-20T09:00:00Z"}),
            "schema_invalid: entity_type: must be equipment, anchor or building",
        ),
        (
            json!({"entity_type": "equipment", "operation": "update", "payload": {"a": 1}}),
            "schema_invalid: entity_id: is required",
        ),
        (
            operation("equipment", "eq 1", "update", pump()),
            "schema_invalid: entity_id: must be 1 to 64 characters of A-Z a-z 0-9 _ . -",
        ),
        (operation("equipment", "eq-1", "burn", pump()), "schema_invalid: operation: must be create, update or delete"),
        (operation("equipment", "eq-1", "update", json!({})), "schema_invalid: payload: is required"),
        (operation("equipment", "eq-1", "update", json!([1])), "schema_invalid: payload: must be an object"),
        (
            operation("equipment", "eq-1", "update", json!({"building_id": "4 2"})),
            "schema_invalid: payload.building_id: must be `global` or `type:id`, at most 128 characters of A-Z a-z 0-9 _ . -",
        ),
        (
            operation("equipment", "eq-1", "update", json!({"building_id": 4, "version": "x"})),
            "schema_invalid: payload.version: must be an integer",
        ),
        (
            operation("equipment", "eq-1", "update", json!({"building_id": 4, "force": 1})),
            "schema_invalid: payload.force: must be true or false",
        ),
        (
            json!({"entity_type": "equipment", "entity_id": "e", "operation": "update", "payload": {"building_id": 4}}),
            "schema_invalid: local_time: is required",
        ),
        (
            json!({"entity_type": "equipment", "entity_id": "e", "operation": "update", "payload": {"building_id": 4}, "local_time": "yesterday"}),
            "schema_invalid: local_time: must be an RFC 3339 timestamp",
        ),
        (json!(7), "schema_invalid: $: must be an object"),
    ];
    let sent: Vec<Value> = cases.iter().map(|(sent, _)| sent.clone()).collect();
    let found = intents(&read(&sent));
    for ((sent, wanted), found) in cases.iter().zip(&found) {
        assert_eq!(found, wanted, "{sent}");
    }
}

#[test]
fn an_operation_with_a_number_that_nobody_can_keep_is_refused_as_that() {
    let body = r#"{"operations":[{"entity_type":"equipment","entity_id":"eq-1","operation":"update","payload":{"n":9007199254740993},"local_time":"2026-11-20T09:00:00Z"}]}"#;
    let read = batch_read(body.as_bytes(), &device()).expect("an envelope");
    assert_eq!(read[0].item.id, "eq-1");
    assert!(
        intents(&read)[0].as_str().is_some_and(|found| found.starts_with("number_out_of_range: payload: ")),
        "{:?}",
        intents(&read)
    );
}

#[test]
fn a_batch_that_is_none_is_refused_by_its_member() {
    for (body, field) in [(json!([]), "$"), (json!({}), "operations"), (json!({"operations": {}}), "operations")] {
        let problem = batch_read(body.to_string().as_bytes(), &device()).expect_err("refused");
        assert_eq!((problem.code.as_ref(), problem.errors[0].field.as_str()), ("envelope_invalid", field));
    }
    let many = json!({"operations": vec![json!({}); 1_001]});
    assert_eq!(batch_read(many.to_string().as_bytes(), &device()).expect_err("refused").code, "batch_too_large");
    let most = json!({"operations": vec![json!({}); 1_000]});
    assert_eq!(batch_read(most.to_string().as_bytes(), &device()).expect("read").len(), 1_000);
}

fn result(status: MutationStatus, conflict: Option<&str>, record: Option<Value>) -> MutationResult {
    let record: Option<Map<String, Value>> = record.map(|record| serde_json::from_value(record).expect("an object"));
    let problem = matches!(status, MutationStatus::Rejected)
        .then(|| json!({"code": "schema_invalid", "status": 422, "retryable": false, "detail": "fields.status: must be text"}));
    serde_json::from_value(json!({"operation_id": "x", "status": status, "version": 7, "conflict_id": conflict, "record": record, "problem": problem}))
        .expect("a result")
}

#[test]
fn the_answer_names_successes_by_entity_and_conflicts_with_both_versions() {
    use MutationStatus::{Applied, Conflict, Deferred, Merged, Rejected, Superseded};
    let payload = json!({"building_id": 4, "status": "on"});
    let names = ["won", "lost", "merged", "open", "bad", "half", "half", "later", "plain", "plain"];
    let sent: Vec<Value> = names.iter().map(|name| operation("equipment", name, "update", payload.clone())).collect();
    let server = json!({"status": "off"});
    let results = vec![
        result(Applied, Some("cf_1"), None),
        result(Superseded, Some("cf_2"), Some(server.clone())),
        result(Merged, Some("cf_3"), Some(server.clone())),
        result(Conflict, Some("cf_4"), Some(server.clone())),
        result(Rejected, None, None),
        result(Applied, None, None),
        result(Rejected, None, None),
        result(Deferred, None, None),
        result(Applied, None, None),
        result(Applied, None, None),
    ];
    let answer = batch_answer(&read(&sent), results, Timestamp(Millis(0)));
    assert_eq!(answer.success, ["won", "lost", "merged", "plain"]);
    let conflicts: Vec<_> =
        answer.conflicts.iter().map(|c| (c.entity_id.as_str(), c.resolution.as_deref(), c.server_version.clone())).collect();
    let row = |id: &str| json!({"id": id, "status": "off", "version": 7});
    assert_eq!(
        conflicts,
        [
            ("won", Some("local_wins"), Value::Null),
            ("lost", Some("server_wins"), row("lost")),
            ("merged", Some("merged"), row("merged")),
            ("open", None, row("open"))
        ]
    );
    assert_eq!(answer.conflicts[0].local_version, payload);
    let errors: Vec<_> = answer.errors.iter().map(|e| (e.entity_id.as_str(), e.index, e.retryable, e.error.as_str())).collect();
    assert_eq!(
        errors,
        [
            ("bad", 4, false, "payload.status: must be text"),
            ("half", 6, false, "payload.status: must be text"),
            ("later", 7, true, "")
        ]
    );
}

#[test]
fn a_single_write_is_known_again_by_its_key_its_time_or_its_version() {
    let write = |body: Value, identity: Option<&str>, now: i64| {
        let single = Single { operation: "update", entity_id: Some("eq-1"), identity, now: Millis(now) };
        single_read(body.to_string().as_bytes(), &single, &device()).expect("read").item.operation_id
    };
    let plain = json!({"building_id": 42, "status": "on"});
    assert_ne!(
        write(plain.clone(), None, 1),
        write(plain.clone(), None, 2),
        "nothing tells a retry from the same edit made again"
    );
    assert_eq!(write(plain.clone(), Some("key k"), 1), write(plain.clone(), Some("key k"), 2));
    assert_ne!(write(plain.clone(), Some("key k"), 1), write(plain, Some("key l"), 1));
    for member in ["updated_at", "version"] {
        let mut row = json!({"building_id": 42, "status": "on"});
        row[member] = json!(6);
        assert_eq!(write(row.clone(), None, 1), write(row.clone(), None, 2), "{member}");
    }
}

#[test]
fn a_single_write_at_fault_is_refused_by_the_member_of_its_row() {
    let refused = |operation: &'static str, id: Option<&str>, body: &str| {
        let single = Single { operation, entity_id: id, identity: None, now: Millis(1) };
        single_read(body.as_bytes(), &single, &device()).expect_err("refused").errors[0].to_string()
    };
    assert_eq!(refused("create", None, r#"{"building_id":1}"#), "id: is required");
    assert_eq!(refused("update", Some("eq 1"), r#"{"building_id":1}"#), "id: must be 1 to 64 characters of A-Z a-z 0-9 _ . -");
    assert_eq!(refused("update", Some("eq-1"), "{}"), "payload: is required");
    assert_eq!(refused("update", Some("eq-1"), r#"{"version":"x"}"#), "version: must be an integer");
    assert_eq!(
        refused("update", Some("eq-1"), r#"{"updated_at":true}"#),
        "updated_at: must be an RFC 3339 timestamp, or milliseconds since 1970"
    );
    assert!(
        single_read(b"", &Single { operation: "delete", entity_id: Some("e"), identity: None, now: Millis(1) }, &device())
            .is_ok()
    );
}

#[test]
fn a_time_is_in_seconds_until_it_is_too_large_for_that() {
    assert_eq!(since_millis(1_234_567_890), Millis(1_234_567_890_000));
    assert_eq!(since_millis(99_999_999_999), Millis(99_999_999_999_000));
    assert_eq!(since_millis(100_000_000_000), Millis(100_000_000_000));
    assert_eq!(since_millis(1_763_629_200_000), Millis(1_763_629_200_000));
}
