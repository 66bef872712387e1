//! What was decided here and its device has not heard of: the queue of the device moves again, however late the device asks and whatever
//! became of its first command.

use serde_json::{Value, json};
use tidewatch_client::Draft;
use tidewatch_domain::control::COMMAND_TTL_MS;
use tidewatch_domain::ids::{ClientId, CollectionName, RecordId, Scope};
use tidewatch_domain::role::Role;
use tidewatch_domain::sync::MutationOp;
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS, Millis};
use tidewatch_testkit::{Device, TestApp, Visitor};

use crate::control::Tablet;
use crate::drain::{JOBS, PREVIEWS, drained, order, refused, roll, tally};

/// Configures the collection whose absence the refusals are about.
async fn configured(app: &TestApp) {
    let definition = json!([{"name": "later", "policy": {"kind": "lww"}}]).to_string();
    app.service().collections_import(&app.state().system_cx(), &definition).await.expect("valid");
}

/// A tablet with an intent that was refused, and one that names it and waits.
async fn jammed(app: &TestApp) -> (Tablet, String, String) {
    let mut tablet = Tablet::new(app).await;
    tablet.round(false).await;
    let draft = Draft {
        collection: CollectionName::parse("later").expect("valid"),
        record_id: RecordId::parse("r-1").expect("valid"),
        scope: Scope::parse("building:42").expect("valid"),
        op: MutationOp::Create,
        fields: serde_json::Map::new(),
        priority: 3,
        deadline: None,
        depends_on: Vec::new(),
    };
    let head = tablet.client.enqueue(draft, tablet.now, &mut tablet.rng).expect("queued");
    tablet.round(false).await;
    let behind = tablet.edit_after("n-2", MutationOp::Create, json!({"title": "waits"}), &[&head]);
    tablet.round(false).await;
    tablet.report().await;
    roll(app).await;
    assert_eq!(tablet.waiting(), [head.clone(), behind.clone()], "the head is poisoned, and the other waits for it");
    (tablet, head, behind)
}

/// Moves the clocks of the server and of the tablet, and ends the commands whose time is over.
async fn away(app: &TestApp, tablet: &mut Tablet, ms: i64) {
    app.state().clock().advance(ms);
    tablet.now = app.state().now();
    app.service().commands_expire(tablet.now).await.expect("ended");
    roll(app).await;
}

/// A retry of everything that is poisoned: the job.
async fn retried(app: &TestApp, staff: &Visitor) -> String {
    let order = json!({"action": "retry", "dependants": "cut", "selection": {"filter": "state:poisoned"}});
    let job = drained(app, staff, &order).await;
    assert_eq!(tally(&job)[0], 1, "{job}");
    job["id"].as_str().expect("an id").to_owned()
}

async fn untold(staff: &Visitor, job: &str) -> Value {
    staff.get(&format!("{JOBS}/{job}")).await.ok(200)["untold"].clone()
}

async fn reported(device: &Device, app: &TestApp, report: &str, outbox: Value) -> u64 {
    let report = json!({"report_id": report, "at": app.state().now().to_string(), "outbox": outbox});
    let reports = json!({"client_id": device.client_id, "reports": [report]});
    let answer = device.http().post("/telemetry", &reports).await.ok(202);
    app.service().untold_follow().await.expect("compared");
    answer["commands_waiting"].as_u64().expect("a count")
}

