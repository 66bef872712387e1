//! Groups and atomic batches: everything of them, or nothing.

use proptest::prelude::*;

use super::*;

fn create(id: &str, record: &str) -> Mutation {
    at_record(record, intent(id, Create, "assets", json!({"a": 1})))
}

fn edit(id: &str, record: &str, version: i64, value: i64) -> Mutation {
    at_record(record, on(version, intent(id, Update, "settings", json!({"a": value}))))
}

/// Everything that an answer or a later decision can be made of, as text.
fn state(world: &World) -> String {
    let mut records: Vec<_> = world.set.records.iter().collect();
    records.sort_by_key(|(key, _)| (*key).clone());
    let mut history: Vec<_> = world.set.history.iter().filter(|(_, past)| !past.is_empty()).collect();
    history.sort_by_key(|(key, _)| (*key).clone());
    let mut memory: Vec<_> = world.set.memory.keys().collect();
    memory.sort();
    format!("{:?} {:?} {records:?} {history:?} {memory:?}", world.log, world.effects)
}

#[test]
fn a_group_is_kept_as_a_whole() {
    let mut world = World::new();
    let group = |at: usize| valid(grouped("g", create(&format!("op-{at}"), &format!("r-{at}"))));
    assert_eq!(world.words(1, &[group(1), group(2), valid(create("op-3", "r-3"))]), ["applied", "applied", "applied"]);
    assert_eq!(world.words(1, &[group(1), group(2)]), ["applied again", "applied again"]);
    assert_eq!(world.effects.changes.len(), 3);
}

#[test]
fn a_group_with_a_refused_member_leaves_only_refusals_behind() {
    let mut world = World::new();
    let group = [
        valid(grouped("g", create("op-1", "r-1"))),
        valid(grouped("g", at_record("r-1", intent("op-2", Update, "assets", json!({"a": 2}))))),
        valid(grouped("g", at_record("r-9", intent("op-3", Update, "assets", json!({"a": 2}))))),
        valid(create("op-4", "r-4")),
    ];
    let failed = "rejected:dependency_failed";
    assert_eq!(world.words(1, &group), [failed, failed, "rejected:not_found", "applied"]);
    assert_eq!(world.effects.changes.iter().map(|change| change.operation_id.as_str()).collect::<Vec<_>>(), ["op-4"]);
    assert_eq!(world.effects.changes[0].seq, Seq(2), "nothing of the group has taken a position");
    assert_eq!(
        world.effects.dead_letters.iter().map(|letter| letter.code).collect::<Vec<_>>(),
        ["dependency_failed", "dependency_failed", "not_found"]
    );
    assert_eq!(world.body(1, "r-1"), None);
    let again =
        ["rejected:dependency_failed again", "rejected:dependency_failed again", "rejected:not_found again", "applied again"];
    assert_eq!(world.words(1, &group), again);
}

#[test]
fn what_a_guard_has_read_stays_with_its_intent_when_it_takes_a_group_with_it() {
    let mut world = World::new();
    world.send(1, NOW, intent("op-0", Create, "contracts", json!({"status": "approved"})));
    let group = [
        valid(grouped("g", create("op-1", "r-1"))),
        valid(grouped("g", on(1, intent("op-2", Update, "contracts", json!({"status": "draft"}))))),
    ];
    assert_eq!(world.words(1, &group), ["rejected:dependency_failed", "rejected:guard_failed"]);
    let kept: Vec<bool> = world.effects.dead_letters.iter().map(|letter| letter.detail.contains("revision 3")).collect();
    assert_eq!(kept, [false, true]);
}

#[test]
fn a_group_that_meets_a_conflict_is_refused_and_shows_the_record() {
    let mut world = World::new();
    world.send(2, NOW, at_record("r-1", intent("x-1", Create, "settings", json!({"a": 0}))));
    world.send(2, NOW, edit("x-2", "r-1", 1, 5));
    let group = [valid(grouped("g", create("op-1", "r-2"))), valid(grouped("g", edit("op-2", "r-1", 1, 9)))];
    let results = world.send_all(1, Rules::default(), &group).expect("answered").results;
    assert_eq!(words(&results), ["rejected:dependency_failed", "rejected:version_conflict"]);
    assert_eq!(
        (results[1].version, results[1].record.clone().map(serde_json::Value::from)),
        (Some(Version(2)), Some(json!({"a": 5})))
    );
    assert_eq!(world.effects.changes.len(), 2);
}

#[test]
fn a_group_waits_as_a_whole_and_nothing_of_it_is_remembered() {
    let mut world = World::new();
    let group = [
        valid(grouped("g", create("op-1", "r-1"))),
        valid(grouped("g", after(&["op-0"], create("op-2", "r-2")))),
        valid(grouped("g", at_record("r-9", intent("op-3", Update, "assets", json!({"a": 2}))))),
    ];
    let before = state(&world);
    let held = "deferred:dependency_missing";
    assert_eq!(world.words(1, &group), [held, held, held]);
    assert_eq!(state(&world), before);
    assert_eq!(
        world.words(1, &[valid(create("op-0", "r-0")), group[0].clone(), group[1].clone()]),
        ["applied", "applied", "applied"]
    );
}

#[test]
fn a_refused_group_takes_its_places_in_a_strict_sequence() {
    let mut world = World::new();
    let group = [
        valid(grouped("g", counted(1, create("op-1", "r-1")))),
        valid(grouped("g", counted(2, at_record("r-9", intent("op-2", Update, "assets", json!({"a": 2})))))),
        valid(counted(3, create("op-3", "r-3"))),
    ];
    let decided = world.send_all(1, Rules { sequence: Some(0), ..Rules::default() }, &group).expect("answered");
    assert_eq!(words(&decided.results), ["rejected:dependency_failed", "rejected:not_found", "applied"]);
    assert_eq!(decided.sequence, Some(3));
}

