//! The queue that an app keeps in its key-value storage: items with an operation type, a priority by name and an id of their own.
//!
//! The type names collection and operation in one word (`EventCreate`). What compresses or encrypts a payload is the business of the
//! request and of the fields, not of the item.

use serde_json::{Map, Value};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::report::ReportedError;
use tidewatch_domain::sync::ReportedLetter;
use tidewatch_domain::time::Millis;

use super::{
    AdapterResult, Item, NAME_BYTES_MAX, Read, Words, id_text, instant, items_read, named_item, object, payload_fields,
    results_of, scope_named, scope_of, snake, stamp,
};
use crate::limits::{DEAD_LETTERS_MAX, INTEGER_MAX, MUTATIONS_MAX};
use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::v1::dead_letters::{DeadLetterError, DeadLetterRefused, DeadLettersRead, error_read};
use crate::v1::mutations::MutationResult;

/// What the queue calls members of version 1.
const WORDS: Words = &[
    ("operation_id", "id"),
    ("record_id", "recordId"),
    ("collection", "type"),
    ("op", "type"),
    ("fields", "payload"),
    ("base_version", "baseVersion"),
];

/// A batch of the queue.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct QueueRequest {
    /// Scope of items that name none and have no `line_id`; `global` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// At most 1,000; 50 to 100 suit best.
    pub items: Vec<QueueItem>,
}

/// One item of the queue. Its metadata for retries stays with the app.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueItem {
    /// UUID.
    pub id: String,
    /// `EventCreate`, `EventUpdate`, `ContactDelete`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// `high`, `normal` or `low`; `normal` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// The record. Its `id` names it, its `version` is the base, its `line_id` the scope.
    #[schema(value_type = Object)]
    pub payload: Map<String, Value>,
    /// When it was queued: milliseconds, or RFC 3339.
    pub timestamp: i64,
    /// The record, when the payload does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_id: Option<String>,
    /// Version that it is based on, when the payload does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_version: Option<i64>,
    /// Scope of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// Reads `POST /api/v1/adapters/asyncstorage/items`.
///
/// # Errors
/// `json_invalid`, `envelope_invalid` or `batch_too_large`, naming the member: an item without an id could not be answered.
pub fn queue_read(body: &[u8], client_id: &ClientId) -> Result<Vec<Item>, Problem> {
    let read = |at: usize, raw: &serde_json::value::RawValue, around: &Map<String, Value>| {
        let (item, value) = named_item(raw, &format!("items[{at}]"))?;
        Ok(match value {
            Some(value) => item.filled(|item| item_fill(item, &value, at, around, client_id)),
            None => item,
        })
    };
    items_read(body, "items", MUTATIONS_MAX, read).map(|(items, _)| items)
}

/// A batch of the queue's dead letters.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct DeadItemsRequest {
    /// Scope of items that name none and have no `line_id`; `global` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// At most 500.
    pub items: Vec<DeadItem>,
}

/// One item that the app has given up on.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadItem {
    /// The item as it lay in the queue.
    #[serde(flatten)]
    pub item: QueueItem,
    /// Why.
    pub error: DeadLetterError,
    /// How often it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i64>,
    /// When it was sent last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<i64>,
}

/// Reads `POST /api/v1/adapters/asyncstorage/dead-letters`. An item that cannot be translated is kept as far as it could be read:
/// it may be here for that very reason.
///
/// # Errors
/// `json_invalid`, `envelope_invalid` or `batch_too_large`, naming the member.
pub fn dead_items_read(body: &[u8], client_id: &ClientId) -> Result<DeadLettersRead, Problem> {
    let mut told = Vec::new();
    let read = |at: usize, raw: &serde_json::value::RawValue, around: &Map<String, Value>| {
        let (item, value) = named_item(raw, &format!("items[{at}]"))?;
        let Some(value) = value else {
            let fault = item.fault.clone().unwrap_or_else(|| FieldError::new(format!("items[{at}]"), "cannot be read"));
            told.push((String::new(), Err(fault)));
            return Ok(item);
        };
        let item = item.filled(|item| item_fill(item, &value, at, around, client_id));
        told.push((Value::Object(item.intent.clone()).to_string(), dead_read(&value, at)));
        Ok(item)
    };
    let (items, _) = items_read(body, "items", DEAD_LETTERS_MAX, read)?;
    let mut letters = DeadLettersRead { client_id: None, letters: Vec::with_capacity(items.len()), rejected: Vec::new() };
    for (item, (mutation, told)) in items.into_iter().zip(told) {
        match told {
            Ok(Dead { error, attempts, failed_at }) => {
                letters.letters.push(ReportedLetter { operation_id: item.operation_id, mutation, error, attempts, failed_at });
            }
            Err(fault) => letters.rejected.push(DeadLetterRefused {
                operation_id: Some(item.operation_id.into_string()),
                code: Code::SchemaInvalid.as_str().to_owned(),
                detail: fault.to_string(),
            }),
        }
    }
    Ok(letters)
}

