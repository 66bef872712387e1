//! The end of a job that was cancelled, refused or taken back: what was not begun is left alone, commands that no device has fetched are
//! taken back, and after an undo what was drained is put back where it came from.

use sqlx::FromRow;
use tidewatch_domain::drain::{ItemOutcome, JobState};
use tidewatch_domain::time::Millis;

use super::chunk::CHUNK_ITEMS;
use super::items::Settled;
use super::job_statements::{ITEMS_STRETCH, JOB_MOVED_BY};
use super::jobs::JobRow;
use crate::Result;
use crate::sync::control::By;
use crate::sync::writer::Writer;

/// An item with its row of the archive.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Swept {
    pub(super) n: i64,
    pub(super) client: i64,
    pub(super) operation_id: String,
    pub(super) behind: bool,
    outcome: i64,
    pub(super) command: Option<String>,
    pub(super) letter: Option<i64>,
    pub(super) state: Option<i64>,
    pub(super) job: Option<i64>,
    pub(super) home: Option<i64>,
    pub(super) origin: Option<i64>,
}

impl Swept {
    pub(super) fn outcome(&self) -> ItemOutcome {
        ItemOutcome::of_number(self.outcome).expect("a checked column")
    }
}

impl Writer {
    /// Sweeps the next stretch of a job that has come to such an end.
    pub(super) async fn job_sweep(&mut self, id: i64, now: Millis) -> Result<()> {
        let Some(mut job) = self.job_load(id).await? else { return Ok(()) };
        let Some(from) = job.undo_n else { return Ok(()) };
        let query = sqlx::query_as(ITEMS_STRETCH).bind(job.set_id).bind(from).bind(CHUNK_ITEMS);
        let items: Vec<Swept> = query.fetch_all(&mut self.connection).await?;
        let by = self.moved_by(&job).await?;
        self.commands_take_back(&job, &items, &by, now).await?;
        // Taking commands back has settled the items that waited for them.
        let Some(reread) = self.job_load(id).await? else { return Ok(()) };
        job = reread;
        self.rest_leave(&mut job, &items, now).await?;
        if job.job_state() == JobState::Undone {
            self.entries_put_back(&mut job, &items, &by, now).await?;
        }
        job.undo_n = items.last().filter(|_| items.len() == CHUNK_ITEMS as usize).map(|last| last.n);
        job.end(now);
        self.job_save(&job).await
    }

    pub(super) async fn moved_by(&mut self, job: &JobRow) -> Result<By> {
        let query = sqlx::query_as(JOB_MOVED_BY).bind(job.id).bind(job.state);
        let found: Option<(String, Option<String>)> = query.fetch_optional(&mut self.connection).await?;
        let (actor, remark) = found.unwrap_or_else(|| ("system".to_owned(), None));
        let reason = remark.unwrap_or_else(|| format!("{} was {}", job.name(), job.job_state().as_str()));
        Ok(By { actor, reason, trace_id: Some(job.request_id.clone()) })
    }

    /// What was not begun is left alone.
    async fn rest_leave(&mut self, job: &mut JobRow, items: &[Swept], now: Millis) -> Result<()> {
        let word = job.job_state().as_str();
        let left = items.iter().filter(|item| item.outcome() == ItemOutcome::Waiting).map(|item| Settled {
            n: item.n,
            outcome: ItemOutcome::Skipped,
            code: Some(format!("job_{word}")),
            detail: Some(format!("the job was {word} before it came to this entry")),
            command: None,
        });
        let left: Vec<Settled> = left.collect();
        for _ in &left {
            job.tally(ItemOutcome::Waiting, ItemOutcome::Skipped);
        }
        self.items_settle(job, &left, now).await
    }
}
