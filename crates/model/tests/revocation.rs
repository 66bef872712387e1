//! Scopes that are opened and closed: fourteen scenarios by number, each in pages of 1, 2, 7 and 500 rows, against the store and the
//! reference. In all of them both agree on every answer and page, and no checker has anything to say; what is asserted beside that is
//! what the scenario is about.

use tidewatch_domain::sync::MutationOp;
use tidewatch_model::checks::faults;
use tidewatch_model::command::{Command, Edit, Fault, On};
use tidewatch_model::world::{COLLECTIONS, Mutant, Seen, World};

/// May write everything.
const WRITER: usize = 0;
/// May read and write the scope `HOME` to begin with.
const READER: usize = 2;
/// The scope that the reader begins with, and the other one.
const HOME: usize = 0;
const AWAY: usize = 1;

/// A scenario.
struct Scenario {
    number: u32,
    words: &'static str,
    run: fn(usize) -> Vec<Command>,
    holds: fn(&Seen),
}

/// A record of `HOME`: 0, 1 or 2. A record of `AWAY`: 3 or 4.
fn edit(device: usize, record: u8, op: MutationOp, on: On, moved: bool) -> Command {
    let collection = COLLECTIONS.iter().position(|(name, ..)| *name == "assets").expect("it is there");
    let values = if op == MutationOp::Delete { (0, 0) } else { (2 + u8::from(op != MutationOp::Create), 2) };
    Command::Edit(Edit { device, collection, record, op, on, values, moved })
}

fn push(device: usize) -> Command {
    Command::Push { device, count: 20, fault: Fault::None }
}

/// The writer makes records.
fn made(records: &[u8]) -> Vec<Command> {
    let edits = records.iter().map(|record| edit(WRITER, *record, MutationOp::Create, On::Nothing, false));
    edits.chain([push(WRITER)]).collect()
}

/// The writer changes a record that has this version.
fn changed(record: u8, version: i64, op: MutationOp) -> Vec<Command> {
    vec![edit(WRITER, record, op, On::Guess(version), false), push(WRITER)]
}

/// The writer takes a record of this version into the other scope.
fn moved(record: u8, version: i64) -> Vec<Command> {
    vec![edit(WRITER, record, MutationOp::Update, On::Guess(version), true), push(WRITER)]
}

fn page(size: usize) -> Command {
    Command::Pull { device: READER, size, compact: false, fault: Fault::None }
}

/// The reader reads until it is up to date, whatever it was told on the way.
fn read(size: usize) -> Vec<Command> {
    vec![page(size); 3 + 24 / size]
}

fn scope(scope: usize, open: bool) -> Vec<Command> {
    vec![Command::Scope { device: READER, scope, open }]
}

/// Live records that the reader holds at the end.
fn held(seen: &Seen) -> Vec<&str> {
    let live = seen.devices[READER].copy.iter().filter(|(_, held)| held.1.is_some());
    live.map(|(key, _)| key.1.as_str()).collect()
}

/// What the reader was told of scopes and of records that left them, in order.
fn told(seen: &Seen) -> Vec<&'static str> {
    let pages = seen.pages.iter().filter(|page| page.device == READER);
    pages.flat_map(|page| page.said.iter().map(|(_, op)| *op)).filter(|op| ["grant", "revoke", "evict"].contains(op)).collect()
}

/// Rows of a scope that came to the reader.
fn rows_of(seen: &Seen, scope: &str) -> usize {
    let pages = seen.pages.iter().filter(|page| page.device == READER);
    pages.flat_map(|page| &page.rows).filter(|(_, of)| of == scope).count()
}

/// Answers to the reader.
fn answers(seen: &Seen) -> Vec<(&'static str, Option<&'static str>)> {
    seen.devices[READER].answers.iter().map(|(_, answer)| (answer.status, answer.code)).collect()
}

/// Whether the reader ever showed this record.
fn showed(seen: &Seen, record: &str) -> bool {
    let states = seen.shown.iter().filter(|shown| shown.device == READER).flat_map(|shown| shown.state.values());
    states.flat_map(|records| records.keys()).any(|key| key.1 == record)
}

