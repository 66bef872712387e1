//! One change: a row of the log, the record after it, and its share of the digest.

use std::sync::Arc;

use super::branch::branches_named;
use super::settle::named;
use super::{Case, op_number};
use crate::decide::{Detail, Stamp, Write};
use crate::digest::{chain_next, content_hash, record_hash};
use crate::engine::{ChangeFacts, NewChange, Past, Record, Turn};
use crate::ids::{Seq, Version};
use crate::json::names_text;
use crate::policy::PolicyKind;
use crate::sync::MutationOp;

impl Turn<'_> {
    /// Writes a change: one row of the log, the record, its share of the digest, its old version into the history.
    pub(super) fn append(&mut self, case: &Case<'_>, write: &Write, text: Option<String>) -> (Seq, Version) {
        self.evict(case);
        let before = self.set.records.remove(&case.key);
        let prev_seq = before.as_ref().map_or(Seq(0), |record| record.last_seq);
        let version = Version(before.as_ref().map_or(0, |record| record.version.0) + 1);
        let content = content_hash(text.as_deref());
        let seq = Seq(self.log.head.0 + 1);
        let alias = case.duplicate.then(|| case.mutation.record_id.to_string());
        let crdt = (write.op == MutationOp::Crdt).then(|| case.mutation.fields.clone());
        let detail = Detail {
            rank: self.rank(case),
            stamped: write.stamped.clone(),
            alias,
            crdt,
            merges: branches_named(case.mutation).to_vec(),
            resolves: named(case.mutation).to_vec(),
            vector: self.vector_noted(case.collection, case.mutation, (&case.meta, case.leaves.is_some())),
        };
        let changed = write.changed.as_ref().map(|names| names_text(names.iter().map(String::as_str)));
        let mut change = NewChange {
            seq,
            collection: Arc::clone(case.collection),
            record_id: case.key.1.clone(),
            scope_key: case.scope,
            scope: case.mutation.scope.clone(),
            op: write.op,
            version,
            prev_seq,
            hlc: case.clocked.hlc.clone(),
            hlc_claimed: case.clocked.claimed.clone(),
            client: self.batch.client,
            client_id: self.batch.client_id.clone(),
            operation_id: case.mutation.operation_id.clone(),
            schema_version: case.mutation.schema_version,
            merged: write.merged,
            changed,
            fields: text,
            detail: detail.text(),
            committed: self.now,
            digest: content,
            chain: self.log.chain,
        };
        change.digest = facts(&change, &content).digest();
        change.chain = chain_next(&self.log.chain, seq.0, &change.digest);
        self.log.head = seq;
        self.log.chain = change.chain;
        self.digest_move(case, before.as_ref(), (version, &content, change.fields.is_some()));
        let conflicted = match &before {
            Some(record) => record.conflicted,
            // Something may wait beside a record before there is one: the word that a guard asks for.
            None => self.set.standoffs.get(&case.key).is_some_and(|known| known.iter().any(|standoff| standoff.open)),
        };
        let unmoved = before.as_ref().filter(|_| case.duplicate || write.op == MutationOp::Crdt).cloned();
        if let Some(before) = before {
            let past = Past { version: before.version, body: before.body };
            self.set.history.entry(case.key.clone()).or_default().push(past);
        }
        let meta = case.meta.clone().after(&detail, stamp(&change)).text();
        let mut record = Record { meta, conflicted, ..record_of(&change, content) };
        // Neither a duplicate nor a field that merges by itself makes the rest of the record newer, or somebody else's.
        if let Some(Record { hlc, last_client, last_client_id, last_operation_id, .. }) = unmoved {
            record = Record { hlc, last_client, last_client_id, last_operation_id, ..record };
        }
        self.set.records.insert(case.key.clone(), record);
        self.effects.records.insert(case.key.clone());
        self.effects.changes.push(change);
        (seq, version)
    }

    /// Rank of the writer, where the policy decides by it.
    fn rank(&self, case: &Case<'_>) -> Option<i64> {
        (case.collection.policy.kind == PolicyKind::HigherRoleWins).then_some(self.batch.role_rank)
    }

    fn digest_move(&mut self, case: &Case<'_>, before: Option<&Record>, after: (Version, &crate::digest::Hash, bool)) {
        let (record_id, collection) = (case.key.1.as_str(), case.collection.key);
        let (mut rows, mut sum) = (0, 0u64);
        if after.2 {
            rows += 1;
            sum = sum.wrapping_add(record_hash(record_id, after.0, after.1));
        }
        if let Some(before) = before.filter(|before| !before.deleted) {
            let gone = record_hash(record_id, before.version, &before.content_hash);
            if before.scope != case.scope {
                self.effects.digests.push((before.scope, collection, -1, 0u64.wrapping_sub(gone)));
            } else {
                rows -= 1;
                sum = sum.wrapping_sub(gone);
            }
        }
        self.effects.digests.push((case.scope, collection, rows, sum));
    }
}

/// The facts that the digest of a new row covers.
fn facts<'a>(change: &'a NewChange, content: &'a crate::digest::Hash) -> ChangeFacts<'a> {
    ChangeFacts {
        collection: change.collection.name.as_str(),
        record_id: change.record_id.as_str(),
        scope: change.scope.as_str(),
        op: op_number(change.op),
        version: change.version.0,
        prev_seq: change.prev_seq.0,
        ticks: change.hlc.ticks.0.cast_signed(),
        node: &change.hlc.node,
        hlc_claimed: change.hlc_claimed.as_deref(),
        client_id: change.client_id.as_str(),
        operation_id: change.operation_id.as_str(),
        schema_version: change.schema_version,
        policy_rev: change.collection.policy_rev,
        decision: if change.merged { 2 } else { 1 },
        changed: change.changed.as_deref(),
        content,
        committed: change.committed,
        detail: change.detail.as_deref(),
    }
}

fn stamp(change: &NewChange) -> Stamp<'_> {
    Stamp {
        ticks: change.hlc.ticks,
        node: &change.hlc.node,
        client: change.client_id.as_str(),
        operation: change.operation_id.as_str(),
    }
}

fn record_of(change: &NewChange, content_hash: crate::digest::Hash) -> Record {
    Record {
        scope: change.scope_key,
        version: change.version,
        last_seq: change.seq,
        hlc: change.hlc.clone(),
        deleted: change.fields.is_none(),
        conflicted: false,
        last_client: change.client,
        last_client_id: change.client_id.to_string(),
        last_operation_id: change.operation_id.to_string(),
        content_hash,
        body: change.fields.clone(),
        meta: None,
    }
}
