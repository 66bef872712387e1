//! Queues of other apps through their adapters: AsyncStorage, PosalPro, PRISM. What they mean is what the engine decides.

use serde_json::{Value, json};
use tidewatch_domain::time::MINUTE_MS;
use tidewatch_service::sync::COLLECTION_SETS;
use tidewatch_testkit::{Device, TestApp};

async fn app(set: &str) -> TestApp {
    let app = TestApp::new().await;
    let (_, json) = COLLECTION_SETS.into_iter().find(|(name, _)| *name == set).expect("a set");
    app.service().collections_import(&app.state().system_cx(), json).await.expect("imported");
    app
}

async fn send(device: &Device, adapter: &str, body: Value) -> Vec<(String, String, String)> {
    let answer = device.http().post(&format!("/api/v1/adapters/{adapter}"), &body).await.ok(200);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |result: &Value| {
        let code = &result["problem"]["code"];
        let status = if code.is_null() || result["status"] == "conflict" { text(&result["status"]) } else { text(code) };
        (text(&result["id"]), status, text(&result["next"]))
    };
    answer["results"].as_array().expect("results").iter().map(one).collect()
}

fn told(results: &[(String, String, String)]) -> Vec<String> {
    results.iter().map(|(id, status, next)| format!("{id} {status} {next}")).collect()
}

/// So many minutes after an instant two hours ago.
fn at(app: &TestApp, minute: i64) -> String {
    app.state().now().plus((minute - 120) * MINUTE_MS).to_string()
}

fn call(app: &TestApp, id: &str, duration: i64) -> Value {
    json!({"id": id, "type": "EventCreate", "priority": "high", "timestamp": at(app, 1), "scope": "building:42",
        "payload": {"line_id": 7, "ts": "2025-11-20T09:00:00.300Z", "number": "+49 170 123", "direction": "in", "duration": duration}})
}

#[tokio::test]
async fn a_call_that_two_telephones_recorded_is_one_record() {
    let app = app("asyncstorage").await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let first = send(&one, "asyncstorage/items", json!({"items": [call(&app, "i-1", 60)]})).await;
    assert_eq!(told(&first), ["i-1 applied remove"]);
    let second = two
        .http()
        .post("/api/v1/adapters/asyncstorage/items", &json!({"items": [call(&app, "i-2", 61), call(&app, "i-3", 62)]}))
        .await
        .ok(200);
    let results = &second["results"];
    assert_eq!(
        (&results[0]["status"], &results[0]["record_id"]),
        (&json!("merged"), &json!("i-1")),
        "within a second of the first"
    );
    assert_eq!(results[1]["status"], "applied", "two seconds are another call");
    // What is done to the second telephone's id is done to the first record.
    let update = json!({"id": "i-4", "type": "EventUpdate", "timestamp": at(&app, 2), "scope": "building:42", "payload": {"id": "i-2", "note": "back"}});
    assert_eq!(told(&send(&two, "asyncstorage/items", json!({"items": [update]})).await), ["i-4 merged remove"]);
    let (rows, _) = one.pull("0", "&compact=true&collections=events").await;
    let notes: Vec<_> =
        rows.iter().map(|row| (row["record_id"].as_str().unwrap_or_default(), row["fields"]["note"].as_str())).collect();
    assert_eq!(notes, [("i-3", None), ("i-1", Some("back"))]);
}

#[tokio::test]
async fn a_call_whose_number_is_encrypted_is_known_by_its_blind_index() {
    let app = app("asyncstorage").await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let sealed = |id: &str, index: &str| {
        let mut item = call(&app, id, 60);
        item["payload"]["number"] = json!({"$enc": {"alg": "A256GCM", "kid": "k1", "iv": id, "ct": id}});
        item["payload"]["number_bidx"] = json!(index);
        item
    };
    assert_eq!(told(&send(&one, "asyncstorage/items", json!({"items": [sealed("i-1", "h1")]})).await), ["i-1 applied remove"]);
    let second = json!({"items": [sealed("i-2", "h1"), sealed("i-3", "h2")]});
    assert_eq!(told(&send(&two, "asyncstorage/items", second).await), ["i-2 merged remove", "i-3 applied remove"]);
}

