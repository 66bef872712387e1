//! What an intent has to wait for: the operations that it depends on, and in strict batches the counter of its device.
//!
//! Nothing is reordered here. An intent that comes too early is deferred, which is no answer: nothing of it is remembered, and
//! the device sends it again. What can never come true is refused, so that no intent waits for ever.

use std::collections::{HashMap, HashSet};

use super::guard::{is_beyond_horizon, problem, queued_at, uuid_v7_millis};
use super::{Turn, answer};
use crate::hlc::Hlc;
use crate::ids::{IdempotencyKey, OperationId};
use crate::sync::{Intent, IntentProblem, IntentResult, IntentStatus, Mutation};

/// When a deferred intent may come again.
const RETRY_AFTER_MS: i64 = 2_000;

/// Why an intent is not decided now.
#[derive(Debug)]
pub(super) enum Hold {
    /// Too early.
    Deferred(IntentProblem),
    /// Never.
    Refused(IntentProblem),
    /// Its answer was given, stored by the device and forgotten here: a stray repeat, which changes nothing.
    Past(IntentProblem),
}

/// What became of an operation that others depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered, and not refused.
    Stands,
    /// Refused.
    Failed,
}

impl Outcome {
    fn of(answer: &IntentResult) -> Option<Self> {
        // A conflict that nobody keeps will be settled under another id: this one never stands.
        let returned = answer.status == IntentStatus::Conflict && answer.conflict_id.is_none();
        match answer.status {
            _ if returned => Some(Self::Failed),
            IntentStatus::Rejected => Some(Self::Failed),
            IntentStatus::Deferred | IntentStatus::Unknown => None,
            _ => Some(Self::Stands),
        }
    }
}

fn wait(code: &'static str, detail: String) -> IntentProblem {
    IntentProblem { retryable: true, retry_after_ms: Some(RETRY_AFTER_MS), ..problem(code, 424, detail) }
}

/// The answer to an intent that came too early.
pub(super) fn deferred(operation_id: &OperationId, problem: IntentProblem) -> IntentResult {
    let mut answer = answer::blank(operation_id.clone(), IntentStatus::Deferred);
    answer.problem = Some(problem);
    answer
}

