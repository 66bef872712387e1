//! I-11: the same inputs come to the same log, byte for byte: whatever the clock of the machine says, in whatever order a hash keeps
//! things, whenever batches meet in one commit, wherever the store is closed or dropped in between.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use tidewatch_domain::engine::WorkingSet;
use tidewatch_domain::engine::capture::{Captured, replay};

use crate::world::Seen;

/// Names groups that are decided another way from what was written down of them, and whether the whole run comes to another log.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, (captured, answers)) in seen.groups.iter().enumerate() {
        let again = replay(&rehashed(captured), &HashMap::new());
        if !again.same_log {
            faults.push(format!("group {number} comes to another log from what decided it"));
        }
        for (given, again) in answers.iter().zip(&again.answers).filter(|(given, again)| given != again) {
            faults.push(format!("group {number} was answered {given:?}, and is answered {again:?} from what decided it"));
        }
    }
    if seen.again.chain != seen.report.chain {
        faults.push(format!("the same inputs come to the chain {}, and came to {}", seen.again.chain, seen.report.chain));
    }
    if seen.again.digests != seen.digests {
        faults.push(format!("the same inputs come to the digests {:?}, and came to {:?}", seen.again.digests, seen.digests));
    }
    faults
}

/// The same in maps that keep things in another order: every map draws its own.
fn rehashed(captured: &Captured) -> Captured {
    let batches = captured.batches.iter().cloned().map(|batch| {
        let scopes = Arc::new(redrawn(&batch.scopes));
        tidewatch_domain::engine::capture::CapturedBatch { scopes, ..batch }
    });
    let set = WorkingSet {
        records: redrawn(&captured.set.records),
        history: redrawn(&captured.set.history),
        memory: redrawn(&captured.set.memory),
        aliases: redrawn(&captured.set.aliases),
        anchors: redrawn(&captured.set.anchors),
        standoffs: redrawn(&captured.set.standoffs),
        outcomes: redrawn(&captured.set.outcomes),
    };
    Captured { set, catalogue: Arc::new(redrawn(&captured.catalogue)), batches: batches.collect(), ..captured.clone() }
}

fn redrawn<K: Clone + Eq + Hash, V: Clone>(map: &HashMap<K, V>) -> HashMap<K, V> {
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}
