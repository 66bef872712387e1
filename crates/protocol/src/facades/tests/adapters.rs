//! The queues of AsyncStorage, PosalPro and PRISM.

use serde_json::{Value, json};

use super::{device, seen};
use crate::facades::{Item, NextStep, asyncstorage, posalpro, prism};
use crate::problem::Problem;

fn queue(items: &[Value]) -> Vec<Item> {
    asyncstorage::queue_read(json!({"items": items}).to_string().as_bytes(), &device()).expect("an envelope")
}

fn events(events: &[Value]) -> Vec<Item> {
    posalpro::events_read(json!({"events": events}).to_string().as_bytes(), &device()).expect("an envelope").0
}

fn operations(operations: &[Value]) -> Vec<Item> {
    prism::operations_read(json!({"operations": operations}).to_string().as_bytes(), &device()).expect("an envelope")
}

/// Asserts what is wrong with each, in the words of the app.
fn all_refused(found: &[Value], cases: &[(Value, &str)]) {
    for ((sent, wanted), found) in cases.iter().zip(found) {
        assert_eq!(found, &json!(format!("schema_invalid: {wanted}")), "{sent}");
    }
    assert_eq!(found.len(), cases.len());
}

fn with(base: &Value, member: &str, value: Value) -> Value {
    let mut changed = base.clone();
    changed[member] = value;
    changed
}

fn call() -> Value {
    json!({"id": "0f8fad5b-d9cb-469f-a165-70867728950e", "type": "EventCreate", "priority": "high", "timestamp": 1_763_629_200_000_i64,
        "retryCount": 2, "payload": {"line_id": 7, "ts": "2025-11-20T09:00:00Z", "number": "+49170123", "direction": "in", "duration": 61}})
}

#[test]
fn an_item_of_the_queue_becomes_an_intent_of_its_line() {
    assert_eq!(
        seen(&queue(&[call()]))[0],
        json!({"operation_id": "0f8fad5b-d9cb-469f-a165-70867728950e", "collection": "events", "op": "create", "scope": "line:7",
            "record_id": "0f8fad5b-d9cb-469f-a165-70867728950e", "priority": 2,
            "logical_timestamp": "019aa07df2800000-0192f0c1-7b1e-7c3a-9d2e-000000000001", "created_at": "2025-11-20T09:00:00.000Z",
            "fields": {"line_id": 7, "ts": "2025-11-20T09:00:00Z", "number": "+49170123", "direction": "in", "duration": 61}})
    );
}

#[test]
fn priorities_and_kinds_have_names() {
    for (priority, wanted) in [(json!("high"), 2), (json!("normal"), 3), (json!(null), 3), (json!("low"), 4)] {
        assert_eq!(seen(&queue(&[with(&call(), "priority", priority)]))[0]["priority"], wanted);
    }
    let update = json!({"id": "i-1", "type": "ContactUpdate", "timestamp": 5, "scope": "principal:u_9",
        "payload": {"id": "c-1", "version": 3, "name": "Ann"}});
    let intent = &seen(&queue(&[update]))[0];
    assert_eq!(
        (&intent["collection"], &intent["op"], &intent["base_version"]),
        (&json!("contacts"), &json!("update"), &json!(3))
    );
    assert_eq!((&intent["fields"], &intent["scope"]), (&json!({"name": "Ann"}), &json!("principal:u_9")));
    let delete = json!({"id": "i-2", "type": "CategoryDelete", "timestamp": 5, "recordId": "k-1", "baseVersion": 2});
    let intent = &seen(&queue(&[delete]))[0];
    assert_eq!(
        (&intent["collection"], &intent["record_id"], &intent["base_version"]),
        (&json!("categories"), &json!("k-1"), &json!(2))
    );
    assert_eq!(intent["scope"], "global");
}

#[test]
fn an_item_at_fault_is_refused_alone_by_the_names_of_the_queue() {
    let cases = [
        (with(&call(), "type", json!("Event")), "type: must end in Create, Update or Delete, after the kind of record"),
        (with(&call(), "type", json!("Create")), "type: must end in Create, Update or Delete, after the kind of record"),
        (with(&call(), "priority", json!("urgent")), "priority: must be high, normal or low"),
        (with(&call(), "payload", json!({})), "payload: is required"),
        (with(&call(), "timestamp", json!(null)), "timestamp: is required"),
        (with(&call(), "timestamp", json!({})), "timestamp: must be an RFC 3339 timestamp, or milliseconds since 1970"),
        (with(&with(&call(), "type", json!("EventUpdate")), "payload", json!({"duration": 1})), "payload.id: is required"),
        (with(&call(), "payload", json!({"id": "a b"})), "payload.id: must be 1 to 64 characters of A-Z a-z 0-9 _ . -"),
        (
            with(&call(), "scope", json!("Line 7")),
            "scope: must be `global` or `type:id`, at most 128 characters of A-Z a-z 0-9 _ . -",
        ),
    ];
    let sent: Vec<Value> = cases.iter().map(|(sent, _)| sent.clone()).collect();
    all_refused(&seen(&queue(&sent)), &cases);
}

