//! The one compiler of both halves, which must know the target `wasm32-unknown-unknown`.
//!
//! Invariant: what is run or shipped is built by one compiler with one set of flags, because the ids of islands hash code as
//! that compiler prints it. clippy and rustfmt stay with the default toolchain. In this order: a compiler named by `RUSTC`,
//! the sysroot that an earlier set-up made, the active toolchain, the active toolchain after `rustup target add`, and a
//! sysroot made from the system's packages.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::process::{self, command};
use crate::progress::{note, step};
use crate::sysroot;
use crate::workspace::Workspace;

/// The target of the browser half.
pub(crate) const BROWSER_TARGET: &str = "wasm32-unknown-unknown";
/// How long `rustup` may try to reach its servers before we do without.
const RUSTUP_PATIENCE: Duration = Duration::from_secs(90);

/// A compiler for both halves.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    /// `None` for the compiler that cargo finds by itself.
    bin: Option<PathBuf>,
}

impl Toolchain {
    /// A compiler in this `bin` folder.
    pub(crate) fn in_folder(bin: PathBuf) -> Self {
        Self { bin: Some(bin) }
    }

    /// cargo, told to use this compiler.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        if let Some(bin) = &self.bin {
            command.env("RUSTC", bin.join("rustc")).env("RUSTDOC", bin.join("rustdoc"));
        }
        command
    }

    /// What the compiler says it is; part of every stamp.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        let rustc = self.bin.as_ref().map_or_else(default_rustc, |bin| bin.join("rustc"));
        process::output(command(rustc).arg("-vV"))
    }
}

/// cargo with the default toolchain: for clippy, rustfmt and metadata.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The compiler that an earlier set-up chose, without changing anything.
pub(crate) fn find(workspace: &Workspace) -> Option<Toolchain> {
    if std::env::var_os("RUSTC").is_some() {
        return knows_browser(&default_rustc()).then_some(Toolchain { bin: None });
    }
    if let Some(sysroot) = sysroot::ready(workspace) {
        return Some(Toolchain::in_folder(sysroot.join("bin")));
    }
    knows_browser(&default_rustc()).then_some(Toolchain { bin: None })
}

/// The compiler of both halves, made fit for the job when there is none yet.
pub(crate) fn ensure(workspace: &Workspace) -> anyhow::Result<Toolchain> {
    if let Some(found) = find(workspace) {
        return Ok(found);
    }
    if let Some(rustc) = std::env::var_os("RUSTC") {
        bail!("RUSTC names {}, which does not know {BROWSER_TARGET}: unset RUSTC, or name a compiler that does", rustc.display());
    }
    if let Some(rustup) = process::find("rustup") {
        let asked = step(
            "Browser target",
            "asks rustup for the standard library of the browser (seconds, when it can be reached)",
            || {
                let mut add = command(rustup);
                add.args(["target", "add", BROWSER_TARGET]);
                within(&mut add, RUSTUP_PATIENCE)
            },
        );
        if asked.is_ok() && knows_browser(&default_rustc()) {
            return Ok(Toolchain { bin: None });
        }
        note("rustup cannot give it; making it from the system's packages instead");
    }
    sysroot::make(workspace)?;
    find(workspace).context("the sysroot was made and still does not know the browser's target")
}

fn default_rustc() -> PathBuf {
    std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from)
}

/// Whether the compiler has a standard library for the browser.
pub(crate) fn knows_browser(rustc: &std::path::Path) -> bool {
    let mut ask = command(rustc);
    ask.args(["--print", "target-libdir", "--target", BROWSER_TARGET]);
    let Ok(output) = ask.stdin(Stdio::null()).output() else { return false };
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let Ok(entries) = folder.read_dir() else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

/// Runs it, and ends it when it takes too long.
fn within(command: &mut Command, patience: Duration) -> anyhow::Result<()> {
    let line = process::line(command);
    let mut child = command.stdin(Stdio::null()).spawn().with_context(|| format!("starting {line}"))?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("{line} ended with {status}");
            }
            return Ok(());
        }
        if started.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            bail!("{line} did not answer within {} s", patience.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
