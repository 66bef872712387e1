//! Lets somebody see what decides each group of batches, so that it can be decided again elsewhere.

use std::sync::Arc;

use tidewatch_domain::engine::capture::{Answered, Captured, CapturedBatch, answered};
use tidewatch_domain::engine::{Catalogue, Decided, LogState, WorkingSet};
use tidewatch_domain::ids::CollectionName;
use tidewatch_domain::sync::{BatchRefusal, Intent};
use tidewatch_domain::time::Millis;
use tokio::sync::mpsc;

use super::Sync;
use super::statements::{POLICY_REVISION_AT, VERIFY_POLICIES};
use crate::Result;

/// A group with the answers that were given, batch by batch.
pub type CapturedGroup = (Captured, Vec<Answered>);

/// Groups that wait to be written down. The writer waits, too, when there are more.
const WAITING_MAX: usize = 64;

/// A group under way that somebody wants to see.
#[derive(Debug)]
pub(crate) struct Capture {
    to: mpsc::Sender<CapturedGroup>,
    before: LogState,
    set: WorkingSet,
    batches: Vec<CapturedBatch>,
    answers: Vec<Answered>,
}

impl Capture {
    /// Notes what a group begins with, when somebody wants to see it.
    pub(crate) fn begin(to: Option<mpsc::Sender<CapturedGroup>>, before: LogState, set: &WorkingSet) -> Option<Self> {
        to.map(|to| Self { to, before, set: set.clone(), batches: Vec::new(), answers: Vec::new() })
    }

    /// Notes a batch and what it came to.
    pub(crate) fn batch(&mut self, batch: CapturedBatch, done: &std::result::Result<Decided, BatchRefusal>) {
        self.batches.push(batch);
        self.answers.push(answered(done));
    }

    /// The group, once it is decided. Of the collections it keeps those that it touches.
    pub(crate) fn finish(self, catalogue: &Catalogue, after: LogState) -> Seen {
        let Self { to, before, set, batches, answers } = self;
        let touched = |name: &CollectionName| {
            let mut intents = batches.iter().flat_map(|batch| &batch.intents);
            intents.any(|intent| matches!(intent, Intent::Valid(mutation) if mutation.collection == *name))
        };
        let known = catalogue.iter().filter(|(name, _)| touched(name));
        let catalogue = Arc::new(known.map(|(name, known)| (name.clone(), Arc::clone(known))).collect());
        Seen { to, group: (Captured { before, set, catalogue, batches, after }, answers) }
    }
}

/// A decided group, to be shown after its commit.
#[derive(Debug)]
pub(crate) struct Seen {
    to: mpsc::Sender<CapturedGroup>,
    group: CapturedGroup,
}

impl Seen {
    /// Shows it. Somebody who has gone away is no reason to stop.
    pub(crate) async fn show(self) {
        let _ = self.to.send(self.group).await;
    }
}

impl Sync {
    /// Shows every group that is committed from now on, to the latest caller.
    #[must_use]
    pub fn capture(&self) -> mpsc::Receiver<CapturedGroup> {
        let (to, from) = mpsc::channel(WAITING_MAX);
        *self.shared.capture.lock().expect("no holder of this lock panics") = Some(to);
        from
    }

    /// Every revision of every policy, as JSON text.
    ///
    /// # Errors
    /// As the database.
    pub async fn policy_revisions(&self) -> Result<Vec<(CollectionName, i64, String)>> {
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(VERIFY_POLICIES).fetch_all(&self.readers).await?;
        let live = self.shared.live();
        let named = rows.into_iter().filter_map(|(key, rev, policy)| {
            let name = live.collection_name(tidewatch_domain::engine::CollectionKey(key))?;
            Some((name.clone(), rev, policy))
        });
        Ok(named.collect())
    }

    /// The revision of the configuration of collections as it was at an instant: the sum of theirs.
    ///
    /// # Errors
    /// As the database.
    pub async fn policy_revision_at(&self, at: Millis) -> Result<i64> {
        Ok(sqlx::query_scalar(POLICY_REVISION_AT).bind(at.0).fetch_one(&self.readers).await?)
    }
}
