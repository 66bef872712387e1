//! The connections that the rows of pages are read with. A row has fourteen members and a page thousands of rows: these connections
//! are asked directly, on threads that may wait for the disk, and hand over what lies in SQLite's memory; the driver of all other
//! statements copies every value, and every row of its goes through a channel (ADR 21).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::{Error, Result};

/// Pages of the log are read once and in order; what is read again is the inside of its trees.
const CACHE_KIB: u32 = 1024;
/// Prepared statements that a connection keeps. Each scope of a page has one of its own.
const STATEMENTS_KEPT: usize = 64;
/// A page waits so long for a connection.
const TURN_MAX: Duration = Duration::from_secs(10);
/// A reader of a log that is written ahead waits for nobody but one that recovers it.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// So many connections at most, opened when they are needed.
#[derive(Debug)]
pub(crate) struct RowReaders {
    path: PathBuf,
    most: u32,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl RowReaders {
    pub(crate) fn new(path: PathBuf, most: u32) -> Self {
        let most = most.max(1);
        Self { path, most, turns: Arc::new(Semaphore::new(most as usize)), idle: Mutex::default() }
    }

    /// A connection that only reads.
    pub(crate) fn open(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_MAX)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        connection
            .execute_batch(&format!("pragma query_only = 1; pragma temp_store = memory; pragma cache_size = -{CACHE_KIB}"))?;
        Ok(connection)
    }

    /// Does what may wait for the disk with one of the connections.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // Whoever waits goes first. It also parts the moment at which a page begins from that at which it is read, as everywhere where the
        // database is asked, so that tests can write in between.
        tokio::task::yield_now().await;
        let turn = tokio::time::timeout(TURN_MAX, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| Error::Closed)?;
        let readers = Arc::clone(self);
        blocking(move || {
            let idle = readers.idle().pop();
            let connection = idle.map_or_else(|| readers.open(), Ok)?;
            let done = work(&connection);
            // One that failed is not used again.
            if done.is_ok() {
                readers.idle().push(connection);
            }
            drop(turn);
            done
        })
        .await
    }

    /// Waits for those that read, and closes.
    pub(crate) async fn close(&self) {
        // Only this closes, and whoever waits for a turn gets it first.
        let turns = self.turns.acquire_many(self.most).await;
        self.turns.close();
        drop(turns);
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().expect("no holder of this lock panics")
    }
}

/// Does what waits for the disk on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Corrupt(format!("a thread that read or wrote ended: {error}")))?
}
