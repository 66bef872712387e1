//! The sync machine against scripted answers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;
use tidewatch_domain::ids::{CollectionName, RecordId, Scope};
use tidewatch_domain::sync::MutationOp;

use super::*;
use crate::journal::MemoryJournal;

/// A client with a clock and dice, and the verbs of a test.
pub(super) struct Bench {
    pub(super) client: Client<MemoryJournal>,
    pub(super) now: Millis,
    pub(super) rng: ChaCha8Rng,
}

pub(super) fn config() -> Config {
    Config {
        enrolment_token: Some("enrol".into()),
        principal: "maya".into(),
        platform: "ios".into(),
        app_version: "4.2.0".into(),
        schema_version: 1,
        scopes: Vec::new(),
        simulated: true,
        batch_entries: 100,
        page_rows: 500,
        acknowledged_limit: 100,
    }
}

impl Bench {
    fn new() -> Self {
        let client = Client::open(config(), MemoryJournal::default()).expect("opens");
        Self { client, now: Millis(1_700_000_000_000), rng: ChaCha8Rng::seed_from_u64(9) }
    }

    pub(super) fn enrolled() -> Self {
        let mut bench = Self::new();
        bench.client.round_begin();
        bench.expect(Purpose::Register);
        bench.answer(201, json!({"client_id": "0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e", "access_token": "a1", "access_expires_in_s": 900_000, "refresh_token": "r1"}));
        bench.expect(Purpose::Pull);
        bench.answer(200, page("c1", &[], Some(true)));
        assert_eq!(bench.next(), Action::Idle);
        bench
    }

    pub(super) fn next(&mut self) -> Action {
        self.client.next_action(self.now, &mut self.rng).expect("the journal works")
    }

    #[track_caller]
    pub(super) fn expect(&mut self, purpose: Purpose) -> Request {
        match self.next() {
            Action::Send(request) if request.purpose == purpose => request,
            other => panic!("expected {purpose:?}, got {other:?}"),
        }
    }

    pub(super) fn answer(&mut self, status: u16, body: Value) -> Handled {
        let reply = Reply::Answer { status, body, retry_after_ms: None, took_ms: 12.0 };
        self.client.handle(reply, self.now, &mut self.rng).expect("the journal works")
    }

    pub(super) fn lose(&mut self) {
        let reply = Reply::Lost { detail: "connection reset".into() };
        self.client.handle(reply, self.now, &mut self.rng).expect("the journal works");
    }

    /// Lets any backoff pass.
    pub(super) fn later(&mut self) {
        self.now = self.now.plus(120_000);
    }

    pub(super) fn edit(&mut self, record: &str, op: MutationOp, fields: Value) -> String {
        let draft = Draft {
            collection: CollectionName::parse("todos").expect("valid"),
            record_id: RecordId::parse(record).expect("valid"),
            scope: Scope::parse("site:a").expect("valid"),
            op,
            fields: fields.as_object().expect("an object").clone(),
            priority: 3,
            deadline: None,
            depends_on: Vec::new(),
        };
        self.client.enqueue(draft, self.now, &mut self.rng).expect("queued")
    }

    pub(super) fn push(&mut self, status: u16, body: Value) -> Handled {
        self.client.round_begin();
        self.expect(Purpose::Push);
        self.answer(status, body)
    }

    pub(super) fn restart_after_crash(self) -> Self {
        let mut rng = self.rng;
        let mut journal = self.client.into_journal();
        journal.crash(&mut rng);
        Self { client: Client::open(config(), journal).expect("opens"), now: self.now, rng }
    }

    pub(super) fn outbox(&self) -> Vec<&str> {
        self.client.state().outbox.entries().map(|entry| entry.intent.operation_id.as_str()).collect()
    }

    fn poisoned(&self) -> Vec<&str> {
        self.client
            .state()
            .outbox
            .entries()
            .filter(|entry| entry.poisoned)
            .map(|entry| entry.intent.operation_id.as_str())
            .collect()
    }
}

pub(super) fn page(cursor: &str, changes: &[Value], complete: Option<bool>) -> Value {
    json!({"cursor": cursor, "has_more": false, "changes": changes, "snapshot": complete.map(|complete| json!({"complete": complete}))})
}

pub(super) fn results(results: &[Value]) -> Value {
    json!({ "results": results })
}

fn mutations(request: &Request) -> Vec<Value> {
    let body: Value = serde_json::from_str(request.body.as_deref().expect("a body")).expect("JSON");
    body["mutations"].as_array().expect("a list").clone()
}

