//! What a device sent as one group is tried again as one: all of it is accepted, or nothing, whoever of it was selected.

use bytes::Bytes;
use serde_json::{Value, json};
use tidewatch_domain::role::Role;
use tidewatch_testkit::{Device, TestApp, Visitor, intent};

use crate::drain::{JOBS, PREVIEWS, drained, roll, submission, tally};

/// Configures the collection of these tests: a quantity is a number, and of another type where the test wants it so.
async fn stock(app: &TestApp, kind: &str) {
    let definition = json!([{"name": "stock", "policy": {"kind": "lww", "fields": {"qty": kind}}}]).to_string();
    app.service().collections_import(&app.state().system_cx(), &definition).await.expect("valid");
}

fn part(operation: &str, qty: &Value) -> Value {
    let mut part = intent(operation, &format!("r-{operation}"), "create", json!({"qty": qty}));
    part["collection"] = "stock".into();
    part["group"] = "move".into();
    part
}

/// A device whose group of three was refused because of its second part, and an intent that it sent alone.
async fn refused(app: &TestApp) -> Device {
    stock(app, "number").await;
    let device = app.device("scanner").await;
    let mut alone = part("op-4", &json!("4"));
    alone.as_object_mut().expect("an object").remove("group");
    let sent = [part("op-1", &json!(1)), part("op-2", &json!("2")), part("op-3", &json!(3)), alone];
    assert_eq!(device.push_statuses(&sent).await, ["rejected"; 4]);
    roll(app).await;
    device
}

fn selected(device: &Device, operation: &str, action: &str) -> Value {
    let entries = json!([{"client_id": device.client_id, "operation_id": operation}]);
    let mut order = json!({"action": action, "dependants": "cut", "selection": {"entries": entries}});
    if action == "patch" {
        order["patch"] = json!([{"op": "replace", "path": "/qty", "value": 2}]);
    }
    order
}

async fn states(staff: &Visitor, device: &Device) -> Vec<String> {
    let mut states = Vec::new();
    for operation in ["op-1", "op-2", "op-3", "op-4"] {
        let entry = staff.get(&format!("/api/v1/outbox/entries/{}/{operation}", device.client_id)).await.ok(200);
        states.push(entry["entry"]["state"].as_str().expect("a state").to_owned());
    }
    states
}

