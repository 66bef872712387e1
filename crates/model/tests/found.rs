//! Runs that once failed, each with what it showed. The faults that they showed are mended.

use tidewatch_domain::sync::MutationOp;
use tidewatch_model::checks::faults;
use tidewatch_model::command::{Command, Edit, Fault, On};
use tidewatch_model::world::{COLLECTIONS, Mutant, Seen, World};

fn an_edit(device: usize, collection: &str, op: MutationOp, on: On, values: (u8, u8)) -> Edit {
    let collection = COLLECTIONS.iter().position(|(name, ..)| *name == collection).expect("it is there");
    Edit { device, collection, record: 0, op, on, values, moved: false }
}

fn edit(device: usize, collection: &str, op: MutationOp, on: On, values: (u8, u8)) -> Command {
    Command::Edit(an_edit(device, collection, op, on, values))
}

fn push(device: usize) -> Command {
    Command::Push { device, count: 20, fault: Fault::None }
}

fn pull(device: usize, size: usize, fault: Fault) -> Command {
    Command::Pull { device, size, compact: false, fault }
}

/// Both sides agree, and no checker has anything to say.
fn sound(run: &[Command]) -> Seen {
    let seen = World::new(Mutant::Honest).run(run).expect("both agree");
    assert_eq!(faults(&seen), [""; 0]);
    seen
}

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
