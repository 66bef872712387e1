//! The browser journeys wait for what a person would see, and meet the real server.

use super::tree::{Tree, numbered};
use crate::workspace::Workspace;

const BANNED: &[(&str, &str)] = &[
    (".only(", "runs alone and hides the others"),
    (".skip(", "does not run"),
    (".fixme(", "does not run"),
    ("waitForTimeout", "waits for a time instead of for what it needs"),
    ("page.route(", "intercepts requests: provoke the failure with data"),
    ("context.route(", "intercepts requests: provoke the failure with data"),
    ("locator('.", "looks for a class: find it by role and name"),
    ("locator(\".", "looks for a class: find it by role and name"),
];

/// None of these in a journey.
pub(super) fn check(_workspace: &Workspace, tree: &Tree) -> anyhow::Result<Vec<String>> {
    let specs = tree.texts(".ts").filter(|(path, _)| path.starts_with("end2end/"));
    let lines = specs.flat_map(|(path, text)| numbered(path, text)).filter(|(_, line)| !line.trim_start().starts_with("//"));
    let found = lines.flat_map(|(place, line)| {
        BANNED.iter().filter(move |(word, _)| line.contains(word)).map(move |(word, why)| format!("{place} `{word}` {why}"))
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journey_that_cheats_is_found() {
        let tree = Tree::of(&[
            ("end2end/a.spec.ts", "// no page.route( here\nawait page.waitForTimeout(500);\ntest.only('a', b);\n"),
            ("style/js/a.ts", "x.skip()"),
        ]);
        let findings = check(&Workspace::at(std::path::Path::new(".")), &tree).expect("it only looks at the tree");
        let places: Vec<_> = findings.iter().filter_map(|finding| finding.split(' ').next()).collect();
        assert_eq!(places, ["end2end/a.spec.ts:2", "end2end/a.spec.ts:3"]);
    }
}
