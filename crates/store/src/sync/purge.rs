//! Purging: what was given up longer ago than retention keeps it is written to a file, which is synced and read back, and only then
//! do the archive's rows lose their payloads, a chunk a transaction. One run is one file and one audit row
//! (`docs/adr/0018-retention-and-purge.md`).
//!
//! Invariants: a payload is removed only when it stands in a file that was read back; a run is named before its file is written, and its
//! file is named before anything is removed, so that a killed run goes on; what has changed since it was written stays.

mod file;
mod read;
pub(crate) mod statements;
pub(crate) mod verify;
mod work;

use serde_json::{Value, json};
use sqlx::FromRow;
use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::drain::{PurgeRun, PurgeState, Retention};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::time::Millis;

use self::file::Written;
use self::statements::{LETTERS_PURGE, PURGE_ADD, PURGE_COUNT, PURGE_END, PURGE_OPEN, PURGE_SEAL, PURGE_VIEW};
use super::drain::NewEvent;
use super::writer::{Answer, Pending, Reply, Writer, answer};
use crate::Result;

#[cfg(test)]
pub(crate) use self::file::{files, name_of};
pub use self::read::DUE_MAX;
pub use self::work::PurgeStep;

/// Payloads that one transaction removes, at most.
pub(crate) const CHUNK: usize = if cfg!(test) { 2 } else { 500 };

/// A run that begins.
#[derive(Clone, Debug)]
pub struct NewPurge {
    /// Who asks.
    pub actor: String,
    /// Why, when a person asks.
    pub reason: Option<String>,
    /// Under which request.
    pub request_id: String,
    /// How long payloads are kept.
    pub retention: Retention,
    /// When.
    pub now: Millis,
}

/// A run as it is stored.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct PurgeRow {
    pub(crate) id: i64,
    state: i64,
    actor: String,
    reason: Option<String>,
    request_id: String,
    rule: String,
    created_ms: i64,
    pub(crate) entries: i64,
    pub(crate) removed: i64,
    pub(crate) file: Option<String>,
    bytes: Option<i64>,
    pub(crate) sha256: Option<String>,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    finished_ms: Option<i64>,
    detail: Option<String>,
}

impl PurgeRow {
    pub(crate) fn state(&self) -> PurgeState {
        PurgeState::of_number(self.state).expect("a checked column")
    }

    /// Days as they were when it began: a run that goes on after a restart with other settings ends as it began.
    fn retention(&self) -> Retention {
        let rule: Value = serde_json::from_str(&self.rule).unwrap_or_default();
        let days = |name: &str| rule[name].as_u64().and_then(|days| u32::try_from(days).ok());
        Retention { discarded: days("discarded_days"), quarantined: days("quarantined_days") }
    }

    pub(crate) fn view(self) -> PurgeRun {
        let retention = self.retention();
        PurgeRun {
            id: format!("P{}", self.id),
            state: self.state(),
            actor: self.actor,
            reason: self.reason,
            created: Millis(self.created_ms),
            finished: self.finished_ms.map(Millis),
            entries: self.entries.cast_unsigned(),
            removed: self.removed.cast_unsigned(),
            file: self.file,
            sha256: self.sha256,
            span: self.from_ms.map(Millis).zip(self.to_ms.map(Millis)),
            detail: self.detail,
            retention,
        }
    }
}

fn rule(retention: Retention) -> Value {
    json!({"discarded_days": retention.discarded, "quarantined_days": retention.quarantined})
}

/// An entry as its file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) client: ClientKey,
    pub(crate) operation_id: String,
    pub(crate) state: i64,
    pub(crate) changed_ms: i64,
}

/// What the writer is asked to do about purging.
#[derive(Debug)]
pub(crate) enum PurgeWork {
    /// Begin a run; answers its number, or none when one is open.
    Begin { new: Box<NewPurge>, reply: Reply<Option<i64>> },
    /// Its file is whole.
    Seal { run: i64, written: Written, span: (i64, i64), reply: Reply<()> },
    /// Remove payloads that are in its file; answers how many are without now.
    Remove { run: i64, members: Vec<Member>, now: Millis, reply: Reply<usize> },
    /// It is over.
    End { run: i64, state: PurgeState, detail: Option<String>, now: Millis, reply: Reply<()> },
}

