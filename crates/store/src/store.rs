//! The store as a whole: three parts in three files, opened and closed together.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidewatch_domain::fleet::DiskSpace;
use tidewatch_domain::time::Millis;

use crate::Result;
use crate::console::Console;
use crate::database::Durability;
use crate::sync::{SnapshotLimits, Sync, VerifyReport};
use crate::telemetry::Telemetry;

/// How to open a store. Clock and randomness come in here: the store reads neither by itself.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// When the store is opened.
    pub now: Millis,
    /// Random bits: the epoch and the id of a new store are made of them.
    pub entropy: u64,
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// Read-only connections per file; twice the number of cores does well.
    pub readers: u32,
    /// Go on with a new epoch when the log is shorter than it once was (after a restore). Without it, such a log is refused.
    pub accept_rollback: bool,
    /// Where to note how far the log has reached: a file outside the data directory, so that a restored directory does not
    /// bring its own. `None` notes nothing and notices no restore.
    pub hint: Option<PathBuf>,
    /// Bounds of prebuilt snapshots.
    pub snapshots: SnapshotLimits,
    /// The file of the keys that open payloads in escrow, made when it is missing and nothing needs it; `None` is `escrow.key` beside
    /// the files of the store. Its keys, and what they are used with, are random whatever `entropy` is.
    pub escrow_key: Option<PathBuf>,
}

impl StoreOptions {
    /// Full durability, eight readers, a shortened log is refused.
    #[must_use]
    pub const fn new(now: Millis, entropy: u64) -> Self {
        Self {
            now,
            entropy,
            durability: Durability::Full,
            readers: 8,
            accept_rollback: false,
            hint: None,
            snapshots: SnapshotLimits::STANDARD,
            escrow_key: None,
        }
    }
}

/// Makes the folder of a store, unless it is there, and its name durable: what was synced in a folder is lost with the name of
/// the folder.
///
/// # Errors
/// The file system.
pub fn folder_make(dir: &Path) -> std::io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    match dir.canonicalize()?.parent() {
        Some(above) => std::fs::File::open(above)?.sync_all(),
        None => Ok(()),
    }
}

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    dir: PathBuf,
    sync: Sync,
    telemetry: Telemetry,
    console: Console,
}

impl Store {
    /// Opens the files under a directory, makes what is missing and brings every schema up to date.
    ///
    /// # Errors
    /// The file system, the database, a migration; corrupt when a file is not what it should be.
    pub async fn open(dir: &Path, options: StoreOptions) -> Result<Self> {
        folder_make(dir)?;
        let sync = Sync::open(dir, &options).await?;
        let telemetry = Telemetry::open(dir, &options, sync.vault()).await?;
        let console = Console::open(dir, &options).await?;
        Ok(Self { parts: Arc::new(Parts { dir: dir.to_owned(), sync, telemetry, console }) })
    }

    /// The log.
    #[must_use]
    pub fn sync(&self) -> &Sync {
        &self.parts.sync
    }

    /// Reports of devices.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.parts.telemetry
    }

    /// Staff, sessions, tokens.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.parts.console
    }

    /// The room on the disk that it lies on.
    ///
    /// # Errors
    /// The file system.
    pub fn disk(&self) -> Result<DiskSpace> {
        let found = rustix::fs::statvfs(&self.parts.dir).map_err(std::io::Error::from)?;
        Ok(DiskSpace { free: found.f_bavail * found.f_frsize, total: found.f_blocks * found.f_frsize })
    }

    /// Verifies the log, the audit log and what is made of them, the counts of devices against the mirror of their outboxes, and
    /// that the file of staff and tokens is whole.
    ///
    /// # Errors
    /// As the database. What is wrong with the contents is in the report.
    pub async fn verify(&self) -> Result<VerifyReport> {
        let mut report = self.parts.sync.verify().await?;
        self.parts.telemetry.verify(&mut report).await?;
        self.parts.telemetry.archive_verify(&mut report).await?;
        for finding in self.parts.console.verify().await? {
            report.find(format!("console.db: {finding}"));
        }
        Ok(report)
    }

    /// Finishes what is queued and closes the files. Calls on other clones fail afterwards.
    ///
    /// # Errors
    /// As the database.
    pub async fn close(&self) -> Result<()> {
        self.parts.sync.close().await?;
        self.parts.telemetry.close().await?;
        self.parts.console.close().await
    }
}

#[cfg(test)]
mod tests;
