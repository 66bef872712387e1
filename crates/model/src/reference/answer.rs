//! Answers, as far as those of the store and of the reference are compared.

use tidewatch_domain::sync::{Body, IntentResult, Mutation, MutationOp};

use crate::rules::{Knew, laid_over, whole};

/// An answer, as far as it is compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// In the protocol's word.
    pub status: &'static str,
    /// Nothing changed.
    pub noop: bool,
    /// Given before.
    pub replayed: bool,
    /// Position.
    pub seq: Option<i64>,
    /// Version.
    pub version: Option<i64>,
    /// The record, where the device cannot know it.
    pub record: Option<Body>,
    /// Another record than it named.
    pub elsewhere: Option<String>,
    /// Entry of the conflicts log.
    pub entry: Option<String>,
    /// The branch that it became.
    pub branch: Option<String>,
    /// Why not.
    pub code: Option<&'static str>,
}

impl From<&IntentResult> for Answer {
    fn from(real: &IntentResult) -> Self {
        Self {
            status: real.status.as_str(),
            noop: real.noop,
            replayed: real.replayed,
            seq: real.seq.map(|seq| seq.0),
            version: real.version.map(|version| version.0),
            record: real.record.clone(),
            elsewhere: real.record_id.as_ref().map(ToString::to_string),
            entry: real.conflict_id.clone(),
            branch: real.branch.clone(),
            code: real.problem.as_ref().map(|problem| problem.code),
        }
    }
}

pub(super) fn refused(code: &'static str) -> Answer {
    Answer { status: "rejected", code: Some(code), ..Answer::default() }
}

pub(super) fn deferred(code: &'static str) -> Answer {
    Answer { status: "deferred", code: Some(code), ..Answer::default() }
}

/// Whether the device holds this body already: what it knew, with its own write on top.
pub(super) fn expected(knew: &Knew, intent: &Mutation, body: &Body) -> bool {
    match (knew, intent.op) {
        (_, MutationOp::Delete) | (Knew::All, _) => true,
        (_, MutationOp::Crdt) => false,
        (Knew::Older(base), MutationOp::Update) => laid_over(base, &intent.fields) == *body,
        (Knew::Nothing, MutationOp::Update) => false,
        _ => whole(&intent.fields) == *body,
    }
}