impl Writer {
    /// Does one piece of work inside the transaction.
    pub(crate) async fn purge(&mut self, work: PurgeWork, pending: &mut Pending) -> Result<Answer> {
        pending.drained = true;
        match work {
            PurgeWork::Begin { new, reply } => Ok(answer(reply, Ok(self.purge_begin(&new).await?))),
            PurgeWork::Seal { run, written, span, reply } => {
                self.purge_seal(run, &written, span).await?;
                Ok(answer(reply, Ok(())))
            }
            PurgeWork::Remove { run, members, now, reply } => Ok(answer(reply, Ok(self.purge_remove(run, &members, now).await?))),
            PurgeWork::End { run, state, detail, now, reply } => {
                self.purge_end(run, state, detail, now).await?;
                Ok(answer(reply, Ok(())))
            }
        }
    }

    async fn purge_begin(&mut self, new: &NewPurge) -> Result<Option<i64>> {
        let open: Option<PurgeRow> = sqlx::query_as(PURGE_OPEN).fetch_optional(&mut self.connection).await?;
        if open.is_some() {
            return Ok(None);
        }
        let query = sqlx::query_scalar(PURGE_ADD)
            .bind(new.actor.clone())
            .bind(new.reason.clone())
            .bind(new.request_id.clone())
            .bind(rule(new.retention).to_string())
            .bind(new.now.0);
        Ok(query.fetch_optional(&mut self.connection).await?)
    }

    async fn purge_seal(&mut self, run: i64, written: &Written, span: (i64, i64)) -> Result<()> {
        sqlx::query(PURGE_SEAL)
            .bind(run)
            .bind(written.manifest.count.cast_signed())
            .bind(written.file.clone())
            .bind(written.file_bytes.cast_signed())
            .bind(written.manifest.bytes.cast_signed())
            .bind(written.manifest.sha256.clone())
            .bind(span.0)
            .bind(span.1)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// The journal says of each that something became of it, so that the mirror forgets what its error said.
    async fn purge_remove(&mut self, run: i64, members: &[Member], now: Millis) -> Result<usize> {
        let wanted: Vec<Value> =
            members.iter().map(|member| json!([member.client.0, member.operation_id, member.state, member.changed_ms])).collect();
        let gone: Vec<(i64, String)> =
            sqlx::query_as(LETTERS_PURGE).bind(Value::from(wanted).to_string()).bind(run).fetch_all(&mut self.connection).await?;
        sqlx::query(PURGE_COUNT).bind(run).bind(gone.len() as i64).execute(&mut self.connection).await?;
        let removed = gone.len();
        let event = |(client, operation_id): (i64, String)| NewEvent {
            client: ClientKey(client),
            operation_id,
            state: None,
            pending: None,
            job: None,
            command: None,
            at: now,
            detail: Some("purged".to_owned()),
        };
        let events: Vec<NewEvent> = gone.into_iter().map(event).collect();
        self.events_add(&events).await?;
        Ok(removed)
    }

    async fn purge_end(&mut self, run: i64, state: PurgeState, detail: Option<String>, now: Millis) -> Result<()> {
        let ended =
            sqlx::query(PURGE_END).bind(run).bind(state.number()).bind(now.0).bind(detail).execute(&mut self.connection).await?;
        if ended.rows_affected() == 0 {
            return Ok(());
        }
        let row: PurgeRow = sqlx::query_as(PURGE_VIEW).bind(run).fetch_one(&mut self.connection).await?;
        let after = json!({
            "state": state.as_str(), "entries": row.entries, "removed": row.removed, "kept": row.entries - row.removed, "file": row.file,
            "bytes": row.bytes, "sha256": row.sha256, "from": row.from_ms.map(|at| Millis(at).to_string()),
            "to": row.to_ms.map(|at| Millis(at).to_string()), "retention": serde_json::from_str::<Value>(&row.rule).unwrap_or_default(),
            "reason": row.reason, "detail": row.detail,
        });
        let entry = AuditEntry {
            at: now,
            actor: row.actor,
            action: "purge",
            subject: Some(format!("purge:P{run}")),
            before: None,
            after: Some(after.to_string()),
            trace_id: Some(row.request_id),
        };
        self.audit_append(&[entry]).await
    }
}
