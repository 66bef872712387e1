//! Vector clocks: how many writes of each device somebody has seen.

use std::collections::BTreeMap;

use tidewatch_domain::sync::{Mutation, MutationOp};

/// A vector clock.
pub type Clock = BTreeMap<String, i64>;

/// The collections that go by them.
pub const CLOCKED: [&str; 2] = ["visits", "surveys"];

/// The clock that a write names, where its collection goes by that.
#[must_use]
pub fn stated(intent: &Mutation) -> Option<&Clock> {
    let clocked = CLOCKED.contains(&intent.collection.as_str()) && intent.op != MutationOp::Crdt;
    intent.terms.as_deref()?.vector.as_ref().filter(|_| clocked)
}

/// Whether one has seen everything that another has seen.
#[must_use]
pub fn has_seen(one: &Clock, other: &Clock) -> bool {
    other.iter().all(|(node, count)| one.get(node).is_some_and(|known| known >= count) || *count <= 0)
}

/// What both have seen.
#[must_use]
pub fn joined(one: &Clock, other: &Clock) -> Clock {
    let mut all = one.clone();
    for (node, count) in other {
        let known = all.entry(node.clone()).or_insert(*count);
        *known = (*known).max(*count);
    }
    all
}
