//! `cargo xtask tidy`: the house rules that a program can check. A rule that is only written down is soon not kept.
//!
//! Every check looks at the [`Tree`] (all files of the project as text) or at what cargo says about it, and gives its findings
//! as sentences that begin with the place. A check never changes a file, but for `--ratchet`, which takes shrunken sizes over.

mod colours;
mod edges;
mod heads;
mod hosts;
mod journeys;
mod paths;
mod sizes;
mod source;
mod tree;

use anyhow::bail;

use crate::rings::Count;
use crate::workspace::Workspace;
use tree::Tree;

/// A rule, and what breaks it.
struct Check {
    /// The rule as a sentence.
    rule: &'static str,
    find: fn(&Workspace, &Tree) -> anyhow::Result<Vec<String>>,
}

const CHECKS: &[Check] = &[
    Check { rule: "crates know only whom they may know", find: edges::crates },
    Check { rule: "only the store knows the drivers of SQLite", find: edges::drivers },
    Check { rule: "the browser half carries nothing of the server", find: edges::browser_half },
    Check { rule: "tests compile no dependency again", find: edges::features },
    Check { rule: "the halves are never built together, and speak one version", find: edges::halves },
    Check { rule: "every Rust file says what it is, and none is called mod.rs", find: heads::files },
    Check { rule: "nothing is switched off or left for later", find: heads::leftovers },
    Check { rule: "files and functions stay small", find: sizes::check },
    Check { rule: "colours are written in style/tokens.css and nowhere else", find: colours::check },
    Check { rule: "paths and commands in the documents exist", find: paths::check },
    Check { rule: "no file knows a machine or a package registry", find: hosts::check },
    Check { rule: "journeys wait for what they see and intercept nothing", find: journeys::check },
];

/// The command.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    match words {
        [] => {}
        [word] if word == "--ratchet" => sizes::tighten(workspace, &Tree::read(workspace)?)?,
        _ => bail!("tidy takes `--ratchet` or nothing"),
    }
    let broken = check(workspace)?.failed;
    if broken > 0 {
        bail!("{broken} of {} rules are broken", CHECKS.len());
    }
    Ok(())
}

/// Checks every rule and says on the terminal what breaks it.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<Count> {
    let tree = Tree::read(workspace)?;
    let mut sum = Count::default();
    for check in CHECKS {
        // A check that cannot look (cargo refuses the manifest, say) is a rule that is not known to hold.
        let findings = (check.find)(workspace, &tree).unwrap_or_else(|error| vec![format!("cannot be checked: {error:#}")]);
        if findings.is_empty() {
            sum.passed += 1;
            eprintln!("    kept: {}", check.rule);
        } else {
            sum.failed += 1;
            eprintln!("  BROKEN: {}", check.rule);
            for finding in findings {
                eprintln!("          {finding}");
            }
        }
    }
    Ok(sum)
}
