//! Commands about the mesh and the log of a device, from staff to the device and back; and who may read what it wrote.

use bytes::Bytes;
use serde_json::{Value, json};
use tidewatch_domain::control::{LOG_LINES_MAX, LOG_UPLOADS_KEPT};
use tidewatch_domain::manifest::Manifest;
use tidewatch_domain::role::Role;
use tidewatch_domain::time::MINUTE_MS;
use tidewatch_testkit::{Device, Reply, TestApp, Visitor, intent};

use crate::control::{REASON, give, jammed};
use crate::drain::roll;

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

fn line(at: &str, message: &str) -> String {
    json!({"at": at, "level": "warn", "target": "sync.push", "message": message}).to_string()
}

fn lines(messages: &[&str]) -> String {
    messages.iter().map(|message| line("2026-11-20T15:21:40.680Z", message) + "\n").collect()
}

async fn upload(device: &Visitor, id: &str, body: String) -> Reply {
    device.post_with(&format!("/control/logs?command={id}"), &[NDJSON], Bytes::from(body)).await
}

async fn state(staff: &Visitor, id: &str) -> Value {
    staff.get(&format!("/api/v1/commands/{id}")).await.ok(200)["state"].clone()
}

#[tokio::test]
async fn a_mesh_command_is_done_when_the_reported_mode_is_the_wanted_one_and_fails_otherwise() {
    let app = TestApp::new().await;
    let (staff, device) = (app.api("ops", Role::Operator).await, app.device("d1").await);
    let cases = [
        (json!({"mode": "multi_hop"}), "done", Value::Null),
        (json!({"mode": "single_hop"}), "failed", json!("mode_mismatch")),
        (json!({"mode": "everywhere"}), "failed", json!("mode_missing")),
        (json!({}), "failed", json!("mode_missing")),
    ];
    for (result, state, code) in cases {
        let id = give(&staff, &device.client_id, "mesh", json!({"mode": "multi_hop", "broadcast_interval_ms": 2_000})).await;
        device.http().get("/control/commands").await.ok(200);
        let path = format!("/control/commands/{id}/status");
        device.http().post(&path, &json!({"state": "running"})).await.ok(200);
        let said = device.http().post(&path, &json!({"state": "done", "result": result})).await.ok(200);
        assert_eq!(said["state"], state, "{result}");
        let view = staff.get(&format!("/api/v1/commands/{id}")).await.ok(200);
        assert_eq!((&view["error"]["code"], &view["args"]["broadcast_interval_ms"]), (&code, &json!(2_000)));
    }
    let support = app.api("help", Role::Support).await;
    let order = json!({"kind": "mesh", "args": {"mode": "off"}, "reason": REASON});
    let path = format!("/api/v1/devices/{}/commands", device.client_id);
    assert_eq!(support.post(&path, &order).await.refusal(), "403 forbidden", "a mesh action is for operators");
    let id = give(&staff, &device.client_id, "mesh", json!({"mode": "off"})).await;
    let cancel = format!("/api/v1/commands/{id}/cancel");
    assert_eq!(support.post(&cancel, &json!({"reason": REASON})).await.refusal(), "403 forbidden");
    staff.post(&cancel, &json!({"reason": REASON})).await.ok(200);
}

