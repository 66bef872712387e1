//! Inputs that were kept, through the targets: seeds that reach the readers' rarer turns, and everything that once failed.

use std::path::{Path, PathBuf};

use tidewatch_fuzz::TARGETS;

/// Files of a folder of a target, in their order; none when there is no such folder.
fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

#[test]
fn every_kept_input_goes_through_its_target() {
    for target in TARGETS {
        let files: Vec<PathBuf> = ["corpus", "failed"].into_iter().flat_map(|folder| inputs(folder, target.name)).collect();
        assert!(!files.is_empty(), "{} has no seeds", target.name);
        for file in files {
            // Named before it is fed, so that a failure says with what.
            println!("{}", file.display());
            (target.feed)(&std::fs::read(&file).expect("an input"));
        }
    }
}

#[test]
fn every_target_has_a_binary_of_its_name_for_the_fuzzer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer/fuzz_targets");
    let mut files: Vec<String> = folder
        .read_dir()
        .expect("the binaries")
        .map(|entry| entry.expect("a file").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, TARGETS.map(|target| target.name));
}
