//! From an intent that may be decided to its verdict, and from the verdict to rows and an answer.

mod append;
mod basis;
mod branch;
mod clock;
mod conflict;
mod moves;
mod natural;
mod outcome;
mod settle;
mod vector;

use std::sync::Arc;

use self::basis::Basis;
use self::clock::Clocked;
use super::guard::problem;
use super::{Collection, RecordKey, ScopeKey, Turn};
use crate::decide::{Asked, DisputeKind, Meta, Stamp, Standing, Verdict, decide, overtaken, settled};
use crate::ids::{RecordId, Scope};
use crate::policy::ConflictWish;
use crate::sync::{Body, IntentProblem, IntentResult, IntentStatus, Mutation, MutationOp};

/// Number of an operation in the log.
#[must_use]
pub const fn op_number(op: MutationOp) -> i64 {
    match op {
        MutationOp::Create => 1,
        MutationOp::Update => 2,
        MutationOp::Put => 3,
        MutationOp::Delete => 4,
        MutationOp::Crdt => 5,
    }
}

/// One intent under decision.
struct Case<'a> {
    collection: &'a Arc<Collection>,
    mutation: &'a Mutation,
    key: RecordKey,
    /// The scope that the write names.
    scope: ScopeKey,
    /// The scope that the record stands in, when that is another one.
    leaves: Option<(ScopeKey, Scope)>,
    basis: Basis,
    clocked: Clocked,
    /// Body of the record, or of the tombstone's last live version.
    body: Body,
    /// What the policy keeps beside the body.
    meta: Meta,
    /// The intent records again what this record already is, under another id.
    duplicate: bool,
    /// Its vector clock is older than that of the record.
    dominated: bool,
    /// The record is stored in the shape of an older schema.
    reshaped: bool,
}

impl Case<'_> {
    /// What the device would like to become of a conflict, as far as the policy listens to it.
    fn wish(&self) -> Option<ConflictWish> {
        let wish = self.mutation.terms.as_ref().and_then(|terms| terms.wish);
        wish.filter(|wish| self.collection.policy.client_may.contains(wish))
    }
}

impl Turn<'_> {
    /// Decides one intent. The second value says whether the answer is remembered.
    pub(crate) fn write(&mut self, collection: &Arc<Collection>, mutation: &Mutation) -> (IntentResult, bool) {
        let key = (collection.key, self.set.target(collection, &mutation.record_id));
        let case = match self.case(collection, mutation, key) {
            Ok(case) => case,
            Err(problem) => return (self.refuse(&mutation.operation_id, problem, &mutation.raw), true),
        };
        let natural = self.natural(&case);
        if let Some(record_id) = natural.and_then(|value| self.anchor(&case, value)) {
            return (self.duplicate(collection, mutation, record_id), true);
        }
        if let Some(problem) = self.branches_missing(&case) {
            return (self.refuse(&mutation.operation_id, problem, &mutation.raw), true);
        }
        if let Some((answer, keep)) = self.settling_refused(&case) {
            return (answer, keep);
        }
        let verdict = self.branches_merged(&case, self.locked(&case, self.verdict(&case)));
        let verdict = self.moved(&case, verdict);
        let made = self.natural_made(&case, &verdict);
        let (answer, keep) = self.settle(&case, verdict);
        if matches!(answer.status, IntentStatus::Applied | IntentStatus::Merged) {
            self.standoffs_close(&case, &answer);
        }
        if let (Some(value), Some(seq)) = (made, answer.seq) {
            self.anchor_add(&case, value, seq);
        }
        (answer, keep)
    }

    /// The same thing was recorded before, under another id.
    fn duplicate(&mut self, collection: &Arc<Collection>, mutation: &Mutation, record_id: RecordId) -> IntentResult {
        let case = match self.case(collection, mutation, (collection.key, record_id)) {
            Ok(case) => Case { duplicate: true, ..case },
            Err(problem) => return self.refuse(&mutation.operation_id, problem, &mutation.raw),
        };
        let deleted = self.set.records.get(&case.key).is_some_and(|record| record.deleted);
        let answer = self.written(&case, natural::duplicate(&case, deleted));
        self.alias_add(&case);
        answer
    }

    fn case<'c>(
        &mut self,
        collection: &'c Arc<Collection>,
        mutation: &'c Mutation,
        key: RecordKey,
    ) -> Result<Case<'c>, IntentProblem> {
        let scope = self.batch.scopes[&mutation.scope];
        let leaves = self.leaves(collection, mutation, &key, scope)?;
        let meta = Meta::read(self.set.records.get(&key).and_then(|record| record.meta.as_deref()));
        let (body, reshaped) = self.body_restored(collection, &key);
        let basis = self.basis(collection, mutation, &key);
        let (basis, dominated) = self.vector_basis(collection, mutation, &meta, &body, basis)?;
        let clocked = self.clock(collection, mutation, self.floor(&key, &basis, &meta));
        Ok(Case { collection, mutation, key, scope, leaves, basis, clocked, body, meta, duplicate: false, dominated, reshaped })
    }

    fn verdict(&self, case: &Case<'_>) -> Verdict {
        let steps = &case.collection.policy.steps;
        let restored = (!steps.is_empty()).then(|| case.meta.restored(steps));
        let meta = restored.as_ref().unwrap_or(&case.meta);
        let standing = self.set.records.get(&case.key).map(|record| {
            let last = Stamp {
                ticks: record.hlc.ticks,
                node: &record.hlc.node,
                client: &record.last_client_id,
                operation: &record.last_operation_id,
            };
            let stamp = case.meta.newest().map_or(last, |newest| newest.max(last));
            Standing { stamp, deleted: record.deleted, body: &case.body, meta }
        });
        let asked = Asked {
            op: case.mutation.op,
            fields: &case.mutation.fields,
            stamp: Stamp {
                ticks: case.clocked.hlc.ticks,
                node: &case.clocked.hlc.node,
                client: self.batch.client_id.as_str(),
                operation: case.mutation.operation_id.as_str(),
            },
            role: self.batch.role,
            rank: self.batch.role_rank,
            wish: case.wish(),
        };
        if settle::settles(case.mutation) {
            return settled(standing, asked, &case.collection.policy, self.approves(case));
        }
        if case.dominated {
            return overtaken(standing, asked);
        }
        decide(standing, asked, case.basis.ground(), &case.collection.policy)
    }

    fn settle(&mut self, case: &Case<'_>, verdict: Verdict) -> (IntentResult, bool) {
        match verdict {
            Verdict::Write(write) => (self.written(case, write), true),
            Verdict::Noop => (self.kept(case, IntentStatus::Applied), true),
            Verdict::Superseded { lost, kind } => (self.superseded(case, lost, kind), true),
            Verdict::Review(kind) => (self.parked(case, kind, None), true),
            Verdict::Approval(guard) => (self.parked(case, DisputeKind::Approval, Some(&guard)), true),
            Verdict::Branch(body) => (self.branched(case, &body), true),
            Verdict::Invalid(detail) => {
                (self.refuse(&case.mutation.operation_id, problem("schema_invalid", 422, detail), &case.mutation.raw), true)
            }
            Verdict::Denied(guard) => (self.denied(case, &guard), true),
            Verdict::Returned => (self.conflicting(case), false),
            Verdict::NotFound => {
                let problem = problem("not_found", 404, "there is no such record to update");
                (self.refuse(&case.mutation.operation_id, problem, &case.mutation.raw), true)
            }
        }
    }
}
