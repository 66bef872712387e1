//! `cargo xtask test`: every ring of tests, the cheapest first, and their sum on the last line.
//!
//! The random seeds of the simulator (`sim`) are a command of their own.
//!
//! A ring that fails does not stop those after it: one run tells everything that is wrong. Only what cannot be (tests of a
//! server that was not built) is counted as failed without being tried.

use std::time::Instant;

use anyhow::bail;

use crate::browser;
use crate::build;
use crate::clients;
use crate::nextest;
use crate::process;
use crate::progress::{duration, note, step};
use crate::setup;
use crate::tidy;
use crate::toolchain::{Toolchain, cargo};
use crate::weight;
use crate::workspace::Workspace;

/// What a ring found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Count {
    /// One thing that held or did not.
    pub(crate) fn one(held: bool) -> Self {
        Self { passed: usize::from(held), failed: usize::from(!held) }
    }

    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// A line of the closing table.
struct Line {
    ring: &'static str,
    count: Count,
    time: String,
    /// Why the ring could not be counted to its end.
    trouble: Option<String>,
}

/// The rings of one run.
#[derive(Default)]
struct Run {
    lines: Vec<Line>,
}

impl Run {
    /// Runs a ring. One that breaks off is one failure, with its reason in the table.
    fn ring(&mut self, ring: &'static str, about: &str, run: impl FnOnce() -> anyhow::Result<Count>) -> bool {
        let started = Instant::now();
        let outcome = step(ring, about, run);
        let time = duration(started.elapsed());
        let (count, trouble) = match outcome {
            Ok(count) => (count, None),
            Err(error) => {
                eprintln!("    {error:#}");
                (Count { passed: 0, failed: 1 }, Some(format!("{error:#}")))
            }
        };
        self.lines.push(Line { ring, count, time, trouble });
        count.failed == 0
    }

    /// The table, and the sum alone on the last line. Gives whether all is well.
    fn close(&self) -> bool {
        eprintln!();
        for Line { ring, count, time, trouble } in &self.lines {
            eprintln!("    {ring:<12}{:>6} passed {:>4} failed   {time}", count.passed, count.failed);
            if let Some(first) = trouble.as_ref().and_then(|trouble| trouble.lines().next()) {
                eprintln!("                {first}");
            }
        }
        let sum = self.lines.iter().fold(Count::default(), |sum, line| sum.plus(line.count));
        println!("{} passed, {} failed", sum.passed, sum.failed);
        sum.failed == 0
    }
}

/// The command.
pub(crate) fn test(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    if !words.is_empty() {
        bail!("test takes nothing: `cargo nextest run` takes names of tests, `cargo xtask e2e` words for Playwright");
    }
    let started = Instant::now();
    let toolchain = setup::for_running(workspace)?;
    setup::for_testing(workspace)?;
    let well = all(workspace, &toolchain);
    note(&format!("in {}", duration(started.elapsed())));
    if well { Ok(()) } else { std::process::exit(1) }
}

/// As a machine runs it: nobody is asked anything, and Playwright refuses what a person left switched on.
pub(crate) fn ci(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    if std::env::var_os("CI").is_none() {
        note("CI is not set: running as a person would; `.ci/run` sets it");
    }
    test(workspace, words)
}

fn all(workspace: &Workspace, toolchain: &Toolchain) -> bool {
    let mut run = Run::default();
    run.ring("Format", "every file as rustfmt writes it", || formatted(workspace));
    run.ring("Tidy", "the house rules", || tidy::check(workspace));
    // Before the tests: those of the server read the site, and the server is compiled once, with it.
    let site = run.ring("Site", "the browser half and the site, and what they weigh", || {
        build::site(workspace, toolchain)?;
        let findings = weight::measure(workspace)?;
        weight::report(workspace)?;
        Ok(findings.iter().fold(Count::default(), |sum, finding| sum.plus(Count::one(finding.holds))))
    });
    run.ring("Tests", "domain, store, service, HTTP, pages, simulator with fixed seeds", || nextest::run(workspace, toolchain));
    // After the tests, which have run the build scripts that both need.
    run.ring("Clippy", "lints of the default toolchain, warnings are errors", || clippy(workspace));
    let built = site
        && run.ring("Server", "the binary of the rings below", || {
            build::everything(workspace, toolchain, false).map(|()| Count::one(true))
        });
    if built {
        run.ring("Clients", "sync clients of the wild against the binary", || clients::run(workspace));
        run.ring("Journeys", "the console in a browser, with and without JavaScript", || browser::journeys(workspace, &[]));
    } else {
        run.ring("Clients", "not tried", || bail!("there is no binary to test"));
        run.ring("Journeys", "not tried", || bail!("there is no binary to test"));
    }
    run.close()
}

/// `cargo xtask lint`.
pub(crate) fn lint(workspace: &Workspace, _words: &[String]) -> anyhow::Result<()> {
    let mut run = Run::default();
    run.ring("Format", "every file as rustfmt writes it", || formatted(workspace));
    run.ring("Clippy", "lints of the default toolchain, warnings are errors", || clippy(workspace));
    if run.close() { Ok(()) } else { std::process::exit(1) }
}

fn formatted(workspace: &Workspace) -> anyhow::Result<Count> {
    let held = process::run(default_cargo().current_dir(workspace.root()).args(["fmt", "--all", "--check"]));
    if held.is_err() {
        note("`cargo fmt --all` sets it right");
    }
    Ok(Count::one(held.is_ok()))
}

/// The server half with all its tests; then the islands as the browser half sees them, in a call of their own.
fn clippy(workspace: &Workspace) -> anyhow::Result<Count> {
    let halves: [&[&str]; 2] =
        [&["--all-targets"], &["--package", "tidewatch-app", "--no-default-features", "--features", "hydrate"]];
    let lint = |words: &&[&str]| {
        let mut clippy = default_cargo();
        clippy.current_dir(workspace.root()).args(["clippy", "--locked"]).args(*words).args(["--", "-D", "warnings"]);
        Count::one(process::run(&mut clippy).is_ok())
    };
    Ok(halves.iter().map(lint).fold(Count::default(), Count::plus))
}

/// clippy and rustfmt belong to the default toolchain, whatever compiler builds the halves.
fn default_cargo() -> std::process::Command {
    let mut command = cargo();
    command.env_remove("RUSTC").env_remove("RUSTDOC");
    command
}
