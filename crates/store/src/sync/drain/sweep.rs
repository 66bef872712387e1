//! The end of a job that was cancelled, refused or taken back: what was not begun is left alone, commands that no device has fetched are
//! taken back, and after an undo what was drained is put back where it came from.

use std::collections::BTreeMap;

use sqlx::FromRow;
use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::drain::{ArchiveState, DrainAction, ItemOutcome, JobState};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::time::Millis;

use super::chunk::CHUNK_ITEMS;
use super::items::Settled;
use super::job_statements::{ITEMS_STRETCH, JOB_MOVED_BY, LETTERS_MOVE};
use super::jobs::JobRow;
use super::journal::NewEvent;
use super::settle::job_action;
use crate::Result;
use crate::sync::control::By;
use crate::sync::writer::Writer;

/// An item with its row of the archive.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Swept {
    n: i64,
    pub(super) client: i64,
    operation_id: String,
    behind: bool,
    outcome: i64,
    pub(super) command: Option<String>,
    letter: Option<i64>,
    state: Option<i64>,
    job: Option<i64>,
    home: Option<i64>,
}

impl Swept {
    fn outcome(&self) -> ItemOutcome {
        ItemOutcome::of_number(self.outcome).expect("a checked column")
    }

    /// The row of the archive, its state and the one it came from, when this job has put it where it is.
    fn put_back(&self, job: &JobRow) -> Option<(i64, ArchiveState, ArchiveState)> {
        let state = self.state.and_then(ArchiveState::of_number)?;
        let mine = self.job == Some(job.id) && ArchiveState::after(job_action(job, self.behind)) == Some(state);
        let home = self.home.and_then(ArchiveState::of_number)?;
        (mine && state.allows(DrainAction::Restore)).then_some((self.letter?, state, home))
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

    async fn moved_by(&mut self, job: &JobRow) -> Result<By> {
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

    async fn entries_put_back(&mut self, job: &mut JobRow, items: &[Swept], by: &By, now: Millis) -> Result<()> {
        let mut moves: BTreeMap<(i64, i64), Vec<i64>> = BTreeMap::new();
        let (mut settled, mut events, mut audit, mut back) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for item in items.iter().filter(|item| item.outcome() == ItemOutcome::Ok) {
            let Some((letter, state, home)) = item.put_back(job) else { continue };
            moves.entry((state.number(), home.number())).or_default().push(letter);
            settled.push(Settled {
                n: item.n,
                outcome: ItemOutcome::Skipped,
                code: Some("undone".to_owned()),
                detail: Some(format!("it was {} and has been put back", state.as_str())),
                command: item.command.clone(),
            });
            events.push(NewEvent {
                client: ClientKey(item.client),
                operation_id: item.operation_id.clone(),
                state: Some(home.mirror_number()),
                pending: None,
                job: Some(job.id),
                command: None,
                at: now,
                detail: Some("undone".to_owned()),
            });
            audit.push(self.audit_of_undo(job, item, (state, home), by, now));
            back.push((ClientKey(item.client), item.operation_id.clone()));
            job.tally(ItemOutcome::Ok, ItemOutcome::Skipped);
        }
        for ((from, to), ids) in moves {
            sqlx::query(LETTERS_MOVE)
                .bind(serde_json::json!(ids).to_string())
                .bind(from)
                .bind(to)
                .bind(0_i64)
                .bind(by.reason.clone())
                .bind(by.actor.clone())
                .bind(job.id)
                .bind(now.0)
                .bind(None::<i64>)
                .execute(&mut self.connection)
                .await?;
        }
        self.words_withdraw(&back, by, now).await?;
        self.items_settle(job, &settled, now).await?;
        self.events_add(&events).await?;
        self.audit_append(&audit).await
    }

    fn audit_of_undo(
        &self,
        job: &JobRow,
        item: &Swept,
        states: (ArchiveState, ArchiveState),
        by: &By,
        now: Millis,
    ) -> AuditEntry {
        let device = self.shared.live().client_ids.get(&ClientKey(item.client)).map(ToString::to_string).unwrap_or_default();
        AuditEntry {
            at: now,
            actor: by.actor.clone(),
            action: DrainAction::Restore.audit_action(),
            subject: Some(format!("entry:{device}/{}", item.operation_id)),
            before: Some(serde_json::json!({"state": states.0.as_str()}).to_string()),
            after: Some(serde_json::json!({"state": states.1.as_str(), "job": job.name(), "outcome": "undone"}).to_string()),
            trace_id: by.trace_id.clone(),
        }
    }
}
