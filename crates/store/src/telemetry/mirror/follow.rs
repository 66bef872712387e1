//! What became of entries, as the journal of the log tells it: the mirror follows. Whatever is told twice, or late, ends the same,
//! since an entry gets the state that the archive has *now*; of what is on its way to the device, the newest word counts.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use sqlx::SqliteConnection;
use tidewatch_domain::report::{EntryState, ReportedError};
use tidewatch_domain::signature::signature;

use super::super::group::{Group, Refusal};
use super::super::sync_facts::{Archived, EntryEvent, SyncFacts, mirror_state};
use super::{WRITE, attempt, refusal_row};
use crate::Result;

/// Where the journal has been followed to, in `marks`.
pub(crate) const MARK: &str = "entry_events_through";

/// Entries that one statement writes. Each lies in up to seven trees, and a statement holds every page that it changes until it ends.
const ROWS_AT_ONCE: usize = if cfg!(test) { 2 } else { 250 };

/// Poisoned, as the archive and the mirror count states.
const POISONED: i64 = 0;
/// Held, as the archive counts states.
const HELD: i64 = 2;
/// Code of what was handed over without an error.
const NOT_SENT: &str = "not_sent";

/// The newest word about one entry.
#[derive(Debug)]
struct Told<'e> {
    state: Option<i64>,
    event: &'e EntryEvent,
    job: Option<i64>,
    /// The one that says the state.
    stated: Option<&'e EntryEvent>,
}

impl Told<'_> {
    /// When a job had it decided again, and it was refused once more.
    fn failed_again(&self) -> Option<i64> {
        let stated = self.stated.filter(|event| event.state == Some(POISONED) && event.job.is_some() && event.detail.is_some());
        stated.map(|event| event.at_ms)
    }
}

/// Applies what the group was told. Answers the devices it changed.
pub(super) async fn follow(connection: &mut SqliteConnection, facts: &SyncFacts, group: &mut Group) -> Result<Vec<i64>> {
    let events = std::mem::take(&mut group.followed);
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let devices: HashMap<&str, i64> = group.devices.iter().map(|(client, touched)| (client.as_str(), touched.id)).collect();
    let mut told: BTreeMap<(i64, &str), Told<'_>> = BTreeMap::new();
    for event in &events {
        let entry = (devices[event.client_id.as_str()], event.operation_id.as_str());
        let before = told.get(&entry);
        let state = event.state.or(before.and_then(|told| told.state));
        let job = event.job.or(before.and_then(|told| told.job));
        let stated = event.state.map(|_| event).or(before.and_then(|told| told.stated));
        told.insert(entry, Told { state, event, job, stated });
    }
    let asked: Vec<(&str, &str)> =
        told.values().map(|told| (told.event.client_id.as_str(), told.event.operation_id.as_str())).collect();
    let archive = facts.archived(&asked).await?;
    let archive: HashMap<(&str, &str), &Archived> =
        archive.iter().map(|letter| ((letter.client_id.as_str(), letter.operation_id.as_str()), letter)).collect();
    let mut changed = entries_add(connection, facts, &told, &archive).await?;
    changed.extend(entries_update(connection, facts, &told, &archive).await?);
    changed.sort_unstable();
    changed.dedup();
    let mut devices = group.by_id();
    for device in &changed {
        // The next digest is written whatever it says: the device may speak of what it has not heard of yet.
        devices.get_mut(device).expect("loaded with the group").doc.outbox_print = None;
    }
    Ok(changed)
}

