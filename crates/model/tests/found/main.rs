//! Runs that once failed, each with what it showed: here by faults of the store, which are mended.

mod misjudged;
mod runs;

use runs::{an_edit, edit, pull, push, sound};
use tidewatch_domain::sync::MutationOp;
use tidewatch_model::command::{Command, Edit, Fault, On, Tie};

/// Found by chance: a device that had applied a page, lost its cursor, and read a shorter page next.
#[test]
fn a_device_that_has_applied_more_than_its_cursor_says_is_judged_when_the_cursor_has_caught_up() {
    let seen = sound(&[
        edit(0, "settings", MutationOp::Put, On::Held, (2, 3)),
        push(0),
        edit(0, "settings", MutationOp::Delete, On::Held, (2, 3)),
        push(0),
        pull(2, 500, Fault::Late),
        pull(2, 1, Fault::None),
        pull(2, 7, Fault::None),
    ]);
    assert!(seen.shown.iter().any(|shown| shown.device == 2), "it is judged in the end");
}

/// A step between schemas gives a new record a field, and takes one away: the device of the older schema was not told.
#[test]
fn a_device_of_an_older_schema_is_told_what_became_of_its_write() {
    let seen = sound(&[edit(0, "forms", MutationOp::Create, On::Nothing, (2, 3)), push(0)]);
    let told = seen.devices[0].answers[0].1.record.clone().expect("it is told");
    assert_eq!(serde_json::Value::Object(told), serde_json::json!({"a": 2, "stars": 7}));
}

/// A guard asks for the word of a person before there is a record; the record that was made then did not say that something waits.
#[test]
fn a_record_that_is_made_while_something_waits_beside_it_says_so() {
    sound(&[
        edit(0, "claims", MutationOp::Create, On::Nothing, (4, 2)),
        push(0),
        edit(1, "claims", MutationOp::Create, On::Nothing, (2, 2)),
        push(1),
    ]);
}

/// A group falls because of a record that it has made itself; its device was shown that record, which was taken back with the group.
#[test]
fn a_group_that_falls_shows_nothing_of_what_it_did() {
    let edits = vec![
        an_edit(3, "drafts", MutationOp::Create, On::Nothing, (2, 3)),
        an_edit(3, "drafts", MutationOp::Put, On::Nothing, (4, 4)),
    ];
    let edits = edits.into_iter().map(|edit| Edit { record: 3, ..edit }).collect();
    let twice = Command::Push { device: 3, count: 20, fault: Fault::Twice };
    let seen = sound(&[Command::Several { edits, tie: Tie::Group }, twice]);
    let told = seen.devices[3].answers.iter().map(|(_, answer)| (answer.status, answer.code, answer.version));
    let fell = [("rejected", Some("dependency_failed"), None), ("rejected", Some("version_conflict"), None)];
    assert_eq!(told.collect::<Vec<_>>(), fell);
}

/// A batch that changes nothing is the last one before the store is opened again, and the clock of the machine was set back: rows
/// after it were older than it.
#[test]
fn time_does_not_go_back_behind_a_batch_that_left_no_row() {
    sound(&[
        edit(0, "assets", MutationOp::Put, On::Nothing, (2, 2)),
        push(0),
        Command::Advance(1),
        edit(0, "assets", MutationOp::Update, On::Guess(1), (2, 2)),
        push(0),
        Command::Advance(-2),
        Command::Restart,
        edit(0, "assets", MutationOp::Put, On::Guess(1), (3, 3)),
        push(0),
    ]);
}

/// Two devices take one away each, from the same number: changes add up, and the second one was taken for a repeat of the first.
#[test]
fn two_changes_to_the_same_value_are_two_where_changes_add_up() {
    let seen = sound(&[
        edit(0, "orders", MutationOp::Put, On::Nothing, (5, 4)),
        push(0),
        edit(0, "orders", MutationOp::Update, On::Guess(1), (4, 4)),
        push(0),
        edit(1, "orders", MutationOp::Update, On::Guess(1), (4, 4)),
        push(1),
        edit(2, "orders", MutationOp::Put, On::Guess(1), (4, 4)),
        push(2),
    ]);
    let body = seen.followed["site:a"].values().next().map(|(_, body)| body["qty"].clone());
    assert_eq!(body, Some(serde_json::json!(2)));
}

/// A write arrives after a deletion that had seen it: its device was told that nothing had changed, and would have kept the record.
#[test]
fn a_write_that_a_deletion_has_overtaken_is_not_so_already() {
    let seen = sound(&[
        edit(1, "visits", MutationOp::Create, On::Nothing, (2, 2)),
        push(1),
        pull(0, 500, Fault::None),
        edit(0, "visits", MutationOp::Put, On::Held, (2, 2)),
        edit(0, "visits", MutationOp::Delete, On::Held, (0, 0)),
        Command::Ahead(0, 1),
        push(0),
    ]);
    let told = seen.devices[0].answers.iter().map(|(_, answer)| (answer.status, answer.noop));
    assert_eq!(told.collect::<Vec<_>>(), [("applied", false), ("superseded", false)]);
}

