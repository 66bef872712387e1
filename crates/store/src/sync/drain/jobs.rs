//! Jobs: submitted once, moved by people and by themselves, always with their tally and an event for each state they came to.

use sqlx::FromRow;
use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::drain::{CANARY_MS, ItemOutcome, JobChange, JobState, Recent};
use tidewatch_domain::time::Millis;

use super::job_statements::{JOB_ADD, JOB_BY_KEY, JOB_EVENT_ADD, JOB_MOVED_BY, JOB_OF_SET, JOB_SAVE, JOB_VIEW};
use super::sets::SetRow;
use super::statements::SET_VIEW;
use crate::sync::writer::Writer;
use crate::{Error, Result};

/// A submission of a frozen set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Which set.
    pub set: i64,
    /// The same key is the same submission.
    pub idempotency_key: String,
    /// Who.
    pub created_by: String,
    /// Under which request id.
    pub request_id: String,
    /// When.
    pub created: Millis,
    /// Why.
    pub reason: String,
    /// Until when a second person has to approve; none when nobody has to.
    pub approve_until: Option<Millis>,
    /// Entries that go ahead.
    pub canary: u32,
    /// Entries a second, at most.
    pub rate_per_s: Option<u32>,
    /// Share of failures at which it stops.
    pub stop_percent: u8,
    /// Until when what it drains can be restored.
    pub restore_until: Millis,
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submission {
    /// This is its job.
    New(i64),
    /// It was submitted before, as this job.
    Known(i64),
    /// Its key belongs to the submission of another set.
    KeyTaken,
    /// Its set was submitted with another key, as this job.
    SetTaken(i64),
    /// There is no such set any more.
    SetGone,
}

/// Who moves a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobMove {
    /// How.
    pub change: JobChange,
    /// Who.
    pub actor: String,
    /// Under which request id.
    pub request_id: String,
    /// Remark.
    pub remark: Option<String>,
    /// When.
    pub at: Millis,
}

/// How a job moves by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemMove {
    /// It stops for now, in words why.
    Pause(String),
    /// The first few are through, in words how; the others follow.
    CanaryDone(String),
    /// Everything has an outcome.
    Done,
}

/// A job with its set.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
#[expect(missing_docs, reason = "the columns are described where the table is made")]
pub struct JobRow {
    pub id: i64,
    pub set_id: i64,
    pub idempotency_key: String,
    pub state: i64,
    pub created_by: String,
    pub request_id: String,
    pub created_ms: i64,
    pub reason: String,
    pub approved_by: Option<String>,
    pub approve_until_ms: Option<i64>,
    pub canary: i64,
    pub canary_until_ms: Option<i64>,
    pub canary_done: bool,
    pub rate_per_s: Option<i64>,
    pub stop_percent: i64,
    pub claimed_n: i64,
    pub next_n: i64,
    pub waiting: i64,
    pub sent: i64,
    pub ok: i64,
    pub skipped: i64,
    pub failed: i64,
    pub recent: String,
    pub finished_ms: Option<i64>,
    pub restore_until_ms: Option<i64>,
    pub undo_n: Option<i64>,
    pub acknowledged_by: Option<String>,
    pub acknowledged_ms: Option<i64>,
    pub holds: bool,
    pub rolled: i64,
    pub rolled_ms: Option<i64>,
    pub rolled_file: Option<String>,
    pub rolled_rows: Option<i64>,
    pub rolled_sha256: Option<String>,
    pub action: String,
    pub dependants: String,
    pub patch: Option<String>,
    pub selection: String,
    pub hash: String,
    pub entries: i64,
    pub devices: i64,
    pub summary: String,
    pub frozen_ms: i64,
}

impl JobRow {
    /// Where it stands.
    #[must_use]
    pub fn job_state(&self) -> JobState {
        JobState::of_number(self.state).expect("a checked column")
    }

    /// Its id for people and programs.
    #[must_use]
    pub fn name(&self) -> String {
        format!("J{}", self.id)
    }

    /// Moves one item of the tally.
    pub(super) fn tally(&mut self, from: ItemOutcome, to: ItemOutcome) {
        *self.count(from) -= 1;
        *self.count(to) += 1;
        match to {
            ItemOutcome::Ok | ItemOutcome::Failed => {
                let mut recent = Recent::read(&self.recent);
                recent.note(to == ItemOutcome::Failed);
                self.recent = recent.as_str().to_owned();
            }
            ItemOutcome::Waiting | ItemOutcome::Sent | ItemOutcome::Skipped => {}
        }
    }

    fn count(&mut self, outcome: ItemOutcome) -> &mut i64 {
        match outcome {
            ItemOutcome::Waiting => &mut self.waiting,
            ItemOutcome::Sent => &mut self.sent,
            ItemOutcome::Ok => &mut self.ok,
            ItemOutcome::Skipped => &mut self.skipped,
            ItemOutcome::Failed => &mut self.failed,
        }
    }

