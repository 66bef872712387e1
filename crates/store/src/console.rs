//! `console.db`: staff, sessions, tokens. Never touches the log. Secrets come in hashed.

mod devices;
mod reveals;
mod sessions;
mod tokens;
mod users;

use std::path::Path;

use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;
use tokio::sync::MutexGuard;

use crate::database::{CacheSize, Database, database_open};
use crate::{Error, Result, StoreOptions};

pub use devices::{DeviceTokenRow, RefreshUse};
pub use sessions::SessionRow;
pub use tokens::{TokenInsert, TokenRow};
pub use users::UserRow;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/console");
/// Staff and sessions are few; tokens of devices are found one at a time.
const CACHE: CacheSize = CacheSize { writer: 4 * 1024, reader: 2 * 1024 };

/// The console part of the store.
#[derive(Debug)]
pub struct Console {
    database: Database,
}

/// The writer connection, while this is held.
struct Writer<'d>(MutexGuard<'d, Option<SqliteConnection>>);

impl Writer<'_> {
    fn connection(&mut self) -> Result<&mut SqliteConnection> {
        self.0.as_mut().ok_or(Error::Sqlx(sqlx::Error::PoolClosed))
    }
}

impl Console {
    pub(crate) async fn open(dir: &Path, options: &StoreOptions) -> Result<Self> {
        let database = database_open(dir.join("console.db"), options.durability, options.readers, CACHE, &MIGRATIONS).await?;
        Ok(Self { database })
    }

    pub(crate) async fn close(&self) -> Result<()> {
        self.database.close().await
    }

    async fn writer(&self) -> Writer<'_> {
        Writer(self.database.writer.lock().await)
    }

    /// Moves with everything that takes rights away, also when another process did it.
    ///
    /// # Errors
    /// As the database.
    pub async fn auth_revision(&self) -> Result<i64> {
        Ok(sqlx::query_scalar("select n from auth_revision").fetch_one(&self.database.readers).await?)
    }

    /// Folds the write-ahead log into the file.
    ///
    /// # Errors
    /// As the database.
    pub async fn checkpoint(&self) -> Result<()> {
        let mut writer = self.writer().await;
        sqlx::query("pragma wal_checkpoint(truncate)").execute(writer.connection()?).await?;
        Ok(())
    }

    /// What is wrong with the file, one line each; empty when nothing is.
    ///
    /// # Errors
    /// As the database.
    pub async fn verify(&self) -> Result<Vec<String>> {
        // A connection of its own: those of the pool may belong to a runtime that stands still.
        let options = self.database.readers.connect_options();
        let mut connection = sqlx::ConnectOptions::connect(options.as_ref()).await?;
        let found: Vec<String> = sqlx::query_scalar("pragma integrity_check(20)").fetch_all(&mut connection).await?;
        let dangling = sqlx::query("pragma foreign_key_check").fetch_all(&mut connection).await?.len();
        sqlx::Connection::close(connection).await?;
        let mut wrong: Vec<String> = found.into_iter().filter(|line| line != "ok").collect();
        if dangling > 0 {
            wrong.push(format!("{dangling} rows break a foreign key"));
        }
        Ok(wrong)
    }
}

/// Turns a broken named constraint into its name.
fn constraint(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() || database.is_check_violation() => {
            Error::Constraint(database.message().to_owned())
        }
        _ => Error::Sqlx(error),
    }
}

#[cfg(test)]
mod tests;
