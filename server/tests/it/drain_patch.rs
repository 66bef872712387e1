//! Corrections with a test: what they are not meant for is left alone, which is no failure and stops nothing.

use serde_json::{Value, json};
use tidewatch_domain::role::Role;
use tidewatch_domain::sync::MutationOp;
use tidewatch_domain::time::MINUTE_MS;
use tidewatch_testkit::{Device, TestApp, Visitor, intent};

use crate::control::Tablet;
use crate::drain::{JOBS, PREVIEWS, order, roll, submission, tally};

/// Readings that hold text where a number is wanted, one in three of them in another unit.
async fn refused(app: &TestApp, n: usize) -> Device {
    gauge(app, "gauge", &(0..n).map(|n| n.is_multiple_of(3)).collect::<Vec<bool>>()).await
}

/// A device with as many such readings; those that say so are in another unit.
async fn gauge(app: &TestApp, name: &str, other_unit: &[bool]) -> Device {
    let definition = json!([{"name": "readings", "policy": {"kind": "lww", "fields": {"kpa": "number"}}}]).to_string();
    app.service().collections_import(&app.state().system_cx(), &definition).await.expect("valid");
    let device = app.device(name).await;
    let wrong = |(n, other): (usize, &bool)| {
        let (unit, record) = (if *other { "psi" } else { "kpa" }, format!("{name}-{n:02}"));
        let mut wrong = intent(&format!("op-{n:02}"), &record, "create", json!({"kpa": "412", "unit": unit}));
        wrong["collection"] = "readings".into();
        wrong
    };
    let sent: Vec<Value> = other_unit.iter().enumerate().map(wrong).collect();
    device.push(&sent).await.ok(200);
    roll(app).await;
    device
}

fn correction() -> Value {
    json!([{"op": "test", "path": "/unit", "value": "kpa"}, {"op": "replace", "path": "/kpa", "value": 412}])
}

fn patch(selection: &Value) -> Value {
    let mut order = order("patch", selection);
    order["patch"] = correction();
    order
}

/// Submits a set with a canary and works it off.
async fn worked_off(app: &TestApp, staff: &Visitor, set: &Value, canary: u32) -> Value {
    let mut body = submission(set);
    body["canary"] = canary.into();
    let job = staff.post(JOBS, &body).await.ok(202);
    roll(app).await;
    staff.get(&format!("{JOBS}/{}", job["job"].as_str().expect("an id"))).await.ok(200)
}

