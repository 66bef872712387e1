//! A group to its line and back. Maps are written in the order of their keys, so that the same group is the same text.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;
use tidewatch_domain::digest::{Hash, content_hash};
use tidewatch_domain::engine::capture::{Answered, Captured, CapturedBatch};
use tidewatch_domain::engine::{
    Anchor, Catalogue, ClientKey, Collection, CollectionKey, LogState, Memory, Outcome, Past, Record, Rules, ScopeKey, Standoff,
    WorkingSet, answer_extra, answer_restore,
};
use tidewatch_domain::hlc::{Hlc, ServerClock, Ticks};
use tidewatch_domain::ids::{ClientId, CollectionName, IdempotencyKey, OperationId, RecordId, Scope, Seq, Version};
use tidewatch_domain::sync::{Body, Intent, IntentProblem, IntentResult, IntentStatus};
use tidewatch_domain::time::Millis;

use super::line::{
    BatchLine, CollectionLine, GroupLine, LogLine, MemoryLine, OutcomeLine, PastLine, RecordLine, RulesLine, StandoffLine,
};
use super::{CaptureFault, Revisions, fault};
use crate::problem::Code;
use crate::v1::mutations::{MutationProblem, MutationResult, push_read};

type Read<T> = Result<T, CaptureFault>;

/// The line of a group.
#[must_use]
pub fn group_line(captured: &Captured, answers: &[Answered]) -> String {
    let set = &captured.set;
    let mut line = GroupLine {
        before: log_line(&captured.before),
        after: log_line(&captured.after),
        collections: captured.catalogue.values().map(|known| collection_line(known)).collect(),
        records: set.records.iter().map(|(key, record)| record_line(key, record)).collect(),
        history: set.history.iter().flat_map(|(key, past)| past.iter().map(|past| past_line(key, past))).collect(),
        memory: set.memory.iter().map(|((client, key), memory)| memory_line(*client, key, memory)).collect(),
        outcomes: set.outcomes.iter().map(outcome_line).collect(),
        aliases: set.aliases.iter().map(|((c, alias), id)| (c.0, alias.to_string(), id.to_string())).collect(),
        anchors: Vec::new(),
        standoffs: Vec::new(),
        batches: captured.batches.iter().zip(answers).map(|(batch, answer)| batch_line(batch, answer)).collect(),
    };
    for ((collection, exact), anchors) in &set.anchors {
        let row = |anchor: &Anchor| (collection.0, hex::encode(exact), anchor.near, anchor.seq.0, anchor.record_id.to_string());
        line.anchors.extend(anchors.iter().map(row));
    }
    for ((collection, record_id), standoffs) in &set.standoffs {
        let row = |known: &Standoff| StandoffLine {
            collection: collection.0,
            record_id: record_id.to_string(),
            conflict: known.conflict,
            branch: known.branch.clone(),
            open: known.open,
            asked: known.asked.map(|(client, rank)| (client.0, rank)),
            fields: known.fields.clone(),
        };
        line.standoffs.extend(standoffs.iter().map(row));
    }
    line.collections.sort_by_key(|known| known.key);
    line.records.sort_by(|a, b| (a.collection, &a.record_id).cmp(&(b.collection, &b.record_id)));
    line.history.sort_by(|a, b| (a.collection, &a.record_id, a.version).cmp(&(b.collection, &b.record_id, b.version)));
    line.memory.sort_by(|a, b| (a.client, &a.key).cmp(&(b.client, &b.key)));
    line.outcomes.sort_by(|a, b| (a.client, &a.operation_id).cmp(&(b.client, &b.operation_id)));
    line.aliases.sort();
    line.anchors.sort();
    line.standoffs.sort_by(|a, b| (a.collection, &a.record_id, a.conflict).cmp(&(b.collection, &b.record_id, b.conflict)));
    serde_json::to_string(&line).expect("a group is JSON")
}

fn log_line(log: &LogState) -> LogLine {
    LogLine {
        head: log.head.0,
        chain: hex::encode(log.chain),
        clock: log.clock.last.0,
        conflict_id: log.conflict_id,
        committed: log.committed.0,
    }
}