#[test]
fn an_intent_survives_a_crash_and_goes_out_again_in_the_same_bytes() {
    let mut bench = Bench::enrolled();
    let operation = bench.edit("a", MutationOp::Create, json!({"title": "one"}));
    bench.client.round_begin();
    let sent = mutations(&bench.expect(Purpose::Push));
    bench.lose();
    let mut bench = bench.restart_after_crash();
    assert_eq!(bench.outbox(), [operation.as_str()]);
    bench.client.round_begin();
    assert_eq!(mutations(&bench.expect(Purpose::Push)), sent);
}

#[test]
fn an_edit_is_based_on_the_own_pending_intent_and_otherwise_on_the_confirmed_version() {
    let mut bench = Bench::enrolled();
    let first = bench.edit("a", MutationOp::Create, json!({"title": "one"}));
    bench.edit("a", MutationOp::Update, json!({"title": "two"}));
    bench.client.round_begin();
    let sent = mutations(&bench.expect(Purpose::Push));
    assert_eq!(sent[0].get("base_version"), None);
    assert_eq!(sent[1]["base_operation_id"], json!(first));
    let second = sent[1]["operation_id"].as_str().expect("an id").to_owned();
    bench.answer(
        200,
        results(&[
            json!({"operation_id": first, "status": "applied", "version": 1, "seq": 2}),
            json!({"operation_id": second, "status": "applied", "version": 2, "seq": 3}),
        ]),
    );
    bench.edit("a", MutationOp::Update, json!({"title": "three"}));
    assert_eq!(mutations(&bench.expect(Purpose::Push))[0]["base_version"], json!(2));
}

#[test]
fn a_merged_answer_leaves_the_stores_record_in_sight() {
    let mut bench = Bench::enrolled();
    let operation = bench.edit("a", MutationOp::Create, json!({"title": "mine"}));
    bench.push(
        200,
        results(&[
            json!({"operation_id": operation, "status": "merged", "version": 4, "seq": 9, "record": {"title": "theirs", "n": 1},
        "resolution": {"lost": ["title"]}}),
        ]),
    );
    let key = ("todos".to_owned(), "a".to_owned());
    assert_eq!(bench.client.state().visible(&key).map(Value::Object), Some(json!({"title": "theirs", "n": 1})));
    assert_eq!(bench.client.link().conflicts, 1);
}

#[test]
fn a_feed_row_does_not_hide_a_pending_edit_and_is_there_once_the_edit_is_answered() {
    let mut bench = Bench::enrolled();
    bench.client.round_begin();
    bench.expect(Purpose::Pull);
    let row = |seq: i64, version: i64, title: &str| {
        json!({"seq": seq, "op": "put", "collection": "todos", "record_id": "a", "scope": "site:a",
        "version": version, "operation_id": "x", "fields": {"title": title, "n": version}})
    };
    bench.answer(200, page("c2", &[row(2, 1, "first")], None));
    let operation = bench.edit("a", MutationOp::Update, json!({"title": "mine"}));
    bench.client.round_begin();
    bench.expect(Purpose::Push);
    bench.lose();
    bench.later();
    bench.expect(Purpose::Push);
    bench.answer(
        200,
        results(&[
            json!({"operation_id": operation, "status": "deferred", "problem": {"code": "in_flight", "retry_after_ms": 5_000}}),
        ]),
    );
    bench.expect(Purpose::Pull);
    bench.answer(200, page("c3", &[row(3, 2, "theirs")], None));
    let key = ("todos".to_owned(), "a".to_owned());
    assert_eq!(bench.client.state().visible(&key).map(Value::Object), Some(json!({"title": "mine", "n": 2})));
    bench.later();
    bench.push(
        200,
        results(&[
            json!({"operation_id": operation, "status": "superseded", "version": 2, "record": {"title": "theirs", "n": 2}}),
        ]),
    );
    assert_eq!(bench.client.state().visible(&key).map(Value::Object), Some(json!({"title": "theirs", "n": 2})));
}

#[test]
fn a_rejected_intent_is_poisoned_and_keeps_its_reason_over_a_crash() {
    let mut bench = Bench::enrolled();
    let bad = bench.edit("a", MutationOp::Create, json!({"n": "text"}));
    let behind = bench.edit("a", MutationOp::Update, json!({"n": 1}));
    bench.push(200, results(&[json!({"operation_id": bad, "status": "rejected", "problem": {"code": "schema_invalid", "status": 422, "detail": "n must be a number"}})]));
    assert_eq!(bench.poisoned(), [bad.as_str()]);
    bench.client.journal.append(b"", true).expect("makes all before it durable");
    let report = bench.client.report(bench.now, 1, json!({}), &mut bench.rng);
    let entries = report["outbox"]["entries"].as_array().expect("entries");
    assert_eq!((&entries[0]["state"], &entries[0]["error"]["code"]), (&json!("poisoned"), &json!("schema_invalid")));
    assert_eq!((&entries[1]["state"], &entries[1]["operation_id"]), (&json!("waiting"), &json!(behind)));
}

