//! Short runs, each for one rule that random commands come to only now and then. Both sides agree on all of it; what is asserted beside
//! that shows that the run comes to what it is for.

use tidewatch_domain::sync::MutationOp;
use tidewatch_model::checks::faults;
use tidewatch_model::command::{Command, Edit, Fault, On, Tie};
use tidewatch_model::reference::DAY;
use tidewatch_model::world::{COLLECTIONS, Mutant, Seen, World};

fn an_edit(device: usize, collection: &str, op: MutationOp, on: On, values: (u8, u8)) -> Edit {
    let collection = COLLECTIONS.iter().position(|(name, ..)| *name == collection).expect("it is there");
    Edit { device, collection, record: 0, op, on, values, moved: false }
}

fn edit(device: usize, collection: &str, op: MutationOp, on: On, values: (u8, u8)) -> Command {
    Command::Edit(an_edit(device, collection, op, on, values))
}

fn decide(device: usize, collection: &str, on: On, values: (u8, u8), merges: bool) -> Command {
    Command::Resolve { edit: an_edit(device, collection, MutationOp::Put, on, values), which: 0, merges }
}

fn push(device: usize) -> Command {
    Command::Push { device, count: 20, fault: Fault::None }
}

fn pull(device: usize) -> Command {
    Command::Pull { device, size: 500, compact: false, fault: Fault::None }
}

fn sound(run: &[Command]) -> Seen {
    let seen = World::new(Mutant::Honest).run(run).expect("both agree");
    assert_eq!(faults(&seen), [""; 0]);
    seen
}

/// Status and code of each answer that a device got.
fn answers(seen: &Seen, device: usize) -> Vec<(&'static str, &'static str)> {
    seen.devices[device].answers.iter().map(|(_, answer)| (answer.status, answer.code.unwrap_or_default())).collect()
}

