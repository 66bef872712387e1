//! `cargo xtask dev`: runs the server and, whenever a file changes, builds what is affected and starts it again.
//!
//! Looks at times of files instead of asking the system for events: a few thousand `stat` calls a second cost nothing, and it
//! works on every file system. A build that fails leaves the old server running.

use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;

use crate::build;
use crate::process::{self, command};
use crate::progress::note;
use crate::setup;
use crate::stamp;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

const LOOK_EVERY: Duration = Duration::from_millis(400);
/// How long the server may take to end in order before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const WATCHED: &[&str] = &["Cargo.toml", "Cargo.lock", "Leptos.toml", "app", "crates", "server", "migrations", "style", "public"];

/// The command. The words go to the server; without any it runs the demo.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    let toolchain = setup::for_running(workspace)?;
    let words = if words.is_empty() { vec!["demo".to_owned()] } else { words.to_vec() };
    let mut seen = newest(workspace);
    let mut server = rebuilt(workspace, &toolchain, &words, None);
    loop {
        std::thread::sleep(LOOK_EVERY);
        let now = newest(workspace);
        if now == seen {
            continue;
        }
        // The time from before the build: a file saved while it runs is noticed afterwards.
        seen = now;
        server = rebuilt(workspace, &toolchain, &words, server);
    }
}

/// Builds, and starts the server again when that worked and made another binary.
fn rebuilt(workspace: &Workspace, toolchain: &Toolchain, words: &[String], running: Option<Child>) -> Option<Child> {
    let binary = workspace.binary(false);
    let time = || binary.metadata().and_then(|meta| meta.modified()).ok();
    let before = time();
    if let Err(error) = build::everything(workspace, toolchain, false) {
        eprintln!("\nnot built: {error:#}\n");
        return running;
    }
    if running.is_some() && time() == before {
        return running;
    }
    if let Some(server) = running
        && let Err(error) = stop(server)
    {
        eprintln!("\nstopping the server: {error:#}\n");
    }
    match command(&binary).current_dir(workspace.root()).args(words).spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            eprintln!("\nstarting the server: {error}\n");
            None
        }
    }
}

/// Asks the server to end (`SIGTERM`), and kills it when it does not.
pub(crate) fn stop(mut server: Child) -> anyhow::Result<()> {
    process::run(Command::new("kill").arg(server.id().to_string())).context("asking it to end")?;
    let asked = Instant::now();
    while server.try_wait()?.is_none() {
        if asked.elapsed() > STOP_PATIENCE {
            note("the server did not end in time and is killed");
            server.kill()?;
            server.wait()?;
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The newest time of any watched file, with the number of files: a deletion is a change too.
fn newest(workspace: &Workspace) -> (Option<SystemTime>, usize) {
    let files: Vec<_> = WATCHED.iter().flat_map(|path| stamp::files(&workspace.join(path))).collect();
    let newest = files.iter().filter_map(|file| file.metadata().and_then(|meta| meta.modified()).ok()).max();
    (newest, files.len())
}
