//! What a collection asks of a write before any policy: the guards of the one collection that has some; and what a write names
//! beside its record.

use serde_json::Value;
use tidewatch_domain::sync::{Body, Mutation, MutationOp};

use super::{Held, Kind, laid_over, whole};

/// What a guard has against a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is refused.
    Refused,
    /// It waits for the word of somebody else.
    Approval,
}

/// What the guards have against a write of a device of this rank. What changes nothing needs no leave.
#[must_use]
pub fn guarded(kind: Kind, held: Option<&Held>, op: MutationOp, fields: &Body, rank: i64) -> Option<Finding> {
    if kind != Kind::Guarded || op == MutationOp::Crdt {
        return None;
    }
    let none = Body::new();
    let before = held.map_or(&none, |held| &held.body);
    let new = match op {
        MutationOp::Delete => None,
        MutationOp::Update => Some(laid_over(before, fields)),
        _ => Some(whole(fields)),
    };
    let old = held.filter(|held| !held.deleted).map(|held| &held.body);
    let is = |body: Option<&Body>, name: &str, wanted: i64| body.and_then(|body| body.get(name)) == Some(&Value::from(wanted));
    if old == new.as_ref() {
        None
    } else if is(old, "a", 3) || is(new.as_ref(), "b", 5) && rank < 2 {
        Some(Finding::Refused)
    } else {
        is(new.as_ref(), "a", 4).then_some(Finding::Approval)
    }
}

/// The entries of the conflicts log that an intent settles.
#[must_use]
pub fn conflicts_named(intent: &Mutation) -> &[i64] {
    intent.terms.as_deref().map(|terms| terms.resolves.as_slice()).unwrap_or_default()
}

/// The branches that an intent merges.
#[must_use]
pub fn branches_named(intent: &Mutation) -> &[String] {
    intent.terms.as_deref().map(|terms| terms.merges.as_slice()).unwrap_or_default()
}
