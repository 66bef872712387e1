//! The audit log.

use tidewatch_domain::audit::AuditEntry;

use super::Sync;
use super::queue::Weight;
use super::writer::Job;
use crate::Result;

impl Sync {
    /// Appends audit rows; they are durable when this returns.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn audit_append(&self, entries: Vec<AuditEntry>) -> Result<()> {
        let weight = Weight { intents: entries.len().max(1), ..Weight::COMMAND };
        self.ask(weight, |reply| Job::AuditAppend { entries, reply }).await
    }
}
