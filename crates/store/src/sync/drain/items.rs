//! Items of jobs: taken by one open job at a time, and what becomes of them.

use tidewatch_domain::drain::{ItemOutcome, JobState};
use tidewatch_domain::time::{MINUTE_MS, Millis};

use super::job_statements::{ITEMS_CLAIM, ITEMS_SETTLE, ITEMS_TAKEN, MINUTE_ADD};
use super::jobs::JobRow;
use crate::Result;
use crate::sync::writer::Writer;

/// Items that are taken for their job at once.
pub const CLAIM_ITEMS: i64 = 5_000;

impl Writer {
    /// Takes the next stretch of items for their job.
    pub(super) async fn job_claim(&mut self, id: i64, now: Millis) -> Result<()> {
        let Some(mut job) = self.job_load(id).await? else { return Ok(()) };
        if !matches!(job.job_state(), JobState::Canary | JobState::Running) {
            return Ok(());
        }
        self.stretch_claim(&mut job, now).await?;
        self.job_save(&job).await
    }

    /// Takes the next stretch of items for their job. What another open job has is left to it; answers how much that is.
    pub(super) async fn stretch_claim(&mut self, job: &mut JobRow, now: Millis) -> Result<usize> {
        let (from, to) = (job.claimed_n, (job.claimed_n + CLAIM_ITEMS).min(job.entries));
        sqlx::query(ITEMS_CLAIM).bind(job.set_id).bind(from).bind(to).execute(&mut self.connection).await?;
        let taken: Vec<(i64, i64)> =
            sqlx::query_as(ITEMS_TAKEN).bind(job.set_id).bind(from).bind(to).fetch_all(&mut self.connection).await?;
        let outcomes: Vec<Settled> = taken
            .into_iter()
            .map(|(n, other)| Settled {
                n,
                outcome: ItemOutcome::Skipped,
                code: Some("in_job".to_owned()),
                detail: Some(format!("another job has it: J{other}")),
                command: None,
            })
            .collect();
        for _ in &outcomes {
            job.tally(ItemOutcome::Waiting, ItemOutcome::Skipped);
        }
        self.items_settle(job, &outcomes, now).await?;
        job.claimed_n = to;
        Ok(outcomes.len())
    }

    /// Writes outcomes of items and counts the final ones into their minute.
    pub(super) async fn items_settle(&mut self, job: &JobRow, outcomes: &[Settled], now: Millis) -> Result<()> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let rows: Vec<serde_json::Value> = outcomes
            .iter()
            .map(|item| serde_json::json!([item.n, item.outcome.number(), item.code, item.detail, item.command]))
            .collect();
        sqlx::query(ITEMS_SETTLE)
            .bind(job.set_id)
            .bind(serde_json::Value::from(rows).to_string())
            .bind(now.0)
            .execute(&mut self.connection)
            .await?;
        let settled = outcomes.iter().filter(|item| !matches!(item.outcome, ItemOutcome::Sent | ItemOutcome::Waiting)).count();
        if settled > 0 {
            let minute = now.0.div_euclid(MINUTE_MS);
            let query = sqlx::query(MINUTE_ADD).bind(job.id).bind(minute).bind(settled as i64);
            query.execute(&mut self.connection).await?;
        }
        Ok(())
    }
}

/// An outcome of an item.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    pub(super) n: i64,
    pub(super) outcome: ItemOutcome,
    pub(super) code: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) command: Option<String>,
}