#[test]
fn a_decision_counts_once_and_only_for_the_record_that_was_looked_at() {
    let seen = sound(&[
        edit(0, "approvals", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        edit(1, "approvals", MutationOp::Put, On::Nothing, (3, 3)),
        push(1),
        edit(0, "approvals", MutationOp::Put, On::Guess(1), (4, 4)),
        push(0),
        decide(1, "approvals", On::Guess(1), (3, 3), false),
        push(1),
        decide(1, "approvals", On::Guess(2), (3, 3), false),
        push(1),
        decide(1, "approvals", On::Guess(3), (5, 5), false),
        push(1),
        Command::Resolve { edit: an_edit(1, "approvals", MutationOp::Put, On::Guess(3), (5, 5)), which: 9, merges: false },
        push(1),
    ]);
    let told = [
        ("conflict", "version_conflict"),
        ("conflict", "version_conflict"),
        ("applied", ""),
        ("rejected", "conflict_resolved"),
        ("rejected", "not_found"),
    ];
    assert_eq!(answers(&seen, 1), told);
}

#[test]
fn a_batch_that_names_a_position_is_taken_whole_or_not_at_all() {
    let whole = Command::Whole { device: 0, count: 9, since: true, fault: Fault::None };
    let begin = [
        edit(0, "settings", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        pull(0),
        edit(1, "assets", MutationOp::Create, On::Nothing, (2, 2)),
        edit(0, "assets", MutationOp::Create, On::Nothing, (3, 3)),
        edit(0, "settings", MutationOp::Put, On::Nothing, (4, 4)),
    ];
    let calm = sound(&[&begin[..], std::slice::from_ref(&whole)].concat());
    assert_eq!(answers(&calm, 0)[1..], [("applied", ""), ("applied", "")], "nothing has changed since it read");
    let seen = sound(&[&begin[..], &[push(1), whole]].concat());
    assert_ne!(answers(&seen, 0), answers(&calm, 0), "what the other one wrote stands against it, and it sends again one by one");
}

#[test]
fn what_depends_on_others_waits_for_them_falls_with_them_and_never_for_itself() {
    let make = |op| an_edit(0, "assets", op, On::Held, (2, 2));
    let chain = |edits: Vec<Edit>, tie| Command::Several { edits, tie };
    let seen = sound(&[
        chain(vec![make(MutationOp::Create), make(MutationOp::Update)], Tie::Chain),
        Command::Ahead(0, 1),
        push(0),
        chain(vec![make(MutationOp::Crdt), make(MutationOp::Put)], Tie::Chain),
        push(0),
        chain(vec![make(MutationOp::Put), make(MutationOp::Put)], Tie::Circle),
        push(0),
    ]);
    assert!(seen.devices[0].put_off.contains("dependency_missing"), "the younger one came first");
    let failed = ("rejected", "dependency_failed");
    assert_eq!(answers(&seen, 0)[2..], [("rejected", "schema_invalid"), failed, failed, failed]);
}

#[test]
fn the_higher_role_wins_whenever_it_wrote() {
    let seen = sound(&[
        Command::Role(1, 2),
        Command::Skew(1, -60_000),
        edit(0, "plans", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        edit(1, "plans", MutationOp::Put, On::Nothing, (3, 3)),
        push(1),
        Command::Advance(1_000),
        edit(0, "plans", MutationOp::Put, On::Nothing, (4, 4)),
        push(0),
    ]);
    assert_eq!(answers(&seen, 1), [("applied", "")]);
    assert_eq!(answers(&seen, 0), [("applied", ""), ("superseded", "")]);
}

#[test]
fn guards_refuse_ask_for_the_word_of_a_higher_role_and_take_it_from_nobody_else() {
    let seen = sound(&[
        edit(0, "claims", MutationOp::Create, On::Nothing, (2, 5)),
        push(0),
        Command::Role(1, 2),
        edit(1, "claims", MutationOp::Create, On::Nothing, (2, 5)),
        push(1),
        edit(0, "claims", MutationOp::Update, On::Guess(1), (4, 2)),
        push(0),
        decide(0, "claims", On::Guess(1), (4, 2), false),
        push(0),
        decide(1, "claims", On::Guess(1), (4, 2), false),
        push(1),
        edit(1, "claims", MutationOp::Update, On::Guess(2), (3, 2)),
        push(1),
        edit(1, "claims", MutationOp::Delete, On::Guess(3), (0, 0)),
        push(1),
    ]);
    let refused = ("rejected", "guard_failed");
    assert_eq!(answers(&seen, 0), [refused, ("conflict", "version_conflict"), refused]);
    assert_eq!(answers(&seen, 1), [("applied", ""), ("applied", ""), ("applied", ""), refused]);
}

#[test]
fn branches_stand_beside_a_record_until_they_are_merged() {
    let seen = sound(&[
        edit(0, "drafts", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        edit(0, "drafts", MutationOp::Update, On::Guess(1), (3, 0)),
        push(0),
        edit(1, "drafts", MutationOp::Update, On::Guess(1), (0, 4)),
        push(1),
        decide(0, "drafts", On::Guess(2), (3, 4), true),
        push(0),
        decide(1, "drafts", On::Guess(3), (5, 5), true),
        push(1),
    ]);
    assert_eq!(answers(&seen, 0)[2..], [("merged", "")]);
    assert_eq!(answers(&seen, 1), [("conflict", "version_conflict"), ("rejected", "not_found")]);
}

#[test]
fn devices_of_two_schemas_write_one_record_and_each_reads_it_in_its_own_names() {
    let seen = sound(&[
        edit(0, "forms", MutationOp::Create, On::Nothing, (2, 3)),
        push(0),
        pull(1),
        edit(1, "forms", MutationOp::Update, On::Held, (4, 5)),
        push(1),
        pull(0),
        edit(0, "forms", MutationOp::Update, On::Held, (5, 3)),
        push(0),
        pull(1),
    ]);
    let body = |n: usize| seen.devices[n].copy.values().next().and_then(|held| held.1.clone()).map(serde_json::Value::Object);
    assert_eq!(body(0), Some(serde_json::json!({"a": 5, "stars": 5})));
    assert_eq!(body(1), Some(serde_json::json!({"title": 5, "stars": 5})));
}

#[test]
fn what_comes_after_the_horizon_is_refused_by_the_time_in_its_id_as_well() {
    let late = |n: usize| edit(n, "assets", MutationOp::Put, On::Nothing, (2, 2));
    let seen = sound(&[
        late(0),
        Command::Edit(Edit { record: 3, ..an_edit(3, "assets", MutationOp::Put, On::Nothing, (2, 2)) }),
        Command::Advance(45 * DAY),
        push(0),
        Command::Advance(1),
        push(3),
    ]);
    assert_eq!(answers(&seen, 0), [("applied", "")]);
    assert_eq!(answers(&seen, 3), [("rejected", "dedupe_horizon_passed")]);
}

#[test]
fn what_a_person_is_to_decide_is_locked_until_then() {
    let seen = sound(&[
        edit(0, "deeds", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        edit(1, "deeds", MutationOp::Update, On::Nothing, (3, 0)),
        push(1),
        edit(0, "deeds", MutationOp::Update, On::Guess(1), (0, 4)),
        push(0),
        edit(0, "deeds", MutationOp::Update, On::Guess(2), (5, 0)),
        push(0),
        decide(0, "deeds", On::Guess(2), (5, 5), false),
        push(0),
    ]);
    let waits = ("conflict", "version_conflict");
    assert_eq!(answers(&seen, 0), [("applied", ""), ("applied", ""), waits, ("applied", "")]);
    assert_eq!(answers(&seen, 1), [waits]);
}

#[test]
fn clocks_tell_what_a_write_has_seen_whatever_its_base_says() {
    let seen = sound(&[
        edit(0, "visits", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        pull(1),
        edit(1, "visits", MutationOp::Update, On::Held, (3, 0)),
        edit(0, "visits", MutationOp::Update, On::Held, (0, 4)),
        push(1),
        push(0),
        pull(0),
        pull(1),
        edit(0, "visits", MutationOp::Put, On::Held, (5, 5)),
        push(0),
    ]);
    let counts = |n: usize| seen.devices[n].clocks.values().next().cloned().unwrap_or_default();
    let all = [("d0".to_owned(), 3), ("d1".to_owned(), 1)];
    assert_eq!([counts(0), counts(1)], [all.clone().into(), all.into()]);
}

#[test]
fn a_device_has_its_wish_where_the_collection_listens_and_nowhere_else() {
    let wish = |collection, wish| Command::Wish(an_edit(1, collection, MutationOp::Put, On::Guess(1), (4, 4)), wish);
    let begin = |collection| {
        let again = edit(0, collection, MutationOp::Put, On::Guess(1), (3, 3));
        vec![edit(0, collection, MutationOp::Create, On::Nothing, (2, 2)), push(0), again, push(0), Command::Skew(1, 60_000)]
    };
    for (at, told) in [("applied", ""), ("superseded", ""), ("merged", ""), ("applied", ""), ("conflict", "version_conflict")]
        .into_iter()
        .enumerate()
    {
        let seen = sound(&[begin("settings"), vec![wish("settings", at), push(1)]].concat());
        assert_eq!(answers(&seen, 1), [told], "wish {at}");
        let seen = sound(&[begin("assets"), vec![wish("assets", at), push(1)]].concat());
        assert_eq!(answers(&seen, 1), [("applied", "")], "wish {at} where nobody listens");
    }
}

#[test]
fn a_patch_changes_fields_holds_its_tests_and_is_refused_whole() {
    let patch = |values| Command::Patch(an_edit(0, "assets", MutationOp::Update, On::Nothing, values));
    let seen = sound(&[
        patch((0, 3)),
        push(0),
        edit(0, "assets", MutationOp::Create, On::Nothing, (2, 2)),
        push(0),
        patch((3, 3)),
        patch((3, 2)),
        patch((2, 0)),
        patch((2, 0)),
        push(0),
    ]);
    let told = [
        ("rejected", "not_found"),
        ("applied", ""),
        ("rejected", "guard_failed"),
        ("applied", ""),
        ("applied", ""),
        ("rejected", "schema_invalid"),
    ];
    assert_eq!(answers(&seen, 0), told);
}

#[test]
fn a_page_in_another_form_has_the_same_rows() {
    let aside = |device, include, exclude_self| Command::Aside { device, size: 7, include, exclude_self };
    let mut run = vec![edit(0, "assets", MutationOp::Create, On::Nothing, (2, 2)), push(0)];
    run.extend([edit(1, "assets", MutationOp::Update, On::Guess(1), (3, 0)), push(1)]);
    run.extend([0, 1, 2].into_iter().flat_map(|include| [aside(0, include, true), aside(1, include, false)]));
    let seen = sound(&run);
    assert_eq!((seen.aside, seen.whole), (3, 2));
}

/// A reader of single fields comes to the end while others write, and has then been given every record as it stands.
#[test]
fn fields_that_are_asked_for_by_themselves_are_those_of_the_records_for_any_size_of_page() {
    for size in [1, 2, 7, 500] {
        let make = |record: u8| Command::Edit(Edit { record, ..an_edit(0, "assets", MutationOp::Put, On::Nothing, (2, 2)) });
        let fields = || Command::Backfill { device: 1, collection: 0, size };
        let mut run: Vec<Command> = (0..3).map(make).collect();
        run.extend([push(0), fields(), edit(0, "assets", MutationOp::Put, On::Nothing, (4, 4)), push(0)]);
        run.extend([fields(), edit(0, "assets", MutationOp::Delete, On::Guess(2), (0, 0)), push(0)]);
        run.extend((0..6).map(|_| fields()));
        assert!(sound(&run).backfilled > 0, "pages of {size}");
        let form = edit(1, "forms", MutationOp::Create, On::Nothing, (2, 3));
        let collection = an_edit(0, "forms", MutationOp::Put, On::Nothing, (0, 0)).collection;
        let old = Command::Backfill { device: 0, collection, size };
        assert!(sound(&[form, push(1), old]).backfilled > 0, "in the names of an older schema");
    }
}
