//! Deciding archived intents again: the same engine, the same rules, under the same ids. A refusal that stands between an intent and its
//! decision is forgotten when something else comes of it, and only then, so that whoever sends the intent again gets the new answer.

use std::collections::HashMap;
use std::sync::Arc;

use tidewatch_domain::decide::DisputeKind;
use tidewatch_domain::digest::meaning_digest;
use tidewatch_domain::drain::{ArchiveState, DrainAction, ItemOutcome};
use tidewatch_domain::engine::{
    Batch, Catalogue, ClientKey, Effects, LogState, Memory, NewConflict, NewMemory, Outcome, Rules, WorkingSet, answer_extra,
    batch_apply,
};
use tidewatch_domain::ids::IdempotencyKey;
use tidewatch_domain::json::body_text;
use tidewatch_domain::sync::{Intent, IntentResult, IntentStatus, Mutation, MutationOp};
use tidewatch_domain::time::Millis;

use super::chunk::{ChunkItem, Letter, Way};
use super::job_statements::{MEMORY_DROP, MEMORY_DROP_PREV};
use super::jobs::JobRow;
use crate::Result;
use crate::sync::flush::{digests_after, flush};
use crate::sync::live::Client;
use crate::sync::prefetch::{Sent, working_set};
use crate::sync::writer::{Pending, Writer};

/// What a decision came to.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) outcome: ItemOutcome,
    /// Where its row of the archive goes; none leaves it as it is.
    pub(super) state: Option<ArchiveState>,
    /// Code and words of a refusal.
    pub(super) problem: Option<(String, String)>,
    /// The answer in a word, unless it is a refusal.
    pub(super) answer: Option<String>,
    /// What its device is told.
    pub(super) word: DrainAction,
    /// The operation that took its place.
    pub(super) successor: Option<String>,
}

/// Decisions of a chunk, made one by one so that a job can stop between them.
pub(super) struct Decisions {
    set: WorkingSet,
    catalogue: Arc<Catalogue>,
    clients: HashMap<ClientKey, Arc<Client>>,
    log: LogState,
    effects: Effects,
    forgotten: Vec<(ClientKey, IdempotencyKey)>,
    now: Millis,
    inputs: serde_json::Value,
}

impl Writer {
    /// Loads what the decisions of a chunk need.
    pub(super) async fn decisions(
        &mut self,
        job: &JobRow,
        items: &[ChunkItem],
        letters: &[Option<Letter>],
        now: Millis,
    ) -> Result<Decisions> {
        let shared = Arc::clone(&self.shared);
        let catalogue = Arc::clone(&shared.live().catalogue);
        let mut sent: Vec<(ClientKey, Intent)> = Vec::new();
        for (item, _) in items.iter().zip(letters).filter(|(_, letter)| letter.is_some()) {
            match &item.way {
                Way::Decide(intent) => sent.push((item.client, Intent::clone(intent))),
                Way::Patched { original, copy } => {
                    sent.extend([(item.client, Intent::clone(copy)), (item.client, Intent::clone(original))]);
                }
                Way::Conflict(mutation) => sent.push((item.client, Intent::Valid(mutation.clone()))),
                Way::OnDevice | Way::Move | Way::Fails(..) | Way::NotMeant(_) | Way::Apart(_) => {}
            }
        }
        let set = if sent.is_empty() {
            WorkingSet::default()
        } else {
            let group: Vec<Sent<'_>> = sent.iter().map(|(client, intent)| (*client, std::slice::from_ref(intent))).collect();
            working_set(&mut self.connection, &catalogue, &shared.live, &group).await?
        };
        let live = shared.live();
        let client = |key: &ClientKey| live.client_ids.get(key).and_then(|id| live.clients.get(id)).cloned();
        let clients = sent.iter().filter_map(|(key, _)| Some((*key, client(key)?))).collect();
        let inputs = serde_json::json!({"by": job.created_by, "job": job.name(), "reason": job.reason});
        let (log, effects) = (self.state.log, Effects::default());
        Ok(Decisions { set, catalogue, clients, log, effects, forgotten: Vec::new(), now, inputs })
    }

    /// Writes what came of the decisions; what is in memory follows after the commit.
    pub(super) async fn decisions_flush(&mut self, decisions: Decisions, pending: &mut Pending) -> Result<()> {
        let Decisions { set, log, effects, forgotten, .. } = decisions;
        if effects.memories.is_empty() && effects.changes.is_empty() && effects.conflicts.is_empty() {
            return Ok(());
        }
        let keys: Vec<serde_json::Value> =
            forgotten.iter().map(|(client, key)| serde_json::json!([client.0, key.as_str()])).collect();
        let keys = serde_json::Value::from(keys).to_string();
        for statement in [MEMORY_DROP, MEMORY_DROP_PREV] {
            sqlx::query(statement).bind(keys.clone()).execute(&mut self.connection).await?;
        }
        pending.digests = digests_after(&self.shared.live().digests, &effects);
        flush(&mut self.connection, &effects, &set, &log, &pending.digests, self.state.dead_letter_last).await?;
        self.state.log = log;
        pending.effects = effects;
        Ok(())
    }
}

