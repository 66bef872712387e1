//! `cargo xtask bench`: the shipped binary against the bars of the product.
//!
//! Builds what `cargo xtask build --release` builds and the driver beside it, and leaves measuring to the driver
//! (`crates/bench`): words go to it as they are. `live` is measured in a browser instead (`end2end/measure`), `peers` beside products of
//! others (`end2end/peers`). Ends well when bars are missed and badly when something could not be measured.

use crate::browser;
use crate::build;
use crate::peers;
use crate::process::{self, command};
use crate::progress::{note, step};
use crate::setup;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

const DRIVER: &str = "tidewatch-bench";
/// What a browser measures: from a push that is durable until an open page shows it.
const LIVE: &str = "live";
/// What is measured beside the products of others. Takes minutes and installs them: only when it is named, and then alone.
const PEERS: &str = "peers";

/// The command.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    if words.iter().any(|word| word == PEERS) {
        let toolchain = setup::for_running(workspace)?;
        build::everything(workspace, &toolchain, true)?;
        return peers::measure(workspace, &words.iter().filter(|word| *word != PEERS).collect::<Vec<_>>());
    }
    let live = words.is_empty() || words.iter().any(|word| word == LIVE);
    let rest: Vec<&String> = words.iter().filter(|word| *word != LIVE).collect();
    let toolchain = setup::for_running(workspace)?;
    if live {
        setup::for_testing(workspace)?;
    }
    build::everything(workspace, &toolchain, true)?;
    let lone = live && !words.is_empty() && rest.is_empty();
    let driven = if lone { Ok(()) } else { by_driver(workspace, &toolchain, &rest) };
    let lived = if live { browser::measure(workspace) } else { Ok(()) };
    driven.and(lived)
}

fn by_driver(workspace: &Workspace, toolchain: &Toolchain, words: &[&String]) -> anyhow::Result<()> {
    driver(workspace, toolchain)?;
    let folder = workspace.target().join("bench");
    note("measuring: whatever else this machine does now is in the figures");
    let measured = process::run(
        command(workspace.target().join("release").join(DRIVER)).arg(workspace.binary(true)).arg(&folder).args(words),
    );
    // Gigabytes that nobody looks at again; and a folder that was never made is no failure.
    let _ = std::fs::remove_dir_all(&folder);
    measured
}

/// In one call with the server, which is there already: alone, the driver's dependencies would be compiled again for it.
fn driver(workspace: &Workspace, toolchain: &Toolchain) -> anyhow::Result<()> {
    step("Driver", "compiles what puts the load on", || {
        let mut cargo = toolchain.cargo();
        let words = ["build", "--locked", "--profile", "release", "--bin", "tidewatch", "--bin", DRIVER];
        process::run(cargo.current_dir(workspace.root()).args(words))
    })
}
