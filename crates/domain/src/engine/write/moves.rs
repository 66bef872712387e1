//! Records that move between scopes: readers of the old one are told to drop it, readers of the new one get it whole.

use super::Case;
use crate::decide::{DisputeKind, Verdict, Write};
use crate::engine::guard::problem;
use crate::engine::{Collection, Control, ControlFacts, ControlOp, RecordKey, ScopeKey, Turn};
use crate::ids::{Scope, Version};
use crate::policy::PolicyKind;
use crate::sync::{IntentProblem, Mutation, MutationOp};

/// A record in the shape of an older schema is written whole when it changes: no patch leads from one shape to the other.
fn whole_if(reshaped: bool, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Write(write) if reshaped && write.op == MutationOp::Update && write.image.is_some() => {
            Verdict::Write(Write { op: MutationOp::Put, changed: None, ..write })
        }
        other => other,
    }
}

impl Turn<'_> {
    /// The scope that a write takes its record out of. Only an update or a put moves a record, and only a device that may
    /// write to both scopes.
    pub(super) fn leaves(
        &self,
        collection: &Collection,
        mutation: &Mutation,
        key: &RecordKey,
        scope: ScopeKey,
    ) -> Result<Option<(ScopeKey, Scope)>, IntentProblem> {
        let from = self.set.records.get(key).map(|record| record.scope).filter(|from| *from != scope);
        let Some(from) = from else { return Ok(None) };
        let moves = matches!(mutation.op, MutationOp::Update | MutationOp::Put) && collection.policy.lets_move();
        let open = self.batch.scopes.iter().find(|(_, key)| **key == from).map(|(scope, _)| scope.clone());
        match open.filter(|_| moves) {
            Some(name) => Ok(Some((from, name))),
            None => Err(problem("scope_mismatch", 422, "the record belongs to another scope, and this intent cannot move it")),
        }
    }

    /// A move is a change even when nothing else changes, and the log has the whole record: nobody in the new scope knows it.
    pub(super) fn moved(&self, case: &Case<'_>, verdict: Verdict) -> Verdict {
        if case.leaves.is_none() {
            return whole_if(case.reshaped, verdict);
        }
        let live = self.set.records.get(&case.key).is_some_and(|record| !record.deleted);
        match verdict {
            Verdict::Write(write) if write.image.is_some() => {
                Verdict::Write(Write { op: MutationOp::Put, changed: None, ..write })
            }
            Verdict::Noop if live && matches!(case.collection.policy.kind, PolicyKind::ManualReview { always: true }) => {
                Verdict::Review(DisputeKind::Review)
            }
            Verdict::Noop if live => Verdict::Write(Write {
                op: MutationOp::Put,
                image: Some(case.body.clone()),
                changed: None,
                merged: false,
                kept: Vec::new(),
                lost: Vec::new(),
                over: Vec::new(),
                dispute: None,
                stamped: (case.collection.policy.kind == PolicyKind::LwwField).then(Vec::new),
            }),
            other => other,
        }
    }

    /// The scope that the record stands in now; that of the write when there is no record.
    pub(super) fn standing_scope(&self, case: &Case<'_>) -> (ScopeKey, Scope) {
        match (&case.leaves, self.set.records.get(&case.key)) {
            (Some(old), Some(record)) if record.scope == old.0 => old.clone(),
            _ => (case.scope, case.mutation.scope.clone()),
        }
    }

    /// Writes a control row about the record.
    pub(super) fn control(&mut self, case: &Case<'_>, op: ControlOp, facts: ControlFacts) {
        let control = Control {
            op,
            collection: Some(std::sync::Arc::clone(case.collection)),
            record_id: Some(case.key.1.clone()),
            version: self.set.records.get(&case.key).map_or(Version(0), |record| record.version),
            scope: self.standing_scope(case),
            client: Some((self.batch.client, self.batch.client_id.clone())),
            operation_id: case.mutation.operation_id.to_string(),
            facts,
        };
        let row = self.log.control(control, self.now);
        self.effects.controls.push(row);
    }

    /// Tells the readers of the old scope, before the row of the new one.
    pub(super) fn evict(&mut self, case: &Case<'_>) {
        if case.leaves.is_some() {
            let facts = ControlFacts { reason: Some("moved".to_owned()), ..ControlFacts::default() };
            self.control(case, ControlOp::Evict, facts);
            if self.set.records.get(&case.key).is_some_and(|record| record.conflicted) {
                self.effects.moved.push((case.key.clone(), case.scope));
            }
        }
    }
}