const SCENARIOS: [Scenario; 14] = [
    Scenario {
        number: 1,
        words: "a scope is opened: what has been in it all along is filled in",
        run: |size| [made(&[0, 3, 4]), read(size), scope(AWAY, true), read(size)].concat(),
        holds: |seen| {
            assert_eq!(held(seen), ["r-0", "r-3", "r-4"]);
            assert_eq!(told(seen), ["grant"]);
        },
    },
    Scenario {
        number: 2,
        words: "a scope is closed: everything of it is dropped, and what happens in it from then on does not come",
        run: |size| {
            let later = [changed(0, 1, MutationOp::Update), made(&[1])].concat();
            [made(&[0]), read(size), scope(HOME, false), later, read(size)].concat()
        },
        holds: |seen| {
            assert!(showed(seen, "r-0") && !showed(seen, "r-1"));
            assert_eq!((held(seen).len(), rows_of(seen, "site:a"), told(seen)), (0, 1, vec!["revoke"]));
        },
    },
    Scenario {
        number: 3,
        words: "closed and opened again, and read in between: filled in as it is by then, without what was deleted meanwhile",
        run: |size| {
            let meanwhile = [changed(0, 1, MutationOp::Delete), changed(1, 1, MutationOp::Update), made(&[2])].concat();
            [made(&[0, 1]), read(size), scope(HOME, false), read(size), meanwhile, scope(HOME, true), read(size)].concat()
        },
        holds: |seen| {
            assert_eq!(held(seen), ["r-1", "r-2"]);
            assert_eq!(told(seen), ["revoke", "grant"]);
        },
    },
    Scenario {
        number: 4,
        words: "away while a scope is closed and opened again: the old cursor leads to both rows, and to a scan",
        run: |size| {
            let away = [scope(HOME, false), changed(0, 1, MutationOp::Delete), scope(HOME, true), made(&[2])].concat();
            [made(&[0, 1]), read(size), away, read(size)].concat()
        },
        holds: |seen| {
            assert_eq!(held(seen), ["r-1", "r-2"]);
            assert_eq!(told(seen).iter().filter(|op| **op == "revoke").count(), 1);
        },
    },
    Scenario {
        number: 5,
        words: "away while a scope is opened and closed again: nothing of it ever comes",
        run: |size| [made(&[0, 3]), read(size), scope(AWAY, true), made(&[4]), scope(AWAY, false), read(size)].concat(),
        holds: |seen| {
            assert_eq!((held(seen), rows_of(seen, "site:b")), (vec!["r-0"], 0));
        },
    },
    Scenario {
        number: 6,
        words: "a row that closes a scope comes once: not before it is committed, not again after the cursor has passed it, and again \
                only when its page was lost",
        run: |size| {
            let lost = Command::Pull { device: READER, size, compact: false, fault: Fault::Answer };
            let twice = Command::Pull { device: READER, size, compact: false, fault: Fault::Twice };
            let after = [vec![lost, twice], read(size), made(&[3]), read(size)].concat();
            [made(&[0]), read(size), scope(HOME, false), scope(HOME, false), after].concat()
        },
        holds: |seen| assert_eq!((held(seen).len(), told(seen)), (0, vec!["revoke"])),
    },
    Scenario {
        number: 7,
        words: "a scope is closed in the middle of a scan: the rest of the scan has nothing of it, and at its end nothing of it is held",
        run: |size| {
            let scan = vec![page(size)];
            [made(&[0, 1, 2, 3]), scope(AWAY, true), vec![Command::Rescan(READER)], scan, scope(AWAY, false), read(size)].concat()
        },
        holds: |seen| {
            assert_eq!(held(seen), ["r-0", "r-1", "r-2"]);
            assert_eq!(told(seen).iter().filter(|op| **op == "revoke").count(), 1);
        },
    },
    Scenario {
        number: 8,
        words: "a scope is opened in the middle of a scan: the scan begins again, and has both",
        run: |size| {
            let scan = vec![Command::Rescan(READER), page(size)];
            [made(&[0, 1, 2, 3]), scan, scope(AWAY, true), changed(1, 1, MutationOp::Update), read(size)].concat()
        },
        holds: |seen| assert_eq!(held(seen), ["r-0", "r-1", "r-2", "r-3"]),
    },
    Scenario {
        number: 9,
        words: "a record moves into a scope that is not open: it is dropped, which is no deletion, and what happens to it then does not come",
        run: |size| {
            [
                made(&[0, 1]),
                read(size),
                moved(0, 1),
                read(size),
                vec![edit(WRITER, 0, MutationOp::Put, On::Guess(2), true), push(WRITER)],
                read(size),
            ]
            .concat()
        },
        holds: |seen| {
            assert_eq!((held(seen), told(seen)), (vec!["r-1"], vec!["evict"]));
            assert_eq!(rows_of(seen, "site:b"), 0);
            assert!(seen.log.iter().all(|row| row.op != "delete"));
        },
    },
    Scenario {
        number: 10,
        words: "a record moves into an open scope out of one that is not: it comes whole",
        run: |size| [made(&[0, 3]), read(size), moved(3, 1), read(size)].concat(),
        holds: |seen| {
            assert_eq!((held(seen), told(seen).len()), (vec!["r-0", "r-3"], 0));
            assert_eq!(seen.devices[READER].copy.values().map(|held| held.0).max(), Some(2));
        },
    },
    Scenario {
        number: 11,
        words: "a record has moved away, and the scope that it went to is opened: it comes back with it, whether that it left was read or not",
        run: |size| {
            let unread = [moved(0, 1), scope(AWAY, true), read(size)].concat();
            [made(&[0, 1]), read(size), unread, moved(1, 1), read(size), vec![Command::Restart], read(size)].concat()
        },
        holds: |seen| assert_eq!(held(seen), ["r-0", "r-1"]),
    },
    Scenario {
        number: 12,
        words: "a record that was in a scope when it was read, and is in another open one by now, stays when the first one is closed",
        run: |size| {
            let both = [scope(AWAY, true), read(size), moved(0, 1), scope(HOME, false), read(size)].concat();
            [made(&[0, 1, 3]), both].concat()
        },
        holds: |seen| assert_eq!(held(seen), ["r-0", "r-3"]),
    },
    Scenario {
        number: 13,
        words: "a write waits while its scope is closed: it is refused for good, also after the scope was opened again; the next write is not",
        run: |size| {
            let waiting = vec![edit(READER, 0, MutationOp::Update, On::Guess(1), false)];
            let again = vec![Command::Replay(READER, 0), edit(READER, 0, MutationOp::Put, On::Guess(1), false), push(READER)];
            [made(&[0]), read(size), waiting, scope(HOME, false), vec![push(READER)], scope(HOME, true), again, read(size)]
                .concat()
        },
        holds: |seen| {
            assert_eq!(answers(seen), [("rejected", Some("scope_forbidden")), ("applied", None)]);
            assert_eq!(seen.log.len(), 2, "the refused one has left nothing");
        },
    },
    Scenario {
        number: 14,
        words: "a write was taken, its answer was lost, and its scope was closed: the repeat is answered as the first time was, and shows nothing new",
        run: |size| {
            let lost = Command::Push { device: READER, count: 20, fault: Fault::Answer };
            let taken = vec![edit(READER, 0, MutationOp::Update, On::Guess(1), false), lost];
            let later = changed(0, 2, MutationOp::Put);
            [made(&[0]), read(size), taken, scope(HOME, false), later, vec![push(READER)], read(size)].concat()
        },
        holds: |seen| {
            let (_, answer) = &seen.devices[READER].answers[0];
            assert_eq!(
                (answer.status, answer.replayed, answer.version, answer.record.as_ref()),
                ("applied", true, Some(2), None)
            );
            assert_eq!((held(seen).len(), rows_of(seen, "site:a")), (0, 1));
        },
    },
];