#[test]
fn a_deferred_intent_waits_its_time_and_does_not_count_as_failed() {
    let mut bench = Bench::enrolled();
    let operation = bench.edit("a", MutationOp::Create, json!({}));
    bench.push(200, results(&[json!({"operation_id": operation, "status": "deferred", "problem": {"code": "dependency_missing", "retry_after_ms": 2_000}})]));
    let entry = bench.client.state().outbox.get(&operation).expect("kept");
    assert_eq!((entry.attempts, entry.next_attempt_at), (0, Some(bench.now.plus(2_000))));
    bench.expect(Purpose::Pull);
    bench.answer(200, page("c2", &[], None));
    bench.client.round_begin();
    bench.expect(Purpose::Pull);
}

#[test]
fn an_unknown_status_stops_the_client_and_loses_nothing() {
    let mut bench = Bench::enrolled();
    let operation = bench.edit("a", MutationOp::Create, json!({}));
    bench.push(200, results(&[json!({"operation_id": operation, "status": "blessed"})]));
    assert_eq!(bench.next(), Action::Stopped(Stop::NeedsUpgrade("unknown status blessed".into())));
    assert_eq!(bench.outbox(), [operation.as_str()]);
}

#[test]
fn five_server_errors_on_one_intent_alone_poison_it_and_outages_never_do() {
    let mut bench = Bench::enrolled();
    let culprit = bench.edit("a", MutationOp::Create, json!({}));
    bench.client.round_begin();
    for status in [503, 429, 502, 507, 500, 500, 500, 500] {
        bench.expect(Purpose::Push);
        bench.answer(status, json!({"code": "internal"}));
        assert!(bench.poisoned().is_empty(), "{status}");
        bench.later();
    }
    bench.expect(Purpose::Push);
    bench.answer(500, json!({"code": "internal"}));
    assert_eq!(bench.poisoned(), [culprit.as_str()]);
}

#[test]
fn a_server_error_on_a_batch_is_narrowed_down_to_the_culprit() {
    let mut bench = Bench::enrolled();
    let ids: Vec<String> = (0..8).map(|n| bench.edit(&format!("r{n}"), MutationOp::Create, json!({}))).collect();
    bench.client.round_begin();
    for _ in 0..40 {
        let Action::Send(request) = bench.next() else { break };
        if request.purpose != Purpose::Push {
            bench.answer(200, page("c2", &[], None));
            continue;
        }
        let sent: Vec<String> =
            mutations(&request).iter().map(|m| m["operation_id"].as_str().expect("an id").to_owned()).collect();
        if sent.contains(&ids[0]) {
            bench.answer(500, json!({"code": "internal"}));
        } else {
            bench.answer(
                200,
                results(
                    &sent.iter().map(|id| json!({"operation_id": id, "status": "applied", "version": 1})).collect::<Vec<_>>(),
                ),
            );
        }
        bench.later();
    }
    assert_eq!(bench.outbox(), [ids[0].as_str()]);
    assert_eq!(bench.poisoned(), [ids[0].as_str()]);
}