    /// Whether it holds back the commands that no device has fetched: when it has stopped, and until they are taken back when it is over
    /// before its time. A canary that has said nothing so far is still heard.
    fn holds_back(&self) -> bool {
        let heard = self.canary > 0 && !self.canary_done && self.canary_until_ms.is_some();
        match self.job_state() {
            JobState::Paused => !heard,
            // What is left of them then is about what was decided here.
            JobState::Cancelled | JobState::Undone => self.undo_n.is_some(),
            JobState::Requested | JobState::Canary | JobState::Running | JobState::Done | JobState::Refused => false,
        }
    }

    /// Whether every entry has an outcome.
    pub(super) const fn is_through(&self) -> bool {
        self.waiting == 0 && self.sent == 0
    }

    /// Whether its failures stop it.
    pub(super) fn stops(&self) -> bool {
        Recent::read(&self.recent).stops(self.stop_percent)
    }

    /// Ends a job that was cancelled, refused or taken back, once nothing of it is left to do.
    pub(super) fn end(&mut self, now: Millis) {
        let over = self.job_state().is_final() && self.undo_n.is_none() && self.is_through();
        if over && self.finished_ms.is_none() {
            self.finished_ms = Some(now.0);
        }
    }

    /// State in which it goes on: the first few go ahead unless they have.
    fn going(&self) -> JobState {
        if self.canary > 0 && !self.canary_done { JobState::Canary } else { JobState::Running }
    }
}

impl Writer {
    pub(super) async fn job_submit(&mut self, new: &NewJob) -> Result<Submission> {
        let known: Option<(i64, i64)> =
            sqlx::query_as(JOB_BY_KEY).bind(new.idempotency_key.clone()).fetch_optional(&mut self.connection).await?;
        if let Some((job, set)) = known {
            return Ok(if set == new.set { Submission::Known(job) } else { Submission::KeyTaken });
        }
        let taken: Option<(i64,)> = sqlx::query_as(JOB_OF_SET).bind(new.set).fetch_optional(&mut self.connection).await?;
        if let Some((job,)) = taken {
            return Ok(Submission::SetTaken(job));
        }
        let set: Option<SetRow> = sqlx::query_as(SET_VIEW).bind(new.set).fetch_optional(&mut self.connection).await?;
        let Some(set) = set.filter(|set| set.expires_ms >= new.created.0) else { return Ok(Submission::SetGone) };
        let state = match (new.approve_until, new.canary) {
            (Some(_), _) => JobState::Requested,
            (None, 0) => JobState::Running,
            (None, _) => JobState::Canary,
        };
        let (id,): (i64,) = sqlx::query_as(JOB_ADD)
            .bind(new.set)
            .bind(new.idempotency_key.clone())
            .bind(state.number())
            .bind(new.created_by.clone())
            .bind(new.request_id.clone())
            .bind(new.created.0)
            .bind(new.reason.clone())
            .bind(new.approve_until.map(|at| at.0))
            .bind(new.canary)
            .bind(new.rate_per_s)
            .bind(i64::from(new.stop_percent))
            .bind(set.entries)
            .bind(new.restore_until.0)
            .fetch_one(&mut self.connection)
            .await?;
        self.job_event(id, state, new.created, &new.created_by, Some(new.reason.clone())).await?;
        let after = serde_json::json!({
            "set": format!("S{}", set.id), "hash": set.hash, "action": set.action, "entries": set.entries, "devices": set.devices,
            "reason": new.reason, "state": state.as_str(),
        });
        self.audit_append(&[AuditEntry {
            at: new.created,
            actor: new.created_by.clone(),
            action: "drain_submit",
            subject: Some(format!("job:J{id}")),
            before: None,
            after: Some(after.to_string()),
            trace_id: Some(new.request_id.clone()),
        }])
        .await?;
        Ok(Submission::New(id))
    }

    pub(crate) async fn job_load(&mut self, id: i64) -> Result<Option<JobRow>> {
        Ok(sqlx::query_as(JOB_VIEW).bind(id).fetch_optional(&mut self.connection).await?)
    }

