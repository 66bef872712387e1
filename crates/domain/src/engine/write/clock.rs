//! The effective clock of an intent.

use super::basis::Basis;
use crate::decide::Meta;
use crate::engine::{Collection, RecordKey, SERVER_NODE, Turn};
use crate::hlc::{Hlc, Ticks, is_skewed};
use crate::policy::PolicyClock;
use crate::sync::Mutation;

/// The effective clock of an intent, and how it came about.
pub(super) struct Clocked {
    pub(super) hlc: Hlc,
    pub(super) claimed: Option<String>,
    pub(super) skewed: bool,
}

impl Turn<'_> {
    /// What a write has to come after: the record's last change, when it knew of it.
    pub(super) fn floor(&self, key: &RecordKey, basis: &Basis, meta: &Meta) -> Option<Ticks> {
        let record = self.set.records.get(key).filter(|_| matches!(basis, Basis::Current))?;
        Some(meta.newest().map_or(record.hlc.ticks, |newest| newest.ticks.max(record.hlc.ticks)))
    }

    /// The effective clock: as claimed, unless it is missing, arrival counts, or it is too far ahead. A write that knew the
    /// record's last change comes after it, whatever its device's clock says.
    pub(super) fn clock(&mut self, collection: &Collection, mutation: &Mutation, floor: Option<Ticks>) -> Clocked {
        let claimed = mutation.logical_timestamp.as_deref().and_then(Hlc::parse);
        let skewed = claimed.as_ref().is_some_and(|claimed| is_skewed(claimed.ticks, self.now));
        let hlc = match &claimed {
            Some(claimed) if !skewed && collection.policy.clock == PolicyClock::Hlc => claimed.clone(),
            _ => Hlc { ticks: self.log.clock.tick(self.now), node: SERVER_NODE.to_owned() },
        };
        let ticks = floor.filter(|floor| *floor >= hlc.ticks).map_or(hlc.ticks, |floor| floor.next());
        let hlc = Hlc { ticks, ..hlc };
        self.log.clock.observe(hlc.ticks);
        let claimed = claimed.filter(|claimed| *claimed != hlc).map(|claimed| claimed.to_string());
        Clocked { hlc, claimed, skewed }
    }
}
