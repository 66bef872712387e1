//! The files of purges.

use std::path::Path;

use tidewatch_domain::manifest::Manifest;
use tidewatch_domain::time::Millis;

use crate::Result;
pub(crate) use crate::sync::row_file::Written;
use crate::sync::row_file::{self, RowFile, rows_read};

/// The folder of the files, under the folder of the store.
const FOLDER: &str = "purged";

/// The name of a run's file, under the folder of the store.
pub(crate) fn name_of(run: i64, begun: Millis) -> String {
    row_file::name_of(FOLDER, &format!("P{run}"), begun)
}

/// Writes the file of a run and reads it back. `text` holds the rows; `told` stands beside their count and hash in the last line.
pub(super) fn write(dir: &Path, file: String, text: &str, rows: u64, told: &serde_json::Value) -> Result<Written> {
    let mut writing = RowFile::begin(dir, FOLDER)?;
    writing.add(text, rows)?;
    writing.end(file, told)
}

/// The rows of a file and its manifest. Corrupt when it is not whole or not there.
pub(super) fn read(dir: &Path, file: &str) -> Result<(String, Manifest)> {
    let mut text = String::new();
    let manifest = rows_read(dir, file, |line| {
        text.push_str(line);
        Ok(())
    })?;
    Ok((text, manifest))
}

/// Names in the folder, sorted.
#[cfg(test)]
pub(crate) fn files(dir: &Path) -> Vec<String> {
    row_file::files(dir, FOLDER)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::Error;

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
