//! What a run does, drawn at random and shrunk when it fails.

use proptest::prelude::*;
use tidewatch_domain::sync::MutationOp;

/// How many devices there are.
pub const DEVICES: usize = 4;
/// How many records a collection has.
const RECORDS: u8 = 5;

/// What goes wrong between a device and the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The request is lost.
    Request,
    /// The answer is lost.
    Answer,
    /// The request arrives twice.
    Twice,
    /// The request arrives later, after others.
    Late,
}

/// What an edit says it was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// What the device holds: its own earlier intent, or the version.
    Held,
    /// Nothing.
    Nothing,
    /// A version by guess.
    Guess(i64),
    /// The content that the device holds, by its checksum.
    Checksum,
    /// Content that the device brings along: what it holds, or what it thinks of.
    Content(u8),
}

/// How intents of a device hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// They stand or fall together.
    Group,
    /// Each depends on the one before it.
    Chain,
    /// The same, and the first on the last.
    Circle,
}

/// An intent of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Which device.
    pub device: usize,
    /// Place of the collection in the list.
    pub collection: usize,
    /// Number of the record.
    pub record: u8,
    /// What it does.
    pub op: MutationOp,
    /// On what.
    pub on: On,
    /// Values of two fields; 0 is absent, 1 removes.
    pub values: (u8, u8),
    /// In the other scope than the record begins in.
    pub moved: bool,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A device queues an intent.
    Edit(Edit),
    /// A device queues the decision of a person: an edit of the record beside which something waits, or has waited.
    Resolve {
        /// What it writes; the record is that of the conflict.
        edit: Edit,
        /// Which conflict, the youngest first; beyond the last one is one that never was.
        which: usize,
        /// It merges the branch, where it is one, instead of settling the conflict.
        merges: bool,
    },
    /// A device queues an intent and says what it would like to become of a conflict.
    Wish(Edit, usize),
    /// A device queues a patch of a record; the values say which.
    Patch(Edit),
    /// A device queues a named command; the values say which, and what it is given.
    Named(Edit),
    /// A device looks at a page that it does not apply: in another form, and perhaps without what it did itself.
    Aside {
        /// Which.
        device: usize,
        /// Rows.
        size: usize,
        /// How much of each change: 0 as ever, 1 the whole record, 2 nothing.
        include: usize,
        /// Without its own.
        exclude_self: bool,
    },
    /// The first device queues all of these, and ties them together.
    Several {
        /// The intents.
        edits: Vec<Edit>,
        /// How.
        tie: Tie,
    },
    /// A device pushes its oldest intents in a batch that is taken whole or not at all.
    Whole {
        /// Which.
        device: usize,
        /// How many.
        count: usize,
        /// Nothing that it touches has changed since it read last.
        since: bool,
        /// What goes wrong: the answer is lost, or it arrives twice.
        fault: Fault,
    },
    /// A device pushes younger intents before so many older ones.
    Ahead(usize, usize),
    /// Many batches of one intent each arrive at once, in these numbers of each lane, the first lane first.
    Crowd([usize; 3]),
    /// A device pushes its oldest intents.
    Push {
        /// Which.
        device: usize,
        /// How many.
        count: usize,
        /// What goes wrong.
        fault: Fault,
    },
    /// Requests that were under way arrive, the last one first.
    Deliver,
    /// Two devices push everything at the same time.
    Together(usize, usize),
    /// A device reads a page.
    Pull {
        /// Which.
        device: usize,
        /// Rows.
        size: usize,
        /// The state instead of the log.
        compact: bool,
        /// What goes wrong: the page is lost, applied twice, or applied without its cursor.
        fault: Fault,
    },
    /// A device asks for the next page of single fields of a collection.
    Backfill {
        /// Which.
        device: usize,
        /// Place of the collection in the list.
        collection: usize,
        /// Rows.
        size: usize,
    },
    /// A device reads a page of the state, and another one pushes everything after the page was asked for and before it is read.
    Overtaken {
        /// Which reads.
        device: usize,
        /// Which writes.
        writer: usize,
        /// Rows.
        size: usize,
    },
    /// A device begins again at the beginning, with what it holds.
    Rescan(usize),
    /// A device asks what became of everything it ever sent.
    Status(usize),
    /// A device sends again what it sent before, from this place on, backwards.
    Replay(usize, usize),
    /// The other policy of the first collection.
    Policy,
    /// A scope is opened to a device, or closed.
    Scope {
        /// Which device.
        device: usize,
        /// Place of the scope in the list.
        scope: usize,
        /// Opened.
        open: bool,
    },
    /// A device has another role from now on, by its rank.
    Role(usize, i64),
    /// The server's clock moves.
    Advance(i64),
    /// A device's clock is off by this.
    Skew(usize, i64),
    /// The store is closed and opened.
    Restart,
    /// The store is dropped and opened.
    Kill,
}

