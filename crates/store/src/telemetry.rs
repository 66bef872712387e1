//! `telemetry.db`: reports of devices and what is made of them. Never touches the log.

use std::path::Path;

use sqlx::migrate::Migrator;

use crate::database::{Database, Durability, database_open};
use crate::{Result, StoreOptions};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/telemetry");

/// The telemetry part of the store.
#[derive(Debug)]
pub struct Telemetry {
    database: Database,
}

impl Telemetry {
    pub(crate) async fn open(dir: &Path, options: &StoreOptions) -> Result<Self> {
        let database = database_open(dir.join("telemetry.db"), Durability::Normal, options.readers, &MIGRATIONS).await?;
        Ok(Self { database })
    }

    pub(crate) async fn close(&self) -> Result<()> {
        self.database.close().await
    }
}