#[test]
fn scopes_are_opened_and_closed_in_fourteen_ways() {
    for Scenario { number, words, run, holds } in &SCENARIOS {
        for size in [1, 2, 7, 500] {
            println!("{number} in pages of {size}: {words}");
            let seen = World::new(Mutant::Honest).run(&run(size)).unwrap_or_else(|difference| panic!("{number}: {difference}"));
            assert_eq!(faults(&seen), [""; 0], "{number} in pages of {size}");
            holds(&seen);
        }
    }
    let numbers: Vec<u32> = SCENARIOS.iter().map(|scenario| scenario.number).collect();
    assert_eq!(numbers, (1..=14).collect::<Vec<u32>>());
}

/// A feed that does not say that a scope was closed is found in each scenario in which one is.
#[test]
fn a_scope_that_is_closed_in_silence_is_found_in_every_scenario_that_closes_one() {
    for Scenario { number, words, run, .. } in &SCENARIOS {
        let run = run(500);
        let closes = run.iter().any(|step| matches!(step, Command::Scope { open: false, .. }));
        let seen = World::new(Mutant::Unrevoked).run(&run).expect("devices are lied to after the pages were compared");
        let found = faults(&seen).iter().any(|fault| fault.starts_with("I-13:"));
        assert_eq!(found, closes, "{number}: {words}");
    }
}