fn proposal() -> Value {
    json!({"id": "ev-1", "type": "UPDATE", "entity": "proposals", "entityId": "p-12", "payload": {"status": "approved"},
        "timestamp": "2025-11-20T09:00:00.000Z", "deviceId": "ipad-7", "userId": "u-1", "conflictResolution": "merge",
        "baseVersion": 4})
}

#[test]
fn an_event_becomes_an_intent_in_the_order_of_its_time() {
    assert_eq!(
        seen(&events(&[proposal()]))[0],
        json!({"operation_id": "ev-1", "collection": "proposals", "record_id": "p-12", "op": "update", "scope": "global",
            "base_version": 4, "conflict_strategy": "merge", "created_at": "2025-11-20T09:00:00.000Z",
            "logical_timestamp": "019aa07df2800000-0192f0c1-7b1e-7c3a-9d2e-000000000001", "fields": {"status": "approved"}})
    );
    let changed = json!({"id": "an id of theirs", "type": "CREATE", "entity": "financial-data", "entityId": 9, "scope": "team:1",
        "timestamp": "2025-11-20T09:00:00Z", "fieldChanges": [{"field": "sum", "oldValue": 1, "newValue": 2, "source": "mobile"},
            {"field": "note", "oldValue": "x", "newValue": null}]});
    let items = events(std::slice::from_ref(&changed));
    let intent = &seen(&items)[0];
    assert_eq!(
        (&intent["collection"], &intent["record_id"], &intent["fields"]),
        (&json!("financial_data"), &json!("9"), &json!({"sum": 2, "note": null}))
    );
    assert_eq!((items[0].id.as_str(), items[0].operation_id.as_str().len()), ("an id of theirs", 36));
}

#[test]
fn what_a_device_had_seen_goes_with_its_event() {
    let items = events(&[with(&proposal(), "vectorClock", json!({"ipad-7": 3, "desk-1": 9}))]);
    assert_eq!(items[0].intent["vector_clock"], json!({"ipad-7": 3, "desk-1": 9}));
}

#[test]
fn an_event_at_fault_is_refused_alone_by_the_names_of_the_app() {
    let cases = [
        (with(&proposal(), "type", json!("UPSERT")), "type: must be CREATE, UPDATE or DELETE"),
        (with(&proposal(), "entity", json!(null)), "entity: is required"),
        (with(&proposal(), "entityId", json!(null)), "entityId: is required"),
        (with(&proposal(), "entityId", json!("a b")), "entityId: must be 1 to 64 characters of A-Z a-z 0-9 _ . -"),
        (
            with(&proposal(), "entity", json!("2nd")),
            "collection: collection must be a lower-case letter, then up to 62 of a-z 0-9 _",
        ),
        (with(&proposal(), "payload", json!(null)), "payload: is required"),
        (with(&proposal(), "timestamp", json!(null)), "timestamp: is required"),
        (with(&proposal(), "conflictResolution", json!("mine")), "conflictResolution: must be local, remote or merge"),
        (
            with(&proposal(), "deviceId", json!("0192f0c1-7b1e-7c3a-9d2e-000000000002")),
            "deviceId: is not the device that the token belongs to",
        ),
        (
            with(&with(&proposal(), "payload", json!(null)), "fieldChanges", json!([{"newValue": 1}])),
            "fieldChanges[0].field: is required",
        ),
    ];
    let sent: Vec<Value> = cases.iter().map(|(sent, _)| sent.clone()).collect();
    all_refused(&seen(&events(&sent)), &cases);
    let own = with(&proposal(), "deviceId", json!(device().as_str()));
    assert!(seen(&events(&[own]))[0].is_object());
}

#[test]
fn events_can_stand_or_fall_together() {
    let read = |atomic: Value| {
        posalpro::events_read(json!({"events": [proposal()], "atomic": atomic}).to_string().as_bytes(), &device())
    };
    assert!(read(json!(true)).expect("read").1);
    assert!(!read(json!(null)).expect("read").1);
    assert_eq!(read(json!("yes")).expect_err("refused").errors[0].field, "atomic");
}

fn work() -> Value {
    json!({"id": "op-2", "type": "work_orders.update", "priority": 1, "payload": {"id": "wo-1", "version": 2, "status": "done"},
        "created_at": "2025-11-20T09:00:00.000Z", "deadline": null, "retry_count": 1, "max_retries": 5, "dependencies": ["op-1"],
        "conflict_resolution_strategy": "semantic", "network_requirements": {"min_bandwidth": 1}, "scope": "site:a"})
}

#[test]
fn an_operation_of_the_priority_queue_becomes_an_intent_with_what_it_waits_for() {
    assert_eq!(
        seen(&operations(&[work()]))[0],
        json!({"operation_id": "op-2", "collection": "work_orders", "record_id": "wo-1", "op": "update", "scope": "site:a",
            "base_version": 2, "priority": 1, "depends_on": ["op-1"], "conflict_strategy": "semantic",
            "created_at": "2025-11-20T09:00:00.000Z",
            "logical_timestamp": "019aa07df2800000-0192f0c1-7b1e-7c3a-9d2e-000000000001", "fields": {"status": "done"}})
    );
    let late = with(&work(), "deadline", json!("2025-11-20T10:00:00Z"));
    assert_eq!(seen(&operations(&[late]))[0]["deadline"], "2025-11-20T10:00:00.000Z");
}

