//! Runs of random commands against the real store and the reference; runs with a fault built in; laws that need two runs.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;
use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRng, TestRunner};
use tidewatch_domain::ids::RecordId;
use tidewatch_domain::sync::{Base, FeedRow, MutationOp, Terms};
use tidewatch_model::checks::{CHECKS, faults};
use tidewatch_model::command::{Command, Edit, Fault, On, commands};
use tidewatch_model::reference::DAY;
use tidewatch_model::world::{COLLECTIONS, Mutant, Seen, World};

/// Runs of an ordinary test; `TIDEWATCH_MODEL_CASES` asks for more.
const CASES: u32 = 128;
/// Commands of a run, at most.
const STEPS: usize = 60;

/// What a run leaves behind.
fn honest(run: &[Command]) -> Seen {
    World::new(Mutant::Honest).run(run).unwrap_or_else(|difference| panic!("{difference}\nin {run:#?}"))
}

fn held(commands: &[Command]) -> Result<(), TestCaseError> {
    let fail = |what: String| TestCaseError::fail(format!("seed {}: {what}", seed()));
    let seen = World::new(Mutant::Honest).run(commands).map_err(fail)?;
    let faults = faults(&seen);
    if faults.is_empty() { Ok(()) } else { Err(fail(faults.join("\n"))) }
}

/// A number that somebody who asks for more has set.
fn asked(name: &str) -> Option<u64> {
    // Read by whoever runs the long version; an ordinary run needs no setting.
    #[expect(clippy::disallowed_methods, reason = "a test that is asked for more has no settings to read it from")]
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// An ordinary run says the same each time; whoever asks for more looks where nobody has looked yet, or where it failed.
fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let fresh = || asked("TIDEWATCH_MODEL_CASES").map_or(20_261, |_| RandomState::new().hash_one(0));
    *SEED.get_or_init(|| asked("TIDEWATCH_MODEL_SEED").unwrap_or_else(fresh))
}

fn config(cases: u32) -> Config {
    let cases = asked("TIDEWATCH_MODEL_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(cases);
    println!("{cases} runs, seed {}", seed());
    let rng_seed = RngSeed::Fixed(seed());
    Config { cases, max_shrink_iters: 600, failure_persistence: None, rng_seed, ..Config::default() }
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn the_store_and_the_reference_agree_on_every_answer_and_page_and_nothing_breaks(commands in commands(STEPS)) {
        held(&commands)?;
    }
}

/// Runs that are the same ones each time.
fn drawn(count: usize) -> Vec<Vec<Command>> {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let run = |_| commands(STEPS).new_tree(&mut runner).expect("a run is drawn").current();
    (0..count).map(run).collect()
}

/// Answers, rows and what was asked for beside a change.
const KINDS: [&str; 46] = [
    "applied",
    "merged",
    "superseded",
    "conflict",
    "rejected",
    "create",
    "update",
    "put",
    "delete",
    "crdt",
    "not_found",
    "scope_forbidden",
    "scope_mismatch",
    "evict",
    "grant",
    "revoke",
    "schema",
    "schema_invalid",
    "guard_failed",
    "dedupe_horizon_passed",
    "elsewhere",
    "noop",
    "dependency_failed",
    "dependency_missing",
    "conflict_resolved",
    "version_conflict",
    "resolved",
    "branch",
    "backfilled",
    "overtaken",
    "without its own",
    "patch",
    "patch, guard_failed",
    "wish",
    "wish, superseded",
    "clock",
    "clock, superseded",
    "clock, merged",
    "command",
    "command, applied",
    "command, schema_invalid",
    "out_of_order",
    "checksum, merged",
    "checksum, applied",
    "content, merged",
    "content, applied",
];

/// The commands reach what they are for.
#[test]
fn runs_come_to_every_kind_of_answer_and_row() {
    let mut missing = BTreeSet::from(KINDS);
    for run in drawn(200) {
        let seen = honest(&run);
        for (_, answer) in seen.devices.iter().flat_map(|device| &device.answers) {
            let rare = [("elsewhere", answer.elsewhere.is_some()), ("noop", answer.noop), ("branch", answer.branch.is_some())];
            let rare = rare.into_iter().filter(|(_, is)| *is).map(|(name, _)| name);
            rare.chain([answer.status]).chain(answer.code).for_each(|name| {
                missing.remove(name);
            });
        }
        for row in &seen.log {
            missing.remove(row.op);
        }
        for name in seen.devices.iter().flat_map(|device| &device.put_off) {
            missing.remove(name);
        }
        for (operation, answer) in seen.devices.iter().flat_map(|device| &device.answers) {
            for name in asked_for(&seen, operation) {
                let told = answer.code.unwrap_or(answer.status);
                missing.remove(name);
                missing.retain(|wanted| *wanted != format!("{name}, {told}"));
            }
        }
        let rare = [("backfilled", seen.backfilled), ("overtaken", seen.overtaken), ("without its own", seen.aside)];
        for (name, _) in rare.into_iter().filter(|(_, times)| *times > 0) {
            missing.remove(name);
        }
        for (_, name) in seen.pages.iter().flat_map(|page| &page.said) {
            missing.remove(name);
        }
        if missing.is_empty() {
            return;
        }
    }
    panic!("no run came to {missing:?}");
}

/// What an operation asked for beside its change.
fn asked_for(seen: &Seen, operation: &str) -> Vec<&'static str> {
    let intent = seen.devices.iter().flat_map(|device| &device.queued).find(|intent| intent.operation_id.as_str() == operation);
    let Some(intent) = intent else { return Vec::new() };
    let terms = intent.terms.as_deref();
    let has = |part: fn(&Terms) -> bool| terms.is_some_and(part);
    let all = [
        ("patch", has(|terms| terms.patch.is_some())),
        ("wish", has(|terms| terms.wish.is_some())),
        ("clock", has(|terms| terms.vector.is_some())),
        ("command", has(|terms| terms.command.is_some())),
        ("content", has(|terms| terms.base_body.is_some())),
        ("checksum", matches!(intent.base, Base::Checksum(_))),
    ];
    all.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
}

