//! Push, pull, status, events: what a device can do, over HTTP.

use serde_json::{Value, json};
use tidewatch_testkit::{TestApp, intent};

fn operations(rows: &[Value]) -> Vec<&str> {
    rows.iter().filter_map(|row| row["operation_id"].as_str()).collect()
}

#[tokio::test]
async fn what_one_device_pushes_another_pulls() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let (_, start) = two.pull("0", "").await;
    let statuses = one
        .push_statuses(&[
            intent("op-1", "n-1", "create", json!({"text": "hello", "stars": 3})),
            intent("op-2", "n-2", "create", json!({"text": "there"})),
        ])
        .await;
    assert_eq!(statuses, ["applied", "applied"]);
    let (rows, end) = two.pull(&start, "&limit=1").await;
    assert_eq!(operations(&rows), ["op-1", "op-2"]);
    assert_eq!(rows[0]["fields"], json!({"text": "hello", "stars": 3}));
    assert_eq!(rows[0]["op"], "create");
    assert_eq!(rows[0]["client_id"], one.client_id.as_str());
    assert_eq!(rows[0]["version"], 1);
    let (nothing, same) = two.pull(&end, "").await;
    assert!(nothing.is_empty());
    assert_eq!(same, end);
}

#[tokio::test]
async fn a_repeated_push_is_answered_from_memory_and_changes_nothing() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let first = device.push(&[intent("op-1", "n-1", "create", json!({"text": "a"}))]).await.ok(200);
    let head = app.service().head();
    let again = device.push(&[intent("op-1", "n-1", "create", json!({"text": "a"}))]).await.ok(200);
    assert_eq!(again["results"][0]["replayed"], true);
    assert_eq!(again["results"][0]["seq"], first["results"][0]["seq"]);
    let reused = device.push(&[intent("op-1", "n-1", "create", json!({"text": "b"}))]).await.ok(200);
    assert_eq!(reused["results"][0]["problem"]["code"], "idempotency_key_reused");
    assert_eq!(app.service().head(), head);
}

#[tokio::test]
async fn status_says_what_became_of_operations_in_the_order_asked() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    device.push_statuses(&[intent("op-1", "n-1", "create", json!({"text": "a"}))]).await;
    let body = json!({"client_id": device.client_id, "operation_ids": ["op-9", "op-1"]});
    let answer = device.http().post("/mutations/status", &body).await.ok(200);
    let seen: Vec<(&str, &str)> = answer["results"]
        .as_array()
        .expect("results")
        .iter()
        .filter_map(|r| Some((r["operation_id"].as_str()?, r["status"].as_str()?)))
        .collect();
    assert_eq!(seen, [("op-9", "unknown"), ("op-1", "applied")]);
}

#[tokio::test]
async fn a_caught_up_reader_is_answered_304_until_something_changes() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    device.push_statuses(&[intent("op-1", "n-1", "create", json!({"text": "a"}))]).await;
    let (_, cursor) = device.pull("0", "").await;
    let path = format!("/changes?since={cursor}");
    let page = device.http().get(&path).await;
    let etag = page.header("etag").to_owned();
    assert!(etag.starts_with('"'));
    assert_eq!(page.header("cache-control"), "private, no-cache");
    let unchanged = device.http().get_with(&path, &[("if-none-match", &etag)]).await;
    assert_eq!((unchanged.status(), unchanged.bytes().len()), (304, 0));
    assert_eq!(unchanged.header("etag"), etag);
    device.push_statuses(&[intent("op-2", "n-2", "create", json!({"text": "b"}))]).await;
    assert_eq!(device.http().get_with(&path, &[("if-none-match", &etag)]).await.status(), 200);
}

#[tokio::test]
async fn a_full_page_may_be_kept_for_ever() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let intents: Vec<Value> = (0..3).map(|n| intent(&format!("op-{n}"), &format!("n-{n}"), "create", json!({"n": n}))).collect();
    device.push_statuses(&intents).await;
    let page = device.http().get("/changes?since=0&limit=2").await;
    assert_eq!(page.header("cache-control"), "private, max-age=3600, immutable");
}

