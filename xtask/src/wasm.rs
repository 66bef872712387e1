//! The browser half: the islands compiled to WebAssembly, and the module that a page loads made from them.
//!
//! Invariant: never in one cargo call with the server half, and in a build folder of its own. Cargo would unite the features
//! of the two, and a server with `hydrate` renders pages that do not work.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::leptos;
use crate::process::{self, command};
use crate::progress::{note, step, unchanged};
use crate::stamp::Inputs;
use crate::toolchain::{BROWSER_TARGET, Toolchain};
use crate::workspace::Workspace;

/// Where the module lies when it is made: `tidewatch.js` and `tidewatch_bg.wasm`.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.join("target/islands")
}

/// Builds the module unless nothing that it is made of has changed.
pub(crate) fn build(workspace: &Workspace, toolchain: &Toolchain) -> anyhow::Result<()> {
    let made = folder(workspace).join("tidewatch_bg.wasm").is_file();
    let ran = inputs(workspace, toolchain)?.unless_done(workspace, "islands", made, || {
        step("Module maker", "compiles the program that makes a module of the browser half (once)", || {
            maker(workspace, toolchain)
        })?;
        step("Browser half", "compiles the islands to WebAssembly, small rather than fast to compile", || {
            compile(workspace, toolchain)
        })?;
        make_module(workspace)
    })?;
    if !ran {
        unchanged("Browser half");
    }
    Ok(())
}

/// What the islands are made of. Modules of `app` that only the server has are left out: a page can change without this half.
fn inputs(workspace: &Workspace, toolchain: &Toolchain) -> anyhow::Result<Inputs> {
    let source = workspace.join("app/src");
    let lib = std::fs::read_to_string(source.join("lib.rs")).context("reading app/src/lib.rs")?;
    let server_only: Vec<PathBuf> =
        server_modules(&lib).flat_map(|name| [source.join(name), source.join(format!("{name}.rs"))]).collect();
    let mut inputs = Inputs::new().text(&toolchain.version()?).path_without(&source, &server_only);
    for path in ["app/Cargo.toml", "crates/frontend", "xtask/bindgen", "Cargo.toml", "Cargo.lock", ".cargo/config.toml"] {
        inputs = inputs.path(&workspace.join(path));
    }
    Ok(inputs)
}

/// The modules that stand below a `#[cfg(feature = "ssr")]`.
fn server_modules(lib: &str) -> impl Iterator<Item = &str> {
    lib.lines().zip(lib.lines().skip(1)).filter(|(attribute, _)| attribute.trim() == "#[cfg(feature = \"ssr\")]").filter_map(
        |(_, item)| item.trim().trim_start_matches("pub ").trim_start_matches("(crate) ").strip_prefix("mod ")?.strip_suffix(';'),
    )
}

fn maker(workspace: &Workspace, toolchain: &Toolchain) -> anyhow::Result<()> {
    process::run(toolchain.cargo().current_dir(workspace.root()).args([
        "build",
        "--locked",
        "--package",
        "tidewatch-bindgen",
        "--profile",
        "bindgen",
    ]))
}

fn compile(workspace: &Workspace, toolchain: &Toolchain) -> anyhow::Result<()> {
    process::run(
        toolchain
            .cargo()
            .current_dir(workspace.root())
            .args(["build", "--locked", "--package", "tidewatch-frontend", "--profile", "wasm-release"])
            .args(["--target", BROWSER_TARGET, "--target-dir"])
            .arg(workspace.join("target/wasm")),
    )
}

fn make_module(workspace: &Workspace) -> anyhow::Result<()> {
    let compiled = workspace.join("target/wasm").join(BROWSER_TARGET).join("wasm-release/tidewatch_frontend.wasm");
    let maker = workspace.target().join("bindgen/tidewatch-bindgen");
    let name = leptos::value(workspace, "output-name")?;
    process::run(command(maker).arg(&compiled).arg(folder(workspace)).arg(&name))?;
    let size = folder(workspace).join(format!("{name}_bg.wasm")).metadata().context("looking at the module")?.len();
    note(&format!("the module has {} KB before compression", size / 1000));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_that_only_the_server_has_are_found_by_their_attribute() {
        let lib = "pub mod islands;\n#[cfg(feature = \"ssr\")]\npub mod pages;\n#[cfg(feature = \"ssr\")]\nmod wiring;\n#[cfg(feature = \"hydrate\")]\npub mod browser;\npub mod icon;\n";
        assert_eq!(server_modules(lib).collect::<Vec<_>>(), ["pages", "wiring"]);
    }
}
