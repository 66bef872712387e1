//! How long a file, a function, a component and a view may be; and the ratchet for those that were longer when the rule came.
//!
//! `xtask/ratchet.json` lists every exception with its length. It may shrink (`cargo xtask tidy --ratchet` takes that over), it may not
//! grow, and a new exception is a line that a person adds and a reviewer sees.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::source::{Kind, blanked, extents, without_tests};
use super::tree::Tree;
use crate::progress::note;
use crate::workspace::Workspace;

const RATCHET: &str = "xtask/ratchet.json";
const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 70;
const COMPONENT_LINES: usize = 60;
const VIEW_LINES: usize = 40;

/// What is too long, by place, with its length and the limit.
type Excess = BTreeMap<String, (usize, usize)>;
/// Exceptions: by place, the length that is put up with.
type Ratchet = BTreeMap<String, usize>;

/// Nothing is longer than its limit, or than its exception.
pub(super) fn check(workspace: &Workspace, tree: &Tree) -> anyhow::Result<Vec<String>> {
    Ok(judge(&excess(tree), &read(workspace)?))
}

/// Takes over what has shrunk, and drops exceptions that are not needed any more. Never raises or adds one.
pub(super) fn tighten(workspace: &Workspace, tree: &Tree) -> anyhow::Result<()> {
    let before = read(workspace)?;
    let after = tightened(&before, &excess(tree));
    if after != before {
        let text = serde_json::to_string_pretty(&after).context("writing the ratchet")?;
        std::fs::write(workspace.join(RATCHET), text + "\n").context("writing the ratchet")?;
        note(&format!("{RATCHET} has {} exceptions, {} before", after.len(), before.len()));
    }
    Ok(())
}

fn read(workspace: &Workspace) -> anyhow::Result<Ratchet> {
    match std::fs::read_to_string(workspace.join(RATCHET)) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("reading {RATCHET}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Ratchet::new()),
        Err(error) => Err(error).with_context(|| format!("reading {RATCHET}")),
    }
}

fn judge(excess: &Excess, ratchet: &Ratchet) -> Vec<String> {
    let too_long = excess.iter().filter_map(|(place, (lines, limit))| match ratchet.get(place) {
        None => Some(format!("{place} has {lines} lines, {limit} are the limit")),
        Some(allowed) if lines > allowed => Some(format!("{place} has grown to {lines} lines; its exception is for {allowed}")),
        Some(_) => None,
    });
    too_long.collect()
}

fn tightened(ratchet: &Ratchet, excess: &Excess) -> Ratchet {
    let still = ratchet.iter().filter_map(|(place, allowed)| {
        let (lines, _) = excess.get(place)?;
        Some((place.clone(), (*lines).min(*allowed)))
    });
    still.collect()
}

fn excess(tree: &Tree) -> Excess {
    let mut found = Excess::new();
    for (path, text) in tree.texts(".rs") {
        let blanked = blanked(text);
        let lines = without_tests(text, &blanked).lines().count();
        if lines > FILE_LINES && !is_test(path) {
            found.insert(path.to_owned(), (lines, FILE_LINES));
        }
        for extent in extents(&blanked) {
            let (what, limit) = match extent.kind {
                Kind::Function => ("", FUNCTION_LINES),
                Kind::Component => ("", COMPONENT_LINES),
                Kind::View => (" view!", VIEW_LINES),
            };
            if extent.lines > limit {
                // Two of the same name in a file (methods of two types) share the exception of the longer one.
                let place = format!("{path} {}{what}", extent.name);
                let longest = found.get(&place).map_or(0, |(lines, _)| *lines);
                found.insert(place, (extent.lines.max(longest), limit));
            }
        }
    }
    found
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(lines: usize) -> String {
        format!("//! A.\nfn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_may_have_seventy_lines_and_not_one_more() {
        for (lines, expected) in [(70, vec![]), (71, vec!["a.rs long has 71 lines, 70 are the limit".to_owned()])] {
            let text = function(lines);
            assert_eq!(judge(&excess(&Tree::of(&[("a.rs", &text)])), &Ratchet::new()), expected);
        }
    }

    #[test]
    fn a_file_may_have_four_hundred_lines_without_its_tests() {
        let code = "//! A.\n".to_owned() + &"const A: u8 = 0;\n".repeat(399);
        let tests = "#[cfg(test)]\nmod tests {\n".to_owned() + &"    const A: u8 = 0;\n".repeat(500) + "}\n";
        let finding = |path: &str, text: &str| judge(&excess(&Tree::of(&[(path, text)])), &Ratchet::new());
        assert_eq!(finding("a.rs", &(code.clone() + &tests)), [""; 0]);
        let longer = code.clone() + "const B: u8 = 0;\n";
        assert_eq!(finding("a.rs", &(longer.clone() + &tests)), ["a.rs has 401 lines, 400 are the limit"]);
        assert_eq!(finding("a/tests.rs", &longer), [""; 0], "a file of tests is as long as its cases");
    }

    #[test]
    fn an_exception_may_shrink_and_not_grow() {
        let ratchet = Ratchet::from([("a.rs long".to_owned(), 90), ("b.rs gone".to_owned(), 80)]);
        let at = |lines| excess(&Tree::of(&[("a.rs", function(lines).as_str())]));
        assert_eq!(judge(&at(90), &ratchet), [""; 0]);
        assert_eq!(judge(&at(91), &ratchet), ["a.rs long has grown to 91 lines; its exception is for 90"]);
        assert_eq!(tightened(&ratchet, &at(80)), Ratchet::from([("a.rs long".to_owned(), 80)]));
        assert_eq!(tightened(&ratchet, &at(95)), Ratchet::from([("a.rs long".to_owned(), 90)]), "growth is never taken over");
        assert_eq!(tightened(&ratchet, &at(70)), Ratchet::new(), "what keeps the limit needs no exception");
    }
}
