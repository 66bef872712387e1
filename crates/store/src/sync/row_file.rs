//! Files of rows that leave the store: one JSON object a line, compressed, with the manifest as the last line. Written under another
//! name, synced, named, and read back from the disk, stretch by stretch, before anybody may remove what is in one. Every function here
//! blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tidewatch_domain::manifest::{Manifest, NotWhole, Tally};
use tidewatch_domain::time::Millis;

use crate::owned::private;
use crate::{Error, Result};

/// How much time compression may take: these files are read once in years.
const ZSTD_LEVEL: i32 = 6;
/// Most bytes of a file, decompressed: far above what one holds.
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

/// The name of the file of a thing, under the folder of the store. A moment of it is in the name: after a restore the numbers come again,
/// and no file takes the place of another one's.
pub(super) fn name_of(folder: &str, of: &str, at: Millis) -> String {
    let at: String = at.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{folder}/{of}-{at}.ndjson.zst")
}

/// A file that is being written.
pub(super) struct RowFile {
    dir: PathBuf,
    folder: PathBuf,
    encoder: zstd::Encoder<'static, File>,
    tally: Tally,
}

impl RowFile {
    /// Begins a file in a folder under that of the store, for its owner alone. What an earlier attempt has left is written over.
    pub(super) fn begin(dir: &Path, folder: &str) -> Result<Self> {
        let (dir, folder) = (dir.to_path_buf(), dir.join(folder));
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            File::open(&dir)?.sync_all()?;
        }
        let target = private(OpenOptions::new().write(true).create(true).truncate(true)).open(unnamed(&folder))?;
        Ok(Self { dir, folder, encoder: zstd::Encoder::new(target, ZSTD_LEVEL)?, tally: Tally::default() })
    }

    /// Adds so many rows, each with its line break.
    pub(super) fn add(&mut self, text: &str, rows: u64) -> Result<()> {
        self.tally.add(text.as_bytes(), rows);
        Ok(self.encoder.write_all(text.as_bytes())?)
    }

    /// Ends the file with its manifest, beside which stands what is `told`; syncs it, gives it its name, under the folder of the store,
    /// and reads it back.
    pub(super) fn end(mut self, file: String, told: &Value) -> Result<Written> {
        let manifest = self.tally.manifest();
        let mut last = manifest.members();
        for (name, value) in told.as_object().into_iter().flatten() {
            last[name] = value.clone();
        }
        self.encoder.write_all(format!("{last}\n").as_bytes())?;
        self.encoder.finish()?.sync_all()?;
        fs::rename(unnamed(&self.folder), self.dir.join(&file))?;
        File::open(&self.folder)?.sync_all()?;
        if rows_read(&self.dir, &file, |_| Ok(()))? != manifest {
            return Err(Error::Corrupt(format!("{file} does not hold what was written")));
        }
        let file_bytes = fs::metadata(self.dir.join(&file))?.len();
        Ok(Written { file, file_bytes, manifest })
    }
}

fn unnamed(folder: &Path) -> PathBuf {
    folder.join("writing")
}

/// Reads a file row by row, each with its line break; its manifest. Corrupt when it is not whole or not there: what `each` has seen counts
/// only when it is.
pub(super) fn rows_read(dir: &Path, file: &str, mut each: impl FnMut(&str) -> Result<()>) -> Result<Manifest> {
    let broken = |error: &dyn std::fmt::Display| Error::Corrupt(format!("{file} cannot be read: {error}"));
    let opened = match File::open(dir.join(file)) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(broken(&error)),
        Err(error) => return Err(error.into()),
    };
    let mut reader = BufReader::new(zstd::Decoder::new(opened)?.take(TEXT_BYTES_MAX));
    // The last line is the manifest, and only the end tells which line that is.
    let (mut tally, mut line, mut next) = (Tally::default(), String::new(), String::new());
    while reader.read_line(&mut next).map_err(|error| broken(&error))? > 0 {
        if !line.is_empty() {
            tally.add(line.as_bytes(), 1);
            each(&line)?;
        }
        std::mem::swap(&mut line, &mut next);
        next.clear();
    }
    let (told, found) = (line.strip_suffix('\n').and_then(Manifest::parse), tally.manifest());
    match told {
        None => Err(broken(&NotWhole::Cut)),
        Some(told) if told != found => Err(broken(&NotWhole::Differs { told, found })),
        Some(told) => Ok(told),
    }
}

/// Names in a folder under that of the store, sorted.
#[cfg(test)]
pub(super) fn files(dir: &Path, folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir.join(folder)) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
