//! Counters of devices: batches without gaps, and answers that a device has stored and the store may forget.

use tidewatch_domain::sync::Mutation;

use super::answer::refused;
use super::{Answer, Reference};

/// Whose turn it is, by the counter of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// That of this intent, or nobody counts.
    Now,
    /// That of one before it.
    Early,
    /// It was long ago.
    Past,
}

impl Reference {
    pub(super) fn turn_of(&self, device: &str, intent: &Mutation) -> Turn {
        let Some(count) = intent.client_seq else { return Turn::Now };
        let floor = self.floors.get(device).copied().unwrap_or(0);
        match self.strict {
            _ if count <= floor => Turn::Past,
            Some(last) if count <= last => Turn::Past,
            Some(last) if count > last + 1 => Turn::Early,
            _ => Turn::Now,
        }
    }

    /// The intent was answered: it is the turn of the next one.
    pub(super) fn count(&mut self, intent: &Mutation, answer: &Answer) {
        if let (Some(last), false) = (&mut self.strict, answer.status == "deferred") {
            *last += i64::from(intent.client_seq == Some(*last + 1));
        }
    }

    /// Whether the device has long put the intent behind itself, and nobody remembers what it was told.
    pub(super) fn is_past(&self, device: &str, intent: &Mutation) -> bool {
        let known = self.remembered(device, intent.operation_id.as_str());
        known.is_none_or(|(meaning, _)| *meaning != Self::meaning(intent)) && self.turn_of(device, intent) == Turn::Past
    }

    /// What is remembered of a member of a group that the device has put behind itself.
    pub(super) fn recalled(&self, device: &str, intent: &Mutation) -> Answer {
        let known = self.remembered(device, intent.operation_id.as_str()).map(|(_, answer)| answer.clone());
        known.map_or_else(|| refused("dedupe_horizon_passed"), |answer| Answer { replayed: true, ..answer })
    }

    /// Forgets the answers that a device has stored. One that changed nothing is in no log, and others may depend on it: it stays.
    pub(super) fn stored(&mut self, device: &str) {
        let floor = self.floors[device];
        let (young, counters) = (&mut self.memory[0], &self.counters);
        young.retain(|key, (_, answer)| {
            let under = key.0 == device && counters.get(key).is_some_and(|count| *count <= floor);
            !under || answer.status == "applied" && answer.noop
        });
    }
}