#[tokio::test]
async fn a_tablet_that_was_away_for_longer_than_its_command_waits_is_freed_when_it_comes_back() {
    let app = TestApp::new().await;
    let (mut tablet, head, behind) = jammed(&app).await;
    configured(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let job = retried(&app, &staff).await;
    assert_eq!(untold(&staff, &job).await, json!(1));
    let page = app.viewer().await.page(&format!("/outbox/jobs/{job}")).await.text();
    assert!(page.contains("Device not told yet: 1"), "the page of the job says so");
    away(&app, &mut tablet, COMMAND_TTL_MS + HOUR_MS).await;
    let path = format!("/api/v1/outbox/entries/{}/{head}", tablet.id());
    let entry = staff.get(&path).await.ok(200);
    assert_eq!((&entry["untold"]["action"], &entry["untold"]["times"]), (&json!("retry"), &json!(0)), "{entry}");
    assert_eq!(tablet.waiting(), [head.clone(), behind.clone()], "nobody has told it");
    tablet.round(true).await;
    tablet.round(false).await;
    assert_eq!(tablet.waiting(), [] as [&str; 0], "the head has its answer, and what was behind it flows");
    let log = staff.get(&format!("/api/v1/changes?q=operation:{behind}")).await.ok(200);
    assert_eq!(log["rows"].as_array().map(Vec::len), Some(1), "{log}");
    assert_eq!(untold(&staff, &job).await, Value::Null, "what is nothing is not there");
    assert_eq!(staff.get(&path).await.ok(200).get("untold"), None);
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_hint_names_what_is_to_be_said_again_and_a_complete_list_without_the_entry_ends_it() {
    let app = TestApp::new().await;
    let device = refused(&app, "phone", "later").await;
    configured(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let entries = json!([{"client_id": device.client_id, "operation_id": "phone-op-bad-1"}]);
    let job = drained(&app, &staff, &order("retry", &json!({"entries": entries}))).await;
    let job = job["id"].as_str().expect("an id");
    let listed = |truncated: bool, operations: &[&str]| {
        let entry = |id: &&str| json!({"operation_id": id, "collection": "later", "record_id": "r-1", "op": "create", "state": "poisoned"});
        json!({"total": operations.len(), "truncated": truncated, "entries": operations.iter().map(entry).collect::<Vec<_>>()})
    };
    let command = staff.get(&format!("/api/v1/devices/{}/commands", device.client_id)).await.ok(200)["rows"][0]["id"].clone();
    let cancel = format!("/api/v1/commands/{}/cancel", command.as_str().expect("an id"));
    staff.post(&cancel, &json!({"reason": "it was a mistake"})).await.ok(200);
    assert_eq!(reported(&device, &app, "r-0", listed(true, &[])).await, 0, "not at once");
    let client_id = ClientId::parse(device.client_id.clone()).expect("an id");
    let waiting = |at: Millis| app.service().commands_waiting(&client_id, at);
    assert_eq!(waiting(app.state().now().plus(HOUR_MS)), 1, "no command is open, and there is one to fetch");
    reported(&device, &app, "r-1", listed(true, &[])).await;
    assert_eq!(untold(&staff, job).await, json!(1), "what a cut list leaves out is not gone");
    reported(&device, &app, "r-2", listed(false, &["phone-op-bad-1"])).await;
    assert_eq!(untold(&staff, job).await, json!(1), "it is there");
    reported(&device, &app, "r-3", listed(false, &["phone-op-bad-2"])).await;
    assert_eq!(untold(&staff, job).await, Value::Null);
    assert_eq!(waiting(app.state().now().plus(HOUR_MS)), 0, "there is nothing to fetch");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_device_that_is_revoked_is_told_nothing_any_more() {
    let app = TestApp::new().await;
    let (mut tablet, ..) = jammed(&app).await;
    configured(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let job = retried(&app, &staff).await;
    app.service().device_tokens_revoke(&app.state().system_cx(), &tablet.id()).await.expect("revoked");
    assert_eq!(untold(&staff, &job).await, Value::Null);
    away(&app, &mut tablet, COMMAND_TTL_MS).await;
    assert_eq!(untold(&staff, &job).await, Value::Null);
    assert_eq!(app.verify().await, Vec::<String>::new());
}

/// An intent that is put back is poisoned where it was: on its device as well, which has not fetched that it should let go of it.
#[tokio::test]
async fn a_quarantined_entry_that_is_restored_before_its_device_has_heard_of_it_is_where_it_was_on_both_sides() {
    let app = TestApp::new().await;
    let (mut tablet, head, behind) = jammed(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let entries = json!({"entries": [{"client_id": tablet.id().as_str(), "operation_id": head}]});
    let of = |action: &str| json!({"action": action, "dependants": "cut", "selection": entries});
    assert_eq!(tally(&drained(&app, &staff, &of("quarantine")).await)[0], 1);
    assert_eq!(tally(&drained(&app, &staff, &of("restore")).await)[0], 1);
    tablet.round(true).await;
    assert_eq!(tablet.waiting(), [head.clone(), behind.clone()], "nobody has asked it to let go");
    configured(&app).await;
    retried(&app, &staff).await;
    away(&app, &mut tablet, HOUR_MS).await;
    tablet.round(true).await;
    tablet.round(false).await;
    assert_eq!(tablet.waiting(), [] as [&str; 0]);
    let log = staff.get(&format!("/api/v1/changes?q=operation:{behind}")).await.ok(200);
    assert_eq!(log["rows"].as_array().map(Vec::len), Some(1), "{log}");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_entry_that_only_its_device_has_and_holds_is_let_go_by_an_undo_and_by_a_restore() {
    for step in ["undo", "restore"] {
        let app = TestApp::new().await;
        let (mut tablet, all) = crate::control::jammed(&app).await;
        tablet.report().await;
        roll(&app).await;
        let staff = app.api("ci", Role::Operator).await;
        let entries = json!({"entries": [{"client_id": tablet.id().as_str(), "operation_id": all[0]}]});
        let of = |action: &str| json!({"action": action, "dependants": "take_along", "selection": entries});
        let job = drained(&app, &staff, &of("hold")).await;
        away(&app, &mut tablet, MINUTE_MS).await;
        tablet.round(true).await;
        // The gateway lets everything through by now, and a person holds the entry.
        tablet.jam = None;
        away(&app, &mut tablet, MINUTE_MS).await;
        tablet.round(false).await;
        tablet.report().await;
        roll(&app).await;
        assert_eq!(tablet.waiting(), [all[0].clone()], "{step}: it is held");
        let job = job["id"].as_str().expect("an id");
        assert_eq!(staff.get(&format!("{JOBS}/{job}")).await.ok(200)["undoable"], json!(1), "{step}");
        if step == "undo" {
            staff.post(&format!("{JOBS}/{job}/undo"), &json!({"remark": "it may go"})).await.ok(200);
            roll(&app).await;
        } else {
            let set = staff.post(PREVIEWS, &of("restore")).await.ok(201);
            assert_eq!(set["skipped"], json!([]), "{set}");
            drained(&app, &staff, &of("restore")).await;
        }
        away(&app, &mut tablet, MINUTE_MS).await;
        tablet.round(true).await;
        tablet.round(false).await;
        assert_eq!(tablet.waiting(), [] as [&str; 0], "{step}: its device has let go of it and sent it");
        assert_eq!(app.verify().await, Vec::<String>::new(), "{step}");
    }
}

#[tokio::test]
async fn what_is_to_be_said_again_wakes_its_device_and_the_console_when_it_falls_due() {
    let app = TestApp::new().await;
    let device = refused(&app, "phone", "later").await;
    configured(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    drained(&app, &staff, &order("retry", &json!({"filter": "operation:phone-op-bad-1"}))).await;
    let mut watched = app.service().told_watch();
    let handed = device.http().get("/control/commands").await.ok(200);
    assert!(watched.has_changed().expect("the store is open"), "pages show that its device was handed it");
    let cancel = format!("/api/v1/commands/{}/cancel", handed["commands"][0]["id"].as_str().expect("an id"));
    staff.post(&cancel, &json!({"reason": "it was a mistake"})).await.ok(200);
    let mut listening = device.listen().await;
    assert_eq!(listening.next().await.expect("an event").name, "hello");
    let now = app.state().now();
    watched.mark_unchanged();
    app.service().untold_wake(now);
    assert!(!watched.has_changed().expect("the store is open"), "it is not due yet");
    app.service().untold_wake(now.plus(HOUR_MS + MINUTE_MS));
    assert!(watched.has_changed().expect("the store is open"), "pages show when it is said again");
    assert_eq!(listening.next().await.expect("an event").name, "command");
    watched.mark_unchanged();
    app.service().untold_wake(now.plus(HOUR_MS + MINUTE_MS));
    assert!(!watched.has_changed().expect("the store is open"), "once is enough");
}