/// The fault that is built in is found by each of these checkers, within a bounded number of runs.
fn found(mutant: Mutant, wanted: &[&str]) {
    let mut missing: Vec<&str> = wanted.to_vec();
    for run in drawn(80) {
        let seen = World::new(mutant).run(&run).expect("devices are lied to after the pages were compared");
        let faults = faults(&seen);
        missing.retain(|name| !faults.iter().any(|fault| fault.split(':').next() == Some(*name)));
        if missing.is_empty() {
            return;
        }
    }
    panic!("{mutant:?} was not found by {missing:?}");
}

#[test]
fn positions_that_are_given_out_before_the_transaction_are_found() {
    found(Mutant::EarlySequence, &["I-1", "I-5", "I-6"]);
}

#[test]
fn a_clock_that_nobody_notes_is_found() {
    found(Mutant::OwnClock, &["I-11"]);
}

#[test]
fn a_decision_that_reads_what_nobody_writes_down_is_found() {
    found(Mutant::Unrecorded, &["I-11"]);
}

#[test]
fn policies_that_go_by_arrival_where_they_claim_stamps_are_found() {
    found(Mutant::Arrival, &["I-12"]);
}

#[test]
fn repeats_that_count_again_are_found() {
    found(Mutant::Recount, &["I-12"]);
}

#[test]
fn scopes_that_are_closed_in_silence_are_found() {
    found(Mutant::Unrevoked, &["I-13"]);
}

#[test]
fn scans_that_leave_deletions_out_are_found() {
    found(Mutant::NoTombstones, &["I-1", "I-6", "I-8"]);
}

/// A scan from the beginning has mentioned a record when it is deleted: the deletion has to come with the rest of the scan.
#[test]
fn a_record_that_is_deleted_while_a_scan_goes_on_is_gone_at_its_end_for_any_size_of_page() {
    for size in [1, 2, 7] {
        let made = ["assets", "readings", "profiles"].into_iter().flat_map(|name| [0, 1, 2].map(|record| (name, record)));
        let make = |(name, record): (&str, u8)| Command::Edit(Edit { record, ..an_edit(0, name, MutationOp::Create, (2, 2)) });
        let scan = || Command::Pull { device: 1, size, compact: true, fault: Fault::None };
        let all = |device| Command::Pull { device, size: 500, compact: false, fault: Fault::None };
        let mut run: Vec<Command> = made.map(make).collect();
        run.extend([push(0), all(0), all(1), Command::Rescan(1), scan()]);
        run.extend([edit(0, "assets", MutationOp::Delete, (0, 0)), push(0)]);
        run.extend((0..12).map(|_| scan()));
        let seen = honest(&run);
        assert_eq!(faults(&seen), [""; 0], "pages of {size}");
        let seen = World::new(Mutant::NoTombstones).run(&run).expect("devices are lied to after the pages were compared");
        for name in ["I-1", "I-6", "I-8"] {
            let faults = faults(&seen);
            assert!(faults.iter().any(|fault| fault.starts_with(name)), "{name} in pages of {size}: {faults:?}");
        }
    }
}

/// I-11: the same batches come to the same log, byte for byte, wherever the store was closed or dropped in between.
#[test]
fn the_same_batches_come_to_the_same_log_with_and_without_restarts() {
    for run in drawn(12) {
        // Whose turn it is among many that arrive at once is not in the log: after a start the first lane has it.
        let run: Vec<Command> = run.into_iter().filter(|command| !matches!(command, Command::Crowd(_))).collect();
        let calm: Vec<Command> =
            run.iter().filter(|command| !matches!(command, Command::Restart | Command::Kill)).cloned().collect();
        let one = honest(&run);
        let other = honest(&calm);
        assert_eq!(one.report.chain, other.report.chain);
        assert_eq!(one.log, other.log);
        assert_eq!(one.digests, other.digests);
    }
}