/// Why an item is dead.
struct Dead {
    error: ReportedError,
    attempts: Option<i64>,
    failed_at: Option<Millis>,
}

fn dead_read(value: &Value, at: usize) -> Read<Dead> {
    let members = Members::of(value, format!("items[{at}]"))?;
    let attempts = if members.value("attempts").is_some() { "attempts" } else { "retryCount" };
    Ok(Dead {
        error: error_read(&members)?,
        attempts: members.integer(attempts, 0..=INTEGER_MAX)?,
        failed_at: instant(&members, "failedAt")?,
    })
}

/// The answers to a batch of the queue.
#[must_use]
pub fn queue_answer(items: &[Item], results: Vec<MutationResult>) -> Vec<AdapterResult> {
    results_of(items, results, WORDS)
}

fn item_fill(item: &mut Item, value: &Value, at: usize, around: &Map<String, Value>, client_id: &ClientId) -> Read<()> {
    let members = Members::of(value, "")?;
    let kind = members.text_required("type", NAME_BYTES_MAX)?;
    let unknown = || members.fault("type", "must end in Create, Update or Delete, after the kind of record");
    let (noun, op) = [("Create", "create"), ("Update", "update"), ("Delete", "delete")]
        .into_iter()
        .find_map(|(end, op)| Some((kind.strip_suffix(end).filter(|noun| !noun.is_empty())?, op)))
        .ok_or_else(unknown)?;
    item.set("op", op);
    item.set("collection", plural(&snake(noun)));
    let payload = object(&members, "payload")?;
    let payload = payload.filter(|payload| op == "delete" || !payload.is_empty());
    let payload = if op == "delete" { payload.unwrap_or_default() } else { payload.ok_or_else(|| members.missing("payload"))? };
    let row = Value::Object(payload.clone());
    let row = Members::of(&row, "payload")?;
    // A new record without an id of its own is named by the item that makes it.
    let made = (op == "create").then(|| item.id.clone());
    let record = id_text(&row, "id")?.or(id_text(&members, "recordId")?).or(made);
    let record = record.ok_or_else(|| row.missing("id"))?;
    super::record_id(&row, "id", &record)?;
    item.set("record_id", record);
    let line = id_text(&row, "line_id")?.map(|line| scope_of(&row, "line_id", "line", &line)).transpose()?;
    let own = members.text("scope", NAME_BYTES_MAX)?.is_some();
    let scope = if own { None } else { line };
    item.set("scope", scope.or(scope_named(&members, around)?).unwrap_or_else(|| "global".to_owned()));
    item.set("priority", priority(&members)?);
    if op != "create" {
        let version = row.integer("version", 1..=INTEGER_MAX)?.or(members.integer("baseVersion", 1..=INTEGER_MAX)?);
        item.set_maybe("base_version", version);
    }
    let queued = if members.value("timestamp").is_some() { "timestamp" } else { "createdAt" };
    let queued = instant(&members, queued)?.ok_or_else(|| members.missing("timestamp"))?;
    item.set("logical_timestamp", stamp(queued, at, client_id));
    item.set("created_at", queued.to_string());
    if op != "delete" {
        item.set("fields", payload_fields(payload, &["id", "version"]));
    }
    Ok(())
}

/// 1 and 5 stay free for what is more and less urgent than anything that this queue knows.
fn priority(members: &Members<'_>) -> Read<i64> {
    match members.text("priority", 16)? {
        Some("high") => Ok(2),
        None | Some("normal") => Ok(3),
        Some("low") => Ok(4),
        Some(_) => Err(members.fault("priority", "must be high, normal or low")),
    }
}

/// `event` is kept in `events`, `category` in `categories`.
fn plural(noun: &str) -> String {
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if noun.ends_with('s') => noun.to_owned(),
        _ => format!("{noun}s"),
    }
}
