//! The outbox across devices: figures, groups of failures, entries. Reads only.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use tidewatch_domain::filter::{Filter, keys};
use tidewatch_domain::fleet::{EntryDrain, EntryPast, FailureGroup, OutboxDevice, OutboxEntryView, OutboxFigures, OutboxRow};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{PAGE_ROWS_MAX, Page, Position, Total};
use tidewatch_domain::role::Action;
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::drain::JobRow;
use tidewatch_store::telemetry::Words;

use super::position_error;
use crate::{Cx, Error, Result, Service};

/// How the filter names fields of payloads.
const PAYLOAD_FAMILY: &str = "payload.";

fn drain_of(job: JobRow) -> EntryDrain {
    EntryDrain {
        job: format!("J{}", job.id),
        action: job.action,
        by: job.created_by,
        reason: job.reason,
        at: Millis(job.created_ms),
        approved_by: job.approved_by,
    }
}

/// The filter of a list of entries, and where its bare words are looked for. Whoever can ask whether a payload holds a text can find it
/// letter by letter, also in what a failure quotes of it.
fn outbox_filter(cx: &Cx, filter: &str) -> Result<(Filter, Words)> {
    let role = cx.require(Action::Look)?;
    let filter =
        Filter::parse(keys::OUTBOX, filter).map_err(|error| Error::Invalid { field: "filter", detail: error.to_string() })?;
    if filter.terms().iter().any(|term| term.key().is_some_and(|key| key.starts_with(PAYLOAD_FAMILY))) {
        cx.require(Action::RevealPayload)?;
    }
    Ok((filter, if role.can(Action::RevealPayload) { Words::All } else { Words::Common }))
}

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
        if let Some(group) = figures.groups.iter().find(|group| group.id == id) {
            return Ok(group.clone());
        }
        self.store.telemetry().outbox_group(id, cx.now).await?.ok_or(Error::NotFound("group"))
    }

    /// How many entries wait behind those of a group of failures.
    ///
    /// # Errors
    /// As the store.
    pub async fn outbox_group_blocked(&self, cx: &Cx, signature: &str) -> Result<Total> {
        cx.require(Action::Look)?;
        Ok(self.store.telemetry().outbox_group_blocked(signature, cx.now).await?)
    }

    /// Entries of all devices by filter, worst and oldest first; of one group of failures when its signature is given.
    ///
    /// # Errors
    /// Invalid with field `filter` for an unknown key or a bad value, with `after` or `before` for a position of another list;
    /// forbidden for a search in payloads by a role that may not have one revealed.
    pub async fn outbox_list(
        &self,
        cx: &Cx,
        signature: Option<&str>,
        filter: &str,
        position: &Position,
        rows: u32,
    ) -> Result<Page<OutboxRow>> {
        let (filter, words) = outbox_filter(cx, filter)?;
        let rows = rows.clamp(1, PAGE_ROWS_MAX);
        let found = self.store.telemetry().outbox_page(signature, &filter, words, position, rows, cx.now).await;
        self.outbox_rows_finish(found.map_err(|error| position_error(position, error))?).await
    }

    /// The same entries for whoever reads all of them, page by page: by device and operation, since a place in the list moves with the
    /// state of an entry. `after` is a position of such a page; its total says only how many the page has.
    ///
    /// # Errors
    /// As [`Self::outbox_list`].
    pub async fn outbox_list_steady(
        &self,
        cx: &Cx,
        signature: Option<&str>,
        filter: &str,
        after: Option<&str>,
        rows: u32,
    ) -> Result<Page<OutboxRow>> {
        let (filter, words) = outbox_filter(cx, filter)?;
        let rows = rows.clamp(1, PAGE_ROWS_MAX);
        let found = self.store.telemetry().outbox_page_steady(signature, &filter, words, after, rows, cx.now).await;
        let position = after.map_or(Position::Start, |after| Position::After(after.to_owned()));
        self.outbox_rows_finish(found.map_err(|error| position_error(&position, error))?).await
    }

    async fn outbox_rows_finish(&self, mut page: Page<OutboxRow>) -> Result<Page<OutboxRow>> {
        self.keeping_add(&mut page.rows).await?;
        self.failures_redact(page.rows.iter_mut().map(|row| &mut row.entry)).await?;
        Ok(page)
    }

    /// What has happened to these entries, in their order: attempts, and the drain that each was last in.
    ///
    /// # Errors
    /// As the store.
    pub async fn outbox_past(&self, cx: &Cx, rows: &[OutboxRow]) -> Result<Vec<EntryPast>> {
        cx.require(Action::Look)?;
        let entries: Vec<_> = rows.iter().map(|row| (&row.entry.client_id, row.entry.operation_id.as_str())).collect();
        let found = self.store.telemetry().outbox_past(&entries).await?;
        let mut drains = HashMap::new();
        for number in found.iter().filter_map(|(_, job)| *job) {
            if let Entry::Vacant(place) = drains.entry(number) {
                place.insert(self.store.sync().job_view(number).await?.map(drain_of));
            }
        }
        let drain = |job: Option<i64>| job.and_then(|number| drains.get(&number).cloned().flatten());
        Ok(found.into_iter().map(|(attempts, job)| EntryPast { attempts, drain: drain(job) }).collect())
    }

    /// Devices that still have something to send by a filter of the device table, the worst first.
    ///
    /// # Errors
    /// Invalid with field `filter` for an unknown key or a bad value, with `after` or `before` for a position of another list.
    pub async fn outbox_devices(&self, cx: &Cx, filter: &str, position: &Position, rows: u32) -> Result<Page<OutboxDevice>> {
        cx.require(Action::Look)?;
        let filter = Filter::parse(keys::DEVICES, filter)
            .map_err(|error| Error::Invalid { field: "filter", detail: error.to_string() })?;
        let found = self.store.telemetry().outbox_devices(&filter, position, rows.clamp(1, PAGE_ROWS_MAX), cx.now).await;
        found.map_err(|error| position_error(position, error))
    }

    /// Groups of failures that need a person: some of their entries cannot succeed by being sent again. Counted up to a hundred.
    ///
    /// # Errors
    /// As the store.
    pub async fn outbox_groups_act(&self, cx: &Cx) -> Result<u64> {
        cx.require(Action::Look)?;
        Ok(self.store.telemetry().outbox_groups_act().await?)
    }

    /// Fields of the newest payloads that are here, as the filter names them; none for a role that may not search in them.
    ///
    /// # Errors
    /// As the store.
    pub async fn payload_fields(&self, cx: &Cx) -> Result<Vec<String>> {
        if !cx.require(Action::Look)?.can(Action::RevealPayload) {
            return Ok(Vec::new());
        }
        Ok(self.store.telemetry().payload_fields().await?)
    }

    /// One entry of one device.
    ///
    /// # Errors
    /// Not found: the mirror has no such entry.
    pub async fn outbox_entry(&self, cx: &Cx, client_id: &ClientId, operation_id: &str) -> Result<OutboxEntryView> {
        cx.require(Action::Look)?;
        let mut view = self.store.telemetry().outbox_entry(client_id, operation_id).await?;
        self.keeping_add(std::slice::from_mut(&mut view.row)).await?;
        let others = view.blocked.iter_mut().chain(&mut view.waits_for);
        self.failures_redact(others.chain([&mut view.row.entry])).await?;
        (view.copy, view.original) = self.store.sync().letter_lineage(client_id, operation_id).await?;
        view.untold = self.store.sync().untold_of_entry(client_id, operation_id).await?;
        Ok(view)
    }
}
