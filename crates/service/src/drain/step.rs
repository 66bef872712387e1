//! A job at work: what the console does by itself. Each call does one step of every open job and says when to come again; everything that
//! a step needs is in the store, so a process that was killed goes on where it stopped.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;

use serde_json::Value;
use tidewatch_domain::drain::{DrainAction, JobChange, JobState, Unpatched, patched_id, patched_intent};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::report::EntryState;
use tidewatch_domain::sync::Intent;
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::drain::{
    CHUNK_ITEMS, CLAIM_ITEMS, ChunkItem, JobMove, JobRow, SystemMove, WaitingItem, Way, job_action,
};
use tidewatch_store::telemetry::{Member, MemberNames};
use tokio::sync::watch;

use crate::{Error, Result, Service};

/// Reads an archived intent of a device, given the schema version that the device was registered with. The text was read once before, so
/// it fails only for what was refused because it could not be read.
pub type IntentReader = fn(&ClientId, i64, &str) -> std::result::Result<Intent, String>;

/// When the jobs want to be called again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// Nothing is due until something happens, or about a second from now.
    Idle,
    /// In a moment: a rate holds a job back.
    Soon,
    /// At once.
    Now,
}

/// Chunks that a job without a rate works off before another job has its turn: about a sixth of a second.
const CHUNKS_AT_ONCE: u32 = 4;

/// Budgets of jobs that have a rate: when they were last filled, and what is in them.
#[derive(Debug, Default)]
pub(crate) struct Budgets(std::sync::Mutex<HashMap<i64, (Millis, f64)>>);

impl Budgets {
    /// Items that a job may begin now.
    fn take(&self, job: i64, rate: Option<i64>, now: Millis) -> u32 {
        let Some(rate) = rate else { return CHUNK_ITEMS };
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What a job has saved up is a second's worth at most.
        let (since, saved) = budgets.get(&job).copied().unwrap_or((now, 1.0));
        let filled = (saved + now.since(since).max(0) as f64 * rate as f64 / 1_000.0).min(rate as f64);
        let taken = filled.floor().clamp(0.0, f64::from(CHUNK_ITEMS));
        budgets.insert(job, (now, filled - taken));
        taken as u32
    }

    fn keep(&self, open: &[i64]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|job, _| open.contains(job));
    }
}

impl Service {
    /// Does one step of every open job.
    ///
    /// # Errors
    /// As the store. What was committed before stays.
    pub async fn drain_work(&self, now: Millis) -> Result<Pace> {
        let open = self.store.sync().jobs_open(0).await?;
        self.budgets.keep(&open);
        let mut pace = Pace::Idle;
        for id in open {
            let Some(row) = self.store.sync().job_view(id).await? else { continue };
            pace = pace.max(self.job_step(row, now).await?);
        }
        Ok(pace)
    }

    /// Drops sets that nobody has submitted in time, a stretch at a time; answers whether there is more.
    ///
    /// # Errors
    /// As the store.
    pub async fn drain_tidy(&self, now: Millis) -> Result<bool> {
        Ok(self.store.sync().sets_drop(now).await?)
    }

    /// Wakes after each commit that changed an entry of the archive or a job.
    #[must_use]
    pub fn drain_watch(&self) -> watch::Receiver<u64> {
        self.store.sync().drain_watch()
    }

    async fn job_step(&self, row: JobRow, now: Millis) -> Result<Pace> {
        let sync = self.store.sync();
        match row.job_state() {
            JobState::Requested if row.approve_until_ms.is_some_and(|until| until < now.0) => {
                let by = JobMove {
                    change: JobChange::Refuse,
                    actor: "system".to_owned(),
                    request_id: row.request_id.clone(),
                    remark: Some("nobody has approved it in time".to_owned()),
                    at: now,
                };
                // Somebody may have approved it this very moment; then it is at work.
                let _ = sync.job_change(row.id, by).await?;
                Ok(Pace::Now)
            }
            JobState::Requested | JobState::Paused => Ok(Pace::Idle),
            JobState::Canary | JobState::Running if !claimed(&row) => {
                sync.job_claim(row.id, now).await?;
                Ok(Pace::Now)
            }
            JobState::Canary => self.canary_step(&row, now).await,
            JobState::Running => self.run_step(&row, now).await,
            JobState::Done | JobState::Cancelled | JobState::Refused | JobState::Undone if row.undo_n.is_some() => {
                sync.job_sweep(row.id, now).await?;
                Ok(Pace::Now)
            }
            JobState::Done | JobState::Cancelled | JobState::Refused | JobState::Undone => Ok(Pace::Idle),
        }
    }

