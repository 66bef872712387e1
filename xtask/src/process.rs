//! Running other programs: with the environment a person's shell would give them, and with errors that name the command.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// A command without what `cargo run` added to our environment (package variables, library paths): the programs we start
/// are not part of xtask, and an inner cargo would take the variables for changes and build again.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_PRIMARY_PACKAGE" {
            command.env_remove(&name);
        }
    }
    match own_library_path() {
        Some(path) => command.env("LD_LIBRARY_PATH", path),
        None => command.env_remove("LD_LIBRARY_PATH"),
    };
    command
}

/// `LD_LIBRARY_PATH` as it was before cargo put its own folders in front.
fn own_library_path() -> Option<OsString> {
    let path = std::env::var_os("LD_LIBRARY_PATH")?;
    let added_by_cargo = |dir: &Path| {
        let text = dir.to_string_lossy();
        text.contains("/rustlib/") || text.contains("/toolchains/") || text.ends_with("/deps") || text.contains("/target/")
    };
    let kept: Vec<_> = std::env::split_paths(&path).filter(|dir| !dir.as_os_str().is_empty() && !added_by_cargo(dir)).collect();
    (!kept.is_empty()).then(|| std::env::join_paths(kept).expect("these came from such a list"))
}

/// Runs it with our terminal, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("starting {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Runs it and gives its standard output; its standard error stays on our terminal.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().with_context(|| format!("starting {}", line(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}", line(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("reading the output of {}", line(command)))
}

/// Whether it can be started and succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs it, shows its output as it comes, and gives whether it succeeded with every line it wrote.
pub(crate) fn watched(command: &mut Command) -> anyhow::Result<(bool, Vec<String>)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", line(command)))?;
    let stdout = child.stdout.take().expect("piped above");
    let stderr = child.stderr.take().expect("piped above");
    // Two readers, so that neither pipe fills up while we wait for the other.
    let errors = std::thread::spawn(move || echo(BufReader::new(stderr)));
    let mut lines = echo(BufReader::new(stdout));
    lines.extend(errors.join().expect("the reader only copies lines"));
    let status = child.wait().with_context(|| format!("waiting for {}", line(command)))?;
    Ok((status.success(), lines))
}

fn echo(mut from: impl BufRead) -> Vec<String> {
    let mut lines = Vec::new();
    let mut bytes = Vec::new();
    while from.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        eprintln!("{text}");
        lines.push(text);
        bytes.clear();
    }
    lines
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// A program on `PATH`, if it is there.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
