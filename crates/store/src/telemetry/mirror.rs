//! The mirror of the outboxes. What a device's newest digest lists is there; what a complete digest leaves out is gone; what a
//! truncated one leaves out stays. What this server refused for good joins the list as poisoned, also for silent devices, until
//! a later complete digest of the device leaves it out. What the archive keeps ([`follow`]) is not a device's to change or remove.

pub(super) mod follow;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};
use sqlx::SqliteConnection;
use tidewatch_domain::report::{EntryState, OutboxDigest, OutboxEntry, ReportedError, STATES_REPORTED};
use tidewatch_domain::signature::{message_plain, signature};

use super::columns::state_rank;
use super::device::DeviceDoc;
use super::group::{Group, Refusal};
use super::sync_facts::{DeadLetter, SyncFacts};
use crate::Result;

/// How an entry is written.
const WRITE: &str = include_str!("../sql/outbox_write.sql");
/// Devices that one statement counts. It sorts all entries of theirs, in memory: a drain may touch one of each of a thousand devices.
const DEVICES_AT_ONCE: usize = if cfg!(test) { 1 } else { 32 };
/// Nothing to send in any state.
const NONE: [i64; STATES_REPORTED] = [0; STATES_REPORTED];

/// Brings the mirror up to date with a group and recounts the devices it touched.
pub(crate) async fn mirror_write(connection: &mut SqliteConnection, facts: &SyncFacts, group: &mut Group) -> Result<()> {
    let devices = group.outbox_devices();
    if devices.is_empty() {
        return Ok(());
    }
    let mut changed = HashSet::new();
    changed.extend(digests_write(connection, group).await?);
    changed.extend(answered_remove(connection, group, &changed).await?);
    changed.extend(refusals_write(connection, facts, group).await?);
    changed.extend(follow::follow(connection, facts, group).await?);
    recount(connection, group, &changed).await
}

fn fingerprint(at_total: i64, entries: &[OutboxEntry]) -> i64 {
    let mut hasher = DefaultHasher::new();
    at_total.hash(&mut hasher);
    for entry in entries {
        format!("{entry:?}").hash(&mut hasher);
    }
    hasher.finish().cast_signed()
}

