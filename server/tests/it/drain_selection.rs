//! What a selection is: all of what matches, or nothing; and what failed in a drain, by reason.

use serde_json::{Value, json};
use tidewatch_domain::role::Role;
use tidewatch_testkit::{TestApp, intent};

use crate::drain::{JOBS, PREVIEWS, drained, order, roll};

/// Matches that a search in payloads takes, and one more.
const MATCHES: usize = 10_001;

#[tokio::test]
async fn a_search_in_payloads_that_has_not_seen_all_of_them_freezes_nothing() {
    let app = TestApp::new().await;
    let device = app.device("phone").await;
    let refused = |n: usize| {
        let mut intent = intent(&format!("op-{n}"), &format!("r-{n}"), "create", json!({"site": "north"}));
        intent["collection"] = "nothing".into();
        intent
    };
    let all: Vec<Value> = (0..MATCHES).map(refused).collect();
    let (last, whole) = all.split_last().expect("some");
    for some in whole.chunks(1_000) {
        device.push(some).await.ok(200);
    }
    roll(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let body = order("quarantine", &json!({"filter": "payload.site:north"}));
    let set = staff.post(PREVIEWS, &body).await.ok(201);
    assert_eq!(set["entries"], 10_000, "all of them: {}", set["set"]);
    device.push(std::slice::from_ref(last)).await.ok(200);
    roll(&app).await;
    let refused = staff.post(PREVIEWS, &body).await;
    assert_eq!(refused.refusal(), "400 query_invalid selection");
    assert!(refused.text().contains("10001 of them and takes 10,000 matches"), "{}", refused.text());
    let mut browser = app.operator().await;
    let led = browser
        .form(
            "/console/drain/freeze",
            &[
                ("action", "quarantine"),
                ("all", "1"),
                ("filter", "payload.site:north"),
                ("back", "/outbox/entries?filter=payload.site:north"),
            ],
        )
        .await;
    let page = browser.page(led.header("location")).await.text();
    assert!(page.contains("tick the entries") && !page.contains("name=\"all\""), "{page}");
}

#[tokio::test]
async fn what_failed_for_one_code_is_one_reason_in_however_many_words() {
    let app = TestApp::new().await;
    let definition =
        json!([{"name": "readings", "policy": {"kind": "lww", "fields": {"kpa": "number", "temp": "number"}}}]).to_string();
    app.service().collections_import(&app.state().system_cx(), &definition).await.expect("valid");
    let device = app.device("gauge").await;
    let wrong = |id: &str, field: &str| {
        let mut wrong = intent(id, id, "create", json!({ field: "412" }));
        wrong["collection"] = "readings".into();
        wrong
    };
    let sent = [wrong("op-1", "kpa"), wrong("op-2", "temp"), wrong("op-3", "kpa")];
    assert_eq!(device.push_statuses(&sent).await, ["rejected"; 3]);
    roll(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let job = drained(&app, &staff, &order("retry", &json!({"filter": "state:poisoned"}))).await;
    let reasons = job["reasons"].as_array().expect("reasons");
    assert_eq!((reasons.len(), &job["reasons_all"]), (1, &json!(1)), "{job}");
    let told = ["code", "entries", "wordings", "again"].map(|name| &reasons[0][name]);
    assert_eq!(told, [&json!("schema_invalid"), &json!(3), &json!(2), &json!(3)], "{job}");
    let path = format!("{JOBS}/{}/retry-failed", job["id"].as_str().expect("an id"));
    assert_eq!(staff.post(&path, &json!({"code": "schema_invalid"})).await.ok(201)["entries"], reasons[0]["again"]);
}

#[tokio::test]
async fn what_a_role_may_not_drain_in_one_go_it_cannot_freeze_either() {
    let app = TestApp::new().await;
    let device = app.device("phone").await;
    let refused = |n: usize| {
        let mut intent = intent(&format!("op-{n}"), &format!("r-{n}"), "create", json!({}));
        intent["collection"] = "nothing".into();
        intent
    };
    let all: Vec<Value> = (0..51).map(refused).collect();
    device.push(&all).await.ok(200);
    roll(&app).await;
    let (support, operator) = (app.api("helpdesk", Role::Support).await, app.api("ci", Role::Operator).await);
    let body = order("quarantine", &json!({"filter": "state:poisoned"}));
    let refused = support.post(PREVIEWS, &body).await;
    assert_eq!(refused.refusal(), "403 forbidden");
    assert!(refused.text().contains("means 51 entries or more, and the acting role may drain 50"), "{}", refused.text());
    assert_eq!(operator.post(PREVIEWS, &body).await.ok(201)["entries"], 51);
    let entries: Vec<Value> =
        (0..50).map(|n| json!({"client_id": device.client_id, "operation_id": format!("op-{n}")})).collect();
    let few = order("quarantine", &json!({ "entries": entries }));
    assert_eq!(support.post(PREVIEWS, &few).await.ok(201)["entries"], 50);
    let mut browser = app.staff("sue", Role::Support).await;
    let pairs = [("action", "quarantine"), ("all", "1"), ("filter", "state:poisoned"), ("back", "/outbox/entries")];
    let led = browser.form("/console/drain/freeze", &pairs).await;
    let page = browser.page(led.header("location")).await.text();
    assert!(page.contains("That is more than your role may drain in one go"), "{page}");
    assert!(page.contains("more than the 50 that your role may drain"), "{page}");
}
