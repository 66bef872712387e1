//! Draining over HTTP: a selection is frozen, submitted, worked off and taken back, and nothing is lost on the way.

use serde_json::{Value, json};
use tidewatch_domain::manifest::Manifest;
use tidewatch_domain::role::Role;
use tidewatch_service::drain::Pace;
use tidewatch_testkit::{Device, TestApp, Visitor, intent};

pub(crate) const PREVIEWS: &str = "/api/v1/outbox/drain/previews";
pub(crate) const JOBS: &str = "/api/v1/outbox/drain/jobs";
const REASON: &str = "the collection was missing";

/// Two refused intents of a device, and one that stands.
pub(crate) async fn refused(app: &TestApp, name: &str, collection: &str) -> Device {
    let device = app.device(name).await;
    let mut bad = [intent("op-bad-1", "r-1", "create", json!({})), intent("op-bad-2", "r-2", "create", json!({}))];
    for intent in &mut bad {
        intent["collection"] = collection.into();
        intent["operation_id"] = format!("{name}-{}", intent["operation_id"].as_str().expect("an id")).into();
    }
    assert_eq!(device.push_statuses(&bad).await, ["rejected", "rejected"]);
    roll(app).await;
    device
}

/// Lets the telemetry move on, and the jobs until nothing is left to do at once.
pub(crate) async fn roll(app: &TestApp) {
    for _ in 0..1_000 {
        if app.service().drain_work(app.state().now()).await.expect("the jobs go on") == Pace::Idle {
            break;
        }
    }
    app.service().telemetry_roll(app.state().now()).await.expect("the telemetry moves on");
}

pub(crate) fn order(action: &str, selection: &Value) -> Value {
    json!({"action": action, "dependants": "take_along", "selection": selection})
}

pub(crate) fn submission(set: &Value) -> Value {
    json!({
        "set": set["set"], "count": set["entries"], "hash": set["hash"], "selection": set["selection"], "reason": REASON,
        "idempotency_key": set["idempotency_key"],
    })
}

/// Freezes, submits and works off; answers the job.
pub(crate) async fn drained(app: &TestApp, staff: &Visitor, body: &Value) -> Value {
    let set = staff.post(PREVIEWS, body).await.ok(201);
    let submitted = staff.post(JOBS, &submission(&set)).await.ok(202);
    roll(app).await;
    staff.get(&format!("{JOBS}/{}", submitted["job"].as_str().expect("an id"))).await.ok(200)
}

pub(crate) fn tally(job: &Value) -> [u64; 6] {
    ["ok", "skipped", "failed", "sent", "asleep", "waiting"].map(|name| job["tally"][name].as_u64().expect("a count"))
}

