//! What telemetry reads of the log: registrations, heads, digests, dead letters, open conflicts.
//!
//! Through read-only connections of its own, so that it can neither block nor slow the writer of the log.

use std::collections::HashMap;
use std::path::Path;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::Result;

/// So many rows of the log are counted at most: further behind is "at least".
pub(crate) const BEHIND_MAX: i64 = 10_000;

/// Read-only view of `sync.db`.
#[derive(Clone, Debug)]
pub(crate) struct SyncFacts {
    readers: SqlitePool,
}

/// A registered device.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Registration {
    pub id: i64,
    pub client_id: String,
    pub principal: String,
    pub platform: Option<String>,
    pub app_version: Option<String>,
    pub schema_version: Option<i64>,
    pub scopes: String,
    pub simulated: i64,
    pub blocked: i64,
    pub created_ms: i64,
}

/// Digest of one collection in one scope, and the head of that scope.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct DigestRow {
    pub scope: String,
    pub head: i64,
    pub collection: Option<String>,
    pub rows: Option<i64>,
    pub digest: Option<i64>,
}

/// An intent that was refused for good.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct DeadLetter {
    pub client_id: String,
    pub operation_id: String,
    pub mutation: String,
}

impl SyncFacts {
    pub(crate) fn open(dir: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(dir.join("sync.db"))
            .read_only(true)
            .busy_timeout(std::time::Duration::from_secs(2))
            .pragma("query_only", "1")
            .pragma("cache_size", "-8192");
        Self { readers: SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options) }
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
    }

    /// Registrations made after the one with this number, oldest first.
    pub(crate) async fn registrations_after(&self, number: i64, limit: i64) -> Result<Vec<Registration>> {
        const TEXT: &str = r"
            select id, client_id, principal, platform, app_version, schema_version, scopes, simulated, blocked, created_ms
            from clients where id > ?1 order by id limit ?2";
        Ok(sqlx::query_as(TEXT).bind(number).bind(limit).fetch_all(&self.readers).await?)
    }

    /// One registration.
    pub(crate) async fn registration(&self, client_id: &str) -> Result<Option<Registration>> {
        const TEXT: &str = r"
            select id, client_id, principal, platform, app_version, schema_version, scopes, simulated, blocked, created_ms
            from clients where client_id = ?1";
        Ok(sqlx::query_as(TEXT).bind(client_id).fetch_optional(&self.readers).await?)
    }

    /// Position of the log.
    pub(crate) async fn head(&self) -> Result<i64> {
        const TEXT: &str = "select coalesce(max(seq), 0) from changes";
        Ok(sqlx::query_scalar(TEXT).fetch_one(&self.readers).await?)
    }

    /// Heads of every scope.
    pub(crate) async fn heads(&self) -> Result<HashMap<String, i64>> {
        const TEXT: &str = "select s.name, (select coalesce(max(c.seq), 0) from changes c where c.scope = s.id) from scopes s";
        let rows: Vec<(String, i64)> = sqlx::query_as(TEXT).fetch_all(&self.readers).await?;
        Ok(rows.into_iter().collect())
    }

    /// Newest positions of a scope above `after`, newest first, [`BEHIND_MAX`] at most.
    pub(crate) async fn positions(&self, scope: &str, after: i64) -> Result<Vec<i64>> {
        const TEXT: &str = r"
            select seq from changes
            where scope = (select id from scopes where name = ?1) and seq > ?2
            order by seq desc limit ?3";
        Ok(sqlx::query_scalar(TEXT).bind(scope).bind(after).bind(BEHIND_MAX).fetch_all(&self.readers).await?)
    }

    /// Digests and heads of these scopes, of one instant. A scope without records has one row without a collection.
    pub(crate) async fn digests(&self, scopes: &[String]) -> Result<Vec<DigestRow>> {
        const TEXT: &str = r"
            select s.name as scope, (select coalesce(max(l.seq), 0) from changes l where l.scope = s.id) as head, c.name as collection, d.rows as rows, d.digest as digest
            from json_each(?1) as wanted
            join scopes s on s.name = wanted.value
            left join scope_digest d on d.scope = s.id
            left join collections c on c.id = d.collection";
        let scopes = serde_json::Value::from(scopes.to_vec()).to_string();
        Ok(sqlx::query_as(TEXT).bind(scopes).fetch_all(&self.readers).await?)
    }

    /// Dead letters of these operations.
    pub(crate) async fn dead_letters(&self, operations: &[&str]) -> Result<Vec<DeadLetter>> {
        const TEXT: &str = r"
            select c.client_id, d.operation_id, d.mutation
            from json_each(?1) as wanted
            join dead_letters d on d.operation_id = wanted.value
            join clients c on c.id = d.client";
        let operations = serde_json::json!(operations).to_string();
        Ok(sqlx::query_as(TEXT).bind(operations).fetch_all(&self.readers).await?)
    }

    /// Open conflicts by device.
    pub(crate) async fn conflicts_open(&self) -> Result<HashMap<String, i64>> {
        const TEXT: &str = r"
            select c.client_id, count(*) from conflicts x indexed by conflicts_open
            join clients c on c.id = x.client
            where x.state = 0 group by x.client";
        let rows: Vec<(String, i64)> = sqlx::query_as(TEXT).fetch_all(&self.readers).await?;
        Ok(rows.into_iter().collect())
    }

    /// Oldest open conflict.
    pub(crate) async fn conflict_oldest(&self) -> Result<Option<i64>> {
        const TEXT: &str = "select min(created_ms) from conflicts indexed by conflicts_open where state = 0";
        Ok(sqlx::query_scalar(TEXT).fetch_one(&self.readers).await?)
    }
}