#[test]
fn an_operation_at_fault_is_refused_alone() {
    let cases = [
        (with(&work(), "type", json!("update")), "type: must be `collection.op`, with create, update, put or delete"),
        (with(&work(), "type", json!("work_orders.burn")), "type: must be `collection.op`, with create, update, put or delete"),
        (with(&work(), "priority", json!(6)), "priority: must be within 1 and 5"),
        (with(&work(), "payload", json!(null)), "payload: is required"),
        (with(&work(), "payload", json!({"status": "x"})), "payload.id: is required"),
        (with(&work(), "created_at", json!(null)), "created_at: is required"),
        (with(&work(), "dependencies", json!([1])), "dependencies[0]: must be a string of at most 256 bytes"),
        (
            with(&work(), "conflict_resolution_strategy", json!("best")),
            "conflict_resolution_strategy: must be one of lww, ot, semantic, user, business, ml_assisted",
        ),
    ];
    let sent: Vec<Value> = cases.iter().map(|(sent, _)| sent.clone()).collect();
    all_refused(&seen(&operations(&sent)), &cases);
}

#[test]
fn a_batch_with_an_item_that_cannot_be_answered_is_refused_by_its_place() {
    let refusals: [(Problem, &str); 4] = [
        (asyncstorage::queue_read(br#"{"items":[{"type":"EventCreate"}]}"#, &device()).expect_err("refused"), "items[0].id"),
        (posalpro::events_read(br#"{"events":[{"id":"a"},{"id":5}]}"#, &device()).expect_err("refused"), "events[1].id"),
        (prism::operations_read(br#"{"operations":[7]}"#, &device()).expect_err("refused"), "operations[0]"),
        (prism::operations_read(b"{}", &device()).expect_err("refused"), "operations"),
    ];
    for (problem, field) in refusals {
        assert_eq!((problem.code.as_ref(), problem.errors[0].field.as_str()), ("envelope_invalid", field));
    }
}

#[test]
fn dead_items_are_kept_as_far_as_they_can_be_read() {
    let dead = |item: Value| {
        with(
            &with(&item, "error", json!({"code": "http_500", "message": "server error"})),
            "failedAt",
            json!(1_763_629_300_000_i64),
        )
    };
    let items = [dead(call()), dead(json!({"id": "i-2", "type": "Call", "retryCount": 5})), json!({"id": "i-3"})];
    let read = asyncstorage::dead_items_read(json!({"items": items}).to_string().as_bytes(), &device()).expect("an envelope");
    let kept: Vec<_> =
        read.letters.iter().map(|letter| (letter.operation_id.as_str(), letter.attempts, letter.error.code.as_str())).collect();
    assert_eq!(kept, [(call()["id"].as_str().expect("an id"), Some(2), "http_500"), ("i-2", Some(5), "http_500")]);
    let mutation: Value = serde_json::from_str(&read.letters[0].mutation).expect("JSON");
    assert_eq!((&mutation["collection"], &mutation["fields"]["duration"]), (&json!("events"), &json!(61)));
    assert_eq!(read.rejected[0].detail, "items[2].error: is required");
    let raw = r#"{"items":[{"id":"i-1","n":9007199254740993,"error":{"code":"x"}}]}"#;
    let read = asyncstorage::dead_items_read(raw.as_bytes(), &device()).expect("an envelope");
    assert_eq!((read.letters.len(), read.rejected.len()), (0, 1), "{:?}", read.rejected);
    let many = json!({"items": vec![dead(call()); 501]});
    assert_eq!(
        asyncstorage::dead_items_read(many.to_string().as_bytes(), &device()).expect_err("refused").code,
        "batch_too_large"
    );
}

#[test]
fn an_answer_says_what_to_do_with_each_item_in_the_words_of_the_app() {
    let items = queue(&[call(), with(&call(), "id", json!("i-2"))]);
    let results = serde_json::from_value(json!([
        {"operation_id": items[0].operation_id.as_str(), "status": "merged", "record_id": "first"},
        {"operation_id": "i-2", "status": "rejected",
            "problem": {"code": "schema_invalid", "status": 422, "retryable": false, "detail": "fields.duration: must be a number"}}
    ]))
    .expect("results");
    let told = asyncstorage::queue_answer(&items, results);
    assert_eq!(
        (told[0].id.as_str(), told[0].next, told[0].result.record_id.as_deref()),
        (items[0].id.as_str(), NextStep::Remove, Some("first"))
    );
    assert_eq!(told[1].next, NextStep::DeadLetter);
    assert_eq!(
        told[1].result.problem.as_ref().map(|problem| problem.detail.as_str()),
        Some("payload.duration: must be a number")
    );
}
