//! What the device is told of a verdict, after its effects were written down.

use super::Case;
use super::basis::Basis;
use super::conflict::{Settled, resolution, resolution_text};
use crate::decide::{Dispute, DisputeKind, Write, applied};
use crate::engine::Turn;
use crate::engine::answer::blank;
use crate::engine::guard::{RECORD_BYTES_MAX, problem};
use crate::ids::{Seq, Version};
use crate::json::body_text;
use crate::sync::{Body, IntentResult, IntentStatus, MutationOp};

impl Turn<'_> {
    pub(super) fn written(&mut self, case: &Case<'_>, write: Write) -> IntentResult {
        let text = write.image.as_ref().map(body_text);
        if text.as_ref().is_some_and(|text| text.len() > RECORD_BYTES_MAX) {
            let problem = problem("record_too_large", 413, format!("the record would be larger than {RECORD_BYTES_MAX} bytes"));
            return self.refuse(&case.mutation.operation_id, problem, &case.mutation.raw);
        }
        let conflict = write.dispute.map(|dispute| self.dispute(case, dispute, &write));
        let (seq, version) = self.append(case, &write, text);
        let status = if write.merged { IntentStatus::Merged } else { IntentStatus::Applied };
        let mut answer = self.answer(case, status, seq, version);
        answer.hlc = Some(case.clocked.hlc.to_string());
        answer.conflict_id = conflict;
        if write.merged || write.dispute.is_some() {
            answer.resolution = Some(resolution(case, write.kept, write.lost));
        }
        answer.record = if !self.altered && expected(case, write.image.as_ref()) { None } else { write.image };
        answer
    }

    /// The record stays as it is and the intent agrees with it.
    pub(super) fn kept(&self, case: &Case<'_>, status: IntentStatus) -> IntentResult {
        let Some(record) = self.set.records.get(&case.key) else {
            let mut answer = blank(case.mutation.operation_id.clone(), status);
            answer.noop = status == IntentStatus::Applied;
            return answer;
        };
        let mut answer = self.answer(case, status, record.last_seq, record.version);
        answer.noop = status == IntentStatus::Applied;
        let known = answer.noop && !self.altered && matches!(case.basis, Basis::Current);
        if !(record.deleted || known) {
            answer.record = Some(case.body.clone());
        }
        answer
    }

    pub(super) fn superseded(&mut self, case: &Case<'_>, lost: Vec<String>, kind: DisputeKind) -> IntentResult {
        let settled = resolution(case, Vec::new(), lost);
        let id = self.conflict(case, Dispute { kind, open: false }, Settled::by(resolution_text(&settled, "superseded")));
        let mut answer = self.kept(case, IntentStatus::Superseded);
        answer.conflict_id = Some(id);
        answer.resolution = Some(settled);
        answer
    }

    pub(super) fn parked(&mut self, case: &Case<'_>, kind: DisputeKind, guard: Option<&str>) -> IntentResult {
        let id = self.conflict(case, Dispute { kind, open: true }, Settled { guard, ..Settled::default() });
        self.flag(case);
        let mut answer = self.conflicting(case);
        answer.conflict_id = Some(id);
        answer
    }

    /// Refused by a guard. The dead letter says what the guard has read; the number of a version stands for its content, which the
    /// log keeps.
    pub(super) fn denied(&mut self, case: &Case<'_>, guard: &str) -> IntentResult {
        let problem = problem("guard_failed", 422, format!("the guard `{guard}` of this collection is against it"));
        let role = self.batch.role.map_or_else(|| "no role".to_owned(), |role| format!("role `{role}`"));
        let read = self.set.records.get(&case.key).map_or_else(
            || "no record".to_owned(),
            |record| format!("version {} of the record, at position {}", record.version, record.last_seq),
        );
        let (words, rank, rev) = (&problem.detail, self.batch.role_rank, case.collection.policy_rev);
        let detail =
            format!("{words}: decided at {} by revision {rev} of the policy, for {role} of rank {rank}, on {read}", self.now);
        let answer = self.refuse(&case.mutation.operation_id, problem, &case.mutation.raw);
        if let Some(letter) = self.effects.dead_letters.last_mut() {
            letter.detail = detail;
        }
        answer
    }

    /// Marks the record as one that something waits beside.
    pub(super) fn flag(&mut self, case: &Case<'_>) {
        if let Some(record) = self.set.records.get_mut(&case.key) {
            record.conflicted = true;
            self.effects.records.insert(case.key.clone());
        }
    }

    pub(super) fn conflicting(&self, case: &Case<'_>) -> IntentResult {
        let mut answer = self.kept(case, IntentStatus::Conflict);
        answer.problem = Some(problem("version_conflict", 409, "the record has changed since the base of this intent"));
        answer
    }

    fn answer(&self, case: &Case<'_>, status: IntentStatus, seq: Seq, version: Version) -> IntentResult {
        let mut answer = blank(case.mutation.operation_id.clone(), status);
        answer.seq = Some(seq);
        answer.version = Some(version);
        answer.record_id = (case.key.1 != case.mutation.record_id).then(|| case.key.1.clone());
        if case.clocked.skewed {
            answer.warnings.push("clock_skew");
        }
        answer
    }
}

/// Whether the device already holds this image: its base with its own write on top.
fn expected(case: &Case<'_>, image: Option<&Body>) -> bool {
    let Some(image) = image else { return true };
    match (&case.basis, case.mutation.op) {
        (Basis::Current, MutationOp::Crdt) => true,
        // What others have merged into it since is not in what the device holds.
        (_, MutationOp::Crdt) => false,
        (Basis::Current, _) if !case.collection.policy.derives() => true,
        (Basis::Current, MutationOp::Update) => applied(&case.body, &case.mutation.fields) == *image,
        (Basis::Stale(base), MutationOp::Update) => applied(base, &case.mutation.fields) == *image,
        (Basis::Unknown, MutationOp::Update) => false,
        (_, MutationOp::Create | MutationOp::Put) => applied(&Body::new(), &case.mutation.fields) == *image,
        (_, MutationOp::Delete) => true,
    }
}
