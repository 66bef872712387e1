//! From an intent that may be decided to its verdict, and from the verdict to rows and an answer.

mod append;
mod basis;
mod clock;
mod conflict;
mod outcome;

use std::sync::Arc;

use self::basis::Basis;
use self::clock::Clocked;
use super::guard::problem;
use super::{Collection, RecordKey, ScopeKey, Turn};
use crate::decide::{Asked, Stamp, Standing, Verdict, decide};
use crate::sync::{Body, IntentResult, IntentStatus, Mutation, MutationOp};

/// Number of an operation in the log.
#[must_use]
pub const fn op_number(op: MutationOp) -> i64 {
    match op {
        MutationOp::Create => 1,
        MutationOp::Update => 2,
        MutationOp::Put => 3,
        MutationOp::Delete => 4,
    }
}

/// One intent under decision.
struct Case<'a> {
    collection: &'a Arc<Collection>,
    mutation: &'a Mutation,
    key: RecordKey,
    scope: ScopeKey,
    basis: Basis,
    clocked: Clocked,
    /// Body of the record, or of the tombstone's last live version.
    body: Body,
}

impl Turn<'_> {
    /// Decides one intent. The second value says whether the answer is remembered.
    pub(crate) fn write(&mut self, collection: &Arc<Collection>, mutation: &Mutation) -> (IntentResult, bool) {
        let key = (collection.key, mutation.record_id.clone());
        let scope = self.batch.scopes[&mutation.scope];
        if self.set.records.get(&key).is_some_and(|record| record.scope != scope) {
            let problem = problem("scope_mismatch", 422, "the record belongs to another scope");
            return (self.refuse(&mutation.operation_id, problem, &mutation.raw), true);
        }
        let basis = self.basis(collection, mutation, &key);
        let clocked = self.clock(collection, mutation, &key, &basis);
        let body = self.body(&key);
        let case = Case { collection, mutation, key, scope, basis, clocked, body };
        let verdict = self.verdict(&case);
        self.settle(&case, verdict)
    }

    fn verdict(&self, case: &Case<'_>) -> Verdict {
        let standing = self.set.records.get(&case.key).map(|record| Standing {
            stamp: Stamp {
                ticks: record.hlc.ticks,
                node: &record.hlc.node,
                client: &record.last_client_id,
                operation: &record.last_operation_id,
            },
            deleted: record.deleted,
            body: &case.body,
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
        };
        decide(standing, asked, case.basis.ground(), &case.collection.policy)
    }

    fn settle(&mut self, case: &Case<'_>, verdict: Verdict) -> (IntentResult, bool) {
        match verdict {
            Verdict::Write(write) => (self.written(case, write), true),
            Verdict::Noop => (self.kept(case, IntentStatus::Applied), true),
            Verdict::Superseded { lost, kind } => (self.superseded(case, lost, kind), true),
            Verdict::Review(kind) => (self.parked(case, kind), true),
            Verdict::Returned => (self.conflicting(case), false),
            Verdict::NotFound => {
                let problem = problem("not_found", 404, "there is no such record to update");
                (self.refuse(&case.mutation.operation_id, problem, &case.mutation.raw), true)
            }
        }
    }
}
