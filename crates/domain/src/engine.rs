//! The engine: batches of intents against a working set in memory. It prefetches nothing and writes nothing; the store loads
//! every row that a group of batches touches, calls [`batch_apply`] for each batch in turn, and writes the [`Effects`].
//!
//! Invariants: no clock (a batch carries its time), no randomness, no hash order in any result; the same log, working set and
//! batches give the same effects byte for byte. Later batches of a group see what earlier ones did.

mod answer;
pub mod capture;
mod controls;
mod effects;
mod guard;
mod order;
mod restate;
mod savepoint;
mod together;
mod write;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub use self::answer::{CODES, answer_extra, answer_restore};
pub use self::controls::{Control, ControlFacts, ControlOp, NewControl};
pub use self::effects::{
    ChangeFacts, ClosedConflict, Effects, NewAlias, NewAnchor, NewChange, NewConflict, NewDeadLetter, NewMemory,
};
pub use self::guard::{DEDUPE_DAYS, RECORD_BYTES_MAX, uuid_v7_millis};
pub use self::order::Outcome;
pub use self::write::op_number;
use crate::digest::{Hash, meaning_digest};
use crate::hlc::{Hlc, ServerClock};
use crate::ids::{ClientId, CollectionName, IdempotencyKey, OperationId, RecordId, Scope, Seq, Version};
use crate::policy::Policy;
use crate::sync::{BatchRefusal, Intent, IntentProblem, IntentResult, IntentStatus, Mutation};
use crate::time::Millis;
use order::Hold;

/// Name of the server's own node in stamps.
pub const SERVER_NODE: &str = "srv";

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub i64);
    };
}

key!(
    /// The store's short name of a device; never leaves the store.
    ClientKey
);
key!(
    /// The store's short name of a collection.
    CollectionKey
);
key!(
    /// The store's short name of a scope.
    ScopeKey
);

/// A collection as the engine needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Short name.
    pub key: CollectionKey,
    /// Name.
    pub name: CollectionName,
    /// Policy.
    pub policy: Policy,
    /// Its revision.
    pub policy_rev: i64,
}

/// Collections by name.
pub type Catalogue = HashMap<CollectionName, Arc<Collection>>;

/// A record's address.
pub type RecordKey = (CollectionKey, RecordId);

/// A record as the working set holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Scope.
    pub scope: ScopeKey,
    /// Version.
    pub version: Version,
    /// Position of its last change.
    pub last_seq: Seq,
    /// Effective stamp of its last change.
    pub hlc: Hlc,
    /// It is a tombstone.
    pub deleted: bool,
    /// Waits for a person.
    pub conflicted: bool,
    /// Who changed it last.
    pub last_client: ClientKey,
    /// The same, by the public id.
    pub last_client_id: String,
    /// By which operation.
    pub last_operation_id: String,
    /// Hash of its content.
    pub content_hash: Hash,
    /// Canonical text of its body; `None` on a tombstone.
    pub body: Option<String>,
    /// What its policy keeps beside the body, see [`crate::decide::Meta`].
    pub meta: Option<String>,
}

/// An older version of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Which version.
    pub version: Version,
    /// Canonical text of its body; `None` on a tombstone.
    pub body: Option<String>,
}

/// What is remembered under an idempotency key.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// What the intent meant.
    pub digest: Hash,
    /// Its answer.
    pub answer: IntentResult,
}

/// An entry of the conflicts log of a record: open, or a branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standoff {
    /// Its number.
    pub conflict: i64,
    /// Name of the branch, if it is one.
    pub branch: Option<String>,
    /// Waits.
    pub open: bool,
    /// Who asked for approval, with the rank at that time, if that is what it waits for.
    pub asked: Option<(ClientKey, i64)>,
    /// The fields that a review is about; none of them when it is about the whole record.
    pub fields: Option<Vec<String>>,
}

/// The first record of a thing, by its natural key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The part of the key that may differ.
    pub near: i64,
    /// Position at which it was recorded.
    pub seq: Seq,
    /// Which.
    pub record_id: RecordId,
}

/// What a group of batches touches.
#[derive(Clone, Debug, Default)]
pub struct WorkingSet {
    /// Records that exist; absent means there is none.
    pub records: HashMap<RecordKey, Record>,
    /// Older versions, as far back as an intent of the group needs.
    pub history: HashMap<RecordKey, Vec<Past>>,
    /// What is remembered of the keys of the group, and of the operations they build on.
    pub memory: HashMap<(ClientKey, IdempotencyKey), Memory>,
    /// Records that have another id, where a policy has a natural key.
    pub aliases: HashMap<RecordKey, RecordId>,
    /// Anchors that may be near a new record, by the exact part of their natural key.
    pub anchors: HashMap<(CollectionKey, Hash), Vec<Anchor>>,
    /// What waits beside records, as far as it matters to the group.
    pub standoffs: HashMap<RecordKey, Vec<Standoff>>,
    /// What became of operations that others depend on, as far as no key remembers it.
    pub outcomes: HashMap<(ClientKey, OperationId), Outcome>,
}

