//! Submitting a frozen set, and moving the job that it becomes.

use tidewatch_domain::drain::{
    APPROVAL_MS, CANARY_ENTRIES_MAX, Dependants, DrainAction, DrainOrder, JobChange, RATE_MAX, REASON_CHARS_MAX,
    REASON_CHARS_MIN, STOP_PERCENT, Selection, needs_approval,
};
use tidewatch_domain::fleet::{DrainChange, DrainPreview};
use tidewatch_domain::role::{Action, drain_action};
use tidewatch_store::sync::drain::{JobMove, JobRow, NewJob, SetRow, Submission};
use tidewatch_store::telemetry::MemberNames;

use super::number::job_number;
use super::preview::hash_shown;
use super::selection::{STRETCH, selection_read, selection_write};
use crate::written::plain;
use crate::{Cx, Error, Result, Service};

/// Most characters of an idempotency key.
const KEY_CHARS_MAX: usize = 128;

/// A submission: what was seen on the form that submits it.
#[derive(Clone, Debug, PartialEq)]
pub struct DrainSubmit {
    /// Set.
    pub set: String,
    /// Entries that the form showed.
    pub count: u64,
    /// Hash that the form showed.
    pub hash: String,
    /// Selection that the form was for.
    pub selection: Selection,
    /// Why.
    pub reason: String,
    /// Of the form: the same key is the same submission.
    pub idempotency_key: String,
    /// The count as a person has typed it; asked for when a second person has to approve.
    pub typed_count: Option<u64>,
    /// Entries that go ahead; 0 for none.
    pub canary: u32,
    /// Entries a second, at most; none is as fast as it goes.
    pub rate_per_s: Option<u32>,
}

/// What a submission became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its job.
    pub job: String,
    /// Whether this submission has made it.
    pub new: bool,
}

fn invalid<T>(field: &'static str, detail: impl Into<String>) -> Result<T> {
    Err(Error::Invalid { field, detail: detail.into() })
}

/// A reason, or what is wrong with it.
pub(super) fn reason_check(reason: &str) -> Result<String> {
    let reason = plain("reason", reason.trim())?;
    match reason.chars().count() {
        REASON_CHARS_MIN..=REASON_CHARS_MAX => Ok(reason.to_owned()),
        _ => invalid("reason", format!("is required, with {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters")),
    }
}

fn form_check(submit: &DrainSubmit) -> Result<()> {
    let key = &submit.idempotency_key;
    if key.is_empty() || key.len() > KEY_CHARS_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return invalid("idempotency_key", "is required: 1 to 128 visible characters of ASCII");
    }
    if submit.canary > CANARY_ENTRIES_MAX {
        return invalid("canary", format!("must be 0 to {CANARY_ENTRIES_MAX} entries"));
    }
    if submit.rate_per_s.is_some_and(|rate| rate == 0 || rate > RATE_MAX) {
        return invalid("rate_per_s", format!("must be 1 to {RATE_MAX} entries a second, or absent"));
    }
    Ok(())
}

impl Service {
    /// Submits a frozen set. The same key again answers the same job.
    ///
    /// # Errors
    /// Forbidden, also for more entries than the role may drain, and role limit when what was sent means more now; not found; invalid with the field; set changed when what was sent is
    /// not what was frozen; state conflict when the set was submitted already.
    pub async fn drain_submit(&self, cx: &Cx, submit: DrainSubmit) -> Result<Submitted> {
        cx.require(Action::Drain)?;
        form_check(&submit)?;
        let set = self.set_row(cx, &submit.set).await?;
        cx.require(drain_action(set.entries.cast_unsigned()))?;
        self.sent_check(cx, &set, &submit).await?;
        let reason = reason_check(&submit.reason)?;
        let (entries, devices) = (set.entries.cast_unsigned(), set.devices.cast_unsigned());
        let large = needs_approval(entries, devices);
        if large && submit.typed_count != Some(entries) {
            return invalid("typed_count", format!("must be the number of entries, {entries}"));
        }
        let job = NewJob {
            set: set.id,
            idempotency_key: submit.idempotency_key,
            created_by: cx.actor.audit_name(),
            request_id: cx.request_id.clone(),
            created: cx.now,
            reason,
            approve_until: large.then(|| cx.now.plus(APPROVAL_MS)),
            canary: submit.canary.min(u32::try_from(entries).unwrap_or(u32::MAX)),
            rate_per_s: submit.rate_per_s,
            stop_percent: STOP_PERCENT,
            restore_until: self.undo_until(DrainAction::parse(&set.action).ok_or(Error::NotFound("set"))?, cx.now),
        };
        match self.store.sync().job_submit(job).await? {
            Submission::New(job) => Ok(Submitted { job: format!("J{job}"), new: true }),
            Submission::Known(job) => Ok(Submitted { job: format!("J{job}"), new: false }),
            Submission::SetTaken(job) => Err(Error::StateConflict(format!("this set was submitted already, as J{job}"))),
            Submission::KeyTaken => invalid("idempotency_key", "was used for the submission of another set"),
            Submission::SetGone => Err(Error::NotFound("set")),
        }
    }