#[test]
fn a_refused_token_is_renewed_once_and_the_request_repeated() {
    let mut bench = Bench::enrolled();
    let operation = bench.edit("a", MutationOp::Create, json!({}));
    bench.push(401, json!({"code": "token_expired"}));
    let refresh = bench.expect(Purpose::Refresh);
    assert_eq!(refresh.body.as_deref(), Some(r#"{"refresh_token":"r1"}"#));
    bench.answer(200, json!({"access_token": "a2", "access_expires_in_s": 900, "refresh_token": "r2"}));
    assert_eq!(bench.expect(Purpose::Push).bearer.as_deref(), Some("a2"));
    bench.answer(401, json!({"code": "token_expired"}));
    assert!(matches!(bench.next(), Action::Wait(_)), "a second refusal backs off instead of turning in circles");
    assert_eq!(bench.outbox(), [operation.as_str()]);
}

#[test]
fn a_refused_refresh_falls_back_to_enrolment_under_the_same_id() {
    let mut bench = Bench::enrolled();
    bench.push_none(401);
    bench.expect(Purpose::Refresh);
    bench.answer(401, json!({"code": "token_expired"}));
    bench.later();
    let register = bench.expect(Purpose::Register);
    let body: Value = serde_json::from_str(register.body.as_deref().expect("a body")).expect("JSON");
    assert_eq!(body["client_id"], json!("0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e"));
    assert_eq!(register.bearer.as_deref(), Some("enrol"));
}

impl Bench {
    fn push_none(&mut self, status: u16) {
        self.client.round_begin();
        self.expect(Purpose::Pull);
        self.answer(status, json!({"code": "token_expired"}));
    }
}

#[test]
fn a_lost_position_is_scanned_anew_and_the_outbox_kept() {
    let mut bench = Bench::enrolled();
    let settled = bench.edit("a", MutationOp::Create, json!({"n": 1}));
    bench.push(200, results(&[json!({"operation_id": settled, "status": "applied", "version": 1, "seq": 40})]));
    let pending = bench.edit("b", MutationOp::Create, json!({"n": 2}));
    bench.expect(Purpose::Push);
    bench.lose();
    bench.later();
    bench.expect(Purpose::Push);
    bench.answer(200, results(&[json!({"operation_id": pending, "status": "deferred", "problem": {"retry_after_ms": 1}})]));
    bench.expect(Purpose::Pull);
    bench.answer(410, json!({"code": "cursor_epoch_mismatch", "fork_seq": 30}));
    assert_eq!(bench.outbox(), [settled.as_str(), pending.as_str()], "what the lost tail held goes out again");
    bench.later();
    bench.expect(Purpose::Push);
    bench.answer(
        200,
        results(&[settled, pending].map(|id| json!({"operation_id": id, "status": "applied", "version": 1, "seq": 31}))),
    );
    let scan = bench.expect(Purpose::Pull);
    assert!(scan.path.starts_with("/changes?since=0&") && scan.path.contains("compact=true"), "{}", scan.path);
}

#[test]
fn a_page_and_its_cursor_survive_a_crash_together_or_not_at_all() {
    for seed in 0..32 {
        let mut bench = Bench::enrolled();
        bench.rng = ChaCha8Rng::seed_from_u64(seed);
        bench.client.round_begin();
        bench.expect(Purpose::Pull);
        let row = json!({"seq": 2, "op": "create", "collection": "todos", "record_id": "a", "scope": "site:a", "version": 1, "operation_id": "x", "fields": {"n": 1}});
        bench.answer(200, page("c2", &[row], None));
        let bench = bench.restart_after_crash();
        let replica = &bench.client.state().replica;
        let seen = (replica.cursor() == Some("c2"), replica.live().count() == 1);
        assert!(seen.0 == seen.1, "seed {seed}: cursor moved {}, rows there {}", seen.0, seen.1);
    }
}

#[test]
fn a_report_that_fails_does_not_hold_up_the_next_round() {
    let mut bench = Bench::enrolled();
    let report = bench.client.report(bench.now, 1, json!({"device": {"name": "LOW-TAB-0412"}}), &mut bench.rng);
    assert_eq!(report.pointer("/sync/oldest_pending_at"), None, "what is not known is left out");
    bench.client.report_enqueue(&report);
    bench.expect(Purpose::Report);
    bench.answer(503, json!({"code": "writer_overloaded"}));
    bench.client.round_begin();
    bench.expect(Purpose::Pull);
    bench.answer(304, Value::Null);
    assert_eq!(bench.next(), Action::Idle);
    bench.later();
    bench.expect(Purpose::Report);
    bench.answer(202, json!({"accepted": 1, "duplicates": 0, "rejected": []}));
    assert_eq!(bench.client.reports_waiting(), 0);
}

#[test]
fn a_compacted_journal_holds_the_same_state() {
    let mut bench = Bench::enrolled();
    for n in 0..6 {
        bench.edit(&format!("r{n}"), MutationOp::Create, json!({"n": n}));
    }
    let ids: Vec<String> = bench.outbox().into_iter().map(str::to_owned).collect();
    bench.push(
        200,
        results(&[
            json!({"operation_id": ids[0], "status": "applied", "version": 1, "seq": 2}),
            json!({"operation_id": ids[1], "status": "rejected", "problem": {"code": "schema_invalid"}}),
        ]),
    );
    bench.client.compact_above = 0;
    bench.client.compact_if_worth_it().expect("compacts");
    let before = format!("{:?}", bench.client.state().replica);
    let bench = bench.restart_after_crash();
    assert_eq!(format!("{:?}", bench.client.state().replica), before);
    assert_eq!(bench.outbox(), ids[1..].iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(bench.poisoned(), [ids[1].as_str()]);
    assert_eq!(bench.client.state().client_seq, 6);
}