#[tokio::test]
async fn a_queue_is_answered_item_by_item_and_a_retry_replays() {
    let app = app("asyncstorage").await;
    let device = app.device("d1").await;
    let contact = |id: &str, scope: &str| json!({"id": id, "type": "ContactCreate", "timestamp": at(&app, 1), "scope": scope, "payload": {"name": "Ann"}});
    let body = json!({"items": [contact("i-1", "building:42"), contact("i-2", "line:9"), {"id": "i-3", "type": "Call"}, contact("i-4", "building:7")]});
    let wanted =
        ["i-1 applied remove", "i-2 scope_forbidden dead_letter", "i-3 schema_invalid dead_letter", "i-4 applied remove"];
    assert_eq!(told(&send(&device, "asyncstorage/items", body.clone()).await), wanted);
    let head = app.service().head();
    assert_eq!(told(&send(&device, "asyncstorage/items", body).await), wanted);
    assert_eq!(app.service().head(), head);
}

fn event(app: &TestApp, id: &str, kind: &str, entity: &str, minute: i64, base: Option<i64>, payload: Value) -> Value {
    json!({"id": id, "type": kind, "entity": entity, "entityId": "x-1", "payload": payload, "timestamp": at(app, minute),
        "deviceId": "tablet", "userId": "u-1", "baseVersion": base, "scope": "building:42"})
}

#[tokio::test]
async fn every_entity_is_decided_by_its_own_rule() {
    let app = app("posalpro").await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let create = |entity: &str| {
        event(&app, &format!("c-{entity}"), "CREATE", entity, 1, None, json!({"status": "approved", "sum": 1, "name": "A"}))
    };
    let entities = ["proposals", "customers", "content", "financial-data", "users", "approvals"];
    let made = send(&one, "posalpro/events", json!({"events": entities.map(create)})).await;
    let statuses: Vec<&str> = made.iter().map(|(_, status, _)| status.as_str()).collect();
    assert_eq!(statuses, ["applied", "applied", "applied", "applied", "applied", "applied"]);
    let edit = |device: &str, entity: &str, minute: i64, payload: Value| {
        event(&app, &format!("{device}-{entity}"), "UPDATE", entity, minute, Some(1), payload)
    };
    let first = entities.map(|entity| edit("one", entity, 20, json!({"name": "B"})));
    let answered = told(&send(&one, "posalpro/events", json!({"events": first})).await);
    assert_eq!(
        answered,
        [
            "one-proposals applied remove",
            "one-customers applied remove",
            "one-content applied remove",
            "one-financial-data conflict remove",
            "one-users conflict remove",
            "one-approvals applied remove"
        ]
    );
    let second = entities.map(|entity| edit("two", entity, 10, json!({"sum": 2})));
    let answered = told(&send(&two, "posalpro/events", json!({"events": second})).await);
    assert_eq!(
        answered,
        [
            "two-proposals superseded remove",
            "two-customers merged remove",
            "two-content conflict remove",
            "two-financial-data conflict remove",
            "two-users conflict remove",
            "two-approvals superseded remove"
        ]
    );
    let draft = event(&app, "draft", "UPDATE", "proposals", 50, Some(2), json!({"status": "draft"}));
    assert_eq!(told(&send(&two, "posalpro/events", json!({"events": [draft]})).await), ["draft guard_failed dead_letter"]);
}

/// The same event on another record, by a device that says what it had seen.
fn seen(mut event: Value, record: &str, clock: Value) -> Value {
    event["entityId"] = json!(record);
    event["baseVersion"] = Value::Null;
    event["vectorClock"] = clock;
    event
}

