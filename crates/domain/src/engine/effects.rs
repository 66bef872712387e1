//! What a group of batches changes: rows as data, ready to be written with one statement a table.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{ClientKey, Collection, NewControl, RecordKey, ScopeKey, answer_extra};
use crate::decide::DisputeKind;
use crate::digest::{Hash, RowHasher};
use crate::hlc::Hlc;
use crate::ids::{ClientId, IdempotencyKey, OperationId, RecordId, Scope, Seq, Version};
use crate::policy::NaturalValue;
use crate::sync::{IntentResult, IntentStatus, Mutation, MutationOp};
use crate::time::Millis;

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChange {
    /// Position.
    pub seq: Seq,
    /// Collection.
    pub collection: Arc<Collection>,
    /// Record.
    pub record_id: RecordId,
    /// Scope, by its short name.
    pub scope_key: ScopeKey,
    /// Scope.
    pub scope: Scope,
    /// What it does.
    pub op: MutationOp,
    /// Version of the record after it.
    pub version: Version,
    /// The record's change before it; 0 for none.
    pub prev_seq: Seq,
    /// Effective clock.
    pub hlc: Hlc,
    /// As claimed, when that is not the effective one.
    pub hlc_claimed: Option<String>,
    /// Device, by its short name.
    pub client: ClientKey,
    /// Device.
    pub client_id: ClientId,
    /// Operation.
    pub operation_id: OperationId,
    /// Schema version of the device.
    pub schema_version: i64,
    /// Came out of a merge.
    pub merged: bool,
    /// JSON array of the fields it changed; `None` on a full image or a tombstone.
    pub changed: Option<String>,
    /// Canonical text of the full post-image; `None` on a tombstone.
    pub fields: Option<String>,
    /// What the policy needs beside that, see [`crate::decide::Detail`].
    pub detail: Option<String>,
    /// Committed at.
    pub committed: Millis,
    /// Digest of all of the above.
    pub digest: Hash,
    /// Chain up to this row.
    pub chain: Hash,
}

/// What the digest of a row of the log covers: names, not short names, so that another store computes the same.
#[derive(Clone, Copy, Debug)]
pub struct ChangeFacts<'a> {
    /// Collection.
    pub collection: &'a str,
    /// Record.
    pub record_id: &'a str,
    /// Scope.
    pub scope: &'a str,
    /// Number of the operation, as the log stores it.
    pub op: i64,
    /// Version of the record.
    pub version: i64,
    /// The record's change before.
    pub prev_seq: i64,
    /// Effective clock.
    pub ticks: i64,
    /// Its node.
    pub node: &'a str,
    /// Clock as claimed.
    pub hlc_claimed: Option<&'a str>,
    /// Device.
    pub client_id: &'a str,
    /// Operation.
    pub operation_id: &'a str,
    /// Schema version.
    pub schema_version: i64,
    /// Revision of the policy.
    pub policy_rev: i64,
    /// Number of the decision, as the log stores it.
    pub decision: i64,
    /// Changed fields.
    pub changed: Option<&'a str>,
    /// Hash of the body.
    pub content: &'a Hash,
    /// Committed at.
    pub committed: Millis,
    /// What the policy needs beside the change; only rows that have it cover it.
    pub detail: Option<&'a str>,
}

impl ChangeFacts<'_> {
    /// The digest of the row.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let hasher = RowHasher::default()
            .bytes(self.collection)
            .bytes(self.record_id)
            .bytes(self.scope)
            .number(self.op)
            .number(self.version)
            .number(self.prev_seq)
            .number(self.ticks)
            .bytes(self.node)
            .maybe(self.hlc_claimed)
            .bytes(self.client_id)
            .bytes(self.operation_id)
            .number(self.schema_version)
            .number(self.policy_rev)
            .number(self.decision)
            .maybe(self.changed)
            .bytes(self.content)
            .number(self.committed.0);
        match self.detail {
            Some(detail) => hasher.bytes(detail).finish(),
            None => hasher.finish(),
        }
    }
}