fn collection_line(known: &Collection) -> CollectionLine {
    CollectionLine { key: known.key.0, name: known.name.to_string(), rev: known.policy_rev }
}

fn record_line(key: &(CollectionKey, RecordId), record: &Record) -> RecordLine {
    RecordLine {
        collection: key.0.0,
        record_id: key.1.to_string(),
        scope: record.scope.0,
        version: record.version.0,
        last_seq: record.last_seq.0,
        ticks: record.hlc.ticks.0,
        node: record.hlc.node.clone(),
        conflicted: record.conflicted,
        client: record.last_client.0,
        client_id: record.last_client_id.clone(),
        operation_id: record.last_operation_id.clone(),
        body: record.body.clone(),
        meta: record.meta.clone(),
    }
}

fn past_line(key: &(CollectionKey, RecordId), past: &Past) -> PastLine {
    PastLine { collection: key.0.0, record_id: key.1.to_string(), version: past.version.0, body: past.body.clone() }
}

fn memory_line(client: ClientKey, key: &IdempotencyKey, memory: &Memory) -> MemoryLine {
    let answer = &memory.answer;
    MemoryLine {
        client: client.0,
        key: key.to_string(),
        digest: hex::encode(memory.digest),
        operation_id: answer.operation_id.to_string(),
        status: answer.status.as_str().to_owned(),
        seq: answer.seq.map(|seq| seq.0),
        version: answer.version.map(|version| version.0),
        hlc: answer.hlc.clone(),
        extra: answer_extra(answer),
        record: answer.record.clone().map(Value::Object),
    }
}

fn outcome_line(((client, operation_id), outcome): (&(ClientKey, OperationId), &Outcome)) -> OutcomeLine {
    OutcomeLine { client: client.0, operation_id: operation_id.to_string(), stands: *outcome == Outcome::Stands }
}

fn batch_line(batch: &CapturedBatch, answer: &Answered) -> BatchLine {
    let raw = |intent: &Intent| {
        let raw = match intent {
            Intent::Valid(mutation) => &mutation.raw,
            Intent::Invalid { raw, .. } => raw,
        };
        RawValue::from_string(raw.clone()).expect("an intent came as JSON")
    };
    let named_none = batch.intents.iter().find_map(|intent| match intent {
        Intent::Valid(mutation) if !mutation.raw.contains("\"schema_version\"") => Some(mutation.schema_version),
        _ => None,
    });
    let invalid = batch.intents.iter().enumerate().filter_map(|(at, intent)| match intent {
        Intent::Invalid { problem, .. } => Some((at, MutationProblem::from(problem.clone()))),
        Intent::Valid(_) => None,
    });
    let mut scopes: Vec<(String, i64)> = batch.scopes.iter().map(|(scope, key)| (scope.to_string(), key.0)).collect();
    scopes.sort();
    let results = answer.as_ref().map(Vec::as_slice).unwrap_or_default();
    BatchLine {
        client: batch.client.0,
        client_id: batch.client_id.to_string(),
        role: batch.role.clone(),
        role_rank: batch.role_rank,
        scopes,
        now: batch.now.0,
        schema_version: named_none.unwrap_or(1),
        intents: batch.intents.iter().map(raw).collect(),
        invalid: invalid.collect(),
        rules: rules_line(&batch.rules),
        results: results.iter().cloned().map(MutationResult::from).collect(),
        refused: answer.as_ref().err().map(|code| (*code).to_owned()),
    }
}

fn rules_line(rules: &Rules) -> RulesLine {
    RulesLine {
        atomic: rules.atomic,
        unchanged_since: rules.unchanged_since.map(|seq| seq.0),
        if_match: rules.if_match.map(|version| version.0),
        sequence: rules.sequence,
        ack_floor: rules.ack_floor,
    }
}

/// What was answered to a batch: results, or the code by which it was refused as a whole.
pub type Given = Result<Vec<MutationResult>, String>;

