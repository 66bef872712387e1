//! The tests in Rust: with `cargo nextest` where it is installed, with `cargo test` elsewhere.

use anyhow::{Context as _, bail};

use crate::process;
use crate::progress::note;
use crate::rings::Count;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// All tests of the default members, which are the server half.
pub(crate) fn run(workspace: &Workspace, toolchain: &Toolchain) -> anyhow::Result<Count> {
    let has_nextest = process::succeeds(toolchain.cargo().args(["nextest", "--version"]));
    let mut command = toolchain.cargo();
    command.current_dir(workspace.root());
    if has_nextest {
        command.args(["nextest", "run", "--locked", "--no-fail-fast", "--color", "never"]);
    } else {
        note("`cargo nextest` is not installed: using `cargo test`");
        command.args(["test", "--locked", "--no-fail-fast", "--color", "never"]);
    }
    let (succeeded, lines) = process::watched(&mut command)?;
    let count = if has_nextest { of_nextest(&lines) } else { of_cargo_test(&lines) };
    let count = count.context("the tests did not run: they did not compile")?;
    if !succeeded && count.failed == 0 {
        bail!("the run failed although every test that ran passed");
    }
    Ok(count)
}

/// From `Summary [ 1.2s] 33 tests run: 30 passed (1 slow), 2 failed, 1 timed out, 4 skipped`.
fn of_nextest(lines: &[String]) -> Option<Count> {
    let summary = lines.iter().rev().find(|line| line.trim_start().starts_with("Summary ["))?;
    let (_, parts) = summary.split_once(" run: ")?;
    let number = |word: &str| -> usize {
        parts
            .split(", ")
            .filter_map(|part| part.trim().split_once(' '))
            .filter(|(_, what)| what.starts_with(word))
            .filter_map(|(number, _)| number.parse::<usize>().ok())
            .sum()
    };
    Some(Count { passed: number("passed"), failed: number("failed") + number("timed out") + number("exec failed") })
}

/// From one `test result: ok. 3 passed; 0 failed; …` a binary.
fn of_cargo_test(lines: &[String]) -> Option<Count> {
    let mut results = lines.iter().filter(|line| line.starts_with("test result: ")).peekable();
    results.peek()?;
    let number = |line: &str, word: &str| -> usize {
        let parts = line.split(['.', ';']).filter_map(|part| part.trim().strip_suffix(word));
        parts.filter_map(|number| number.trim().parse::<usize>().ok()).sum()
    };
    let add = |sum: Count, line: &String| Count {
        passed: sum.passed + number(line, " passed"),
        failed: sum.failed + number(line, " failed"),
    };
    Some(results.fold(Count::default(), add))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_summary_of_nextest_is_read_with_every_way_to_fail() {
        let cases = [
            ("     Summary [   0.030s] 33 tests run: 33 passed, 0 skipped", Some((33, 0))),
            (
                "     Summary [   1.2s] 33 tests run: 29 passed (2 slow), 2 failed, 1 timed out, 1 exec failed, 4 skipped",
                Some((29, 4)),
            ),
            ("     Summary [   1.2s] 12/33 tests run: 12 passed, 0 skipped", Some((12, 0))),
            ("error: could not compile `a`", None),
        ];
        for (text, expected) in cases {
            assert_eq!(of_nextest(&lines(text)), expected.map(|(passed, failed)| Count { passed, failed }), "{text}");
        }
    }

    #[test]
    fn the_results_of_cargo_test_are_added_up() {
        let text = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\nnoise\ntest result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        assert_eq!(of_cargo_test(&lines(text)), Some(Count { passed: 7, failed: 2 }));
        assert_eq!(of_cargo_test(&lines("error: could not compile")), None);
    }
}
