//! `cargo xtask build`: the browser half, the site, and the server that embeds it, in this order.

use anyhow::bail;

use crate::process;
use crate::progress::{step, unchanged};
use crate::setup;
use crate::site;
use crate::stamp::Inputs;
use crate::toolchain::Toolchain;
use crate::wasm;
use crate::workspace::Workspace;

/// The command.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    let release = match words {
        [] => false,
        [word] if word == "--release" => true,
        _ => bail!("build takes `--release` or nothing"),
    };
    let toolchain = setup::for_running(workspace)?;
    everything(workspace, &toolchain, release)
}

/// All that makes the binary, each part unless it is unchanged.
pub(crate) fn everything(workspace: &Workspace, toolchain: &Toolchain, release: bool) -> anyhow::Result<()> {
    site(workspace, toolchain)?;
    server(workspace, toolchain, release)
}

/// The browser half and the site around it.
pub(crate) fn site(workspace: &Workspace, toolchain: &Toolchain) -> anyhow::Result<()> {
    wasm::build(workspace, toolchain)?;
    site::build(workspace)
}

/// The server half, with the site that is there embedded.
fn server(workspace: &Workspace, toolchain: &Toolchain, release: bool) -> anyhow::Result<()> {
    let profile = if release { "release" } else { "dev" };
    let mut inputs = Inputs::new().text(&toolchain.version()?);
    for path in
        ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", "app", "crates", "server", "migrations", "target/site/manifest.json"]
    {
        inputs = inputs.path(&workspace.join(path));
    }
    let made = workspace.binary(release).is_file();
    let ran = inputs.unless_done(workspace, &format!("server-{profile}"), made, || {
        step("Server", "compiles the server with the site in it (minutes the first time, seconds after)", || {
            // Without `--package`: cargo then chooses the features of every dependency for all default members, as it does for the
            // tests, and the tests find compiled what the server needs.
            let mut cargo = toolchain.cargo();
            process::run(cargo.current_dir(workspace.root()).args([
                "build",
                "--locked",
                "--bin",
                "tidewatch",
                "--profile",
                profile,
            ]))
        })
    })?;
    if !ran {
        unchanged("Server");
    }
    Ok(())
}
