//! Runs that once failed by faults of the model's own parts: of the reference, the devices or the checkers.

use tidewatch_domain::sync::MutationOp;
use tidewatch_model::command::{Command, Edit, Fault, On};
use tidewatch_model::reference::DAY;

use crate::runs::{an_edit, edit, pull, push, sound};

/// A device lost the cursor of its first page of a scan, and what that page had mentioned was deleted before it began again: it counted as
/// mentioned by the second scan, which does not speak of it. A fault of the device; `docs/reference/feed.md` says what it has to do.
#[test]
fn a_scan_that_begins_again_does_not_count_what_the_first_one_mentioned() {
    let scan = |size, fault| Command::Pull { device: 2, size, compact: true, fault };
    let seen = sound(&[
        edit(0, "readings", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        scan(500, Fault::Late),
        edit(0, "readings", MutationOp::Delete, On::Held, (0, 0)),
        push(0),
        scan(2, Fault::None),
        scan(2, Fault::None),
    ]);
    assert!(seen.devices[2].copy.is_empty(), "{:?}", seen.devices[2].copy);
}

/// A value was added and removed in one moment: the law was tried as if the removal had come first. A fault of the checker.
#[test]
fn what_removes_comes_after_what_it_has_seen_whoever_made_it() {
    let seen = sound(&[
        edit(1, "boards", MutationOp::Crdt, On::Nothing, (5, 3)),
        push(1),
        pull(0, 500, Fault::None),
        edit(0, "boards", MutationOp::Crdt, On::Held, (2, 0)),
        push(0),
    ]);
    let body = seen.followed["site:a"].values().next().map(|(_, body)| body["tags"].clone());
    assert_eq!(body, Some(serde_json::json!({"$set": []})));
}

/// The clock of the machine goes back before anything is written: the log, which begins with the collections, is later than that. A fault
/// of the reference.
#[test]
fn time_does_not_go_back_behind_the_collections() {
    sound(&[
        Command::Skew(0, 300_001),
        Command::Advance(-2),
        edit(0, "surveys", MutationOp::Put, On::Nothing, (2, 2)),
        push(0),
        edit(1, "surveys", MutationOp::Put, On::Nothing, (4, 3)),
        push(1),
    ]);
}

/// A device is given a conflict to decide, which nobody remembers; the same intent arrives again when the record has become what it was
/// based on, and is taken. The checker went by the first answer. A fault of the checker.
#[test]
fn what_is_given_back_to_a_device_is_no_last_word() {
    let seen = sound(&[
        edit(0, "settings", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        edit(1, "settings", MutationOp::Update, On::Content(3), (4, 0)),
        push(1),
        edit(0, "settings", MutationOp::Put, On::Guess(1), (3, 0)),
        push(0),
        Command::Replay(1, 0),
        Command::Status(1),
    ]);
    let told = seen.devices[1].answers.iter().map(|(_, answer)| answer.status);
    assert_eq!(told.collect::<Vec<_>>(), ["conflict", "applied"]);
}

/// A device that counts sends an intent again, long after its answer is forgotten: that it comes too late follows from its counter, and
/// nobody has to remember it. A fault of the checker.
#[test]
fn what_comes_too_late_by_its_counter_comes_too_late_again() {
    let seen = sound(&[
        edit(2, "settings", MutationOp::Create, On::Nothing, (2, 2)),
        Command::Push { device: 2, count: 20, fault: Fault::Answer },
        Command::Advance(46 * DAY),
        edit(0, "assets", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        Command::Advance(46 * DAY),
        Command::Push { device: 2, count: 20, fault: Fault::Twice },
    ]);
    assert_eq!(seen.replays.len(), 1);
}

/// A page has a change of a record and its leaving, and is applied twice: the second time the change met a record that was gone. A fault of
/// the device: what it has applied before tells it nothing.
#[test]
fn a_page_that_is_applied_again_may_change_what_has_left_since() {
    let update = an_edit(0, "assets", MutationOp::Update, On::Held, (4, 0));
    sound(&[
        edit(0, "assets", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        pull(2, 500, Fault::None),
        pull(0, 500, Fault::None),
        Command::Edit(update),
        Command::Edit(Edit { values: (5, 0), moved: true, ..update }),
        push(0),
        pull(2, 500, Fault::Twice),
    ]);
}

/// A device that counts sends a batch that is taken whole twice, and says the second time what it has stored by then: the reference was told
/// what it had said the first time. A fault of the world around both.
#[test]
fn a_batch_that_is_taken_whole_says_what_its_device_has_stored_each_time() {
    let twice = Command::Whole { device: 2, count: 20, since: false, fault: Fault::Twice };
    let create = |record| Command::Edit(Edit { record, ..an_edit(2, "plans", MutationOp::Create, On::Nothing, (2, 2)) });
    sound(&[create(0), create(1), twice, Command::Status(2)]);
}
