//! The control channel over HTTP, and the tablet that nothing else can reach.

use bytes::Bytes;
use http::Method;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use serde_json::{Value, json};
use tidewatch_client::wire::Purpose;
use tidewatch_client::{Action, Client, Config, Draft, MemoryJournal, Reply, Request};
use tidewatch_domain::control::{EntryOrder, Order};
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::ids::{ClientId, CollectionName, OperationId, RecordId, Scope};
use tidewatch_domain::role::Role;
use tidewatch_domain::sync::MutationOp;
use tidewatch_domain::time::{DAY_MS, MINUTE_MS, Millis};
use tidewatch_service::auth::TokenKind;
use tidewatch_service::control::CommandOrder;
use tidewatch_testkit::{SCOPES, TestApp, Visitor, intent};

use crate::drain::{drained, order, roll, tally};

pub(crate) const REASON: &str = "the tablet is stuck";

pub(crate) async fn give(staff: &Visitor, client_id: &str, kind: &str, args: Value) -> String {
    let body = json!({"kind": kind, "args": args, "reason": REASON});
    let given = staff.post(&format!("/api/v1/devices/{client_id}/commands"), &body).await.ok(201);
    given["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_command_goes_from_staff_to_its_device_and_what_it_says_comes_back() {
    let app = TestApp::new().await;
    let (staff, device) = (app.api("support", Role::Support).await, app.device("d1").await);
    let id = give(&staff, &device.client_id, "refresh_policy", json!({})).await;
    let queued = staff.get(&format!("/api/v1/commands/{id}")).await.ok(200);
    assert_eq!((&queued["state"], &queued["forecast"]["unknown"]), (&json!("queued"), &json!(true)));
    let handed = device.http().get("/control/commands").await.ok(200);
    assert_eq!((&handed["commands"][0]["id"], &handed["commands"][0]["client_id"]), (&json!(id), &json!(device.client_id)));
    assert!(handed["policy"]["collections_revision"].as_i64().is_some_and(|revision| revision > 0));
    let path = format!("/control/commands/{id}/status");
    let running = device.http().post(&path, &json!({"state": "running", "progress": {"done": 1, "total": 4}})).await.ok(200);
    assert_eq!(running["state"], "running");
    let revision = &handed["policy"]["collections_revision"];
    device.http().post(&path, &json!({"state": "done", "result": {"collections_revision": revision}})).await.ok(200);
    let done = staff.get(&format!("/api/v1/commands/{id}")).await.ok(200);
    assert_eq!((&done["state"], &done["result"]["collections_revision"]), (&json!("done"), revision));
    let states: Vec<&Value> = done["history"].as_array().expect("states").iter().map(|event| &event["state"]).collect();
    assert_eq!(states, ["queued", "delivered", "running", "done"]);
    let listed = staff.get(&format!("/api/v1/devices/{}/commands", device.client_id)).await.ok(200);
    assert_eq!(listed["rows"][0]["id"], json!(id));
    let stranger = app.device("d2").await;
    assert_eq!(stranger.http().post(&path, &json!({"state": "done"})).await.refusal(), "404 not_found");
}

#[tokio::test]
async fn a_policy_is_refreshed_when_what_is_in_force_is_as_new_as_the_wish() {
    let app = TestApp::new().await;
    let (staff, device) = (app.api("support", Role::Support).await, app.device("d1").await);
    for (result, code) in [(json!({"collections_revision": 0}), "revision_old"), (json!({}), "revision_missing")] {
        let id = give(&staff, &device.client_id, "refresh_policy", json!({})).await;
        device.http().get("/control/commands").await.ok(200);
        let said = json!({"state": "done", "result": result});
        device.http().post(&format!("/control/commands/{id}/status"), &said).await.ok(200);
        let view = staff.get(&format!("/api/v1/commands/{id}")).await.ok(200);
        assert_eq!((&view["state"], &view["error"]["code"]), (&json!("failed"), &json!(code)), "{view}");
    }
}

#[tokio::test]
async fn a_command_is_signed_by_the_published_key_and_a_rotated_key_is_vouched_for() {
    use ed25519_dalek::{Signature, VerifyingKey};
    use tidewatch_protocol::keys::bytes_read;
    let app = TestApp::new().await;
    let (staff, device) = (app.api("support", Role::Support).await, app.device("d1").await);
    give(&staff, &device.client_id, "refresh_policy", json!({})).await;
    let command = device.http().get("/control/commands").await.ok(200)["commands"][0].clone();
    let keys = app.anonymous().get("/control/keys").await.ok(200);
    assert_eq!((&keys["keys"][0]["kid"], keys["keys"].as_array().map(Vec::len)), (&command["kid"], Some(1)));
    let key = bytes_read(keys["keys"][0]["public_key"].as_str().expect("a key")).expect("32 bytes");
    let key = VerifyingKey::from_bytes(&key).expect("a key");
    let signature = Signature::from_bytes(&bytes_read(command["sig"].as_str().expect("a signature")).expect("64 bytes"));
    let mut bare = command.clone();
    bare.as_object_mut().expect("an object").remove("sig");
    let message = serde_json_canonicalizer::to_vec(&bare).expect("canonical");
    key.verify_strict(&message, &signature).expect("the signature holds");
    bare["client_id"] = json!("00000000-0000-4000-8000-000000000001");
    let other = serde_json_canonicalizer::to_vec(&bare).expect("canonical");
    assert!(key.verify_strict(&other, &signature).is_err(), "it is for one device alone");
}

#[tokio::test]
async fn a_poll_waits_until_a_command_is_given_and_the_event_stream_and_reports_say_so() {
    let app = TestApp::new().await;
    let (staff, device) = (app.api("support", Role::Support).await, app.device("d1").await);
    let mut events = device.listen().await;
    assert_eq!(events.next().await.map(|event| event.name), Some("hello".to_owned()));
    let poll = device.http().get("/control/commands?wait=20");
    let give = give(&staff, &device.client_id, "refresh_policy", json!({}));
    let (polled, id) = tokio::join!(poll, give);
    assert_eq!(polled.ok(200)["commands"][0]["id"], json!(id));
    let hint = events.next().await.expect("a hint");
    assert_eq!((hint.name.as_str(), &hint.data), ("command", &json!({"waiting": 1})));
    let reports = json!({"client_id": device.client_id, "reports": []});
    assert_eq!(device.http().post("/telemetry", &reports).await.ok(202)["commands_waiting"], 1);
    assert_eq!(device.http().get("/control/commands?wait=26").await.refusal(), "400 query_invalid wait");
    let again = device.http().get("/control/commands").await.ok(200);
    assert_eq!(again["commands"], json!([]), "not again at once");
}

#[tokio::test]
async fn a_command_that_cannot_be_given_or_taken_back_names_what_is_wrong_and_changes_nothing() {
    let app = TestApp::new().await;
    let (staff, viewer, device) =
        (app.api("support", Role::Support).await, app.api("look", Role::Viewer).await, app.device("d1").await);
    let path = format!("/api/v1/devices/{}/commands", device.client_id);
    let cases = [
        (json!({"kind": "mesh", "args": {"mode": "loud"}, "reason": REASON}), "400 envelope_invalid args.mode"),
        (
            json!({"kind": "mesh", "args": {"mode": "off", "broadcast_interval_ms": 1}, "reason": REASON}),
            "400 envelope_invalid args.broadcast_interval_ms",
        ),
        (json!({"kind": "mesh", "args": {"mode": "off"}, "reason": REASON}), "403 forbidden"),
        (json!({"kind": "upload_logs", "args": {"since": "now"}, "reason": REASON}), "400 envelope_invalid args.since"),
        (json!({"kind": "resync", "args": {"scopes": "all"}, "reason": REASON}), "400 envelope_invalid args.mode"),
        (json!({"kind": "refresh_policy", "reason": "short"}), "400 query_invalid reason"),
        (
            json!({"kind": "drain", "args": {"entries": [{"operation_id": "a", "action": "skip"}]}, "reason": REASON}),
            "400 query_invalid kind",
        ),
    ];
    for (body, refusal) in cases {
        assert_eq!(staff.post(&path, &body).await.refusal(), refusal, "{body}");
    }
    let good = json!({"kind": "refresh_policy", "reason": REASON});
    assert_eq!(viewer.post(&path, &good).await.refusal(), "403 forbidden");
    assert_eq!(
        staff.post("/api/v1/devices/00000000-0000-4000-8000-000000000001/commands", &good).await.refusal(),
        "404 not_found"
    );
    let operator = app.operator().await;
    assert_eq!(operator.post(&path, &good).await.refusal(), "403 cross_site_refused", "another site could have sent it");
    assert_eq!(staff.get(&path).await.ok(200)["rows"], json!([]));
    let id = give(&staff, &device.client_id, "refresh_policy", json!({})).await;
    let cancel = format!("/api/v1/commands/{id}/cancel");
    device.http().get("/control/commands").await.ok(200);
    device.http().post(&format!("/control/commands/{id}/status"), &json!({"state": "running"})).await.ok(200);
    assert_eq!(staff.post(&cancel, &json!({"reason": REASON})).await.refusal(), "409 command_under_way");
    let ended = staff.post(&cancel, &json!({"reason": REASON, "force": true})).await.ok(200);
    assert_eq!(ended["state"], "cancelled");
    assert_eq!(staff.post(&cancel, &json!({"reason": REASON, "force": true})).await.refusal(), "409 command_ended");
    let late = device.http().post(&format!("/control/commands/{id}/status"), &json!({"state": "done"})).await.ok(200);
    assert_eq!(late["state"], "cancelled");
}

#[tokio::test]
async fn an_upload_in_escrow_keeps_good_lines_names_bad_ones_and_can_be_sent_again() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let applied = intent("op-0", "n-0", "create", json!({"title": "sent"}));
    assert_eq!(device.push_statuses(std::slice::from_ref(&applied)).await, ["applied"]);
    let lines = [
        json!({"intent": intent("op-1", "n-1", "create", json!({"title": "one"})), "state": "poisoned", "error": {"code": "schema_invalid"}}),
        json!({"intent": {"operation_id": "op-2", "collection": "notes"}}),
        json!({"intent": applied}),
    ];
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let put =
        async |kind: &str, path: &str| device.http().post_with(path, &[("content-type", kind)], Bytes::from(body.clone())).await;
    let first = put("application/x-ndjson", "/control/escrow").await.ok(200);
    assert_eq!((&first["stored"], &first["duplicates"], &first["settled"]), (&json!(1), &json!(0), &json!(["op-0"])));
    assert_eq!(
        (&first["refused"][0]["line"], &first["refused"][0]["operation_id"], &first["refused"][0]["code"]),
        (&json!(2), &json!("op-2"), &json!("schema_invalid"))
    );
    let again = put("application/x-ndjson", "/control/escrow").await.ok(200);
    assert_eq!((&again["stored"], &again["duplicates"]), (&json!(0), &json!(1)));
    assert_eq!(put("application/json", "/control/escrow").await.refusal(), "415 media_type_unsupported");
    assert_eq!(put("application/x-ndjson", "/control/escrow?command=nothing").await.refusal(), "404 not_found");
    let huge = device.http().post_with(
        "/control/escrow",
        &[("content-type", "application/x-ndjson"), ("content-length", "99999999")],
        Bytes::new(),
    );
    assert_eq!(huge.await.refusal(), "413 body_too_large");
}

