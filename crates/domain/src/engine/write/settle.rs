//! Writes that settle what waits beside a record, and fields that are locked while something waits.

use std::collections::BTreeSet;

use serde_json::json;

use super::basis::Basis;
use super::branch::branches_named;
use super::{Case, Turn};
use crate::decide::{DisputeKind, Verdict};
use crate::engine::guard::problem;
use crate::engine::{ClosedConflict, ControlFacts, ControlOp, Standoff, refused};
use crate::sync::{IntentProblem, IntentResult, Mutation, MutationOp};

/// The entries of the conflicts log that an intent settles.
pub(super) fn named(mutation: &Mutation) -> &[i64] {
    mutation.terms.as_deref().map(|terms| terms.resolves.as_slice()).unwrap_or_default()
}

/// Whether an intent settles something.
pub(super) fn settles(mutation: &Mutation) -> bool {
    !named(mutation).is_empty()
}

impl Turn<'_> {
    fn standoff(&self, case: &Case<'_>, id: i64) -> Option<&Standoff> {
        self.set.standoffs.get(&case.key)?.iter().find(|known| known.conflict == id)
    }

    /// Why an intent does not settle what it names: there is no such conflict, it is settled already, or the record is not what
    /// the decision was made on. None of it is remembered: the answer follows from the state.
    pub(super) fn settling_refused(&self, case: &Case<'_>) -> Option<(IntentResult, bool)> {
        if !settles(case.mutation) {
            return None;
        }
        let fault = named(case.mutation).iter().find_map(|id| self.settling_fault(case, *id));
        if let Some(fault) = fault {
            return Some((refused(&case.mutation.operation_id, fault), false));
        }
        let there = self.set.records.contains_key(&case.key);
        (there && !matches!(case.basis, Basis::Current)).then(|| (self.conflicting(case), false))
    }

    fn settling_fault(&self, case: &Case<'_>, id: i64) -> Option<IntentProblem> {
        match self.standoff(case, id) {
            None => Some(problem("not_found", 404, format!("there is no conflict `cf_{id}` of this record"))),
            Some(known) if !known.open => {
                Some(problem("conflict_resolved", 409, format!("the conflict `cf_{id}` is resolved already")))
            }
            Some(_) => None,
        }
    }

    /// Whether the device may give the word that guards ask for: it ranks above those who asked, and none of them is itself.
    pub(super) fn approves(&self, case: &Case<'_>) -> bool {
        let asked = named(case.mutation).iter().filter_map(|id| self.standoff(case, *id)?.asked);
        asked.fold(true, |so_far, (client, rank)| so_far && client != self.batch.client && self.batch.role_rank > rank)
    }

    /// A change of a field that somebody waits to have decided waits as well, where the policy locks it.
    pub(super) fn locked(&self, case: &Case<'_>, verdict: Verdict) -> Verdict {
        let lock = case.collection.policy.lock && !settles(case.mutation) && matches!(verdict, Verdict::Write(_));
        let known = self.set.standoffs.get(&case.key).filter(|_| lock).map(Vec::as_slice).unwrap_or_default();
        let touched: BTreeSet<&String> = case.mutation.fields.keys().collect();
        let whole = case.mutation.op != MutationOp::Update;
        let held = |fields: &[String]| whole || fields.is_empty() || fields.iter().any(|field| touched.contains(field));
        let held = known.iter().any(|known| known.open && known.fields.as_deref().is_some_and(held));
        if held { Verdict::Review(DisputeKind::Review) } else { verdict }
    }

    /// Closes what a change has settled: the entries that it names, and those of the branches that it merged.
    pub(super) fn standoffs_close(&mut self, case: &Case<'_>, answer: &IntentResult) {
        let (ids, names) = (named(case.mutation), branches_named(case.mutation));
        if ids.is_empty() && names.is_empty() {
            return;
        }
        let seq = answer.seq.unwrap_or(self.log.head);
        let operation = case.mutation.operation_id.as_str();
        let (mut closed, mut waits) = (Vec::new(), false);
        for standoff in self.set.standoffs.get_mut(&case.key).into_iter().flatten() {
            let merged = standoff.branch.clone().filter(|branch| names.contains(branch));
            if standoff.open && (merged.is_some() || ids.contains(&standoff.conflict)) {
                standoff.open = false;
                let resolution = match merged {
                    Some(branch) => json!({"outcome": "merged", "branch": branch, "operation": operation}),
                    None => json!({"outcome": "resolved", "operation": operation}),
                };
                closed.push((standoff.conflict, resolution.to_string()));
            }
            waits |= standoff.open;
        }
        if let Some(record) = self.set.records.get_mut(&case.key) {
            record.conflicted = waits;
            self.effects.records.insert(case.key.clone());
        }
        for (id, resolution) in closed {
            self.effects.closed.push(ClosedConflict { id, resolution, by: self.batch.client_id.clone(), seq });
            self.control(case, ControlOp::Resolved, ControlFacts::of_conflict(id));
        }
    }
}
