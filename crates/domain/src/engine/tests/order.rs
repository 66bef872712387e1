//! What intents wait for: dependencies, circles, gapless counters and the floor.

use super::*;
use crate::time::DAY_MS;

fn create(id: &str, record: &str) -> Mutation {
    at_record(record, intent(id, Create, "assets", json!({"a": 1})))
}

#[test]
fn an_intent_waits_for_what_it_depends_on_and_comes_in_once_that_stands() {
    let mut world = World::new();
    let child = valid(after(&["op-1"], create("op-2", "r-2")));
    assert_eq!(world.words(1, std::slice::from_ref(&child)), ["deferred:dependency_missing"]);
    let held = world.send_all(1, Rules::default(), std::slice::from_ref(&child)).expect("answered").results.remove(0);
    let problem = held.problem.expect("a problem");
    assert_eq!((problem.status, problem.retryable, problem.retry_after_ms), (424, true, Some(2_000)));
    assert!(world.effects.changes.is_empty() && world.effects.memories.is_empty() && world.effects.dead_letters.is_empty());
    assert_eq!(world.words(2, &[valid(create("op-1", "r-9"))]), ["applied"], "another device's operation is another operation");
    assert_eq!(
        world.words(1, &[child.clone(), valid(create("op-1", "r-1")), child.clone()]),
        ["deferred:dependency_missing", "applied", "applied"]
    );
    assert_eq!(world.words(1, &[child]), ["applied again"]);
}

#[test]
fn an_intent_falls_with_what_it_depends_on_and_so_do_those_behind_it() {
    let mut world = World::new();
    let broken = Intent::Invalid {
        operation_id: OperationId::parse("bad").expect("an id"),
        problem: guard::problem("schema_invalid", 422, "broken"),
        group: None,
        client_seq: None,
        raw: "{}".to_owned(),
    };
    let batch = [
        valid(intent("op-1", Update, "assets", json!({"a": 1}))),
        valid(after(&["op-1"], create("op-2", "r-2"))),
        valid(after(&["op-2"], create("op-3", "r-3"))),
        broken,
        valid(after(&["bad"], create("op-4", "r-4"))),
        valid(create("op-5", "r-5")),
        valid(after(&["op-5"], create("op-6", "r-6"))),
    ];
    let first = world.words(1, &batch);
    let failed = "rejected:dependency_failed";
    assert_eq!(first, ["rejected:not_found", failed, failed, "rejected:schema_invalid", failed, "applied", "applied"]);
    assert_eq!(world.effects.dead_letters.len(), 5);
    let again = world.words(1, &batch);
    assert_eq!(again[1], "rejected:dependency_failed again");
}

#[test]
fn a_circle_is_refused_and_does_not_keep_others_waiting() {
    let mut world = World::new();
    let batch = [
        valid(after(&["op-3"], create("op-1", "r-1"))),
        valid(after(&["op-1"], create("op-2", "r-2"))),
        valid(after(&["op-2"], create("op-3", "r-3"))),
        valid(after(&["op-4"], create("op-4", "r-4"))),
        valid(create("op-5", "r-5")),
    ];
    let failed = "rejected:dependency_failed";
    assert_eq!(world.words(1, &batch), [failed, failed, failed, failed, "applied"]);
}

#[test]
fn what_only_the_logs_remember_counts_for_those_who_depend_on_it() {
    let mut world = World::new();
    let known = |id: &str| (ClientKey(1), OperationId::parse(id).expect("an id"));
    world.set.outcomes = HashMap::from([(known("old-1"), Outcome::Stands), (known("old-2"), Outcome::Failed)]);
    let batch = [valid(after(&["old-1"], create("op-1", "r-1"))), valid(after(&["old-1", "old-2"], create("op-2", "r-2")))];
    assert_eq!(world.words(1, &batch), ["applied", "rejected:dependency_failed"]);
}

/// An id with this time in it.
fn dated(at: Millis) -> String {
    let ms = format!("{:012x}", at.0);
    format!("{}-{}-7000-8000-000000000001", &ms[..8], &ms[8..])
}

