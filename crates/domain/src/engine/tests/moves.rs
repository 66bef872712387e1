//! Records that move between scopes: a row in the old one, the whole record in the new one.

use super::*;
use crate::ids::GroupName;

fn scope(text: &str) -> Scope {
    Scope::parse(text).expect("a scope")
}

fn to(place: &str, mutation: Mutation) -> Mutation {
    Mutation { scope: scope(place), ..mutation }
}

fn kinds(world: &World) -> Vec<(i64, String)> {
    let changes = world.effects.changes.iter().map(|row| (row.seq.0, format!("{} {}", row.op.as_str(), row.scope)));
    let controls =
        world.effects.controls.iter().map(|row| (row.seq.0, format!("{} {}", row.control.op.as_str(), row.control.scope.1)));
    let mut all: Vec<(i64, String)> = changes.chain(controls).collect();
    all.sort();
    all
}

#[test]
fn a_move_evicts_from_the_old_scope_and_puts_the_whole_record_into_the_new_one() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "assets", json!({"a": 1, "b": 1})));
    let moved = world.send(1, NOW, to("site:b", on(1, intent("op-2", Update, "assets", json!({"a": 2})))));
    assert_eq!((moved.status, moved.seq, moved.version), (IntentStatus::Applied, Some(Seq(4)), Some(Version(2))));
    let rows = kinds(&world);
    let rows: Vec<(i64, &str)> = rows.iter().map(|(seq, row)| (*seq, row.as_str())).collect();
    assert_eq!(rows, [(2, "create site:a"), (3, "evict site:a"), (4, "put site:b")]);
    let last = world.effects.changes.last().expect("a change");
    assert_eq!((last.changed.as_deref(), last.fields.as_deref()), (None, Some(r#"{"a":2,"b":1}"#)));
    assert_eq!(last.prev_seq, Seq(2), "the history of the record has no gap");
    let record = &world.set.records[&(CollectionKey(1), RecordId::parse("r-1").expect("an id"))];
    assert_eq!((record.scope, record.last_seq), (ScopeKey(2), Seq(4)));
    assert_eq!(world.log.chain, last.chain, "both rows are in the chain");
    let rows_by_scope =
        |key| world.effects.digests.iter().filter(|(scope, ..)| *scope == key).map(|(.., rows, _)| rows).sum::<i64>();
    assert_eq!((rows_by_scope(ScopeKey(1)), rows_by_scope(ScopeKey(2))), (0, 1));
    let sum = world
        .effects
        .digests
        .iter()
        .filter(|(scope, ..)| *scope == ScopeKey(1))
        .fold(0u64, |sum, (.., one)| sum.wrapping_add(*one));
    assert_eq!(sum, 0, "nothing of the record is left in the digest of the old scope");
}

#[test]
fn a_move_that_changes_nothing_else_is_a_change() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "profiles", json!({"a": 1})));
    let moved = world.send(2, NOW, to("site:b", on(1, intent("op-2", Update, "profiles", json!({"a": 1})))));
    assert_eq!((moved.noop, moved.version), (false, Some(Version(2))));
    let again = world.send(2, NOW, to("site:b", on(2, intent("op-3", Update, "profiles", json!({"a": 1})))));
    assert_eq!((again.noop, again.version), (true, Some(Version(2))));
}

#[test]
fn a_record_moves_only_by_update_or_put_and_only_between_scopes_that_the_device_may_write() {
    for op in [Create, Delete] {
        let mut world = World::new();
        world.send(1, NOW, intent("op-1", Create, "assets", json!({"a": 1})));
        let refused = world.send(1, NOW, to("site:b", on(1, intent("op-2", op, "assets", json!({"a": 2})))));
        assert_eq!((refused.status, code(&refused)), (IntentStatus::Rejected, "scope_mismatch"));
    }
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "assets", json!({"a": 1})));
    world.scopes.remove(&scope("site:a"));
    let stolen = world.send(2, NOW, to("site:b", on(1, intent("op-2", Update, "assets", json!({"a": 2})))));
    assert_eq!((stolen.status, code(&stolen)), (IntentStatus::Rejected, "scope_mismatch"));
    assert_eq!((world.effects.changes.len(), world.effects.controls.len()), (1, 0));
}

#[test]
fn what_is_never_changed_and_what_is_named_by_its_scope_does_not_move() {
    let mut world = World::new();
    let call = json!({"line": 1, "number": "0301", "at": "2026-11-20T10:00:00Z", "duration": 3});
    world.send(1, NOW, intent("op-1", Create, "calls", call.clone()));
    let refused = world.send(1, NOW, to("site:b", on(1, intent("op-2", Update, "calls", call))));
    assert_eq!((refused.status, code(&refused)), (IntentStatus::Rejected, "scope_mismatch"));
}

#[test]
fn a_move_that_loses_leaves_the_record_where_it_is() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "approvals", json!({"a": 1})));
    let parked = world.send(2, NOW, to("site:b", intent("op-2", Update, "approvals", json!({"a": 2}))));
    assert_eq!(parked.status, IntentStatus::Conflict);
    assert_eq!(world.effects.conflicts[0].scope, ScopeKey(1));
    let rows = kinds(&world);
    assert_eq!(rows.last().map(|(_, row)| row.as_str()), Some("conflict site:a"));
}

#[test]
fn a_move_of_a_group_that_fails_leaves_nothing() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-1", Create, "assets", json!({"a": 1})));
    let before = world.log;
    let grouped = |mutation| valid(with_terms(|terms| terms.group = GroupName::parse("g").ok(), mutation));
    let moving = to("site:b", on(1, intent("op-2", Update, "assets", json!({"a": 2}))));
    let missing = at_record("r-9", intent("op-3", Update, "assets", json!({"a": 2})));
    let said = world.words(1, &[grouped(moving), grouped(missing)]);
    assert_eq!(said, ["rejected:dependency_failed", "rejected:not_found"]);
    assert_eq!((world.log.head, world.log.chain), (before.head, before.chain));
    assert!(world.effects.controls.is_empty());
    assert_eq!(world.set.records[&(CollectionKey(1), RecordId::parse("r-1").expect("an id"))].scope, ScopeKey(1));
}
