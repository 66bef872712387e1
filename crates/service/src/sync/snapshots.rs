//! Prebuilt snapshots for devices. Whether the scope is open to the device is asked each time: an id grants nothing.

use std::sync::Arc;

use tidewatch_domain::ids::Scope;
use tidewatch_domain::sync::{Snapshot, SnapshotFilter};
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::{RowsWriter, SnapshotTaken};

use crate::{Cx, Error, Result, Service};

impl Service {
    /// A recent snapshot of one scope of the acting device; otherwise one begins to be made. `rows_write` writes its lines.
    ///
    /// # Errors
    /// Forbidden for a scope that the device may not read; blocked; as the store.
    pub fn snapshot_take(&self, cx: &Cx, filter: &SnapshotFilter, rows_write: RowsWriter) -> Result<SnapshotTaken> {
        self.scope_check(cx, &filter.scope)?;
        Ok(self.store.sync().snapshot_take(filter, rows_write, cx.now)?)
    }

    /// A snapshot by its id.
    ///
    /// # Errors
    /// Not found; forbidden for a scope that the device may not read; blocked.
    pub fn snapshot_view(&self, cx: &Cx, id: &str) -> Result<Arc<Snapshot>> {
        self.device(cx)?;
        let snapshot = self.store.sync().snapshot_view(id)?;
        self.scope_check(cx, &snapshot.filter.scope)?;
        Ok(snapshot)
    }

    /// The compressed bytes of a part, counted from 1.
    ///
    /// # Errors
    /// As [`Service::snapshot_view`].
    pub async fn snapshot_part(&self, cx: &Cx, id: &str, n: usize) -> Result<Vec<u8>> {
        self.snapshot_view(cx, id)?;
        Ok(self.store.sync().snapshot_part(id, n).await?)
    }

    /// From how many records on a snapshot is made.
    #[must_use]
    pub fn snapshot_rows_min(&self) -> u64 {
        self.store.sync().snapshot_rows_min()
    }

    /// Drops snapshots that are too old or too many.
    ///
    /// # Errors
    /// As the store.
    pub async fn snapshots_tidy(&self, now: Millis) -> Result<()> {
        Ok(self.store.sync().snapshots_tidy(now).await?)
    }

    fn scope_check(&self, cx: &Cx, scope: &Scope) -> Result<()> {
        if self.device(cx)?.scopes.contains(scope) { Ok(()) } else { Err(Error::Forbidden) }
    }
}