/// A tablet with the reference client. What it pushes passes a gateway that answers 422 for ever while one intent is among it.
pub(crate) struct Tablet {
    pub(crate) client: Client<MemoryJournal>,
    http: Visitor,
    pub(crate) jam: Option<String>,
    pub(crate) now: Millis,
    pub(crate) rng: SmallRng,
    pushes_refused: usize,
}

impl Tablet {
    pub(crate) async fn new(app: &TestApp) -> Self {
        let scopes = SCOPES.map(|scope| Scope::parse(scope).expect("valid")).to_vec();
        let kind = TokenKind::Enrolment { scopes };
        let token = app.service().token_create(&app.state().system_cx(), "tablets", kind).await.expect("a token");
        let config = Config {
            enrolment_token: Some(token),
            principal: "maya".to_owned(),
            platform: "ios".to_owned(),
            app_version: "4.2.0".to_owned(),
            schema_version: 1,
            scopes: Vec::new(),
            simulated: true,
            batch_entries: 100,
            page_rows: 500,
            acknowledged_limit: 100,
        };
        let client = Client::open(config, MemoryJournal::default()).expect("opens");
        let (now, rng) = (app.state().now(), SmallRng::seed_from_u64(7));
        Self { client, http: app.anonymous(), jam: None, now, rng, pushes_refused: 0 }
    }

