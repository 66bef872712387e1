//! `cargo xtask bench peers`: the release build beside products of others (`end2end/peers`), in alternating runs on this machine.
//!
//! The peers come from npm as their makers publish them, Redis from the system. Everything listens on the loopback, on free ports and
//! in folders of its own, and ends with the run.

use crate::process::{self, command};
use crate::progress::{note, step};
use crate::setup;
use crate::workspace::Workspace;

/// Where they are, each with packages of its own, and what it is called when the packages are installed.
const PEERS: [(&str, &str); 2] =
    [("end2end/peers/pouchdb", "a sync store to compare with"), ("end2end/peers/bull-board", "a queue console to compare with")];
const REDIS: &str = "redis-server";

/// Installs what is missing and measures; words go to `end2end/peers/run.mjs` as they are.
pub(crate) fn measure(workspace: &Workspace, words: &[&String]) -> anyhow::Result<()> {
    for (folder, what) in PEERS {
        setup::npm_packages(workspace, folder, what)?;
    }
    if process::find(REDIS).is_none() {
        step("Redis", "installs the database of the queue console", || setup::install(&[REDIS]))?;
    }
    note("measuring: whatever else this machine does now is in the figures");
    let mut node = command("node");
    node.current_dir(workspace.root()).arg("end2end/peers/run.mjs");
    node.arg("--binary").arg(workspace.binary(true)).arg("--folder").arg(workspace.target().join("bench-peers"));
    process::run(node.args(words))
}
