//! What a selection is: all of what matches, or nothing.

use serde_json::{Value, json};
use tidewatch_domain::role::Role;
use tidewatch_testkit::{TestApp, intent};

use crate::drain::{PREVIEWS, order, roll};

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