    async fn run_step(&self, row: &JobRow, now: Millis) -> Result<Pace> {
        let sync = self.store.sync();
        if row.waiting == 0 {
            if row.sent == 0 {
                sync.job_moved(row.id, SystemMove::Done, now).await?;
                return Ok(Pace::Now);
            }
            return Ok(Pace::Idle);
        }
        let budget = self.budgets.take(row.id, row.rate_per_s, now);
        if budget == 0 {
            return Ok(Pace::Soon);
        }
        let mut waiting = sync.items_waiting(row.set_id, row.next_n, budget, decides(row)).await?;
        if waiting.is_empty() {
            // What was passed over: its payload came in while its chunk was under way.
            waiting = sync.items_waiting(row.set_id, 0, budget, decides(row)).await?;
        }
        if row.rate_per_s.is_some() {
            let items = self.prepared(row, waiting, now).await?;
            sync.job_chunk(row.id, items, now).await?;
            return Ok(Pace::Soon);
        }
        for _ in 0..CHUNKS_AT_ONCE {
            let items = self.prepared(row, waiting, now).await?;
            let Some(last) = items.iter().map(|item| item.n).max() else { break };
            // The next chunk is read while this one is written: nobody but this job touches items of its own that wait.
            let next = sync.items_waiting(row.set_id, last, CHUNK_ITEMS, decides(row));
            let (whole, next) = tokio::join!(sync.job_chunk(row.id, items, now), next);
            if !whole? {
                break;
            }
            waiting = next?;
        }
        Ok(Pace::Now)
    }

    /// Reads what a chunk needs before the writer has to do with it.
    pub(super) async fn prepared(&self, row: &JobRow, waiting: Vec<WaitingItem>, now: Millis) -> Result<Vec<ChunkItem>> {
        let patch: Option<Value> = row.patch.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let sync = self.store.sync();
        let held = self.held_on_devices(row, &waiting).await?;
        let item = |(item, apart): (WaitingItem, Option<String>)| {
            let client = ClientKey(item.client);
            let client_id = sync.client_id_of(client)?;
            let action = match job_action(row, item.behind) {
                // The correction is meant for what was selected; the rest of its group is right as it is.
                DrainAction::Patch if item.along => DrainAction::Retry,
                action => action,
            };
            let way = match apart {
                Some(words) => Way::Apart(words),
                // Without a payload there is nothing to put back, except what its device holds.
                None if action == DrainAction::Restore && item.state.is_none() && !held.contains(&item.n) => Way::Move,
                None => self.way(row, &client_id, &item, action, patch.as_ref(), now),
            };
            let together = item.together;
            Some(ChunkItem { n: item.n, client, client_id, operation_id: item.operation_id, action, together, way })
        };
        Ok(self.groups_complete(row, waiting).await?.into_iter().filter_map(item).collect())
    }

    /// Places of what is to be restored, is not in the archive, and is held by its device.
    async fn held_on_devices(&self, row: &JobRow, waiting: &[WaitingItem]) -> Result<HashSet<i64>> {
        if DrainAction::parse(&row.action) != Some(DrainAction::Restore) {
            return Ok(HashSet::new());
        }
        let sync = self.store.sync();
        let named = |item: &WaitingItem| Some((sync.client_id_of(ClientKey(item.client))?, item.operation_id.clone()));
        let places: HashMap<(ClientId, String), i64> =
            waiting.iter().filter(|item| item.state.is_none()).filter_map(|item| Some((named(item)?, item.n))).collect();
        let entries: Vec<(ClientId, String)> = places.keys().cloned().collect();
        let members = self.store.telemetry().outbox_members_of(&entries, &mut MemberNames::default()).await?;
        let held = members.into_iter().filter(|member| member.state == EntryState::Held);
        let place = |member: Member| places.get(&(member.device.client_id.clone(), member.operation_id.into_string())).copied();
        Ok(held.filter_map(place).collect())
    }

