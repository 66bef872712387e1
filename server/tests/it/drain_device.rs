//! Jobs whose entries only devices have: the device is told, sends the payload up and says what became of it; and how a canary stops
//! a job.

use serde_json::{Value, json};
use tidewatch_domain::role::Role;
use tidewatch_domain::time::{MINUTE_MS, Millis};
use tidewatch_testkit::{TestApp, Visitor};

use crate::control::{Tablet, jammed};
use crate::drain::{JOBS, PREVIEWS, order, refused, roll, submission, tally};

/// Freezes what the list shows and submits it; answers the path of the job.
async fn submitted(staff: &Visitor, action: &str, filter: &str, canary: u32) -> String {
    let set = staff.post(PREVIEWS, &order(action, &json!({ "filter": filter }))).await.ok(201);
    let mut body = submission(&set);
    body["canary"] = canary.into();
    let job = staff.post(JOBS, &body).await.ok(202);
    format!("{JOBS}/{}", job["job"].as_str().expect("an id"))
}

/// A tablet with four entries that nobody else has, and what it says of them.
async fn reported(app: &TestApp) -> (Tablet, Vec<String>) {
    let (mut tablet, all) = jammed(app).await;
    tablet.report().await;
    roll(app).await;
    (tablet, all)
}

async fn work(app: &TestApp, now: Millis) {
    for _ in 0..20 {
        app.service().drain_work(now).await.expect("the jobs go on");
    }
}

