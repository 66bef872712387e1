//! Enrolment, tokens of devices, and how they end.

use serde_json::json;
use tidewatch_domain::ids::ClientId;
use tidewatch_testkit::{TestApp, intent};

#[tokio::test]
async fn a_device_enrols_and_learns_what_it_needs() {
    let app = TestApp::new().await;
    let enrolment = app.enrolment("e1").await;
    let registered = enrolment.post("/clients", &json!({"platform": "ios", "scopes": ["building:7"]})).await.ok(201);
    assert!(ClientId::parse(registered["client_id"].as_str().unwrap_or_default()).is_ok());
    assert_eq!(registered["principal"], "e1");
    assert_eq!(registered["scopes"], json!(["building:7"]));
    assert_eq!(registered["limits"]["max_mutations"], 1_000);
    let features = json!({"offline_writes": true, "offline_scope": ["building:7"], "kill_switch": false,
        "cellular_after_s": 86_400, "cellular_after_bytes": 1_048_576});
    assert_eq!(registered["features"], features);
    assert_eq!(registered["access_expires_in_s"], 900);
    let names: Vec<&str> =
        registered["collections"].as_array().expect("a list").iter().filter_map(|entry| entry["name"].as_str()).collect();
    assert!(names.contains(&"notes"));
    assert!(registered["collections"][0]["policy"]["kind"].is_string());
    assert!(registered["access_token"].as_str().is_some_and(|token| token.starts_with("twd_")));
}

#[tokio::test]
async fn a_device_is_told_to_come_back_as_soon_as_the_most_urgent_of_what_it_looks_at_asks() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let tiers = json!({"critical": 30_000, "important": 300_000, "normal": 1_800_000, "background": 3_600_000});
    let priority = |name: &str| {
        let known = app.service().collections();
        known.iter().find(|known| known.name.as_str() == name).expect("configured").priority
    };
    let within = |answer: &serde_json::Value, tier: &str| {
        let (pause, base) = (answer["poll_after_ms"].as_i64().expect("a pause"), tiers[tier].as_i64().expect("a tier"));
        assert!((base * 4 / 5..=base * 6 / 5).contains(&pause), "{pause} for {tier}");
    };
    assert_eq!((priority("work_orders"), priority("settings")), ("critical", "background"));
    within(&device.http().get("/changes").await.ok(200), "critical");
    within(&device.http().get("/changes?collections=settings").await.ok(200), "background");
    within(&device.http().get("/changes?collections=settings,work_orders").await.ok(200), "critical");
    within(&device.http().get("/integrity").await.ok(200), "critical");
    within(&device.http().get("/integrity?collections=settings").await.ok(200), "background");
    within(&device.http().get("/conflicts").await.ok(200), "critical");
    let asked = json!({"client_id": device.client_id, "operation_ids": ["op-1"]});
    within(&device.http().post("/mutations/status", &asked).await.ok(200), "critical");
    let one = |collections: serde_json::Value| json!({"subscriptions": [{"scope": "building:42", "collections": collections}]});
    within(&device.http().post("/changes", &one(json!(["settings"]))).await.ok(200), "background");
    within(&device.http().post("/changes", &one(json!([]))).await.ok(200), "critical");
    assert_eq!(device.push(&[]).await.ok(200)["poll_after_ms"], 0, "what a push has changed is there at once");
    let two = [intent("op-1", "n-1", "create", json!({})), intent("op-2", "n-2", "create", json!({}))];
    assert_eq!(device.push_statuses(&two).await, ["applied", "applied"]);
    assert_eq!(device.http().get("/changes?limit=1").await.ok(200)["poll_after_ms"], 0, "there is more");
}

#[tokio::test]
async fn every_answer_of_the_api_carries_the_headers_of_the_protocol() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    for reply in [device.http().get("/changes").await, app.anonymous().get("/changes").await, device.push(&[]).await] {
        assert_eq!(reply.header("sync-protocol"), "1");
        assert_eq!(reply.header("sync-role"), "primary");
        assert_eq!(reply.header("sync-epoch").len(), 16);
        assert!(reply.header("sync-head").parse::<i64>().is_ok_and(|head| head >= 1));
        assert!(reply.header("sync-server-time").ends_with('Z'));
    }
}