fn an_edit(device: usize, collection: &str, op: MutationOp, values: (u8, u8)) -> Edit {
    let collection = COLLECTIONS.iter().position(|(name, ..)| *name == collection).expect("it is there");
    Edit { device, collection, record: 0, op, on: On::Nothing, values, moved: false }
}

fn edit(device: usize, collection: &str, op: MutationOp, values: (u8, u8)) -> Command {
    Command::Edit(an_edit(device, collection, op, values))
}

fn push(device: usize) -> Command {
    Command::Push { device, count: 20, fault: Fault::None }
}

proptest! {
    #![proptest_config(config(8))]

    /// I-12: where a policy claims that order does not matter, it does not.
    #[test]
    fn writes_that_did_not_know_of_each_other_come_to_the_same_in_any_order(
        writes in proptest::collection::vec((0usize..3, 2u8..6, 2u8..6), 2..7)
    ) {
        for (collection, op) in [("assets", MutationOp::Put), ("profiles", MutationOp::Update), ("boards", MutationOp::Crdt)] {
            let mut bodies = Vec::new();
            for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
                let first = [edit(0, collection, MutationOp::Create, (2, 2)), push(0)];
                // No two write the same: what changes nothing is no write, and leaves the older stamp.
                let value = |at: usize, one: u8| if op == MutationOp::Crdt { one } else { 10 + at as u8 };
                let edits = writes.iter().enumerate();
                let edits = edits.map(|(at, (device, one, two))| edit(*device, collection, op, (value(at, *one), *two)));
                let run: Vec<Command> = first.into_iter().chain(edits).chain(order.map(push)).collect();
                let seen = honest(&run);
                let state: Vec<_> =
                    seen.followed["site:a"].iter().map(|(key, (_, body))| (key.clone(), body.clone())).collect();
                bodies.push(state);
            }
            prop_assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{collection}: {bodies:?}");
        }
    }
}

/// A run in which there is something for every checker to look at.
fn sound() -> Seen {
    let pull = |device| Command::Pull { device, size: 500, compact: false, fault: Fault::None };
    let run = [
        edit(0, "assets", MutationOp::Create, (2, 2)),
        edit(0, "profiles", MutationOp::Create, (2, 2)),
        edit(0, "calls", MutationOp::Create, (2, 2)),
        edit(0, "boards", MutationOp::Crdt, (0, 5)),
        edit(1, "boards", MutationOp::Crdt, (4, 4)),
        Command::Push { device: 0, count: 20, fault: Fault::Twice },
        pull(0),
        pull(1),
        edit(1, "assets", MutationOp::Delete, (0, 0)),
        push(1),
        pull(0),
        Command::Crowd([14, 3, 2]),
    ];
    honest(&run)
}

/// What breaks a run.
type Break = fn(&mut Seen);

/// A checker that can not fail proves nothing.
#[test]
fn every_checker_sees_the_fault_that_it_is_for() {
    assert_eq!(faults(&sound()), [""; 0]);
    let breaks: [(&str, Break); 17] = [
        ("I-1", |seen| drop(seen.devices[0].copy.pop_last())),
        ("I-2", |seen| drop(seen.log.remove(1))),
        ("I-3", |seen| seen.log.push(seen.log[0].clone())),
        ("I-4", |seen| seen.replays[0].1[0].seq = Some(99)),
        ("I-5", |seen| drop(seen.pages[0].rows.pop())),
        ("I-6", |seen| seen.scanned.get_mut(&2).expect("pages of two").clear()),
        ("I-7", |seen| seen.digests.values_mut().for_each(|digest| digest.1 ^= 1)),
        ("I-8", |seen| seen.shown.iter_mut().for_each(|shown| shown.at = 99)),
        ("I-10", |seen| seen.log[1].version.0 += 1),
        ("I-11", |seen| seen.again.chain.clear()),
        ("I-12", |seen| seen.forgets_repeats = true),
        ("I-13", |seen| seen.pages[0].rows[0].1 = "site:z".to_owned()),
        ("I-14", |seen| seen.shown.iter_mut().flat_map(|shown| shown.state.values_mut()).for_each(BTreeMap::clear)),
        ("I-15", |seen| seen.rounds = None),
        ("I-16", |seen| seen.crowds[0].sort_unstable()),
        ("I-17", |seen| seen.log[0].committed.0 += 50 * DAY),
        ("I-20", |seen| {
            let call = seen.log.iter().find(|row| row.collection.as_str() == "calls").expect("a call").clone();
            seen.log.push(FeedRow { record_id: RecordId::parse("other").expect("an id"), ..call });
        }),
    ];
    for (name, broken) in breaks {
        let mut seen = sound();
        broken(&mut seen);
        let faults = faults(&seen);
        assert!(faults.iter().any(|fault| fault.starts_with(&format!("{name}:"))), "{name} does not see it: {faults:?}");
    }
    let names: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(breaks.map(|(name, _)| name).to_vec(), names, "every checker is in the list");
}
