//! The journal of entries: what became of them, in order. The mirror follows it from a position of its own, so that it can be behind
//! for a moment but never loses or repeats anything that matters.

use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;
use tokio::sync::watch;

use super::statements::{EVENT_ADD, EVENTS_AFTER};
use crate::sync::Sync;
use crate::sync::bulk::write_all;
use crate::sync::writer::Writer;
use crate::{Error, Result};

/// Something that became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryEvent {
    /// Position in the journal.
    pub id: i64,
    /// Device.
    pub client_id: ClientId,
    /// Operation.
    pub operation_id: String,
    /// Its state from here on, as the mirror counts states; none leaves it as it was.
    pub state: Option<i64>,
    /// The action that is on its way to the device from here on; none for nothing.
    pub pending: Option<String>,
    /// By which job.
    pub job: Option<String>,
    /// By which command.
    pub command: Option<String>,
    /// When.
    pub at: Millis,
    /// In words.
    pub detail: Option<String>,
}

/// An event before it has a position.
#[derive(Clone, Debug)]
pub(crate) struct NewEvent {
    pub(crate) client: ClientKey,
    pub(crate) operation_id: String,
    pub(crate) state: Option<i64>,
    pub(crate) pending: Option<&'static str>,
    pub(crate) job: Option<i64>,
    pub(crate) command: Option<String>,
    pub(crate) at: Millis,
    pub(crate) detail: Option<String>,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    id: i64,
    client: i64,
    operation_id: String,
    state: Option<i64>,
    pending: Option<String>,
    job: Option<i64>,
    command: Option<String>,
    at_ms: i64,
    detail: Option<String>,
}

impl Sync {
    /// Events of the journal after a position, oldest first, `limit` at most.
    ///
    /// # Errors
    /// As the database.
    pub async fn entry_events_after(&self, id: i64, limit: u32) -> Result<Vec<EntryEvent>> {
        let rows: Vec<EventRow> = sqlx::query_as(EVENTS_AFTER).bind(id).bind(limit).fetch_all(&self.readers).await?;
        let live = self.shared.live();
        let read = |row: EventRow| {
            let client_id = live.client_ids.get(&ClientKey(row.client)).cloned();
            Ok(EntryEvent {
                id: row.id,
                client_id: client_id.ok_or_else(|| Error::Corrupt(format!("event {} is of no device", row.id)))?,
                operation_id: row.operation_id,
                state: row.state,
                pending: row.pending,
                job: row.job.map(|job| format!("J{job}")),
                command: row.command,
                at: Millis(row.at_ms),
                detail: row.detail,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Wakes after each commit that changed an entry or a job.
    #[must_use]
    pub fn drain_watch(&self) -> watch::Receiver<u64> {
        self.shared.drained.subscribe()
    }
}

impl Writer {
    /// Appends to the journal, inside the transaction.
    pub(crate) async fn events_add(&mut self, events: &[NewEvent]) -> Result<()> {
        write_all(&mut self.connection, &EVENT_ADD, events, |query, event| {
            query
                .bind(event.client.0)
                .bind(event.operation_id.clone())
                .bind(event.state)
                .bind(event.pending)
                .bind(event.job)
                .bind(event.command.clone())
                .bind(event.at.0)
                .bind(event.detail.clone())
        })
        .await
    }
}
