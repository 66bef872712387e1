//! Reading the record: the log, the trace of one operation, the audit log. Owned together with the log of the store.

use tidewatch_domain::audit::{AuditEntry, AuditEvent};
use tidewatch_domain::fleet::{ChangeRow, ConsoleFacts, Trace};
use tidewatch_domain::page::{Page, Position};

use crate::{Cx, Result, Service};

impl Service {
    /// The change log, newest first, by filter (`collection:`, `record:`, `scope:`, `device:`, `op:`, `decision:`, `operation:`, `seq:`, `-key:`).
    ///
    /// # Errors
    /// Invalid with field `filter` for an unknown key or a bad value.
    pub async fn changes_list(&self, cx: &Cx, filter: &str, position: &Position, rows: u32) -> Result<Page<ChangeRow>> {
        let _ = (cx, filter, position, rows);
        unimplemented!()
    }

    /// Everything the store knows of one operation.
    ///
    /// # Errors
    /// Not found.
    pub async fn operation_trace(&self, cx: &Cx, operation_id: &str) -> Result<Trace> {
        let _ = (cx, operation_id);
        unimplemented!()
    }

    /// The audit log, newest first, by filter (`actor:`, `action:`, `subject:`).
    ///
    /// # Errors
    /// Invalid with field `filter` for an unknown key or a bad value.
    pub async fn audit_list(&self, cx: &Cx, filter: &str, position: &Position, rows: u32) -> Result<Page<AuditEvent>> {
        let _ = (cx, filter, position, rows);
        unimplemented!()
    }

    /// Appends an audit row; durable when it returns.
    ///
    /// # Errors
    /// As the store.
    pub async fn audit_append(&self, entry: AuditEntry) -> Result<()> {
        let _ = entry;
        unimplemented!()
    }

    /// What this console knows of itself.
    ///
    /// # Errors
    /// As the store.
    pub async fn console_facts(&self) -> Result<ConsoleFacts> {
        unimplemented!()
    }
}