#[tokio::test]
async fn what_a_test_of_a_correction_does_not_hold_for_is_left_alone_and_stops_neither_the_canary_nor_the_job() {
    let app = TestApp::new().await;
    let device = refused(&app, 30).await;
    let staff = app.api("ci", Role::Operator).await;
    let entry = |n: usize| format!("/api/v1/outbox/entries/{}/op-{n:02}/dry-run", device.client_id);
    let dry = staff.post(&entry(0), &json!({"patch": correction()})).await.ok(200);
    let told = [&dry["status"], &dry["code"], &dry["detail"]];
    assert_eq!(told, ["skipped", "test_not_met", "patch: the test of operation 0 does not hold"], "{dry}");
    assert_eq!(staff.post(&entry(1), &json!({"patch": correction()})).await.ok(200)["status"], "applied");
    let set = staff.post(PREVIEWS, &patch(&json!({"filter": "state:poisoned"}))).await.ok(201);
    let verdicts = json!([{"word": "applied", "entries": 20}, {"word": "skipped test_not_met", "entries": 10}]);
    assert_eq!(set["verdicts"], verdicts, "{set}");
    let page = app.operator().await.page(&format!("/outbox/drain/{}", set["set"].as_str().expect("an id"))).await.text();
    assert!(page.contains("Would be left alone") && page.contains("An entry for which its test does not hold"), "{page}");
    let job = worked_off(&app, &staff, &set, 3).await;
    assert_eq!((&job["state"], tally(&job)), (&json!("done"), [20, 10, 0, 0, 0, 0]), "{job}");
    let reason = ["outcome", "code", "entries"].map(|name| &job["reasons"][0][name]);
    assert_eq!(reason, [&json!("skipped"), &json!("test_not_met"), &json!(10)], "{job}");
    let left = staff.get("/api/v1/outbox/entries?q=state:poisoned").await.ok(200);
    assert_eq!(left["total"]["count"], 10, "they are as they were: {left}");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_canary_goes_on_past_what_was_left_alone_to_the_next_devices_until_enough_were_tried() {
    let app = TestApp::new().await;
    // More than the places that were picked for it, and nothing that the correction is meant for among them.
    gauge(&app, "gauge-1", &[true; 57]).await;
    for name in ["gauge-2", "gauge-3"] {
        gauge(&app, name, &[true, false, false, false]).await;
    }
    let staff = app.api("ci", Role::Operator).await;
    let mut body = patch(&json!({"filter": "state:poisoned"}));
    body["patch"][1]["value"] = "four hundred".into();
    let set = staff.post(PREVIEWS, &body).await.ok(201);
    let job = worked_off(&app, &staff, &set, 2).await;
    assert_eq!((&job["state"], tally(&job)), (&json!("paused"), [0, 59, 2, 0, 0, 4]), "{job}");
    let words = "2 of the first 2 failed; 59 before them were left alone";
    assert_eq!(job["events"][0]["detail"], words, "{job}");
    let items = staff.get(&format!("{JOBS}/J1/items?outcome=failed")).await.ok(200);
    assert_ne!(items["rows"][0]["client_id"], items["rows"][1]["client_id"], "of different devices: {items}");
    let page = app.operator().await.page("/outbox/jobs/J1").await.text();
    assert!(page.contains(words), "{page}");
    staff.post(&format!("{JOBS}/J1/cancel"), &json!({"remark": "a wrong value"})).await.ok(200);
    roll(&app).await;
    let of_code = async |query: &str| {
        let items = staff.get(&format!("{JOBS}/J1/items?{query}&limit=500")).await.ok(200);
        (items["rows"].as_array().map(Vec::len), items["total"]["count"].as_u64())
    };
    assert_eq!(of_code("outcome=skipped&code=test_not_met").await, (Some(59), Some(59)), "the entries of one reason");
    assert_eq!(of_code("outcome=skipped&code=job_cancelled").await, (Some(4), Some(4)));
    assert_eq!(of_code("outcome=failed&code=test_not_met").await, (Some(0), Some(0)));
    assert_eq!(staff.get(&format!("{JOBS}/J1/items?code=test_not_met")).await.refusal(), "400 query_invalid code");

    let set = staff.post(PREVIEWS, &patch(&json!({"filter": "state:poisoned"}))).await.ok(201);
    let job = worked_off(&app, &staff, &set, 3).await;
    assert_eq!((&job["state"], tally(&job)), (&json!("done"), [6, 59, 0, 0, 0, 0]), "{job}");
    let words = "the first 3 are through; 59 before them were left alone";
    assert_eq!(job["events"][1]["detail"], words, "more than one of a device when there are no others: {job}");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_drain_of_which_nothing_could_be_tried_is_done_and_says_so() {
    let app = TestApp::new().await;
    gauge(&app, "gauge-1", &[true; 57]).await;
    let staff = app.api("ci", Role::Operator).await;
    let set = staff.post(PREVIEWS, &patch(&json!({"filter": "state:poisoned"}))).await.ok(201);
    let job = worked_off(&app, &staff, &set, 2).await;
    assert_eq!((&job["state"], tally(&job)), (&json!("done"), [0, 57, 0, 0, 0, 0]), "{job}");
    assert_eq!(job["events"][1]["detail"], "all 57 were left alone, so nothing was tried", "{job}");
}

#[tokio::test]
async fn a_group_of_which_the_correction_is_not_meant_for_a_part_is_left_alone_as_a_whole() {
    let app = TestApp::new().await;
    let definition = json!([{"name": "stock", "policy": {"kind": "lww", "fields": {"qty": "number"}}}]).to_string();
    app.service().collections_import(&app.state().system_cx(), &definition).await.expect("valid");
    let device = app.device("scanner").await;
    let part = |operation: &str, qty: Value| {
        let mut part = intent(operation, operation, "create", json!({ "qty": qty }));
        (part["collection"], part["group"]) = ("stock".into(), "move".into());
        part
    };
    assert_eq!(device.push_statuses(&[part("op-1", json!(1)), part("op-2", json!("2"))]).await, ["rejected"; 2]);
    roll(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let mut body = order("patch", &json!({"entries": [{"client_id": device.client_id, "operation_id": "op-2"}]}));
    body["patch"] = json!([{"op": "test", "path": "/qty", "value": "3"}, {"op": "replace", "path": "/qty", "value": 3}]);
    let set = staff.post(PREVIEWS, &body).await.ok(201);
    let verdicts = json!([{"word": "skipped group_apart", "entries": 1}, {"word": "skipped test_not_met", "entries": 1}]);
    assert_eq!(set["verdicts"], verdicts, "{set}");
    let job = worked_off(&app, &staff, &set, 0).await;
    assert_eq!(tally(&job), [0, 2, 0, 0, 0, 0], "{job}");
    let (changes, _) = device.pull("0", "&limit=100").await;
    assert!(changes.iter().all(|change| change["record_id"].is_null()), "nothing of it was kept: {changes:?}");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_device_leaves_alone_what_a_test_does_not_hold_for_as_the_server_does() {
    let app = TestApp::new().await;
    let mut tablet = Tablet::new(&app).await;
    tablet.round(false).await;
    let jam = tablet.edit("n-1", MutationOp::Create, json!({"title": "jam", "unit": "psi"}));
    tablet.jam = Some(jam.clone());
    tablet.round(false).await;
    tablet.report().await;
    roll(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let entries = json!({"entries": [{"client_id": tablet.id().as_str(), "operation_id": jam}]});
    let mut body = patch(&entries);
    body["patch"] = json!([{"op": "test", "path": "/unit", "value": "kpa"}, {"op": "remove", "path": "/title"}]);
    let set = staff.post(PREVIEWS, &body).await.ok(201);
    worked_off(&app, &staff, &set, 0).await;
    tablet.now = tablet.now.plus(MINUTE_MS);
    tablet.round(true).await;
    roll(&app).await;
    let job = staff.get(&format!("{JOBS}/J1")).await.ok(200);
    assert_eq!(tally(&job), [0, 1, 0, 0, 0, 0], "{job}");
    assert_eq!(job["reasons"][0]["code"], "test_not_met", "{job}");
    assert_eq!(tablet.waiting(), [jam], "it keeps it");
    assert_eq!(app.verify().await, Vec::<String>::new());
}
