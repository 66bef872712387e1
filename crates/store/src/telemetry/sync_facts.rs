//! What telemetry reads of the log: registrations, heads, digests, dead letters, open conflicts.
//!
//! Through read-only connections of its own, so that it can neither block nor slow the writer of the log.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, SqliteConnection, SqlitePool};
use tidewatch_domain::report::EntryState;

use super::columns::state_rank;
use crate::Result;
use crate::sync::sealing::Stored;
use crate::vault::Vault;

/// So many rows of the log are counted at most: further behind is "at least".
pub(crate) const BEHIND_MAX: i64 = 10_000;

/// Read-only view of `sync.db`.
#[derive(Clone, Debug)]
pub(crate) struct SyncFacts {
    pub(super) readers: SqlitePool,
    pub(super) vault: Arc<Vault>,
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
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    pub client_id: String,
    pub operation_id: String,
    pub mutation: String,
}

/// An intent of the archive, and where it stands there.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Archived {
    /// Number of its row.
    pub id: i64,
    pub client_id: String,
    pub operation_id: String,
    pub code: String,
    pub detail: Option<String>,
    /// 0 refused here 1 given up by its device 2 uploaded by a device that keeps it 3 sent up by one that does not.
    pub origin: i64,
    pub state: i64,
    pub at_ms: i64,
    pub purged: bool,
    /// A job has acted on it.
    pub acted: bool,
}

/// The same with the id of its device.
#[derive(sqlx::FromRow)]
struct OfClient {
    client_id: String,
    #[sqlx(flatten)]
    stored: Stored,
}

/// A payload, since when it is here, and how it came.
#[derive(sqlx::FromRow)]
struct Payload {
    #[sqlx(flatten)]
    stored: Stored,
    at_ms: i64,
    origin: i64,
}

/// What became of an entry, as the journal of the log says it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct EntryEvent {
    pub id: i64,
    pub client_id: String,
    pub operation_id: String,
    /// As the mirror counts states; none leaves it as it was.
    pub state: Option<i64>,
    /// Action that is on its way to the device from here on.
    pub pending: Option<String>,
    pub job: Option<i64>,
    pub at_ms: i64,
    pub detail: Option<String>,
}

/// An entry that the archive alone says the state of.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct KeptLetter {
    pub id: i64,
    pub client_id: String,
    pub operation_id: String,
    state: i64,
}

impl KeptLetter {
    /// Device and operation.
    pub(crate) fn entry(&self) -> (String, String) {
        (self.client_id.clone(), self.operation_id.clone())
    }

    /// Its state as the mirror counts states.
    pub(crate) fn mirror_state(&self) -> i64 {
        mirror_state(self.state)
    }
}

/// A state of the archive as the mirror counts states.
pub(crate) fn mirror_state(archive: i64) -> i64 {
    let state = match archive {
        1 | 7 => EntryState::Done,
        2 => EntryState::Held,
        3 => EntryState::Skipped,
        4 => EntryState::Quarantined,
        5 => EntryState::Discarded,
        6 => EntryState::Escrowed,
        _ => EntryState::Poisoned,
    };
    state_rank(state) as i64
}

/// Entries that the journal speaks of after a place.
pub(crate) async fn entries_untold(log: &mut SqliteConnection, after: i64) -> Result<Vec<(String, String)>> {
    const TEXT: &str = r"
        select distinct c.client_id, e.operation_id from entry_events e join clients c on c.id = e.client where e.id > ?1";
    Ok(sqlx::query_as(TEXT).bind(after).fetch_all(log).await?)
}

/// What the archive keeps, in its order.
pub(crate) async fn archive_kept(log: &mut SqliteConnection, after: i64, limit: i64) -> Result<Vec<KeptLetter>> {
    const TEXT: &str = r"
        select d.id, c.client_id, d.operation_id, d.state from dead_letters d join clients c on c.id = d.client
        where d.id > ?1 and case d.origin when 0 then d.state <> 0 when 2 then d.job is not null else 1 end order by d.id limit ?2";
    Ok(sqlx::query_as(TEXT).bind(after).bind(limit).fetch_all(log).await?)
}

impl SyncFacts {
    /// A connection of its own, for whoever cannot use those of the pool.
    pub(crate) async fn connect(&self) -> Result<SqliteConnection> {
        Ok(self.readers.connect_options().connect().await?)
    }

