//! Whole fleets in virtual time against a real store: whatever the network does, nothing is lost, nothing happens twice,
//! everybody ends up equal. A failing seed is printed, and becomes a case here.

use tidewatch_domain::ids::Scope;
use tidewatch_fleet_sim::checks::Observed;
use tidewatch_fleet_sim::in_process::InProcess;
use tidewatch_fleet_sim::places::SITES;
use tidewatch_fleet_sim::scenario::Scenario;
use tidewatch_fleet_sim::virtual_run::{RunOptions, run};
use tidewatch_fleet_sim::world::Roughness;
use tidewatch_service::Service;
use tidewatch_store::sync::SnapshotLimits;
use tidewatch_store::{Store, StoreOptions};

/// Runs a world on a fresh store.
async fn observe(options: RunOptions) -> Observed {
    observe_with(options, SnapshotLimits::STANDARD).await.0
}

/// The same, where snapshots have other bounds; and how many parts of them were handed out.
async fn observe_with(options: RunOptions, snapshots: SnapshotLimits) -> (Observed, usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let opened = StoreOptions { snapshots, ..StoreOptions::new(options.begins, options.seed) };
    let store = Store::open(folder.path(), opened).await.expect("the store opens");
    let scopes = SITES.iter().map(|site| Scope::parse(format!("site:{}", site.slug)).expect("valid")).collect();
    let transport = InProcess::new(Service::new(store.clone()), scopes);
    transport.collections_configure(options.begins).await.expect("the demo collections are valid");
    let observed = run(&transport, options).await;
    store.close().await.expect("the store closes");
    (observed.unwrap_or_else(|error| panic!("seed {}: {error:?}", options.seed)), transport.parts_sent())
}

#[track_caller]
fn assert_sound(observed: &Observed, options: &RunOptions) {
    let faults = observed.faults();
    let shown = faults.iter().take(12).cloned().collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "seed {} of {options:?}: {} faults\n{shown}", options.seed, faults.len());
}

/// How many answers had this status.
fn answers(observed: &Observed, status: &str) -> usize {
    observed.devices.iter().flat_map(|device| &device.answers).filter(|answer| answer.status == status).count()
}

#[tokio::test]
async fn a_rough_half_day_loses_nothing_repeats_nothing_and_ends_equal() {
    for seed in [1, 2, 3] {
        let options = RunOptions::rough(seed);
        let observed = observe(options).await;
        assert_sound(&observed, &options);
        // A world in which nothing went wrong would prove nothing.
        let replayed = observed.devices.iter().flat_map(|device| &device.answers).filter(|answer| answer.replayed).count();
        let queued: usize = observed.devices.iter().map(|device| device.queued.len()).sum();
        let restarts = observed.devices.iter().flat_map(|device| &device.pages).filter(|page| page.start > 0).count();
        assert!(
            queued > 300 && replayed > 5 && restarts > 0,
            "seed {seed}: {queued} queued, {replayed} replayed, {restarts} pages after a restart"
        );
        assert!(answers(&observed, "rejected") > 0, "seed {seed}: the bad release poisons its own entries");
        assert!(answers(&observed, "merged") + answers(&observed, "superseded") > 0, "seed {seed}: edits of one site meet");
    }
}

#[tokio::test]
async fn devices_that_begin_with_snapshots_end_equal_over_the_same_rough_network() {
    let limits = SnapshotLimits { rows_min: 0, part_rows: 7, ..SnapshotLimits::STANDARD };
    let mut parts = 0;
    for seed in [21, 22] {
        // Copies are ordered anew, too.
        let options = RunOptions { command_every_ms: Some(40 * 60_000), devices: 12, ..RunOptions::rough(seed) };
        let (observed, sent) = observe_with(options, limits).await;
        assert_sound(&observed, &options);
        parts += sent;
    }
    assert!(parts > 20, "{parts} parts were read");
}

#[tokio::test]
async fn the_same_seed_writes_the_same_log() {
    let options = RunOptions { devices: 8, ..RunOptions::rough(4) };
    let (first, second) = (observe(options).await, observe(options).await);
    assert!(first.log.len() > 50, "{} rows", first.log.len());
    assert_eq!(first.log_lines, second.log_lines);
    let other = observe(RunOptions { seed: 5, ..options }).await;
    assert_ne!(first.log_lines, other.log_lines);
}

#[tokio::test]
async fn clocks_that_run_minutes_fast_neither_win_for_ever_nor_break_convergence() {
    let options = RunOptions { scenario: Scenario::FastClocks, devices: 10, ..RunOptions::rough(6) };
    assert_sound(&observe(options).await, &options);
}

#[tokio::test]
async fn tablets_that_are_offline_for_days_come_back_with_everything() {
    let options = RunOptions {
        stretch: 360,
        faults_ms: 72 * 3_600_000,
        edit_every_ms: 45 * 60_000,
        devices: 10,
        scenario: Scenario::Ordinary,
        roughness: Roughness { crash: 0.05, ..Roughness::ROUGH },
        ..RunOptions::rough(7)
    };
    assert_sound(&observe(options).await, &options);
}

#[tokio::test]
async fn commands_over_a_rough_network_are_obeyed_once_and_lose_nothing() {
    for seed in [11, 12] {
        let options = RunOptions { command_every_ms: Some(40 * 60_000), devices: 12, ..RunOptions::rough(seed) };
        let observed = observe(options).await;
        assert_sound(&observed, &options);
        let in_state = |state: &str| observed.commands.iter().filter(|command| command.state == state).count();
        let drained: usize = observed.devices.iter().map(|device| device.drained.len()).sum();
        // A world in which nobody was told anything would prove nothing.
        assert!(
            in_state("done") > 20
                && in_state("cancelled") > 0
                && in_state("superseded") + in_state("expired") > 0
                && drained > 10,
            "seed {seed}: {} done, {} cancelled, {drained} entries drained of {} commands",
            in_state("done"),
            in_state("cancelled"),
            observed.commands.len()
        );
    }
}

/// What `cargo xtask sim` runs with seeds that nobody chose.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the seed of a run that is repeated comes from outside")]
async fn any_seed() {
    let seed: u64 = match std::env::var("TIDEWATCH_SIM_SEED") {
        Ok(text) => text.parse().expect("TIDEWATCH_SIM_SEED is a whole number"),
        Err(_) => 20_261_121,
    };
    let scenario = Scenario::ALL[usize::try_from(seed % 4).expect("below four")];
    let command_every_ms = seed.is_multiple_of(2).then_some(60 * 60_000);
    let options = RunOptions { scenario, command_every_ms, ..RunOptions::rough(seed) };
    assert_sound(&observe(options).await, &options);
}