impl Turn<'_> {
    /// The counter of the device: nothing that it has put behind itself, and without gaps in a strict batch.
    pub(super) fn order_check(&self, mutation: &Mutation) -> Result<(), Hold> {
        let past = || {
            let detail = "the device has stored the answer to an intent with this `client_seq`; it is not remembered any more";
            Hold::Past(problem("dedupe_horizon_passed", 422, detail))
        };
        if mutation.client_seq.is_some_and(|seq| seq <= self.batch.rules.ack_floor) {
            return Err(past());
        }
        let Some(last) = self.sequence else { return Ok(()) };
        match mutation.client_seq {
            None => Err(Hold::Refused(problem("schema_invalid", 422, "client_seq: is required in a strict batch"))),
            Some(seq) if seq <= last => Err(past()),
            Some(seq) if seq == last + 1 => Ok(()),
            Some(_) => Err(Hold::Deferred(wait("out_of_order", format!("`client_seq` must be {} next", last + 1)))),
        }
    }

    /// Every operation that this one depends on stands.
    pub(super) fn dependencies_check(&self, mutation: &Mutation) -> Result<(), Hold> {
        let Some(terms) = &mutation.terms else { return Ok(()) };
        if terms.depends_on.is_empty() {
            return Ok(());
        }
        let failed = |detail: String| Hold::Refused(problem("dependency_failed", 422, detail));
        if self.circular.contains(&mutation.operation_id) {
            return Err(failed("`depends_on` leads in a circle".to_owned()));
        }
        let found = |operation: &OperationId| self.outcome(operation);
        if let Some(lost) = terms.depends_on.iter().find(|operation| found(operation) == Some(Outcome::Failed)) {
            return Err(failed(format!("`{lost}`, which it depends on, was refused")));
        }
        let mut missing = terms.depends_on.iter().filter(|operation| found(operation).is_none());
        if let Some(lost) = missing.clone().find(|operation| self.never_answered(operation, mutation)) {
            let detail = format!("`{lost}`, which it depends on, has no answer here and is too old to get one");
            return Err(failed(detail));
        }
        match missing.next() {
            Some(missing) => {
                Err(Hold::Deferred(wait("dependency_missing", format!("`{missing}`, which it depends on, is not answered yet"))))
            }
            None => Ok(()),
        }
    }

    /// Whether an operation without an answer will never have one: it is beyond the horizon by the time in its id, so it would be
    /// refused if it came. When its id has no time, it is as old as the oldest that waits for it may be: an intent whose own age is told by
    /// nothing but its stamp waits no longer than one whose age is known.
    fn never_answered(&self, operation: &OperationId, waiting: &Mutation) -> bool {
        let stamped = || Hlc::parse(waiting.logical_timestamp.as_deref()?).map(|stamp| stamp.ticks.millis());
        let at = match (uuid_v7_millis(operation.as_str()), queued_at(waiting)) {
            (Some(at), _) => Some(at),
            // Its own age is told, and has been looked at.
            (None, Some(_)) => None,
            (None, None) => stamped(),
        };
        at.is_some_and(|at| is_beyond_horizon(at, self.now))
    }

    fn outcome(&self, operation: &OperationId) -> Option<Outcome> {
        let client = self.batch.client;
        let known = self.set.outcomes.get(&(client, operation.clone())).copied();
        known.or_else(|| {
            let key = IdempotencyKey::parse(operation.as_str()).ok()?;
            Outcome::of(&self.set.memory.get(&(client, key))?.answer)
        })
    }

    /// Notes a final answer for whoever depends on it or comes next.
    pub(super) fn settled(&mut self, intent: &Intent, answer: &IntentResult) {
        if let (Some(last), true) = (&mut self.sequence, answer.status.is_final()) {
            // An intent without a readable counter can only be the next one; else it would hold up all after it for ever.
            let seq = intent.client_seq().unwrap_or(if matches!(intent, Intent::Invalid { .. }) { *last + 1 } else { *last });
            if seq == *last + 1 {
                *last = seq;
            }
        }
        if self.linked
            && !answer.replayed
            && let Some(outcome) = Outcome::of(answer)
        {
            self.set.outcomes.insert((self.batch.client, intent.operation_id().clone()), outcome);
        }
    }
}

/// The intents of a batch that depend on each other in a circle, or on one that does. Answered intents are out of it:
/// `answered` tells which.
pub(super) fn circular(intents: &[Intent], answered: impl Fn(&Mutation) -> bool) -> HashSet<OperationId> {
    let open = intents.iter().filter_map(|intent| match intent {
        Intent::Valid(mutation) if !answered(mutation) => Some(&**mutation),
        _ => None,
    });
    let open: HashMap<&OperationId, &Mutation> = open.map(|mutation| (&mutation.operation_id, mutation)).collect();
    let parents = |mutation: &Mutation| -> Vec<OperationId> {
        let named = mutation.terms.as_deref().map(|terms| terms.depends_on.as_slice()).unwrap_or_default();
        let mut inside: Vec<OperationId> = named.iter().filter(|id| open.contains_key(id)).cloned().collect();
        inside.sort_unstable();
        inside.dedup();
        inside
    };
    let (mut waits, mut children) = (HashMap::new(), HashMap::<OperationId, Vec<&OperationId>>::new());
    let mut free: Vec<&OperationId> = Vec::new();
    for (id, mutation) in &open {
        let parents = parents(mutation);
        if parents.is_empty() {
            free.push(id);
        } else {
            waits.insert(*id, parents.len());
        }
        for parent in parents {
            children.entry(parent).or_default().push(id);
        }
    }
    while let Some(id) = free.pop() {
        for child in children.remove(id).unwrap_or_default() {
            let left = waits.get_mut(child).expect("whoever has a parent waits");
            *left -= 1;
            if *left == 0 {
                waits.remove(child);
                free.push(child);
            }
        }
    }
    waits.into_keys().cloned().collect()
}
