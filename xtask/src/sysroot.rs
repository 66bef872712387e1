//! A compiler for both halves where rustup's servers cannot be reached: Debian's `rustc-web`, with the browser's standard
//! library built from Debian's own sources, in `target/toolchain`.
//!
//! Debian packages no library for the browser. The folder made here looks to cargo like any toolchain: scripts that start
//! Debian's compiler with this folder as its sysroot, Debian's library for this machine, and our library for the browser.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::process::{self, command};
use crate::progress::step;
use crate::setup;
use crate::toolchain::BROWSER_TARGET;
use crate::workspace::Workspace;

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const SOURCES: &str = "/usr/lib/rustlib/src/rust/library/std/src/lib.rs";
/// The linker that Debian's current compiler was built beside; any other version is taken when it is the one installed.
const LINKER_PACKAGE: &str = "lld-22";

/// The sysroot, when one is there that fits the system's compiler and this place.
pub(crate) fn ready(workspace: &Workspace) -> Option<PathBuf> {
    let sysroot = folder(workspace);
    let made_for = fs::read_to_string(sysroot.join("made-for")).ok()?;
    (made_for == description(&sysroot).ok()?).then_some(sysroot)
}

/// Makes the sysroot, installing what it needs.
pub(crate) fn make(workspace: &Workspace) -> anyhow::Result<()> {
    if !packages_present() {
        step("Compiler", "installs Debian's compiler, its sources and a linker (about 200 MB, half a minute)", || {
            setup::install(&["rustc-web", "cargo-web", "rust-web-src", LINKER_PACKAGE])
        })?;
        ensure!(packages_present(), "the packages are installed, but {RUSTC}, {SOURCES} or a linker is missing");
    }
    let libraries =
        step("Browser library", "builds the standard library for the browser from its sources (once, about a minute)", || {
            build_library(workspace)
        })?;
    assemble(&folder(workspace), &libraries)?;
    // Cargo tells compilers apart by version, not by library: what was compiled against another one must go.
    let _ = fs::remove_dir_all(workspace.join("target/wasm").join(BROWSER_TARGET));
    Ok(())
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.join("target/toolchain")
}

fn packages_present() -> bool {
    Path::new(CARGO).exists() && Path::new(SOURCES).exists() && linker().is_some() && host().is_ok()
}

/// Debian's linker, the newest when there are several.
fn linker() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Path::new("/usr/bin")
        .read_dir()
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.strip_prefix("lld-")?.parse().ok()?;
            Some((version, entry.path()))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, path)| path)
}

/// The target triple of this machine, as Debian's compiler names it.
fn host() -> anyhow::Result<String> {
    let version = process::output(command(RUSTC).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("the compiler does not say what it runs on")?.to_owned())
}

/// What a sysroot was made for: made again when the compiler, the linker or the place is another.
fn description(sysroot: &Path) -> anyhow::Result<String> {
    let version = process::output(command(RUSTC).arg("-vV"))?;
    let linker = linker().context("there is no linker")?;
    Ok(format!("{version}linker: {}\nplace: {}\n", linker.display(), sysroot.display()))
}

/// Builds the library with a throw-away crate; gives the files of the library alone.
fn build_library(workspace: &Workspace) -> anyhow::Result<Vec<PathBuf>> {
    let place = workspace.join("target/toolchain-build");
    fs::create_dir_all(place.join("src"))?;
    fs::write(
        place.join("Cargo.toml"),
        concat!(
            "[package]\nname = \"throw-away\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n",
            "[profile.release]\nopt-level = \"s\"\ncodegen-units = 1\n",
        ),
    )?;
    fs::write(place.join("src/lib.rs"), "//! Built only so that the standard library is.\n")?;
    process::run(
        command(CARGO)
            .current_dir(&place)
            .env("RUSTC", RUSTC)
            .env("RUSTC_BOOTSTRAP", "1")
            // The browser half is optimised as a whole when it is linked, and for that the library must carry its bitcode.
            .env("RUSTFLAGS", "-Cembed-bitcode=yes")
            .env_remove("RUSTUP_TOOLCHAIN")
            .args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", BROWSER_TARGET, "--target-dir"])
            .arg(place.join("target")),
    )?;
    let built = place.join("target").join(BROWSER_TARGET).join("release/deps");
    let libraries: Vec<_> = built
        .read_dir()
        .with_context(|| format!("reading {}", built.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rlib"))
        .filter(|path| !path.file_name().unwrap_or_default().to_string_lossy().starts_with("libthrow_away"))
        .collect();
    ensure!(!libraries.is_empty(), "the build left no library in {}", built.display());
    Ok(libraries)
}

/// Puts the folder together beside its place and moves it there in one go: a half-made one is never taken for a whole.
fn assemble(sysroot: &Path, libraries: &[PathBuf]) -> anyhow::Result<()> {
    let half_made = sysroot.with_extension("half-made");
    let _ = fs::remove_dir_all(&half_made);
    let browser = half_made.join("lib/rustlib").join(BROWSER_TARGET).join("lib");
    fs::create_dir_all(&browser)?;
    for library in libraries {
        fs::copy(library, browser.join(library.file_name().expect("it was read from a folder")))?;
    }
    let host = host()?;
    let machine = half_made.join("lib/rustlib").join(&host);
    fs::create_dir_all(machine.join("bin"))?;
    symlink(format!("/usr/lib/rustlib/{host}/lib"), machine.join("lib"))?;
    symlink(linker().context("there is no linker")?, machine.join("bin/rust-lld"))?;
    fs::create_dir_all(half_made.join("bin"))?;
    for program in ["rustc", "rustdoc"] {
        let script = half_made.join("bin").join(program);
        fs::write(&script, format!("#!/bin/sh\nexec /usr/bin/{program} --sysroot '{}' \"$@\"\n", sysroot.display()))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    symlink(CARGO, half_made.join("bin/cargo"))?;
    fs::write(half_made.join("made-for"), description(sysroot)?)?;
    let _ = fs::remove_dir_all(sysroot);
    fs::rename(&half_made, sysroot).context("moving the sysroot to its place")
}
