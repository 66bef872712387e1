//! `cargo xtask sim`: the simulated fleet in process, with a seed that nobody chose.
//!
//! The fixed seeds are ordinary tests. This runs the one test that takes its seed from `TIDEWATCH_SIM_SEED`, seed after seed until
//! the time is up, and prints the seed of a failure: `cargo xtask sim SEED` repeats it, and it becomes a named test.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::process;
use crate::progress::note;
use crate::rings::Count;
use crate::setup;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

const TIME_BOX: Duration = Duration::from_secs(20);
/// The test in `crates/fleet-sim` that reads the seed.
const TEST: &str = "any_seed";

/// The command: the given seed once, or random ones.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    let toolchain = setup::for_running(workspace)?;
    match words {
        [] => ensure!(random(workspace, &toolchain)?.failed == 0, "a seed failed"),
        [seed] => {
            let seed = seed.parse().with_context(|| format!("{seed} is no seed: a whole number from 0 to {}", u64::MAX))?;
            compile(workspace, &toolchain)?;
            ensure!(holds(workspace, &toolchain, seed)?, "seed {seed} fails");
        }
        _ => bail!("sim takes one seed or nothing"),
    }
    Ok(())
}

/// Seeds of this run until the time is up or one fails.
pub(crate) fn random(workspace: &Workspace, toolchain: &Toolchain) -> anyhow::Result<Count> {
    compile(workspace, toolchain)?;
    let started = Instant::now();
    // The standard library's source of randomness: seeded by the system, and no dependency.
    let mut seed = RandomState::new().hash_one("seed");
    let mut count = Count::default();
    while started.elapsed() < TIME_BOX {
        note(&format!("seed {seed}"));
        if !holds(workspace, toolchain, seed)? {
            note(&format!("seed {seed} fails: `cargo xtask sim {seed}` repeats it"));
            count.failed = 1;
            break;
        }
        seed = seed.wrapping_add(1);
    }
    // However many seeds fit into the time: it is one test.
    count.passed = 1 - count.failed;
    Ok(count)
}

fn compile(workspace: &Workspace, toolchain: &Toolchain) -> anyhow::Result<()> {
    process::run(test_command(workspace, toolchain).arg("--no-run"))
}

fn holds(workspace: &Workspace, toolchain: &Toolchain, seed: u64) -> anyhow::Result<bool> {
    let mut test = test_command(workspace, toolchain);
    test.env("TIDEWATCH_SIM_SEED", seed.to_string()).args(["--", TEST]);
    let (succeeded, lines) = process::watched(&mut test)?;
    let ran = lines.iter().any(|line| line.starts_with("test result: ") && !line.contains(" 0 passed; 0 failed"));
    ensure!(ran, "crates/fleet-sim has no test called {TEST}");
    Ok(succeeded)
}

fn test_command(workspace: &Workspace, toolchain: &Toolchain) -> std::process::Command {
    let mut command = toolchain.cargo();
    command.current_dir(workspace.root()).args(["test", "--quiet", "--locked", "--package", "tidewatch-fleet-sim", "--tests"]);
    command
}