fn device() -> impl Strategy<Value = usize> {
    0..DEVICES
}

/// Edits of two collections: writes have to meet.
fn edit(collections: [usize; 2]) -> impl Strategy<Value = Edit> {
    let op = prop_oneof![
        4 => Just(MutationOp::Create), 5 => Just(MutationOp::Update), 2 => Just(MutationOp::Put),
        3 => Just(MutationOp::Delete), 3 => Just(MutationOp::Crdt)
    ];
    let on = prop_oneof![5 => Just(On::Held), 2 => Just(On::Nothing), 1 => (1i64..5).prop_map(On::Guess),
        1 => Just(On::Checksum), 1 => (0u8..5).prop_map(On::Content)];
    let collection = proptest::sample::select(collections.to_vec());
    let record = prop_oneof![2 => Just(0u8), 3 => 0..RECORDS];
    let moved = prop_oneof![5 => Just(false), 1 => Just(true)];
    (device(), collection, record, op, on, (0u8..6, 0u8..6), moved).prop_map(
        |(device, collection, record, op, on, values, moved)| {
            // Operations that merge by themselves are for the collection that has such fields; elsewhere now and then.
            let merges = crate::world::COLLECTIONS[collection].0 == "boards" || values.1 == 0;
            let op = if op == MutationOp::Crdt && !merges { MutationOp::Update } else { op };
            Edit { device, collection, record, op, on, values, moved }
        },
    )
}

fn several(collections: [usize; 2]) -> impl Strategy<Value = Command> {
    let tie = prop_oneof![4 => Just(Tie::Group), 4 => Just(Tie::Chain), 1 => Just(Tie::Circle)];
    (proptest::collection::vec(edit(collections), 2..4), tie).prop_map(|(edits, tie)| Command::Several { edits, tie })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        5 => Just(Fault::None), 1 => Just(Fault::Request), 2 => Just(Fault::Answer), 1 => Just(Fault::Twice), 1 => Just(Fault::Late)
    ]
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(1), 2 => Just(2), 2 => Just(7), 4 => Just(500)]
}

fn command(collections: [usize; 2]) -> impl Strategy<Value = Command> {
    let jump = prop_oneof![6 => 1i64..90_000, 2 => -60_000i64..0, 1 => Just(46 * crate::reference::DAY)];
    prop_oneof![
        12 => edit(collections).prop_map(Command::Edit),
        3 => several(collections),
        2 => (device(), 1usize..5, any::<bool>(), fault())
            .prop_map(|(device, count, since, fault)| Command::Whole { device, count, since, fault }),
        1 => (device(), 1usize..4).prop_map(|(device, skip)| Command::Ahead(device, skip)),
        2 => (edit(collections), 0usize..4, any::<bool>())
            .prop_map(|(edit, which, merges)| Command::Resolve { edit, which, merges }),
        3 => (edit(collections), 0usize..5).prop_map(|(edit, wish)| Command::Wish(edit, wish)),
        2 => edit(collections).prop_map(Command::Patch),
        1 => edit(collections).prop_map(Command::Named),
        2 => (device(), size(), 0usize..3, any::<bool>())
            .prop_map(|(device, size, include, exclude_self)| Command::Aside { device, size, include, exclude_self }),
        8 => (device(), 1usize..5, fault()).prop_map(|(device, count, fault)| Command::Push { device, count, fault }),
        2 => Just(Command::Deliver),
        1 => (device(), device()).prop_map(|(one, two)| Command::Together(one, two)),
        9 => (device(), size(), any::<bool>(), fault())
            .prop_map(|(device, size, compact, fault)| Command::Pull { device, size, compact, fault }),
        4 => (device(), proptest::sample::select(collections.to_vec()), size())
            .prop_map(|(device, collection, size)| Command::Backfill { device, collection, size }),
        2 => (device(), device(), size()).prop_map(|(device, writer, size)| Command::Overtaken { device, writer, size }),
        1 => device().prop_map(Command::Rescan),
        1 => device().prop_map(Command::Status),
        1 => (device(), 0usize..20).prop_map(|(device, from)| Command::Replay(device, from)),
        1 => Just(Command::Policy),
        1 => [8usize..20, 0..4, 1..4].prop_map(Command::Crowd),
        2 => (device(), 0usize..2, any::<bool>()).prop_map(|(device, scope, open)| Command::Scope { device, scope, open }),
        1 => (device(), 0i64..3).prop_map(|(device, rank)| Command::Role(device, rank)),
        2 => jump.prop_map(Command::Advance),
        1 => (device(), -400_000i64..700_000).prop_map(|(device, ms)| Command::Skew(device, ms)),
        1 => Just(Command::Restart),
        1 => Just(Command::Kill),
    ]
}

