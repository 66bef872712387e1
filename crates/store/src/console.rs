//! `console.db`: staff, sessions, tokens. Never touches the log.

use std::path::Path;

use sqlx::migrate::Migrator;

use crate::database::{Database, database_open};
use crate::{Result, StoreOptions};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/console");

/// The console part of the store.
#[derive(Debug)]
pub struct Console {
    database: Database,
}

impl Console {
    pub(crate) async fn open(dir: &Path, options: &StoreOptions) -> Result<Self> {
        let database = database_open(dir.join("console.db"), options.durability, options.readers, &MIGRATIONS).await?;
        Ok(Self { database })
    }

    pub(crate) async fn close(&self) -> Result<()> {
        self.database.close().await
    }
}
