//! Single records, their history, the conflicts beside them, and the digests of scopes.

use tidewatch_domain::cursor::{Cursor, CursorPosition, filter_hash};
use tidewatch_domain::decide::DisputeKind;
use tidewatch_domain::engine::{ClientKey, CollectionKey, ScopeKey};
use tidewatch_domain::hlc::{Hlc, Ticks};
use tidewatch_domain::ids::{ClientId, CollectionName, RecordId, Scope, Seq, Version};
use tidewatch_domain::json::names_read;
use tidewatch_domain::sync::{ConflictView, Integrity, IntegrityItem, RecordHistory, RecordVersion, RecordView};
use tidewatch_domain::time::Millis;

use super::Sync;
use super::explore::op_name;
use super::live::Live;
use super::packed;
use super::statements::{ALIAS_FIND, CONFLICT_VIEW, CONFLICTS_OF_CLIENT, CONFLICTS_OF_SCOPE, RECORD_HISTORY, RECORD_VIEW};
use crate::{Error, Result};

#[derive(sqlx::FromRow)]
struct VersionRow {
    seq: i64,
    op: i64,
    version: i64,
    scope: i64,
    hlc: i64,
    hlc_node: String,
    client: i64,
    operation_id: String,
    schema_version: i64,
    changed: Option<String>,
    fields: Option<String>,
    committed_ms: i64,
    conflicted: bool,
    vector: Option<String>,
}

impl VersionRow {
    fn read(self, live: &Live) -> Result<RecordVersion> {
        let scope = live.scope_names.get(&ScopeKey(self.scope)).cloned();
        Ok(RecordVersion {
            seq: Seq(self.seq),
            op: op_name(self.op),
            version: Version(self.version),
            scope: scope.ok_or_else(|| Error::Corrupt(format!("change {} is of an unknown scope", self.seq)))?,
            hlc: Hlc { ticks: Ticks(self.hlc.cast_unsigned()), node: self.hlc_node }.to_string(),
            client_id: live.client_ids.get(&ClientKey(self.client)).cloned(),
            operation_id: self.operation_id,
            schema_version: self.schema_version,
            changed: self.changed.as_deref().map(names_read),
            fields: self.fields,
            vector: self.vector.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
            committed: Millis(self.committed_ms),
        })
    }
}

#[derive(sqlx::FromRow)]
struct ConflictRow {
    id: i64,
    collection: i64,
    record_id: String,
    scope: i64,
    kind: i64,
    policy_rev: i64,
    inputs: String,
    base: Option<String>,
    local: String,
    server: String,
    client: i64,
    operation_id: String,
    state: i64,
    branch: Option<String>,
    created_ms: i64,
    version: Option<i64>,
    fields: Option<String>,
}

impl ConflictRow {
    fn read(self, live: &Live) -> Result<ConflictView> {
        let corrupt = || Error::Corrupt(format!("conflict {} is of something unknown", self.id));
        let kind = usize::try_from(self.kind - 1).ok().and_then(|at| DisputeKind::ALL.get(at).copied());
        Ok(ConflictView {
            id: self.id,
            collection: live.collection_name(CollectionKey(self.collection)).cloned().ok_or_else(corrupt)?,
            scope: live.scope_names.get(&ScopeKey(self.scope)).cloned().ok_or_else(corrupt)?,
            kind: kind.ok_or_else(corrupt)?,
            record_id: RecordId::parse(self.record_id).map_err(|error| Error::Corrupt(error.to_string()))?,
            policy_rev: self.policy_rev,
            inputs: self.inputs,
            base: self.base,
            local: self.local,
            server: self.server,
            client_id: live.client_ids.get(&ClientKey(self.client)).cloned(),
            operation_id: self.operation_id,
            open: self.state == 0,
            branch: self.branch,
            at: Millis(self.created_ms),
            record: self.version.map(|version| (Version(version), self.fields)),
        })
    }
}

impl Sync {
    fn collection_key(&self, collection: &CollectionName) -> Result<(CollectionKey, bool)> {
        let live = self.shared.live();
        let known = live.catalogue.get(collection).ok_or(Error::NotFound("collection"))?;
        Ok((known.key, known.policy.natural_key.is_some()))
    }

    /// Whether a collection is configured.
    #[must_use]
    pub fn collection_is_known(&self, collection: &CollectionName) -> bool {
        self.collection_key(collection).is_ok()
    }

    /// The record that an id means: another one, when the same thing was recorded before.
    async fn record_target(&self, collection: &CollectionName, record_id: &RecordId) -> Result<(CollectionKey, RecordId)> {
        let (key, has_aliases) = self.collection_key(collection)?;
        if !has_aliases {
            return Ok((key, record_id.clone()));
        }
        let wanted = format!("[[{},\"{record_id}\"]]", key.0);
        let (packed,): (Option<String>,) = sqlx::query_as(ALIAS_FIND).bind(wanted).fetch_one(&self.readers).await?;
        let Some(mut row) = packed::rows(packed.as_deref()).next() else { return Ok((key, record_id.clone())) };
        let (_, _, target) = (row.text()?, row.text()?, row.text()?);
        Ok((key, RecordId::parse(target).map_err(|error| Error::Corrupt(error.to_string()))?))
    }

