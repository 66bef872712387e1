//! What used to keep a device's queue jammed over the control channel: an intent that is too large, one that was applied already, and a
//! command that stood for another.

use serde_json::{Value, json};
use tidewatch_domain::role::Role;
use tidewatch_domain::sync::MutationOp;
use tidewatch_domain::time::MINUTE_MS;
use tidewatch_testkit::TestApp;

use crate::control::{Tablet, give, jammed};
use crate::drain::{JOBS, PREVIEWS, order, roll, submission, tally};

/// Freezes and submits without a canary; answers the path of the job.
async fn submitted(app: &TestApp, action: &str) -> String {
    let staff = app.api("support", Role::Support).await;
    let set = staff.post(PREVIEWS, &order(action, &json!({"filter": "device:tablet"}))).await.ok(201);
    let mut body = submission(&set);
    body["canary"] = 0.into();
    let job = staff.post(JOBS, &body).await.ok(202);
    roll(app).await;
    format!("{JOBS}/{}", job["job"].as_str().expect("an id"))
}

async fn looks(app: &TestApp, tablet: &mut Tablet) {
    tablet.now = tablet.now.plus(MINUTE_MS);
    tablet.round(true).await;
    roll(app).await;
}

#[tokio::test]
async fn an_intent_that_is_too_large_for_a_record_is_taken_out_of_the_queue_of_its_device() {
    let app = TestApp::new().await;
    let mut tablet = Tablet::new(&app).await;
    tablet.round(false).await;
    // One is refused, and so it is here; the other one never gets out.
    let large = |size: usize| json!({"title": "x".repeat(size)});
    let refused = tablet.edit("n-1", MutationOp::Create, large(300 << 10));
    let behind = tablet.edit("n-1", MutationOp::Update, json!({"title": "small"}));
    tablet.round(false).await;
    let unsent = tablet.edit("n-2", MutationOp::Create, large(3 << 20));
    tablet.jam = Some(unsent.clone());
    tablet.report().await;
    roll(&app).await;
    assert_eq!(tablet.waiting(), [refused.as_str(), behind.as_str(), unsent.as_str()]);
    let staff = app.api("look", Role::Support).await;
    let job = submitted(&app, "quarantine").await;
    looks(&app, &mut tablet).await;
    assert_eq!(tablet.waiting(), [] as [&str; 0]);
    let view = staff.get(&job).await.ok(200);
    assert_eq!((view["state"].as_str(), tally(&view)), (Some("done"), [3, 0, 0, 0, 0, 0]), "{view}");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_entry_whose_answer_was_lost_is_left_alone_and_the_rest_of_its_command_counts() {
    let app = TestApp::new().await;
    let (mut tablet, all) = jammed(&app).await;
    tablet.report().await;
    roll(&app).await;
    let staff = app.api("look", Role::Support).await;
    let job = submitted(&app, "quarantine").await;
    let state = tablet.client.state();
    let intent: Value = serde_json::from_str(&state.outbox.get(&all[3]).expect("there").intent.text).expect("JSON");
    let device = app.anonymous().with_bearer(&state.account.as_ref().expect("enrolled").access_token);
    let unheard = device.post("/mutations", &json!({"client_id": tablet.id().as_str(), "mutations": [intent]})).await.ok(200);
    assert_eq!(unheard["results"][0]["status"], "applied", "{unheard}");
    looks(&app, &mut tablet).await;
    looks(&app, &mut tablet).await;
    assert_eq!(tablet.waiting(), [] as [&str; 0], "it has heard the answer");
    let view = staff.get(&job).await.ok(200);
    assert_eq!((view["state"].as_str(), tally(&view)), (Some("done"), [3, 1, 0, 0, 0, 0]), "{view}");
    let items = staff.get(&format!("{job}/items?outcome=skipped")).await.ok(200);
    assert_eq!(
        (&items["rows"][0]["operation_id"], &items["rows"][0]["code"]),
        (&json!(all[3]), &json!("already_applied")),
        "{items}"
    );
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_command_that_names_operations_stands_for_no_other_list() {
    let app = TestApp::new().await;
    let (staff, device) = (app.api("support", Role::Support).await, app.device("d1").await);
    let named = async |id: &str| give(&staff, &device.client_id, "upload_wal", json!({"operation_ids": [id]})).await;
    let (one, other, again) = (named("op-1").await, named("op-2").await, named("op-1").await);
    let state = async |id: &str| staff.get(&format!("/api/v1/commands/{id}")).await.ok(200)["state"].clone();
    assert_eq!(
        (state(&one).await, state(&other).await, state(&again).await),
        (json!("superseded"), json!("queued"), json!("queued"))
    );
}

#[tokio::test]
async fn a_patch_that_devices_would_refuse_is_refused_when_it_is_frozen() {
    let app = TestApp::new().await;
    let staff = app.api("support", Role::Support).await;
    let mut body = order("patch", &json!({"filter": "state:poisoned"}));
    body["patch"] = json!([{"op": "add", "path": "/title", "value": "x".repeat(64 << 10)}]);
    assert_eq!(staff.post(PREVIEWS, &body).await.refusal(), "400 query_invalid patch");
}
