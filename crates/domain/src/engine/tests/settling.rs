//! What waits is settled once, on the record as it stands, by somebody who may; and vector clocks.

use super::*;
use crate::sync::VectorClock;

fn resolving(ids: &[i64], mutation: Mutation) -> Mutation {
    with_terms(|terms| terms.resolves = ids.to_vec(), mutation)
}

fn seen(clock: &[(&str, i64)], mutation: Mutation) -> Mutation {
    let vector: VectorClock = clock.iter().map(|(node, count)| ((*node).to_owned(), *count)).collect();
    with_terms(|terms| terms.vector = Some(vector), mutation)
}

fn parked() -> World {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "approvals", json!({"a": 1, "b": 1})));
    let parked = world.send(2, NOW, intent("op-2", Update, "approvals", json!({"a": 2})));
    assert_eq!((parked.status, parked.conflict_id.as_deref()), (IntentStatus::Conflict, Some("cf_1")));
    world
}

fn flagged(world: &World) -> bool {
    world.set.records[&(CollectionKey(4), RecordId::parse("r-1").expect("an id"))].conflicted
}

#[test]
fn a_resolution_changes_the_record_closes_the_conflict_and_says_so() {
    let mut world = parked();
    assert!(flagged(&world));
    let settled = world.send(3, NOW, resolving(&[1], on(1, intent("op-3", Update, "approvals", json!({"a": 2})))));
    assert_eq!((settled.status, settled.version), (IntentStatus::Applied, Some(Version(2))));
    assert_eq!((world.body(4, "r-1"), flagged(&world)), (Some(r#"{"a":2,"b":1}"#), false));
    let closed: Vec<(i64, Seq)> = world.effects.closed.iter().map(|closed| (closed.id, closed.seq)).collect();
    assert_eq!(closed, [(1, settled.seq.expect("a change"))]);
    let told: Vec<(&str, Option<i64>)> =
        world.effects.controls.iter().map(|row| (row.control.op.as_str(), row.control.facts.conflict)).collect();
    assert_eq!(told, [("conflict", Some(1)), ("resolved", Some(1))]);
}

#[test]
fn a_resolution_that_keeps_the_record_closes_the_conflict_as_well() {
    let mut world = parked();
    let settled = world.send(3, NOW, resolving(&[1], on(1, intent("op-3", Update, "approvals", json!({})))));
    assert_eq!((settled.status, settled.noop, settled.version), (IntentStatus::Applied, true, Some(Version(1))));
    assert_eq!((world.effects.closed.len(), flagged(&world)), (1, false));
    assert!(world.effects.records.contains(&(CollectionKey(4), RecordId::parse("r-1").expect("an id"))));
}

#[test]
fn resolved_already_and_changed_since_are_two_answers_and_neither_changes_anything() {
    let mut world = parked();
    let stale = world.send(3, NOW, resolving(&[1], intent("op-3", Update, "approvals", json!({"a": 3}))));
    assert_eq!((stale.status, code(&stale)), (IntentStatus::Conflict, "version_conflict"));
    assert_eq!(stale.version, Some(Version(1)), "with what to look at before the next try");
    assert!(world.effects.closed.is_empty() && flagged(&world));
    world.send(3, NOW, resolving(&[1], on(1, intent("op-4", Update, "approvals", json!({"a": 4})))));
    let before = (world.log.head, world.effects.dead_letters.len(), world.effects.memories.len());
    let late = world.send(2, NOW, resolving(&[1], on(2, intent("op-5", Update, "approvals", json!({"a": 5})))));
    assert_eq!((late.status, code(&late)), (IntentStatus::Rejected, "conflict_resolved"));
    let unknown = world.send(2, NOW, resolving(&[7], on(2, intent("op-6", Update, "approvals", json!({"a": 5})))));
    assert_eq!((unknown.status, code(&unknown)), (IntentStatus::Rejected, "not_found"));
    assert_eq!((world.log.head, world.effects.dead_letters.len(), world.effects.memories.len()), before);
}

#[test]
fn one_of_two_conflicts_leaves_the_record_flagged() {
    let mut world = parked();
    world.send(3, NOW, intent("op-3", Update, "approvals", json!({"b": 3})));
    world.send(3, NOW, resolving(&[1], on(1, intent("op-4", Update, "approvals", json!({"a": 2})))));
    assert!(flagged(&world));
    world.send(3, NOW, resolving(&[2], on(2, intent("op-5", Update, "approvals", json!({})))));
    assert!(!flagged(&world));
}

#[test]
fn approval_is_given_by_somebody_else_of_a_higher_rank() {
    let clerk = (Some("clerk"), 1);
    let make = || {
        let mut world = World::new();
        world.send(1, NOW, intent("op-1", Create, "contracts", json!({"sum": 10})));
        let waits = world.send_as(2, clerk, NOW, on(1, intent("op-2", Update, "contracts", json!({"sum": 5000}))));
        assert_eq!(waits.status, IntentStatus::Conflict);
        world
    };
    let approve = |world: &mut World, from, role| {
        world.send_as(from, role, NOW, resolving(&[1], on(1, intent("op-3", Update, "contracts", json!({"sum": 5000})))))
    };
    let mut world = make();
    for (from, role) in [(2, clerk), (3, clerk), (2, (Some("head"), 9))] {
        let refused = world.send_as(
            from,
            role,
            NOW,
            resolving(&[1], on(1, intent(&format!("op-{from}-{}", role.1), Update, "contracts", json!({"sum": 5000})))),
        );
        assert_eq!((refused.status, code(&refused)), (IntentStatus::Rejected, "guard_failed"), "{from} {role:?}");
    }
    let approved = approve(&mut world, 3, (Some("head"), 9));
    assert_eq!((approved.status, world.body(12, "r-1")), (IntentStatus::Applied, Some(r#"{"sum":5000}"#)));
    let mut world = make();
    let boss = approve(&mut world, 3, (Some("boss"), 50));
    assert_eq!(boss.status, IntentStatus::Applied, "whom the guard does not ask needs nobody's word");
    let mut world = make();
    let withdrawn = world.send_as(2, clerk, NOW, resolving(&[1], on(1, intent("op-3", Update, "contracts", json!({})))));
    assert_eq!((withdrawn.status, withdrawn.noop), (IntentStatus::Applied, true), "who asked may take it back");
}

fn adding(id: &str, delta: i64) -> Mutation {
    intent(id, MutationOp::Crdt, "assets", json!({"type": "counter", "field": "count", "delta": delta}))
}

/// Counters that add up, under a policy with this beside.
fn counting(beside: serde_json::Value) -> World {
    let mut world = World::new();
    let mut policy = json!({"kind": "crdt", "crdt": {"count": "counter"}});
    policy.as_object_mut().expect("an object").extend(beside.as_object().cloned().expect("an object"));
    let policy = Policy::parse(&policy.to_string()).expect("a policy");
    let name = CollectionName::parse("assets").expect("a name");
    let known = Collection { policy, ..Collection::clone(&world.catalogue[&name]) };
    world.catalogue.insert(name, Arc::new(known));
    world.send(1, NOW, adding("op-1", 2));
    world
}

#[test]
fn what_merges_by_itself_merges_in_a_resolution_as_well() {
    let mut world = counting(json!({"delete": "manual"}));
    let waits = world.send(2, NOW, intent("op-2", Delete, "assets", json!({})));
    assert_eq!((waits.status, waits.conflict_id.as_deref()), (IntentStatus::Conflict, Some("cf_1")));
    let settled = world.send(3, NOW, resolving(&[1], on(1, adding("op-3", 3))));
    assert_eq!((settled.status, settled.noop), (IntentStatus::Applied, false));
    assert_eq!((world.body(1, "r-1"), world.effects.closed.len()), (Some(r#"{"count":5}"#), 1));
}

#[test]
fn nothing_is_settled_by_an_operation_that_its_collection_does_not_take() {
    let mut world = parked();
    let delta = intent("op-3", MutationOp::Crdt, "approvals", json!({"type": "counter", "field": "a", "delta": 1}));
    let refused = world.send(3, NOW, resolving(&[1], on(1, delta)));
    assert_eq!((refused.status, code(&refused)), (IntentStatus::Rejected, "schema_invalid"));
    assert!(world.effects.closed.is_empty() && flagged(&world));
}

#[test]
fn what_a_guard_asks_of_an_operation_that_merges_is_approved_like_any_other() {
    let clerk = (Some("clerk"), 1);
    let guards = [json!({"name": "many", "require_approval": "new.count > 10 and role_rank < 5"})];
    let mut world = counting(json!({"guards": guards}));
    let waits = world.send_as(2, clerk, NOW, adding("op-2", 20));
    assert_eq!((waits.status, waits.conflict_id.as_deref()), (IntentStatus::Conflict, Some("cf_1")));
    let own = world.send_as(2, clerk, NOW, resolving(&[1], on(1, adding("op-3", 20))));
    assert_eq!((own.status, code(&own)), (IntentStatus::Rejected, "guard_failed"));
    let approved = world.send_as(3, (Some("lead"), 4), NOW, resolving(&[1], on(1, adding("op-4", 20))));
    assert_eq!((approved.status, world.body(1, "r-1")), (IntentStatus::Applied, Some(r#"{"count":22}"#)));
}

#[test]
fn a_locked_field_waits_with_what_waits_already_and_other_fields_do_not() {
    let mut world = World::new();
    let lock = Policy::parse(r#"{"kind":"manual_review","lock":true}"#).expect("a policy");
    let name = CollectionName::parse("approvals").expect("a name");
    let known = Collection { policy: lock, ..Collection::clone(&world.catalogue[&name]) };
    world.catalogue.insert(name, Arc::new(known));
    world.send(1, NOW, intent("op-1", Create, "approvals", json!({"a": 1, "b": 1})));
    world.send(2, NOW, intent("op-2", Update, "approvals", json!({"a": 2})));
    let free = world.send(1, NOW, on(1, intent("op-3", Update, "approvals", json!({"b": 2}))));
    assert_eq!(free.status, IntentStatus::Applied);
    let held = world.send(1, NOW, on(2, intent("op-4", Update, "approvals", json!({"a": 3}))));
    assert_eq!((held.status, held.conflict_id.as_deref()), (IntentStatus::Conflict, Some("cf_2")));
    let whole = world.send(1, NOW, on(2, intent("op-5", Delete, "approvals", json!({}))));
    assert_eq!(whole.status, IntentStatus::Conflict);
    world.send(3, NOW, resolving(&[1, 2, 3], on(2, intent("op-6", Update, "approvals", json!({"a": 2})))));
    let after = world.send(1, NOW, on(3, intent("op-7", Update, "approvals", json!({"a": 4}))));
    assert_eq!(after.status, IntentStatus::Applied);
}

fn by_clock() -> World {
    let mut world = World::new();
    let name = CollectionName::parse("assets").expect("a name");
    let policy = Policy::parse(r#"{"kind":"manual_review","detect":"vector"}"#).expect("a policy");
    let known = Collection { policy, ..Collection::clone(&world.catalogue[&name]) };
    world.catalogue.insert(name, Arc::new(known));
    world.send(1, NOW, seen(&[("d1", 1)], intent("op-1", Create, "assets", json!({"n": 1}))));
    world
}

#[test]
fn a_clock_that_has_seen_the_record_goes_on_from_it_and_one_that_it_has_overtaken_loses() {
    let mut world = by_clock();
    let ahead = world.send(2, NOW, seen(&[("d1", 1), ("d2", 1)], intent("op-2", Update, "assets", json!({"n": 2}))));
    assert_eq!((ahead.status, world.body(1, "r-1")), (IntentStatus::Applied, Some(r#"{"n":2}"#)));
    let behind = world.send(1, NOW, seen(&[("d2", 1)], on(2, intent("op-3", Update, "assets", json!({"n": 3})))));
    assert_eq!((behind.status, behind.record), (IntentStatus::Superseded, json!({"n": 2}).as_object().cloned()));
    assert!(behind.conflict_id.is_some(), "what it lost is in the conflicts log");
}

#[test]
fn clocks_that_have_not_seen_each_other_are_for_the_policy() {
    let mut world = by_clock();
    let beside = world.send(2, NOW, seen(&[("d2", 1)], on(1, intent("op-2", Update, "assets", json!({"n": 2})))));
    assert_eq!(beside.status, IntentStatus::Conflict, "whatever version it names");
    let same = world.send(2, NOW, seen(&[("d1", 1)], on(1, intent("op-3", Update, "assets", json!({"n": 3})))));
    assert_eq!(same.status, IntentStatus::Conflict, "the clock of the record is not that of another write");
}

#[test]
fn a_write_without_a_clock_is_not_overwritten_unseen() {
    let mut world = by_clock();
    let plain = world.send(3, NOW, on(1, intent("op-2", Update, "assets", json!({"n": 2}))));
    assert_eq!(plain.status, IntentStatus::Applied);
    let blind = world.send(2, NOW, seen(&[("d1", 1), ("d2", 1)], intent("op-3", Update, "assets", json!({"n": 3}))));
    assert_eq!(blind.status, IntentStatus::Conflict);
    let aware = world.send(2, NOW, seen(&[("d1", 1), ("d2", 1), ("srv", 1)], intent("op-4", Update, "assets", json!({"n": 4}))));
    assert_eq!(aware.status, IntentStatus::Applied);
}

#[test]
fn a_clock_never_has_more_entries_than_it_may() {
    let mut world = by_clock();
    let many: Vec<String> = (0..64).map(|n| format!("x{n}")).collect();
    let clock: Vec<(&str, i64)> = many.iter().map(|node| (node.as_str(), 1)).collect();
    let refused = world.send(2, NOW, seen(&clock, intent("op-2", Update, "assets", json!({"n": 2}))));
    assert_eq!((refused.status, code(&refused)), (IntentStatus::Rejected, "schema_invalid"));
    assert!(refused.problem.is_some_and(|problem| problem.detail.starts_with("vector_clock")));
}

#[test]
fn an_entry_of_the_conflicts_log_has_the_clocks_that_decided_and_the_role_that_guards_read() {
    let mut world = by_clock();
    world.send(2, NOW, seen(&[("d1", 1), ("d2", 1)], intent("op-2", Update, "assets", json!({"n": 2}))));
    let behind = seen(&[("d2", 1)], intent("op-3", Update, "assets", json!({"n": 3})));
    world.send_as(1, (Some("clerk"), 2), NOW, behind);
    world.send(3, NOW, intent("op-4", Update, "assets", json!({"n": 4})));
    let read = |at: usize| {
        let inputs: serde_json::Value = serde_json::from_str(&world.effects.conflicts[at].inputs).expect("JSON");
        ["device_vector", "store_vector", "device_role", "device_rank"].map(|name| inputs[name].clone())
    };
    let whole = json!({"d1": 1, "d2": 1});
    assert_eq!(read(0), [json!({"d2": 1}), whole.clone(), json!("clerk"), json!(2)]);
    assert_eq!(read(1), [json!(null), whole, json!(null), json!(null)]);
}