/// Reads the line of a group, with the answers that were given. Policies come from the first line of the capture.
///
/// # Errors
/// What is wrong with it.
pub fn group_read(line: &str, revisions: &Revisions) -> Read<(Captured, Vec<Given>)> {
    let line: GroupLine = serde_json::from_str(line).map_err(fault)?;
    let mut catalogue = Catalogue::new();
    for known in &line.collections {
        let name = CollectionName::parse(known.name.clone()).map_err(fault)?;
        let found = revisions.of(known.rev).remove(&name);
        let (policy_rev, policy) =
            found.ok_or_else(|| CaptureFault(format!("revision {} of `{name}` is not in the capture", known.rev)))?;
        catalogue.insert(name.clone(), Arc::new(Collection { key: CollectionKey(known.key), name, policy, policy_rev }));
    }
    let set = set_read(&line)?;
    let (before, after) = (log_read(&line.before)?, log_read(&line.after)?);
    let mut batches = Vec::with_capacity(line.batches.len());
    let mut given = Vec::with_capacity(line.batches.len());
    for batch in line.batches {
        given.push(batch.refused.clone().map_or_else(|| Ok(batch.results.clone()), Err));
        batches.push(batch_read(batch)?);
    }
    Ok((Captured { before, set, catalogue: Arc::new(catalogue), batches, after }, given))
}

fn hash_read(text: &str) -> Read<Hash> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).map_err(fault)?;
    Ok(hash)
}

fn log_read(line: &LogLine) -> Read<LogState> {
    Ok(LogState {
        head: Seq(line.head),
        chain: hash_read(&line.chain)?,
        clock: ServerClock { last: Ticks(line.clock) },
        conflict_id: line.conflict_id,
        committed: Millis(line.committed),
    })
}

fn record_id(text: &str) -> Read<RecordId> {
    RecordId::parse(text).map_err(fault)
}

fn set_read(line: &GroupLine) -> Read<WorkingSet> {
    let mut set = WorkingSet::default();
    for known in &line.records {
        let key = (CollectionKey(known.collection), record_id(&known.record_id)?);
        body_check(known.body.as_deref())?;
        set.records.insert(key, record_read(known));
    }
    for past in &line.history {
        let key = (CollectionKey(past.collection), record_id(&past.record_id)?);
        body_check(past.body.as_deref())?;
        let past = Past { version: Version(past.version), body: past.body.clone() };
        set.history.entry(key).or_default().push(past);
    }
    for known in &line.memory {
        let key = IdempotencyKey::parse(known.key.clone()).map_err(fault)?;
        let memory = Memory { digest: hash_read(&known.digest)?, answer: answer_read(known)? };
        set.memory.insert((ClientKey(known.client), key), memory);
    }
    for known in &line.outcomes {
        let operation = OperationId::parse(known.operation_id.clone()).map_err(fault)?;
        let outcome = if known.stands { Outcome::Stands } else { Outcome::Failed };
        set.outcomes.insert((ClientKey(known.client), operation), outcome);
    }
    for (collection, alias, target) in &line.aliases {
        set.aliases.insert((CollectionKey(*collection), record_id(alias)?), record_id(target)?);
    }
    for (collection, exact, near, seq, id) in &line.anchors {
        let anchor = Anchor { near: *near, seq: Seq(*seq), record_id: record_id(id)? };
        set.anchors.entry((CollectionKey(*collection), hash_read(exact)?)).or_default().push(anchor);
    }
    for known in &line.standoffs {
        let standoff = Standoff {
            conflict: known.conflict,
            branch: known.branch.clone(),
            open: known.open,
            asked: known.asked.map(|(client, rank)| (ClientKey(client), rank)),
            fields: known.fields.clone(),
        };
        let key = (CollectionKey(known.collection), record_id(&known.record_id)?);
        set.standoffs.entry(key).or_default().push(standoff);
    }
    Ok(set)
}

/// The engine takes bodies for objects that it has written itself.
fn body_check(text: Option<&str>) -> Read<()> {
    text.map_or(Ok(()), |text| serde_json::from_str::<Body>(text).map(|_| ()).map_err(fault))
}