impl Decisions {
    /// The decision on an item, when it needs one.
    pub(super) fn next(&mut self, item: &ChunkItem) -> Option<Decision> {
        let decided = match &item.way {
            Way::OnDevice | Way::Move | Way::Fails(..) | Way::NotMeant(_) | Way::Apart(_) => return None,
            Way::Decide(intent) => self.retried(item.client, intent),
            Way::Patched { original, copy } => self.patched(item.client, original, copy),
            Way::Conflict(mutation) => self.parked(item.client, mutation),
        };
        Some(decided.unwrap_or_else(|| refused("device_unknown", "its device is not registered".to_owned())))
    }

    fn retried(&mut self, client: ClientKey, intent: &Intent) -> Option<Decision> {
        self.decide(client, intent).as_ref().map(retry_made)
    }

    /// The answer that stands for an intent already: it was sent again and decided otherwise, so there is nothing left to correct.
    pub(super) fn stands(&self, client: ClientKey, mutation: &Mutation) -> Option<Decision> {
        let memory = self.set.memory.get(&(client, mutation.idempotency_key.clone()))?;
        let kept = memory.digest == meaning_digest(mutation) && memory.answer.status != IntentStatus::Rejected;
        kept.then(|| decision(&memory.answer, ArchiveState::Done, None))
    }

    /// The copy is decided; when it is kept, the original gets the same answer and both are closed.
    fn patched(&mut self, client: ClientKey, original: &Intent, copy: &Intent) -> Option<Decision> {
        if let Intent::Valid(mutation) = original
            && let Some(stands) = self.stands(client, mutation)
        {
            return Some(stands);
        }
        let answer = self.decide(client, copy)?;
        Some(self.copy_made(client, original, copy, &answer))
    }

    /// What the answer to a copy means for its original.
    pub(super) fn copy_made(&mut self, client: ClientKey, original: &Intent, copy: &Intent, answer: &IntentResult) -> Decision {
        let successor = Some(copy.operation_id().as_str().to_owned());
        let mut made = decision(answer, ArchiveState::Superseded, successor);
        if made.outcome == ItemOutcome::Ok {
            match original {
                Intent::Valid(original) => self.answer(client, original, answer),
                // Nothing is remembered of what cannot be read: its device would be refused again, so it drops its copy.
                Intent::Invalid { .. } => made.word = DrainAction::Discard,
            }
        }
        made
    }

    /// An open conflict with the device's value, for a person to decide.
    fn parked(&mut self, client: ClientKey, mutation: &Mutation) -> Option<Decision> {
        if let Some(stands) = self.stands(client, mutation) {
            return Some(stands);
        }
        let device = Arc::clone(self.clients.get(&client)?);
        let Some(collection) = self.catalogue.get(&mutation.collection).cloned() else {
            return Some(refused("collection_unknown", "there is no such collection whose conflict it could be".to_owned()));
        };
        let Some(scope) = device.grants.get(&mutation.scope).copied() else {
            return Some(refused("scope_forbidden", "its device may not write to that scope".to_owned()));
        };
        let key = (collection.key, self.set.target(&collection, &mutation.record_id));
        let record = self.set.records.get_mut(&key);
        self.log.conflict_id += 1;
        let id = self.log.conflict_id;
        let (seq, server) = record.as_ref().map_or((tidewatch_domain::ids::Seq(0), None), |r| (r.last_seq, r.body.clone()));
        if let Some(record) = record {
            record.conflicted = true;
            self.effects.records.insert(key.clone());
        }
        self.effects.conflicts.push(NewConflict {
            id,
            collection,
            record_id: key.1,
            scope,
            seq,
            kind: DisputeKind::Review,
            inputs: self.inputs.to_string(),
            base: None,
            local: if mutation.op == MutationOp::Delete { "null".to_owned() } else { body_text(&mutation.fields) },
            server: server.unwrap_or_else(|| "null".to_owned()),
            client,
            operation_id: mutation.operation_id.clone(),
            open: true,
            resolution: None,
            branch: None,
            at: self.now,
        });
        let conflict = format!("cf_{id}");
        let answer = IntentResult {
            operation_id: mutation.operation_id.clone(),
            status: IntentStatus::Conflict,
            noop: false,
            replayed: false,
            seq: None,
            version: None,
            hlc: None,
            record: None,
            record_id: None,
            branch: None,
            resolution: None,
            conflict_id: Some(conflict),
            warnings: Vec::new(),
            problem: None,
        };
        self.answer(client, mutation, &answer);
        Some(decision(&answer, ArchiveState::Done, None))
    }

    fn decide(&mut self, client: ClientKey, intent: &Intent) -> Option<IntentResult> {
        self.decide_all(client, std::slice::from_ref(intent))?.pop()
    }

