//! `sync.db`: the log, its projections, the audit log.

use std::path::Path;

use sqlx::migrate::Migrator;

use crate::database::{Database, database_open};
use crate::{Result, StoreOptions};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sync");

/// The log part of the store.
#[derive(Debug)]
pub struct Sync {
    database: Database,
}

impl Sync {
    pub(crate) async fn open(dir: &Path, options: &StoreOptions) -> Result<Self> {
        let database = database_open(dir.join("sync.db"), options.durability, options.readers, &MIGRATIONS).await?;
        Ok(Self { database })
    }

    pub(crate) async fn close(&self) -> Result<()> {
        self.database.close().await
    }
}