#[test]
fn an_intent_does_not_wait_for_what_is_too_old_to_be_answered() {
    let mut world = World::new();
    let horizon = NOW.plus(-DEDUPE_DAYS * DAY_MS);
    let (late, old) = (dated(horizon), dated(horizon.plus(-1)));
    let batch = [
        valid(after(&[&late], create("op-1", "r-1"))),
        valid(after(&[&old], create("op-2", "r-2"))),
        valid(after(&[&late, &old], create("op-3", "r-3"))),
        valid(after(&["op-3"], create("op-4", "r-4"))),
    ];
    let (waits, failed) = ("deferred:dependency_missing", "rejected:dependency_failed");
    assert_eq!(world.words(1, &batch), [waits, failed, failed, failed]);
    assert_eq!(world.words(1, &batch[1..2]), ["rejected:dependency_failed again"], "that is an answer, and is kept");
    let sent = [valid(create(&old, "r-9")), valid(after(&[&old], create("op-5", "r-5")))];
    assert_eq!(world.words(1, &sent), ["rejected:dedupe_horizon_passed", failed], "nor would it have been accepted");
}

#[test]
fn what_is_old_and_known_counts_as_it_is_known() {
    let mut world = World::new();
    let old = dated(NOW.plus(-400 * DAY_MS));
    let id = OperationId::parse(old.as_str()).expect("an id");
    world.set.outcomes = HashMap::from([((ClientKey(1), id), Outcome::Stands)]);
    assert_eq!(world.words(1, &[valid(after(&[&old], create("op-1", "r-1")))]), ["applied"]);
}

#[test]
fn an_intent_that_tells_its_age_by_its_stamp_alone_waits_no_longer_than_others() {
    let stamped = |id: &str, at: Millis| {
        let stamp = format!("{:012x}0000-dev1", at.0);
        let mutation = Mutation { logical_timestamp: Some(stamp), ..after(&["op-gone"], create(id, id)) };
        valid(Mutation { created_at: None, ..mutation })
    };
    let horizon = NOW.plus(-DEDUPE_DAYS * DAY_MS);
    let mut world = World::new();
    let answers = world.words(1, &[stamped("op-1", horizon), stamped("op-2", horizon.plus(-1))]);
    assert_eq!(answers, ["deferred:dependency_missing", "rejected:dependency_failed"]);
}

#[test]
fn a_strict_batch_goes_on_without_gaps_and_a_refused_intent_takes_its_place() {
    let mut world = World::new();
    let strict = |last| Rules { sequence: Some(last), ..Rules::default() };
    let batch = [
        valid(counted(8, create("op-8", "r-8"))),
        valid(counted(9, intent("op-9", Update, "assets", json!({"a": 1})))),
        valid(counted(11, create("op-11", "r-11"))),
        valid(counted(10, create("op-10", "r-10"))),
        valid(counted(12, create("op-12", "r-12"))),
        valid(create("op-x", "r-x")),
    ];
    let decided = world.send_all(1, strict(7), &batch).expect("answered");
    let gap = "deferred:out_of_order";
    assert_eq!(words(&decided.results), ["applied", "rejected:not_found", gap, "applied", gap, "rejected:schema_invalid"]);
    assert_eq!(decided.sequence, Some(10));
    let again = world.send_all(1, strict(10), &batch).expect("answered");
    assert_eq!(words(&again.results)[..5], ["applied again", "rejected:not_found again", "applied", "applied again", "applied"]);
    assert_eq!(again.sequence, Some(12));
}

#[test]
fn an_intent_that_could_not_be_read_does_not_hold_up_a_strict_device() {
    let mut world = World::new();
    let broken = |id: &str, client_seq| Intent::Invalid {
        operation_id: OperationId::parse(id).expect("an id"),
        problem: guard::problem("schema_invalid", 422, "broken"),
        group: None,
        client_seq,
        raw: "{}".to_owned(),
    };
    let batch = [broken("op-1", Some(1)), broken("op-2", None), valid(counted(3, create("op-3", "r-3")))];
    let decided = world.send_all(1, Rules { sequence: Some(0), ..Rules::default() }, &batch).expect("answered");
    assert_eq!((decided.results[2].status, decided.sequence), (IntentStatus::Applied, Some(3)));
}

#[test]
fn a_stray_repeat_of_what_the_device_has_put_behind_itself_changes_nothing() {
    let mut world = World::new();
    let rules = Rules { ack_floor: 5, ..Rules::default() };
    let group = [
        valid(grouped("g", counted(4, create("op-4", "r-4")))),
        valid(grouped("g", counted(6, create("op-6", "r-6")))),
        valid(counted(5, create("op-5", "r-5"))),
        valid(counted(7, create("op-7", "r-7"))),
    ];
    let results = world.send_all(1, rules, &group).expect("answered").results;
    let past = "rejected:dedupe_horizon_passed";
    assert_eq!(words(&results), [past, past, past, "applied"]);
    assert_eq!((world.effects.changes.len(), world.effects.memories.len(), world.effects.dead_letters.len()), (1, 1, 0));
}
