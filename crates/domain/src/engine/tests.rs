//! The engine over hand-made working sets: dedupe, bases, no-ops, refusals and the chain.

use serde_json::json;

mod moves;
mod order;
mod restate;
mod settling;
mod together;

use super::*;
use crate::json::body_text;
use crate::sync::{Base, MutationOp};

mod policies;

/// A recording of the same call by two devices is one call.
const CALLS: &str = r#"{"kind":"append_only","natural_key":{"exact":["line","number","at"],"tolerance":{"duration":1},"normalise":{"number":"phone:49","at":"second"}}}"#;
const CONTRACTS: &str = r#"{"kind":"lww","guards":[
    {"name":"no_reopen","deny":"old.status == 'approved' and new.status == 'draft'"},
    {"name":"managers_delete","role":["manager"],"when":"op == 'delete'"},
    {"name":"large_sums","require_approval":"new.sum > 1000 and role_rank < 50"}]}"#;

const NOW: Millis = Millis(1_763_000_000_000);

/// A small world: collections by policy, two devices, one scope.
struct World {
    log: LogState,
    set: WorkingSet,
    catalogue: Catalogue,
    scopes: HashMap<Scope, ScopeKey>,
    effects: Effects,
}

impl World {
    fn new() -> Self {
        let policies = [
            ("assets", r#"{"kind":"lww"}"#),
            ("arrivals", r#"{"kind":"lww","clock":"server"}"#),
            ("orders", r#"{"kind":"field_merge","delete":"update_wins"}"#),
            ("approvals", r#"{"kind":"manual_review"}"#),
            ("settings", r#"{"kind":"client_resolves"}"#),
            ("readings", r#"{"kind":"lww","fields":{"reading":"number"}}"#),
            ("profiles", r#"{"kind":"lww_field"}"#),
            ("reviews", r#"{"kind":"higher_role_wins"}"#),
            ("articles", r#"{"kind":"version_control"}"#),
            ("calls", CALLS),
            ("invoices", r#"{"kind":"field_merge","derive":{"total":"sum(lines.amount)","vat":"total / 5"}}"#),
            ("contracts", CONTRACTS),
            ("tasks", r#"{"kind":"lww","commands":{"close":{"set":{"state":"closed"},"takes":{"note":"string"}}}}"#),
        ];
        let catalogue = policies.into_iter().zip(1..).map(|((name, policy), key)| {
            let name = CollectionName::parse(name).expect("a name");
            let policy = Policy::parse(policy).expect("a policy");
            (name.clone(), Arc::new(Collection { key: CollectionKey(key), name, policy, policy_rev: 3 }))
        });
        let log = LogState { head: Seq(1), chain: [0; 32], clock: ServerClock::default(), conflict_id: 0, committed: NOW };
        let scope = |text: &str| Scope::parse(text).expect("a scope");
        Self {
            log,
            set: WorkingSet::default(),
            catalogue: catalogue.collect(),
            scopes: HashMap::from([(scope("site:a"), ScopeKey(1)), (scope("site:b"), ScopeKey(2))]),
            effects: Effects::default(),
        }
    }

    fn send(&mut self, from: u32, at: Millis, mutation: Mutation) -> IntentResult {
        self.send_as(from, (None, 0), at, mutation)
    }

    fn send_as(&mut self, from: u32, role: (Option<&str>, i64), at: Millis, mutation: Mutation) -> IntentResult {
        let client_id = ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{from:012x}")).expect("a UUID");
        let intents = [Intent::Valid(Box::new(mutation))];
        let batch = Batch {
            client: ClientKey(i64::from(from)),
            client_id: &client_id,
            role: role.0,
            role_rank: role.1,
            scopes: &self.scopes,
            now: at,
            intents: &intents,
            rules: Rules::default(),
        };
        batch_apply(&mut self.log, &mut self.set, &self.catalogue, &batch, &mut self.effects)
            .expect("an ordinary batch is never refused")
            .results
            .remove(0)
    }

    /// A batch with rules of its own.
    fn send_all(&mut self, from: u32, rules: Rules, intents: &[Intent]) -> Result<Decided, BatchRefusal> {
        let client_id = ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{from:012x}")).expect("a UUID");
        let client = ClientKey(i64::from(from));
        let batch =
            Batch { client, client_id: &client_id, role: None, role_rank: 0, scopes: &self.scopes, now: NOW, intents, rules };
        batch_apply(&mut self.log, &mut self.set, &self.catalogue, &batch, &mut self.effects)
    }

    /// Statuses and codes of an ordinary batch, each in one word.
    fn words(&mut self, from: u32, intents: &[Intent]) -> Vec<String> {
        words(&self.send_all(from, Rules::default(), intents).expect("not refused").results)
    }

    fn body(&self, collection: i64, record: &str) -> Option<&str> {
        let key = (CollectionKey(collection), RecordId::parse(record).expect("an id"));
        self.set.records.get(&key).and_then(|record| record.body.as_deref())
    }
}

fn intent(id: &str, op: MutationOp, collection: &str, fields: serde_json::Value) -> Mutation {
    Mutation {
        operation_id: OperationId::parse(id).expect("an id"),
        idempotency_key: IdempotencyKey::parse(id).expect("a key"),
        client_seq: None,
        collection: CollectionName::parse(collection).expect("a name"),
        record_id: RecordId::parse("r-1").expect("an id"),
        scope: Scope::parse("site:a").expect("a scope"),
        op,
        base: Base::Unknown,
        fields: fields.as_object().cloned().unwrap_or_default(),
        logical_timestamp: None,
        created_at: None,
        priority: 3,
        deadline: None,
        schema_version: 1,
        terms: None,
        raw: format!("{{\"operation_id\":\"{id}\"}}"),
    }
}

fn valid(mutation: Mutation) -> Intent {
    Intent::Valid(Box::new(mutation))
}

fn at_record(record: &str, mutation: Mutation) -> Mutation {
    Mutation { record_id: RecordId::parse(record).expect("an id"), ..mutation }
}

fn with_terms(change: impl FnOnce(&mut crate::sync::Terms), mutation: Mutation) -> Mutation {
    let mut terms = mutation.terms.clone().unwrap_or_default();
    change(&mut terms);
    Mutation { terms: Some(terms), ..mutation }
}

fn after(parents: &[&str], mutation: Mutation) -> Mutation {
    let ids = parents.iter().map(|id| OperationId::parse(*id).expect("an id")).collect();
    with_terms(|terms| terms.depends_on = ids, mutation)
}

fn grouped(name: &str, mutation: Mutation) -> Mutation {
    let name = crate::ids::GroupName::parse(name).expect("a name");
    with_terms(|terms| terms.group = Some(name), mutation)
}

fn counted(seq: i64, mutation: Mutation) -> Mutation {
    Mutation { client_seq: Some(seq), ..mutation }
}

/// One word a result: its status, its code after a colon, `again` when it is a repeated answer.
fn words(results: &[IntentResult]) -> Vec<String> {
    let word = |result: &IntentResult| {
        let code = result.problem.as_ref().map(|problem| format!(":{}", problem.code)).unwrap_or_default();
        format!("{}{code}{}", result.status.as_str(), if result.replayed { " again" } else { "" })
    };
    results.iter().map(word).collect()
}

fn on(version: i64, mutation: Mutation) -> Mutation {
    Mutation { base: Base::Version(Version(version)), ..mutation }
}

fn stamped(at: Millis, mutation: Mutation) -> Mutation {
    let stamp = Hlc { ticks: crate::hlc::Ticks::at(at), node: "dev".to_owned() };
    Mutation { logical_timestamp: Some(stamp.to_string()), ..mutation }
}

use MutationOp::{Create, Delete, Put, Update};

fn code(result: &IntentResult) -> &'static str {
    result.problem.as_ref().map_or("", |problem| problem.code)
}

#[test]
fn a_retry_may_stamp_anew_but_not_mean_something_else() {
    let mut world = World::new();
    let first = world.send(1, NOW, stamped(NOW, intent("op-1", Create, "assets", json!({"a": 1}))));
    let again = world.send(
        1,
        NOW.plus(9),
        Mutation { priority: 1, ..stamped(NOW.plus(5), intent("op-1", Create, "assets", json!({"a": 1}))) },
    );
    assert_eq!(again, IntentResult { replayed: true, ..first });
    let other = world.send(1, NOW, intent("op-1", Create, "assets", json!({"a": 2})));
    assert_eq!((other.status, code(&other)), (IntentStatus::Rejected, "idempotency_key_reused"));
    let elsewhere = world.send(2, NOW, intent("op-1", Create, "assets", json!({"a": 2})));
    assert!(!elsewhere.replayed, "keys belong to one device");
}

#[test]
fn every_guard_has_its_code_and_keeps_the_intent_as_a_dead_letter() {
    let day = crate::time::DAY_MS;
    let cases = [
        ("collection_unknown", intent("g-1", Create, "nothing", json!({}))),
        (
            "scope_forbidden",
            Mutation { scope: Scope::parse("site:z").expect("a scope"), ..intent("g-2", Create, "assets", json!({})) },
        ),
        ("deadline_expired", Mutation { deadline: Some(NOW.plus(-1)), ..intent("g-3", Create, "assets", json!({})) }),
        (
            "dedupe_horizon_passed",
            Mutation { created_at: Some(NOW.plus(-46 * day)), ..intent("g-4", Create, "assets", json!({})) },
        ),
        ("clock_invalid", Mutation { logical_timestamp: Some("noon".to_owned()), ..intent("g-5", Create, "assets", json!({})) }),
        ("number_out_of_range", intent("g-6", Create, "assets", json!({"a": 9_007_199_254_740_993_i64}))),
        ("schema_invalid", intent("g-7", Create, "readings", json!({"reading": "much"}))),
        ("record_too_large", intent("g-8", Create, "assets", json!({"a": "x".repeat(RECORD_BYTES_MAX)}))),
        ("not_found", intent("g-9", Update, "assets", json!({"a": 1}))),
    ];
    for (wanted, mutation) in cases {
        let mut world = World::new();
        let raw = mutation.raw.clone();
        let result = world.send(1, NOW, mutation.clone());
        assert_eq!((result.status, code(&result)), (IntentStatus::Rejected, wanted));
        assert_eq!(
            world.effects.dead_letters.iter().map(|letter| (letter.code, letter.mutation.as_str())).collect::<Vec<_>>(),
            [(wanted, raw.as_str())]
        );
        assert!(world.effects.changes.is_empty());
        let again = world.send(1, NOW.plus(100 * day), mutation);
        assert!(again.replayed, "{wanted} is final");
    }
}

#[test]
fn limits_hold_on_both_sides() {
    let day = crate::time::DAY_MS;
    let mut world = World::new();
    let fits = "x".repeat(RECORD_BYTES_MAX - r#"{"a":""}"#.len());
    for mutation in [
        Mutation { deadline: Some(NOW), ..intent("l-1", Put, "assets", json!({"a": 1})) },
        Mutation { created_at: Some(NOW.plus(-45 * day)), ..intent("l-2", Put, "assets", json!({"a": 2})) },
        intent("l-3", Put, "assets", json!({"a": fits})),
        intent("l-4", Put, "assets", json!({"a": 9_007_199_254_740_991_i64})),
    ] {
        let id = mutation.operation_id.clone();
        assert_eq!(world.send(1, NOW, mutation).status, IntentStatus::Applied, "{id}");
    }
}

#[test]
fn the_time_in_an_operation_id_counts_for_the_horizon() {
    let id = "0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e";
    assert_eq!(uuid_v7_millis(id), Some(Millis(0x0192_f0c1_7b1e)));
    assert_eq!(uuid_v7_millis("0192f0c1-7b1e-4c3a-9d2e-3f4a5b6c7d8e"), None);
    let mut world = World::new();
    let result = world.send(1, NOW, Mutation { created_at: Some(NOW), ..intent(id, Create, "assets", json!({})) });
    assert_eq!(code(&result), "dedupe_horizon_passed");
}

#[test]
fn a_clock_far_ahead_is_clamped_and_cannot_win_for_ever() {
    let mut world = World::new();
    let future = NOW.plus(400 * crate::time::DAY_MS);
    let first = world.send(1, NOW, stamped(future, intent("op-1", Create, "assets", json!({"a": 1}))));
    assert_eq!((first.status, first.warnings.as_slice()), (IntentStatus::Applied, ["clock_skew"].as_slice()));
    assert_eq!(first.hlc.as_deref().and_then(Hlc::parse).expect("a stamp").node, SERVER_NODE);
    let change = &world.effects.changes[0];
    assert_eq!(
        change.hlc_claimed.as_deref(),
        Some(Hlc { ticks: crate::hlc::Ticks::at(future), node: "dev".to_owned() }.to_string().as_str())
    );
    let second = world.send(2, NOW.plus(1_000), stamped(NOW.plus(1_000), intent("op-2", Update, "assets", json!({"a": 2}))));
    assert_eq!(second.status, IntentStatus::Applied);
}

#[test]
fn with_the_clock_of_the_server_the_last_arrival_wins() {
    let mut world = World::new();
    world.send(1, NOW, stamped(NOW, intent("op-1", Put, "arrivals", json!({"a": 1}))));
    let old = world.send(2, NOW, stamped(NOW.plus(-1_000_000), intent("op-2", Put, "arrivals", json!({"a": 2}))));
    assert_eq!((old.status, world.body(2, "r-1")), (IntentStatus::Applied, Some(r#"{"a":2}"#)));
    let by_edit =
        |world: &mut World, id, from, at| world.send(from, NOW, stamped(at, intent(id, Put, "assets", json!({"by": id}))));
    by_edit(&mut world, "e-1", 1, NOW);
    assert_eq!(by_edit(&mut world, "e-2", 2, NOW.plus(-1_000_000)).status, IntentStatus::Superseded);
}

#[test]
fn a_write_that_knew_the_last_change_comes_after_it_whatever_its_clock_says() {
    let mut world = World::new();
    world.send(1, NOW, stamped(NOW, intent("op-1", Create, "assets", json!({"a": 1}))));
    let second = world.send(2, NOW, on(1, stamped(NOW.plus(-60_000), intent("op-2", Update, "assets", json!({"a": 2})))));
    assert_eq!(second.status, IntentStatus::Applied);
    let changes = &world.effects.changes;
    assert!(changes[1].hlc > changes[0].hlc);
    assert!(changes[1].hlc_claimed.is_some());
}

#[test]
fn a_loser_is_superseded_with_both_values_in_the_conflicts_log() {
    let mut world = World::new();
    world.send(1, NOW, stamped(NOW, intent("op-1", Create, "assets", json!({"a": 1}))));
    let loser = world.send(2, NOW, stamped(NOW.plus(-5), intent("op-2", Put, "assets", json!({"a": 2}))));
    assert_eq!((loser.status, loser.seq, loser.version), (IntentStatus::Superseded, Some(Seq(2)), Some(Version(1))));
    assert_eq!(loser.record.as_ref().map(body_text).as_deref(), Some(r#"{"a":1}"#));
    let conflict = &world.effects.conflicts[0];
    assert_eq!((conflict.local.as_str(), conflict.server.as_str(), conflict.open), (r#"{"a":2}"#, r#"{"a":1}"#, false));
    assert_eq!(loser.conflict_id, Some(format!("cf_{}", conflict.id)));
    assert_eq!(world.effects.changes.len(), 1);
}

#[test]
fn a_winner_that_overwrote_unseen_values_leaves_them_in_the_conflicts_log() {
    let mut world = World::new();
    world.send(1, NOW, stamped(NOW, intent("op-1", Create, "assets", json!({"a": 1, "b": 1}))));
    let winner = world.send(2, NOW, stamped(NOW.plus(5), intent("op-2", Update, "assets", json!({"a": 2}))));
    assert_eq!((winner.status, winner.seq), (IntentStatus::Applied, Some(Seq(3))));
    assert_eq!(winner.record.as_ref().map(body_text).as_deref(), Some(r#"{"a":2,"b":1}"#));
    assert_eq!(world.effects.conflicts[0].server, r#"{"a":1,"b":1}"#);
}

#[test]
fn a_chain_of_edits_on_unanswered_operations_applies_in_order() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "orders", json!({"a": 1, "b": 1})));
    let builds = |id, base: &str, fields| Mutation {
        base: Base::Operation(OperationId::parse(base).expect("an id")),
        ..intent(id, Update, "orders", fields)
    };
    assert_eq!(world.send(1, NOW, builds("op-2", "op-1", json!({"a": 2}))).status, IntentStatus::Applied);
    let other = world.send(2, NOW, on(2, intent("x-1", Update, "orders", json!({"b": 9}))));
    assert_eq!(other.status, IntentStatus::Applied);
    let third = world.send(1, NOW, builds("op-3", "op-2", json!({"a": 3})));
    assert_eq!((third.status, world.body(3, "r-1")), (IntentStatus::Merged, Some(r#"{"a":3,"b":9}"#)));
    assert_eq!(third.record.as_ref().map(body_text).as_deref(), Some(r#"{"a":3,"b":9}"#));
    assert!(third.conflict_id.is_none(), "nobody lost anything");
}

#[test]
fn a_parked_write_flags_the_record_and_stays_open() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "approvals", json!({"state": "draft"})));
    let parked = world.send(2, NOW, intent("op-2", Update, "approvals", json!({"state": "approved"})));
    assert_eq!((parked.status, code(&parked)), (IntentStatus::Conflict, "version_conflict"));
    assert_eq!(world.body(4, "r-1"), Some(r#"{"state":"draft"}"#));
    assert!(world.effects.conflicts[0].open);
    assert!(world.set.records.values().all(|record| record.conflicted));
    assert!(world.send(2, NOW, intent("op-2", Update, "approvals", json!({"state": "approved"}))).replayed);
}

#[test]
fn what_the_device_resolves_itself_is_not_remembered() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "settings", json!({"a": 1})));
    let first = world.send(2, NOW, intent("op-2", Put, "settings", json!({"a": 2})));
    assert_eq!((first.status, first.version), (IntentStatus::Conflict, Some(Version(1))));
    let resolved = world.send(2, NOW, on(1, intent("op-2", Put, "settings", json!({"a": 2}))));
    assert_eq!((resolved.status, resolved.replayed), (IntentStatus::Applied, false));
    assert!(world.effects.conflicts.is_empty());
}

#[test]
fn a_write_that_changes_nothing_leaves_no_row() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "assets", json!({"a": 1})));
    let noop = world.send(2, NOW, on(1, intent("op-2", Update, "assets", json!({"a": 1}))));
    assert_eq!((noop.status, noop.noop, noop.version, noop.record), (IntentStatus::Applied, true, Some(Version(1)), None));
    let absent = world.send(
        2,
        NOW,
        Mutation { record_id: RecordId::parse("r-9").expect("an id"), ..intent("op-3", Delete, "assets", json!({})) },
    );
    assert_eq!((absent.status, absent.noop, absent.version), (IntentStatus::Applied, true, None));
    assert_eq!(world.effects.changes.len(), 1);
}

#[test]
fn a_tombstone_revives_with_the_body_before_it_where_changes_win() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "orders", json!({"a": 1, "b": 1})));
    world.send(1, NOW, on(1, intent("op-2", Delete, "orders", json!({}))));
    let revived = world.send(2, NOW, on(1, intent("op-3", Update, "orders", json!({"b": 2}))));
    assert_eq!((revived.status, world.body(3, "r-1")), (IntentStatus::Merged, Some(r#"{"a":1,"b":2}"#)));
    let last = world.effects.changes.last().expect("a change");
    assert_eq!((last.op, last.version, last.changed.as_deref()), (Put, Version(3), None));
}

#[test]
fn time_in_the_log_never_goes_back() {
    let mut world = World::new();
    world.send(1, NOW.plus(10), intent("op-1", Put, "assets", json!({"a": 1})));
    world.send(1, NOW.plus(5), intent("op-2", Put, "arrivals", json!({"a": 1})));
    let times: Vec<Millis> = world.effects.changes.iter().map(|change| change.committed).collect();
    assert_eq!(times, [NOW.plus(10), NOW.plus(10)]);
}

#[test]
fn the_digest_is_the_sum_over_live_records() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "assets", json!({"a": 1})));
    world.send(1, NOW, on(1, intent("op-2", Update, "assets", json!({"a": 2}))));
    let sum =
        |world: &World| world.effects.digests.iter().fold((0, 0u64), |(rows, sum), (.., r, s)| (rows + r, sum.wrapping_add(*s)));
    let content = crate::digest::content_hash(Some(r#"{"a":2}"#));
    assert_eq!(sum(&world), (1, crate::digest::record_hash("r-1", Version(2), &content)));
    world.send(1, NOW, on(2, intent("op-3", Delete, "assets", json!({}))));
    assert_eq!(sum(&world), (0, 0));
}

#[test]
fn an_answer_is_read_back_as_it_was_stored() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "orders", json!({"a": 1})));
    let results = [
        world.send(2, NOW, intent("op-2", Update, "orders", json!({"a": 2, "b": 2}))),
        world.send(2, NOW, stamped(NOW.plus(-9), intent("op-3", Update, "orders", json!({"a": 3})))),
        world.send(2, NOW, intent("op-4", Create, "readings", json!({"reading": true}))),
        world.send(2, NOW, on(2, intent("op-5", Update, "orders", json!({"a": 2})))),
    ];
    for result in results {
        let extra = answer_extra(&result);
        let body = result.record.as_ref().map(body_text);
        let plain = IntentResult {
            noop: false,
            hlc: None,
            record: None,
            record_id: None,
            branch: None,
            resolution: None,
            conflict_id: None,
            warnings: Vec::new(),
            problem: None,
            ..result.clone()
        };
        assert_eq!(answer_restore(plain, extra.as_deref(), result.hlc.clone(), body.as_deref()), result);
    }
}