fn record_read(line: &RecordLine) -> Record {
    Record {
        scope: ScopeKey(line.scope),
        version: Version(line.version),
        last_seq: Seq(line.last_seq),
        hlc: Hlc { ticks: Ticks(line.ticks), node: line.node.clone() },
        deleted: line.body.is_none(),
        conflicted: line.conflicted,
        last_client: ClientKey(line.client),
        last_client_id: line.client_id.clone(),
        last_operation_id: line.operation_id.clone(),
        content_hash: content_hash(line.body.as_deref()),
        body: line.body.clone(),
        meta: line.meta.clone(),
    }
}

fn answer_read(line: &MemoryLine) -> Read<IntentResult> {
    const STATUSES: [IntentStatus; 5] =
        [IntentStatus::Applied, IntentStatus::Merged, IntentStatus::Superseded, IntentStatus::Conflict, IntentStatus::Rejected];
    let status = STATUSES.into_iter().find(|status| status.as_str() == line.status);
    let plain = IntentResult {
        operation_id: OperationId::parse(line.operation_id.clone()).map_err(fault)?,
        status: status.ok_or_else(|| CaptureFault(format!("`{}` is no remembered status", line.status)))?,
        noop: false,
        replayed: false,
        seq: line.seq.map(Seq),
        version: line.version.map(Version),
        hlc: None,
        record: None,
        record_id: None,
        branch: None,
        resolution: None,
        conflict_id: None,
        warnings: Vec::new(),
        problem: None,
    };
    let record = line.record.as_ref().map(Value::to_string);
    Ok(answer_restore(plain, line.extra.as_deref(), line.hlc.clone(), record.as_deref()))
}

fn batch_read(line: BatchLine) -> Read<CapturedBatch> {
    let mut scopes = HashMap::new();
    for (scope, key) in &line.scopes {
        scopes.insert(Scope::parse(scope.clone()).map_err(fault)?, ScopeKey(*key));
    }
    let intents = intents_read(&line)?;
    if line.refused.is_none() && intents.len() != line.results.len() {
        return Err(CaptureFault("a batch has not as many results as intents".to_owned()));
    }
    Ok(CapturedBatch {
        client: ClientKey(line.client),
        client_id: ClientId::parse(line.client_id).map_err(fault)?,
        role: line.role,
        role_rank: line.role_rank,
        scopes: Arc::new(scopes),
        now: Millis(line.now),
        rules: Rules {
            atomic: line.rules.atomic,
            unchanged_since: line.rules.unchanged_since.map(Seq),
            if_match: line.rules.if_match.map(Version),
            sequence: line.rules.sequence,
            ack_floor: line.rules.ack_floor,
        },
        intents,
    })
}

/// Intents by the reader of devices' batches; those that never came to a decision stay refused as they were.
fn intents_read(line: &BatchLine) -> Read<Vec<Intent>> {
    let head = format!("{{\"protocol\":1,\"client_id\":\"{}\",\"schema_version\":{}", line.client_id, line.schema_version);
    let texts: Vec<&str> = line.intents.iter().map(|raw| raw.get()).collect();
    let body = format!("{head},\"mutations\":[{}]}}", texts.join(","));
    let refused = |problem: crate::problem::Problem| CaptureFault(problem.detail.unwrap_or_else(|| problem.code.into_owned()));
    let mut intents = push_read(body.as_bytes()).map_err(refused)?.push.intents;
    for (at, problem) in &line.invalid {
        let intent = intents.get_mut(*at).ok_or_else(|| CaptureFault("a refused intent is not there".to_owned()))?;
        let code = Code::parse(&problem.code).ok_or_else(|| CaptureFault(format!("`{}` is no code", problem.code)))?;
        *intent = intent.refused(IntentProblem {
            code: code.as_str(),
            status: problem.status,
            retryable: problem.retryable,
            retry_after_ms: problem.retry_after_ms,
            detail: problem.detail.clone(),
        });
    }
    Ok(intents)
}
