//! The outbox across devices: figures, groups of failures, entries. Reads only.

use std::sync::Arc;

use tidewatch_domain::filter::{Filter, keys};
use tidewatch_domain::fleet::{FailureGroup, OutboxEntryView, OutboxFigures, OutboxRow};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{PAGE_ROWS_MAX, Page, Position};
use tidewatch_domain::role::Action;

use super::position_error;
use crate::{Cx, Error, Result, Service};

impl Service {
    /// What the fleet still has to send: totals, groups of failures, collections.
    ///
    /// # Errors
    /// As the store.
    pub async fn outbox_figures(&self, cx: &Cx) -> Result<Arc<OutboxFigures>> {
        cx.require(Action::Look)?;
        Ok(self.store.telemetry().outbox_figures(cx.now).await?)
    }

    /// One group of failures, by its id.
    ///
    /// # Errors
    /// Not found: no entry has failed in this way, or none does any more.
    pub async fn outbox_group(&self, cx: &Cx, id: &str) -> Result<FailureGroup> {
        let figures = self.outbox_figures(cx).await?;
        figures.groups.iter().find(|group| group.id == id).cloned().ok_or(Error::NotFound("group"))
    }

    /// Entries of all devices by filter, worst and oldest first; of one group of failures when its signature is given.
    ///
    /// # Errors
    /// Invalid with field `filter` for an unknown key or a bad value, with `after` or `before` for a position of another list.
    pub async fn outbox_list(
        &self,
        cx: &Cx,
        signature: Option<&str>,
        filter: &str,
        position: &Position,
        rows: u32,
    ) -> Result<Page<OutboxRow>> {
        cx.require(Action::Look)?;
        let filter =
            Filter::parse(keys::OUTBOX, filter).map_err(|error| Error::Invalid { field: "filter", detail: error.to_string() })?;
        let rows = rows.clamp(1, PAGE_ROWS_MAX);
        let found = self.store.telemetry().outbox_page(signature, &filter, position, rows, cx.now).await;
        found.map_err(|error| position_error(position, error))
    }

    /// One entry of one device.
    ///
    /// # Errors
    /// Not found: the mirror has no such entry.
    pub async fn outbox_entry(&self, cx: &Cx, client_id: &ClientId, operation_id: &str) -> Result<OutboxEntryView> {
        cx.require(Action::Look)?;
        Ok(self.store.telemetry().outbox_entry(client_id, operation_id).await?)
    }
}