    pub(crate) fn edit(&mut self, record: &str, op: MutationOp, fields: Value) -> String {
        self.edit_after(record, op, fields, &[])
    }

    /// An edit that depends on others.
    pub(crate) fn edit_after(&mut self, record: &str, op: MutationOp, fields: Value, others: &[&str]) -> String {
        let draft = Draft {
            collection: CollectionName::parse("notes").expect("valid"),
            record_id: RecordId::parse(record).expect("valid"),
            scope: Scope::parse("building:42").expect("valid"),
            op,
            fields: fields.as_object().expect("an object").clone(),
            priority: 3,
            deadline: None,
            depends_on: others.iter().map(|id| OperationId::parse(*id).expect("an id")).collect(),
        };
        self.client.enqueue(draft, self.now, &mut self.rng).expect("queued")
    }

    async fn exchange(&mut self, request: &Request) -> Reply {
        let body = request.body.clone().unwrap_or_default();
        let jam = self.jam.as_ref().map(|id| format!(r#""operation_id":"{id}""#));
        let jammed = jam.is_some_and(|jam| request.purpose == Purpose::Push && body.contains(&jam));
        if jammed {
            self.pushes_refused += 1;
            let body = json!({"code": "schema_invalid", "status": 422, "detail": "the gateway does not like it"});
            return Reply::Answer { status: 422, body, retry_after_ms: None, took_ms: 1.0 };
        }
        let kind = if request.purpose.is_lines() { "application/x-ndjson" } else { "application/json" };
        let method = if request.body.is_some() { Method::POST } else { Method::GET };
        let token = request.bearer.as_ref().map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", kind)];
        headers.extend(token.as_deref().map(|token| ("authorization", token)));
        let reply = self.http.send(self.http.request(method, &request.path, &headers, Bytes::from(body))).await;
        let body = serde_json::from_slice(reply.bytes()).unwrap_or(Value::Null);
        Reply::Answer { status: reply.status(), body, retry_after_ms: None, took_ms: 1.0 }
    }

    /// A round of the sync, and with `control` a look at the control channel, until nothing is left to do or it only goes in circles.
    pub(crate) async fn round(&mut self, control: bool) {
        self.client.round_begin();
        if control {
            self.client.control_begin();
        }
        for _ in 0..40 {
            match self.client.next_action(self.now, &mut self.rng).expect("the journal works") {
                Action::Send(request) => {
                    let reply = self.exchange(&request).await;
                    self.client.handle(reply, self.now, &mut self.rng).expect("the journal works");
                }
                Action::Wait(until) => self.now = until,
                Action::Idle => return,
                Action::Stopped(stop) => panic!("the client stopped: {stop:?}"),
            }
        }
    }

    pub(crate) fn waiting(&self) -> Vec<String> {
        self.client.state().outbox.entries().map(|entry| entry.intent.operation_id.clone()).collect()
    }

    /// Sends what it knows of itself, its outbox included.
    pub(crate) async fn report(&mut self) {
        let report = self.client.report(self.now, 1, json!({"device": {"name": "tablet"}}), &mut self.rng);
        let token = self.client.state().account.as_ref().expect("enrolled").access_token.clone();
        let device = self.http.clone().with_bearer(&token);
        device.post("/telemetry", &json!({"client_id": self.id().as_str(), "reports": [report]})).await.ok(202);
    }

    pub(crate) fn id(&self) -> ClientId {
        ClientId::parse(self.client.state().client_id.clone().expect("enrolled")).expect("an id")
    }
}

/// A tablet that has enrolled, and then queued an intent that its gateway never lets through, with three behind and beside it.
pub(crate) async fn jammed(app: &TestApp) -> (Tablet, Vec<String>) {
    let mut tablet = Tablet::new(app).await;
    tablet.round(false).await;
    let jam = tablet.edit("n-1", MutationOp::Create, json!({"title": "jam"}));
    let mut all = vec![jam.clone()];
    all.push(tablet.edit("n-2", MutationOp::Create, json!({"title": "two"})));
    all.push(tablet.edit("n-2", MutationOp::Update, json!({"title": "three"})));
    all.push(tablet.edit("n-3", MutationOp::Create, json!({"title": "four"})));
    tablet.jam = Some(jam);
    tablet.round(false).await;
    assert!(tablet.pushes_refused > 3, "the sync goes in circles");
    assert_eq!(tablet.waiting(), all, "and nothing gets out");
    (tablet, all)
}

#[tokio::test]
async fn a_tablet_whose_pushes_are_refused_for_ever_is_freed_by_a_drain_through_the_control_channel_alone() {
    let app = TestApp::new().await;
    let (mut tablet, all) = jammed(&app).await;
    let operation_id = OperationId::parse(all[0].as_str()).expect("an id");
    let order = CommandOrder {
        client_id: tablet.id(),
        order: Order::Drain(vec![EntryOrder { operation_id, action: DrainAction::Quarantine, patch: None }]),
        priority: 1,
        ttl_ms: DAY_MS,
        supersede_key: None,
    };
    let id = app.service().command_issue(&app.state().system_cx(), order, REASON).await.expect("given");
    tablet.round(true).await;
    assert_eq!(tablet.waiting(), [] as [&str; 0], "what was behind it flows");
    let staff = app.api("support", Role::Support).await;
    let command = staff.get(&format!("/api/v1/commands/{id}")).await.ok(200);
    assert_eq!((&command["state"], &command["result"]["entries"][0]["outcome"]), (&json!("done"), &json!("ok")));
    for applied in &all[1..] {
        let trace = staff.get(&format!("/api/v1/operations/{applied}")).await;
        assert_eq!(trace.status(), 200, "{applied} is in the log");
    }
    let kept = staff.get(&format!("/api/v1/operations/{}", all[0])).await;
    assert_eq!(kept.status(), 200, "the payload that was taken out is known here: {}", kept.text());
}

#[tokio::test]
async fn a_resync_puts_what_is_stuck_into_escrow_and_leaves_the_tablet_equal_to_the_store() {
    let app = TestApp::new().await;
    let other = app.device("d2").await;
    let (mut tablet, all) = jammed(&app).await;
    assert_eq!(other.push_statuses(&[intent("theirs", "n-9", "create", json!({"title": "new"}))]).await, ["applied"]);
    let staff = app.api("support", Role::Support).await;
    let client_id = tablet.id().into_string();
    let id = give(&staff, &client_id, "resync", json!({"scopes": "all", "mode": "refuse_if_pending"})).await;
    tablet.now = tablet.now.plus(MINUTE_MS);
    tablet.round(true).await;
    let refused = staff.get(&format!("/api/v1/commands/{id}")).await.ok(200);
    assert_eq!((&refused["state"], &refused["error"]["code"]), (&json!("failed"), &json!("pending")));
    assert_eq!(tablet.waiting(), all, "it let go of nothing");
    let id = give(&staff, &client_id, "resync", json!({"scopes": "all", "mode": "escrow"})).await;
    tablet.now = tablet.now.plus(MINUTE_MS);
    tablet.round(true).await;
    let done = staff.get(&format!("/api/v1/commands/{id}")).await.ok(200);
    assert_eq!((&done["state"], &done["result"]["escrowed"], &done["error"]), (&json!("done"), &json!(4), &Value::Null));
    assert_eq!(done["result"]["verified"], json!(true), "the digests were compared here: {done}");
    assert_eq!(tablet.waiting(), [] as [&str; 0]);
    let key = ("notes".to_owned(), "n-9".to_owned());
    assert!(tablet.client.state().visible(&key).is_some(), "the fresh copy has what others wrote");
    for escrowed in &all {
        assert_eq!(staff.get(&format!("/api/v1/operations/{escrowed}")).await.status(), 200, "{escrowed} is kept here");
    }
}

/// Files of the store in which a text stands.
fn files_with(app: &TestApp, text: &str) -> Vec<String> {
    let names = std::fs::read_dir(app.dir()).expect("a folder").map(|entry| entry.expect("an entry").path());
    let holds = |path: &std::path::PathBuf| {
        path.is_file() && String::from_utf8_lossy(&std::fs::read(path).expect("a file")).contains(text)
    };
    names.filter(holds).map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn a_payload_in_escrow_is_stored_sealed_and_applied_under_its_own_id() {
    const MARKER: &str = "blood type AB of Ada Lovelace";
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let line = json!({"intent": intent("op-1", "n-1", "create", json!({"title": MARKER})), "state": "queued"});
    let headers = [("content-type", "application/x-ndjson")];
    let put = device.http().post_with("/control/escrow", &headers, Bytes::from(format!("{line}\n"))).await.ok(200);
    assert_eq!(put["stored"], 1);
    roll(&app).await;
    assert_eq!(files_with(&app, MARKER), Vec::<String>::new());
    assert_eq!(app.verify().await, Vec::<String>::new());
    let staff = app.api("ci", Role::Operator).await;
    let entry = format!("/api/v1/outbox/entries/{}/op-1", device.client_id);
    let hidden = staff.get(&entry).await;
    assert!(hidden.status() == 200 && !hidden.text().contains(MARKER), "{}", hidden.text());
    staff.post(&format!("{entry}/reveal"), &json!({"reason": "the patient asked for it"})).await.ok(200);
    let shown = staff.get(&entry).await.text();
    assert!(shown.contains(MARKER), "{shown}");
    assert_eq!(staff.post(&format!("{entry}/dry-run"), &json!({})).await.ok(200)["status"], "applied");
    let found = staff.get("/api/v1/outbox/entries?q=payload.title:*lovelace%20state:escrowed").await.ok(200);
    assert_eq!((found["rows"].as_array().map(Vec::len), &found["rows"][0]["operation_id"]), (Some(1), &json!("op-1")), "{found}");
    let job = drained(&app, &staff, &order("retry", &json!({"filter": "state:escrowed"}))).await;
    assert_eq!(tally(&job), [1, 0, 0, 0, 0, 0], "{job}");
    let again = device.push(&[intent("op-1", "n-1", "create", json!({"title": MARKER}))]).await.ok(200);
    assert_eq!((&again["results"][0]["status"], &again["results"][0]["replayed"]), (&json!("applied"), &json!(true)), "{again}");
    assert_ne!(files_with(&app, MARKER), Vec::<String>::new(), "a change is in the log as every change");
}