    /// A record as it stands; `None` when there is none.
    ///
    /// # Errors
    /// Not found for a collection that is not configured; as the database.
    pub async fn record_view(&self, collection: &CollectionName, record_id: &RecordId) -> Result<Option<RecordView>> {
        let (key, record_id) = self.record_target(collection, record_id).await?;
        let query = sqlx::query_as(RECORD_VIEW).bind(key.0).bind(record_id.to_string());
        let row: Option<VersionRow> = query.fetch_optional(&self.readers).await?;
        let Some(row) = row else { return Ok(None) };
        let conflicted = row.conflicted;
        let last = row.read(&self.shared.live())?;
        Ok(Some(RecordView { collection: collection.clone(), record_id, conflicted, last }))
    }

    /// Versions of a record from a position of one of them downwards, at most so many.
    ///
    /// # Errors
    /// Not found for a collection that is not configured; as the database.
    pub async fn record_history(
        &self,
        collection: &CollectionName,
        record_id: &RecordId,
        from: Seq,
        limit: u32,
    ) -> Result<RecordHistory> {
        let (key, record_id) = self.record_target(collection, record_id).await?;
        let query = sqlx::query_as(RECORD_HISTORY).bind(from.0).bind(key.0).bind(record_id.to_string());
        let mut rows: Vec<VersionRow> = query.bind(i64::from(limit) + 1).fetch_all(&self.readers).await?;
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.seq));
        let next = rows.get(limit as usize).map(|row| Seq(row.seq));
        rows.truncate(limit as usize);
        let live = self.shared.live();
        let versions = rows.into_iter().map(|row| row.read(&live)).collect::<Result<_>>()?;
        Ok(RecordHistory { versions, next })
    }

    /// Open entries of the conflicts log above a number: those of a device, or those of a scope.
    ///
    /// # Errors
    /// As the database.
    pub async fn conflicts_open(
        &self,
        client_id: &ClientId,
        scope: Option<&Scope>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<ConflictView>> {
        let (statement, key) = {
            let live = self.shared.live();
            match scope {
                Some(scope) => (CONFLICTS_OF_SCOPE, live.scopes.get(scope).map_or(0, |key| key.0)),
                None => (CONFLICTS_OF_CLIENT, live.clients.get(client_id).map_or(0, |client| client.key.0)),
            }
        };
        let query = sqlx::query_as(statement).bind(key).bind(after).bind(i64::from(limit));
        let ids: Vec<(i64,)> = query.fetch_all(&self.readers).await?;
        self.conflicts_view(ids.into_iter().map(|(id,)| id)).await
    }

    /// One entry of the conflicts log.
    ///
    /// # Errors
    /// As the database.
    pub async fn conflict_view(&self, id: i64) -> Result<Option<ConflictView>> {
        Ok(self.conflicts_view([id]).await?.pop())
    }

    async fn conflicts_view(&self, ids: impl IntoIterator<Item = i64>) -> Result<Vec<ConflictView>> {
        let ids = serde_json::Value::from_iter(ids).to_string();
        let mut rows: Vec<ConflictRow> = sqlx::query_as(CONFLICT_VIEW).bind(ids).fetch_all(&self.readers).await?;
        rows.sort_unstable_by_key(|row| row.id);
        let live = self.shared.live();
        rows.into_iter().map(|row| row.read(&live)).collect()
    }

    /// State digests of scopes, at one head, with the cursor of a feed over the same filter that has come as far. At most so many.
    #[must_use]
    pub fn integrity(&self, filter: (&[Scope], &[CollectionName]), scopes: &[Scope], max: usize) -> Integrity {
        let live = self.shared.live();
        let keys = || scopes.iter().filter_map(|scope| Some((scope, *live.scopes.get(scope)?)));
        let wanted = |name: &CollectionName| filter.1.is_empty() || filter.1.contains(name);
        let (mut items, mut left_out) = (Vec::new(), Vec::new());
        for known in live.collections.iter().filter(|known| wanted(&known.engine.name)) {
            let (name, key) = (&known.engine.name, known.engine.key);
            let found = keys().filter_map(|(scope, at)| Some((scope, live.digests.get(&(at, key))?)));
            if known.engine.policy.steps.is_empty() {
                let item = |(scope, (rows, digest)): (&Scope, &(i64, u64))| IntegrityItem {
                    scope: scope.clone(),
                    collection: name.clone(),
                    rows: *rows,
                    digest: *digest,
                };
                items.extend(found.map(item).take(max - items.len()));
            } else if found.count() > 0 {
                // The digest is over what is stored, some of it from before a step, which no device has like that.
                left_out.push(name.clone());
            }
        }
        items.sort_by_key(|item| scopes.iter().position(|scope| *scope == item.scope));
        let position = CursorPosition::At(live.head);
        let cursor = Cursor { epoch: self.shared.epoch, position, filter: filter_hash(filter.0, filter.1) }.to_string();
        Integrity { cursor, items, left_out }
    }
}
