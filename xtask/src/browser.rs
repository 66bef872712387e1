//! `cargo xtask e2e`: the journeys in `end2end/`, a real browser against the binary, which their own configuration starts.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::build;
use crate::process::{self, command};
use crate::rings::Count;
use crate::setup;
use crate::workspace::Workspace;

/// The command. The words go to Playwright.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    let toolchain = setup::for_running(workspace)?;
    setup::for_testing(workspace)?;
    build::everything(workspace, &toolchain, false)?;
    let count = journeys(workspace, words)?;
    println!("{} passed, {} failed", count.passed, count.failed);
    ensure!(count.failed == 0, "{} journeys failed", count.failed);
    Ok(())
}

/// Runs the journeys against the binary that is built.
pub(crate) fn journeys(workspace: &Workspace, words: &[String]) -> anyhow::Result<Count> {
    let report = workspace.join("target/journeys.json");
    let _ = std::fs::remove_file(&report);
    let mut playwright = playwright(workspace, false)?;
    playwright
        .env("PLAYWRIGHT_JSON_OUTPUT_FILE", &report)
        .env("PLAYWRIGHT_JSON_OUTPUT_NAME", &report)
        .args(["--reporter=list,json"])
        .args(words);
    let outcome = process::run(&mut playwright);
    let text = std::fs::read_to_string(&report).with_context(|| format!("Playwright left no report ({outcome:?})"))?;
    let count = counted(&serde_json::from_str(&text).context("reading Playwright's report")?);
    ensure!(outcome.is_ok() || count.failed > 0, "Playwright failed outside of any journey");
    ensure!(count.passed + count.failed > 0, "no journey ran");
    Ok(count)
}

/// Measures the shipped binary in a browser, which prints what it found.
pub(crate) fn measure(workspace: &Workspace) -> anyhow::Result<()> {
    process::run(playwright(workspace, true)?.args(["--config", "measure.config.ts"]))
}

/// Playwright's `test` against the binary that is built.
fn playwright(workspace: &Workspace, release: bool) -> anyhow::Result<Command> {
    let place = workspace.join("end2end");
    let driver = place.join("node_modules/@playwright/test/cli.js");
    ensure!(driver.is_file(), "end2end/ has no Playwright: it comes with `cargo xtask setup`");
    let mut playwright = command("node");
    playwright.current_dir(&place).env("TIDEWATCH_BIN", workspace.binary(release)).arg(driver).arg("test");
    if let Some(browser) = setup::browser() {
        playwright.env("CHROME_BIN", browser);
    }
    Ok(playwright)
}

/// A journey that only passes the second time has failed.
fn counted(report: &Value) -> Count {
    let number = |name: &str| report["stats"][name].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let errors = report["errors"].as_array().map_or(0, Vec::len);
    Count { passed: number("expected"), failed: number("unexpected") + number("flaky") + errors }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_journey_that_passes_the_second_time_has_failed() {
        let report =
            json!({ "stats": { "expected": 7, "unexpected": 1, "flaky": 2, "skipped": 3 }, "errors": [{ "message": "a" }] });
        assert_eq!(counted(&report), Count { passed: 7, failed: 4 });
    }
}
