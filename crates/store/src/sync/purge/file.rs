//! The files of purges: one JSON object a line, compressed, with the manifest as the last line. Written under another name, synced, named,
//! and read back from the disk before anything is removed. Every function here blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use tidewatch_domain::manifest::{Manifest, Tally};
use tidewatch_domain::time::Millis;

use crate::{Error, Result};

/// The folder of the files, under the folder of the store.
pub(super) const FOLDER: &str = "purged";
/// How much time compression may take: these files are read once in years.
const ZSTD_LEVEL: i32 = 6;
/// Most bytes of a file, decompressed: far above what one run writes.
const TEXT_BYTES_MAX: u64 = 512 * 1_024 * 1_024;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Under the folder of the store.
    pub(crate) file: String,
    /// On the disk.
    pub(crate) file_bytes: u64,
    /// Of its rows.
    pub(crate) manifest: Manifest,
}

/// The name of a run's file, under the folder of the store. When it began is in it: after a restore the numbers come again, and no file
/// takes the place of another run's.
pub(crate) fn name_of(run: i64, begun: Millis) -> String {
    let begun: String = begun.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{FOLDER}/P{run}-{begun}.ndjson.zst")
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Writes the file of a run and reads it back. What an earlier attempt has left is written over. `text` holds the rows; `told` stands
/// beside their count and hash in the last line.
pub(super) fn write(dir: &Path, file: String, text: &str, rows: u64, told: &serde_json::Value) -> Result<Written> {
    let folder = dir.join(FOLDER);
    if !folder.is_dir() {
        fs::create_dir_all(&folder)?;
        File::open(dir)?.sync_all()?;
    }
    let mut tally = Tally::default();
    tally.add(text.as_bytes(), rows);
    let manifest = tally.manifest();
    let mut last = manifest.members();
    for (name, value) in told.as_object().into_iter().flatten() {
        last[name] = value.clone();
    }
    let unnamed = folder.join("writing");
    let target = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&unnamed)?;
    let mut encoder = zstd::Encoder::new(target, ZSTD_LEVEL)?;
    encoder.write_all(text.as_bytes())?;
    encoder.write_all(format!("{last}\n").as_bytes())?;
    encoder.finish()?.sync_all()?;
    fs::rename(&unnamed, dir.join(&file))?;
    File::open(&folder)?.sync_all()?;
    let found = read(dir, &file)?;
    if found.0 != text || found.1 != manifest {
        return Err(Error::Corrupt(format!("{file} does not hold what was written")));
    }
    let file_bytes = fs::metadata(dir.join(&file))?.len();
    Ok(Written { file, file_bytes, manifest })
}

/// The rows of a file and its manifest. Corrupt when it is not whole or not there.
pub(super) fn read(dir: &Path, file: &str) -> Result<(String, Manifest)> {
    let broken = |error: &dyn std::fmt::Display| Error::Corrupt(format!("{file} cannot be read: {error}"));
    let path: PathBuf = dir.join(file);
    let opened = match File::open(&path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(broken(&error)),
        Err(error) => return Err(error.into()),
    };
    let mut text = String::new();
    let decoder = zstd::Decoder::new(opened)?;
    decoder.take(TEXT_BYTES_MAX).read_to_string(&mut text).map_err(|error| broken(&error))?;
    let manifest = Manifest::check(&text).map_err(|error| broken(&error))?;
    let rows = usize::try_from(manifest.bytes).map_err(|error| broken(&error))?;
    text.truncate(rows);
    Ok((text, manifest))
}

/// Names in the folder, sorted.
#[cfg(test)]
pub(crate) fn files(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir.join(FOLDER)) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(dir: &Path) -> Written {
        write(dir, name_of(3, Millis(0)), "{\"n\":1}\n{\"n\":2}\n", 2, &json!({"run": "P3"})).expect("written")
    }

    #[test]
    fn a_file_reads_back_and_only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let told = written(dir.path());
        assert_eq!((told.file.as_str(), told.manifest.count), ("purged/P3-19700101T000000000Z.ndjson.zst", 2));
        assert_eq!(read(dir.path(), &told.file).expect("whole"), ("{\"n\":1}\n{\"n\":2}\n".to_owned(), told.manifest.clone()));
        assert_eq!(written(dir.path()), told, "written over");
        assert_eq!(files(dir.path()), ["P3-19700101T000000000Z.ndjson.zst"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(dir.path().join(&told.file)).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_was_cut_changed_or_lost_is_not_taken_for_whole() {
        let dir = tempfile::tempdir().expect("a folder");
        let told = written(dir.path());
        let path = dir.path().join(&told.file);
        let bytes = fs::read(&path).expect("there");
        fs::write(&path, &bytes[..bytes.len() - 1]).expect("cut");
        assert!(matches!(read(dir.path(), &told.file), Err(Error::Corrupt(_))));
        let other = zstd::encode_all("{\"n\":1}\n".as_bytes(), 1).expect("compressed");
        fs::write(&path, other).expect("without a manifest");
        assert!(matches!(read(dir.path(), &told.file), Err(Error::Corrupt(_))));
        fs::remove_file(&path).expect("lost");
        assert!(matches!(read(dir.path(), &told.file), Err(Error::Corrupt(_))));
    }
}
