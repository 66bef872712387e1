//! Intents that stand or fall together: groups inside a batch, and atomic batches.
//!
//! Invariant: of a group, and of an atomic batch, either every intent is in the log (or had nothing to change) or none is. A
//! group that fails is answered and remembered like any refusal; a batch that fails leaves nothing behind at all.

use super::guard::problem;
use super::order::Hold;
use super::savepoint::Savepoint;
use super::{Catalogue, Turn, refused};
use crate::digest::meaning_digest;
use crate::sync::{BatchRefusal, Intent, IntentProblem, IntentResult, IntentStatus, Mutation};

/// Intents at fault that a refusal names.
const NAMED_MAX: usize = 20;

/// Whether the intent did what it was sent for.
fn stands(result: &IntentResult) -> bool {
    matches!(result.status, IntentStatus::Applied | IntentStatus::Merged)
}

/// Why a result keeps others from standing.
fn fault(result: &IntentResult) -> IntentProblem {
    match (result.status, &result.problem) {
        (IntentStatus::Rejected | IntentStatus::Deferred, Some(problem)) => problem.clone(),
        _ => problem("version_conflict", 409, "the record has changed since the base of this intent"),
    }
}

impl Turn<'_> {
    /// Every intent in order; those of a group together.
    pub(super) fn in_order(&mut self, catalogue: &Catalogue) -> Vec<IntentResult> {
        let intents = self.batch.intents;
        let mut results = Vec::with_capacity(intents.len());
        while let Some(next) = intents.get(results.len()) {
            let rest = &intents[results.len()..];
            match next.group() {
                None => results.push(self.intent(catalogue, next)),
                Some(name) => {
                    let end = rest.iter().position(|intent| intent.group() != Some(name)).unwrap_or(rest.len());
                    results.extend(self.group(catalogue, &rest[..end]));
                }
            }
        }
        results
    }

    fn group(&mut self, catalogue: &Catalogue, members: &[Intent]) -> Vec<IntentResult> {
        if members.iter().any(|member| self.is_past(member)) {
            return members.iter().map(|member| self.recalled(member)).collect();
        }
        let (before, first) = (Savepoint::take(self, catalogue, members), self.effects.dead_letters.len());
        let results: Vec<IntentResult> = members.iter().map(|member| self.intent(catalogue, member)).collect();
        if results.iter().all(stands) || results.iter().all(|result| result.replayed) {
            return results;
        }
        let letters = self.effects.dead_letters.split_off(first);
        before.restore(self);
        let waits = results.iter().find(|result| result.status == IntentStatus::Deferred);
        if let Some(waits) = waits.cloned() {
            return results.into_iter().map(|result| held(result, &waits)).collect();
        }
        let culprit = results.iter().find(|result| !stands(result)).map(|result| result.operation_id.clone());
        let culprit = culprit.map_or_else(String::new, |id| id.to_string());
        let answers =
            members.iter().zip(results).map(|(member, result)| self.fallen(catalogue, member, result, &culprit)).collect();
        // What a guard has read is in the words of the first letter.
        for letter in self.effects.dead_letters.iter_mut().skip(first) {
            if let Some(known) = letters.iter().find(|known| known.operation_id == letter.operation_id) {
                letter.detail.clone_from(&known.detail);
            }
        }
        answers
    }

    /// The answer to a member of a group that failed: its own fault, or that of another.
    fn fallen(&mut self, catalogue: &Catalogue, member: &Intent, result: IntentResult, culprit: &str) -> IntentResult {
        if result.replayed {
            return result;
        }
        let stood = stands(&result);
        let problem = if stood {
            problem("dependency_failed", 422, format!("`{culprit}` of the same group failed, so nothing of the group was kept"))
        } else {
            fault(&result)
        };
        let Intent::Valid(mutation) = member else { return self.intent_refuse(member, problem) };
        let answer = self.refuse(&mutation.operation_id, problem, &mutation.raw);
        let answer =
            if stood || result.status == IntentStatus::Rejected { answer } else { self.standing(catalogue, mutation, answer) };
        self.remember(mutation, &answer);
        self.settled(member, &answer);
        answer
    }

    /// An answer with the record that the device has to look at before it tries again under a new id: as it stands, and not as the group
    /// saw it, for what the group did was taken back.
    fn standing(&self, catalogue: &Catalogue, mutation: &Mutation, answer: IntentResult) -> IntentResult {
        let Some(collection) = catalogue.get(&mutation.collection) else { return answer };
        let key = (collection.key, self.set.target(collection, &mutation.record_id));
        let Some(record) = self.set.records.get(&key) else { return answer };
        let body = (!record.deleted).then(|| self.body_restored(collection, &key).0);
        let body = body.map(|body| collection.policy.steps.shown(Some(mutation.schema_version), body));
        IntentResult { seq: Some(record.last_seq), version: Some(record.version), record: body, ..answer }
    }

    /// Whether the device has long put this member behind itself, and with it the group.
    fn is_past(&self, member: &Intent) -> bool {
        let Intent::Valid(mutation) = member else { return false };
        self.remembered(mutation).is_none() && matches!(self.order_check(mutation), Err(Hold::Past(_)))
    }

    /// The answer to a stray repeat of a group: what is remembered of it, and a refusal that changes nothing for the rest.
    fn recalled(&self, member: &Intent) -> IntentResult {
        let remembered = if let Intent::Valid(mutation) = member { self.remembered(mutation) } else { None };
        remembered.unwrap_or_else(|| {
            let detail = "the device has stored the answer to another intent of its group; it is not remembered any more";
            refused(member.operation_id(), problem("dedupe_horizon_passed", 422, detail))
        })
    }

    fn intent_refuse(&mut self, intent: &Intent, problem: IntentProblem) -> IntentResult {
        let raw = match intent {
            Intent::Valid(mutation) => &mutation.raw,
            Intent::Invalid { raw, .. } => raw,
        };
        let answer = self.refuse(intent.operation_id(), problem, raw);
        self.settled(intent, &answer);
        answer
    }

    fn remember(&mut self, mutation: &Mutation, answer: &IntentResult) {
        if self.set.memory.contains_key(&(self.batch.client, mutation.idempotency_key.clone())) {
            return;
        }
        self.keep(mutation, meaning_digest(mutation), answer);
    }

    /// The whole batch or nothing of it.
    pub(super) fn whole(&mut self, catalogue: &Catalogue) -> Result<Vec<IntentResult>, BatchRefusal> {
        self.unchanged_check(catalogue)?;
        let before = Savepoint::take(self, catalogue, self.batch.intents);
        let results = self.in_order(catalogue);
        if results.iter().all(stands) {
            return Ok(results);
        }
        before.restore(self);
        let faults = results.iter().enumerate().filter(|(_, result)| !stands(result));
        let waits = results.iter().find(|result| result.status == IntentStatus::Deferred);
        let first = waits.or_else(|| results.iter().find(|result| !stands(result))).map(fault);
        let problem = first.unwrap_or_else(|| problem("version_conflict", 409, ""));
        Err(BatchRefusal { problem, intents: faults.take(NAMED_MAX).map(|(at, result)| (at, fault(result))).collect() })
    }

    /// No record that the batch touches has changed after the position that the device names. What was answered before and is
    /// only repeated does not count.
    fn unchanged_check(&self, catalogue: &Catalogue) -> Result<(), BatchRefusal> {
        let Some(since) = self.batch.rules.unchanged_since else { return Ok(()) };
        let moved = |intent: &Intent| {
            let Intent::Valid(mutation) = intent else { return false };
            let Some(collection) = catalogue.get(&mutation.collection) else { return false };
            let key = (collection.key, self.set.target(collection, &mutation.record_id));
            let known = self.set.memory.contains_key(&(self.batch.client, mutation.idempotency_key.clone()));
            !known && self.set.records.get(&key).is_some_and(|record| record.last_seq > since)
        };
        let changed = || problem("version_conflict", 409, "the record has changed since the position that the batch names");
        let all = self.batch.intents.iter().enumerate().filter(|(_, intent)| moved(intent));
        let intents: Vec<_> = all.take(NAMED_MAX).map(|(at, _)| (at, changed())).collect();
        if intents.is_empty() { Ok(()) } else { Err(BatchRefusal { problem: changed(), intents }) }
    }

    /// The one record of the batch has the version that the request names.
    pub(super) fn version_check(&self, catalogue: &Catalogue) -> Result<(), BatchRefusal> {
        let (Some(wanted), [Intent::Valid(mutation)]) = (self.batch.rules.if_match, self.batch.intents) else { return Ok(()) };
        let Some(collection) = catalogue.get(&mutation.collection) else { return Ok(()) };
        let repeated = self.set.memory.contains_key(&(self.batch.client, mutation.idempotency_key.clone()));
        let record = self.set.records.get(&(collection.key, self.set.target(collection, &mutation.record_id)));
        if repeated || record.is_some_and(|record| record.version == wanted && !record.deleted) {
            return Ok(());
        }
        let found = match record {
            Some(record) if !record.deleted => format!("the record has version {}", record.version),
            _ => "there is no such record".to_owned(),
        };
        let problem = problem("precondition_failed", 412, found);
        Err(BatchRefusal { intents: vec![(0, problem.clone())], problem })
    }
}

/// A member of a group that waits for another one.
fn held(result: IntentResult, waits: &IntentResult) -> IntentResult {
    if result.status == IntentStatus::Deferred {
        return result;
    }
    let mut answer = super::answer::blank(result.operation_id, IntentStatus::Deferred);
    let detail = format!("`{}` of the same group waits", waits.operation_id);
    answer.problem = waits.problem.clone().map(|problem| IntentProblem { detail, ..problem });
    answer
}
