//! What the documents name exists: paths in backticks, targets of links, and commands of the toolbox.

use super::tree::{Tree, numbered};
use crate::TASKS;
use crate::workspace::Workspace;

/// Folders at the top of the checkout. A path in a document is checked when it begins with one of them.
const TOP: &[&str] =
    &["app", "server", "style", "public", "migrations", "end2end", "crates", "xtask", "docs", ".cargo", ".ci", ".config"];

/// Every path and command that a document names.
pub(super) fn check(_workspace: &Workspace, tree: &Tree) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts(".md") {
        for (place, line) in numbered(path, text) {
            let dead = quoted(line)
                .filter(|word| is_path(word) && !exists(tree, word))
                .map(|word| format!("{place} names `{word}`, which is not there"));
            findings.extend(dead);
            let lost = links(line)
                .filter(|target| !tree.has(&beside(path, target)))
                .map(|target| format!("{place} links to {target}, which is not there"));
            findings.extend(lost);
        }
    }
    let texts = [".md", ".rs", ".toml", ".mjs", ".ts", ".sql"].into_iter().flat_map(|ending| tree.texts(ending));
    for (place, line) in texts.flat_map(|(path, text)| numbered(path, text)) {
        findings.extend(unknown_commands(line).map(|word| format!("{place} says `cargo xtask {word}`, which is no command")));
    }
    Ok(findings)
}

fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// A path of this checkout, not a URL, a media type or a sketch with placeholders (`pages/<area>.rs`).
fn is_path(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./{},*".contains(c));
    plain && word.split_once('/').is_some_and(|(first, _)| TOP.contains(&first))
}

fn exists(tree: &Tree, word: &str) -> bool {
    expanded(word).iter().all(|path| match path.split_once('*') {
        None => tree.has(path),
        Some((before, after)) => {
            tree.paths().any(|known| known.starts_with(before) && known[before.len()..].ends_with(after.trim_start_matches('*')))
        }
    })
}

/// `a/{b,c}.rs` is `a/b.rs` and `a/c.rs`.
fn expanded(word: &str) -> Vec<String> {
    let Some((before, rest)) = word.split_once('{') else { return vec![word.to_owned()] };
    let Some((choices, after)) = rest.split_once('}') else { return vec![word.to_owned()] };
    choices.split(',').flat_map(|choice| expanded(&format!("{before}{choice}{after}"))).collect()
}

/// Targets of links within the project.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#') && !target.starts_with("mailto:"))
        .map(|target| target.split_once('#').map_or(target, |(path, _)| path))
}

/// The path of a link's target, seen from the top.
fn beside(document: &str, target: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn unknown_commands(line: &str) -> impl Iterator<Item = &str> {
    let after = line.split("cargo xtask ").skip(1);
    let words = after.filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next());
    words
        .filter(|word| word.chars().next().is_some_and(|c| c.is_ascii_lowercase()) && TASKS.iter().all(|task| task.name != *word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        check(&Workspace::at(std::path::Path::new(".")), &Tree::of(files)).expect("it only looks at the tree")
    }

    #[test]
    fn a_path_that_is_there_as_a_file_a_folder_a_choice_or_a_pattern_is_fine() {
        let text = "`crates/a/src/lib.rs` `crates/a/` `crates/{a,b}/src/lib.rs` `crates/*/src/lib.rs` [b](../crates/b/src/lib.rs#top)\n`application/json` `GET /changes` `app/src/pages/<area>.rs` `cargo xtask tidy`\n";
        assert_eq!(findings(&[("docs/A.md", text), ("crates/a/src/lib.rs", ""), ("crates/b/src/lib.rs", "")]), [""; 0]);
    }

    #[test]
    fn a_path_a_link_and_a_command_that_are_gone_are_found_with_their_line() {
        // In two parts, so that the check does not find this line itself.
        let text = concat!("`crates/gone.rs`\n`crates/{a,c}/src/lib.rs`\n[c](C.md)\nRun cargo", " xtask frobnicate.\n");
        assert_eq!(
            findings(&[("docs/A.md", text), ("crates/a/src/lib.rs", "")]),
            [
                "docs/A.md:1 names `crates/gone.rs`, which is not there",
                "docs/A.md:2 names `crates/{a,c}/src/lib.rs`, which is not there",
                "docs/A.md:3 links to C.md, which is not there",
                concat!("docs/A.md:4 says `cargo", " xtask frobnicate`, which is no command"),
            ]
        );
    }
}