#[tokio::test]
async fn a_compact_scan_gives_the_state_and_then_the_log() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    device
        .push_statuses(&[
            intent("op-1", "n-1", "create", json!({"text": "a"})),
            intent("op-2", "n-2", "create", json!({"text": "b"})),
        ])
        .await;
    device.push_statuses(&[json!({"operation_id": "op-3", "collection": "notes", "record_id": "n-1", "scope": "building:42", "op": "delete", "base_version": 1})]).await;
    let page = device.http().get("/changes?since=0&compact=true").await.ok(200);
    assert_eq!(page["snapshot"]["complete"], true);
    let rows = page["changes"].as_array().expect("changes");
    assert_eq!(rows.iter().filter_map(|row| row["record_id"].as_str()).collect::<Vec<_>>(), ["n-2"]);
    assert_eq!(rows[0]["op"], "put");
    let (later, _) = device.pull(page["cursor"].as_str().expect("a cursor"), "").await;
    assert!(later.is_empty());
}

#[tokio::test]
async fn a_foreign_cursor_is_refused_with_what_to_do() {
    let app = TestApp::new().await;
    let (one, other) = (app.device("d1").await, TestApp::new().await);
    let elsewhere = other.device("d1").await;
    // Another store has another epoch only when its randomness differs; the test app's does not, so the epoch is edited.
    let (_, cursor) = elsewhere.pull("0", "").await;
    assert_eq!(one.http().get("/changes?since=nonsense").await.refusal(), "400 cursor_malformed since");
    let broken = format!("{}0", &cursor[..cursor.len() - 1]);
    if broken != cursor {
        assert_eq!(one.http().get(&format!("/changes?since={broken}")).await.refusal(), "400 cursor_malformed since");
    }
    let filtered =
        one.http().get("/changes?since=0&collections=notes").await.ok(200)["cursor"].as_str().expect("a cursor").to_owned();
    assert_eq!(one.http().get(&format!("/changes?since={filtered}")).await.refusal(), "409 cursor_filter_mismatch since");
    let foreign = one.http().get("/changes?since=1&epoch=00000000000000ff").await;
    assert_eq!(foreign.refusal(), "410 cursor_epoch_mismatch since");
    assert_eq!(foreign.problem().action.as_deref(), Some("resnapshot"));
    let epoch = app.service().epoch();
    assert_eq!(one.http().get(&format!("/changes?since=999999&epoch={epoch}")).await.refusal(), "410 cursor_ahead since");
}

#[tokio::test]
async fn a_scope_that_the_device_may_not_read_is_refused_by_name() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    assert_eq!(device.http().get("/changes?scopes=building:9").await.refusal(), "403 scope_forbidden scopes");
    let mut foreign = intent("op-1", "n-1", "create", json!({"a": 1}));
    foreign["scope"] = json!("building:9");
    let answer = device.push(&[foreign]).await.ok(200);
    assert_eq!(answer["results"][0]["status"], "rejected");
    assert_eq!(answer["results"][0]["problem"]["status"], 403);
}

#[tokio::test]
async fn a_long_poll_answers_when_something_comes() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let (_, cursor) = two.pull("0", "").await;
    let path = format!("/changes?since={cursor}&wait=20");
    let intents = [intent("op-1", "n-1", "create", json!({"a": 1}))];
    let (page, pushed) = tokio::join!(two.http().get(&path), one.push_statuses(&intents));
    assert_eq!(pushed, ["applied"]);
    assert_eq!(operations(page.ok(200)["changes"].as_array().expect("changes")), ["op-1"]);
}

