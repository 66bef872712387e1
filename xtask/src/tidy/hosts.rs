//! Nothing in the project knows a machine it was written on or a registry it was fetched from: both differ from place to place,
//! and the package managers know theirs.

use super::tree::{Tree, numbered};
use crate::workspace::Workspace;

/// Folders of somebody's machine. In two parts, so that this file does not find itself.
const MACHINE: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/tm", "p/tw")];
/// First labels and endings of hosts that serve packages.
const FIRST_LABELS: &[&str] = &["registry", "index", "static", "deb", "mirror", "proxy", "artifactory", "nexus"];
/// The one source that cargo writes into every lock file.
const CARGO_SOURCE: &str = concat!("registry+https://github.com/rust-lang/", "crates.io-index");

/// No such place in any text.
pub(super) fn check(_workspace: &Workspace, tree: &Tree) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for (place, line) in tree.texts("").flat_map(|(path, text)| numbered(path, text)) {
        let line = line.replace(CARGO_SOURCE, "");
        findings
            .extend(MACHINE.iter().filter(|folder| names_folder(&line, folder)).map(|folder| format!("{place} names {folder}")));
        findings
            .extend(hosts(&line).filter(|host| serves_packages(host)).map(|host| format!("{place} names the registry {host}")));
    }
    Ok(findings)
}

/// At the beginning of a path: not `{root}/work/` or a route that ends so.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder)
        .any(|(at, _)| !line[..at].ends_with(|before: char| before.is_alphanumeric() || "}_-.>)".contains(before)))
}

fn hosts(line: &str) -> impl Iterator<Item = &str> {
    let after = line.match_indices("://").map(|(at, mark)| &line[at + mark.len()..]);
    after
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').next())
        .filter(|host| !host.is_empty())
}

fn serves_packages(host: &str) -> bool {
    let first = host.split('.').next().unwrap_or_default();
    host.contains('.') && FIRST_LABELS.contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_and_a_registry_are_found_and_other_places_are_not() {
        let machine = format!("see {}notes", MACHINE[0]);
        let text = [
            machine.as_str(),
            concat!("\"resolved\": \"https://regis", "try.example.org/a.tgz\""),
            CARGO_SOURCE,
            "http://127.0.0.1:4600/changes and https://example.org/work/",
            "{root}/work/ is a folder of ours",
        ]
        .join("\n");
        let tree = Tree::of(&[("a.lock", &text)]);
        let findings = check(&Workspace::at(std::path::Path::new(".")), &tree).expect("it only looks at the tree");
        let places: Vec<_> = findings.iter().filter_map(|finding| finding.split(' ').next()).collect();
        assert_eq!(places, ["a.lock:1", "a.lock:2"], "{findings:?}");
    }
}