#[tokio::test]
async fn an_event_that_the_entity_has_overtaken_loses_and_one_that_has_seen_it_stands_whatever_the_time_says() {
    let app = app("posalpro").await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let decided = ["proposals", "approvals", "reviews", "customers", "products", "content"];
    let events = |mark: &str, kind: &str, minute: i64, clock: Value| -> Value {
        let event = |entity: &str| {
            seen(event(&app, &format!("{mark}-{entity}"), kind, entity, minute, None, json!({"name": mark})), "v", clock.clone())
        };
        json!({"events": decided.map(event)})
    };
    let statuses =
        |results: Vec<(String, String, String)>| -> Vec<String> { results.into_iter().map(|(_, status, _)| status).collect() };
    let all = |status: &str| vec![status.to_owned(); decided.len()];
    let made = events("made", "CREATE", 20, json!({"ipad": 1}));
    assert_eq!(statuses(send(&one, "posalpro/events", made).await), all("applied"));
    // It has seen the first write, so that its slow clock costs it nothing.
    let after = events("after", "UPDATE", 5, json!({"ipad": 1, "desk": 1}));
    assert_eq!(statuses(send(&two, "posalpro/events", after).await), all("applied"));
    // The entity has seen this one, so that its fast clock gains it nothing.
    let late = events("late", "UPDATE", 50, json!({"ipad": 1}));
    assert_eq!(statuses(send(&one, "posalpro/events", late).await), all("superseded"));
    // Neither has seen the other: each by its own rule.
    let beside = events("beside", "UPDATE", 60, json!({"ipad": 2}));
    assert_eq!(
        statuses(send(&one, "posalpro/events", beside).await),
        ["applied", "applied", "applied", "merged", "merged", "conflict"]
    );
    let record = one.http().get("/records/proposals/v").await.ok(200);
    assert_eq!((&record["fields"]["name"], &record["vector_clock"]), (&json!("beside"), &json!({"desk": 1, "ipad": 2})));
}

#[tokio::test]
async fn events_that_stand_or_fall_together_leave_nothing_behind_when_one_falls() {
    let app = app("posalpro").await;
    let device = app.device("d1").await;
    let head = app.service().head();
    let good = event(&app, "e-1", "CREATE", "customers", 1, None, json!({"name": "A"}));
    let bad = event(&app, "e-2", "CREATE", "nowhere", 1, None, json!({"name": "A"}));
    let reply = device.http().post("/api/v1/adapters/posalpro/events", &json!({"events": [good, bad], "atomic": true})).await;
    assert_eq!(reply.refusal(), "404 collection_unknown events[1]");
    assert_eq!(app.service().head(), head);
}

fn work(app: &TestApp, id: &str, kind: &str, priority: u8, dependencies: &[&str]) -> Value {
    json!({"id": id, "type": kind, "priority": priority, "payload": {"id": "w-1", "status": "open"}, "created_at": at(app, 1),
        "deadline": null, "retry_count": 0, "max_retries": 3, "dependencies": dependencies, "conflict_resolution_strategy": "lww",
        "network_requirements": {}, "scope": "building:42"})
}

#[tokio::test]
async fn operations_wait_for_what_they_depend_on_and_end_with_their_deadline() {
    let app = app("prism").await;
    let device = app.device("d1").await;
    let late = {
        let mut late = work(&app, "late", "tasks.update", 5, &[]);
        late["deadline"] = json!("2025-11-20T10:00:00Z");
        late
    };
    let early = json!({"operations": [work(&app, "op-2", "tasks.update", 1, &["op-1"]), late]});
    assert_eq!(
        told(&send(&device, "prism/operations", early).await),
        ["op-2 dependency_missing keep", "late deadline_expired dead_letter"]
    );
    let both =
        json!({"operations": [work(&app, "op-1", "tasks.create", 4, &[]), work(&app, "op-2", "tasks.update", 1, &["op-1"])]});
    assert_eq!(told(&send(&device, "prism/operations", both).await), ["op-1 applied remove", "op-2 applied remove"]);
}

#[tokio::test]
async fn a_body_that_is_none_is_refused_by_its_member_and_changes_nothing() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let head = app.service().head();
    for (adapter, member) in [("asyncstorage/items", "items"), ("posalpro/events", "events"), ("prism/operations", "operations")]
    {
        let path = format!("/api/v1/adapters/{adapter}");
        assert_eq!(device.http().post_text(&path, "{").await.refusal(), "400 json_invalid");
        assert_eq!(device.http().post_text(&path, "{}").await.refusal(), format!("400 envelope_invalid {member}"));
        let mut body = json!({});
        body[member] = json!([{"id": "a"}, {"no": "id"}]);
        assert_eq!(device.http().post(&path, &body).await.refusal(), format!("400 envelope_invalid {member}[1].id"));
        body[member] = json!(vec![json!({"id": "a"}); 1_001]);
        assert_eq!(device.http().post(&path, &body).await.refusal(), format!("413 batch_too_large {member}"));
        let extra = [("content-type", "application/json"), ("sync-schema", "x")];
        body[member] = json!([]);
        assert_eq!(
            device.http().post_with(&path, &extra, body.to_string().into()).await.refusal(),
            "400 header_invalid sync-schema"
        );
    }
    assert_eq!(app.service().head(), head);
}