#[tokio::test]
async fn a_scope_beyond_the_enrolment_token_is_refused() {
    let app = TestApp::new().await;
    let enrolment = app.enrolment("e1").await;
    assert_eq!(enrolment.post("/clients", &json!({"scopes": ["building:9"]})).await.refusal(), "403 scope_forbidden scopes");
    assert_eq!(enrolment.post("/clients", &json!({"scopes": []})).await.refusal(), "400 envelope_invalid scopes");
    assert_eq!(enrolment.post("/clients", &json!({"scopes": ["no good"]})).await.refusal(), "400 envelope_invalid scopes[0]");
    assert_eq!(enrolment.post("/clients", &json!({"client_id": "me"})).await.refusal(), "400 envelope_invalid client_id");
}

#[tokio::test]
async fn an_access_token_ends_after_a_quarter_of_an_hour_and_the_refresh_token_buys_the_next() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    app.state().clock().advance(15 * 60_000);
    let refused = device.http().get("/changes").await;
    assert_eq!(refused.refusal(), "401 token_expired");
    assert_eq!(refused.problem().action.as_deref(), Some("refresh_token"));
    let next = app.anonymous().post("/clients/token", &json!({"refresh_token": device.refresh_token})).await.ok(200);
    let renewed = app.anonymous().with_bearer(next["access_token"].as_str().expect("a token"));
    assert_eq!(renewed.get("/changes").await.status(), 200);
    // The pair has been used, so the refresh token that bought it is spent.
    let again = app.anonymous().post("/clients/token", &json!({"refresh_token": device.refresh_token})).await;
    assert_eq!(again.refusal(), "401 token_invalid");
}

#[tokio::test]
async fn a_lost_answer_to_a_refresh_locks_nobody_out() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let body = json!({"refresh_token": device.refresh_token});
    app.anonymous().post("/clients/token", &body).await.ok(200);
    let second = app.anonymous().post("/clients/token", &body).await.ok(200);
    let renewed = app.anonymous().with_bearer(second["access_token"].as_str().expect("a token"));
    assert_eq!(renewed.get("/changes").await.status(), 200);
    assert_eq!(device.http().get("/changes").await.refusal(), "401 token_invalid");
}

#[tokio::test]
async fn a_revoked_device_is_out_at_once_and_stays_out() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    assert_eq!(device.http().get("/changes").await.status(), 200);
    let client_id = ClientId::parse(device.client_id.clone()).expect("valid");
    app.service().device_tokens_revoke(&app.state().system_cx(), &client_id).await.expect("revoked");
    assert_eq!(device.http().get("/changes").await.refusal(), "401 token_invalid");
    let refresh = app.anonymous().post("/clients/token", &json!({"refresh_token": device.refresh_token})).await;
    assert_eq!(refresh.refusal(), "401 token_invalid");
    let enrolment = app.enrolment("e2").await;
    assert_eq!(enrolment.post("/clients", &json!({"client_id": device.client_id})).await.refusal(), "403 client_blocked");
}

#[tokio::test]
async fn a_revoked_enrolment_token_enrols_nobody() {
    let app = TestApp::new().await;
    let enrolment = app.enrolment("e1").await;
    enrolment.post("/clients", &json!({})).await.ok(201);
    app.service().token_revoke(&app.state().system_cx(), "e1").await.expect("revoked");
    assert_eq!(enrolment.post("/clients", &json!({})).await.refusal(), "401 token_invalid");
}

#[tokio::test]
async fn a_device_that_enrols_again_is_the_same_device() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let again =
        app.enrolment("e2").await.post("/clients", &json!({"client_id": device.client_id, "principal": "d1"})).await.ok(200);
    assert_eq!(again["client_id"], device.client_id.as_str());
    assert_eq!(device.http().get("/changes").await.refusal(), "401 token_invalid");
}
