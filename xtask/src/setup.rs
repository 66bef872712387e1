//! `cargo xtask setup`: what building and testing need, installed once. Every part looks first and does nothing twice.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use crate::process::{self, command};
use crate::progress::{note, step};
use crate::sysroot;
use crate::toolchain::{self, Toolchain};
use crate::workspace::Workspace;

/// Where Debian's Chromium lies; the browser journeys use it unless `CHROME_BIN` names another.
const CHROMIUM: &str = "/usr/bin/chromium";

/// The command: everything, the tests' browser included.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    match words {
        [] => {}
        [word] if word == "--from-packages" => sysroot::make(workspace)?,
        _ => bail!("setup takes `--from-packages` (a compiler from the system's packages, whatever rustup has) or nothing"),
    }
    for_running(workspace)?;
    for_testing(workspace)?;
    note("everything is in place");
    Ok(())
}

/// What it takes to build and run the console.
pub(crate) fn for_running(workspace: &Workspace) -> anyhow::Result<Toolchain> {
    ensure!(
        process::find("cc").is_some(),
        "there is no C compiler (`cc`), which SQLite is compiled with: install gcc or clang (Debian: `apt-get install gcc libc6-dev`)"
    );
    let node = process::find("node").context("there is no `node`: install Node 20 or later, the site is bundled with it")?;
    ensure!(process::find("npm").is_some(), "there is no `npm` beside {}: install it", node.display());
    let toolchain = toolchain::ensure(workspace)?;
    npm_packages(workspace, "style", "the bundler and the chart library")?;
    Ok(toolchain)
}

/// What the tests need on top: a browser, and the packages that drive it.
pub(crate) fn for_testing(workspace: &Workspace) -> anyhow::Result<()> {
    npm_packages(workspace, "end2end", "the driver of the browser journeys")?;
    npm_packages(workspace, "end2end/clients", "the sync clients of the wild")?;
    if browser().is_none() {
        step("Browser", "installs Chromium for the browser journeys (about 100 MB)", || install(&["chromium"]))?;
    }
    Ok(())
}

/// The browser of the journeys: `CHROME_BIN`, or the system's Chromium.
pub(crate) fn browser() -> Option<std::path::PathBuf> {
    let named = std::env::var_os("CHROME_BIN").map(std::path::PathBuf::from);
    named.or_else(|| Some(CHROMIUM.into())).filter(|path| path.is_file())
}

/// `npm ci` in a folder, unless it last ran for the same lock file.
pub(crate) fn npm_packages(workspace: &Workspace, folder: &str, what: &str) -> anyhow::Result<()> {
    let place = workspace.join(folder);
    let lock = place.join("package-lock.json");
    if !lock.is_file() {
        return Ok(());
    }
    let text = std::fs::read_to_string(&lock).context("reading the lock file")?;
    let done_for = place.join("node_modules/.tidewatch-lock");
    if std::fs::read_to_string(&done_for).is_ok_and(|then| then == text) {
        return Ok(());
    }
    step("Packages", &format!("installs {what} in {folder}/ (npm)"), || {
        process::run(command("npm").current_dir(&place).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1").args([
            "ci",
            "--no-audit",
            "--no-fund",
        ]))
    })?;
    // In the folder that it speaks of: whoever deletes the one deletes the other.
    std::fs::write(done_for, text).context("noting what was installed")
}

/// Installs packages of the system, or says what a person with the right to do so must run.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<()> {
    let list = packages.join(" ");
    ensure!(
        Path::new("/usr/bin/apt-get").exists(),
        "this needs {list} (Debian's names), and there is no apt-get here: install them your way and run the command again"
    );
    let is_root = process::output(command("id").arg("-u"))?.trim() == "0";
    ensure!(
        is_root,
        "this needs packages that only root can install. Run, then try again:\n\n    sudo apt-get install -y --no-install-recommends {list}\n"
    );
    let apt =
        |words: &[&str]| process::run(command("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y"]).args(words));
    let words: Vec<&str> = ["install", "--no-install-recommends"].into_iter().chain(packages.iter().copied()).collect();
    if apt(&words).is_ok() {
        return Ok(());
    }
    note("once more, with fresh lists of packages");
    apt(&["update"])?;
    apt(&words)
}