#[tokio::test]
async fn an_answer_above_a_kilobyte_is_compressed_when_the_client_takes_it() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let text = "tide ".repeat(1_000);
    device.push_statuses(&[intent("op-1", "n-1", "create", json!({"text": text}))]).await;
    let plain = device.http().get("/changes?since=0").await;
    assert_eq!(plain.header("content-encoding"), "");
    let zstd = device.http().get_with("/changes?since=0", &[("accept-encoding", "zstd, gzip")]).await;
    assert_eq!(zstd.header("content-encoding"), "zstd");
    let page: Value = serde_json::from_slice(&zstd::decode_all(zstd.bytes().as_ref()).expect("zstd")).expect("JSON");
    assert_eq!(page["changes"][0]["fields"]["text"], text);
    let gzip = device.http().get_with("/changes?since=0", &[("accept-encoding", "gzip")]).await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    let small = device.http().get_with("/healthz", &[("accept-encoding", "gzip")]).await;
    assert_eq!(small.header("content-encoding"), "");
}

#[tokio::test]
async fn a_compressed_push_is_taken() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let body = device.batch(&[intent("op-1", "n-1", "create", json!({"a": 1}))]).to_string();
    let packed = zstd::encode_all(body.as_bytes(), 1).expect("compressed");
    let reply = device
        .http()
        .post_with("/mutations", &[("content-encoding", "zstd"), ("content-type", "application/json")], packed.into())
        .await;
    assert_eq!(reply.ok(200)["results"][0]["status"], "applied");
}

#[tokio::test]
async fn the_event_stream_says_that_a_scope_moved_and_ends_with_its_token() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let mut events = two.listen().await;
    let hello = events.next().await.expect("an event");
    assert_eq!(hello.name, "hello");
    assert_eq!(hello.data["heartbeat_s"], 20);
    one.push_statuses(&[intent("op-1", "n-1", "create", json!({"a": 1}))]).await;
    let moved = events.next().await.expect("an event");
    assert_eq!(moved.name, "invalidate");
    assert_eq!(moved.data["scopes"], json!(["building:42"]));
    assert_eq!(moved.data["collections"], json!(["notes"]));
    assert_eq!(moved.data["head"], app.service().head().0);
    let mut elsewhere = intent("op-3", "a-1", "create", json!({"a": 1}));
    elsewhere["collection"] = json!("assets");
    one.push_statuses(&[intent("op-4", "n-9", "create", json!({"a": 1})), elsewhere]).await;
    assert_eq!(events.next().await.expect("an event").data["collections"], json!(["assets", "notes"]));
    // Its token is taken away; the next time the stream looks up, it ends.
    let client_id = tidewatch_domain::ids::ClientId::parse(two.client_id.clone()).expect("valid");
    app.service().device_tokens_revoke(&app.state().system_cx(), &client_id).await.expect("revoked");
    one.push_statuses(&[intent("op-2", "n-2", "create", json!({"a": 1}))]).await;
    assert_eq!(events.next().await.expect("an event").name, "bye");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_second_stream_of_a_device_ends_the_first_and_stopping_ends_them_all() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let mut first = device.listen().await;
    assert_eq!(first.next().await.expect("an event").name, "hello");
    let mut second = device.listen().await;
    assert_eq!(first.next().await.expect("an event").name, "bye");
    assert_eq!(second.next().await.expect("an event").name, "hello");
    app.state().stopping().cancel();
    let bye = second.next().await.expect("an event");
    assert_eq!(bye.name, "bye");
    assert!(bye.data["reconnect_after_ms"].as_i64().is_some_and(|ms| (1_600..=2_400).contains(&ms)));
}

#[tokio::test]
async fn a_reader_that_missed_something_is_told_at_once() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let (_, seen) = device.pull("0", "").await;
    device.push_statuses(&[intent("op-1", "n-1", "create", json!({"a": 1}))]).await;
    let mut events = device.http().listen("/events", &[("last-event-id", &seen)]).await;
    assert_eq!(events.next().await.expect("an event").name, "hello");
    let missed = events.next().await.expect("an event");
    assert_eq!((missed.name.as_str(), missed.data.get("collections")), ("invalidate", None), "it may be any");
}
