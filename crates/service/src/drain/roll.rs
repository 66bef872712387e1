//! Items of jobs that are long over: which of them roll to a file, and what is said of those that have.

use std::sync::PoisonError;

use tidewatch_domain::drain::{DrainAction, ItemRetention};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_store::sync::drain::{FailedItem, JobRow};
use tidewatch_store::sync::roll::{RollPlace, RollStep};
use tidewatch_store::telemetry::MemberNames;

use super::Pace;
use super::selection::STRETCH;
use crate::{Cx, Error, Result, Service};

/// Jobs that are looked at before the clock has another turn: those of which something can still be tried again stay.
const LOOKS_AT_ONCE: usize = 100;

impl Service {
    /// How long what became of each entry of a job is kept in the store once the job is over.
    #[must_use]
    pub const fn item_retention(&self) -> ItemRetention {
        self.item_retention
    }

    /// Does the next step of moving items of old jobs to files. A round looks at every job whose retention is over, a hundred a turn.
    ///
    /// # Errors
    /// As the store. Nothing goes that is not in a file; the next call goes on.
    pub async fn roll_work(&self, cx: &Cx) -> Result<Pace> {
        let sync = self.store.sync();
        if sync.roll_step(cx.now).await? == RollStep::Done {
            return Ok(Pace::Now);
        }
        for _ in 0..LOOKS_AT_ONCE {
            let next = sync.roll_next(self.item_retention, cx.now, self.roll_place(None)).await?;
            self.roll_place(Some(next.unwrap_or_default()));
            let Some(next) = next else { return Ok(Pace::Idle) };
            let Some(row) = sync.job_view(next.job).await? else { continue };
            if !self.can_retry(&row).await? && sync.roll_write(next.job, cx.now).await? {
                return Ok(Pace::Now);
            }
        }
        Ok(Pace::Idle)
    }

    /// Where the round has come to, and where it is from here on.
    fn roll_place(&self, to: Option<RollPlace>) -> RollPlace {
        let mut place = self.rolls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(to) = to {
            *place = to;
        }
        *place
    }

    /// Whether something that failed in a job could be tried again: it is listed, and where it stands the action of the job may be taken.
    async fn can_retry(&self, row: &JobRow) -> Result<bool> {
        if row.failed == 0 {
            return Ok(false);
        }
        let action = DrainAction::parse(&row.action).ok_or(Error::NotFound("job"))?;
        let mut after = 0;
        loop {
            let stretch = self.store.sync().failed_members(row.id, None, after, STRETCH).await?;
            let Some(last) = stretch.last() else { return Ok(false) };
            after = last.n;
            if self.can_retry_some(action, &stretch).await? {
                return Ok(true);
            }
        }
    }

    async fn can_retry_some(&self, action: DrainAction, failed: &[FailedItem]) -> Result<bool> {
        let sync = self.store.sync();
        let named = |item: &FailedItem| Some((sync.client_id_of(ClientKey(item.client))?, item.operation_id.clone()));
        let entries: Vec<(ClientId, String)> = failed.iter().filter_map(named).collect();
        let mut listed = Vec::new();
        self.gather(self.store.telemetry().outbox_members_of(&entries, &mut MemberNames::default()).await?, false, &mut listed);
        self.looked_up(&mut listed).await?;
        Ok(listed.iter().any(|gathered| match gathered.look.letter {
            Some((_, state)) => state.allows(action),
            // Only its device has it: it may be told once more.
            None => !gathered.member.state.is_drained(),
        }))
    }

    /// Refuses what needs the items of a job that has rolled, and says where they are.
    pub(super) fn rolled_refuse(row: &JobRow) -> Result<()> {
        match row.rolled_items() {
            Some(rolled) => Err(Error::StateConflict(format!("of {}, {}", row.name(), rolled.words()))),
            None => Ok(()),
        }
    }

    /// The same for the set of a job.
    pub(super) async fn rolled_set_refuse(&self, job: Option<i64>) -> Result<()> {
        let Some(job) = job else { return Ok(()) };
        self.store.sync().job_view(job).await?.as_ref().map_or(Ok(()), Self::rolled_refuse)
    }
}
