//! Prebuilt snapshots for devices. Whether the scope is open to the device is asked each time: an id grants nothing.

use std::sync::Arc;

use tidewatch_domain::sync::{Snapshot, SnapshotFilter};
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::{RowWriter, SnapshotTaken};

use crate::{Cx, Error, Result, Service};

impl Service {
    /// A recent snapshot of one scope of the acting device; otherwise one begins to be made. `row_write` writes its lines. A device with an
    /// older schema, which calls fields otherwise, is offered none; `schema` is its version, that of its registration when it does not say.
    ///
    /// # Errors
    /// Forbidden for a scope that the device may not read; blocked; as the store.
    pub fn snapshot_take(
        &self,
        cx: &Cx,
        filter: &SnapshotFilter,
        schema: Option<i64>,
        row_write: RowWriter,
    ) -> Result<SnapshotTaken> {
        if !self.snapshot_fits(cx, filter, schema)? {
            return Ok(SnapshotTaken::NotOffered);
        }
        Ok(self.store.sync().snapshot_take(filter, row_write, cx.now)?)
    }

    /// A snapshot by its id.
    ///
    /// # Errors
    /// Not found; forbidden for a scope that the device may not read; blocked.
    pub fn snapshot_view(&self, cx: &Cx, id: &str, schema: Option<i64>) -> Result<Arc<Snapshot>> {
        self.device(cx)?;
        let snapshot = self.store.sync().snapshot_view(id)?;
        if self.snapshot_fits(cx, &snapshot.filter, schema)? { Ok(snapshot) } else { Err(Error::NotFound("snapshot")) }
    }

    /// The compressed bytes of a part, counted from 1.
    ///
    /// # Errors
    /// As [`Service::snapshot_view`].
    pub async fn snapshot_part(&self, cx: &Cx, id: &str, schema: Option<i64>, n: usize) -> Result<Vec<u8>> {
        self.snapshot_view(cx, id, schema)?;
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

    /// Whether the acting device reads these fields by their current names. The scope must be open to it.
    fn snapshot_fits(&self, cx: &Cx, filter: &SnapshotFilter, schema: Option<i64>) -> Result<bool> {
        let device = self.device(cx)?;
        if !device.scopes.contains(&filter.scope) {
            return Err(Error::Forbidden);
        }
        Ok(self.store.sync().snapshot_fits(filter, schema.or(device.schema_version)))
    }
}