    /// Writes what has changed of a job, once after it was loaded.
    pub(super) async fn job_save(&mut self, job: &JobRow) -> Result<()> {
        let holds = job.holds_back();
        if holds != job.holds {
            self.commands_held(&job.name(), holds).await?;
        }
        sqlx::query(JOB_SAVE)
            .bind(job.id)
            .bind(job.state)
            .bind(job.approved_by.clone())
            .bind(job.canary_until_ms)
            .bind(job.canary_done)
            .bind(job.claimed_n)
            .bind(job.next_n)
            .bind(job.waiting)
            .bind(job.sent)
            .bind(job.ok)
            .bind(job.skipped)
            .bind(job.failed)
            .bind(job.recent.clone())
            .bind(job.finished_ms)
            .bind(job.undo_n)
            .bind(job.acknowledged_by.clone())
            .bind(job.acknowledged_ms)
            .bind(holds)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn job_event(&mut self, job: i64, state: JobState, at: Millis, actor: &str, detail: Option<String>) -> Result<()> {
        sqlx::query(JOB_EVENT_ADD)
            .bind(job)
            .bind(at.0)
            .bind(state.number())
            .bind(actor.to_owned())
            .bind(detail)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Moves a job by itself: no person has asked for it.
    pub(super) async fn job_moves(&mut self, job: &mut JobRow, to: JobState, at: Millis, detail: Option<String>) -> Result<()> {
        job.state = to.number();
        if matches!(to, JobState::Done | JobState::Refused) {
            job.finished_ms = Some(at.0);
        }
        self.job_event(job.id, to, at, "system", detail).await
    }

    /// Moves a job by itself, unless it has moved otherwise meanwhile.
    pub(super) async fn job_moved(&mut self, id: i64, moved: SystemMove, now: Millis) -> Result<()> {
        let Some(mut job) = self.job_load(id).await? else { return Ok(()) };
        match (moved, job.job_state()) {
            (SystemMove::Pause(words), JobState::Canary | JobState::Running) => {
                // Its time is over only when nothing came of the first few.
                job.canary_until_ms = job.canary_until_ms.filter(|until| *until < now.0);
                self.job_moves(&mut job, JobState::Paused, now, Some(words)).await?;
            }
            (SystemMove::CanaryDone(words), JobState::Canary) => {
                job.canary_done = true;
                self.job_moves(&mut job, JobState::Running, now, Some(words)).await?;
            }
            (SystemMove::Done, JobState::Running) if job.is_through() => {
                self.job_moves(&mut job, JobState::Done, now, None).await?;
            }
            _ => return Ok(()),
        }
        self.job_save(&job).await
    }

    async fn stopped_itself(&mut self, job: &JobRow) -> Result<bool> {
        let query = sqlx::query_as(JOB_MOVED_BY).bind(job.id).bind(JobState::Paused.number());
        let found: Option<(String, Option<String>)> = query.fetch_optional(&mut self.connection).await?;
        Ok(found.is_some_and(|(actor, _)| actor == "system"))
    }

    /// Moves a job as somebody asks. Refused, with the state it is in, when that does not allow it.
    pub(super) async fn job_change(&mut self, id: i64, by: &JobMove) -> Result<Result<std::result::Result<(), JobState>>> {
        let Some(mut job) = self.job_load(id).await? else { return Ok(Err(Error::NotFound("job"))) };
        let before = job.job_state();
        if !before.allows(by.change) || by.change == JobChange::Undo && !self.can_undo(&job).await? {
            return Ok(Ok(Err(before)));
        }
        match by.change {
            JobChange::Approve => {
                job.approved_by = Some(by.actor.clone());
                job.state = job.going().number();
            }
            JobChange::Resume => {
                // When it has stopped by itself, somebody has looked at why and lets it go on: the first few are not asked again.
                job.canary_done = job.canary_done || self.stopped_itself(&job).await?;
                job.recent = String::new();
                job.state = job.going().number();
                if job.job_state() == JobState::Canary {
                    job.canary_until_ms = Some(by.at.plus(CANARY_MS).0);
                }
            }
            JobChange::Refuse => job.state = JobState::Refused.number(),
            JobChange::Pause => (job.state, job.canary_until_ms) = (JobState::Paused.number(), None),
            JobChange::Cancel => (job.state, job.undo_n) = (JobState::Cancelled.number(), Some(0)),
            JobChange::Undo => {
                (job.state, job.undo_n, job.finished_ms) = (JobState::Undone.number(), Some(0), None);
            }
            JobChange::Acknowledge => (job.acknowledged_by, job.acknowledged_ms) = (Some(by.actor.clone()), Some(by.at.0)),
        }
        if by.change == JobChange::Refuse {
            // Nothing of it was begun; the rest of the way is that of a cancelled job.
            job.undo_n = Some(0);
        }
        let after = job.job_state();
        self.job_save(&job).await?;
        if by.change != JobChange::Acknowledge {
            self.job_event(id, after, by.at, &by.actor, by.remark.clone()).await?;
        }
        let states = |state: JobState| serde_json::json!({ "state": state.as_str() });
        let mut told = states(after);
        told["remark"] = serde_json::json!(by.remark);
        self.audit_append(&[AuditEntry {
            at: by.at,
            actor: by.actor.clone(),
            action: by.change.audit_action(),
            subject: Some(format!("job:J{id}")),
            before: Some(states(before).to_string()),
            after: Some(told.to_string()),
            trace_id: Some(by.request_id.clone()),
        }])
        .await?;
        Ok(Ok(Ok(())))
    }
}
