//! Vector clocks in what a device reads: with them it knows for itself whether a write dominates the record.

use serde_json::{Value, json};
use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_testkit::{Device, TestApp, intent};

async fn app() -> TestApp {
    let app = TestApp::new().await;
    let sets = r#"[{"name": "plans", "policy": {"kind": "lww", "detect": "vector"}}]"#;
    app.service().collections_import(&app.state().system_cx(), sets).await.expect("imported");
    app
}

fn plan(operation: &str, op: &str, clock: Option<Value>) -> Value {
    let mut stated = intent(operation, "p-1", op, json!({"by": operation}));
    stated["collection"] = json!("plans");
    if let Some(clock) = clock {
        stated["vector_clock"] = clock;
    }
    stated
}

async fn rows(device: &Device, query: &str) -> Vec<Value> {
    let page = device.http().get(&format!("/changes?since=0&scopes=building:42{query}")).await.ok(200);
    page["changes"].as_array().expect("changes").clone()
}

/// The union of the clocks of rows, as a device keeps it.
fn known(rows: &[Value]) -> Value {
    let mut all = serde_json::Map::new();
    for (node, count) in rows.iter().filter_map(|row| row["vector_clock"].as_object()).flatten() {
        let greater = all.get(node).and_then(Value::as_i64).unwrap_or(0).max(count.as_i64().expect("a count"));
        all.insert(node.clone(), json!(greater));
    }
    Value::Object(all)
}

#[tokio::test]
async fn the_rows_of_a_record_add_up_to_its_clock_and_a_scan_has_all_of_it() {
    let app = app().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let other = intent("op-0", "n-1", "create", json!({"a": 1}));
    let statuses = one
        .push_statuses(&[other, plan("op-1", "create", Some(json!({"a": 1}))), plan("op-2", "update", Some(json!({"b": 1})))])
        .await;
    assert_eq!(statuses, ["applied", "applied", "applied"]);
    assert_eq!(two.push_statuses(&[plan("op-3", "update", None)]).await, ["applied"]);
    let whole = json!({"a": 1, "b": 1, "srv": 1});
    for query in ["", "&include=full", "&include=meta", "&collections=plans", "&limit=5000"] {
        let seen = rows(&two, query).await;
        let plans: Vec<&Value> = seen.iter().filter(|row| row["collection"] == "plans").map(|row| &row["vector_clock"]).collect();
        assert_eq!(plans, [&json!({"a": 1}), &json!({"b": 1}), &json!({"srv": 1})], "{query}");
        assert_eq!(known(&seen), whole, "{query}");
        assert!(seen.iter().all(|row| row["collection"] == "plans" || row.get("vector_clock").is_none()), "{query}");
    }
    let scanned = rows(&two, "&compact=true").await;
    assert_eq!(scanned.iter().filter_map(|row| row.get("vector_clock")).collect::<Vec<_>>(), [&whole]);
    let body = json!({"subscriptions": [{"scope": "building:42"}]});
    let subscribed = two.http().post("/changes", &body).await.ok(200);
    assert_eq!(known(subscribed["changes"].as_array().expect("changes")), whole);
    assert_eq!(one.http().get("/records/plans/p-1").await.ok(200)["vector_clock"], whole);
    let history = one.http().get("/records/plans/p-1/history").await.ok(200);
    let clocks: Vec<&Value> =
        history["versions"].as_array().expect("versions").iter().map(|version| &version["vector_clock"]).collect();
    assert_eq!(clocks, [&json!({"srv": 1}), &json!({"b": 1}), &json!({"a": 1})]);
    // Whoever has seen all of it goes on from it, whatever the version.
    let mut clock = known(&scanned);
    clock["d2"] = json!(1);
    assert_eq!(two.push_statuses(&[plan("op-4", "update", Some(clock))]).await, ["applied"]);
}

#[tokio::test]
async fn a_record_that_comes_from_another_scope_brings_its_whole_clock() {
    let app = app().await;
    let device = app.device("d1").await;
    let (client_id, scope) =
        (ClientId::parse(device.client_id.clone()).expect("an id"), Scope::parse("building:7").expect("a scope"));
    app.service().device_scope_set(&app.state().system_cx(), &client_id, &scope, true).await.expect("set");
    let mut made = plan("op-1", "create", Some(json!({"a": 3})));
    made["scope"] = json!("building:7");
    assert_eq!(device.push_statuses(&[made]).await, ["applied"]);
    let mut moved = plan("op-2", "update", Some(json!({"a": 3, "b": 1})));
    moved["base_version"] = json!(1);
    assert_eq!(device.push_statuses(&[moved]).await, ["applied"]);
    let mut again = plan("op-3", "update", None);
    (again["base_version"], again["scope"]) = (json!(2), json!("building:7"));
    assert_eq!(device.push_statuses(&[again]).await, ["applied"]);
    assert_eq!(known(&rows(&device, "").await), json!({"a": 3, "b": 1}));
    let there = device.http().get("/changes?since=0&scopes=building:7").await.ok(200);
    let last = there["changes"].as_array().expect("changes").last().expect("a row").clone();
    assert_eq!((&last["op"], &last["vector_clock"]), (&json!("put"), &json!({"a": 3, "b": 1, "srv": 1})));
    assert_eq!(app.verify().await, Vec::<String>::new());
}