/// Adds what the mirror has never listed and the archive holds. Answers the devices of what it added.
async fn entries_add(
    connection: &mut SqliteConnection,
    facts: &SyncFacts,
    told: &BTreeMap<(i64, &str), Told<'_>>,
    archive: &HashMap<(&str, &str), &Archived>,
) -> Result<Vec<i64>> {
    const MISSING: &str = r"
        select w.key from json_each(?1) as w
        where not exists (select 1 from outbox o where o.device = w.value ->> '$[0]' and o.operation_id = w.value ->> '$[1]')";
    let held: Vec<(i64, &Archived)> = told
        .iter()
        .filter_map(|((device, _), told)| {
            let letter = archive.get(&(told.event.client_id.as_str(), told.event.operation_id.as_str()))?;
            let lists = letter.is_kept() || told.state.is_some() || letter.is_of_device();
            (lists && !letter.is_gone()).then_some((*device, *letter))
        })
        .collect();
    let keys: Vec<Value> = held.iter().map(|(device, letter)| json!([device, letter.operation_id])).collect();
    let missing: Vec<i64> = sqlx::query_scalar(MISSING).bind(Value::from(keys).to_string()).fetch_all(&mut *connection).await?;
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let at = |key: i64| &held[usize::try_from(key).expect("an index of the array")];
    let missing: Vec<&(i64, &Archived)> = missing.into_iter().map(at).collect();
    let intents = facts.archived_intents(&missing.iter().map(|(_, letter)| letter.id).collect::<Vec<_>>()).await?;
    let row =
        |(device, letter): &&(i64, &Archived)| letter_row(*device, letter, intents.get(&letter.id).map_or("", String::as_str));
    for some in missing.chunks(ROWS_AT_ONCE) {
        let rows: Vec<Value> = some.iter().map(row).collect();
        sqlx::query(WRITE).bind(Value::from(rows).to_string()).execute(&mut *connection).await?;
    }
    Ok(missing.iter().map(|(device, _)| *device).collect())
}

/// A row of the mirror as the archive tells it. What its device keeps is in no state that this server knows: it is listed as one that waits
/// to be sent until a digest says more.
fn letter_row(device: i64, letter: &Archived, intent: &str) -> Value {
    let intent: Value = serde_json::from_str(intent).unwrap_or_default();
    let error = ReportedError { code: letter.code.clone(), status: None, message: letter.detail.clone() };
    let (operation_id, here) = (letter.operation_id.clone(), letter.is_refused());
    let state = match (letter.is_of_device(), letter.state) {
        (false, _) => EntryState::Poisoned,
        (true, HELD) => EntryState::Held,
        (true, _) if letter.code == NOT_SENT => EntryState::Queued,
        (true, _) => EntryState::Retrying,
    };
    let attempts = i64::from(!letter.is_of_device() || letter.code != NOT_SENT);
    refusal_row(&Refusal { device, operation_id, at: letter.at_ms, attempts, error, here }, &intent, None, state)
}

/// Gives entries their state, what is on its way, and the job; takes the words of their error from those that were purged. What has
/// all that already is not written: an entry is in six indexes that hold its state. What its device kept and has sent by now is over.
/// Answers the devices of what it changed.
async fn entries_update(
    connection: &mut SqliteConnection,
    facts: &SyncFacts,
    told: &BTreeMap<(i64, &str), Told<'_>>,
    archive: &HashMap<(&str, &str), &Archived>,
) -> Result<Vec<i64>> {
    const OVER: &str = r"
        delete from outbox where (device, operation_id) in (
            select value ->> '$[0]', value ->> '$[1]' from json_each(?1)) returning device";
    const TEXT: &str = include_str!("../../sql/outbox_follow.sql");
    let failed = failed_again(facts, told, archive).await?;
    let row = |((device, operation), told): (&(i64, &str), &Told<'_>)| {
        let letter = archive.get(&(told.event.client_id.as_str(), *operation));
        let state = match letter {
            Some(letter) if letter.is_of_device() => None,
            Some(letter) => Some(letter.mirror_state()),
            None => told.state,
        };
        let kept = letter.is_some_and(|letter| letter.is_kept());
        // What a purged entry failed on may quote its payload.
        let purged = letter.is_some_and(|letter| letter.purged);
        let fixed = json!([device, operation, state, i64::from(kept), told.event.pending, told.job, purged]);
        let mut row = fixed.as_array().cloned().unwrap_or_default();
        row.extend(letter.map_or([const { Value::Null }; 5], |letter| again(letter, told, &failed)));
        row.push(json!(told.stated.unwrap_or(told.event).at_ms));
        Value::from(row)
    };
    let gone = |(entry, told): &(&(i64, &str), &Told<'_>)| {
        archive.get(&(told.event.client_id.as_str(), entry.1)).is_some_and(|letter| letter.is_gone())
    };
    let (over, told): (Vec<_>, Vec<_>) = told.iter().partition(gone);
    let over: Vec<Value> = over.into_iter().map(|((device, operation), _)| json!([device, operation])).collect();
    let rows: Vec<Value> = told.into_iter().map(row).collect();
    let mut changed: Vec<i64> = sqlx::query_scalar(OVER).bind(Value::from(over).to_string()).fetch_all(&mut *connection).await?;
    for some in rows.chunks(ROWS_AT_ONCE) {
        let rows = Value::from(some.to_vec()).to_string();
        let devices: Vec<i64> = sqlx::query_scalar(TEXT).bind(rows).fetch_all(&mut *connection).await?;
        changed.extend(devices);
    }
    Ok(changed)
}

