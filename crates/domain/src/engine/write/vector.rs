//! Vector clocks, where a policy detects conflicts by them (`protocol.md` 2.2): what a write has seen, device by device.

use std::cmp::Ordering;

use super::Turn;
use super::basis::Basis;
use crate::decide::Meta;
use crate::engine::guard::problem;
use crate::engine::{Collection, SERVER_NODE};
use crate::sync::{Body, IntentProblem, Mutation, MutationOp, VECTOR_MAX, VectorClock};

/// How two clocks are to each other; `None` when neither has seen the other.
fn compared(one: &VectorClock, other: &VectorClock) -> Option<Ordering> {
    let at_least = |a: &VectorClock, b: &VectorClock| b.iter().all(|(node, count)| a.get(node).copied().unwrap_or(0) >= *count);
    match (at_least(one, other), at_least(other, one)) {
        (true, true) => Some(Ordering::Equal),
        (true, false) => Some(Ordering::Greater),
        (false, true) => Some(Ordering::Less),
        (false, false) => None,
    }
}

/// The clock that a write names, where its collection goes by clocks.
pub(super) fn stated<'m>(collection: &Collection, mutation: &'m Mutation) -> Option<&'m VectorClock> {
    mutation.terms.as_deref()?.vector.as_ref().filter(|_| collection.policy.vector && mutation.op != MutationOp::Crdt)
}

impl Turn<'_> {
    /// What a write was based on by its clock, and whether the record has overtaken it. A clock that is the record's own says
    /// nothing about another write, so it counts as one that has not seen it.
    pub(super) fn vector_basis(
        &self,
        collection: &Collection,
        mutation: &Mutation,
        meta: &Meta,
        body: &Body,
        basis: Basis,
    ) -> Result<(Basis, bool), IntentProblem> {
        let Some(clock) = stated(collection, mutation).filter(|_| !meta.vector.is_empty()) else { return Ok((basis, false)) };
        let together = clock.keys().chain(meta.vector.keys()).collect::<std::collections::BTreeSet<_>>().len();
        if together > VECTOR_MAX {
            let detail = format!("vector_clock: with that of the record it has more than {VECTOR_MAX} entries");
            return Err(problem("schema_invalid", 422, detail));
        }
        Ok(match compared(clock, &meta.vector) {
            Some(Ordering::Greater) => (Basis::Current, false),
            Some(Ordering::Less) => (basis, true),
            Some(Ordering::Equal) | None => match basis {
                Basis::Current if collection.policy.needs_base() => (Basis::Stale(body.clone()), false),
                Basis::Current => (Basis::Unknown, false),
                other => (other, false),
            },
        })
    }

    /// What a row says of the clock: the one that the write names, or a step of the server's own, so that no later write can
    /// take this one for seen. The row of a record that moves says all of its clock: who reads the other scope has seen nothing of it.
    pub(super) fn vector_noted(
        &self,
        collection: &Collection,
        mutation: &Mutation,
        (meta, moves): (&Meta, bool),
    ) -> Option<VectorClock> {
        if !collection.policy.vector {
            return None;
        }
        let own = || {
            let next = meta.vector.get(SERVER_NODE).copied().unwrap_or(0).saturating_add(1);
            VectorClock::from([(SERVER_NODE.to_owned(), next)])
        };
        let mut noted = stated(collection, mutation).cloned().unwrap_or_else(own);
        for (node, count) in meta.vector.iter().filter(|_| moves) {
            let known = noted.entry(node.clone()).or_default();
            *known = (*known).max(*count);
        }
        Some(noted)
    }
}
