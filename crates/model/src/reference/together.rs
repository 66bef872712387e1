//! Batches: intents that wait for others, that stand or fall together, and batches that are taken whole or not at all. Whatever is
//! taken back is taken back by keeping a copy of the whole store.

use std::collections::{BTreeMap, BTreeSet};

use tidewatch_domain::sync::{BatchTerms, Mutation, Terms};

use super::answer::{deferred, refused};
use super::{Answer, HORIZON, Reference};
use crate::rules::down;

/// What a batch asks for as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// All or nothing.
    pub atomic: bool,
    /// No record of it has changed after this position.
    pub since: Option<i64>,
    /// The counter of its device has no gaps.
    pub strict: bool,
    /// Up to which counter its device has stored every answer.
    pub floor: Option<i64>,
}

impl Whole {
    /// What a batch with these terms asks for, its position aside.
    #[must_use]
    pub fn of(terms: &BatchTerms) -> Self {
        Self { atomic: terms.atomic, since: None, strict: terms.strict, floor: terms.ack_floor }
    }
}

/// Why a batch was refused as a whole: the code, and each intent at fault by its place.
pub type Refused = (&'static str, Vec<(usize, &'static str)>);

fn stands(answer: &Answer) -> bool {
    ["applied", "merged"].contains(&answer.status)
}

fn fault(answer: &Answer) -> &'static str {
    let own = answer.code.filter(|_| ["rejected", "deferred"].contains(&answer.status));
    own.unwrap_or("version_conflict")
}

/// The time in an id, when it has one.
fn dated(operation: &str) -> Option<i64> {
    let parts: Vec<&str> = operation.split('-').collect();
    let &[high, low, _, _, _] = &parts[..] else { return None };
    i64::from_str_radix(&format!("{high}{low}"), 16).ok()
}

fn terms(intent: &Mutation) -> Option<&Terms> {
    intent.terms.as_deref()
}

