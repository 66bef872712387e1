//! Deciding again: what a group of batches was decided from, and whether it would be decided the same way today.
//!
//! A capture holds everything that the engine read, so it can be replayed anywhere: on another machine, by another build,
//! under another revision of a policy. A group is replayed by itself, so one difference does not cause the next.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Batch, Catalogue, ClientKey, Collection, Decided, Effects, LogState, Rules, ScopeKey, WorkingSet, batch_apply};
use crate::ids::{ClientId, CollectionName, Scope};
use crate::policy::Policy;
use crate::sync::{BatchRefusal, Intent, IntentResult};
use crate::time::Millis;

/// A group of batches with everything that decided it.
#[derive(Clone, Debug)]
pub struct Captured {
    /// The log before it.
    pub before: LogState,
    /// What was read.
    pub set: WorkingSet,
    /// Collections, each with the revision that decided.
    pub catalogue: Arc<Catalogue>,
    /// In the order in which they were decided.
    pub batches: Vec<CapturedBatch>,
    /// The log after it.
    pub after: LogState,
}

/// One batch of a group.
#[derive(Clone, Debug)]
pub struct CapturedBatch {
    /// Who sent it.
    pub client: ClientKey,
    /// The same, by the public id.
    pub client_id: ClientId,
    /// Role of the device at that time.
    pub role: Option<String>,
    /// Its rank.
    pub role_rank: i64,
    /// Scopes it might write.
    pub scopes: Arc<HashMap<Scope, ScopeKey>>,
    /// When it arrived.
    pub now: Millis,
    /// What it asked for as a whole.
    pub rules: Rules,
    /// In order.
    pub intents: Vec<Intent>,
}

/// What a batch came to: one answer per intent, in order; or the code by which it was refused as a whole.
pub type Answered = Result<Vec<IntentResult>, &'static str>;

/// What a decided batch came to.
pub fn answered(done: &Result<Decided, BatchRefusal>) -> Answered {
    done.as_ref().map(|done| done.results.clone()).map_err(|refusal| refusal.problem.code)
}

/// What a replay of one group came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replayed {
    /// Batch by batch.
    pub answers: Vec<Answered>,
    /// The rows of the log are the same, byte for byte.
    pub same_log: bool,
}

/// Decides a captured group again, with the policies that decided it, or with those in `instead`.
#[must_use]
pub fn replay(captured: &Captured, instead: &HashMap<CollectionName, (i64, Policy)>) -> Replayed {
    let catalogue: Catalogue = captured.catalogue.iter().map(|(name, known)| (name.clone(), exchanged(known, instead))).collect();
    let (mut log, mut set, mut effects) = (captured.before, captured.set.clone(), Effects::default());
    let mut decide = |batch: &CapturedBatch| {
        let batch = Batch {
            client: batch.client,
            client_id: &batch.client_id,
            role: batch.role.as_deref(),
            role_rank: batch.role_rank,
            scopes: &batch.scopes,
            now: batch.now,
            intents: &batch.intents,
            rules: batch.rules,
        };
        answered(&batch_apply(&mut log, &mut set, &catalogue, &batch, &mut effects))
    };
    let answers = captured.batches.iter().map(&mut decide).collect();
    Replayed { answers, same_log: log == captured.after }
}

fn exchanged(known: &Arc<Collection>, instead: &HashMap<CollectionName, (i64, Policy)>) -> Arc<Collection> {
    match instead.get(&known.name) {
        Some((rev, policy)) => {
            Arc::new(Collection { key: known.key, name: known.name.clone(), policy: policy.clone(), policy_rev: *rev })
        }
        None => Arc::clone(known),
    }
}
