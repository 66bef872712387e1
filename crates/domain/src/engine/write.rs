//! From an intent that may be decided to its verdict, and from the verdict to rows and an answer.

use std::sync::Arc;

use serde_json::json;

use super::answer::blank;
use super::effects::ChangeFacts;
use super::guard::{RECORD_BYTES_MAX, problem};
use super::{Collection, NewChange, NewConflict, Past, Record, RecordKey, SERVER_NODE, ScopeKey, Turn};
use crate::decide::{Asked, Dispute, DisputeKind, Ground, Stamp, Standing, Verdict, Write, applied, decide};
use crate::digest::{chain_next, content_hash, record_hash};
use crate::hlc::{Hlc, is_skewed};
use crate::ids::{IdempotencyKey, Seq, Version};
use crate::json::{body_text, names_text};
use crate::policy::PolicyClock;
use crate::sync::{Base, Body, IntentResult, IntentStatus, Mutation, MutationOp, Resolution};

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

/// The effective clock of an intent, and how it came about.
struct Clocked {
    hlc: Hlc,
    claimed: Option<String>,
    skewed: bool,
}

/// What the intent was based on, with the body when the policy needs it.
enum Basis {
    Current,
    Stale(Body),
    Unknown,
}

impl Basis {
    fn ground(&self) -> Ground<'_> {
        match self {
            Self::Current => Ground::Current,
            Self::Stale(body) => Ground::Stale(body),
            Self::Unknown => Ground::Unknown,
        }
    }

    const fn as_str(&self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale(_) => "stale",
            Self::Unknown => "unknown",
        }
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

    fn basis(&self, collection: &Collection, mutation: &Mutation, key: &RecordKey) -> Basis {
        let Some(record) = self.set.records.get(key) else { return Basis::Unknown };
        let version = match &mutation.base {
            Base::Unknown => None,
            Base::Version(version) => Some(*version),
            Base::Operation(operation)
                if record.last_operation_id == operation.as_str() && record.last_client == self.batch.client =>
            {
                Some(record.version)
            }
            Base::Operation(operation) => self.version_after(operation.as_str()),
        };
        match version {
            Some(version) if version == record.version => Basis::Current,
            Some(version) if collection.policy.needs_base() => self.past(key, version).map_or(Basis::Unknown, Basis::Stale),
            _ => Basis::Unknown,
        }
    }

    /// Version that an earlier operation of the same device left, if it stands.
    fn version_after(&self, operation: &str) -> Option<Version> {
        let key = (self.batch.client, IdempotencyKey::parse(operation).ok()?);
        let answer = &self.set.memory.get(&key)?.answer;
        matches!(answer.status, IntentStatus::Applied | IntentStatus::Merged).then_some(answer.version).flatten()
    }

    fn past(&self, key: &RecordKey, version: Version) -> Option<Body> {
        let past = self.set.history.get(key)?.iter().find(|past| past.version == version)?;
        Some(past.body.as_deref().map(body_read).unwrap_or_default())
    }

    fn body(&self, key: &RecordKey) -> Body {
        let Some(record) = self.set.records.get(key) else { return Body::new() };
        if let Some(text) = &record.body {
            return body_read(text);
        }
        let history = self.set.history.get(key).map(Vec::as_slice).unwrap_or_default();
        let newest = history.iter().filter(|past| past.body.is_some()).max_by_key(|past| past.version);
        newest.and_then(|past| past.body.as_deref()).map(body_read).unwrap_or_default()
    }

    /// The effective clock: as claimed, unless it is missing, arrival counts, or it is too far ahead. A write that knew the
    /// record's last change comes after it, whatever its device's clock says.
    fn clock(&mut self, collection: &Collection, mutation: &Mutation, key: &RecordKey, basis: &Basis) -> Clocked {
        let claimed = mutation.logical_timestamp.as_deref().and_then(Hlc::parse);
        let skewed = claimed.as_ref().is_some_and(|claimed| is_skewed(claimed.ticks, self.now));
        let hlc = match &claimed {
            Some(claimed) if !skewed && collection.policy.clock == PolicyClock::Hlc => claimed.clone(),
            _ => Hlc { ticks: self.log.clock.tick(self.now), node: SERVER_NODE.to_owned() },
        };
        let floor = self.set.records.get(key).filter(|_| matches!(basis, Basis::Current)).map(|record| record.hlc.ticks);
        let ticks = floor.filter(|floor| *floor >= hlc.ticks).map_or(hlc.ticks, |floor| floor.next());
        let hlc = Hlc { ticks, ..hlc };
        self.log.clock.observe(hlc.ticks);
        let claimed = claimed.filter(|claimed| *claimed != hlc).map(|claimed| claimed.to_string());
        Clocked { hlc, claimed, skewed }
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

    fn written(&mut self, case: &Case<'_>, write: Write) -> IntentResult {
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
        answer.record = if expected(case, write.image.as_ref()) { None } else { write.image };
        answer
    }

    /// The record stays as it is and the intent agrees with it.
    fn kept(&self, case: &Case<'_>, status: IntentStatus) -> IntentResult {
        let Some(record) = self.set.records.get(&case.key) else {
            let mut answer = blank(case.mutation.operation_id.clone(), status);
            answer.noop = true;
            return answer;
        };
        let mut answer = self.answer(case, status, record.last_seq, record.version);
        answer.noop = status == IntentStatus::Applied;
        if !(record.deleted || answer.noop && matches!(case.basis, Basis::Current)) {
            answer.record = Some(case.body.clone());
        }
        answer
    }

    fn superseded(&mut self, case: &Case<'_>, lost: Vec<String>, kind: DisputeKind) -> IntentResult {
        let settled = resolution(case, Vec::new(), lost);
        let id = self.conflict(case, Dispute { kind, open: false }, Some(resolution_text(&settled, "superseded")));
        let mut answer = self.kept(case, IntentStatus::Superseded);
        answer.conflict_id = Some(id);
        answer.resolution = Some(settled);
        answer
    }

    fn parked(&mut self, case: &Case<'_>, kind: DisputeKind) -> IntentResult {
        let id = self.conflict(case, Dispute { kind, open: true }, None);
        if let Some(record) = self.set.records.get_mut(&case.key) {
            record.conflicted = true;
            self.effects.records.insert(case.key.clone());
        }
        let mut answer = self.conflicting(case);
        answer.conflict_id = Some(id);
        answer
    }

    fn conflicting(&self, case: &Case<'_>) -> IntentResult {
        let mut answer = self.kept(case, IntentStatus::Conflict);
        answer.problem = Some(problem("version_conflict", 409, "the record has changed since the base of this intent"));
        answer
    }

    fn answer(&self, case: &Case<'_>, status: IntentStatus, seq: Seq, version: Version) -> IntentResult {
        let mut answer = blank(case.mutation.operation_id.clone(), status);
        answer.seq = Some(seq);
        answer.version = Some(version);
        if case.clocked.skewed {
            answer.warnings.push("clock_skew");
        }
        answer
    }

    /// Writes a change: one row of the log, the record, its share of the digest, its old version into the history.
    fn append(&mut self, case: &Case<'_>, write: &Write, text: Option<String>) -> (Seq, Version) {
        let before = self.set.records.remove(&case.key);
        let prev_seq = before.as_ref().map_or(Seq(0), |record| record.last_seq);
        let version = Version(before.as_ref().map_or(0, |record| record.version.0) + 1);
        let content = content_hash(text.as_deref());
        let seq = Seq(self.log.head.0 + 1);
        let changed = write.changed.as_ref().map(|names| names_text(names.iter().map(String::as_str)));
        let mut change = NewChange {
            seq,
            collection: Arc::clone(case.collection),
            record_id: case.mutation.record_id.clone(),
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
            committed: self.now,
            digest: content,
            chain: self.log.chain,
        };
        change.digest = facts(&change, &content).digest();
        change.chain = chain_next(&self.log.chain, seq.0, &change.digest);
        self.log.head = seq;
        self.log.chain = change.chain;
        self.digest_move(case, before.as_ref(), (version, &content, change.fields.is_some()));
        let conflicted = before.as_ref().is_some_and(|record| record.conflicted);
        if let Some(before) = before {
            let past = Past { version: before.version, body: before.body };
            self.set.history.entry(case.key.clone()).or_default().push(past);
        }
        self.set.records.insert(case.key.clone(), record_of(&change, content, conflicted));
        self.effects.records.insert(case.key.clone());
        self.effects.changes.push(change);
        (seq, version)
    }

    fn digest_move(&mut self, case: &Case<'_>, before: Option<&Record>, after: (Version, &crate::digest::Hash, bool)) {
        let record_id = case.mutation.record_id.as_str();
        let (mut rows, mut sum) = (0, 0u64);
        if let Some(before) = before.filter(|before| !before.deleted) {
            rows -= 1;
            sum = sum.wrapping_sub(record_hash(record_id, before.version, &before.content_hash));
        }
        if after.2 {
            rows += 1;
            sum = sum.wrapping_add(record_hash(record_id, after.0, after.1));
        }
        self.effects.digests.push((case.scope, case.collection.key, rows, sum));
    }

    fn dispute(&mut self, case: &Case<'_>, dispute: Dispute, write: &Write) -> String {
        let mut settled = json!({"outcome": dispute.kind.as_str(), "kept": write.kept, "lost": write.lost, "over": write.over});
        settled["policy"] = case.collection.policy.name().into();
        self.conflict(case, dispute, Some(settled.to_string()))
    }

    /// Writes both values into the conflicts log; called before the record changes.
    fn conflict(&mut self, case: &Case<'_>, dispute: Dispute, resolution: Option<String>) -> String {
        let record = self.set.records.get(&case.key);
        let server = record.and_then(|record| record.body.clone()).unwrap_or_else(|| "null".to_owned());
        let inputs = json!({
            "op": case.mutation.op.as_str(),
            "base": case.basis.as_str(),
            "policy": case.collection.policy.name(),
            "server_time": self.now.to_string(),
            "device_hlc": case.clocked.hlc.to_string(),
            "device": self.batch.client_id.as_str(),
            "store_hlc": record.map(|record| record.hlc.to_string()),
            "store_device": record.map(|record| record.last_client_id.as_str()),
            "store_operation": record.map(|record| record.last_operation_id.as_str()),
        });
        self.log.conflict_id += 1;
        let id = self.log.conflict_id;
        self.effects.conflicts.push(NewConflict {
            id,
            collection: Arc::clone(case.collection),
            record_id: case.mutation.record_id.clone(),
            scope: case.scope,
            seq: record.map_or(Seq(0), |record| record.last_seq),
            kind: dispute.kind,
            inputs: inputs.to_string(),
            base: if let Basis::Stale(base) = &case.basis { Some(body_text(base)) } else { None },
            local: if case.mutation.op == MutationOp::Delete { "null".to_owned() } else { body_text(&case.mutation.fields) },
            server,
            client: self.batch.client,
            operation_id: case.mutation.operation_id.clone(),
            open: dispute.open,
            resolution,
            at: self.now,
        });
        format!("cf_{id}")
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
    }
}