fn parents(intent: &Mutation) -> Vec<String> {
    terms(intent).map(|terms| terms.depends_on.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

/// The group of an intent.
pub(crate) fn group_of(intent: &Mutation) -> Option<String> {
    terms(intent)?.group.as_ref().map(ToString::to_string)
}

impl Reference {
    /// Decides a batch of a device that may write these scopes.
    ///
    /// # Errors
    /// The batch was to be taken whole, and something of it does not stand: nothing of it is kept.
    pub fn push(
        &mut self,
        device: &str,
        scopes: &BTreeSet<String>,
        at: i64,
        batch: &[Mutation],
        whole: Whole,
    ) -> Result<Vec<Answer>, Refused> {
        let floor = self.floors.get(device).copied().unwrap_or(0);
        self.floors.insert(device.to_owned(), floor.max(whole.floor.unwrap_or(0)));
        let answers = self.taken(device, scopes, at, batch, whole);
        // What a device has stored it has stored, whatever becomes of its batch.
        if self.floors[device] > floor {
            self.stored(device);
        }
        answers
    }

    fn taken(
        &mut self,
        device: &str,
        scopes: &BTreeSet<String>,
        at: i64,
        batch: &[Mutation],
        whole: Whole,
    ) -> Result<Vec<Answer>, Refused> {
        if at - self.turned >= HORIZON {
            self.memory.swap(0, 1);
            self.memory[0].clear();
            self.turned = at;
        }
        self.now = self.now.max(at);
        (self.batch, self.implied) = (BTreeMap::new(), whole.since.is_some());
        self.circle = self.circular(device, batch);
        let moved = self.moved_since(device, batch, whole.since);
        if !moved.is_empty() {
            return Err(("version_conflict", moved.into_iter().map(|place| (place, "version_conflict")).collect()));
        }
        let before = whole.atomic.then(|| self.clone());
        self.strict = whole.strict.then(|| self.counted.get(device).copied().unwrap_or(0));
        let answers = self.in_order(device, scopes, batch);
        let Some(before) = before.filter(|_| !answers.iter().all(stands)) else {
            self.counted.extend(self.strict.map(|last| (device.to_owned(), last)));
            return Ok(answers);
        };
        *self = before;
        let waits = answers.iter().find(|answer| answer.status == "deferred");
        let first = waits.or_else(|| answers.iter().find(|answer| !stands(answer))).map_or("version_conflict", fault);
        let faults = answers.iter().enumerate().filter(|(_, answer)| !stands(answer));
        Err((first, faults.map(|(place, answer)| (place, fault(answer))).collect()))
    }

    fn in_order(&mut self, device: &str, scopes: &BTreeSet<String>, batch: &[Mutation]) -> Vec<Answer> {
        let mut answers = Vec::new();
        for members in batch.chunk_by(|one, next| group_of(one).is_some() && group_of(one) == group_of(next)) {
            if group_of(&members[0]).is_some() && members.iter().any(|intent| self.is_past(device, intent)) {
                answers.extend(members.iter().map(|intent| self.recalled(device, intent)));
                continue;
            }
            let before = group_of(&members[0]).map(|_| self.clone());
            let each: Vec<Answer> = members.iter().map(|intent| self.intent(device, scopes, intent)).collect();
            let kept = each.iter().all(stands) || each.iter().all(|answer| answer.replayed);
            let Some(before) = before.filter(|_| !kept) else {
                answers.extend(each);
                continue;
            };
            *self = before;
            let waits = each.iter().find(|answer| answer.status == "deferred").and_then(|answer| answer.code);
            match waits {
                Some(code) => {
                    let held = |answer: Answer| if answer.status == "deferred" { answer } else { deferred(code) };
                    answers.extend(each.into_iter().map(held));
                }
                None => answers.extend(members.iter().zip(each).map(|(intent, answer)| self.fallen(device, intent, answer))),
            }
        }
        answers
    }

    /// The answer to a member of a group that failed: its own fault, or that of another one.
    fn fallen(&mut self, device: &str, intent: &Mutation, answer: Answer) -> Answer {
        if answer.replayed {
            return answer;
        }
        let fallen = if stands(&answer) {
            refused("dependency_failed")
        } else if answer.status == "rejected" {
            refused(fault(&answer))
        } else {
            // What the device looks at before it tries again under another id: the record as it stands, for the group is taken back.
            let named = (intent.collection.to_string(), intent.record_id.to_string());
            let key = self.aliases.get(&named).map_or(named.clone(), |target| (named.0, target.clone()));
            let record = self.records.get(&key);
            let body = record.filter(|record| !record.held.deleted).map(|record| &record.held.body);
            Answer {
                seq: record.map(|record| record.seq),
                version: record.map(|record| record.version),
                record: body.map(|body| down(&key.0, intent.schema_version, body)),
                ..refused("version_conflict")
            }
        };
        self.keep(device, intent, &fallen);
        self.note(intent.operation_id.as_str(), &fallen);
        self.count(intent, &fallen);
        fallen
    }

    /// Notes what became of an intent for those of the same batch that depend on it.
    pub(super) fn note(&mut self, operation: &str, answer: &Answer) {
        let back = answer.status == "conflict" && answer.entry.is_none();
        if !answer.replayed && answer.status != "deferred" {
            self.batch.insert(operation.to_owned(), answer.status != "rejected" && !back);
        }
    }

    /// Why an intent is not decided, or never: what it depends on is not there yet, or was refused.
    pub(super) fn waits(&self, device: &str, intent: &Mutation) -> Option<Answer> {
        let parents = parents(intent);
        let found: Vec<Option<bool>> = parents.iter().map(|parent| self.became(device, parent)).collect();
        if self.circle.contains(intent.operation_id.as_str()) || found.contains(&Some(false)) {
            return Some(refused("dependency_failed"));
        }
        let gone = |parent: &String| dated(parent).is_some_and(|at| self.now - at > HORIZON);
        if parents.iter().zip(&found).any(|(parent, found)| found.is_none() && gone(parent)) {
            return Some(refused("dependency_failed"));
        }
        found.contains(&None).then(|| deferred("dependency_missing"))
    }

    /// Whether an operation stands; none when nobody knows of it.
    fn became(&self, device: &str, operation: &str) -> Option<bool> {
        let in_log = || self.log.iter().any(|row| row.device == device && row.operation == operation && row.entry.is_none());
        let returned = |answer: &Answer| answer.status == "conflict" && answer.entry.is_none();
        let known = || self.remembered(device, operation).map(|(_, answer)| answer.status != "rejected" && !returned(answer));
        let marked = || self.marks.get(&(device.to_owned(), operation.to_owned())).copied();
        self.batch.get(operation).copied().or_else(|| in_log().then_some(true)).or_else(known).or_else(marked)
    }

    /// Intents of a batch that were not answered before and depend on each other in a circle, or on one that does.
    fn circular(&self, device: &str, batch: &[Mutation]) -> BTreeSet<String> {
        let open = batch.iter().filter(|intent| {
            let known = self.remembered(device, intent.operation_id.as_str());
            known.is_none_or(|(meaning, _)| *meaning != Self::meaning(intent))
        });
        let mut left: BTreeMap<String, Vec<String>> =
            open.map(|intent| (intent.operation_id.to_string(), parents(intent))).collect();
        loop {
            let free = left.iter().find(|(_, parents)| !parents.iter().any(|parent| left.contains_key(parent)));
            let Some(free) = free.map(|(id, _)| id.clone()) else { return left.into_keys().collect() };
            left.remove(&free);
        }
    }

    /// Places of the intents whose records have changed after a position. What was answered before does not count.
    fn moved_since(&self, device: &str, batch: &[Mutation], since: Option<i64>) -> Vec<usize> {
        let moved = |intent: &Mutation| {
            let named = (intent.collection.to_string(), intent.record_id.to_string());
            let key = self.aliases.get(&named).map_or(named.clone(), |target| (named.0, target.clone()));
            let known = self.remembered(device, intent.operation_id.as_str()).is_some();
            !known && self.records.get(&key).is_some_and(|record| since.is_some_and(|since| record.seq > since))
        };
        batch.iter().enumerate().filter(|(_, intent)| moved(intent)).map(|(place, _)| place).collect()
    }
}