    pub(crate) fn open(dir: &Path, vault: Arc<Vault>) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(dir.join("sync.db"))
            .read_only(true)
            .busy_timeout(std::time::Duration::from_secs(2))
            .pragma("query_only", "1")
            .pragma("cache_size", "-2048");
        Self { readers: SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options), vault }
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
            select c.client_id, d.id, d.client, d.operation_id, d.mutation, d.sealed
            from json_each(?1) as wanted
            join dead_letters d on d.operation_id = wanted.value
            join clients c on c.id = d.client";
        let operations = serde_json::json!(operations).to_string();
        let rows: Vec<OfClient> = sqlx::query_as(TEXT).bind(operations).fetch_all(&self.readers).await?;
        let opened = |OfClient { client_id, stored }| {
            let operation_id = stored.operation_id.clone();
            Ok(DeadLetter { client_id, operation_id, mutation: stored.intent(&self.vault)? })
        };
        rows.into_iter().map(opened).collect()
    }

    /// What became of entries after a place of the journal, in its order.
    pub(crate) async fn entry_events_after(&self, id: i64, limit: i64) -> Result<Vec<EntryEvent>> {
        const TEXT: &str = r"
            select e.id, c.client_id, e.operation_id, e.state, e.pending, e.job, e.at_ms, e.detail
            from entry_events e join clients c on c.id = e.client where e.id > ?1 order by e.id limit ?2";
        Ok(sqlx::query_as(TEXT).bind(id).bind(limit).fetch_all(&self.readers).await?)
    }

    /// The last place of the journal.
    pub(crate) async fn entry_events_head(&self) -> Result<i64> {
        const TEXT: &str = "select coalesce(max(id), 0) from entry_events";
        Ok(sqlx::query_scalar(TEXT).fetch_one(&self.readers).await?)
    }

    /// These operations of these devices in the archive, without their intents.
    pub(crate) async fn archived(&self, entries: &[(&str, &str)]) -> Result<Vec<Archived>> {
        const TEXT: &str = r"
            select d.id, c.client_id, d.operation_id, d.code, d.detail, d.origin, d.state, d.at_ms, d.purge is not null as purged,
                d.job is not null as acted
            from json_each(?1) as wanted
            cross join clients c on c.client_id = wanted.value ->> '$[0]'
            cross join dead_letters d on d.client = c.id and d.operation_id = wanted.value ->> '$[1]'";
        let entries = serde_json::json!(entries).to_string();
        Ok(sqlx::query_as(TEXT).bind(entries).fetch_all(&self.readers).await?)
    }

    /// The intents of rows of the archive, by their numbers.
    pub(crate) async fn archived_intents(&self, ids: &[i64]) -> Result<HashMap<i64, String>> {
        const TEXT: &str = r"
            select d.id, d.client, d.operation_id, d.mutation, d.sealed from json_each(?1) as wanted
            cross join dead_letters d on d.id = wanted.value";
        let ids = serde_json::json!(ids).to_string();
        let rows: Vec<Stored> = sqlx::query_as(TEXT).bind(ids).fetch_all(&self.readers).await?;
        rows.into_iter().map(|row| Ok((row.id, row.intent(&self.vault)?))).collect()
    }

    /// The payload of one operation of one device, since when it is here, and how it came; none when it was purged.
    pub(crate) async fn payload(&self, client_id: &str, operation_id: &str) -> Result<Option<(String, i64, i64)>> {
        const TEXT: &str = r"
            select d.id, d.client, d.operation_id, d.mutation, d.sealed, d.at_ms, d.origin from dead_letters d
            where d.client = (select id from clients where client_id = ?1) and d.operation_id = ?2 and d.purge is null";
        let query = sqlx::query_as(TEXT).bind(client_id).bind(operation_id);
        let row: Option<Payload> = query.fetch_optional(&self.readers).await?;
        row.map(|Payload { stored, at_ms, origin }| Ok((stored.intent(&self.vault)?, at_ms, origin))).transpose()
    }

    /// Number of the newest payload of the archive.
    pub(crate) async fn payload_newest(&self) -> Result<i64> {
        const TEXT: &str = "select coalesce(max(id), 0) from dead_letters";
        Ok(sqlx::query_scalar(TEXT).fetch_one(&self.readers).await?)
    }

    /// The newest intents of the archive.
    pub(crate) async fn payloads_newest(&self) -> Result<Vec<String>> {
        const TEXT: &str = "select id, client, operation_id, mutation, sealed from dead_letters order by id desc limit 50";
        let rows: Vec<Stored> = sqlx::query_as(TEXT).fetch_all(&self.readers).await?;
        rows.into_iter().map(|row| row.intent(&self.vault)).collect()
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
