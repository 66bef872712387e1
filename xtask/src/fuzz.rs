//! `cargo xtask fuzz`: the readers of foreign bytes under libFuzzer, one after the other, for as long as there is time.
//!
//! It needs `cargo-fuzz`, which is installed below the build folder the first time, and a C++ compiler, which libFuzzer itself is
//! built with. The compiler is the ordinary one, allowed to use what it calls unstable: address checks around the libraries'
//! unsafe code. What the fuzzer finds stays below the build folder; an input that failed is copied to `crates/fuzz/failed/`
//! by hand, under a name that says what it was, and is an ordinary test from then on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::process;
use crate::progress::{note, step};
use crate::toolchain::cargo;
use crate::workspace::Workspace;

/// Minutes for each target when nobody says how many.
const MINUTES: u64 = 1;
/// The package that libFuzzer is built into.
const PACKAGE: &str = "crates/fuzz/libfuzzer";

/// The command: the target named, or all of them.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> anyhow::Result<()> {
    let known = targets(&workspace.join(PACKAGE).join("fuzz_targets"))?;
    let (asked, minutes) = read(words, &known)?;
    ensure!(
        process::find("c++").is_some(),
        "there is no C++ compiler (`c++`), which libFuzzer is built with: install g++ or clang"
    );
    let fuzzer = fuzzer(workspace)?;
    let mut failed = Vec::new();
    for target in asked {
        let about = format!("feeds the target for {minutes} min");
        if step("Fuzz", &format!("{target}: {about}"), || feed(workspace, &fuzzer, &target, minutes)).is_err() {
            failed.push(target);
        }
    }
    ensure!(failed.is_empty(), "an input failed: see target/fuzz/failed/ of {}", failed.join(", "));
    Ok(())
}

/// The targets to feed, and for how many minutes each.
fn read(words: &[String], known: &[String]) -> anyhow::Result<(Vec<String>, u64)> {
    let (mut asked, mut minutes) = (Vec::new(), MINUTES);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--minutes" {
            let text = words.next().context("--minutes takes a number")?;
            minutes = text
                .parse()
                .ok()
                .filter(|minutes| (1..=1_440).contains(minutes))
                .with_context(|| format!("--minutes takes a whole number from 1 to 1440, and {text} is none"))?;
        } else if known.contains(word) {
            asked.push(word.clone());
        } else {
            bail!("{word} is no target: {}", known.join(", "));
        }
    }
    Ok((if asked.is_empty() { known.to_vec() } else { asked }, minutes))
}

/// Names of the targets: a file each.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let files = folder.read_dir().with_context(|| format!("looking for targets in {}", folder.display()))?;
    let name = |file: std::fs::DirEntry| file.path().file_stem().map(|name| name.to_string_lossy().into_owned());
    let mut names: Vec<String> = files.filter_map(|file| name(file.ok()?)).collect();
    names.sort();
    Ok(names)
}

/// The `bin` folder that `cargo-fuzz` lies in; it is installed when no other is found.
fn fuzzer(workspace: &Workspace) -> anyhow::Result<Option<PathBuf>> {
    if process::find("cargo-fuzz").is_some() {
        return Ok(None);
    }
    let root = workspace.target().join("tools");
    let bin = root.join("bin");
    if !bin.join("cargo-fuzz").is_file() {
        step("cargo-fuzz", "installs the driver of libFuzzer below the build folder (once)", || {
            process::run(compiler().args(["install", "cargo-fuzz", "--locked", "--quiet", "--root"]).arg(&root))
        })?;
    }
    Ok(Some(bin))
}

fn feed(workspace: &Workspace, fuzzer: &Option<PathBuf>, target: &str, minutes: u64) -> anyhow::Result<()> {
    let folder = |name: &str| workspace.target().join("fuzz").join(name).join(target);
    let (found, failed) = (folder("corpus"), folder("failed"));
    for folder in [&found, &failed] {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let mut run = compiler();
    if let Some(bin) = fuzzer {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(bin.clone()).chain(std::env::split_paths(&path));
        run.env("PATH", std::env::join_paths(folders).context("a folder with a strange name is on PATH")?);
    }
    run.current_dir(workspace.root()).env("RUSTC_BOOTSTRAP", "1").args(["fuzz", "run", "--fuzz-dir", PACKAGE, "--target-dir"]);
    // What is found goes to the first folder; the seeds are only read.
    run.arg(workspace.target().join("fuzz-build")).arg(target).arg(&found).arg(workspace.join("crates/fuzz/corpus").join(target));
    run.args(["--", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    run.arg(format!("-max_total_time={}", minutes * 60)).arg(format!("-artifact_prefix={}/", failed.display()));
    process::run(&mut run)?;
    note(&format!("{target} held"));
    Ok(())
}

/// cargo with the default toolchain, whatever compiler builds the halves: the sanitizer belongs to it.
fn compiler() -> Command {
    let mut command = cargo();
    command.env_remove("RUSTC").env_remove("RUSTDOC");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Result<(Vec<String>, u64), String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        read(&words, &["cursor".to_owned(), "yjs".to_owned()]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_target_and_a_time_are_read_and_anything_else_is_refused_by_its_name() {
        assert_eq!(asked(&[]), Ok((vec!["cursor".to_owned(), "yjs".to_owned()], MINUTES)));
        assert_eq!(asked(&["yjs", "--minutes", "10"]), Ok((vec!["yjs".to_owned()], 10)));
        assert_eq!(asked(&["json"]), Err("json is no target: cursor, yjs".to_owned()));
        for bad in ["0", "1441", "ten"] {
            let refused = asked(&["--minutes", bad]).expect_err("refused");
            assert!(refused.contains(bad), "{refused}");
        }
        assert_eq!(asked(&["--minutes"]), Err("--minutes takes a number".to_owned()));
    }
}
