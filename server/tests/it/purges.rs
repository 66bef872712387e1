//! Retention over HTTP: what was given up says until when it is kept, is purged when that is over, and says so afterwards.

use serde_json::{Value, json};
use tidewatch_domain::role::Role;
use tidewatch_domain::time::DAY_MS;
use tidewatch_service::drain::Pace;
use tidewatch_testkit::{Device, TestApp, Visitor};

use crate::drain::{JOBS, PREVIEWS, drained, order, refused, roll};

const PURGES: &str = "/api/v1/outbox/purges";

/// Lets the clock purge until it has nothing to do.
async fn purge(app: &TestApp) {
    for _ in 0..100 {
        if app.service().purge_work(&app.state().system_cx()).await.expect("a step") == Pace::Idle {
            break;
        }
    }
    roll(app).await;
}

async fn entry(staff: &Visitor, device: &Device, operation: &str) -> Value {
    staff.get(&format!("/api/v1/outbox/entries/{}/{operation}", device.client_id)).await.ok(200)
}

/// Two discarded entries of a device, and the job that has discarded them.
async fn given_up(app: &TestApp, staff: &Visitor) -> (Device, String) {
    let device = refused(app, "phone", "nothing").await;
    let job = drained(app, staff, &order("discard", &json!({"filter": "state:poisoned"}))).await;
    (device, job["id"].as_str().expect("an id").to_owned())
}

#[tokio::test]
async fn what_was_discarded_is_kept_for_its_days_then_purged_by_the_clock_and_says_where_its_export_is() {
    let app = TestApp::new().await;
    let staff = app.api("ci", Role::Operator).await;
    let (device, job) = given_up(&app, &staff).await;
    let kept = entry(&staff, &device, "phone-op-bad-1").await;
    assert!(kept["entry"]["purge_at"].is_string() && kept["entry"]["purged_at"].is_null(), "{kept}");
    assert!(kept["payload"].is_object(), "{kept}");
    app.state().clock().advance(30 * DAY_MS - 60_000);
    purge(&app).await;
    let list = staff.get("/api/v1/outbox/entries?q=state:discarded").await.ok(200);
    assert!(list["rows"].as_array().expect("rows").iter().all(|row| row["purge_at"].is_string()), "{list}");
    app.state().clock().advance(60_000 + DAY_MS);
    purge(&app).await;
    let gone = entry(&staff, &device, "phone-op-bad-1").await;
    assert_eq!(
        (&gone["payload"], &gone["entry"]["purge_at"], &gone["entry"]["purged_by"]),
        (&Value::Null, &Value::Null, &json!("P1"))
    );
    assert_eq!((&gone["entry"]["state"], &gone["entry"]["error_message"]), (&json!("discarded"), &Value::Null), "{gone}");
    let run = staff.get(&format!("{PURGES}/P1")).await.ok(200);
    assert_eq!((run["state"].as_str(), run["removed"].as_u64(), run["actor"].as_str()), (Some("done"), Some(2), Some("system")));
    assert!(run["file"].as_str().is_some_and(|file| file.starts_with("purged/P1-") && file.ends_with(".ndjson.zst")), "{run}");
    let audit = staff.get("/api/v1/audit?q=action:purge").await.ok(200);
    assert_eq!((&audit["total"]["count"], &audit["rows"][0]["subject"]), (&json!(1), &json!("purge:P1")), "{audit}");
    assert_eq!(audit["rows"][0]["after"]["sha256"], run["sha256"]);
    let undo = staff.post(&format!("{JOBS}/{job}/undo"), &json!({})).await;
    assert_eq!(undo.refusal(), "409 state_conflict");
    assert!(undo.problem().detail.is_some_and(|words| words.contains("2 of its entries were purged, by P1")));
    let set = staff.post(PREVIEWS, &order("restore", &json!({"filter": "state:discarded"}))).await.ok(201);
    assert!(set["skipped"].to_string().contains("purged already"), "{set}");
    let path = format!("/api/v1/outbox/entries/{}/phone-op-bad-1", device.client_id);
    assert_eq!(staff.post(&format!("{path}/dry-run"), &json!({})).await.refusal(), "409 state_conflict");
    assert_eq!(staff.post(&format!("{path}/reveal"), &json!({"reason": "the caller asked"})).await.refusal(), "404 not_found");
}

#[tokio::test]
async fn an_admin_purges_what_is_due_with_its_count_and_a_reason_and_nobody_else_does() {
    let app = TestApp::new().await;
    let (operator, admin) = (app.api("ci", Role::Operator).await, app.api("boss", Role::Admin).await);
    let (device, _) = given_up(&app, &operator).await;
    let body = |count: u64| json!({"count": count, "reason": "asked for by the customer"});
    assert_eq!(operator.post(PURGES, &body(2)).await.refusal(), "403 forbidden");
    assert_eq!(operator.post(PURGES, &json!({"count": "all"})).await.refusal(), "403 forbidden", "the role comes first");
    assert_eq!(admin.post(PURGES, &body(0)).await.refusal(), "409 state_conflict", "nothing is due");
    let page = app.viewer().await.page("/outbox/purges").await.text();
    assert!(page.contains("Nothing has been purged yet") && page.contains("nothing is due now"), "{page}");
    app.state().clock().advance(31 * DAY_MS);
    let report = admin.get(PURGES).await.ok(200);
    assert_eq!((&report["due"], &report["retention"]), (&json!(2), &json!({"discarded_days": 30, "quarantined_days": null})));
    assert_eq!(admin.post(PURGES, &body(3)).await.refusal(), "409 state_conflict", "another count is due");
    assert_eq!(admin.post(PURGES, &json!({"count": 2, "reason": "short"})).await.refusal(), "400 query_invalid reason");
    assert_eq!(admin.post(PURGES, &json!({"reason": "asked for by the customer"})).await.refusal(), "400 envelope_invalid count");
    let run = admin.post(PURGES, &body(2)).await.ok(202);
    assert_eq!((run["id"].as_str(), run["state"].as_str()), (Some("P1"), Some("exporting")));
    assert_eq!(admin.post(PURGES, &body(2)).await.refusal(), "409 state_conflict", "one at a time");
    purge(&app).await;
    let report = operator.get(PURGES).await.ok(200);
    assert_eq!(
        (&report["due"], &report["runs"][0]["actor"], &report["runs"][0]["removed"]),
        (&json!(0), &json!("token:boss"), &json!(2))
    );
    assert_eq!(entry(&operator, &device, "phone-op-bad-2").await["entry"]["purged_by"], "P1");
    assert_eq!(report["runs"][0]["retention"], report["retention"]);
    assert_eq!(operator.get(&format!("{PURGES}/P2")).await.refusal(), "404 not_found");
    assert_eq!(app.verify().await, Vec::<String>::new());
}
