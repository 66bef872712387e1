//! The site: scripts, styles, `public/` and the browser half, bundled, named by content and compressed into `target/site`.
//!
//! The work is done by `style/build.mjs` with the bundler from npm; the server embeds the result.

use std::path::PathBuf;

use crate::leptos;
use crate::process::{self, command};
use crate::progress::{step, unchanged};
use crate::stamp::Inputs;
use crate::wasm;
use crate::weight;
use crate::workspace::Workspace;

/// Where it lies. The server embeds it from there, wherever cargo's build folder is.
pub(crate) fn folder(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    Ok(workspace.join(&leptos::value(workspace, "site-root")?))
}

/// Bundles the site unless nothing that it is made of has changed.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<()> {
    let site = folder(workspace)?;
    // The server's build script makes an empty manifest when there is none.
    let made = std::fs::read_to_string(site.join("manifest.json")).is_ok_and(|manifest| manifest.contains("tidewatch"));
    let inputs = Inputs::new().path(&workspace.join("style")).path(&workspace.join("public")).path(&wasm::folder(workspace));
    let done = inputs.unless_done(workspace, "site", made, || {
        step("Site", "bundles scripts and styles, names files by content, compresses them", || {
            process::run(
                command("node")
                    .current_dir(workspace.root())
                    .arg(workspace.join("style/build.mjs"))
                    .arg(wasm::folder(workspace))
                    .arg(&site),
            )
        })
    })?;
    if done {
        weight::report(workspace)?;
    } else {
        unchanged("Site");
    }
    Ok(())
}
