//! Bases by content, patches and commands come down to plain updates.

use super::*;
use crate::digest::content_hash;
use crate::sync::{Body, Command};

fn body(value: serde_json::Value) -> Body {
    value.as_object().cloned().expect("an object")
}

fn by_content(value: serde_json::Value, mutation: Mutation) -> Mutation {
    Mutation { base: Base::Checksum(content_hash(Some(&body_text(&body(value))))), ..mutation }
}

fn patching(operations: serde_json::Value, mutation: Mutation) -> Mutation {
    with_terms(|terms| terms.patch = operations.as_array().cloned(), mutation)
}

fn record_of(world: &World, collection: i64) -> serde_json::Value {
    serde_json::from_str(world.body(collection, "r-1").expect("a record")).expect("JSON")
}

/// A record of `orders` with two versions: `{"a":1,"b":1}`, then `{"a":2,"b":1}`.
fn two_versions() -> World {
    let mut world = World::new();
    world.send(2, NOW, intent("x-1", Create, "orders", json!({"a": 1, "b": 1})));
    world.send(2, NOW, on(1, intent("x-2", Update, "orders", json!({"a": 2}))));
    world
}

#[test]
fn a_base_by_content_is_the_version_with_that_content() {
    let mut world = two_versions();
    let current = by_content(json!({"b": 1, "a": 2}), intent("op-1", Update, "orders", json!({"b": 2})));
    let result = world.send(1, NOW, current);
    assert_eq!((result.status, result.version, result.record), (IntentStatus::Applied, Some(Version(3)), None));
    let stale = by_content(json!({"a": 1, "b": 1}), intent("op-2", Update, "orders", json!({"c": 3})));
    let result = world.send(1, NOW, stale);
    assert_eq!((result.status, record_of(&world, 3)), (IntentStatus::Merged, json!({"a": 2, "b": 2, "c": 3})));
    let conflicts = world.effects.conflicts.len();
    let unknown = by_content(json!({"a": 7}), intent("op-3", Update, "orders", json!({"a": 9})));
    world.send(1, NOW, unknown);
    assert_eq!(world.effects.conflicts.len(), conflicts + 1, "a base that is nowhere is an unknown base");
}

#[test]
fn a_base_that_the_device_brings_along_serves_where_history_does_not_reach() {
    let mut world = two_versions();
    let brought = |id: &str, base: serde_json::Value, fields| {
        with_terms(|terms| terms.base_body = Some(body(base)), intent(id, Update, "orders", fields))
    };
    let result = world.send(1, NOW, brought("op-1", json!({"a": 2, "b": 0}), json!({"c": 1})));
    assert_eq!(result.status, IntentStatus::Merged);
    assert_eq!((record_of(&world, 3), world.effects.conflicts.len()), (json!({"a": 2, "b": 1, "c": 1}), 0));
    let result = world.send(1, NOW, brought("op-2", json!({"a": 2, "b": 1, "c": 1}), json!({"a": 3})));
    assert_eq!((result.status, world.effects.conflicts.len()), (IntentStatus::Applied, 0), "it is the record as it stands");
}

#[test]
fn a_patch_becomes_an_update_of_the_fields_that_it_changes() {
    let mut world = two_versions();
    let patch = json!([{"op": "test", "path": "/a", "value": 2}, {"op": "remove", "path": "/b"}, {"op": "add", "path": "/list", "value": [1]}]);
    let result = world.send(1, NOW, on(2, patching(patch, intent("op-1", Update, "orders", json!({})))));
    assert_eq!((result.status, record_of(&world, 3)), (IntentStatus::Applied, json!({"a": 2, "list": [1]})));
    let change = world.effects.changes.last().expect("a change");
    assert_eq!(change.changed.as_deref(), Some(r#"["b","list"]"#));
    let on_old = patching(json!([{"op": "replace", "path": "/b", "value": 5}]), intent("op-2", Update, "orders", json!({})));
    let result = world.send(1, NOW, on(1, on_old));
    assert_eq!(result.status, IntentStatus::Merged, "the patch is applied to its own base and then merged");
}

#[test]
fn a_patch_that_does_not_fit_is_refused_and_changes_nothing() {
    let mut world = two_versions();
    let cases = [
        ("p-1", json!([{"op": "test", "path": "/a", "value": 1}]), "guard_failed"),
        ("p-2", json!([{"op": "remove", "path": "/nowhere"}]), "schema_invalid"),
        ("p-3", json!([{"op": "add", "path": "/n", "value": 9_007_199_254_740_993_i64}]), "schema_invalid"),
    ];
    for (id, patch, wanted) in cases {
        let result = world.send(1, NOW, on(2, patching(patch, intent(id, Update, "orders", json!({})))));
        assert_eq!((result.status, code(&result)), (IntentStatus::Rejected, wanted));
    }
    assert_eq!(record_of(&world, 3), json!({"a": 2, "b": 1}));
    let nothing =
        at_record("r-9", patching(json!([{"op": "add", "path": "/a", "value": 1}]), intent("p-4", Update, "orders", json!({}))));
    assert_eq!(code(&world.send(1, NOW, nothing)), "not_found");
    world.send(1, NOW, on(2, intent("gone", Delete, "orders", json!({}))));
    let deleted = on(3, patching(json!([{"op": "add", "path": "/a", "value": 1}]), intent("p-5", Update, "orders", json!({}))));
    assert_eq!(code(&world.send(1, NOW, deleted)), "not_found");
}

#[test]
fn a_command_sets_what_the_collection_says() {
    let mut world = World::new();
    let named = |id: &str, name: &str, args: serde_json::Value| {
        let command = Command { name: name.to_owned(), args: body(args) };
        on(1, with_terms(|terms| terms.command = Some(command), intent(id, Update, "tasks", json!({}))))
    };
    world.send(1, NOW, intent("op-1", Create, "tasks", json!({"title": "x"})));
    let result = world.send(1, NOW, named("op-2", "close", json!({"note": "done"})));
    assert_eq!(
        (result.status, record_of(&world, 13)),
        (IntentStatus::Applied, json!({"note": "done", "state": "closed", "title": "x"}))
    );
    assert_eq!(code(&world.send(1, NOW, named("op-3", "explode", json!({})))), "schema_invalid");
    assert_eq!(code(&world.send(1, NOW, named("op-4", "close", json!({"note": 1})))), "schema_invalid");
    let again = world.send(1, NOW, named("op-2", "close", json!({"note": "done"})));
    assert!(again.replayed);
    assert_eq!(code(&world.send(1, NOW, named("op-2", "close", json!({"note": "other"})))), "idempotency_key_reused");
}

#[test]
fn an_encrypted_field_is_compared_and_replaced_as_a_whole() {
    let mut world = World::new();
    let sealed = |ct: &str| json!({"$enc": {"alg": "A256GCM", "kid": "k1", "iv": "aa", "ct": ct}});
    world.send(2, NOW, intent("x-1", Create, "readings", json!({"reading": sealed("1"), "b": 1})));
    let stamp = NOW.plus(1_000);
    let result = world.send(1, stamp, stamped(stamp, on(1, intent("op-1", Update, "readings", json!({"reading": sealed("2")})))));
    assert_eq!(result.status, IntentStatus::Applied, "the type of the field does not bind what is inside the envelope");
    assert_eq!(record_of(&world, 6), json!({"reading": sealed("2"), "b": 1}));
}