const ATOMIC: Rules = Rules { atomic: true, unchanged_since: None, if_match: None, sequence: None, ack_floor: 0 };

#[test]
fn an_atomic_batch_that_fails_leaves_nothing_behind() {
    let mut world = World::new();
    let batch = [valid(create("op-1", "r-1")), valid(at_record("r-9", intent("op-2", Update, "assets", json!({"a": 2}))))];
    let before = state(&world);
    let refusal = world.send_all(1, ATOMIC, &batch).expect_err("refused");
    assert_eq!((refusal.problem.code, refusal.intents.len(), refusal.intents[0].0), ("not_found", 1, 1));
    assert_eq!(state(&world), before);
    assert_eq!(words(&world.send_all(1, ATOMIC, &batch[..1]).expect("kept").results), ["applied"]);
}

#[test]
fn an_atomic_batch_holds_only_while_nothing_has_changed_since() {
    let mut world = World::new();
    world.send(2, NOW, at_record("r-1", intent("x-1", Create, "settings", json!({"a": 0}))));
    let since = |seq| Rules { unchanged_since: Some(Seq(seq)), ..ATOMIC };
    // No base: what was checked is that the record stands as the device has it.
    let push = |id: &str, value: i64| valid(at_record("r-1", intent(id, Update, "settings", json!({"a": value}))));
    let fresh = valid(create("op-2", "r-2"));
    assert_eq!(
        words(&world.send_all(1, since(2), &[push("op-1", 1), push("op-1b", 2), fresh.clone()]).expect("kept").results),
        ["applied", "applied", "applied"]
    );
    let before = state(&world);
    let refusal = world.send_all(1, since(2), &[valid(create("op-4", "r-4")), push("op-3", 3)]).expect_err("refused");
    assert_eq!((refusal.problem.code, refusal.problem.status), ("version_conflict", 409));
    assert_eq!(refusal.intents.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1]);
    assert_eq!(state(&world), before);
    let repeated =
        world.send_all(1, since(2), &[push("op-1", 1), push("op-1b", 2), fresh]).expect("a lost answer is given again");
    assert!(repeated.results.iter().all(|result| result.replayed));
}

#[test]
fn a_version_that_is_asked_for_is_the_base_and_any_other_is_refused() {
    let mut world = World::new();
    world.send(2, NOW, at_record("r-1", intent("x-1", Create, "settings", json!({"a": 0}))));
    let with = |version| Rules { if_match: Some(Version(version)), ..Rules::default() };
    let push = |id: &str, value: i64| [valid(at_record("r-1", intent(id, Update, "settings", json!({"a": value}))))];
    assert_eq!(words(&world.send_all(1, with(1), &push("op-1", 1)).expect("kept").results), ["applied"]);
    assert_eq!(words(&world.send_all(1, with(1), &push("op-1", 1)).expect("kept").results), ["applied again"]);
    let refusal = world.send_all(1, with(1), &push("op-2", 2)).expect_err("refused");
    assert_eq!(
        (refusal.problem.code, refusal.problem.status, refusal.problem.detail.as_str()),
        ("precondition_failed", 412, "the record has version 2")
    );
    let missing = [valid(at_record("r-7", intent("op-3", Put, "settings", json!({}))))];
    assert_eq!(world.send_all(1, with(1), &missing).expect_err("refused").problem.detail, "there is no such record");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A batch of random intents, atomic and in groups: after a refusal the world is as before, and a group is in the log as a
    /// whole or not at all.
    #[test]
    fn nothing_is_ever_half_kept(script in proptest::collection::vec((0u8..4, 0u8..5, 0u8..4, 0u8..3), 1..12), atomic in any::<bool>()) {
        let mut world = World::new();
        world.send(2, NOW, at_record("r-0", intent("x-0", Create, "settings", json!({"a": 0}))));
        world.send(2, NOW, at_record("r-1", intent("x-1", Create, "orders", json!({"a": 0}))));
        let intents: Vec<Intent> = script.iter().enumerate().map(|(at, (op, record, group, collection))| {
            let op = [Create, Update, Put, Delete][usize::from(*op)];
            let collection = ["assets", "settings", "orders"][usize::from(*collection)];
            let made = at_record(&format!("r-{record}"), intent(&format!("op-{at}"), op, collection, json!({"a": at})));
            valid(if *group == 0 { made } else { grouped(&format!("g{group}-{}", at / 3), made) })
        }).collect();
        let before = state(&world);
        let rules = if atomic { ATOMIC } else { Rules::default() };
        match world.send_all(1, rules, &intents) {
            Err(_) => prop_assert_eq!(state(&world), before),
            Ok(decided) => {
                let kept = |result: &IntentResult| matches!(result.status, IntentStatus::Applied | IntentStatus::Merged);
                for pair in intents.iter().zip(&decided.results).collect::<Vec<_>>().windows(2) {
                    if pair[0].0.group().is_some() && pair[0].0.group() == pair[1].0.group() {
                        prop_assert_eq!(kept(pair[0].1), kept(pair[1].1));
                    }
                }
                let rows = world.effects.changes.iter().filter(|change| change.client == ClientKey(1)).count();
                let answered = decided.results.iter().filter(|result| kept(result) && !result.noop).count();
                prop_assert_eq!(rows, answered);
                let seqs: Vec<i64> = world.effects.changes.iter().map(|change| change.seq.0).collect();
                prop_assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1));
            }
        }
    }
}
