//! Jobs that are long over, over HTTP: their items go to a file when nothing is left to do with them, and the job answers as before.

use serde_json::{Value, json};
use tidewatch_domain::control::COMMAND_TTL_MS;
use tidewatch_domain::role::Role;
use tidewatch_domain::time::{DAY_MS, HOUR_MS};
use tidewatch_service::drain::Pace;
use tidewatch_testkit::{Device, Reply, TestApp, Visitor};

use crate::drain::{JOBS, PREVIEWS, drained, order, refused, roll, tally};

/// Lets the clock, a quarter of a year and two days later, move items to files until it has nothing to do.
async fn roll_items(app: &TestApp) {
    let mut cx = app.state().system_cx();
    cx.now = cx.now.plus(92 * DAY_MS);
    for _ in 0..100 {
        if app.service().roll_work(&cx).await.expect("a step") == Pace::Idle {
            return;
        }
    }
    panic!("it has something to do for ever");
}

/// The device has nothing left to hear of, and no command is open.
async fn heard(app: &TestApp, device: &Device) {
    let outbox = json!({"total": 0, "bytes": 0, "truncated": false, "entries": []});
    let report = json!({"report_id": "r-1", "at": app.state().now().to_string(), "outbox": outbox});
    let reports = json!({"client_id": device.client_id, "reports": [report]});
    device.http().post("/telemetry", &reports).await.ok(202);
    app.service().untold_follow().await.expect("compared");
    app.state().clock().advance(COMMAND_TTL_MS + HOUR_MS);
    app.service().commands_expire(app.state().now()).await.expect("ended");
    roll(app).await;
}

async fn seen(staff: &Visitor, job: &Value) -> String {
    let id = job["id"].as_str().expect("an id").to_owned();
    staff.post(&format!("{JOBS}/{id}/acknowledge"), &json!({})).await.ok(200);
    id
}

async fn job(staff: &Visitor, id: &str) -> Value {
    staff.get(&format!("{JOBS}/{id}")).await.ok(200)
}

/// What is refused because the items are in a file, which the words name.
fn refused_with(reply: &Reply, file: &str) {
    assert_eq!(reply.refusal(), "409 state_conflict");
    let words = reply.problem().detail.expect("words");
    assert!(words.contains(file) && words.contains("retention of jobs is over"), "{words}");
}

#[tokio::test]
async fn a_job_that_is_long_over_keeps_every_figure_and_says_in_which_file_its_entries_are() {
    let app = TestApp::new().await;
    let staff = app.api("ci", Role::Operator).await;
    let device = refused(&app, "phone", "nothing").await;
    let everything = json!({"filter": "state:poisoned"});
    let retried = drained(&app, &staff, &order("retry", &everything)).await;
    assert_eq!(tally(&retried), [0, 0, 2, 0, 0, 0]);
    let retried = seen(&staff, &retried).await;
    roll_items(&app).await;
    assert_eq!(job(&staff, &retried).await["rolled"], Value::Null, "what failed can still be tried again");
    let given_up = drained(&app, &staff, &order("quarantine", &everything)).await;
    assert_eq!(tally(&given_up), [2, 0, 0, 0, 0, 0]);
    let before = job(&staff, &retried).await;
    roll_items(&app).await;
    let mut after = job(&staff, &retried).await;
    let rolled = after.as_object_mut().expect("an object").remove("rolled").expect("it has rolled");
    assert_eq!(after, before, "every figure is as it was");
    let file = rolled["file"].as_str().expect("a name");
    assert!(file.starts_with(&format!("rolled/{retried}-")) && file.ends_with(".ndjson.zst"), "{rolled}");
    assert_eq!((rolled["entries"].as_u64(), rolled["sha256"].as_str().map(str::len)), (Some(2), Some(64)));
    let set = after["set"].as_str().expect("a set").to_owned();
    staff.get(&format!("{PREVIEWS}/{set}")).await.ok(200);
    refused_with(&staff.get(&format!("{JOBS}/{retried}/items")).await, file);
    refused_with(&staff.get(&format!("{PREVIEWS}/{set}/items")).await, file);
    refused_with(&staff.post(&format!("{JOBS}/{retried}/retry-failed"), &json!({})).await, file);
    refused_with(&staff.get(&format!("/export/drain-items.ndjson?job={retried}")).await, file);
    let viewer = app.viewer().await;
    let page = viewer.page(&format!("/outbox/jobs/{retried}")).await.text();
    assert!(page.contains(file) && page.contains("collection_unknown") && page.contains("2 failed"), "{page}");
    let page = viewer.page(&format!("/outbox/jobs/{retried}/items")).await.text();
    assert!(page.contains("The entries are in a file") && page.contains(file) && !page.contains("/export/drain-items"), "{page}");
    let audit = staff.get("/api/v1/audit?q=action:drain_roll").await.ok(200);
    assert_eq!((&audit["total"]["count"], &audit["rows"][0]["subject"]), (&json!(1), &json!(format!("job:{retried}"))));
    assert_eq!((&audit["rows"][0]["after"]["sha256"], &audit["rows"][0]["actor"]), (&rolled["sha256"], &json!("system")));
    // The other job is untouched: its device has not heard of it, and it can be taken back.
    let other = given_up["id"].as_str().expect("an id");
    staff.get(&format!("{JOBS}/{other}/items")).await.ok(200);
    heard(&app, &device).await;
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_job_is_not_taken_back_once_it_has_rolled_and_not_rolled_while_it_can_be() {
    let app = TestApp::new().await;
    let staff = app.api("ci", Role::Operator).await;
    let device = refused(&app, "phone", "nothing").await;
    let job_of = drained(&app, &staff, &order("quarantine", &json!({"filter": "state:poisoned"}))).await;
    let id = job_of["id"].as_str().expect("an id").to_owned();
    heard(&app, &device).await;
    roll_items(&app).await;
    assert_eq!(job(&staff, &id).await["rolled"], Value::Null, "nobody has seen its end: as long again");
    seen(&staff, &job_of).await;
    roll_items(&app).await;
    let after = job(&staff, &id).await;
    let file = after["rolled"]["file"].as_str().expect("a name");
    assert_eq!((after["undoable"].as_u64(), tally(&after)), (Some(0), [2, 0, 0, 0, 0, 0]));
    refused_with(&staff.post(&format!("{JOBS}/{id}/undo"), &json!({})).await, file);
    let list = staff.get(JOBS).await.ok(200);
    assert_eq!(list["rows"][0]["rolled"], after["rolled"]);
    let restored = drained(&app, &staff, &order("restore", &json!({"filter": "state:quarantined"}))).await;
    assert_eq!(tally(&restored), [2, 0, 0, 0, 0, 0], "its entries are put back one by one");
    assert_eq!(staff.get("/api/v1/outbox/purges").await.ok(200)["items_days"], json!(90));
    assert_eq!(app.verify().await, Vec::<String>::new());
}
