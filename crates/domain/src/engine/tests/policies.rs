//! Policies through the engine: what they keep beside a record, what waits, and the laws that they claim.

use proptest::prelude::*;

use super::*;
use crate::decide::Meta;

fn named(id: &str, mutation: Mutation) -> Mutation {
    Mutation { record_id: RecordId::parse(id).expect("an id"), ..mutation }
}

fn at(millis: i64, mutation: Mutation) -> Mutation {
    stamped(NOW.plus(millis), mutation)
}

#[test]
fn each_field_keeps_its_own_stamp() {
    let mut world = World::new();
    world.send(1, NOW, at(0, intent("op-0", Create, "profiles", json!({"a": 0, "b": 0}))));
    world.send(1, NOW, at(50, intent("op-1", Update, "profiles", json!({"a": 1}))));
    let late = world.send(2, NOW, at(20, intent("op-2", Update, "profiles", json!({"a": 2, "b": 2, "c": 2}))));
    assert_eq!((late.status, world.body(7, "r-1")), (IntentStatus::Merged, Some(r#"{"a":1,"b":2,"c":2}"#)));
    let resolution = late.resolution.expect("a resolution");
    assert_eq!((resolution.kept, resolution.lost), (vec!["b".to_owned(), "c".to_owned()], vec!["a".to_owned()]));
    assert_eq!(world.effects.changes[2].detail.as_deref(), Some(r#"{"stamped":["b","c"]}"#));
    let older = world.send(3, NOW, at(10, intent("op-3", Update, "profiles", json!({"b": 9}))));
    assert_eq!((older.status, world.effects.conflicts.len()), (IntentStatus::Superseded, 2));
    let gone = world.send(1, NOW, at(60, intent("op-4", Update, "profiles", json!({"c": {"$unset": true}}))));
    assert_eq!((gone.status, world.body(7, "r-1")), (IntentStatus::Merged, Some(r#"{"a":1,"b":2}"#)));
    let revived = world.send(2, NOW, at(55, intent("op-5", Update, "profiles", json!({"c": 5}))));
    assert_eq!(revived.status, IntentStatus::Superseded, "a removed field keeps its stamp");
}

#[test]
fn a_write_that_knew_the_record_comes_after_every_field_of_it() {
    let mut world = World::new();
    world.send(1, NOW, at(0, intent("op-0", Create, "profiles", json!({"a": 0}))));
    world.send(1, NOW, at(900, intent("op-1", Update, "profiles", json!({"a": 1}))));
    world.send(2, NOW, at(5, intent("op-2", Update, "profiles", json!({"b": 1}))));
    let knowing = world.send(3, NOW, at(100, on(3, intent("op-3", Update, "profiles", json!({"a": 3})))));
    assert_eq!((knowing.status, world.body(7, "r-1")), (IntentStatus::Applied, Some(r#"{"a":3,"b":1}"#)));
    let between = world.send(1, NOW, at(500, intent("op-4", Update, "profiles", json!({"a": 4}))));
    assert_eq!(between.status, IntentStatus::Superseded);
}

#[test]
fn the_higher_role_wins_and_among_equals_the_newer_write() {
    let mut world = World::new();
    let (junior, senior) = ((Some("junior"), 1), (Some("senior"), 9));
    world.send_as(1, senior, NOW, at(0, intent("op-0", Create, "reviews", json!({"v": "senior"}))));
    let newer = world.send_as(2, junior, NOW, at(50, intent("op-1", Update, "reviews", json!({"v": "junior"}))));
    assert_eq!(newer.status, IntentStatus::Superseded);
    let conflict = &world.effects.conflicts[0];
    let inputs: serde_json::Value = serde_json::from_str(&conflict.inputs).expect("JSON");
    assert_eq!((&inputs["store_rank"], &inputs["device_rank"]), (&json!(9), &json!(1)));
    let equal = world.send_as(3, senior, NOW, at(60, intent("op-2", Update, "reviews", json!({"v": "other"}))));
    assert_eq!((equal.status, world.body(8, "r-1")), (IntentStatus::Applied, Some(r#"{"v":"other"}"#)));
    let knowing = world.send_as(2, junior, NOW, on(2, intent("op-3", Update, "reviews", json!({"v": "seen"}))));
    assert_eq!(knowing.status, IntentStatus::Applied, "who has seen the record is in no conflict");
    let after = world.send_as(3, (Some("clerk"), 2), NOW, at(1, intent("op-4", Update, "reviews", json!({"v": "clerk"}))));
    assert_eq!(after.status, IntentStatus::Applied, "the record has the rank of its last writer");
}

#[test]
fn whoever_comes_second_writes_a_branch() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-0", Create, "articles", json!({"text": "one", "by": "a"})));
    world.send(1, NOW, on(1, intent("op-1", Update, "articles", json!({"text": "two"}))));
    let second = world.send(2, NOW, on(1, intent("op-2", Update, "articles", json!({"by": "b"}))));
    assert_eq!((second.status, second.branch.as_deref()), (IntentStatus::Conflict, Some("2b")));
    let third = world.send(3, NOW, on(1, intent("op-3", Put, "articles", json!({"text": "new"}))));
    assert_eq!(third.branch.as_deref(), Some("2c"));
    assert_eq!(world.body(9, "r-1"), Some(r#"{"by":"a","text":"two"}"#), "the record stays");
    let branches: Vec<(Option<&str>, &str, bool)> =
        world.effects.conflicts.iter().map(|c| (c.branch.as_deref(), c.local.as_str(), c.open)).collect();
    assert_eq!(branches, [(Some("2b"), r#"{"by":"b","text":"one"}"#, true), (Some("2c"), r#"{"text":"new"}"#, true)]);
    let same = world.send(2, NOW, intent("op-4", Put, "articles", json!({"text": "two", "by": "a"})));
    assert!(same.noop);
}

#[test]
fn a_later_write_that_names_both_parents_merges_the_branches() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-0", Create, "articles", json!({"text": "one"})));
    world.send(2, NOW, intent("op-1", Update, "articles", json!({"text": "two"})));
    world.send(3, NOW, intent("op-2", Update, "articles", json!({"text": "three"})));
    let key = (CollectionKey(9), RecordId::parse("r-1").expect("an id"));
    let merging = |id: &str, names: &[&str], fields| {
        let merges = names.iter().map(|&name| name.to_owned()).collect();
        Mutation {
            terms: Some(Box::new(crate::sync::Terms { merges, ..Default::default() })),
            ..intent(id, Update, "articles", fields)
        }
    };
    let unknown = world.send(1, NOW, on(1, merging("op-3", &["1b", "1x"], json!({"text": "all"}))));
    assert_eq!((unknown.status, code(&unknown)), (IntentStatus::Rejected, "not_found"));
    let first = world.send(1, NOW, on(1, merging("op-4", &["1b"], json!({"text": "one and two"}))));
    assert_eq!((first.status, world.set.records[&key].conflicted), (IntentStatus::Merged, true));
    let stale = world.send(2, NOW, on(1, merging("op-5", &["1c"], json!({"text": "late"}))));
    assert_eq!(stale.branch.as_deref(), Some("2b"), "who merges has to know the record, too");
    let same = world.send(1, NOW, on(2, merging("op-6", &["1c", "2b"], json!({"text": "one and two"}))));
    assert_eq!((same.status, world.set.records[&key].conflicted), (IntentStatus::Merged, false));
    let closed: Vec<(i64, i64)> = world.effects.closed.iter().map(|entry| (entry.id, entry.seq.0)).collect();
    assert_eq!(closed, [(1, 5), (2, 8), (3, 8)], "what opens and what closes take positions of their own");
    assert_eq!(world.effects.changes[2].detail.as_deref(), Some(r#"{"merges":["1c","2b"]}"#));
}

fn call(id: &str, record: &str, number: &str, at: &str, duration: i64) -> Mutation {
    named(record, intent(id, Create, "calls", json!({"line": 1, "number": number, "at": at, "duration": duration})))
}

#[test]
fn the_same_call_recorded_twice_is_one_record_with_two_ids() {
    let mut world = World::new();
    let first = world.send(1, NOW, call("op-1", "c-1", "+49 170 1234567", "2026-11-20T10:00:00.100Z", 60));
    let twin = world.send(2, NOW, call("op-2", "c-2", "0170/1234567", "2026-11-20T10:00:00.900Z", 61));
    assert_eq!(twin.status, IntentStatus::Merged);
    assert_eq!(twin.record_id.as_ref().map(RecordId::as_str), Some("c-1"));
    assert_eq!(twin.record.as_ref().and_then(|record| record.get("duration")), Some(&json!(60)));
    assert_eq!(twin.version, first.version.map(|version| Version(version.0 + 1)));
    assert_eq!(world.effects.conflicts[0].kind, crate::decide::DisputeKind::Duplicate);
    let far = world.send(3, NOW, call("op-3", "c-3", "0049 170 1234567", "2026-11-20T10:00:00Z", 62));
    assert_eq!(far.status, IntentStatus::Applied, "62 is near 61, but 61 is no anchor");
    let between = world.send(3, NOW, call("op-4", "c-4", "0170 1234567", "2026-11-20T10:00:00Z", 61));
    assert_eq!(between.record_id.as_ref().map(RecordId::as_str), Some("c-1"), "the first anchor in the log");
    let later = world.send(2, NOW, named("c-2", intent("op-5", Update, "calls", json!({"duration": 99}))));
    assert_eq!((later.status, code(&later)), (IntentStatus::Rejected, "guard_failed"));
    let again = world.send(2, NOW, call("op-6", "c-2", "1", "2026-11-20T10:00:00Z", 7));
    assert_eq!((again.status, again.record_id.as_ref().map(RecordId::as_str)), (IntentStatus::Superseded, Some("c-1")));
    let elsewhere = Mutation {
        scope: Scope::parse("site:b").expect("a scope"),
        ..call("op-7", "c-7", "+491701234567", "2026-11-20T10:00:00Z", 60)
    };
    assert_eq!(world.send(1, NOW, elsewhere).status, IntentStatus::Applied, "another scope is another thing");
}

#[test]
fn totals_follow_from_the_lines_whoever_writes_them() {
    let mut world = World::new();
    let made =
        world.send(1, NOW, intent("op-0", Create, "invoices", json!({"lines": [{"amount": 10}, {"amount": 5}], "total": 99})));
    assert_eq!(
        made.record.map(serde_json::Value::Object),
        Some(json!({"lines": [{"amount": 10}, {"amount": 5}], "total": 15, "vat": 3}))
    );
    world.send(1, NOW, on(1, intent("op-1", Update, "invoices", json!({"note": "x"}))));
    let merged = world.send(2, NOW, on(1, intent("op-2", Update, "invoices", json!({"lines": [{"amount": 20}], "total": 1}))));
    assert_eq!((merged.status, merged.conflict_id), (IntentStatus::Merged, None));
    assert_eq!(world.body(11, "r-1"), Some(r#"{"lines":[{"amount":20}],"note":"x","total":20,"vat":4}"#));
    let own = world.send(1, NOW, on(3, intent("op-3", Update, "invoices", json!({"total": 7}))));
    assert!(own.noop, "a total that does not follow is nobody's change");
}

#[test]
fn a_guard_refuses_by_its_name_or_asks_for_a_person() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-0", Create, "contracts", json!({"status": "approved", "sum": 10})));
    let reopened = world.send(1, NOW, on(1, intent("op-1", Update, "contracts", json!({"status": "draft"}))));
    assert_eq!((reopened.status, code(&reopened)), (IntentStatus::Rejected, "guard_failed"));
    assert!(reopened.problem.expect("a problem").detail.contains("`no_reopen`"));
    let junior = (Some("junior"), 3);
    let deleted = world.send_as(1, junior, NOW, on(1, intent("op-2", Delete, "contracts", json!({}))));
    assert_eq!(code(&deleted), "guard_failed");
    let kept: Vec<&str> = world.effects.dead_letters.iter().map(|letter| letter.detail.as_str()).collect();
    let decided = format!("of this collection is against it: decided at {NOW} by revision 3 of the policy, for");
    assert_eq!(
        kept,
        [
            format!("the guard `no_reopen` {decided} no role of rank 0, on version 1 of the record, at position 2"),
            format!("the guard `managers_delete` {decided} role `junior` of rank 3, on version 1 of the record, at position 2")
        ],
        "everything that the guard has read"
    );
    let large = world.send(1, NOW, on(1, intent("op-3", Update, "contracts", json!({"sum": 5000}))));
    assert_eq!((large.status, world.body(12, "r-1")), (IntentStatus::Conflict, Some(r#"{"status":"approved","sum":10}"#)));
    let entry = &world.effects.conflicts[0];
    assert!(entry.open && entry.kind == crate::decide::DisputeKind::Approval && entry.inputs.contains("large_sums"));
    let boss = (Some("manager"), 50);
    let approved = world.send_as(2, boss, NOW, on(1, intent("op-4", Update, "contracts", json!({"sum": 5000}))));
    assert_eq!(approved.status, IntentStatus::Applied);
    assert_eq!(world.send_as(2, boss, NOW, on(2, intent("op-5", Delete, "contracts", json!({})))).status, IntentStatus::Applied);
    let made = world.send(1, NOW, named("r-2", intent("op-6", Create, "contracts", json!({"sum": 2000}))));
    assert_eq!((made.status, world.body(12, "r-2")), (IntentStatus::Conflict, None));
}

#[test]
fn whoever_did_not_know_the_record_is_told_what_its_operation_was_merged_into() {
    let mut world = World::new();
    let name = CollectionName::parse("assets").expect("a name");
    let policy = Policy::parse(r#"{"kind":"crdt","crdt":{"parts":"counter"}}"#).expect("a policy");
    let known = Collection { policy, ..Collection::clone(&world.catalogue[&name]) };
    world.catalogue.insert(name, Arc::new(known));
    let add = |id: &str, delta: i64| {
        intent(id, MutationOp::Crdt, "assets", json!({"type": "counter", "field": "parts", "delta": delta}))
    };
    world.send(1, NOW, add("op-1", 3));
    let knowing = world.send(1, NOW, on(1, add("op-2", 1)));
    assert_eq!((knowing.status, knowing.record), (IntentStatus::Applied, None), "it holds all of it");
    let record = |answer: &IntentResult| answer.record.clone().map(serde_json::Value::Object);
    let older = world.send(2, NOW, on(1, add("op-3", 5)));
    assert_eq!(record(&older), Some(json!({"parts": 9})), "of the 4 it knew 3");
    let blind = world.send(3, NOW, add("op-4", 1));
    assert_eq!(record(&blind), Some(json!({"parts": 10})));
    let again = world.send(3, NOW, add("op-4", 1));
    assert_eq!((again.replayed, record(&again)), (true, Some(json!({"parts": 10}))));
}

/// One write of the properties: stamp, device, rank, fields.
type Draft = (i64, u32, i64, Vec<(char, i8)>);

fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    let fields = proptest::collection::vec((proptest::char::range('a', 'd'), 0i8..3), 1..4);
    proptest::collection::vec((1i64..6, 2u32..6, 0i64..3, fields), 1..7)
}

/// Sends the drafts in an order; each keeps its operation id whatever the order.
fn arrive(collection: &str, op: MutationOp, drafts: &[Draft], order: &[usize]) -> World {
    let mut world = World::new();
    world.send(1, NOW, at(0, intent("made", Create, collection, json!({"a": 0}))));
    for place in order {
        let (stamp, device, rank, fields) = &drafts[*place];
        let mut fields: serde_json::Map<_, _> = fields.iter().map(|(name, value)| (name.to_string(), (*value).into())).collect();
        if op == Put {
            fields.insert("which".to_owned(), (*place).into());
        }
        let mutation = at(*stamp, intent(&format!("op-{place}"), op, collection, serde_json::Value::Object(fields)));
        world.send_as(*device, (None, *rank), NOW, mutation);
    }
    world
}

fn any_order() -> impl Strategy<Value = (Vec<Draft>, Vec<usize>)> {
    drafts().prop_flat_map(|drafts| {
        let order: Vec<usize> = (0..drafts.len()).collect();
        (Just(drafts), Just(order).prop_shuffle())
    })
}

proptest! {
    /// Commutative and associative: updates that did not know of each other come to the same record in any order.
    #[test]
    fn field_by_field_the_order_of_arrival_does_not_matter((drafts, order) in any_order()) {
        let straight: Vec<usize> = (0..drafts.len()).collect();
        let (one, other) = (arrive("profiles", Update, &drafts, &straight), arrive("profiles", Update, &drafts, &order));
        prop_assert_eq!(one.body(7, "r-1"), other.body(7, "r-1"));
        let key = (CollectionKey(7), RecordId::parse("r-1").expect("an id"));
        prop_assert_eq!(&one.set.records[&key].meta, &other.set.records[&key].meta);
    }

    #[test]
    fn by_role_and_by_stamp_the_order_of_arrival_does_not_matter((drafts, order) in any_order()) {
        let straight: Vec<usize> = (0..drafts.len()).collect();
        for (collection, key) in [("reviews", 8), ("assets", 1)] {
            let (one, other) = (arrive(collection, Put, &drafts, &straight), arrive(collection, Put, &drafts, &order));
            prop_assert_eq!(one.body(key, "r-1"), other.body(key, "r-1"), "{}", collection);
        }
    }

    /// Idempotent: the same write under another operation, arriving again, changes no value.
    #[test]
    fn field_by_field_a_repeated_write_changes_no_value((drafts, order) in any_order()) {
        let mut world = arrive("profiles", Update, &drafts, &order);
        let body = world.body(7, "r-1").map(str::to_owned);
        for (place, (stamp, device, _, fields)) in drafts.iter().enumerate() {
            let fields: serde_json::Map<_, _> = fields.iter().map(|(name, value)| (name.to_string(), (*value).into())).collect();
            let mutation = at(*stamp, intent(&format!("op-{place}"), Update, "profiles", serde_json::Value::Object(fields)));
            let key = IdempotencyKey::parse(format!("again-{place}")).expect("a key");
            world.send(*device, NOW, Mutation { idempotency_key: key, ..mutation });
        }
        prop_assert_eq!(world.body(7, "r-1"), body.as_deref());
    }

    /// What a record keeps beside its body is what the rows of the log add up to.
    #[test]
    fn what_is_kept_beside_a_record_follows_from_the_log((drafts, order) in any_order()) {
        for (collection, key) in [("profiles", 7), ("reviews", 8)] {
            let world = arrive(collection, Update, &drafts, &order);
            let folded = world.effects.changes.iter().fold(Meta::default(), |meta, change| {
                let stamp = crate::decide::Stamp {
                    ticks: change.hlc.ticks,
                    node: &change.hlc.node,
                    client: change.client_id.as_str(),
                    operation: change.operation_id.as_str(),
                };
                Meta::read(meta.after(&crate::decide::Detail::read(change.detail.as_deref()), stamp).text().as_deref())
            });
            let key = (CollectionKey(key), RecordId::parse("r-1").expect("an id"));
            prop_assert_eq!(folded.text(), world.set.records[&key].meta.clone());
        }
    }

    /// The first anchor in the order of the log that is near enough, and one anchor for each thing that is found.
    #[test]
    fn what_is_the_same_thing_depends_on_the_order_of_the_log_only(durations in proptest::collection::vec(0i64..12, 1..20)) {
        let run = || {
            let mut world = World::new();
            let answers: Vec<Option<String>> = durations.iter().enumerate().map(|(n, duration)| {
                let call = call(&format!("op-{n}"), &format!("c-{n}"), "0170 1", "2026-11-20T10:00:00Z", *duration);
                world.send(1, NOW, call).record_id.map(RecordId::into_string)
            }).collect();
            (answers, world.log.chain)
        };
        let mut anchors: Vec<(usize, i64)> = Vec::new();
        let wanted: Vec<Option<String>> = durations.iter().enumerate().map(|(n, duration)| {
            let found = anchors.iter().find(|(_, near)| (near - duration).abs() <= 1).map(|(first, _)| format!("c-{first}"));
            if found.is_none() {
                anchors.push((n, *duration));
            }
            found
        }).collect();
        let first = run();
        prop_assert_eq!(&first.0, &wanted);
        prop_assert_eq!(first, run());
    }

    /// Under version control every body that somebody wrote is somewhere: in the record's versions or in a branch.
    #[test]
    fn under_version_control_nothing_is_lost((drafts, order) in any_order(), bases in proptest::collection::vec(1i64..4, 8)) {
        let mut world = World::new();
        world.send(1, NOW, intent("made", Create, "articles", json!({"a": 0})));
        for (place, base) in order.iter().zip(bases) {
            let body = json!({"which": place, "text": drafts[*place].0});
            let text = body_text(body.as_object().expect("an object"));
            world.send(drafts[*place].1, NOW, on(base, intent(&format!("op-{place}"), Put, "articles", body)));
            let in_log = world.effects.changes.iter().any(|change| change.fields.as_deref() == Some(&text));
            let branched = world.effects.conflicts.iter().any(|entry| entry.local == text && entry.branch.is_some());
            prop_assert!(in_log || branched, "{}", text);
        }
    }

    /// The same inputs decide the same way: two runs end in the same chain.
    #[test]
    fn two_runs_of_the_same_intents_are_one((drafts, order) in any_order(), collection in 0usize..6) {
        let collection = ["profiles", "reviews", "articles", "calls", "invoices", "contracts"][collection];
        let run = || {
            let world = arrive(collection, Update, &drafts, &order);
            (world.log.chain, format!("{:?}", world.effects))
        };
        prop_assert_eq!(run(), run());
    }
}
