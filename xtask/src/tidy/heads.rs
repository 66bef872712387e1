//! The first line of every Rust file, and what must not be left in any.

use super::source::blanked;
use super::tree::{Tree, numbered};
use crate::workspace::Workspace;

/// Every Rust file opens with what it is; a module is `x.rs` with `x/`.
pub(super) fn files(_workspace: &Workspace, tree: &Tree) -> anyhow::Result<Vec<String>> {
    let silent = tree
        .texts(".rs")
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| format!("{path} does not open with `//!`"));
    let named =
        tree.paths().filter(|path| path.ends_with("/mod.rs")).map(|path| format!("{path}: a module is a file beside its folder"));
    Ok(silent.chain(named).collect())
}

/// Code that is not done, tests that do not run, and lints that are silenced without a reason.
const LEFTOVERS: &[(&str, &str)] = &[
    ("todo!(", "is not done"),
    ("unimplemented!(", "is not done"),
    ("dbg!(", "talks to its author"),
    ("#[ignore", "switches a test off"),
    ("#[allow(", "silences a lint: `#[expect(…, reason = \"…\")]` says why and goes when it is not needed"),
    ("#![allow(", "silences a lint for a whole file"),
];

/// None of the above in any Rust file.
pub(super) fn leftovers(_workspace: &Workspace, tree: &Tree) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts(".rs") {
        // Without comments and strings: this file names what it looks for.
        for (place, line) in numbered(path, &blanked(text)) {
            let found = LEFTOVERS.iter().filter(|(word, _)| line.contains(word));
            findings.extend(found.map(|(word, why)| format!("{place} `{}` {why}", word.trim_end_matches('('))));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Workspace {
        Workspace::at(std::path::Path::new("."))
    }

    #[test]
    fn a_file_without_a_head_and_a_mod_rs_are_found() {
        let tree = Tree::of(&[("a/src/lib.rs", "//! A.\n"), ("a/src/b.rs", "// B\n"), ("a/src/c/mod.rs", "//! C.\n")]);
        let findings = files(&here(), &tree).expect("it only looks at the tree");
        assert_eq!(findings, ["a/src/b.rs does not open with `//!`", "a/src/c/mod.rs: a module is a file beside its folder"]);
    }

    #[test]
    fn what_is_left_for_later_is_found_in_code_and_not_in_text() {
        let tree = Tree::of(&[(
            "a.rs",
            "//! No todo!( here.\nfn a() { todo!() }\n#[ignore = \"slow\"]\nfn b() { print(\"dbg!(x)\") }\n#[allow(unused)]\nfn c() {}\n",
        )]);
        let findings = leftovers(&here(), &tree).expect("it only looks at the tree");
        let places: Vec<_> = findings.iter().filter_map(|finding| finding.split(' ').next()).collect();
        assert_eq!(places, ["a.rs:2", "a.rs:3", "a.rs:5"]);
    }
}
