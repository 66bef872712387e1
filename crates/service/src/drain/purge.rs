//! Retention of payloads: how long each is kept, purging what is due, and the runs that did.

use tidewatch_domain::drain::{ArchiveState, DrainAction, ItemRetention, Keeping, PurgeRun, RESTORE_MS, Retention};
use tidewatch_domain::fleet::OutboxRow;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::role::Action;
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::purge::{NewPurge, PurgeStep};

use super::Pace;
use super::number::purge_number;
use super::submit::reason_check;
use crate::{Cx, Error, Result, Service};

/// Runs that are listed at a time.
const RUNS_MAX: u32 = 200;

/// What retention says, and what is due by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeReport {
    /// Days.
    pub retention: Retention,
    /// Of what became of each entry of a job.
    pub items: ItemRetention,
    /// Payloads that are due now.
    pub due: u64,
    /// Runs, newest first.
    pub runs: Vec<PurgeRun>,
}

impl Service {
    /// How long payloads of what was given up are kept.
    #[must_use]
    pub const fn retention(&self) -> Retention {
        self.retention
    }

    /// Until when a job of an action that begins now can be taken back: no longer than retention keeps what it gives up.
    pub(super) fn undo_until(&self, action: DrainAction, now: Millis) -> Millis {
        let keeps = ArchiveState::after(action).and_then(|state| self.retention.keeps_ms(state));
        now.plus(keeps.map_or(RESTORE_MS, |keeps| keeps.min(RESTORE_MS)))
    }

    /// From when on the payloads of an action that begins now may be purged; none when they are kept for ever.
    pub(super) fn purge_from(&self, action: DrainAction, now: Millis) -> Option<Millis> {
        self.retention.due(ArchiveState::after(action)?, now, None)
    }

    /// Does the next step of purging what is due, and begins a run when none is open.
    ///
    /// # Errors
    /// As the store. Nothing is removed that is not in a file; the next call goes on.
    pub async fn purge_work(&self, cx: &Cx) -> Result<Pace> {
        let sync = self.store.sync();
        if sync.purge_step(cx.now).await? == PurgeStep::Done {
            return Ok(Pace::Now);
        }
        if sync.purge_due(self.retention, cx.now, 1).await? == 0 {
            return Ok(Pace::Idle);
        }
        sync.purge_begin(self.new_purge(cx, None)).await?;
        Ok(Pace::Now)
    }

    fn new_purge(&self, cx: &Cx, reason: Option<String>) -> NewPurge {
        NewPurge {
            actor: cx.actor.audit_name(),
            reason,
            request_id: cx.request_id.clone(),
            retention: self.retention,
            now: cx.now,
        }
    }

    /// Begins a run for what is due now, before the clock does. `count` is what whoever asks has seen to be due.
    ///
    /// # Errors
    /// Forbidden but for admins; invalid with field `reason` or `count`; state conflict when nothing is due, another count is, or a run
    /// is under way.
    pub async fn purge_ask(&self, cx: &Cx, count: u64, reason: &str) -> Result<PurgeRun> {
        cx.require(Action::Purge)?;
        let reason = reason_check(reason)?;
        let due = self.purge_due(cx).await?;
        if due == 0 {
            return Err(Error::StateConflict("no payload is due: retention keeps all of them".to_owned()));
        }
        if due != count {
            return Err(Error::StateConflict(format!("{due} payloads are due, not {count}; nothing was done")));
        }
        let begun = self.store.sync().purge_begin(self.new_purge(cx, Some(reason))).await?;
        let run = begun.ok_or_else(|| Error::StateConflict("a run is under way".to_owned()))?;
        self.store.sync().purge_view(run).await?.ok_or(Error::NotFound("purge"))
    }

    async fn purge_due(&self, cx: &Cx) -> Result<u64> {
        Ok(self.store.sync().purge_due(self.retention, cx.now, tidewatch_store::sync::purge::DUE_MAX).await?)
    }

    /// What is kept how long, how much is due, and the newest runs, `rows` at most, below one when its number is given.
    ///
    /// # Errors
    /// Not found for a run that is none; as the store.
    pub async fn purge_report(&self, cx: &Cx, before: Option<&str>, rows: u32) -> Result<PurgeReport> {
        cx.require(Action::Look)?;
        let below = before.map_or(Ok(i64::MAX), purge_number)?;
        let runs = self.store.sync().purges_below(below, rows.clamp(1, RUNS_MAX)).await?;
        Ok(PurgeReport { retention: self.retention, items: self.item_retention, due: self.purge_due(cx).await?, runs })
    }

    /// One run.
    ///
    /// # Errors
    /// Not found.
    pub async fn purge_view(&self, cx: &Cx, id: &str) -> Result<PurgeRun> {
        cx.require(Action::Look)?;
        self.store.sync().purge_view(purge_number(id)?).await?.ok_or(Error::NotFound("purge"))
    }

    /// What becomes of the payloads of rows of a list. Only what was drained has anything to say.
    pub(crate) async fn keeping_add(&self, rows: &mut [OutboxRow]) -> Result<()> {
        let drained = |row: &&mut OutboxRow| row.entry.state.is_drained();
        let mut drained: Vec<&mut OutboxRow> = rows.iter_mut().filter(drained).collect();
        let entries: Vec<(&ClientId, &str)> =
            drained.iter().map(|row| (&row.entry.client_id, row.entry.operation_id.as_str())).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let kept: Vec<Option<Keeping>> = self.store.sync().letters_kept(&entries, self.retention).await?;
        for (row, kept) in drained.iter_mut().zip(kept) {
            row.keeping = kept;
        }
        Ok(())
    }

    /// Refuses to take back a job of whose entries some were purged.
    pub(super) async fn purged_refuse(&self, set: i64) -> Result<()> {
        let Some((entries, run)) = self.store.sync().set_purged(set).await? else { return Ok(()) };
        let words = format!(
            "{entries} of its entries were purged, by {run} last: their payloads are in exports, so the job cannot be taken back; \
             entries that are still kept can be restored one by one"
        );
        Err(Error::StateConflict(words))
    }
}