#[tokio::test]
async fn entries_that_only_a_device_has_are_sent_up_and_settled_when_it_says_so() {
    let app = TestApp::new().await;
    let (mut tablet, all) = reported(&app).await;
    let staff = app.api("support", Role::Support).await;
    let job = submitted(&staff, "quarantine", "device:tablet", 0).await;
    roll(&app).await;
    let view = staff.get(&job).await.ok(200);
    assert_eq!(view["state"], "running", "it waits for the device: {view}");
    assert_eq!(tally(&view)[0], 0, "nothing is done before the device has said so: {view}");
    tablet.now = tablet.now.plus(MINUTE_MS);
    tablet.round(true).await;
    assert_eq!(tablet.waiting(), [] as [&str; 0], "it let go of what is kept here");
    roll(&app).await;
    let view = staff.get(&job).await.ok(200);
    assert_eq!((view["state"].as_str(), tally(&view)), (Some("done"), [4, 0, 0, 0, 0, 0]), "{view}");
    for id in &all {
        let entry = staff.get(&format!("/api/v1/outbox/entries/{}/{id}", tablet.id())).await.ok(200);
        assert_eq!(entry["entry"]["state"], "quarantined", "{entry}");
    }
    // What is kept here can be put back, and a retry then applies it under its own id.
    let back = submitted(&staff, "restore", "state:quarantined", 0).await;
    roll(&app).await;
    let view = staff.get(&back).await.ok(200);
    assert_eq!((view["state"].as_str(), tally(&view)), (Some("done"), [4, 0, 0, 0, 0, 0]), "{view}");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_canary_without_an_outcome_pauses_its_job_after_a_quarter_of_an_hour_and_a_late_one_still_counts() {
    let app = TestApp::new().await;
    let (mut tablet, _) = reported(&app).await;
    let staff = app.api("support", Role::Support).await;
    let job = submitted(&staff, "quarantine", "device:tablet", 1).await;
    let now = app.state().now();
    work(&app, now).await;
    assert_eq!(staff.get(&job).await.ok(200)["state"], "canary");
    work(&app, now.plus(14 * MINUTE_MS)).await;
    assert_eq!(staff.get(&job).await.ok(200)["state"], "canary", "not yet");
    work(&app, now.plus(16 * MINUTE_MS)).await;
    let view = staff.get(&job).await.ok(200);
    assert_eq!(view["state"], "paused", "{view}");
    let why: Vec<&Value> = view["events"].as_array().expect("events").iter().map(|event| &event["detail"]).collect();
    assert!(why.iter().any(|detail| detail.as_str().is_some_and(|text| text.contains("15 minutes"))), "{view}");
    let begun: u64 = tally(&view)[..5].iter().sum();
    assert_eq!((begun, tally(&view)[5]), (1, 3), "the others were never begun: {view}");
    tablet.now = tablet.now.plus(MINUTE_MS);
    tablet.round(true).await;
    staff.post(&format!("{job}/resume"), &json!({"remark": "it was only asleep"})).await.ok(200);
    for _ in 0..4 {
        roll(&app).await;
        tablet.now = tablet.now.plus(MINUTE_MS);
        tablet.round(true).await;
    }
    roll(&app).await;
    let view = staff.get(&job).await.ok(200);
    assert_eq!((view["state"].as_str(), tally(&view).iter().sum::<u64>()), (Some("done"), 4), "{view}");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_canary_that_fails_stops_its_job_before_the_others_are_begun() {
    let app = TestApp::new().await;
    for name in ["phone-1", "phone-2", "phone-3"] {
        refused(&app, name, "later").await;
    }
    let staff = app.api("ci", Role::Operator).await;
    let job = submitted(&staff, "retry", "state:poisoned", 2).await;
    roll(&app).await;
    let view = staff.get(&job).await.ok(200);
    assert_eq!((view["state"].as_str(), tally(&view)), (Some("paused"), [0, 0, 2, 0, 0, 4]), "{view}");
    assert_eq!(view["events"][0]["detail"], "2 of the first 2 failed", "{view}");
    let items = staff.get(&format!("{job}/items?outcome=failed")).await.ok(200);
    let devices: Vec<&Value> = items["rows"].as_array().expect("rows").iter().map(|row| &row["client_id"]).collect();
    assert_ne!(devices[0], devices[1], "of different devices");
    let definition = json!([{"name": "later", "policy": {"kind": "lww"}}]).to_string();
    app.service().collections_import(&app.state().system_cx(), &definition).await.expect("valid");
    staff.post(&format!("{job}/resume"), &json!({"remark": "the collection is there now"})).await.ok(200);
    roll(&app).await;
    let view = staff.get(&job).await.ok(200);
    assert_eq!((view["state"].as_str(), tally(&view)), (Some("done"), [4, 0, 2, 0, 0, 0]), "{view}");
    let again = staff.post(&format!("{job}/retry-failed"), &json!({})).await.ok(201);
    assert_eq!(again["entries"], 2, "{again}");
    staff.post(JOBS, &submission(&again)).await.ok(202);
    roll(&app).await;
    let left = staff.get("/api/v1/outbox/entries").await.ok(200);
    assert_eq!(left["rows"], json!([]), "nothing is stuck any more");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_canary_that_was_left_alone_shows_nothing_so_others_go_ahead() {
    let app = TestApp::new().await;
    for name in ["phone-1", "phone-2", "phone-3"] {
        refused(&app, name, "later").await;
    }
    let staff = app.api("ci", Role::Operator).await;
    let set = staff.post(PREVIEWS, &order("retry", &json!({ "filter": "state:poisoned" }))).await.ok(201);
    // By the time it is submitted, the first of each device was taken out.
    submitted(&staff, "quarantine", "record:r-1", 0).await;
    roll(&app).await;
    let mut body = submission(&set);
    body["canary"] = 2.into();
    let job = staff.post(JOBS, &body).await.ok(202);
    roll(&app).await;
    let view = staff.get(&format!("{JOBS}/{}", job["job"].as_str().expect("an id"))).await.ok(200);
    assert_eq!((view["state"].as_str(), tally(&view)), (Some("paused"), [0, 3, 2, 0, 0, 1]), "{view}");
    assert_eq!(view["events"][0]["detail"], "2 of the first 2 failed; 3 before them were left alone", "{view}");
    assert_eq!(app.verify().await, Vec::<String>::new());
}
