//! Reading the record: the log, the trace of one operation, the audit log. Owned together with the log of the store.

mod trace;

use std::collections::BTreeSet;

use tidewatch_domain::audit::{AuditEntry, AuditEvent};
use tidewatch_domain::filter::{Filter, Key, keys};
use tidewatch_domain::fleet::{ChangeRow, ConsoleFacts, Trace};
use tidewatch_domain::ids::{ClientId, OperationId};
use tidewatch_domain::page::{PAGE_ROWS_MAX, Page, Position};
use tidewatch_domain::role::Action;
use tidewatch_store::sync::Place;

use crate::{Cx, Error, Result, Service};

impl Service {
    /// The change log, newest first, by filter (`collection:`, `record:`, `scope:`, `device:`, `op:`, `decision:`, `operation:`, `seq:`, `-key:`).
    ///
    /// # Errors
    /// Invalid with field `filter` for an unknown key or a bad value.
    pub async fn changes_list(&self, cx: &Cx, filter: &str, position: &Position, rows: u32) -> Result<Page<ChangeRow>> {
        cx.require(Action::Look)?;
        let (filter, place) = (filter_read(keys::CHANGES, filter)?, place_read(position)?);
        let mut page = self.store.sync().changes_list(&filter, place, rows.clamp(1, PAGE_ROWS_MAX)).await?;
        let ids: BTreeSet<ClientId> = page.rows.iter().filter_map(|row| row.client_id.clone()).collect();
        let names = self.store.telemetry().device_names(&ids.into_iter().collect::<Vec<_>>()).await?;
        for row in &mut page.rows {
            row.device_name = row.client_id.as_ref().and_then(|id| names.get(id)).cloned();
        }
        Ok(page)
    }

    /// Everything the store knows of one operation.
    ///
    /// # Errors
    /// Not found.
    pub async fn operation_trace(&self, cx: &Cx, operation_id: &str) -> Result<Trace> {
        cx.require(Action::Look)?;
        let id = OperationId::parse(operation_id)
            .map_err(|error| Error::Invalid { field: "operation_id", detail: error.to_string() })?;
        let facts = self.store.sync().operation_facts(&id).await?;
        if facts.is_empty() {
            return Err(Error::NotFound("operation"));
        }
        let mut made = trace::trace_of(id.as_str(), &facts);
        let telemetry = self.store.telemetry();
        if let Some(client_id) = &made.client_id {
            made.device_name = telemetry.device_names(std::slice::from_ref(client_id)).await?.remove(client_id);
        }
        if let Some(change) = &facts.change {
            made.pulled = Some(telemetry.scope_pulled(&change.scope, change.seq).await?);
        }
        Ok(made)
    }

    /// The audit log, newest first, by filter (`actor:`, `action:`, `subject:`).
    ///
    /// # Errors
    /// Invalid with field `filter` for an unknown key or a bad value.
    pub async fn audit_list(&self, cx: &Cx, filter: &str, position: &Position, rows: u32) -> Result<Page<AuditEvent>> {
        cx.require(Action::Look)?;
        let (filter, place) = (filter_read(keys::AUDIT, filter)?, place_read(position)?);
        Ok(self.store.sync().audit_list(&filter, place, rows.clamp(1, PAGE_ROWS_MAX)).await?)
    }

    /// Appends an audit row; durable when it returns.
    ///
    /// # Errors
    /// As the store.
    pub async fn audit_append(&self, entry: AuditEntry) -> Result<()> {
        Ok(self.store.sync().audit_append(vec![entry]).await?)
    }

    /// What this console knows of itself.
    ///
    /// # Errors
    /// As the store.
    pub async fn console_facts(&self) -> Result<ConsoleFacts> {
        let sync = self.store.sync();
        Ok(ConsoleFacts {
            role: "primary",
            epoch: sync.epoch().to_string(),
            head: sync.head(),
            store_bytes: sync.bytes().await?,
            disk: self.store.disk()?,
            started: sync.started(),
        })
    }
}

fn filter_read(keys: &[Key], text: &str) -> Result<Filter> {
    Filter::parse(keys, text).map_err(|error| Error::Invalid { field: "filter", detail: error.to_string() })
}

pub(crate) fn place_read(position: &Position) -> Result<Place> {
    let number = |field: &'static str, text: &str| {
        let number = text.parse::<i64>().ok().filter(|number| *number >= 0);
        number.ok_or_else(|| Error::Invalid { field, detail: "must be the number of a row".to_owned() })
    };
    match position {
        Position::Start => Ok(Place::Newest),
        Position::After(text) => Ok(Place::Below(number("after", text)?)),
        Position::Before(text) => Ok(Place::Above(number("before", text)?)),
    }
}
