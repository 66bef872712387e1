//! Who may know whom: the direction of the architecture, and what must never reach the browser half.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::Value;

use super::tree::{Tree, numbered};
use crate::process;
use crate::toolchain::{BROWSER_TARGET, cargo};
use crate::workspace::Workspace;

/// A crate and the crates of ours that it may depend on.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("protocol", &["domain"]),
    ("store", &["domain"]),
    ("service", &["domain", "store"]),
    ("client", &["domain", "protocol"]),
    ("fleet-sim", &["client", "domain", "protocol", "service"]),
    ("app", &["domain", "service"]),
    ("server", &["app", "client", "domain", "fleet-sim", "protocol", "service", "store"]),
    ("frontend", &["app"]),
    ("testkit", &["app", "client", "domain", "protocol", "server", "service", "store"]),
    ("bench", &["domain", "protocol", "store"]),
    ("fuzz", &["domain", "protocol"]),
    ("model", &["client", "domain", "fleet-sim", "store"]),
    ("bindgen", &[]),
];

/// What the pure crate may not have, on top of what the table says: IO, clocks, randomness, serialisation.
const NOT_IN_DOMAIN: &[&str] =
    &["tokio", "futures", "axum", "reqwest", "serde", "rand", "getrandom", "tracing", "metrics", "uuid"];

/// What must not be in the module that every visitor loads.
const NOT_IN_BROWSER: &[&str] =
    &["tokio", "sqlx", "sqlx-core", "axum", "leptos_router", "leptos_axum", "leptos_meta", "hyper", "time"];

/// Dependencies between our crates stay within the table.
pub(super) fn crates(workspace: &Workspace, _tree: &Tree) -> anyhow::Result<Vec<String>> {
    Ok(wrong_edges(&metadata(workspace)?))
}

fn wrong_edges(metadata: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    for (package, dependency) in dependencies(metadata, Kinds::Normal) {
        let package = package.trim_start_matches("tidewatch-");
        if package == "domain" && NOT_IN_DOMAIN.contains(&dependency) {
            findings.push(format!("domain depends on {dependency}: it is pure, without IO, clock, randomness or serialisation"));
        }
        let Some(known) = dependency.strip_prefix("tidewatch-") else { continue };
        match MAY_KNOW.iter().find(|(name, _)| *name == package) {
            None => findings
                .push(format!("{package} depends on {known}, and the table in xtask/src/tidy/edges.rs does not list {package}")),
            Some((_, allowed)) if !allowed.contains(&known) => {
                findings.push(format!(
                    "{package} depends on {known}; it may know {}",
                    if allowed.is_empty() { "none of ours".to_owned() } else { allowed.join(", ") }
                ));
            }
            Some(_) => {}
        }
    }
    findings
}

/// SQL is spoken in the store only: as a dependency, and as a name in the sources.
pub(super) fn drivers(workspace: &Workspace, tree: &Tree) -> anyhow::Result<Vec<String>> {
    let metadata = metadata(workspace)?;
    let depending = dependencies(&metadata, Kinds::All)
        .filter(|(package, dependency)| DRIVERS.contains(dependency) && *package != "tidewatch-store")
        .map(|(package, driver)| format!("{package} depends on {driver}"));
    Ok(depending.chain(driver_named(tree)).collect())
}

/// What speaks SQL.
const DRIVERS: [&str; 2] = ["sqlx", "rusqlite"];

fn driver_named(tree: &Tree) -> impl Iterator<Item = String> {
    tree.texts(".rs")
        .filter(|(path, _)| !path.starts_with("crates/store/") && !path.starts_with("xtask/"))
        .flat_map(|(path, text)| numbered(path, text))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter_map(|(place, line)| {
            let named = |driver: &&&str| line.contains(&format!("{driver}::")) || line.contains(&format!("use {driver}"));
            DRIVERS.iter().find(named).map(|driver| format!("{place} names {driver}"))
        })
}