#[tokio::test]
async fn a_quarantined_entry_is_kept_and_taken_back() {
    let app = TestApp::new().await;
    refused(&app, "phone", "nothing").await;
    let staff = app.api("ci", Role::Operator).await;
    let job = drained(&app, &staff, &order("quarantine", &json!({"filter": "state:poisoned"}))).await;
    assert_eq!((job["state"].as_str(), tally(&job)), (Some("done"), [2, 0, 0, 0, 0, 0]), "{job}");
    assert_eq!(job["created_by"], "token:ci");
    let id = job["id"].as_str().expect("an id");
    let undone = staff.post(&format!("{JOBS}/{id}/undo"), &json!({"remark": "too early"})).await.ok(200);
    assert_eq!(undone["state"], "undone");
    roll(&app).await;
    let after = staff.get(&format!("{JOBS}/{id}")).await.ok(200);
    assert_eq!((tally(&after), after["reasons"][0]["code"].as_str()), ([0, 2, 0, 0, 0, 0], Some("undone")), "{after}");
    assert!(after["finished"].is_string(), "{after}");
    let audit = staff.get("/api/v1/audit?q=action:entry_quarantine").await.ok(200);
    assert_eq!(audit["total"]["count"], 2, "one row an entry");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_retry_applies_what_can_be_applied_now_and_the_device_gets_that_answer() {
    let app = TestApp::new().await;
    let device = refused(&app, "phone", "later").await;
    let staff = app.api("ci", Role::Operator).await;
    let everything = json!({"filter": "state:poisoned"});
    let failed = drained(&app, &staff, &order("retry", &everything)).await;
    assert_eq!((tally(&failed), failed["reasons"][0]["code"].as_str()), ([0, 0, 2, 0, 0, 0], Some("collection_unknown")));
    let definition = json!([{"name": "later", "policy": {"kind": "lww"}}]).to_string();
    app.service().collections_import(&app.state().system_cx(), &definition).await.expect("valid");
    let set = staff.post(PREVIEWS, &order("retry", &everything)).await.ok(201);
    assert_eq!(set["verdicts"], json!([{"word": "applied", "entries": 2}]), "{set}");
    let job = drained(&app, &staff, &order("retry", &everything)).await;
    assert_eq!(tally(&job), [2, 0, 0, 0, 0, 0], "{job}");
    let mut again = intent("phone-op-bad-1", "r-1", "create", json!({}));
    again["collection"] = "later".into();
    let reply = device.push(&[again]).await.ok(200);
    assert_eq!((&reply["results"][0]["status"], &reply["results"][0]["replayed"]), (&json!("applied"), &json!(true)), "{reply}");
    let (changes, _) = device.pull("0", "&limit=100").await;
    let of_later = changes.iter().filter(|change| change["collection"] == "later").count();
    assert_eq!(of_later, 2, "each once");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_same_submission_is_one_job_and_another_selection_is_refused_with_the_difference() {
    let app = TestApp::new().await;
    refused(&app, "phone", "nothing").await;
    let staff = app.api("ci", Role::Operator).await;
    let set = staff.post(PREVIEWS, &order("hold", &json!({"filter": "state:poisoned"}))).await.ok(201);
    let good = submission(&set);
    let mut other = good.clone();
    other["selection"] = json!({"filter": "record:r-1"});
    let refusal = staff.post(JOBS, &other).await;
    assert_eq!(refusal.refusal(), "409 set_changed");
    assert_eq!(refusal.json()["drain_change"], json!({"frozen": 2, "now": 1, "added": 0, "removed": 1}));
    let mut fewer = good.clone();
    fewer["count"] = json!(1);
    assert_eq!(staff.post(JOBS, &fewer).await.refusal(), "409 set_changed");
    let jobs = staff.get(JOBS).await.ok(200);
    assert_eq!(jobs["rows"], json!([]), "nothing was done");
    let (first, second) = tokio::join!(staff.post(JOBS, &good), staff.post(JOBS, &good));
    let mut statuses = [first.status(), second.status()];
    statuses.sort_unstable();
    assert_eq!((statuses, &first.json()["job"]), ([200, 202], &second.json()["job"]));
    let mut renamed = good.clone();
    renamed["idempotency_key"] = json!("another");
    assert_eq!(staff.post(JOBS, &renamed).await.refusal(), "409 state_conflict");
    roll(&app).await;
    assert_eq!(staff.get(JOBS).await.ok(200)["rows"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn many_devices_need_a_second_person_who_is_another_one() {
    let app = TestApp::new().await;
    for n in 0..11 {
        refused(&app, &format!("phone-{n:02}"), "nothing").await;
    }
    let staff = app.api("ci", Role::Admin).await;
    let set = staff.post(PREVIEWS, &order("discard", &json!({"filter": "state:poisoned"}))).await.ok(201);
    assert_eq!(
        (set["needs_approval"].as_bool(), set["entries"].as_u64(), set["devices"].as_u64()),
        (Some(true), Some(22), Some(11))
    );
    let mut body = submission(&set);
    assert_eq!(staff.post(JOBS, &body).await.refusal(), "400 query_invalid typed_count");
    body["typed_count"] = json!(22);
    let job = staff.post(JOBS, &body).await.ok(202)["job"].as_str().expect("an id").to_owned();
    roll(&app).await;
    let view = staff.get(&format!("{JOBS}/{job}")).await.ok(200);
    assert_eq!((view["state"].as_str(), tally(&view)), (Some("requested"), [0, 0, 0, 0, 0, 22]));
    assert_eq!(staff.post(&format!("{JOBS}/{job}/approve"), &json!({})).await.refusal(), "409 state_conflict");
    let support = app.api("helpdesk", Role::Support).await;
    let operator = app.api("night", Role::Operator).await;
    for other in [&support, &operator] {
        assert_eq!(other.post(&format!("{JOBS}/{job}/approve"), &json!({})).await.refusal(), "403 forbidden");
    }
    let owner = app.api("owner", Role::ProductOwner).await;
    owner.post(&format!("{JOBS}/{job}/approve"), &json!({"remark": "seen"})).await.ok(200);
    roll(&app).await;
    let view = staff.get(&format!("{JOBS}/{job}")).await.ok(200);
    assert_eq!((view["state"].as_str(), view["approved_by"].as_str()), (Some("done"), Some("token:owner")), "{view}");
    assert_eq!(tally(&view), [22, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_patch_takes_the_place_of_what_it_corrects() {
    let app = TestApp::new().await;
    let definition = json!([{"name": "readings", "policy": {"kind": "lww", "fields": {"kpa": "number"}}}]).to_string();
    app.service().collections_import(&app.state().system_cx(), &definition).await.expect("valid");
    let device = app.device("gauge").await;
    let mut bad = intent("op-kpa", "r-1", "create", json!({"kpa": "412"}));
    bad["collection"] = "readings".into();
    assert_eq!(device.push_statuses(std::slice::from_ref(&bad)).await, ["rejected"]);
    roll(&app).await;
    let staff = app.api("ci", Role::Support).await;
    let entry = format!("/api/v1/outbox/entries/{}/op-kpa/dry-run", device.client_id);
    assert_eq!(staff.post(&entry, &json!({})).await.ok(200)["code"], "schema_invalid");
    let patch = json!([{"op": "replace", "path": "/kpa", "value": 412}]);
    let dry = staff.post(&entry, &json!({"patch": patch})).await.ok(200);
    assert_eq!((dry["status"].as_str(), dry["diff"][0]["after"].as_str()), (Some("applied"), Some("412")), "{dry}");
    let mut body = order("patch", &json!({"entries": [{"client_id": device.client_id, "operation_id": "op-kpa"}]}));
    body["patch"] = patch;
    let job = drained(&app, &staff, &body).await;
    assert_eq!(tally(&job), [1, 0, 0, 0, 0, 0], "{job}");
    let id = job["id"].as_str().expect("an id");
    let (changes, _) = device.pull("0", "&limit=100").await;
    let made: Vec<(&str, &Value)> =
        changes.iter().map(|change| (change["operation_id"].as_str().expect("an id"), &change["fields"]["kpa"])).collect();
    assert_eq!(made, [(format!("op-kpa.{id}").as_str(), &json!(412))]);
    let reply = device.push(&[bad]).await.ok(200);
    assert_eq!(reply["results"][0]["status"], "applied", "the original is answered as its copy was: {reply}");
    let second = staff.post(PREVIEWS, &body).await;
    assert!(second.status() == 400 || second.ok(201)["skipped"][0]["word"] == "superseded already");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_conflict_is_opened_for_a_person_and_the_device_hears_of_it() {
    let app = TestApp::new().await;
    let definition = json!([{"name": "readings", "policy": {"kind": "lww", "fields": {"kpa": "number"}}}]).to_string();
    app.service().collections_import(&app.state().system_cx(), &definition).await.expect("valid");
    let device = app.device("gauge").await;
    let mut bad = intent("op-kpa", "r-1", "create", json!({"kpa": "412"}));
    bad["collection"] = "readings".into();
    assert_eq!(device.push_statuses(std::slice::from_ref(&bad)).await, ["rejected"]);
    roll(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let job = drained(&app, &staff, &order("to_conflict", &json!({"filter": "state:poisoned"}))).await;
    assert_eq!(tally(&job), [1, 0, 0, 0, 0, 0], "{job}");
    let reply = device.push(&[bad]).await.ok(200);
    assert_eq!(
        (&reply["results"][0]["status"], &reply["results"][0]["conflict_id"]),
        (&json!("conflict"), &json!("cf_1")),
        "{reply}"
    );
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_new_in_the_list_since_it_was_frozen_is_counted_and_left_alone() {
    let app = TestApp::new().await;
    refused(&app, "phone-1", "nothing").await;
    let staff = app.api("ci", Role::Operator).await;
    let set = staff.post(PREVIEWS, &order("quarantine", &json!({"filter": "state:poisoned"}))).await.ok(201);
    assert_eq!((&set["entries"], &set["newer"]), (&json!(2), &json!(0)), "{set}");
    refused(&app, "phone-2", "nothing").await;
    let seen = staff.get(&format!("{PREVIEWS}/{}", set["set"].as_str().expect("an id"))).await.ok(200);
    assert_eq!((&seen["entries"], &seen["newer"]), (&json!(2), &json!(2)), "{seen}");
    let submitted = staff.post(JOBS, &submission(&set)).await.ok(202);
    roll(&app).await;
    let job = staff.get(&format!("{JOBS}/{}", submitted["job"].as_str().expect("an id"))).await.ok(200);
    assert_eq!((tally(&job), &job["newer"]), ([2, 0, 0, 0, 0, 0], &json!(2)), "{job}");
    let left = staff.get("/api/v1/outbox/entries?q=state:poisoned").await.ok(200);
    let left: Vec<&str> = left["rows"].as_array().expect("rows").iter().filter_map(|row| row["operation_id"].as_str()).collect();
    assert!(left.len() == 2 && left.iter().all(|operation| operation.starts_with("phone-2")), "{left:?}");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_refused_because_of_an_entry_is_taken_along_and_applied_after_it() {
    let app = TestApp::new().await;
    let device = app.device("phone").await;
    let mut parent = intent("op-1", "r-1", "create", json!({}));
    parent["collection"] = "later".into();
    let mut child = intent("op-2", "r-2", "create", json!({}));
    child["depends_on"] = json!(["op-1"]);
    assert_eq!(device.push_statuses(&[parent, child]).await, ["rejected", "rejected"]);
    roll(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let entry = staff.get(&format!("/api/v1/outbox/entries/{}/op-1", device.client_id)).await.ok(200);
    assert_eq!((&entry["entry"]["blocks"], &entry["blocked"]), (&json!(1), &json!(["op-2"])), "{entry}");
    let definition = json!([{"name": "later", "policy": {"kind": "lww"}}]).to_string();
    app.service().collections_import(&app.state().system_cx(), &definition).await.expect("valid");
    let only = json!({"entries": [{"client_id": device.client_id, "operation_id": "op-1"}]});
    let job = drained(&app, &staff, &order("retry", &only)).await;
    assert_eq!(tally(&job), [2, 0, 0, 0, 0, 0], "{job}");
    let left = staff.get("/api/v1/outbox/entries").await.ok(200);
    assert_eq!(left["rows"], json!([]), "none stays poisoned in a group of its own");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn bad_input_is_named_and_changes_nothing() {
    let app = TestApp::new().await;
    let device = refused(&app, "phone", "nothing").await;
    let staff = app.api("ci", Role::Operator).await;
    let all = json!({"filter": ""});
    let cases = [
        (json!({"action": "burn", "dependants": "cut", "selection": all}), "400 envelope_invalid action"),
        (json!({"action": "retry", "selection": all}), "400 envelope_invalid dependants"),
        (json!({"action": "retry", "dependants": "cut"}), "400 envelope_invalid selection"),
        (json!({"action": "retry", "dependants": "cut", "selection": {}}), "400 envelope_invalid selection"),
        (
            json!({"action": "retry", "dependants": "cut", "selection": {"filter": "", "failed": "J1"}}),
            "400 envelope_invalid selection",
        ),
        (
            json!({"action": "retry", "dependants": "cut", "selection": {"entries": [{"client_id": "x"}]}}),
            "400 envelope_invalid selection.entries[0].client_id",
        ),
        (json!({"action": "retry", "dependants": "cut", "selection": all, "force": true}), "400 envelope_invalid force"),
        (json!({"action": "patch", "dependants": "cut", "selection": all}), "400 query_invalid patch"),
        (json!({"action": "hold", "dependants": "cut", "selection": all}), "400 query_invalid dependants"),
        (
            json!({"action": "retry", "dependants": "cut", "selection": all, "patch": [{"op": "remove", "path": "/a"}]}),
            "400 query_invalid patch",
        ),
        (json!({"action": "retry", "dependants": "cut", "selection": {"filter": "colour:red"}}), "400 query_invalid filter"),
        (
            json!({"action": "retry", "dependants": "cut", "selection": {"filter": "record:nowhere"}}),
            "400 query_invalid selection",
        ),
        (json!({"action": "retry", "dependants": "cut", "selection": {"group": "00000000"}}), "404 not_found"),
        (json!({"action": "retry", "dependants": "cut", "selection": {"failed": "J1"}}), "404 not_found"),
    ];
    for (body, refusal) in cases {
        assert_eq!(staff.post(PREVIEWS, &body).await.refusal(), refusal, "{body}");
    }
    let set = staff.post(PREVIEWS, &order("retry", &all)).await.ok(201);
    let good = submission(&set);
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let cases = [
        (with("reason", json!("short")), "400 query_invalid reason"),
        (with("reason", json!("because\u{0}of it")), "400 query_invalid reason"),
        (with("canary", json!(51)), "400 envelope_invalid canary"),
        (with("rate_per_s", json!(0)), "400 query_invalid rate_per_s"),
        (with("idempotency_key", json!("a b")), "400 query_invalid idempotency_key"),
        (with("set", json!("S99")), "404 not_found"),
        (with("set", json!("J1")), "404 not_found"),
    ];
    for (body, refusal) in cases {
        assert_eq!(staff.post(JOBS, &body).await.refusal(), refusal, "{body}");
    }
    let viewer = app.api("eyes", Role::Viewer).await;
    assert_eq!(viewer.post(PREVIEWS, &order("retry", &all)).await.refusal(), "403 forbidden");
    assert_eq!(viewer.post(JOBS, &good).await.refusal(), "403 forbidden");
    assert_eq!(staff.get(JOBS).await.ok(200)["rows"], json!([]));
    for path in [format!("{JOBS}/J7"), format!("{JOBS}/nonsense"), format!("{JOBS}/J7/items"), format!("{PREVIEWS}/S77")] {
        assert_eq!(staff.get(&path).await.refusal(), "404 not_found", "{path}");
    }
    let entry = format!("/api/v1/outbox/entries/{}/op-unknown/dry-run", device.client_id);
    assert_eq!(staff.post(&entry, &json!({})).await.refusal(), "404 not_found");
}

#[tokio::test]
async fn a_job_is_paused_resumed_and_cancelled_between_its_chunks() {
    let app = TestApp::new().await;
    refused(&app, "phone", "nothing").await;
    let staff = app.api("ci", Role::Operator).await;
    let set = staff.post(PREVIEWS, &order("discard", &json!({"filter": "state:poisoned"}))).await.ok(201);
    let job = staff.post(JOBS, &submission(&set)).await.ok(202)["job"].as_str().expect("an id").to_owned();
    let change = |change: &str| format!("{JOBS}/{job}/{change}");
    assert_eq!(staff.post(&change("pause"), &json!({"remark": "wait\u{7}"})).await.refusal(), "400 query_invalid remark");
    staff.post(&change("pause"), &json!({"remark": "wait"})).await.ok(200);
    roll(&app).await;
    let view = staff.get(&format!("{JOBS}/{job}")).await.ok(200);
    assert_eq!(
        (view["state"].as_str(), tally(&view)[5], view["events"][0]["detail"].as_str()),
        (Some("paused"), 2, Some("wait"))
    );
    assert_eq!(staff.post(&change("pause"), &json!({})).await.refusal(), "409 state_conflict");
    staff.post(&change("resume"), &json!({})).await.ok(200);
    staff.post(&change("cancel"), &json!({})).await.ok(200);
    roll(&app).await;
    let view = staff.get(&format!("{JOBS}/{job}")).await.ok(200);
    assert_eq!((view["state"].as_str(), tally(&view)), (Some("cancelled"), [0, 2, 0, 0, 0, 0]), "{view}");
    let items = staff.get(&format!("{JOBS}/{job}/items?outcome=skipped&limit=1")).await.ok(200);
    assert_eq!((items["rows"][0]["code"].as_str(), items["total"]["count"].as_u64()), (Some("job_cancelled"), Some(2)));
    let next = items["next"].as_str().expect("a second page");
    let second = staff.get(&format!("{JOBS}/{job}/items?outcome=skipped&limit=1&after={next}")).await.ok(200);
    assert_eq!(second["rows"][0]["operation_id"], "phone-op-bad-2");
    staff.post(&change("acknowledge"), &json!({})).await.ok(200);
    assert_eq!(staff.post(&change("burn"), &json!({})).await.refusal(), "404 not_found");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_failed_is_a_selection_of_its_own_and_items_are_exported() {
    let app = TestApp::new().await;
    refused(&app, "phone", "later").await;
    let staff = app.api("ci", Role::Operator).await;
    let job = drained(&app, &staff, &order("retry", &json!({"filter": "state:poisoned"}))).await;
    let id = job["id"].as_str().expect("an id");
    let export = staff.get(&format!("/export/drain-items.ndjson?job={id}")).await.text();
    let rows = export.strip_suffix(&Manifest::check(&export).expect("whole").line()).expect("the last line").lines();
    let rows: Vec<Value> = rows.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["operation_id"].as_str().expect("an id"), row["code"].as_str().expect("a code"))).collect();
    assert_eq!(told, [("phone-op-bad-1", "collection_unknown"), ("phone-op-bad-2", "collection_unknown")]);
    let records: Vec<_> = rows.iter().map(|row| (&row["collection"], &row["record_id"])).collect();
    assert_eq!(records, [(&json!("later"), &json!("r-1")), (&json!("later"), &json!("r-2"))]);
    let whole = staff.get("/export/outbox.ndjson?filter=state:poisoned").await.text();
    let entry: Value = serde_json::from_str(whole.lines().next().expect("an entry")).expect("JSON");
    assert_eq!(entry["history"][0]["code"], "collection_unknown", "{entry}");
    let drain = &entry["drain"];
    let told = ["job", "action", "by"].map(|member| drain[member].as_str().unwrap_or_default());
    assert_eq!(told, [id, "retry", "token:ci"], "{entry}");
    assert!(drain["reason"].as_str().is_some_and(|reason| reason.len() >= 8), "{entry}");
    let table = staff.get("/export/outbox.csv?filter=state:poisoned").await.text();
    assert!(!table.lines().next().expect("a head").contains("history"), "{table}");
    let again = staff.post(&format!("{JOBS}/{id}/retry-failed"), &json!({"code": "collection_unknown"})).await.ok(201);
    assert_eq!((again["entries"].as_u64(), again["action"].as_str()), (Some(2), Some("retry")), "{again}");
    let other = staff.post(&format!("{JOBS}/{id}/retry-failed"), &json!({"code": "guard_failed"})).await;
    assert_eq!(other.refusal(), "400 query_invalid selection");
    let submitted = staff.post(JOBS, &submission(&again)).await.ok(202);
    roll(&app).await;
    let view = staff.get(&format!("{JOBS}/{}", submitted["job"].as_str().expect("an id"))).await.ok(200);
    assert_eq!(tally(&view), [0, 0, 2, 0, 0, 0], "{view}");
}