    /// Refuses a submission that does not name what was frozen.
    async fn sent_check(&self, cx: &Cx, set: &SetRow, submit: &DrainSubmit) -> Result<()> {
        let same_hash = hash_shown(&set.hash) == hash_shown(&submit.hash) && submit.hash.len() >= hash_shown(&set.hash).len();
        let selection = selection_write(&submit.selection).to_string();
        if set.selection == selection && set.entries.cast_unsigned() == submit.count && same_hash {
            return Ok(());
        }
        // What has rolled is compared with nothing.
        self.rolled_set_refuse(set.job).await?;
        Err(Error::SetChanged(self.set_compared(cx, set, &submit.selection).await?))
    }

    /// What a selection means now, in comparison with a frozen set.
    async fn set_compared(&self, cx: &Cx, row: &SetRow, sent: &Selection) -> Result<DrainChange> {
        let order = DrainOrder {
            action: DrainAction::parse(&row.action).ok_or(Error::NotFound("set"))?,
            dependants: Dependants::parse(&row.dependants).unwrap_or(Dependants::TakeAlong),
            patch: None,
        };
        let _turn = self.freezing.lock().await;
        let mut names = MemberNames::default();
        let selected = self.selected(cx, sent, &mut names).await?;
        let gathering = self.gathered(cx, selected, &order, &mut names).await?;
        let mut now: std::collections::HashSet<(i64, Box<str>)> =
            gathering.members.into_iter().map(|g| (g.client.0, g.member.operation_id)).collect();
        let (count, mut removed, mut after) = (now.len() as u64, 0, 0);
        loop {
            let stretch = self.store.sync().set_members(row.id, after, STRETCH).await?;
            let Some((last, ..)) = stretch.last() else { break };
            after = *last;
            for (_, client, operation) in stretch {
                removed += u64::from(!now.remove(&(client.0, operation.into_boxed_str())));
            }
        }
        Ok(DrainChange { frozen: row.entries.cast_unsigned(), now: count, added: now.len() as u64, removed })
    }

    pub(super) async fn job_row(&self, id: &str) -> Result<JobRow> {
        self.store.sync().job_view(job_number(id)?).await?.ok_or(Error::NotFound("job"))
    }

    /// Agrees, as the second person, to a job; never to one's own.
    ///
    /// # Errors
    /// Forbidden; not found; state conflict unless it waits for that.
    pub async fn drain_approve(&self, cx: &Cx, id: &str, remark: Option<&str>) -> Result<()> {
        self.job_judge(cx, id, JobChange::Approve, remark).await
    }

    /// Does not agree.
    ///
    /// # Errors
    /// As [`Service::drain_approve`].
    pub async fn drain_refuse(&self, cx: &Cx, id: &str, remark: Option<&str>) -> Result<()> {
        self.job_judge(cx, id, JobChange::Refuse, remark).await
    }

    async fn job_judge(&self, cx: &Cx, id: &str, change: JobChange, remark: Option<&str>) -> Result<()> {
        cx.require(Action::Approve)?;
        let row = self.job_row(id).await?;
        if self.person(&row.created_by).await? == self.person(&cx.actor.audit_name()).await? {
            return Err(Error::StateConflict("nobody approves or refuses a job of their own; a second person has to".to_owned()));
        }
        if change == JobChange::Approve && row.approve_until_ms.is_some_and(|until| until < cx.now.0) {
            return Err(Error::StateConflict("the time to approve it is over".to_owned()));
        }
        self.job_move(cx, &row, change, remark).await
    }

    /// Stops a job for now.
    ///
    /// # Errors
    /// Forbidden; not found; state conflict unless it is at work.
    pub async fn drain_pause(&self, cx: &Cx, id: &str, remark: Option<&str>) -> Result<()> {
        self.job_steer(cx, id, JobChange::Pause, remark).await
    }