    /// Decides an intent, or all of a group, as if nothing of it had ever been refused. When it is refused again, the earlier refusals
    /// stand.
    pub(super) fn decide_all(&mut self, client: ClientKey, intents: &[Intent]) -> Option<Vec<IntentResult>> {
        let device = Arc::clone(self.clients.get(&client)?);
        let valid =
            || intents.iter().filter_map(|intent| if let Intent::Valid(mutation) = intent { Some(mutation) } else { None });
        let refusals: Vec<(IdempotencyKey, Memory)> =
            valid().filter_map(|mutation| self.refusal_take(client, mutation)).collect();
        let batch = Batch {
            client,
            client_id: &device.client_id,
            role: device.role.as_deref(),
            role_rank: device.role_rank,
            scopes: &device.grants,
            now: self.now,
            intents,
            rules: Rules::default(),
        };
        let (mut log, mut effects) = (self.log, Effects::default());
        let done = batch_apply(&mut log, &mut self.set, &self.catalogue, &batch, &mut effects);
        // A batch without a precondition is never refused as a whole.
        let answers = done.ok()?.results;
        let kept = answers.iter().all(|answer| !matches!(answer.status, IntentStatus::Rejected | IntentStatus::Deferred));
        if kept {
            self.log = log;
            self.effects.append(effects);
            self.forgotten.extend(refusals.into_iter().map(|(key, _)| (client, key)));
            // Whatever depends on it may go on, also within this chunk.
            let stand = intents.iter().map(|intent| ((client, intent.operation_id().clone()), Outcome::Stands));
            self.set.outcomes.extend(stand);
        } else {
            for mutation in valid() {
                self.refusal_take(client, mutation);
            }
            self.set.memory.extend(refusals.into_iter().map(|(key, memory)| ((client, key), memory)));
        }
        Some(answers)
    }

    /// Takes the refusal of this very intent out of what is remembered.
    fn refusal_take(&mut self, client: ClientKey, mutation: &Mutation) -> Option<(IdempotencyKey, Memory)> {
        let key = (client, mutation.idempotency_key.clone());
        let memory = self.set.memory.get(&key)?;
        let mine = memory.answer.status == IntentStatus::Rejected && memory.digest == meaning_digest(mutation);
        if mine { self.set.memory.remove(&key).map(|memory| (key.1, memory)) } else { None }
    }

    /// Remembers an answer under the key of an intent, in place of its refusal.
    fn answer(&mut self, client: ClientKey, mutation: &Mutation, answer: &IntentResult) {
        let refusal = self.refusal_take(client, mutation);
        let key = (client, mutation.idempotency_key.clone());
        if self.set.memory.contains_key(&key) {
            return;
        }
        self.forgotten.extend(refusal.map(|(key, _)| (client, key)));
        let digest = meaning_digest(mutation);
        self.effects.memories.push(NewMemory {
            client,
            key: mutation.idempotency_key.clone(),
            digest,
            status: answer.status,
            seq: answer.seq,
            version: answer.version,
            extra: answer_extra(answer),
            client_seq: mutation.client_seq,
            at: self.now,
        });
        let answer = IntentResult { operation_id: mutation.operation_id.clone(), ..answer.clone() };
        self.set.outcomes.insert((client, mutation.operation_id.clone()), Outcome::Stands);
        self.set.memory.insert(key, Memory { digest, answer });
    }
}

/// What the answer to a retry means for the row of the archive.
pub(super) fn retry_made(answer: &IntentResult) -> Decision {
    let mut made = decision(answer, ArchiveState::Done, None);
    // What was refused for another reason this time is poisoned for that reason.
    made.state = made.state.or(Some(ArchiveState::Poisoned));
    made
}

/// What an answer means for the row of the archive.
fn decision(answer: &IntentResult, closed: ArchiveState, successor: Option<String>) -> Decision {
    match (answer.status, &answer.problem) {
        (IntentStatus::Rejected | IntentStatus::Deferred | IntentStatus::Unknown, Some(problem)) => {
            refused(problem.code, problem.detail.clone())
        }
        (IntentStatus::Rejected | IntentStatus::Deferred | IntentStatus::Unknown, None) => refused("rejected", String::new()),
        (IntentStatus::Conflict, _) if answer.conflict_id.is_none() => {
            refused("version_conflict", "the record has changed, and its collection leaves that to the device".to_owned())
        }
        (status, _) => Decision {
            outcome: ItemOutcome::Ok,
            state: Some(closed),
            problem: None,
            answer: Some(status.as_str().to_owned()),
            word: DrainAction::Retry,
            successor,
        },
    }
}

/// A refusal that leaves the row of the archive as it is.
pub(super) fn refused(code: &str, detail: String) -> Decision {
    Decision {
        outcome: ItemOutcome::Failed,
        state: None,
        problem: Some((code.to_owned(), detail)),
        answer: None,
        word: DrainAction::Retry,
        successor: None,
    }
}