#[tokio::test]
async fn a_tablet_whose_pushes_are_refused_for_ever_changes_its_mesh_and_uploads_its_log() {
    let app = TestApp::new().await;
    let (mut tablet, all) = jammed(&app).await;
    let staff = app.api("ops", Role::Operator).await;
    let device = tablet.id().into_string();
    let mesh = give(&staff, &device, "mesh", json!({"mode": "single_hop", "rotate_keys": true})).await;
    let logs = give(&staff, &device, "upload_logs", json!({})).await;
    tablet.now = tablet.now.plus(MINUTE_MS);
    tablet.round(true).await;
    assert_eq!((state(&staff, &mesh).await, state(&staff, &logs).await), (json!("done"), json!("done")));
    assert_eq!(tablet.waiting(), all, "its queue is as jammed as before");
    tablet.report().await;
    roll(&app).await;
    let page = app.operator().await.page(&format!("/devices/{device}")).await;
    assert!(page.text().contains("single hop, every 30 s, key 1"), "{}", page.text());
    let page = staff.get(&format!("/api/v1/commands/{logs}/logs?limit=500")).await.ok(200);
    let said = page["rows"].to_string();
    assert!(said.contains("intents failed: schema_invalid") && !said.contains("jam\""), "{said}");
    let view = staff.get(&format!("/api/v1/commands/{logs}")).await.ok(200);
    assert_eq!(view["result"]["lines"], page["held"]["lines"]);
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn lines_are_taken_whole_once_and_a_command_is_done_only_with_them() {
    let app = TestApp::new().await;
    let (staff, device) = (app.api("help", Role::Support).await, app.device("d1").await);
    let id = give(&staff, &device.client_id, "upload_logs", json!({"since": "2026-11-20T00:00:00Z"})).await;
    device.http().get("/control/commands").await.ok(200);
    let path = format!("/control/commands/{id}/status");
    device.http().post(&path, &json!({"state": "running"})).await.ok(200);
    let early = device.http().post(&path, &json!({"state": "done", "result": {}})).await;
    assert_eq!(early.refusal(), "422 schema_invalid state");
    let bad = format!("{}{}", lines(&["one"]), r#"{"at":"2026-11-20T15:21:40Z","level":"loud","target":"a","message":"m"}"#);
    assert_eq!(upload(device.http(), &id, bad).await.refusal(), "422 schema_invalid lines[1].level");
    assert_eq!(upload(device.http(), &id, "nonsense".to_owned()).await.refusal(), "400 json_invalid lines[0]");
    let many = format!("{}\n", line("2026-11-20T15:21:40Z", "m")).repeat(LOG_LINES_MAX + 1);
    assert_eq!(upload(device.http(), &id, many).await.refusal(), "413 batch_too_large");
    assert_eq!(state(&staff, &id).await, "running", "nothing of it was kept");
    assert_eq!(staff.get(&format!("/api/v1/commands/{id}/logs")).await.refusal(), "404 not_found");
    let first = upload(device.http(), &id, lines(&["one", "two"])).await.ok(200);
    assert_eq!((&first["lines"], &first["duplicate"]), (&json!(2), &json!(false)));
    let again = upload(device.http(), &id, lines(&["three"])).await.ok(200);
    assert_eq!((&again["lines"], &again["duplicate"]), (&json!(2), &json!(true)), "the first upload stands");
    device.http().post(&path, &json!({"state": "done", "result": {"lines": 99}})).await.ok(200);
    let view = staff.get(&format!("/api/v1/commands/{id}")).await.ok(200);
    assert_eq!((&view["state"], &view["result"]["lines"], &view["logs"]["lines"]), (&json!("done"), &json!(2), &json!(2)));
    assert_eq!(
        upload(device.http(), &id, lines(&["late"])).await.ok(200)["duplicate"],
        true,
        "and is answered the same after the end"
    );
}

#[tokio::test]
async fn an_upload_that_is_not_wanted_is_refused_by_what_is_wrong_with_it() {
    let app = TestApp::new().await;
    let (staff, device, other) = (app.api("help", Role::Support).await, app.device("d1").await, app.device("d2").await);
    let logs = give(&staff, &device.client_id, "upload_logs", json!({})).await;
    let policy = give(&staff, &device.client_id, "refresh_policy", json!({})).await;
    assert_eq!(upload(device.http(), "nothing", String::new()).await.refusal(), "404 not_found");
    assert_eq!(upload(other.http(), &logs, String::new()).await.refusal(), "404 not_found", "another device's");
    assert_eq!(upload(device.http(), &policy, String::new()).await.refusal(), "400 query_invalid command");
    let put = async |path: &str, headers: &[(&str, &str)]| device.http().post_with(path, headers, Bytes::new()).await.refusal();
    assert_eq!(put("/control/logs", &[NDJSON]).await, "400 query_invalid command");
    let path = format!("/control/logs?command={logs}");
    assert_eq!(put(&format!("{path}&begins_at=noon"), &[NDJSON]).await, "400 query_invalid begins_at");
    assert_eq!(put(&format!("{path}&dropped=-1"), &[NDJSON]).await, "400 query_invalid dropped");
    assert_eq!(put(&format!("{path}&since=now"), &[NDJSON]).await, "400 query_invalid since");
    assert_eq!(put(&path, &[("content-type", "application/json")]).await, "415 media_type_unsupported");
    assert_eq!(put(&path, &[NDJSON, ("content-encoding", "br")]).await, "415 encoding_unsupported");
    assert_eq!(put(&path, &[NDJSON, ("content-length", "1048577")]).await, "413 body_too_large");
    staff.post(&format!("/api/v1/commands/{logs}/cancel"), &json!({"reason": REASON})).await.ok(200);
    assert_eq!(upload(device.http(), &logs, lines(&["late"])).await.refusal(), "409 command_ended");
}

#[tokio::test]
async fn a_compressed_upload_is_read_and_an_empty_one_says_that_there_are_no_lines() {
    use std::io::Write as _;
    let app = TestApp::new().await;
    let (staff, device) = (app.api("help", Role::Support).await, app.device("d1").await);
    let id = give(&staff, &device.client_id, "upload_logs", json!({})).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines(&["one", "two"]).as_bytes()).expect("packed");
    let headers = [NDJSON, ("content-encoding", "gzip")];
    let path = format!("/control/logs?command={id}&begins_at=2026-11-20T00:00:00Z&dropped=7");
    device.http().post_with(&path, &headers, Bytes::from(gzip.finish().expect("packed"))).await.ok(200);
    let held = staff.get(&format!("/api/v1/commands/{id}")).await.ok(200)["logs"].clone();
    assert_eq!((&held["lines"], &held["dropped"]), (&json!(2), &json!(7)));
    assert_eq!(held["begins_at"], "2026-11-20T00:00:00.000Z");
    let empty = give(&staff, &device.client_id, "upload_logs", json!({})).await;
    assert_eq!(upload(device.http(), &empty, String::new()).await.ok(200)["lines"], 0);
    for _ in 0..LOG_UPLOADS_KEPT {
        let next = give(&staff, &device.client_id, "upload_logs", json!({})).await;
        upload(device.http(), &next, lines(&["newer"])).await.ok(200);
    }
    assert_eq!(staff.get(&format!("/api/v1/commands/{id}/logs")).await.refusal(), "404 not_found", "it made room");
}

#[tokio::test]
async fn words_of_a_log_are_for_roles_that_may_reveal_and_reading_them_is_audited_once() {
    let app = TestApp::new().await;
    let (support, device) = (app.api("help", Role::Support).await, app.device("d1").await);
    let viewer = app.api("look", Role::Viewer).await;
    let id = give(&support, &device.client_id, "upload_logs", json!({})).await;
    let messages = ["the lamp is on", "signed in with token=hunter2-hunter2", "the lamp is on"];
    upload(device.http(), &id, lines(&messages)).await.ok(200);
    let path = format!("/api/v1/commands/{id}/logs");
    let audited = async || {
        let rows = support.get("/api/v1/audit?limit=100").await.ok(200)["rows"].to_string();
        rows.matches("logs_read").count()
    };
    let masked = viewer.get(&path).await.ok(200);
    let of = |page: &Value, n: usize| page["rows"][n]["message"].as_str().expect("a message").to_owned();
    assert_eq!(masked["readable"], false);
    assert!(!masked.to_string().contains("lamp"), "{masked}");
    assert_eq!(of(&masked, 0), of(&masked, 2), "the same words have the same name");
    assert_eq!(audited().await, 0, "a name tells nothing");
    // A page and its refresh, and others that the same person has open.
    let looks = futures::future::join_all((0..8).map(|_| support.get(&path))).await;
    assert!(looks.into_iter().all(|look| look.ok(200)["readable"] == true));
    assert_eq!(audited().await, 1, "by whoever came first");
    let read = support.get(&format!("{path}?limit=2")).await.ok(200);
    assert_eq!((&read["readable"], of(&read, 0).as_str()), (&json!(true), "the lamp is on"));
    assert!(!read.to_string().contains("hunter2") && of(&read, 1).starts_with("signed in with token=secret·"), "{read}");
    let next = read["next"].as_str().expect("a position");
    assert_eq!(of(&support.get(&format!("{path}?limit=2&after={next}")).await.ok(200), 0), "the lamp is on");
    assert_eq!(audited().await, 1, "once for all pages");
    assert_eq!(support.get(&format!("{path}?after=9")).await.refusal(), "400 query_invalid after");
    let export = format!("/export/command-logs.ndjson?command={id}");
    let file = support.get(&export).await;
    assert_eq!((file.status(), Manifest::check(&file.text()).expect("whole").count), (200, 3));
    assert!(file.text().contains("the lamp is on") && !file.text().contains("hunter2"), "{}", file.text());
    assert!(!viewer.get(&export).await.text().contains("lamp"));
    assert_eq!(viewer.get("/export/command-logs.ndjson?command=none").await.refusal(), "404 not_found");
}

#[tokio::test]
async fn an_upload_of_payloads_is_done_when_they_are_here_and_not_because_its_device_says_so() {
    let app = TestApp::new().await;
    let (staff, device) = (app.api("support", Role::Support).await, app.device("d1").await);
    assert_eq!(device.push_statuses(&[intent("op-0", "n-0", "create", json!({"title": "sent"}))]).await, ["applied"]);
    let args = json!({"operation_ids": ["op-0", "op-1", "op-2"], "redact": false});
    let said = async |uploads: &[&str]| {
        let id = give(&staff, &device.client_id, "upload_wal", args.clone()).await;
        device.http().get("/control/commands").await.ok(200);
        let status = format!("/control/commands/{id}/status");
        device.http().post(&status, &json!({"state": "running"})).await.ok(200);
        let line =
            |id: &&str| format!("{}\n", json!({"state": "queued", "intent": intent(id, id, "create", json!({"title": "kept"}))}));
        let body: String = uploads.iter().map(line).collect();
        let kind = [("content-type", "application/x-ndjson")];
        device.http().post_with(&format!("/control/escrow?command={id}"), &kind, Bytes::from(body)).await.ok(200);
        device.http().post(&status, &json!({"state": "done", "result": {"uploaded": 3}})).await.ok(200);
        staff.get(&format!("/api/v1/commands/{id}")).await.ok(200)
    };
    let early = said(&["op-1"]).await;
    assert_eq!((&early["state"], &early["error"]["code"]), (&json!("failed"), &json!("payloads_missing")), "{early}");
    assert_eq!(early["error"]["message"], "1 of 3 payloads are not here: op-2", "{early}");
    let done = said(&["op-2"]).await;
    assert_eq!((&done["state"], &done["result"]["stored"]), (&json!("done"), &json!(2)), "what is answered needs none: {done}");
}

#[tokio::test]
async fn an_upload_of_everything_is_compared_with_what_the_mirror_lists_of_the_device() {
    let app = TestApp::new().await;
    let (staff, device) = (app.api("support", Role::Support).await, app.device("d1").await);
    assert_eq!(device.push_statuses(&[intent("op-0", "n-0", "create", json!({"title": "sent"}))]).await, ["applied"]);
    let args = json!({"operation_ids": "all", "redact": false});
    let said = async |uploads: &[&str]| {
        let id = give(&staff, &device.client_id, "upload_wal", args.clone()).await;
        device.http().get("/control/commands").await.ok(200);
        let status = format!("/control/commands/{id}/status");
        device.http().post(&status, &json!({"state": "running"})).await.ok(200);
        let line =
            |id: &&str| format!("{}\n", json!({"state": "queued", "intent": intent(id, id, "create", json!({"title": "kept"}))}));
        let body: String = uploads.iter().map(line).collect();
        if !body.is_empty() {
            device.http().post_with(&format!("/control/escrow?command={id}"), &[NDJSON], Bytes::from(body)).await.ok(200);
        }
        device.http().post(&status, &json!({"state": "done", "result": {"uploaded": 3}})).await.ok(200);
        staff.get(&format!("/api/v1/commands/{id}")).await.ok(200)
    };
    let unknown = said(&[]).await;
    assert_eq!(
        (&unknown["state"], &unknown["result"]["verified"]),
        (&json!("done"), &json!(false)),
        "nothing was reported: {unknown}"
    );
    let page = app.operator().await.page(&format!("/devices/{}/commands", device.client_id)).await.text();
    assert!(page.contains("Done, not verified"), "{page}");
    report(&app, &device, 3, &["op-0", "op-1", "op-2"]).await;
    let lacks = said(&["op-1"]).await;
    assert_eq!((&lacks["state"], &lacks["error"]["code"]), (&json!("failed"), &json!("payloads_missing")), "{lacks}");
    assert_eq!(lacks["error"]["message"], "1 of 3 payloads are not here: op-2", "{lacks}");
    let whole = said(&["op-2"]).await;
    assert_eq!((&whole["state"], &whole["result"]["verified"]), (&json!("done"), &json!(true)), "{whole}");
    report(&app, &device, 9, &["op-0", "op-1", "op-2"]).await;
    let part = said(&[]).await;
    assert_eq!(
        (&part["state"], &part["result"]["verified"]),
        (&json!("done"), &json!(false)),
        "it holds more than it lists: {part}"
    );
}

/// The device reports an outbox of so many operations that lists these.
async fn report(app: &TestApp, device: &Device, total: u64, listed: &[&str]) {
    let entries: Vec<Value> = listed
        .iter()
        .map(|id| json!({"operation_id": id, "collection": "notes", "record_id": id, "op": "create", "attempts": 0, "state": "queued"}))
        .collect();
    let outbox = json!({"total": total, "truncated": total > listed.len() as u64, "entries": entries});
    let id = format!("0199a3c2-7b1e-7c3a-9d2e-{total:012}");
    let reports = json!([{"report_id": id, "at": app.state().now().to_string(), "outbox": outbox}]);
    device.http().post("/telemetry", &json!({"client_id": device.client_id, "reports": reports})).await.ok(202);
    roll(app).await;
}