impl WorkingSet {
    /// The record that an id means: another one, when the same thing was recorded before.
    #[must_use]
    pub fn target(&self, collection: &Collection, record_id: &RecordId) -> RecordId {
        if collection.policy.natural_key.is_none() {
            return record_id.clone();
        }
        self.aliases.get(&(collection.key, record_id.clone())).unwrap_or(record_id).clone()
    }
}

/// The running state of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Last position.
    pub head: Seq,
    /// Chain at the head.
    pub chain: Hash,
    /// The server's clock.
    pub clock: ServerClock,
    /// Last entry of the conflicts log.
    pub conflict_id: i64,
    /// Time of the last batch; time in the log never goes back.
    pub committed: Millis,
}

/// A batch, with what the store knows of its sender.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// Who sent it.
    pub client: ClientKey,
    /// The same, by the public id.
    pub client_id: &'a ClientId,
    /// Role of the device, if it has one.
    pub role: Option<&'a str>,
    /// Rank of that role; 0 without one.
    pub role_rank: i64,
    /// Scopes it may write.
    pub scopes: &'a HashMap<Scope, ScopeKey>,
    /// When it arrived.
    pub now: Millis,
    /// In order.
    pub intents: &'a [Intent],
    /// What it asks for as a whole.
    pub rules: Rules,
}

/// What a batch asks for as a whole. The default is an ordinary batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// All or nothing.
    pub atomic: bool,
    /// No record of the batch has changed after this; an intent without a base is then based on the record as it stands.
    pub unchanged_since: Option<Seq>,
    /// The one record of the batch has this version.
    pub if_match: Option<Version>,
    /// Without gaps from here: the last counter of the device that was decided.
    pub sequence: Option<i64>,
    /// The device has stored the final answers up to this counter.
    pub ack_floor: i64,
}

/// One turn of the engine.
pub(crate) struct Turn<'a> {
    pub(crate) log: &'a mut LogState,
    pub(crate) set: &'a mut WorkingSet,
    pub(crate) effects: &'a mut Effects,
    pub(crate) batch: &'a Batch<'a>,
    /// The batch's time, never before the log's.
    pub(crate) now: Millis,
    /// In a strict batch: the last counter of the device that was decided.
    pub(crate) sequence: Option<i64>,
    /// Some intent of the batch depends on others.
    pub(crate) linked: bool,
    /// The intents of the batch that depend on each other in a circle.
    pub(crate) circular: HashSet<OperationId>,
    /// The steps between schemas have made another write of the intent than its device knows of.
    pub(crate) altered: bool,
}

/// What a batch comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// One answer per intent, in order.
    pub results: Vec<IntentResult>,
    /// After a strict batch: the last counter of the device that was decided.
    pub sequence: Option<i64>,
}

/// Decides every intent of a batch in order.
///
/// # Errors
/// An atomic batch, or one with a precondition, did not hold: then nothing of it is in the effects.
pub fn batch_apply(
    log: &mut LogState,
    set: &mut WorkingSet,
    catalogue: &Catalogue,
    batch: &Batch<'_>,
    effects: &mut Effects,
) -> Result<Decided, BatchRefusal> {
    let now = batch.now.max(log.committed);
    log.committed = now;
    let sequence = batch.rules.sequence;
    let mut turn = Turn { log, set, effects, batch, now, sequence, linked: false, circular: HashSet::new(), altered: false };
    let results = turn.batch(catalogue)?;
    Ok(Decided { results, sequence: turn.sequence })
}