    fn way(
        &self,
        row: &JobRow,
        client_id: &ClientId,
        item: &WaitingItem,
        action: DrainAction,
        patch: Option<&Value>,
        now: Millis,
    ) -> Way {
        if item.state.is_none() {
            return Way::OnDevice;
        }
        let raw = item.mutation.as_deref().unwrap_or_default();
        let fails = |code: &'static str, detail: String| Way::Fails(code, detail);
        match action {
            DrainAction::Hold | DrainAction::Skip | DrainAction::Quarantine | DrainAction::Discard | DrainAction::Restore => {
                Way::Move
            }
            DrainAction::Retry => match self.intent_read(client_id, raw) {
                Ok(Intent::Invalid { problem, .. }) => fails(problem.code, problem.detail),
                Ok(intent) => Way::Decide(Box::new(intent)),
                Err(words) => fails("unreadable", words),
            },
            DrainAction::ToConflict => match self.intent_read(client_id, raw) {
                Ok(Intent::Valid(mutation)) => Way::Conflict(mutation),
                Ok(Intent::Invalid { problem, .. }) => fails(problem.code, problem.detail),
                Err(words) => fails("unreadable", words),
            },
            DrainAction::Patch => match self.patched(client_id, raw, &item.operation_id, &row.name(), patch, now) {
                Ok((_, Intent::Invalid { problem, .. })) => fails(problem.code, problem.detail),
                Ok((original, copy)) => Way::Patched { original: Box::new(original), copy: Box::new(copy) },
                Err(unpatched) if unpatched.is_not_meant() => Way::NotMeant(unpatched.words),
                Err(Unpatched { code, words }) => fails(code, words),
            },
        }
    }

    pub(super) fn intent_read(&self, client_id: &ClientId, raw: &str) -> std::result::Result<Intent, String> {
        let schema = self.store.sync().client(client_id).and_then(|known| known.schema_version).unwrap_or(1);
        match self.reader {
            Some(read) => read(client_id, schema, raw),
            None => Err("this process does not read intents".to_owned()),
        }
    }

    /// An intent and its corrected copy.
    pub(super) fn patched(
        &self,
        client_id: &ClientId,
        raw: &str,
        operation_id: &str,
        job: &str,
        patch: Option<&Value>,
        now: Millis,
    ) -> std::result::Result<(Intent, Intent), Unpatched> {
        let operations = patch.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let copy = patched_intent(raw, operations, &patched_id(operation_id, job), now)?;
        let read = |raw: &str| self.intent_read(client_id, raw).map_err(Unpatched::failed);
        Ok((read(raw)?, read(&copy)?))
    }
}

/// Whether the items of a job are its own. Those of a small one that nobody goes ahead for are taken with its first chunk.
fn claimed(row: &JobRow) -> bool {
    let with_chunk = row.job_state() == JobState::Running && row.claimed_n == 0 && row.entries <= CLAIM_ITEMS;
    row.claimed_n >= row.entries || with_chunk
}

/// Whether a job needs the intents of its items.
pub(super) fn decides(row: &JobRow) -> bool {
    DrainAction::parse(&row.action).is_some_and(DrainAction::decides)
}

impl Error {
    /// Whether coming again in a moment can help.
    #[must_use]
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Overloaded { .. } | Self::RateLimited { .. } | Self::InFlight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_gives_out_its_share_of_a_second_and_saves_up_one_at_most() {
        let (budgets, start) = (Budgets::default(), Millis(1_000_000));
        assert_eq!(budgets.take(1, None, start), CHUNK_ITEMS, "as fast as it goes");
        assert_eq!(budgets.take(1, Some(50), start), 1, "the first goes at once");
        assert_eq!(budgets.take(1, Some(50), start.plus(10)), 0);
        assert_eq!(budgets.take(1, Some(50), start.plus(100)), 5);
        assert_eq!(budgets.take(1, Some(50), start.plus(60_000)), 50, "a minute's pause is no licence for a flood");
        assert_eq!(budgets.take(2, Some(10_000), start), 1, "each job has its own");
        assert_eq!(budgets.take(2, Some(10_000), start.plus(1_000)), CHUNK_ITEMS, "a chunk at most");
        budgets.keep(&[2]);
        assert_eq!(budgets.take(1, Some(50), start.plus(60_000)), 1, "a job that is over leaves nothing behind");
    }
}
