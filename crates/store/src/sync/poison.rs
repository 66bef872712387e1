//! Intents that the store itself fails on. A commit that fails says nothing of which intent is at fault, so each of its intents
//! is counted; one that was there twice is sent alone, and when that fails as well, it is answered `poisoned` and kept as a dead
//! letter. Whoever was only near it comes through alone and is forgotten here. A disk that is full says nothing of any intent.
//!
//! Without this, one intent that cannot be written would hold up its device's queue for ever.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use tidewatch_domain::ids::{ClientId, OperationId, Seq};
use tidewatch_domain::sync::{BatchRefusal, Intent, IntentProblem, Push, PushAnswer};
use tidewatch_domain::time::Millis;

use super::Sync;
use crate::{Error, Result};

/// Failures after which an intent is tried alone; the next one is the last.
const FAILURES_MAX: u8 = 2;
/// Most intents that are counted.
const COUNTED_MAX: usize = 10_000;

/// How often commits with an intent have failed.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    counts: Mutex<HashMap<(ClientId, OperationId), u8>>,
}

fn problem() -> IntentProblem {
    let detail = "the store has failed on it three times; it will not be tried again".to_owned();
    IntentProblem { code: "poisoned", status: 422, retryable: false, retry_after_ms: None, detail }
}

impl Failures {
    /// The places of intents that must be tried alone; empty, without a look-up for each, while nothing fails.
    fn suspects(&self, push: &Push) -> Vec<usize> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.is_empty() {
            return Vec::new();
        }
        let failed = |intent: &Intent| counts.get(&(push.client_id.clone(), intent.operation_id().clone())).copied().unwrap_or(0);
        push.intents.iter().enumerate().filter(|(_, intent)| failed(intent) >= FAILURES_MAX).map(|(at, _)| at).collect()
    }

    /// Counts what a batch came to, as far as that says anything of its intents.
    fn learn(&self, push: &Push, answer: &Result<PushAnswer>) {
        match answer {
            Err(Error::CommitFailed(_)) => self.note(push),
            Err(Error::StorageFull(_)) => {}
            _ => self.forget(push),
        }
    }

    fn note(&self, push: &Push) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() + push.intents.len() > COUNTED_MAX {
            counts.clear();
        }
        for intent in &push.intents {
            let count = counts.entry((push.client_id.clone(), intent.operation_id().clone())).or_default();
            *count = count.saturating_add(1);
        }
    }

    fn forget(&self, push: &Push) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.is_empty() {
            for intent in &push.intents {
                counts.remove(&(push.client_id.clone(), intent.operation_id().clone()));
            }
        }
    }
}

impl Sync {
    /// Decides a batch; intents on which the store has failed before are tried alone.
    pub(super) async fn push_watched(&self, push: Push, since: Option<Seq>, now: Millis) -> Result<PushAnswer> {
        let suspects = self.failures.suspects(&push);
        if suspects.is_empty() {
            return self.push_counted(push, since, now).await;
        }
        if push.terms.atomic {
            return match self.push_counted(push, since, now).await {
                Err(Error::CommitFailed(_)) => {
                    let intents = suspects.into_iter().map(|at| (at, problem())).collect();
                    Err(Error::Refused(Box::new(BatchRefusal { problem: problem(), intents })))
                }
                other => other,
            };
        }
        let mut whole = PushAnswer { committed: self.head(), results: Vec::with_capacity(push.intents.len()) };
        for part in parts(&push.intents, &suspects) {
            let alone = suspects.iter().any(|at| part.contains(at));
            let some = Push { intents: push.intents[part].to_vec(), ..push.clone() };
            let refused = Push { intents: some.intents.iter().map(|intent| intent.refused(problem())).collect(), ..push.clone() };
            let answer = match self.push_counted(some, since, now).await {
                Err(Error::CommitFailed(_)) if alone => self.push_counted(refused, since, now).await?,
                other => other?,
            };
            whole.committed = answer.committed;
            whole.results.extend(answer.results);
        }
        Ok(whole)
    }

    async fn push_counted(&self, push: Push, since: Option<Seq>, now: Millis) -> Result<PushAnswer> {
        let push = Arc::new(push);
        let answer = self.push_once(Arc::clone(&push), since, now).await;
        self.failures.learn(&push, &answer);
        answer
    }
}

/// A batch in parts: every suspect alone, or with the rest of its group; the others together, in order.
fn parts(intents: &[Intent], suspects: &[usize]) -> Vec<Range<usize>> {
    let mut parts: Vec<(Range<usize>, bool)> = Vec::new();
    let mut at = 0;
    for unit in intents.chunk_by(|one, next| one.group().is_some() && one.group() == next.group()) {
        let range = at..at + unit.len();
        at = range.end;
        let suspect = suspects.iter().any(|at| range.contains(at));
        match parts.last_mut() {
            Some((last, false)) if !suspect => last.end = range.end,
            _ => parts.push((range, suspect)),
        }
    }
    parts.into_iter().map(|(range, _)| range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::tests::{batch, intent};

    #[test]
    fn a_full_disk_neither_counts_against_an_intent_nor_clears_it() {
        use tidewatch_domain::sync::MutationOp;
        let push = batch(1, vec![intent("op-1", MutationOp::Create, "assets", "a-1", serde_json::json!({"n": 1}))]);
        let failures = Failures::default();
        let full = || Err(Error::StorageFull("database or disk is full".to_owned()));
        let failed = || Err(Error::CommitFailed("broken".to_owned()));
        for answer in [full(), full(), full(), failed(), full()] {
            failures.learn(&push, &answer);
            assert_eq!(failures.suspects(&push), Vec::<usize>::new());
        }
        failures.learn(&push, &failed());
        assert_eq!(failures.suspects(&push), [0], "twice failed, whatever was between");
        failures.learn(&push, &full());
        assert_eq!(failures.suspects(&push), [0]);
    }
}
