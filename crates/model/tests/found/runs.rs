//! How runs are written down.

use tidewatch_domain::sync::MutationOp;
use tidewatch_model::checks::faults;
use tidewatch_model::command::{Command, Edit, Fault, On};
use tidewatch_model::world::{COLLECTIONS, Mutant, Seen, World};

pub(crate) fn an_edit(device: usize, collection: &str, op: MutationOp, on: On, values: (u8, u8)) -> Edit {
    let collection = COLLECTIONS.iter().position(|(name, ..)| *name == collection).expect("it is there");
    Edit { device, collection, record: 0, op, on, values, moved: false }
}

pub(crate) fn edit(device: usize, collection: &str, op: MutationOp, on: On, values: (u8, u8)) -> Command {
    Command::Edit(an_edit(device, collection, op, on, values))
}

pub(crate) fn push(device: usize) -> Command {
    Command::Push { device, count: 20, fault: Fault::None }
}

pub(crate) fn pull(device: usize, size: usize, fault: Fault) -> Command {
    Command::Pull { device, size, compact: false, fault }
}

/// Both sides agree, and no checker has anything to say.
pub(crate) fn sound(run: &[Command]) -> Seen {
    let seen = World::new(Mutant::Honest).run(run).expect("both agree");
    assert_eq!(faults(&seen), [""; 0]);
    seen
}