impl Turn<'_> {
    fn batch(&mut self, catalogue: &Catalogue) -> Result<Vec<IntentResult>, BatchRefusal> {
        let (intents, rules) = (self.batch.intents, self.batch.rules);
        let rare = |intent: &Intent| match intent {
            Intent::Valid(mutation) => mutation.terms.is_some(),
            Intent::Invalid { group, .. } => group.is_some(),
        };
        if rules == Rules::default() && !intents.iter().any(rare) {
            return Ok(intents.iter().map(|intent| self.intent(catalogue, intent)).collect());
        }
        let links =
            |intent: &Intent| matches!(intent, Intent::Valid(m) if m.terms.as_ref().is_some_and(|t| !t.depends_on.is_empty()));
        self.linked = intents.iter().any(links);
        if self.linked {
            self.circular = order::circular(intents, |mutation| self.remembered(mutation).is_some());
        }
        self.version_check(catalogue)?;
        if rules.atomic { self.whole(catalogue) } else { Ok(self.in_order(catalogue)) }
    }

    fn intent(&mut self, catalogue: &Catalogue, intent: &Intent) -> IntentResult {
        let answer = match intent {
            Intent::Valid(mutation) => self.mutation(catalogue, mutation),
            Intent::Invalid { operation_id, problem, raw, .. } => self.refuse(operation_id, problem.clone(), raw),
        };
        self.settled(intent, &answer);
        answer
    }

    /// The stored answer, when this intent was answered before.
    pub(crate) fn remembered(&self, mutation: &Mutation) -> Option<IntentResult> {
        let memory = self.set.memory.get(&(self.batch.client, mutation.idempotency_key.clone()))?;
        let answer = || IntentResult { operation_id: mutation.operation_id.clone(), replayed: true, ..memory.answer.clone() };
        (memory.digest == meaning_digest(mutation)).then(answer)
    }

    /// Decides an intent, and answers in the names of its schema.
    fn mutation(&mut self, catalogue: &Catalogue, mutation: &Mutation) -> IntentResult {
        let shown = |answer| match catalogue.get(&mutation.collection) {
            Some(collection) => collection.policy.steps.answer_shown(Some(mutation.schema_version), answer),
            None => answer,
        };
        let digest = meaning_digest(mutation);
        let key = (self.batch.client, mutation.idempotency_key.clone());
        if let Some(memory) = self.set.memory.get(&key) {
            if memory.digest == digest {
                let answer = memory.answer.clone();
                return shown(IntentResult { operation_id: mutation.operation_id.clone(), replayed: true, ..answer });
            }
            let problem =
                guard::problem("idempotency_key_reused", 422, "the same key was used for an intent with another meaning");
            return self.refuse(&mutation.operation_id, problem, &mutation.raw);
        }
        let decided = self.decided(catalogue, mutation);
        let past = matches!(decided, Err(Hold::Past(_)));
        let (answer, keep) = match decided {
            Ok(decided) => decided,
            Err(Hold::Refused(problem)) => (self.refuse(&mutation.operation_id, problem, &mutation.raw), true),
            Err(Hold::Deferred(problem)) => (order::deferred(&mutation.operation_id, problem), false),
            Err(Hold::Past(problem)) => (refused(&mutation.operation_id, problem), false),
        };
        let answer = shown(answer);
        // Whoever counts without gaps never sends under this counter again: should the answer be lost, a repeat has to find it.
        let counted = self.sequence.is_some() && answer.status.is_final() && !past;
        if keep || counted {
            self.keep(mutation, digest, &answer);
        }
        answer
    }

    /// Remembers an answer under the key of its intent. One without a row in any log is remembered under the id of its operation as well:
    /// whoever depends on that finds it nowhere else.
    fn keep(&mut self, mutation: &Mutation, digest: Hash, answer: &IntentResult) {
        let client = self.batch.client;
        let alone = answer.noop.then(|| mutation.operation_key()).flatten();
        for key in [Some(mutation.idempotency_key.clone()), alone].into_iter().flatten() {
            if self.set.memory.contains_key(&(client, key.clone())) {
                continue;
            }
            let memory = NewMemory::of(client, mutation, digest, answer, self.now);
            self.effects.memories.push(NewMemory { key: key.clone(), ..memory });
            self.set.memory.insert((client, key), Memory { digest, answer: answer.clone() });
        }
    }

    /// Decides an intent that was not answered before. The second value says whether the answer is remembered.
    fn decided(&mut self, catalogue: &Catalogue, mutation: &Mutation) -> Result<(IntentResult, bool), Hold> {
        self.altered = false;
        self.order_check(mutation)?;
        let collection = guard::check(self.batch, catalogue, mutation, self.now).map_err(Hold::Refused)?;
        self.dependencies_check(mutation)?;
        match self.restated(collection, mutation).map_err(Hold::Refused)? {
            None => Ok(self.write(collection, mutation)),
            Some(plain) => Ok(self.write(collection, &plain)),
        }
    }

    /// A final refusal; the intent is kept as a dead letter.
    pub(crate) fn refuse(&mut self, operation_id: &OperationId, problem: IntentProblem, raw: &str) -> IntentResult {
        self.effects.dead_letters.push(NewDeadLetter {
            client: self.batch.client,
            operation_id: operation_id.clone(),
            code: problem.code,
            detail: problem.detail.clone(),
            mutation: raw.to_owned(),
            at: self.now,
        });
        refused(operation_id, problem)
    }
}

/// A refusal that leaves nothing behind.
fn refused(operation_id: &OperationId, problem: IntentProblem) -> IntentResult {
    let mut answer = answer::blank(operation_id.clone(), IntentStatus::Rejected);
    answer.problem = Some(problem);
    answer
}

#[cfg(test)]
mod tests;