/// Writes the entries that digests list, and removes what complete digests leave out. Answers the devices it changed.
async fn digests_write(connection: &mut SqliteConnection, group: &mut Group) -> Result<Vec<i64>> {
    const GONE: &str = r"
        delete from outbox where (device, operation_id) in (
            select o.device, o.operation_id from json_each(?1) as full
            join outbox o on o.device = full.value ->> '$[0]' and o.seen_ms < full.value ->> '$[1]' and o.kept = 0)";
    let outboxes = std::mem::take(&mut group.outboxes);
    let (mut rows, mut full, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    let mut devices = group.by_id();
    for (device, (at, digest)) in &outboxes {
        let doc = &mut devices.get_mut(device).expect("loaded with the group").doc;
        doc.outbox_total = Some(digest.total);
        doc.outbox_bytes = digest.bytes;
        let print = fingerprint(digest.total, &digest.entries);
        let unchanged = doc.outbox_print == Some(print);
        let nothing = digest.entries.is_empty() && !digest.truncated && doc.states == NONE;
        (doc.outbox_print, doc.outbox_at) = (Some(print), Some(*at));
        if unchanged {
            continue;
        }
        (doc.listed_at, doc.drained_listed) = (Some(*at), 0);
        if nothing {
            continue;
        }
        changed.push(*device);
        let version = doc.app_version.as_deref();
        rows.extend(digest.entries.iter().map(|entry| entry_row(*device, *at, entry, version)));
        if is_complete(digest) {
            full.push(json!([device, at]));
        }
    }
    if !rows.is_empty() {
        sqlx::query(WRITE).bind(Value::from(rows).to_string()).execute(&mut *connection).await?;
    }
    if !full.is_empty() {
        sqlx::query(GONE).bind(Value::from(full).to_string()).execute(&mut *connection).await?;
    }
    Ok(changed)
}

fn is_complete(digest: &OutboxDigest) -> bool {
    !digest.truncated
}

/// An attempt as the column of a history keeps it.
fn attempt(at: i64, error: Option<&ReportedError>, version: Option<&str>) -> Value {
    let message = error.and_then(|error| error.message.as_deref()).map(message_plain);
    json!([[at, error.map(|error| error.code.as_str()), message, version]])
}

fn entry_row(device: i64, at: i64, entry: &OutboxEntry, version: Option<&str>) -> Value {
    let error = entry.error.as_ref();
    let failed = error.map(|e| signature(&e.code, &entry.collection, &entry.op, e.message.as_deref()));
    let history = match (entry.attempts, entry.last_attempt_at) {
        (1.., Some(last)) => attempt(last.0, error, version),
        _ => json!([]),
    };
    json!([
        device,
        entry.operation_id,
        entry.collection,
        entry.record_id,
        entry.scope,
        entry.op,
        entry.priority,
        state_rank(entry.state),
        entry.attempts,
        entry.created_at.map(|at| at.0),
        entry.last_attempt_at.map(|at| at.0),
        entry.next_attempt_at.map(|at| at.0),
        entry.bytes,
        error.map(|e| e.code.as_str()),
        error.and_then(|e| e.status),
        error.and_then(|e| e.message.as_deref()),
        failed,
        json!(entry.depends_on).to_string(),
        history.to_string(),
        Value::Null,
        at,
        entry.created_at.map_or(at, |created| created.0),
    ])
}

/// Removes what was finally answered otherwise than refused; also what a digest of the same group has only just listed.
async fn answered_remove(connection: &mut SqliteConnection, group: &mut Group, listed: &HashSet<i64>) -> Result<Vec<i64>> {
    const TEXT: &str = r"
        delete from outbox where kept = 0 and (device, operation_id) in (
            select value ->> '$[0]', value ->> '$[1]' from json_each(?1)) returning device";
    let answered = std::mem::take(&mut group.answered);
    let devices = group.by_id();
    let counted = |device: &i64| devices.get(device).is_some_and(|touched| touched.doc.states != NONE || touched.is_new);
    let mirrored = |device: &i64| listed.contains(device) || counted(device);
    let rows: Vec<Value> = answered.iter().filter(|(device, _)| mirrored(device)).map(|(d, o)| json!([d, o])).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let gone: Vec<i64> = sqlx::query_scalar(TEXT).bind(Value::from(rows).to_string()).fetch_all(connection).await?;
    let mut devices = group.by_id();
    for device in &gone {
        let doc = &mut devices.get_mut(device).expect("loaded with the group").doc;
        doc.outbox_total = doc.outbox_total.map(|total| (total - 1).max(0));
        doc.outbox_print = None;
    }
    Ok(gone)
}

/// Writes what this server refused for good, with what the dead letter says of it.
async fn refusals_write(connection: &mut SqliteConnection, facts: &SyncFacts, group: &mut Group) -> Result<Vec<i64>> {
    let refusals = std::mem::take(&mut group.refusals);
    if refusals.is_empty() {
        return Ok(Vec::new());
    }
    let operations: Vec<&str> = refusals.iter().map(|refusal| refusal.operation_id.as_str()).collect();
    let clients: HashMap<i64, String> = group.devices.iter().map(|(client, touched)| (touched.id, client.clone())).collect();
    let versions: HashMap<i64, &str> =
        group.devices.values().filter_map(|touched| Some((touched.id, touched.doc.app_version.as_deref()?))).collect();
    let letters = facts.dead_letters(&operations).await?;
    let letters: HashMap<(&str, &str), &DeadLetter> =
        letters.iter().map(|letter| ((letter.client_id.as_str(), letter.operation_id.as_str()), letter)).collect();
    let mut rows = BTreeMap::new();
    for refusal in &refusals {
        let letter =
            clients.get(&refusal.device).and_then(|client| letters.get(&(client.as_str(), refusal.operation_id.as_str())));
        let intent: Value = letter.and_then(|letter| serde_json::from_str(&letter.mutation).ok()).unwrap_or_default();
        let version = versions.get(&refusal.device).copied();
        rows.insert((refusal.device, refusal.operation_id.clone()), refusal_row(refusal, &intent, version, EntryState::Poisoned));
    }
    let rows: Vec<Value> = rows.into_values().collect();
    sqlx::query(WRITE).bind(Value::from(rows).to_string()).execute(&mut *connection).await?;
    let mut devices = group.by_id();
    for refusal in &refusals {
        devices.get_mut(&refusal.device).expect("loaded with the group").doc.outbox_print = None;
    }
    Ok(refusals.iter().map(|refusal| refusal.device).collect())
}

/// An entry as its intent tells it; without an error when it was never tried.
fn refusal_row(refusal: &Refusal, intent: &Value, version: Option<&str>, state: EntryState) -> Value {
    let depends_on = intent.get("depends_on").filter(|names| names.is_array()).map_or_else(|| "[]".to_owned(), Value::to_string);
    let text = |name: &str| intent.get(name).and_then(Value::as_str);
    let (collection, op) = (text("collection").unwrap_or_default(), text("op").unwrap_or_default());
    let created = text("created_at").and_then(tidewatch_domain::time::Millis::parse_rfc3339).map(|at| at.0.min(refusal.at));
    let (error, tried) = (&refusal.error, refusal.attempts > 0);
    json!([
        refusal.device,
        refusal.operation_id,
        collection,
        text("record_id").unwrap_or_default(),
        text("scope"),
        op,
        intent.get("priority").and_then(Value::as_i64).unwrap_or(3),
        state_rank(state),
        refusal.attempts,
        created,
        tried.then_some(refusal.at),
        Value::Null,
        intent.to_string().len(),
        tried.then_some(&error.code),
        error.status,
        error.message,
        tried.then(|| signature(&error.code, collection, op, error.message.as_deref())),
        depends_on,
        if tried { attempt(refusal.at, Some(error), version) } else { json!([]) }.to_string(),
        refusal.here.then_some(refusal.at),
        refusal.at,
        created.unwrap_or(refusal.at),
    ])
}

/// Counts the mirrored entries of devices anew.
async fn recount(connection: &mut SqliteConnection, group: &mut Group, changed: &HashSet<i64>) -> Result<()> {
    const TEXT: &str = r"
        select o.device, o.state, count(*) as entries, min(o.sort_age) as oldest, max(o.error_code) as code,
            sum(o.first_seen_ms <= wanted.value ->> '$[1]' and o.seen_ms >= wanted.value ->> '$[1]') as listed
        from json_each(?1) as wanted join outbox o on o.device = wanted.value ->> '$[0]' group by o.device, o.state";
    if changed.is_empty() {
        return Ok(());
    }
    let mut devices = group.by_id();
    let mut wanted = Vec::with_capacity(changed.len());
    for id in changed {
        let touched = devices.get_mut(id).expect("loaded with the group");
        touched.dirty = true;
        let doc = &mut touched.doc;
        (doc.states, doc.drained, doc.drained_listed) = (NONE, Default::default(), 0);
        (doc.mirrored_oldest, doc.poison_code) = (None, None);
        wanted.push(json!([id, doc.listed_at]));
    }
    for some in wanted.chunks(DEVICES_AT_ONCE) {
        let rows: Vec<Counted> =
            sqlx::query_as(TEXT).bind(Value::from(some.to_vec()).to_string()).fetch_all(&mut *connection).await?;
        for row in rows {
            let touched = devices.get_mut(&row.device).expect("loaded with the group");
            row.apply(&mut touched.doc);
        }
    }
    Ok(())
}

/// Entries of one device in one state.
#[derive(sqlx::FromRow)]
struct Counted {
    device: i64,
    state: i64,
    entries: i64,
    oldest: i64,
    code: Option<String>,
    listed: Option<i64>,
}

impl Counted {
    fn apply(self, doc: &mut DeviceDoc) {
        let state = usize::try_from(self.state).expect("a checked column");
        if state >= STATES_REPORTED {
            doc.drained[state - STATES_REPORTED] = self.entries;
            doc.drained_listed += self.listed.unwrap_or_default();
            return;
        }
        doc.states[state] = self.entries;
        if state == state_rank(EntryState::Poisoned) {
            doc.poison_code = self.code;
        }
        doc.mirrored_oldest = Some(doc.mirrored_oldest.map_or(self.oldest, |known| known.min(self.oldest)));
    }
}