/// A record is made and read, and deleted while somebody is in the middle of a scan, or is behind: from the beginning or not.
fn removal(collections: [usize; 2]) -> impl Strategy<Value = Vec<Command>> {
    let collection = proptest::sample::select(collections.to_vec());
    (0usize..2, collection, 0..RECORDS, 1usize..3, any::<bool>()).prop_map(|(writer, collection, record, size, afresh)| {
        let reader = 1 - writer;
        let edit = |op, on| Command::Edit(Edit { device: writer, collection, record, op, on, values: (2, 3), moved: false });
        let push = Command::Push { device: writer, count: 20, fault: Fault::None };
        let read = |device| Command::Pull { device, size: 500, compact: false, fault: Fault::None };
        let scan = Command::Pull { device: reader, size, compact: true, fault: Fault::None };
        let mut steps = vec![edit(MutationOp::Put, On::Held), push.clone(), read(writer), read(reader)];
        if afresh {
            steps.extend([Command::Rescan(reader), scan.clone(), scan.clone(), scan.clone()]);
        }
        steps.extend([edit(MutationOp::Delete, On::Held), push, scan.clone(), scan.clone(), scan]);
        steps
    })
}

/// Two devices write a record without knowing of each other; one of them reads what came of it and decides, perhaps twice.
fn decision(collections: [usize; 2]) -> impl Strategy<Value = Vec<Command>> {
    let decided = prop_oneof![
        6 => Just(MutationOp::Update), 4 => Just(MutationOp::Put), 2 => Just(MutationOp::Delete), 1 => Just(MutationOp::Crdt)
    ];
    let ops = (prop_oneof![5 => Just(MutationOp::Put), 1 => Just(MutationOp::Delete)], decided);
    let collection = proptest::sample::select(collections.to_vec());
    (0usize..2, collection, 0..RECORDS, ops, (0u8..6, 0u8..6), any::<bool>(), any::<bool>()).prop_map(
        |(decider, collection, record, (other, op), values, merges, again)| {
            let edit = |device, op, on, values| Edit { device, collection, record, op, on, values, moved: false };
            let push = |device| Command::Push { device, count: 20, fault: Fault::None };
            let decide = || Command::Resolve { edit: edit(decider, op, On::Held, values), which: 0, merges };
            let mut steps = vec![
                Command::Edit(edit(decider, MutationOp::Put, On::Nothing, (2, 2))),
                push(decider),
                Command::Edit(edit(1 - decider, other, On::Nothing, (4, 3))),
                push(1 - decider),
                Command::Pull { device: decider, size: 500, compact: false, fault: Fault::None },
                decide(),
                push(decider),
            ];
            if again {
                steps.extend([decide(), push(decider)]);
            }
            steps
        },
    )
}

/// A device writes on what it has read, and another one has written since; perhaps the younger one of two writes arrives first.
fn behind(collections: [usize; 2]) -> impl Strategy<Value = Vec<Command>> {
    let op = prop_oneof![3 => Just(MutationOp::Update), 1 => Just(MutationOp::Put), 1 => Just(MutationOp::Delete)];
    let on = prop_oneof![1 => Just(On::Held), 2 => Just(On::Checksum), 2 => (0u8..5).prop_map(On::Content)];
    let collection = proptest::sample::select(collections.to_vec());
    (0usize..2, collection, 0..RECORDS, op, on, (0u8..6, 0u8..6), any::<bool>()).prop_map(
        |(writer, collection, record, op, on, values, early)| {
            let reader = 1 - writer;
            let edit = |device, op, on, values| Edit { device, collection, record, op, on, values, moved: false };
            let push = |device| Command::Push { device, count: 20, fault: Fault::None };
            let mut steps = vec![
                Command::Edit(edit(writer, MutationOp::Put, On::Held, (2, 3))),
                push(writer),
                Command::Pull { device: reader, size: 500, compact: false, fault: Fault::None },
                Command::Edit(edit(writer, MutationOp::Update, On::Held, (3, 0))),
                push(writer),
                push(reader),
            ];
            let late = edit(reader, op, on, values);
            if early {
                steps.push(Command::Several { edits: vec![late, edit(reader, op, On::Held, values)], tie: Tie::Chain });
                steps.push(Command::Ahead(reader, 1));
            } else {
                steps.push(Command::Edit(late));
            }
            steps.push(push(reader));
            steps
        },
    )
}

/// A run.
pub fn commands(most: usize) -> impl Strategy<Value = Vec<Command>> {
    let places = 0..crate::world::COLLECTIONS.len();
    [places.clone(), places].prop_flat_map(move |collections| {
        let steps = prop_oneof![
            40 => command(collections).prop_map(|step| vec![step]), 1 => removal(collections), 1 => decision(collections),
            1 => behind(collections)
        ];
        proptest::collection::vec(steps, 1..most).prop_map(|parts| parts.concat())
    })
}
