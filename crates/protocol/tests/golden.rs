//! Golden logs: what devices of nine kinds of apps sent, with what decided it. Deciding them again must write the same text;
//! a change of a policy shows as a difference here before it shows anywhere else. `TIDEWATCH_UPDATE_GOLDEN=1` writes them anew.

#[path = "golden/facades.rs"]
mod facades;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tidewatch_domain::engine::capture::{Captured, CapturedBatch, answered};
use tidewatch_domain::engine::{
    Batch, Catalogue, ClientKey, Collection, CollectionKey, Effects, LogState, Rules, ScopeKey, WorkingSet, batch_apply,
};
use tidewatch_domain::hlc::{Hlc, ServerClock, Ticks};
use tidewatch_domain::ids::{ClientId, CollectionName, Scope, Seq};
use tidewatch_domain::policy::Policy;
use tidewatch_domain::time::{MINUTE_MS, Millis};
use tidewatch_protocol::capture::{Again, CaptureCollection, Revisions, again, group_line, head_line};
use tidewatch_protocol::v1::mutations::push_read;

const NOW: Millis = Millis(1_763_000_000_000);
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

/// One batch: device, role, rank, minute of arrival, intents.
type Sent = (u8, Option<&'static str>, i64, i64, Vec<Value>);

/// An app: its scopes, collections by name and policy, and what its devices send.
struct App {
    name: &'static str,
    /// Scopes that every device may write.
    scopes: &'static [&'static str],
    policies: Vec<(&'static str, Value)>,
    sent: Vec<Sent>,
}

/// An intent: `edit(operation, op, "collection/record", minute of the edit, base version, payload)`.
fn edit(operation: &str, op: &str, record: &str, minute: i64, base: Option<i64>, payload: Value) -> Value {
    let (collection, record_id) = record.split_once('/').expect("collection/record");
    let stamp = Hlc { ticks: Ticks::at(NOW.plus(minute * MINUTE_MS)), node: "dev".to_owned() }.to_string();
    let mut intent = json!({"operation_id": operation, "op": op, "collection": collection, "record_id": record_id,
        "scope": "site:a", "logical_timestamp": stamp});
    if let Some(base) = base {
        intent["base_version"] = base.into();
    }
    if op != "delete" {
        intent[if op == "crdt" { "crdt" } else { "fields" }] = payload;
    }
    intent
}

/// Equipment of buildings, edited offline, whose updates carry no operation id worth the name and often no version.
fn equipment() -> App {
    App {
        name: "equipment",
        scopes: &["site:a"],
        policies: vec![("equipment", json!({"kind": "lww"})), ("buildings", json!({"kind": "lww", "clock": "server"}))],
        sent: vec![
            (1, None, 0, 0, vec![edit("e-1", "create", "equipment/pump", 0, None, json!({"status": "ok", "floor": 1}))]),
            (1, None, 0, 9, vec![edit("e-2", "update", "equipment/pump", 8, Some(1), json!({"status": "fault"}))]),
            (2, None, 0, 10, vec![edit("e-3", "update", "equipment/pump", 5, None, json!({"status": "off"}))]),
            (2, None, 0, 11, vec![edit("e-3", "update", "equipment/pump", 11, None, json!({"status": "off"}))]),
            (3, None, 0, 12, vec![edit("e-4", "delete", "equipment/pump", 7, None, json!(null))]),
            (1, None, 0, 12, vec![edit("e-5", "put", "buildings/b", 0, None, json!({"name": "A"}))]),
            (2, None, 0, 13, vec![edit("e-6", "put", "buildings/b", -500, None, json!({"name": "B"}))]),
            (2, None, 0, 14, vec![edit("e-7", "update", "buildings/none", 0, None, json!({"name": "B"}))]),
        ],
    }
}

/// Calls that several telephones record, each under its own id.
fn calls() -> App {
    let natural = json!({"exact": ["line_id", "ts", "number", "direction"], "tolerance": {"duration": 1},
        "normalise": {"number": "phone:49", "ts": "second"}});
    let call = |operation: &str, id: &str, number: &str, duration: i64| {
        let fields =
            json!({"line_id": 1, "ts": "2026-11-20T10:00:00.200Z", "number": number, "direction": "in", "duration": duration});
        edit(operation, "create", &format!("events/{id}"), 0, None, fields)
    };
    App {
        name: "calls",
        scopes: &["site:a"],
        policies: vec![
            ("events", json!({"kind": "append_only", "natural_key": natural})),
            ("contacts", json!({"kind": "lww_field"})),
        ],
        sent: vec![
            (1, None, 0, 0, vec![call("c-1", "a1", "+49 170 123", 10)]),
            (2, None, 0, 1, vec![call("c-2", "b1", "0170 123", 11), call("c-3", "b2", "0170 123", 12)]),
            (3, None, 0, 2, vec![call("c-4", "c1", "0049170123", 11)]),
            (2, None, 0, 3, vec![edit("c-5", "update", "events/b1", 3, None, json!({"duration": 1}))]),
            (1, None, 0, 4, vec![edit("c-6", "create", "contacts/x", 0, None, json!({"name": "Ann", "tel": "1"}))]),
            (1, None, 0, 9, vec![edit("c-7", "update", "contacts/x", 9, None, json!({"name": "Anna"}))]),
            (
                2,
                None,
                0,
                10,
                vec![edit("c-8", "update", "contacts/x", 5, None, json!({"name": "An", "tel": "2", "mail": "a@b"}))],
            ),
        ],
    }
}

/// Proposals with approvals, customers and content, each under the strategy that fits.
fn proposals() -> App {
    let guards = json!([{"name": "no_reopen", "deny": "old.status == 'approved' and new.status == 'draft'"},
        {"name": "large_sums", "require_approval": "new.sum > 1000 and role_rank < 50"}]);
    App {
        name: "proposals",
        scopes: &["site:a"],
        policies: vec![
            ("proposals", json!({"kind": "lww", "guards": guards})),
            ("approvals", json!({"kind": "higher_role_wins"})),
            ("customers", json!({"kind": "field_merge", "rules": {"visits": "sum_delta"}, "derive": {"label": "name"}})),
            ("content", json!({"kind": "version_control"})),
            ("finance", json!({"kind": "manual_review", "always": true})),
        ],
        sent: vec![
            (
                1,
                Some("sales"),
                1,
                0,
                vec![edit("p-1", "create", "proposals/a", 0, None, json!({"status": "approved", "sum": 10}))],
            ),
            (2, Some("sales"), 1, 1, vec![edit("p-2", "update", "proposals/a", 1, Some(1), json!({"status": "draft"}))]),
            (2, Some("sales"), 1, 2, vec![edit("p-3", "update", "proposals/a", 2, Some(1), json!({"sum": 5000}))]),
            (3, Some("manager"), 50, 3, vec![edit("p-4", "update", "proposals/a", 3, Some(1), json!({"sum": 5000}))]),
            (3, Some("manager"), 50, 4, vec![edit("p-5", "create", "approvals/a", 4, None, json!({"verdict": "yes"}))]),
            (1, Some("sales"), 1, 5, vec![edit("p-6", "update", "approvals/a", 5, None, json!({"verdict": "no"}))]),
            (
                1,
                None,
                0,
                6,
                vec![edit("p-7", "create", "customers/c", 6, None, json!({"name": "Ann", "visits": 1, "label": "?"}))],
            ),
            (1, None, 0, 7, vec![edit("p-8", "update", "customers/c", 7, Some(1), json!({"visits": 3}))]),
            (2, None, 0, 8, vec![edit("p-9", "update", "customers/c", 6, Some(1), json!({"visits": 2, "city": "Ulm"}))]),
            (1, None, 0, 9, vec![edit("p-10", "create", "content/t", 9, None, json!({"text": "one"}))]),
            (1, None, 0, 9, vec![edit("p-11", "update", "content/t", 9, Some(1), json!({"text": "two"}))]),
            (2, None, 0, 9, vec![edit("p-12", "update", "content/t", 8, Some(1), json!({"by": "b"}))]),
            (1, None, 0, 9, vec![edit("p-13", "create", "finance/f", 9, None, json!({"sum": 1}))]),
            (1, None, 0, 9, vec![edit("p-14", "update", "finance/f", 9, Some(1), json!({"sum": 2}))]),
        ],
    }
}

/// Todos whose second edit builds on the first before its answer came.
fn todos() -> App {
    let mut chained = edit("t-3", "update", "todos/a", 3, None, json!({"done": true}));
    chained["base_operation_id"] = "t-2".into();
    App {
        name: "todos",
        scopes: &["site:a"],
        policies: vec![("todos", json!({"kind": "field_merge", "delete": "stamp"}))],
        sent: vec![
            (1, None, 0, 0, vec![edit("t-1", "create", "todos/a", 0, None, json!({"title": "x", "done": false}))]),
            (1, None, 0, 2, vec![edit("t-2", "update", "todos/a", 2, Some(1), json!({"title": "y"})), chained]),
            (2, None, 0, 4, vec![edit("t-4", "update", "todos/a", 1, Some(1), json!({"title": "z", "note": "n"}))]),
            (2, None, 0, 5, vec![edit("t-5", "delete", "todos/a", 5, Some(4), json!(null))]),
            (1, None, 0, 6, vec![edit("t-6", "update", "todos/a", 4, Some(3), json!({"title": "late"}))]),
            (
                1,
                None,
                0,
                7,
                vec![json!({"operation_id": "t-7", "op": "burn", "collection": "todos", "record_id": "a", "scope": "site:a"})],
            ),
        ],
    }
}

/// Operations of a field service: counters and sets beside plain fields, and a deadline that has passed.
fn field_service() -> App {
    let mut late = edit("o-5", "update", "jobs/j", 5, None, json!({"state": "late"}));
    late["deadline"] = "2025-01-01T00:00:00Z".into();
    App {
        name: "field_service",
        scopes: &["site:a"],
        policies: vec![("jobs", json!({"kind": "crdt", "crdt": {"parts": "counter", "tags": "set", "log": "opaque"}}))],
        sent: vec![
            (1, None, 0, 0, vec![edit("o-1", "create", "jobs/j", 0, None, json!({"state": "open"}))]),
            (
                1,
                None,
                0,
                1,
                vec![edit("o-2", "crdt", "jobs/j", 1, None, json!({"type": "counter", "field": "parts", "delta": 2}))],
            ),
            (
                2,
                None,
                0,
                2,
                vec![edit("o-3", "crdt", "jobs/j", 0, None, json!({"type": "set", "field": "tags", "add": ["urgent"]}))],
            ),
            (2, None, 0, 3, vec![edit("o-4", "update", "jobs/j", 3, Some(1), json!({"state": "done"})), late]),
            (
                3,
                None,
                0,
                4,
                vec![edit(
                    "o-6",
                    "crdt",
                    "jobs/j",
                    4,
                    None,
                    json!({"type": "set", "field": "tags", "remove": [{"value": "urgent", "tags": ["o-3"]}]}),
                )],
            ),
            (
                3,
                None,
                0,
                4,
                vec![edit("o-7", "crdt", "jobs/j", 4, None, json!({"type": "opaque", "field": "log", "value": ["a", 1]}))],
            ),
            (
                3,
                None,
                0,
                5,
                vec![edit("o-8", "crdt", "jobs/j", 4, None, json!({"type": "counter", "field": "tags", "delta": 1}))],
            ),
        ],
    }
}

fn policies(app: &App) -> Vec<CaptureCollection> {
    let one = |(name, policy): &(&str, Value)| CaptureCollection {
        name: CollectionName::parse(*name).expect("a name"),
        revisions: vec![(1, policy.to_string()), (2, json!({"kind": "lww", "clock": "server"}).to_string())],
    };
    app.policies.iter().map(one).collect()
}

/// Decides what an app sends, batch by batch, and captures it.
fn captured(app: &App) -> String {
    let catalogue: Catalogue = (1..)
        .zip(policies(app))
        .map(|(key, known)| {
            let policy = Policy::parse(&known.revisions[0].1).expect("a policy");
            (known.name.clone(), Arc::new(Collection { key: CollectionKey(key), name: known.name, policy, policy_rev: 1 }))
        })
        .collect();
    let catalogue = Arc::new(catalogue);
    let scopes = app.scopes.iter().map(|name| Scope::parse(*name).expect("a scope")).zip((1..).map(ScopeKey));
    let scopes = Arc::new(scopes.collect::<HashMap<_, _>>());
    let mut log = LogState { head: Seq(1), chain: [0; 32], clock: ServerClock::default(), conflict_id: 0, committed: NOW };
    let (mut set, mut effects) = (WorkingSet::default(), Effects::default());
    let mut out = head_line(&policies(app)) + "\n";
    for (device, role, role_rank, minute, intents) in &app.sent {
        let client_id = format!("0192f0c1-7b1e-7c3a-9d2e-{device:012x}");
        let body = json!({"protocol": 1, "client_id": client_id, "schema_version": 2, "mutations": intents}).to_string();
        let intents = push_read(body.as_bytes()).expect("an envelope").push.intents;
        let batch = CapturedBatch {
            client: ClientKey(i64::from(*device)),
            client_id: ClientId::parse(client_id).expect("a UUID"),
            role: role.map(str::to_owned),
            role_rank: *role_rank,
            scopes: Arc::clone(&scopes),
            now: NOW.plus(minute * MINUTE_MS),
            rules: Rules::default(),
            intents,
        };
        let (before, seen) = (log, set.clone());
        let asked = Batch {
            client: batch.client,
            client_id: &batch.client_id,
            role: *role,
            role_rank: *role_rank,
            scopes: &scopes,
            now: batch.now,
            intents: &batch.intents,
            rules: Rules::default(),
        };
        let answer = answered(&batch_apply(&mut log, &mut set, &catalogue, &asked, &mut effects));
        let group = Captured { before, set: seen, catalogue: Arc::clone(&catalogue), batches: vec![batch], after: log };
        out.push_str(&group_line(&group, &[answer]));
        out.push('\n');
    }
    out
}

fn decided_again(log: &str, rev: Option<i64>) -> Vec<Again> {
    let mut lines = log.lines();
    let mut revisions = Revisions::default();
    revisions.read(lines.next().expect("a first line")).expect("names collections");
    let instead = rev.map(|rev| revisions.of(rev)).unwrap_or_default();
    lines.map(|line| again(line, &revisions, &instead).expect("a group")).collect()
}

fn apps() -> [App; 9] {
    let translated = [facades::arxos(), facades::asyncstorage(), facades::posalpro(), facades::prism()];
    let [one, two, three, four] = translated;
    [equipment(), calls(), proposals(), todos(), field_service(), one, two, three, four]
}

#[test]
fn golden_logs_are_decided_the_same_way_to_the_byte() {
    for app in apps() {
        let (found, file) = (captured(&app), format!("{FOLDER}/{}.ndjson", app.name));
        if std::env::var_os("TIDEWATCH_UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, &found).expect("the log is written");
        }
        let golden = std::fs::read_to_string(&file).expect("a golden log");
        for (number, (found, golden)) in found.lines().zip(golden.lines()).enumerate() {
            assert_eq!(found, golden, "{} line {}", app.name, number + 1);
        }
        assert_eq!(found.lines().count(), golden.lines().count());
    }
}

#[test]
fn a_replay_of_a_golden_log_finds_no_difference() {
    for app in apps() {
        let golden = std::fs::read_to_string(format!("{FOLDER}/{}.ndjson", app.name)).expect("a golden log");
        let groups = decided_again(&golden, None);
        assert_eq!(groups.len(), app.sent.len());
        for group in groups {
            assert!(group.same_log && group.differences.is_empty(), "{}: {:?}", app.name, group.differences);
        }
    }
}

#[test]
fn a_replay_under_another_revision_says_what_would_differ() {
    let log = captured(&proposals());
    let differences: Vec<String> =
        decided_again(&log, Some(2)).iter().flat_map(|group| &group.differences).map(ToString::to_string).collect();
    insta::assert_snapshot!(differences.join("\n"));
}

#[test]
fn what_is_no_capture_is_refused() {
    let log = captured(&todos());
    let (head, rest) = log.split_once('\n').expect("lines");
    let mut revisions = Revisions::default();
    assert!(revisions.read("{}").is_err());
    assert!(revisions.read(&head.replace("\"capture\":1", "\"capture\":9")).is_err());
    let group = rest.lines().next().expect("a group");
    let none = HashMap::new();
    assert_eq!(again(group, &revisions, &none).expect_err("refused").0, "revision 1 of `todos` is not in the capture");
    revisions.read(head).expect("reads");
    for (from, to) in [("\"head\":1", "\"head\":x"), ("\"chain\":\"0", "\"chain\":\"z"), ("\"intents\":[", "\"intents\":[{},")] {
        assert!(again(&group.replacen(from, to, 1), &revisions, &none).is_err(), "{from}");
    }
}
