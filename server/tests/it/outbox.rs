//! The outbox across devices, as pages, API and export: one refusal is the same entry in all of them.

use serde_json::{Value, json};
use tidewatch_domain::manifest::Manifest;
use tidewatch_domain::role::Role;
use tidewatch_testkit::{Device, TestApp, intent};

/// Pushes two intents that no policy can take, and one that is fine.
async fn refused(app: &TestApp) -> Device {
    let device = app.device("phone").await;
    let mut bad = [intent("op-bad-1", "r-1", "create", json!({})), intent("op-bad-2", "r-2", "create", json!({}))];
    for intent in &mut bad {
        intent["collection"] = "nothing".into();
    }
    let [first, second] = bad;
    let statuses = device.push_statuses(&[first, intent("op-fine", "r-3", "create", json!({"title": "a"})), second]).await;
    assert_eq!(statuses, ["rejected", "applied", "rejected"]);
    app.service().telemetry_roll(app.state().now()).await.expect("the telemetry moves on");
    device
}

#[tokio::test]
async fn a_refusal_is_one_entry_on_every_way_to_look_at_it() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let staff = app.api("ci", Role::Viewer).await;
    let report = staff.get("/api/v1/outbox").await.ok(200);
    assert_eq!((report["listed"].as_u64(), report["groups_total"].as_u64()), (Some(2), Some(1)), "{report}");
    let group = &report["groups"][0];
    assert_eq!(
        (group["code"].as_str(), group["poisoned"].as_u64(), group["devices"].as_u64()),
        (Some("collection_unknown"), Some(2), Some(1))
    );
    let id = group["id"].as_str().expect("an id");
    let listed = staff.get(&format!("/api/v1/outbox/entries?group={id}&limit=1")).await.ok(200);
    assert_eq!(listed["total"], json!({"count": 2, "exact": true}));
    let next = listed["next"].as_str().expect("a second page");
    let second = staff.get(&format!("/api/v1/outbox/entries?group={id}&limit=1&after={next}")).await.ok(200);
    let operation = |page: &Value| page["rows"][0]["operation_id"].as_str().expect("an id").to_owned();
    assert_eq!([operation(&listed), operation(&second)], ["op-bad-1", "op-bad-2"]);
    let viewer = app.viewer().await;
    let page = viewer.page("/outbox").await.text();
    assert!(page.contains(&format!("href=\"/outbox/groups/{id}\"")), "{page}");
    let entry = viewer.page(&format!("/outbox/entries/{}/op-bad-1", device.client_id)).await;
    assert!(entry.text().contains("This server refused it for good"));
    let detail = viewer.get(&format!("/api/v1/outbox/entries/{}/op-bad-1", device.client_id)).await.ok(200);
    assert_eq!(detail["history"][0]["code"].as_str(), detail["entry"]["error_code"].as_str(), "{detail}");
    let export = viewer.get(&format!("/export/outbox.ndjson?group={id}")).await.text();
    let manifest = Manifest::check(&export).expect("whole");
    assert_eq!(manifest.count, 2);
    let rows = export.strip_suffix(&manifest.line()).expect("the last line").lines();
    let operations: Vec<String> = rows
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["operation_id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(operations, ["op-bad-1", "op-bad-2"]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_name() {
    let app = TestApp::new().await;
    refused(&app).await;
    let staff = app.api("ci", Role::Viewer).await;
    for (path, refusal) in [
        ("/api/v1/outbox?colour=red", "400 query_invalid colour"),
        ("/api/v1/outbox/entries?q=colour:red", "400 query_invalid filter"),
        ("/api/v1/outbox/entries?after=nowhere", "400 query_invalid after"),
        ("/api/v1/outbox/entries?group=00000000", "404 not_found"),
        ("/export/outbox.csv?filter=colour:red", "400 query_invalid filter"),
    ] {
        assert_eq!(staff.get(path).await.refusal(), refusal, "{path}");
    }
    let viewer = app.viewer().await;
    for (path, status) in [
        ("/outbox/groups/00000000", 404),
        ("/outbox/entries/nonsense/op-bad-1", 404),
        ("/outbox/entries?filter=colour:red", 400),
        ("/outbox/entries?after=nowhere", 400),
    ] {
        assert_eq!(viewer.page(path).await.status(), status, "{path}");
    }
}
