//! What a device looks at one by one: records, their history, the digests of its scopes, the conflicts that it has to settle.

use std::sync::Arc;

use tidewatch_domain::ids::{CollectionName, RecordId, Scope, Seq};
use tidewatch_domain::sync::{ConflictView, Integrity, RecordHistory, RecordView};
use tidewatch_store::sync::ClientFacts;

use crate::{Cx, Error, Result, Service};

/// Most digests of one answer.
const DIGESTS_MAX: usize = 5_000;

impl Service {
    /// A record as it stands, tombstones included, in the names of a schema version: when none is given, of that which the device
    /// registered with.
    ///
    /// # Errors
    /// Not found when there is none, and also when it stands in a scope that the device may not read.
    pub async fn record_view(
        &self,
        cx: &Cx,
        collection: &CollectionName,
        record_id: &RecordId,
        schema: Option<i64>,
    ) -> Result<RecordView> {
        let device = self.device(cx)?;
        let found = self.store.sync().record_view(collection, record_id).await?;
        let found = found.filter(|found| device.scopes.contains(&found.last.scope)).ok_or(Error::NotFound("record"))?;
        Ok(match self.store.sync().collection_with_steps(collection) {
            Some(known) => {
                RecordView { last: known.policy.steps.version_shown(schema.or(device.schema_version), found.last), ..found }
            }
            None => found,
        })
    }

    /// Versions of a record, newest first, from one of them downwards. Versions that stood in scopes that the device may not read are
    /// left out.
    ///
    /// # Errors
    /// As [`Service::record_view`].
    pub async fn record_history(
        &self,
        cx: &Cx,
        (collection, record_id): (&CollectionName, &RecordId),
        from: Option<Seq>,
        limit: u32,
        schema: Option<i64>,
    ) -> Result<RecordHistory> {
        let device = self.device(cx)?;
        let found = self.record_view(cx, collection, record_id, schema).await?;
        let from = from.unwrap_or(found.last.seq);
        let mut history = self.store.sync().record_history(collection, record_id, from, limit).await?;
        history.versions.retain(|version| device.scopes.contains(&version.scope));
        if let Some(known) = self.store.sync().collection_with_steps(collection) {
            let shown = |version| known.policy.steps.version_shown(schema.or(device.schema_version), version);
            history.versions = history.versions.into_iter().map(shown).collect();
        }
        Ok(history)
    }

    /// State digests of scopes at one head: of those that are named, or of all that the device may read; with the cursor of a
    /// feed over the same filter, and what has none.
    ///
    /// # Errors
    /// Forbidden for a scope that the device may not read; invalid when there are too many digests for one answer.
    pub fn integrity(&self, cx: &Cx, scopes: &[Scope], collections: &[CollectionName]) -> Result<Integrity> {
        let device = self.device(cx)?;
        if scopes.iter().any(|scope| !device.scopes.contains(scope)) {
            return Err(Error::Forbidden);
        }
        let read = if scopes.is_empty() { &*device.scopes } else { scopes };
        let found = self.store.sync().integrity((scopes, collections), read, DIGESTS_MAX + 1);
        if found.items.len() > DIGESTS_MAX {
            let detail = format!("has more than {DIGESTS_MAX} digests; name fewer scopes");
            return Err(Error::Invalid { field: "scope", detail });
        }
        Ok(found)
    }

    /// Conflicts that wait for a decision, above a number: those that operations of the device have, or all of a scope.
    ///
    /// # Errors
    /// Forbidden for a scope that the device may not read; as the store.
    pub async fn conflicts_open(
        &self,
        cx: &Cx,
        scope: Option<&Scope>,
        after: i64,
        limit: u32,
        schema: Option<i64>,
    ) -> Result<Vec<ConflictView>> {
        let device = self.device(cx)?;
        if scope.is_some_and(|scope| !device.scopes.contains(scope)) {
            return Err(Error::Forbidden);
        }
        let mut found = self.store.sync().conflicts_open(&device.client_id, scope, after, limit).await?;
        found.retain(|conflict| device.scopes.contains(&conflict.scope));
        Ok(found.into_iter().map(|conflict| self.conflict_shown(schema.or(device.schema_version), conflict)).collect())
    }

    /// A conflict in the names of a reader with this schema version, or in the current ones.
    fn conflict_shown(&self, version: Option<i64>, conflict: ConflictView) -> ConflictView {
        match self.store.sync().collection_with_steps(&conflict.collection) {
            Some(known) => known.policy.steps.conflict_shown(version, conflict),
            None => conflict,
        }
    }

    pub(super) async fn conflict_of(&self, cx: &Cx, id: i64, schema: Option<i64>) -> Result<(Arc<ClientFacts>, ConflictView)> {
        let device = self.device(cx)?;
        let found = self.store.sync().conflict_view(id).await?;
        let found = found.filter(|conflict| device.scopes.contains(&conflict.scope)).ok_or(Error::NotFound("conflict"))?;
        let found = self.conflict_shown(schema.or(device.schema_version), found);
        Ok((device, found))
    }
}
