//! Items of jobs that are long over roll to files: what became of each entry is written to one file a job, which is synced and read
//! back, then named on the job together with what pages count from items, and only then do the items go, a chunk a transaction
//! (`docs/adr/0023-items-of-old-jobs-are-in-files.md`).
//!
//! Invariants: an item goes only when it stands in a file that was read back and is named on its job; from the moment it is named nobody
//! looks at the items in the store; the job, its set, its events and its tallies stay.

mod figures;
mod line;
pub(crate) mod statements;
mod verify;
mod work;

use serde_json::json;
use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::drain::Rolled;
use tidewatch_domain::time::Millis;

use self::statements::{FIGURES_DROP, FIGURES_PUT, ROLL_END, ROLL_NAME, ROLL_UNNAME};
#[cfg(test)]
pub(crate) use self::work::name_of;
pub use self::work::{RollPlace, RollStep};
use super::drain::JobRow;
use super::drain::statements::SET_EMPTY;
use super::row_file::Written;
use super::writer::{Answer, Reply, Writer, answer};
use crate::Result;

/// Items that one transaction removes, at most.
pub(crate) const CHUNK: usize = if cfg!(test) { 2 } else { 500 };

/// Where the items of a job are, as SQL stores it.
pub(crate) mod stage {
    /// In their file; what is left of them here goes.
    pub(crate) const NAMED: i64 = 1;
    /// In their file alone.
    pub(crate) const GONE: i64 = 2;
    /// Some are gone, and the file is not the one that was written.
    pub(crate) const STOPPED: i64 = 3;
}

impl JobRow {
    /// Where its items are, from when their file was named: what is left of them in the store is not looked at any more.
    #[must_use]
    pub fn rolled_items(&self) -> Option<Rolled> {
        let at = self.rolled_ms.filter(|_| self.rolled > 0).map(Millis)?;
        let (file, sha256) = (self.rolled_file.clone()?, self.rolled_sha256.clone()?);
        Some(Rolled { at, file, sha256, entries: self.rolled_rows?.cast_unsigned() })
    }
}

/// Who rolls: nobody asks for it.
const ACTOR: &str = "system";

/// What the writer is asked to do about items that roll.
#[derive(Debug)]
pub(crate) enum RollWork {
    /// The file of a job that has ended then is whole, with what was counted; answers whether the job is still as it was read.
    Name { job: i64, finished: Millis, written: Written, figures: String, now: Millis, reply: Reply<bool> },
    /// Remove some of the items of a job whose file is named; answers whether there may be more.
    Remove { job: i64, now: Millis, reply: Reply<bool> },
    /// The file of a job is not the one that was written: what was not begun is begun anew, what was begun ends here.
    Lost { job: i64, whole: bool, detail: String, now: Millis, reply: Reply<()> },
}

impl Writer {
    /// Does one piece of work inside the transaction.
    pub(crate) async fn roll(&mut self, work: RollWork) -> Result<Answer> {
        match work {
            RollWork::Name { job, finished, written, figures, now, reply } => {
                Ok(answer(reply, Ok(self.roll_name(job, finished, &written, figures, now).await?)))
            }
            RollWork::Remove { job, now, reply } => Ok(answer(reply, Ok(self.roll_remove(job, now).await?))),
            RollWork::Lost { job, whole, detail, now, reply } => {
                self.roll_lost(job, whole, detail, now).await?;
                Ok(answer(reply, Ok(())))
            }
        }
    }

    async fn roll_name(&mut self, job: i64, finished: Millis, written: &Written, figures: String, now: Millis) -> Result<bool> {
        let named = sqlx::query(ROLL_NAME)
            .bind(job)
            .bind(finished.0)
            .bind(now.0)
            .bind(written.file.clone())
            .bind(written.manifest.count.cast_signed())
            .bind(written.manifest.sha256.clone())
            .execute(&mut self.connection)
            .await?;
        if named.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(FIGURES_PUT).bind(job).bind(figures).execute(&mut self.connection).await?;
        Ok(true)
    }

    async fn roll_remove(&mut self, job: i64, now: Millis) -> Result<bool> {
        let Some(row) = self.job_load(job).await?.filter(|row| row.rolled == stage::NAMED) else { return Ok(false) };
        let removed = sqlx::query(SET_EMPTY).bind(row.set_id).bind(CHUNK as i64).execute(&mut self.connection).await?;
        if removed.rows_affected() == CHUNK as u64 {
            return Ok(true);
        }
        self.roll_end(&row, stage::GONE, None, now).await?;
        Ok(false)
    }

    async fn roll_lost(&mut self, job: i64, whole: bool, detail: String, now: Millis) -> Result<()> {
        let Some(row) = self.job_load(job).await?.filter(|row| row.rolled == stage::NAMED) else { return Ok(()) };
        if !whole {
            return self.roll_end(&row, stage::STOPPED, Some(detail), now).await;
        }
        for statement in [ROLL_UNNAME, FIGURES_DROP] {
            sqlx::query(statement).bind(job).execute(&mut self.connection).await?;
        }
        Ok(())
    }

    async fn roll_end(&mut self, row: &JobRow, stage: i64, detail: Option<String>, now: Millis) -> Result<()> {
        sqlx::query(ROLL_END).bind(row.id).bind(stage).execute(&mut self.connection).await?;
        let after = json!({
            "state": if stage == stage::GONE { "done" } else { "stopped" }, "entries": row.rolled_rows, "file": row.rolled_file,
            "sha256": row.rolled_sha256, "detail": detail,
        });
        let entry = AuditEntry {
            at: now,
            actor: ACTOR.to_owned(),
            action: "drain_roll",
            subject: Some(format!("job:{}", row.name())),
            before: None,
            after: Some(after.to_string()),
            trace_id: None,
        };
        self.audit_append(&[entry]).await
    }
}