/// Records that are in the log, in its order.
async fn written(device: &Device) -> Vec<String> {
    let (changes, _) = device.pull("0", "&limit=100").await;
    changes.iter().filter_map(|change| change["record_id"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_part_of_a_group_is_not_retried_alone() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let dry = staff.post(&format!("/api/v1/outbox/entries/{}/op-1/dry-run", device.client_id), &json!({})).await.ok(200);
    assert_eq!((&dry["status"], &dry["code"]), (&json!("rejected"), &json!("dependency_failed")), "{dry}");
    let set = staff.post(PREVIEWS, &selected(&device, "op-1", "retry")).await.ok(201);
    assert_eq!((&set["entries"], &set["together"], &set["apart"]), (&json!(3), &json!(2), &json!(0)), "{set}");
    let page = app.operator().await.page(&format!("/outbox/drain/{}", set["set"].as_str().expect("an id"))).await.text();
    assert!(page.contains("belong together"), "{page}");
    let job = drained(&app, &staff, &selected(&device, "op-1", "retry")).await;
    assert_eq!(tally(&job), [0, 0, 3, 0, 0, 0], "the second part is as wrong as it was: {job}");
    assert_eq!(written(&device).await, [""; 0], "nothing of it was kept");
    assert_eq!(states(&staff, &device).await, ["poisoned"; 4]);
    stock(&app, "string").await;
    let job = drained(&app, &staff, &selected(&device, "op-2", "retry")).await;
    assert_eq!(tally(&job), [0, 0, 3, 0, 0, 0], "now the others are wrong: {job}");
    assert_eq!(written(&device).await, [""; 0]);
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_group_is_accepted_whole_once_its_fault_is_corrected() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let job = drained(&app, &staff, &selected(&device, "op-2", "patch")).await;
    assert_eq!(tally(&job), [3, 0, 0, 0, 0, 0], "{job}");
    assert_eq!(written(&device).await, ["r-op-1", "r-op-2", "r-op-3"], "in the order in which they were sent");
    assert_eq!(states(&staff, &device).await, ["done", "done", "done", "poisoned"]);
    let sent = [part("op-1", &json!(1)), part("op-2", &json!("2")), part("op-3", &json!(3))];
    assert_eq!(device.push_statuses(&sent).await, ["applied"; 3], "the device gets the new answers");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_given_up_of_a_group_is_named_and_the_rest_goes_without_it() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let job = drained(&app, &staff, &selected(&device, "op-2", "discard")).await;
    assert_eq!(tally(&job), [1, 0, 0, 0, 0, 0], "giving up is for what was selected: {job}");
    let set = staff.post(PREVIEWS, &selected(&device, "op-3", "retry")).await.ok(201);
    assert_eq!((&set["entries"], &set["together"], &set["apart"]), (&json!(2), &json!(1), &json!(1)), "{set}");
    let job = drained(&app, &staff, &selected(&device, "op-3", "retry")).await;
    assert_eq!(tally(&job), [2, 0, 0, 0, 0, 0], "{job}");
    assert_eq!(written(&device).await, ["r-op-1", "r-op-3"]);
}

#[tokio::test]
async fn a_group_that_has_changed_since_it_was_frozen_is_left_alone_as_a_whole() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let set = staff.post(PREVIEWS, &selected(&device, "op-2", "patch")).await.ok(201);
    drained(&app, &staff, &selected(&device, "op-3", "quarantine")).await;
    let submitted = staff.post(JOBS, &submission(&set)).await.ok(202);
    roll(&app).await;
    let job = staff.get(&format!("{JOBS}/{}", submitted["job"].as_str().expect("an id"))).await.ok(200);
    assert_eq!(tally(&job), [0, 3, 0, 0, 0, 0], "{job}");
    let mut codes: Vec<&str> = job["reasons"].as_array().expect("reasons").iter().filter_map(|r| r["code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["group_apart", "state_changed"]);
    assert_eq!(written(&device).await, [""; 0]);
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_correction_that_failed_with_its_group_is_tried_again_for_what_it_was_meant_for() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let mut wrong = selected(&device, "op-2", "patch");
    wrong["patch"] = json!([{"op": "add", "path": "/note", "value": "seen"}]);
    let job = drained(&app, &staff, &wrong).await;
    assert_eq!(tally(&job), [0, 0, 3, 0, 0, 0], "{job}");
    let mut reasons: Vec<[&Value; 3]> = Vec::new();
    for reason in job["reasons"].as_array().expect("reasons") {
        reasons.push(["code", "entries", "again"].map(|name| &reason[name]));
    }
    let all = [[json!("dependency_failed"), json!(2), json!(3)], [json!("schema_invalid"), json!(1), json!(3)]];
    assert_eq!(reasons, all.each_ref().map(|reason| reason.each_ref()), "each is tried again with its group");
    let definition = json!([{"name": "stock", "policy": {"kind": "lww"}}]).to_string();
    app.service().collections_import(&app.state().system_cx(), &definition).await.expect("valid");
    for code in ["schema_invalid", "dependency_failed"] {
        let path = format!("{JOBS}/{}/retry-failed", job["id"].as_str().expect("an id"));
        let set = staff.post(&path, &json!({ "code": code })).await.ok(201);
        assert_eq!((&set["entries"], &set["together"]), (&json!(3), &json!(2)), "{code}: {set}");
        if code == "dependency_failed" {
            staff.post(JOBS, &submission(&set)).await.ok(202);
        }
    }
    roll(&app).await;
    let (changes, _) = device.pull("0", "&limit=100").await;
    let noted: Vec<&str> =
        changes.iter().filter(|c| c["fields"]["note"] == "seen").filter_map(|c| c["record_id"].as_str()).collect();
    assert_eq!((written(&device).await.len(), noted), (3, vec!["r-op-2"]), "{changes:?}");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_group_that_only_its_device_had_is_one_also_when_its_upload_was_kept_in_stretches() {
    let app = TestApp::new().await;
    stock(&app, "number").await;
    let device = app.device("scanner").await;
    let alone = |n: usize| {
        let mut alone = part(&format!("alone-{n:03}"), &json!(1));
        alone.as_object_mut().expect("an object").remove("group");
        alone
    };
    // The third part is beyond what is kept at once.
    let sent: Vec<Value> = (0..198).map(alone).chain(["op-1", "op-2", "op-3"].map(|id| part(id, &json!(1)))).collect();
    let body: String = sent.iter().map(|intent| format!("{}\n", json!({"intent": intent, "state": "queued"}))).collect();
    let put = async || {
        let headers = [("content-type", "application/x-ndjson")];
        let answer = device.http().post_with("/control/escrow", &headers, Bytes::from(body.clone())).await.ok(200);
        ["stored", "duplicates"].map(|name| answer[name].as_u64().expect("a count"))
    };
    assert_eq!((put().await, put().await), ([201, 0], [0, 201]), "each line is counted once");
    roll(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let set = staff.post(PREVIEWS, &selected(&device, "op-2", "retry")).await.ok(201);
    assert_eq!((&set["entries"], &set["together"]), (&json!(3), &json!(2)), "{set}");
    let job = drained(&app, &staff, &selected(&device, "op-2", "retry")).await;
    assert_eq!(tally(&job), [3, 0, 0, 0, 0, 0], "{job}");
    assert_eq!(written(&device).await, ["r-op-1", "r-op-2", "r-op-3"]);
    assert_eq!(app.verify().await, Vec::<String>::new());
}