/// A device wishes its write to be merged, and one of its fields gives way to a newer one: that field carried the older stamp from then
/// on, and lost against a write of between the two.
#[test]
fn a_field_that_gave_way_in_a_merge_keeps_its_stamp() {
    let wish = |values| Command::Wish(an_edit(0, "profiles", MutationOp::Update, On::Guess(1), values), 2);
    let seen = sound(&[
        edit(0, "profiles", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        Command::Skew(1, 60_000),
        edit(1, "profiles", MutationOp::Update, On::Nothing, (3, 0)),
        push(1),
        wish((4, 4)),
        push(0),
        Command::Skew(3, 30_000),
        Command::Scope { device: 3, scope: 0, open: true },
        edit(3, "profiles", MutationOp::Update, On::Nothing, (5, 0)),
        push(3),
    ]);
    let body = seen.followed["site:a"].values().next().map(|(_, body)| (body["a"].clone(), body["b"].clone()));
    assert_eq!(body, Some((serde_json::json!(3), serde_json::json!(4))));
}

/// A scope is opened, and a record of it changed, before the device reads: the page has the change, and the device not what it changes.
/// It applies nothing of a scope that it has just been told of: the scan brings it.
#[test]
fn a_change_behind_the_row_that_opens_its_scope_waits_for_the_scan() {
    let seen = sound(&[
        edit(0, "profiles", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        Command::Scope { device: 3, scope: 0, open: true },
        edit(0, "profiles", MutationOp::Update, On::Guess(1), (3, 0)),
        push(0),
        pull(3, 500, Fault::None),
        pull(3, 500, Fault::None),
    ]);
    assert_eq!(seen.devices[3].copy.values().map(|held| held.0).collect::<Vec<_>>(), [2]);
}

/// A branch is settled without a merge, and the next one beside the same version had its name.
#[test]
fn no_two_branches_beside_a_version_have_one_name() {
    let seen = sound(&[
        edit(0, "drafts", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        edit(1, "drafts", MutationOp::Put, On::Nothing, (3, 3)),
        push(1),
        Command::Resolve { edit: an_edit(0, "drafts", MutationOp::Update, On::Guess(1), (0, 0)), which: 0, merges: false },
        push(0),
        edit(1, "drafts", MutationOp::Put, On::Nothing, (5, 5)),
        push(1),
    ]);
    let names = seen.devices[1].answers.iter().map(|(_, answer)| answer.branch.as_deref());
    assert_eq!(names.collect::<Vec<_>>(), [Some("1b"), Some("1c")]);
}

/// A branch beside a deleted record is merged by a deletion, and the record came back.
#[test]
fn a_branch_that_is_merged_into_a_deletion_leaves_the_record_deleted() {
    let seen = sound(&[
        edit(0, "drafts", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        edit(1, "drafts", MutationOp::Put, On::Nothing, (3, 3)),
        push(1),
        edit(0, "drafts", MutationOp::Delete, On::Guess(1), (0, 0)),
        push(0),
        Command::Resolve { edit: an_edit(0, "drafts", MutationOp::Delete, On::Guess(2), (0, 0)), which: 0, merges: true },
        push(0),
    ]);
    assert!(seen.followed.values().all(std::collections::BTreeMap::is_empty), "{:?}", seen.followed);
}

/// A conflict is settled by a whole record, which took the fields with it that merge by themselves.
#[test]
fn a_decision_leaves_the_fields_that_merge_by_themselves() {
    let seen = sound(&[
        edit(0, "boards", MutationOp::Create, On::Nothing, (2, 2)),
        edit(0, "boards", MutationOp::Crdt, On::Nothing, (0, 5)),
        push(0),
        edit(1, "boards", MutationOp::Delete, On::Nothing, (0, 0)),
        push(1),
        Command::Resolve { edit: an_edit(0, "boards", MutationOp::Put, On::Guess(2), (3, 3)), which: 0, merges: false },
        push(0),
    ]);
    let body = seen.followed["site:a"].values().next().map(|(_, body)| body["count"].clone());
    assert_eq!(body, Some(serde_json::json!(3)));
}

/// A record leaves its scope under the last page of a scan, which said that it was complete without it.
#[test]
fn a_scan_under_whose_last_page_a_record_moves_goes_on() {
    let moved = Edit { moved: true, ..an_edit(0, "assets", MutationOp::Update, On::Guess(1), (4, 4)) };
    sound(&[
        edit(0, "assets", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        Command::Edit(moved),
        Command::Rescan(2),
        Command::Overtaken { device: 2, writer: 0, size: 500 },
    ]);
}

/// A record is written under the last page of a scan: the page can not have it, and must not be the last one then.
#[test]
fn a_scan_under_whose_last_page_a_record_is_written_goes_on() {
    for (size, op) in [(500, MutationOp::Update), (500, MutationOp::Delete), (1, MutationOp::Update), (2, MutationOp::Put)] {
        let seen = sound(&[
            edit(0, "assets", MutationOp::Create, On::Nothing, (2, 2)),
            push(0),
            edit(0, "assets", op, On::Guess(1), (4, 0)),
            Command::Overtaken { device: 1, writer: 0, size },
        ]);
        assert_eq!(seen.overtaken, 1, "pages of {size}, {op:?}");
    }
}

/// Where the policy does not merge, a patch was made on the record as it stands instead of the version that it names.
#[test]
fn a_patch_is_made_on_the_version_that_it_names_whatever_the_policy() {
    let patch = Edit { moved: true, ..an_edit(3, "boards", MutationOp::Update, On::Guess(1), (1, 0)) };
    sound(&[
        edit(1, "boards", MutationOp::Crdt, On::Nothing, (0, 0)),
        edit(1, "boards", MutationOp::Create, On::Nothing, (0, 2)),
        push(1),
        Command::Patch(patch),
        push(3),
    ]);
}

/// A device that counts without gaps lost an answer that is not remembered, and its counter was behind it: a repeat was told that it
/// came too late, instead of what had become of the intent.
#[test]
fn an_answer_to_a_device_that_counts_is_found_again() {
    for collection in ["settings", "assets"] {
        let seen = sound(&[
            edit(0, collection, MutationOp::Create, On::Nothing, (2, 2)),
            push(0),
            edit(2, collection, MutationOp::Update, On::Nothing, (3, 3)),
            Command::Resolve { edit: an_edit(2, collection, MutationOp::Put, On::Held, (3, 3)), which: 3, merges: false },
            Command::Push { device: 2, count: 20, fault: Fault::Answer },
            Command::Push { device: 2, count: 20, fault: Fault::Twice },
        ]);
        let codes: Vec<_> = seen.devices[2].answers.iter().map(|(_, answer)| answer.code.unwrap_or(answer.status)).collect();
        let first = if collection == "settings" { "version_conflict" } else { "applied" };
        assert_eq!(codes, [first, "not_found"]);
    }
}

/// What waits beside a record that was never made is settled by a deletion.
#[test]
fn a_word_on_what_was_never_made_may_be_a_deletion() {
    sound(&[
        edit(0, "claims", MutationOp::Create, On::Held, (4, 0)),
        push(0),
        Command::Resolve { edit: an_edit(0, "visits", MutationOp::Delete, On::Held, (0, 0)), which: 0, merges: false },
        push(0),
    ]);
}

/// A conflict is settled by an operation on fields that merge by themselves, in a collection that has none: it was closed, and nothing else
/// had happened.
#[test]
fn an_operation_that_a_collection_does_not_take_settles_nothing() {
    let settling = |op| Command::Resolve { edit: an_edit(1, "approvals", op, On::Held, (0, 0)), which: 0, merges: false };
    let seen = sound(&[
        edit(0, "approvals", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        edit(2, "approvals", MutationOp::Put, On::Nothing, (4, 3)),
        push(2),
        pull(1, 500, Fault::None),
        settling(MutationOp::Crdt),
        push(1),
        settling(MutationOp::Update),
        push(1),
    ]);
    let told: Vec<_> = seen.devices[1].answers.iter().map(|(_, answer)| answer.code.unwrap_or(answer.status)).collect();
    assert_eq!(told, ["schema_invalid", "applied"]);
}

/// A conflict is settled by an operation on a field that merges by itself: the conflict was closed, and the operation lost.
#[test]
fn an_operation_that_settles_a_conflict_is_made() {
    let settling = an_edit(0, "boards", MutationOp::Crdt, On::Guess(1), (0, 5));
    let seen = sound(&[
        edit(0, "boards", MutationOp::Crdt, On::Nothing, (0, 5)),
        push(0),
        edit(1, "boards", MutationOp::Delete, On::Nothing, (0, 0)),
        push(1),
        Command::Resolve { edit: settling, which: 0, merges: false },
        push(0),
    ]);
    let body = seen.followed["site:a"].values().next().map(|(_, body)| body["count"].clone());
    assert_eq!(body, Some(serde_json::json!(6)));
}

/// A record is deleted twice, by devices that did not know of each other, and then changed by a third that wins: the change was made on
/// nothing, because the version before the last one was a deletion as well.
#[test]
fn a_change_that_wins_over_two_deletions_is_made_on_what_was_there() {
    let seen = sound(&[
        edit(0, "profiles", MutationOp::Create, On::Nothing, (2, 3)),
        push(0),
        edit(0, "profiles", MutationOp::Delete, On::Guess(1), (0, 0)),
        push(0),
        Command::Skew(1, 10_000),
        edit(1, "profiles", MutationOp::Delete, On::Nothing, (0, 0)),
        push(1),
        Command::Skew(0, 20_000),
        edit(0, "profiles", MutationOp::Update, On::Nothing, (4, 0)),
        push(0),
    ]);
    let record = seen.followed["site:a"].values().next().cloned();
    assert_eq!(record.map(|(version, body)| (version, body.into())), Some((4, serde_json::json!({"a": 4, "b": 3}))));
}