fn record_of(change: &NewChange, content_hash: crate::digest::Hash, conflicted: bool) -> Record {
    Record {
        scope: change.scope_key,
        version: change.version,
        last_seq: change.seq,
        hlc: change.hlc.clone(),
        deleted: change.fields.is_none(),
        conflicted,
        last_client: change.client,
        last_client_id: change.client_id.to_string(),
        last_operation_id: change.operation_id.to_string(),
        content_hash,
        body: change.fields.clone(),
    }
}

fn resolution(case: &Case<'_>, kept: Vec<String>, lost: Vec<String>) -> Resolution {
    Resolution { policy: case.collection.policy.name().to_owned(), policy_rev: case.collection.policy_rev, kept, lost }
}

fn resolution_text(settled: &Resolution, outcome: &str) -> String {
    json!({"outcome": outcome, "policy": settled.policy, "kept": settled.kept, "lost": settled.lost}).to_string()
}

/// Whether the device already holds this image: its base with its own write on top.
fn expected(case: &Case<'_>, image: Option<&Body>) -> bool {
    let Some(image) = image else { return true };
    match (&case.basis, case.mutation.op) {
        (Basis::Current, _) => true,
        (Basis::Stale(base), MutationOp::Update) => applied(base, &case.mutation.fields) == *image,
        (Basis::Unknown, MutationOp::Update) => false,
        (_, MutationOp::Create | MutationOp::Put) => applied(&Body::new(), &case.mutation.fields) == *image,
        (_, MutationOp::Delete) => true,
    }
}

/// A body from its canonical text.
fn body_read(text: &str) -> Body {
    serde_json::from_str(text).expect("the log holds objects that the engine itself has written")
}