    /// Lets a job go on.
    ///
    /// # Errors
    /// Forbidden; not found; state conflict unless it is paused.
    pub async fn drain_resume(&self, cx: &Cx, id: &str) -> Result<()> {
        self.job_steer(cx, id, JobChange::Resume, None).await
    }

    /// Leaves the rest of a job alone. What was done stays done; commands that no device has fetched are taken back.
    ///
    /// # Errors
    /// Forbidden; not found; state conflict when it is over.
    pub async fn drain_cancel(&self, cx: &Cx, id: &str, remark: Option<&str>) -> Result<()> {
        self.job_steer(cx, id, JobChange::Cancel, remark).await
    }

    /// Takes back what can be: what was not begun is left alone, commands that no device has fetched are taken back, what was
    /// quarantined, discarded, held or skipped here is put back.
    ///
    /// # Errors
    /// Forbidden; not found; state conflict when nothing was begun, it was taken back already, or its time for that is over,
    /// some of its entries were purged, or its items have rolled to a file.
    pub async fn drain_undo(&self, cx: &Cx, id: &str, remark: Option<&str>) -> Result<()> {
        let row = self.job_row(id).await?;
        Self::rolled_refuse(&row)?;
        self.purged_refuse(row.set_id).await?;
        if row.restore_until_ms.is_some_and(|until| until < cx.now.0) {
            return Err(Error::StateConflict("the time to take it back is over".to_owned()));
        }
        self.job_steer(cx, id, JobChange::Undo, remark).await
    }

    /// Says that somebody has seen the end of a job.
    ///
    /// # Errors
    /// Forbidden; not found; state conflict unless it is over.
    pub async fn drain_acknowledge(&self, cx: &Cx, id: &str) -> Result<()> {
        self.job_steer(cx, id, JobChange::Acknowledge, None).await
    }

    async fn job_steer(&self, cx: &Cx, id: &str, change: JobChange, remark: Option<&str>) -> Result<()> {
        cx.require(Action::Drain)?;
        let row = self.job_row(id).await?;
        cx.require(drain_action(row.entries.cast_unsigned()))?;
        self.job_move(cx, &row, change, remark).await
    }

    async fn job_move(&self, cx: &Cx, row: &JobRow, change: JobChange, remark: Option<&str>) -> Result<()> {
        let remark =
            remark.map(str::trim).filter(|remark| !remark.is_empty()).map(|remark| plain("remark", remark)).transpose()?;
        if remark.is_some_and(|remark| remark.chars().count() > REASON_CHARS_MAX) {
            return invalid("remark", format!("has {REASON_CHARS_MAX} characters at most"));
        }
        let by = JobMove {
            change,
            actor: cx.actor.audit_name(),
            request_id: cx.request_id.clone(),
            remark: remark.map(str::to_owned),
            at: cx.now,
        };
        match self.store.sync().job_change(row.id, by).await? {
            Ok(()) => Ok(()),
            Err(state) => {
                Err(Error::StateConflict(format!("the job is {}, so it cannot be {}", state.as_str(), done_word(change))))
            }
        }
    }

    /// Freezes what failed in a job, to do the same with it once more.
    ///
    /// # Errors
    /// Forbidden; not found; invalid with field `selection` when nothing of it is there any more; state conflict when its items have rolled
    /// to a file.
    pub async fn drain_retry_failed(&self, cx: &Cx, id: &str, code: Option<&str>) -> Result<DrainPreview> {
        cx.require(Action::Drain)?;
        let row = self.job_row(id).await?;
        let action = DrainAction::parse(&row.action).ok_or(Error::NotFound("job"))?;
        let dependants = Dependants::parse(&row.dependants).ok_or(Error::NotFound("job"))?;
        let order = DrainOrder {
            action,
            // Older jobs may have held something and let go what cannot go.
            dependants: if dependants.goes_with(action) { dependants } else { Dependants::Hold },
            patch: row.patch.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        };
        self.drain_preview(cx, order, Selection::Failed { job: row.name(), code: code.map(str::to_owned) }).await
    }
}

const fn done_word(change: JobChange) -> &'static str {
    match change {
        JobChange::Approve => "approved",
        JobChange::Refuse => "refused",
        JobChange::Pause => "paused",
        JobChange::Resume => "resumed",
        JobChange::Cancel => "cancelled",
        JobChange::Undo => "taken back",
        JobChange::Acknowledge => "acknowledged",
    }
}

/// The selection of a job, as it was submitted.
pub(super) fn selection_of(row: &JobRow) -> Selection {
    selection_read(&row.selection).unwrap_or(Selection::Entries(Vec::new()))
}
