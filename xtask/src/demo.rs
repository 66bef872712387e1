//! `cargo xtask demo`: on a fresh machine, one command from the sources to a living fleet on the screen.

use std::os::unix::process::CommandExt as _;
use std::time::Instant;

use crate::build;
use crate::process::command;
use crate::progress::{duration, note};
use crate::setup;
use crate::workspace::Workspace;

/// The command. The words go to `tidewatch demo`, which says where to look and how to sign in.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    let started = Instant::now();
    let toolchain = setup::for_running(workspace)?;
    build::everything(workspace, &toolchain, false)?;
    note(&format!("ready to run after {}", duration(started.elapsed())));
    // In our place: signals (Ctrl-C above all) reach the server itself, which ends in order.
    let error = command(workspace.binary(false)).current_dir(workspace.root()).arg("demo").args(words).exec();
    Err(anyhow::Error::from(error).context("starting the server"))
}