/// Of an entry that was refused once more: code, words, signature, when, and that as an attempt.
fn again(letter: &Archived, told: &Told<'_>, failed: &HashMap<i64, String>) -> [Value; 5] {
    let (Some(signature), Some(at)) = (failed.get(&letter.id), told.failed_again()) else { return [const { Value::Null }; 5] };
    let error = ReportedError { code: letter.code.clone(), status: None, message: letter.detail.clone() };
    let tried = attempt(at, Some(&error), None)[0].take();
    [json!(letter.code), json!(letter.detail), json!(signature), json!(at), tried]
}

/// Signatures of entries that a job has decided again and that were refused once more, by their rows of the archive. The new reason is
/// there, and a digest knows nothing of it.
async fn failed_again(
    facts: &SyncFacts,
    told: &BTreeMap<(i64, &str), Told<'_>>,
    archive: &HashMap<(&str, &str), &Archived>,
) -> Result<HashMap<i64, String>> {
    let letters: HashMap<i64, &Archived> = told
        .values()
        .filter(|told| told.failed_again().is_some())
        .filter_map(|told| archive.get(&(told.event.client_id.as_str(), told.event.operation_id.as_str())))
        .filter(|letter| letter.state == POISONED && !letter.purged)
        .map(|letter| (letter.id, *letter))
        .collect();
    if letters.is_empty() {
        return Ok(HashMap::new());
    }
    let intents = facts.archived_intents(&letters.keys().copied().collect::<Vec<_>>()).await?;
    let read = |(id, intent): (i64, String)| {
        let (letter, intent) = (letters[&id], serde_json::from_str::<Value>(&intent).unwrap_or_default());
        let text = |name: &str| intent.get(name).and_then(Value::as_str).unwrap_or_default();
        (id, signature(&letter.code, text("collection"), text("op"), letter.detail.as_deref()))
    };
    Ok(intents.into_iter().map(read).collect())
}

impl Archived {
    /// Whether this server refused it; the others came from the device by another way.
    fn is_refused(&self) -> bool {
        self.origin == 0
    }

    /// Whether the archive alone says its state and whether it is there: its device has dropped it, or has nothing to say of it.
    fn is_kept(&self) -> bool {
        if self.is_refused() { self.state != 0 } else { !self.is_of_device() }
    }

    /// Whether its device has it as before and alone says its state: the payload was asked for, and nobody has acted on it since.
    fn is_of_device(&self) -> bool {
        self.origin == 2 && !self.acted
    }

    /// Whether its device kept it, and it has been sent and settled: it is in no outbox any more.
    fn is_gone(&self) -> bool {
        self.is_of_device() && self.state == 1
    }

    /// Its state as the mirror counts states.
    fn mirror_state(&self) -> i64 {
        mirror_state(self.state)
    }
}
