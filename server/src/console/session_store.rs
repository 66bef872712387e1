//! Keeps sessions in `console.db`, through the service.

use std::collections::HashMap;

use async_trait::async_trait;
use tidewatch_service::Service;
use tidewatch_service::auth::SessionRow;
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use crate::clock::Clock;

/// Sessions in the store.
#[derive(Clone, Debug)]
pub struct StoredSessions {
    /// Use cases.
    pub service: Service,
    /// Decides what has ended.
    pub clock: Clock,
}

fn backend(error: tidewatch_service::Error) -> Error {
    // The layer logs this; a refusal of the service has nothing private in it.
    Error::Backend(error.to_string())
}

fn row(record: &Record) -> Result<SessionRow> {
    let data = serde_json::to_string(&record.data).map_err(|error| Error::Encode(error.to_string()))?;
    let ms = record.expiry_date.unix_timestamp_nanos() / 1_000_000;
    Ok(SessionRow { id: record.id.to_string(), data, expires_ms: i64::try_from(ms).unwrap_or(i64::MAX) })
}

#[async_trait]
impl SessionStore for StoredSessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        while !self.service.session_create(&row(record)?).await.map_err(backend)? {
            record.id = Id::default();
        }
        Ok(())
    }

    async fn save(&self, record: &Record) -> Result<()> {
        self.service.session_save(&row(record)?).await.map_err(backend)
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let Some(found) = self.service.session_view(self.clock.now(), &id.to_string()).await.map_err(backend)? else {
            return Ok(None);
        };
        let data: HashMap<String, serde_json::Value> =
            serde_json::from_str(&found.data).map_err(|error| Error::Decode(error.to_string()))?;
        let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(found.expires_ms) * 1_000_000)
            .map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.service.session_delete(&id.to_string()).await.map_err(backend)
    }
}
