//! Devices report what they have given up on: it is kept once, it is listed at once, and nothing that came through is among it.

use serde_json::{Value, json};
use tidewatch_testkit::{Device, TestApp, intent};

async fn report(device: &Device, entries: Value) -> Value {
    device.http().post("/dead-letters", &json!({"client_id": device.client_id, "entries": entries})).await.ok(200)
}

fn entry(operation: &str) -> Value {
    json!({"operation_id": operation, "mutation": intent(operation, "n-1", "update", json!({"text": "secret"})),
        "error": {"code": "http_500", "status": 500, "message": "server error"}, "attempts": 5, "failed_at": "2025-11-20T09:00:00Z"})
}

/// The entries of the outbox as people list them, once telemetry has written what it was told.
async fn listed(app: &TestApp, device: &Device) -> Vec<String> {
    app.service().telemetry_roll(app.state().now()).await.expect("the telemetry moves on");
    let listing = app.viewer().await.get("/api/v1/outbox/entries").await.ok(200);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = listing["rows"].as_array().expect("rows").iter().filter(|row| row["client_id"] == device.client_id.as_str());
    let mut lines: Vec<String> =
        rows.map(|row| format!("{} {} {}", text(&row["operation_id"]), text(&row["state"]), text(&row["error_code"]))).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_dead_letter_is_kept_once_and_listed_like_a_refusal() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let first = report(&device, json!([entry("op-1"), entry("op-2")])).await;
    assert_eq!(first, json!({"accepted": 2, "duplicates": 0, "settled": [], "rejected": []}));
    assert_eq!(listed(&app, &device).await, ["op-1 poisoned http_500", "op-2 poisoned http_500"]);
    let again = report(&device, json!([entry("op-2"), entry("op-3"), entry("op-3")])).await;
    assert_eq!(again, json!({"accepted": 1, "duplicates": 2, "settled": [], "rejected": []}));
    let other = app.device("d2").await;
    assert_eq!(report(&other, json!([entry("op-1")])).await["accepted"], 1, "operations are one device's own");
}

#[tokio::test]
async fn the_page_of_a_dead_letter_says_that_its_device_gave_it_up() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    device.push(&[intent("op-2", "n-2", "burn", json!({}))]).await.ok(200);
    report(&device, json!([entry("op-1")])).await;
    listed(&app, &device).await;
    let operator = app.operator().await;
    let page = |operation: &str| format!("/outbox/entries/{}/{operation}", device.client_id);
    let of_device = operator.page(&page("op-1")).await.text();
    assert!(
        of_device.contains("Its device has put it among its own dead letters") && !of_device.contains("This server refused it")
    );
    let of_server = operator.page(&page("op-2")).await.text();
    assert!(of_server.contains("This server refused it for good") && !of_server.contains("dead letters"), "{of_server}");
}

#[tokio::test]
async fn what_came_through_is_no_dead_letter_and_what_was_refused_is_one_already() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    device.push(&[intent("op-1", "n-1", "create", json!({"text": "a"})), intent("op-2", "n-2", "burn", json!({}))]).await.ok(200);
    let answer = report(&device, json!([entry("op-1"), entry("op-2"), entry("op-3")])).await;
    assert_eq!(answer, json!({"accepted": 1, "duplicates": 1, "settled": ["op-1"], "rejected": []}));
}

#[tokio::test]
async fn an_entry_at_fault_is_named_and_its_neighbours_are_kept() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let mut bad = entry("op-2");
    bad["error"] = json!({});
    let answer = report(&device, json!([entry("op-1"), bad, 7])).await;
    assert_eq!(answer["accepted"], 1);
    assert_eq!(
        answer["rejected"],
        json!([
            {"operation_id": "op-2", "code": "schema_invalid", "detail": "entries[1].error.code: is required"},
            {"code": "schema_invalid", "detail": "entries[2]: must be an object"}
        ])
    );
}

#[tokio::test]
async fn a_report_that_is_none_is_refused_and_nothing_is_kept() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let http = one.http();
    assert_eq!(http.post_text("/dead-letters", "{").await.refusal(), "400 json_invalid");
    assert_eq!(http.post_text("/dead-letters", "{}").await.refusal(), "400 envelope_invalid entries");
    let foreign = json!({"client_id": two.client_id, "entries": [entry("op-1")]});
    assert_eq!(http.post("/dead-letters", &foreign).await.refusal(), "403 forbidden client_id");
    let many = json!({"entries": vec![json!({}); 501]});
    assert_eq!(http.post("/dead-letters", &many).await.refusal(), "413 batch_too_large entries");
    let large = json!({"entries": [], "padding": "x".repeat(1_024 * 1_024)});
    assert_eq!(http.post("/dead-letters", &large).await.refusal(), "413 body_too_large");
    assert_eq!(app.anonymous().post("/dead-letters", &json!({"entries": []})).await.refusal(), "401 credential_required");
    assert_eq!(listed(&app, &one).await, Vec::<String>::new());
}

#[tokio::test]
async fn dead_items_of_an_asyncstorage_queue_are_dead_letters_in_the_words_of_the_store() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let item = json!({"id": "i-1", "type": "ContactCreate", "timestamp": 5, "retryCount": 5, "payload": {"name": "Ann"},
        "error": {"code": "schema_invalid", "message": "payload.name: is too long"}});
    let path = "/api/v1/adapters/asyncstorage/dead-letters";
    let answer = device.http().post(path, &json!({"items": [item]})).await.ok(200);
    assert_eq!(answer["accepted"], 1);
    assert_eq!(listed(&app, &device).await, ["i-1 poisoned schema_invalid"]);
    assert_eq!(device.http().post_text(path, "{}").await.refusal(), "400 envelope_invalid items");
}
