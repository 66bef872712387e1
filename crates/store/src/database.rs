//! Opening one database file: the pragmas of `protocol.md` 3.3, one writer connection and a pool of read-only readers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use crate::{Error, Result};

/// The release that fixed the corruption when a checkpoint races with a writer that resets the log.
const SQLITE_VERSION_MIN: (u32, u32, u32) = (3, 51, 3);
const JOURNAL_BYTES_LIMIT: &str = "268435456";

/// How far a commit is on its way to the disk when it is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Synced: survives power loss.
    #[default]
    Full,
    /// Written: survives `kill -9`, not power loss.
    Normal,
}

/// How much memory the connections to a file may fill with its pages, in KiB. Every connection has its own, and a page that is
/// not in it comes from the system's cache for a microsecond. Files are not mapped: what a mapping touches counts as memory of
/// this process, once for each connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheSize {
    /// Of the writer.
    pub(crate) writer: u32,
    /// Of each reader.
    pub(crate) reader: u32,
}

/// One database file: its writer connection and its readers.
#[derive(Debug)]
pub(crate) struct Database {
    /// The only connection that writes. A part with few writes locks it; a part with a writer task takes it out.
    pub(crate) writer: Mutex<Option<SqliteConnection>>,
    /// Read-only connections.
    pub(crate) readers: SqlitePool,
}

/// Opens a file, makes it when it is missing, and brings its schema up to date.
pub(crate) async fn database_open(
    path: PathBuf,
    durability: Durability,
    readers: u32,
    cache: CacheSize,
    migrations: &Migrator,
) -> Result<Database> {
    let mut writer = writer_options(&path, durability, cache.writer).connect().await?;
    version_check(&mut writer).await?;
    migrations.run(&mut writer).await?;
    statistics_drop(&mut writer).await?;
    let readers = readers_again(&path, readers, cache.reader);
    Ok(Database { writer: Mutex::new(Some(writer)), readers })
}

/// A pool of read-only connections to a file that is open already.
pub(crate) fn readers_again(path: &Path, readers: u32, cache_kib: u32) -> SqlitePool {
    // A connection is looked at when it comes back; to look at it again when it is taken is a second way to its thread and back for
    // every statement.
    SqlitePoolOptions::new()
        .test_before_acquire(false)
        .max_connections(readers.max(1))
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(reader_options(path, cache_kib))
}

/// Another connection to a file that is open already, with the pragmas of the writer; it folds the log and keeps no pages.
pub(crate) async fn connect_again(path: &Path, durability: Durability) -> Result<SqliteConnection> {
    Ok(writer_options(path, durability, 512).connect().await?)
}

impl Database {
    /// Closes the readers before the writer, so that the writer can fold its log into the file.
    pub(crate) async fn close(&self) -> Result<()> {
        self.readers.close().await;
        match self.writer.lock().await.take() {
            Some(writer) => Ok(writer.close().await?),
            None => Ok(()),
        }
    }
}

/// Every statement is proven to be planned well without statistics. Those of a nearly empty file (a command line that made a token
/// and closed the store again) make the planner scan what it should search, for as long as the statement stays prepared: weeks.
/// So none are gathered, and what an older version gathered goes.
async fn statistics_drop(writer: &mut SqliteConnection) -> Result<()> {
    for statement in ["drop table if exists sqlite_stat1", "drop table if exists sqlite_stat4"] {
        sqlx::query(statement).execute(&mut *writer).await?;
    }
    Ok(())
}

fn writer_options(path: &Path, durability: Durability, cache_kib: u32) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(4096)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(match durability {
            Durability::Full => SqliteSynchronous::Full,
            Durability::Normal => SqliteSynchronous::Normal,
        })
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
        .pragma("temp_store", "memory")
        .pragma("cache_size", format!("-{cache_kib}"))
        .pragma("journal_size_limit", JOURNAL_BYTES_LIMIT)
        .pragma("wal_autocheckpoint", "0")
        .statement_cache_capacity(200)
}

fn reader_options(path: &Path, cache_kib: u32) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("query_only", "1")
        .pragma("temp_store", "memory")
        .pragma("cache_size", format!("-{cache_kib}"))
        .statement_cache_capacity(200)
}

async fn version_check(connection: &mut SqliteConnection) -> Result<()> {
    let (text,): (String,) = sqlx::query_as("select sqlite_version()").fetch_one(connection).await?;
    let mut parts = text.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    let found = (next(), next(), next());
    if found < SQLITE_VERSION_MIN {
        let (major, minor, patch) = SQLITE_VERSION_MIN;
        return Err(Error::Corrupt(format!(
            "SQLite {text} may corrupt a file that several connections use; {major}.{minor}.{patch} or newer is needed"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: CacheSize = CacheSize { writer: 512, reader: 512 };

    #[tokio::test]
    async fn statistics_of_a_nearly_empty_file_are_gone_when_it_is_opened() {
        static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/console");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("console.db");
        let first = database_open(path.clone(), Durability::Normal, 1, SMALL, &MIGRATIONS).await.expect("opens");
        sqlx::query("analyze").execute(first.writer.lock().await.as_mut().expect("open")).await.expect("analysed");
        first.close().await.expect("closes");
        for _ in 0..2 {
            let again = database_open(path.clone(), Durability::Normal, 1, SMALL, &MIGRATIONS).await.expect("opens");
            let text = "select count(*) from sqlite_schema where name like 'sqlite_stat%'";
            let found: i64 = sqlx::query_scalar(text).fetch_one(&again.readers).await.expect("read");
            assert_eq!(found, 0);
            again.close().await.expect("closes");
        }
    }
}
