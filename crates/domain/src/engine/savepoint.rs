//! Takes back what intents did, when they stand or fall together. Only groups and atomic batches pay for it.
//!
//! Both [`Effects`] and [`WorkingSet`] are taken apart without `..`, so that whatever is added to them must be thought of here.

use super::{Catalogue, Collection, Effects, LogState, Record, RecordKey, Standoff, Turn, WorkingSet};
use crate::engine::ClientKey;
use crate::ids::{IdempotencyKey, OperationId};
use crate::sync::{Intent, Mutation};

/// The state before some intents, as far as they can change it.
#[derive(Debug)]
pub(super) struct Savepoint {
    log: LogState,
    sequence: Option<i64>,
    lengths: [usize; 10],
    records: Vec<Kept>,
    memory: Vec<(ClientKey, IdempotencyKey)>,
    outcomes: Vec<(ClientKey, OperationId)>,
}

/// A record, and what the working set holds around it.
#[derive(Debug)]
struct Kept {
    key: RecordKey,
    record: Option<Record>,
    past: usize,
    flagged: bool,
    standoffs: Option<Vec<Standoff>>,
}

fn lengths(effects: &Effects) -> [usize; 10] {
    let Effects { changes, controls, records: _, digests, memories, conflicts, dead_letters, closed, moved, anchors, aliases } =
        effects;
    let (logs, kept) = ([changes.len(), digests.len(), memories.len()], [conflicts.len(), dead_letters.len()]);
    [logs[0], logs[1], logs[2], kept[0], kept[1], anchors.len(), aliases.len(), closed.len(), controls.len(), moved.len()]
}

impl Savepoint {
    pub(super) fn take(turn: &Turn<'_>, catalogue: &Catalogue, intents: &[Intent]) -> Self {
        let client = turn.batch.client;
        let WorkingSet { records, history, memory, outcomes, aliases: _, anchors: _, standoffs } = &*turn.set;
        let mut taken = Self {
            log: *turn.log,
            sequence: turn.sequence,
            lengths: lengths(turn.effects),
            records: Vec::with_capacity(intents.len()),
            memory: Vec::with_capacity(intents.len()),
            outcomes: Vec::with_capacity(intents.len()),
        };
        for intent in intents {
            let operation = (client, intent.operation_id().clone());
            if !outcomes.contains_key(&operation) {
                taken.outcomes.push(operation);
            }
            let Intent::Valid(mutation) = intent else { continue };
            let keys = [Some(mutation.idempotency_key.clone()), mutation.operation_key()].into_iter().flatten();
            taken.memory.extend(keys.map(|key| (client, key)).filter(|key| !memory.contains_key(key)));
            let Some(collection) = catalogue.get(&mutation.collection) else { continue };
            for key in touched(turn.set, collection, mutation) {
                let (past, flagged) = (history.get(&key).map_or(0, Vec::len), turn.effects.records.contains(&key));
                let (record, standoffs) = (records.get(&key).cloned(), standoffs.get(&key).cloned());
                taken.records.push(Kept { key, record, past, flagged, standoffs });
            }
        }
        taken
    }

    pub(super) fn restore(self, turn: &mut Turn<'_>) {
        let [changes, digests, memories, conflicts, dead_letters, anchors, aliases, closed, controls, moved] = self.lengths;
        *turn.log = self.log;
        turn.sequence = self.sequence;
        turn.effects.changes.truncate(changes);
        turn.effects.controls.truncate(controls);
        turn.effects.digests.truncate(digests);
        turn.effects.memories.truncate(memories);
        turn.effects.conflicts.truncate(conflicts);
        turn.effects.dead_letters.truncate(dead_letters);
        turn.effects.closed.truncate(closed);
        turn.effects.moved.truncate(moved);
        for anchor in turn.effects.anchors.drain(anchors..) {
            if let Some(known) = turn.set.anchors.get_mut(&(anchor.collection, anchor.value.exact)) {
                known.retain(|known| known.seq != anchor.seq);
            }
        }
        for alias in turn.effects.aliases.drain(aliases..) {
            turn.set.aliases.remove(&(alias.collection, alias.alias));
        }
        for kept in self.records {
            kept.restore(turn);
        }
        for key in &self.memory {
            turn.set.memory.remove(key);
        }
        for operation in &self.outcomes {
            turn.set.outcomes.remove(operation);
        }
    }
}

impl Kept {
    fn restore(self, turn: &mut Turn<'_>) {
        let Self { key, record, past, flagged, standoffs } = self;
        if !flagged {
            turn.effects.records.remove(&key);
        }
        if let Some(history) = turn.set.history.get_mut(&key) {
            history.truncate(past);
        }
        match standoffs {
            Some(standoffs) => turn.set.standoffs.insert(key.clone(), standoffs),
            None => turn.set.standoffs.remove(&key),
        };
        match record {
            Some(record) => turn.set.records.insert(key, record),
            None => turn.set.records.remove(&key),
        };
    }
}

/// The records that an intent may change: the one that it means, and those that it may turn out to repeat.
fn touched(set: &WorkingSet, collection: &Collection, mutation: &Mutation) -> Vec<RecordKey> {
    let mut keys = vec![(collection.key, set.target(collection, &mutation.record_id))];
    let natural = collection.policy.natural_key.as_ref();
    let value = natural.and_then(|natural| natural.of(mutation.scope.as_str(), &mutation.fields));
    let anchors = value.and_then(|value| set.anchors.get(&(collection.key, value.exact)));
    keys.extend(anchors.into_iter().flatten().map(|anchor| (collection.key, anchor.record_id.clone())));
    keys
}
