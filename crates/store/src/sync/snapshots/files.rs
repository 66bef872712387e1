//! The files of snapshots: written under another name, synced, and given the name of their digest, so that a file that has its name
//! is whole; read whole, and compared with their name; removed when no snapshot has them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tidewatch_domain::digest::Hash;
use tidewatch_domain::sync::{FeedRows, SnapshotPart};

use super::{RowWriter, SnapshotLimits};
use crate::{Error, Result};

/// How much time compression may take: three times faster than it is sent over most links.
const ZSTD_LEVEL: i32 = 3;

/// The file of a part.
pub(super) fn path_of(dir: &Path, sha256: &Hash) -> PathBuf {
    dir.join(format!("{}.ndjson.zst", hex::encode(sha256)))
}

/// Makes the name of a new file durable.
fn folder_sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A file that is counted and digested while it is written.
#[derive(Debug)]
struct Counted {
    file: File,
    part: Sha256,
    whole: Sha256,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.part.update(&bytes[..written]);
        self.whole.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The part that is being written.
struct Open {
    encoder: zstd::Encoder<'static, Counted>,
    rows: u64,
    raw_bytes: u64,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) parts: Vec<SnapshotPart>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: Hash,
}

/// Takes rows and writes parts. Every method blocks.
pub(super) struct Sink {
    dir: PathBuf,
    /// Name of the file that is being written.
    unnamed: PathBuf,
    limits: SnapshotLimits,
    row_write: RowWriter,
    open: Option<Open>,
    whole: Sha256,
    parts: Vec<SnapshotPart>,
    line: Vec<u8>,
}

impl Sink {
    pub(super) fn new(dir: PathBuf, making: u64, limits: SnapshotLimits, row_write: RowWriter) -> Self {
        let unnamed = dir.join(format!("{making}.making"));
        Self { dir, unnamed, limits, row_write, open: None, whole: Sha256::new(), parts: Vec::new(), line: Vec::new() }
    }

    fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Writes rows behind those before.
    pub(super) fn write(&mut self, rows: &FeedRows) -> Result<()> {
        for row in rows.iter() {
            if self.open.is_none() {
                self.open = Some(self.part_open()?);
            }
            let Some(open) = &mut self.open else { continue };
            self.line.clear();
            (self.row_write)(row, &mut self.line);
            open.encoder.write_all(&self.line)?;
            open.rows += 1;
            open.raw_bytes += self.line.len() as u64;
            if open.rows >= self.limits.part_rows || open.raw_bytes >= self.limits.part_bytes {
                self.part_close()?;
            }
        }
        Ok(())
    }

    fn part_open(&mut self) -> Result<Open> {
        if self.parts.len() >= self.limits.parts_max || self.bytes() > self.limits.bytes_max {
            return Err(Error::Io(io::Error::other("the snapshot grows beyond its bounds")));
        }
        let file = File::create(&self.unnamed)?;
        let counted = Counted { file, part: Sha256::new(), whole: std::mem::take(&mut self.whole), bytes: 0 };
        Ok(Open { encoder: zstd::Encoder::new(counted, ZSTD_LEVEL)?, rows: 0, raw_bytes: 0 })
    }

    fn part_close(&mut self) -> Result<()> {
        let Some(Open { encoder, rows, raw_bytes }) = self.open.take() else { return Ok(()) };
        let Counted { file, part, whole, bytes } = encoder.finish()?;
        file.sync_all()?;
        let sha256: Hash = part.finalize().into();
        fs::rename(&self.unnamed, path_of(&self.dir, &sha256))?;
        self.whole = whole;
        self.parts.push(SnapshotPart { rows, bytes, raw_bytes, sha256 });
        Ok(())
    }

    /// Ends the last part. Afterwards everything survives a loss of power.
    pub(super) fn finish(mut self) -> Result<Written> {
        self.part_close()?;
        folder_sync(&self.dir)?;
        let (rows, bytes) = (self.parts.iter().map(|part| part.rows).sum(), self.bytes());
        Ok(Written { rows, bytes, sha256: self.whole.finalize().into(), parts: self.parts })
    }
}

/// The bytes of a part, when they are what its name says. Blocks.
pub(super) fn read(dir: &Path, part: &SnapshotPart) -> Result<Vec<u8>> {
    let bytes = fs::read(path_of(dir, &part.sha256))?;
    let found: Hash = Sha256::digest(&bytes).into();
    if found == part.sha256 {
        Ok(bytes)
    } else {
        Err(Error::Corrupt(format!("the file of part {} of a snapshot is not what its name says", hex::encode(part.sha256))))
    }
}

/// Whether the file of a part is there and as long as it was. Blocks.
pub(super) fn is_there(dir: &Path, part: &SnapshotPart) -> bool {
    fs::metadata(path_of(dir, &part.sha256)).is_ok_and(|found| found.is_file() && found.len() == part.bytes)
}

/// Removes every file that is no part of these: what is left of making that broke off, and of snapshots that were dropped. Answers
/// how many. Blocks.
pub(super) fn sweep(dir: &Path, kept: &HashSet<PathBuf>) -> Result<usize> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    let mut removed = 0;
    for entry in entries {
        let path = entry?.path();
        if path.is_file() && !kept.contains(&path) {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}