/// An entry of the conflicts log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewConflict {
    /// Number.
    pub id: i64,
    /// Collection.
    pub collection: Arc<Collection>,
    /// Record.
    pub record_id: RecordId,
    /// Scope.
    pub scope: ScopeKey,
    /// The change that stands.
    pub seq: Seq,
    /// Why.
    pub kind: DisputeKind,
    /// What the decision read, JSON text.
    pub inputs: String,
    /// Body that the write was based on.
    pub base: Option<String>,
    /// The device's value.
    pub local: String,
    /// The store's value.
    pub server: String,
    /// Device.
    pub client: ClientKey,
    /// Operation.
    pub operation_id: OperationId,
    /// Waits for a person.
    pub open: bool,
    /// How it was settled, JSON text; `None` while open.
    pub resolution: Option<String>,
    /// Name of the branch that the device's value is.
    pub branch: Option<String>,
    /// Settled or opened at.
    pub at: Millis,
}

/// An entry of the conflicts log that is settled now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedConflict {
    /// Its number.
    pub id: i64,
    /// How, JSON text.
    pub resolution: String,
    /// By whom.
    pub by: ClientId,
    /// By which change.
    pub seq: Seq,
}

/// The first record of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAnchor {
    /// Collection.
    pub collection: super::CollectionKey,
    /// Its natural key.
    pub value: NaturalValue,
    /// Position at which it was recorded.
    pub seq: Seq,
    /// Which record.
    pub record_id: RecordId,
}

/// Another id of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAlias {
    /// Collection.
    pub collection: super::CollectionKey,
    /// The other id.
    pub alias: RecordId,
    /// The record.
    pub record_id: RecordId,
}

/// A refused intent, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDeadLetter {
    /// Device.
    pub client: ClientKey,
    /// Operation.
    pub operation_id: OperationId,
    /// Problem code.
    pub code: &'static str,
    /// The same in words.
    pub detail: String,
    /// The intent as it came.
    pub mutation: String,
    /// Refused at.
    pub at: Millis,
}

/// What is remembered under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMemory {
    /// Device.
    pub client: ClientKey,
    /// Key.
    pub key: IdempotencyKey,
    /// What the intent meant.
    pub digest: Hash,
    /// Status of the answer.
    pub status: IntentStatus,
    /// Position in the answer.
    pub seq: Option<Seq>,
    /// Version in the answer.
    pub version: Option<Version>,
    /// The rest of the answer, JSON text; `None` for a plain one.
    pub extra: Option<String>,
    /// Counter of the device.
    pub client_seq: Option<i64>,
    /// Answered at.
    pub at: Millis,
}

impl NewMemory {
    pub(crate) fn of(client: ClientKey, mutation: &Mutation, digest: Hash, answer: &IntentResult, at: Millis) -> Self {
        Self {
            client,
            key: mutation.idempotency_key.clone(),
            digest,
            status: answer.status,
            seq: answer.seq,
            version: answer.version,
            extra: answer_extra(answer),
            client_seq: mutation.client_seq,
            at,
        }
    }
}

/// What a group of batches changes.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Rows of the log that change records, in order.
    pub changes: Vec<NewChange>,
    /// Rows of the log that change none, in order. Both lists together have no holes.
    pub controls: Vec<NewControl>,
    /// Records to write as the working set has them now.
    pub records: BTreeSet<RecordKey>,
    /// Change of the digests: scope, collection, live rows, wrapping sum.
    pub digests: Vec<(ScopeKey, super::CollectionKey, i64, u64)>,
    /// Dedupe rows.
    pub memories: Vec<NewMemory>,
    /// Entries of the conflicts log.
    pub conflicts: Vec<NewConflict>,
    /// Refused intents.
    pub dead_letters: Vec<NewDeadLetter>,
    /// Entries of the conflicts log that are settled.
    pub closed: Vec<ClosedConflict>,
    /// Records that moved with something open beside them, and where to.
    pub moved: Vec<(RecordKey, ScopeKey)>,
    /// First records of things.
    pub anchors: Vec<NewAnchor>,
    /// Other ids of records.
    pub aliases: Vec<NewAlias>,
}

impl Effects {
    /// Adds what came later.
    pub fn append(&mut self, later: Self) {
        let Self { changes, controls, mut records, digests, memories, conflicts, dead_letters, closed, moved, anchors, aliases } =
            later;
        self.changes.extend(changes);
        self.controls.extend(controls);
        self.records.append(&mut records);
        self.digests.extend(digests);
        self.memories.extend(memories);
        self.conflicts.extend(conflicts);
        self.dead_letters.extend(dead_letters);
        self.closed.extend(closed);
        self.moved.extend(moved);
        self.anchors.extend(anchors);
        self.aliases.extend(aliases);
    }
}