/// The module for the browser links nothing of the server.
pub(super) fn browser_half(workspace: &Workspace, _tree: &Tree) -> anyhow::Result<Vec<String>> {
    let tree = process::output(cargo().current_dir(workspace.root()).args([
        "tree",
        "--locked",
        "--package",
        "tidewatch-frontend",
        "--target",
        BROWSER_TARGET,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    Ok(carried(&tree))
}

fn carried(tree: &str) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let mut found: Vec<_> = names.filter(|name| NOT_IN_BROWSER.contains(name)).collect();
    found.sort_unstable();
    found.dedup();
    found
        .into_iter()
        .map(|name| format!("the browser half links {name}: `cargo tree -p tidewatch-frontend -i {name}` shows through whom"))
        .collect()
}

/// The tests compile no dependency a second time: each has the same features in a build of the server and in one of the tests.
pub(super) fn features(workspace: &Workspace, _tree: &Tree) -> anyhow::Result<Vec<String>> {
    let list = |edges: &str| {
        let words = ["tree", "--locked", "--edges", edges, "--prefix", "none", "--no-dedupe", "--format", "{p} {f}"];
        process::output(cargo().current_dir(workspace.root()).args(words))
    };
    Ok(compiled_twice(&list("normal,build")?, &list("normal,build,dev")?))
}

fn compiled_twice(built: &str, tested: &str) -> Vec<String> {
    let tested: BTreeSet<_> = tested.lines().map(str::trim).collect();
    let twice: BTreeSet<_> = built.lines().map(str::trim).filter(|line| !tested.contains(line)).collect();
    let finding = |line: &str| {
        format!("a test dependency changes the features of {line}: name it as a plain dependency of crates/testkit too")
    };
    twice.into_iter().map(finding).collect()
}

/// `frontend` stays out of the default members, `app` refuses both features at once, and the module maker fits the module.
pub(super) fn halves(workspace: &Workspace, tree: &Tree) -> anyhow::Result<Vec<String>> {
    let metadata = metadata(workspace)?;
    let mut findings = Vec::new();
    let defaults = metadata["workspace_default_members"].as_array().context("cargo names no default members")?;
    if defaults.iter().filter_map(Value::as_str).any(|id| id.contains("tidewatch-frontend") || id.contains("/frontend")) {
        findings.push(
            "Cargo.toml has crates/frontend among the default members: a plain `cargo build` would unite the halves".to_owned(),
        );
    }
    let guarded = |path: &str| tree.texts(path).any(|(_, text)| text.contains("compile_error!"));
    findings.extend(
        ["app/src/lib.rs", "crates/frontend/src/lib.rs"]
            .into_iter()
            .filter(|path| !guarded(path))
            .map(|path| format!("{path} has lost its compile_error! against being built with the other half")),
    );
    let lock = tree.texts("Cargo.lock").map(|(_, text)| text).next().context("there is no Cargo.lock")?;
    let (module, maker) = (locked(lock, "wasm-bindgen"), locked(lock, "wasm-bindgen-cli-support"));
    if module != maker {
        findings
            .push(format!("Cargo.lock has wasm-bindgen {module:?} and wasm-bindgen-cli-support {maker:?}: they must be equal"));
    }
    Ok(findings)
}

fn locked<'t>(lock: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{name}\""));
    lines.nth(1)?.strip_prefix("version = ")
}

#[derive(Clone, Copy, PartialEq)]
enum Kinds {
    Normal,
    All,
}

/// Pairs of a crate of ours and a direct dependency of it.
fn dependencies(metadata: &Value, kinds: Kinds) -> impl Iterator<Item = (&str, &str)> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    packages.iter().flat_map(move |package| {
        let name = package["name"].as_str().unwrap_or_default();
        let list = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        let counted = list.iter().filter(move |dependency| kinds == Kinds::All || dependency["kind"].is_null());
        counted.filter_map(move |dependency| Some((name, dependency["name"].as_str()?)))
    })
}

fn metadata(workspace: &Workspace) -> anyhow::Result<Value> {
    let text = process::output(cargo().current_dir(workspace.root()).args([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--locked",
    ]))?;
    serde_json::from_str(&text).context("reading what cargo says about the workspace")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Value {
        let list: Vec<_> = dependencies.iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
        json!({ "name": name, "dependencies": list })
    }

    #[test]
    fn an_edge_that_the_table_allows_is_no_finding() {
        let metadata = json!({ "packages": [
            package("tidewatch-service", &[("tidewatch-domain", None), ("tidewatch-store", None), ("serde_json", None)]),
            package("tidewatch-store", &[("tidewatch-testkit", Some("dev"))]),
            package("xtask", &[("anyhow", None)]),
        ]});
        assert_eq!(wrong_edges(&metadata), [""; 0]);
    }

    #[test]
    fn an_edge_against_the_direction_is_found_by_both_its_ends() {
        let metadata = json!({ "packages": [
            package("tidewatch-domain", &[("tidewatch-protocol", None), ("tokio", None)]),
            package("tidewatch-app", &[("tidewatch-store", None)]),
            package("xtask", &[("tidewatch-domain", None)]),
        ]});
        assert_eq!(
            wrong_edges(&metadata),
            [
                "domain depends on protocol; it may know none of ours",
                "domain depends on tokio: it is pure, without IO, clock, randomness or serialisation",
                "app depends on store; it may know domain, service",
                "xtask depends on domain, and the table in xtask/src/tidy/edges.rs does not list xtask",
            ]
        );
    }

    #[test]
    fn a_driver_is_found_in_code_outside_the_store_and_not_in_prose() {
        let tree = Tree::of(&[
            ("crates/store/src/lib.rs", "use sqlx::Row;\n"),
            ("crates/service/src/lib.rs", "//! Knows no sqlx::Row.\nfn a() { sqlx::query(\"\"); }\n"),
            ("server/src/lib.rs", "use rusqlite::Row;\n"),
        ]);
        let found = ["crates/service/src/lib.rs:2 names sqlx", "server/src/lib.rs:1 names rusqlite"];
        assert_eq!(driver_named(&tree).collect::<Vec<_>>(), found);
    }

    #[test]
    fn what_the_browser_must_not_carry_is_found_once_each() {
        let tree = "tidewatch-frontend v0.1.0\nleptos v0.8.23\ntokio v1.54.1\nserde v1.0.0\ntokio v1.54.1 (*)\ntokio-util v0.7\n";
        assert_eq!(carried(tree).len(), 1);
        assert!(carried(tree)[0].starts_with("the browser half links tokio:"));
    }

    #[test]
    fn a_dependency_that_the_tests_would_compile_again_is_found() {
        let built = "syn v2.0.1 full\nserde v1.0.0 std\nsyn v2.0.1 full\n";
        assert_eq!(compiled_twice(built, "serde v1.0.0 std\nsyn v2.0.1 full\nproptest v1.0.0 \n"), [""; 0]);
        let found = compiled_twice(built, "serde v1.0.0 std\nsyn v2.0.1 full,visit\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("features of syn v2.0.1 full:"), "{found:?}");
    }

    #[test]
    fn versions_are_read_from_the_lock_by_the_whole_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-cli-support\"\nversion = \"0.2.1\"\n\n[[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.2\"\n";
        assert_eq!(locked(lock, "wasm-bindgen"), Some("\"0.2.2\""));
        assert_eq!(locked(lock, "wasm-bindgen-cli-support"), Some("\"0.2.1\""));
        assert_eq!(locked(lock, "wasm"), None);
    }
}
