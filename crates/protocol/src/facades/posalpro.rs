//! PosalPro: events of a store that sources them, on every device.
//!
//! `timestamp` orders the edits, `vectorClock` says what a device had seen, `conflictResolution` is what it would like. Who acts is
//! in the token: `userId` decides nothing, and a `deviceId` that is the id of another device is refused.

use serde_json::{Map, Value};
use tidewatch_domain::ids::ClientId;

use super::{
    AdapterResult, Item, NAME_BYTES_MAX, Read, Words, id_text, instant, items_read, named_item, object, payload_fields,
    results_of, scope_named, snake, stamp,
};
use crate::limits::{INTEGER_MAX, MUTATIONS_MAX};
use crate::members::Members;
use crate::problem::{Code, Problem};
use crate::v1::mutations::MutationResult;

/// Most fields whose change an event tells one by one.
const FIELD_CHANGES_MAX: usize = 1_000;

/// What events call members of version 1.
const WORDS: Words = &[
    ("operation_id", "id"),
    ("record_id", "entityId"),
    ("collection", "entity"),
    ("op", "type"),
    ("fields", "payload"),
    ("base_version", "baseVersion"),
    ("vector_clock", "vectorClock"),
    ("conflict_strategy", "conflictResolution"),
];

/// A batch of events.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct EventsRequest {
    /// Scope of events that name none; `global` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// All events or none of them: what fails takes the others back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub atomic: bool,
    /// At most 1,000.
    pub events: Vec<DataEvent>,
}

/// One event.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataEvent {
    /// Its id.
    pub id: String,
    /// `CREATE`, `UPDATE` or `DELETE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `proposals`, `financial-data`, …
    pub entity: String,
    /// Which.
    pub entity_id: String,
    /// Fields of the entity.
    #[schema(value_type = Option<Object>)]
    pub payload: Option<Map<String, Value>>,
    /// When the edit was made.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: String,
    /// Device that made it.
    pub device_id: String,
    /// Who made it.
    pub user_id: String,
    /// `local`, `remote` or `merge`: a wish, which the policy of the collection may or may not follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict_resolution: Option<String>,
    /// What the device had seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub vector_clock: Option<Map<String, Value>>,
    /// The payload field by field, in place of `payload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub field_changes: Option<Vec<Value>>,
    /// Version that the edit is based on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_version: Option<i64>,
    /// Scope of the entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// Reads `POST /api/v1/adapters/posalpro/events`; answers whether all of them stand or fall together.
///
/// # Errors
/// `json_invalid`, `envelope_invalid` or `batch_too_large`, naming the member: an event without an id could not be answered.
pub fn events_read(body: &[u8], client_id: &ClientId) -> Result<(Vec<Item>, bool), Problem> {
    let read = |at: usize, raw: &serde_json::value::RawValue, around: &Map<String, Value>| {
        let (item, value) = named_item(raw, &format!("events[{at}]"))?;
        Ok(match value {
            Some(value) => item.filled(|item| event_fill(item, &value, at, around, client_id)),
            None => item,
        })
    };
    let (items, around) = items_read(body, "events", MUTATIONS_MAX, read)?;
    let invalid = |error| Problem::new(Code::EnvelopeInvalid).field(error);
    let atomic = Members::of(&around, "").and_then(|members| members.flag("atomic")).map_err(invalid)?;
    Ok((items, atomic.unwrap_or(false)))
}

/// The answers to a batch of events.
#[must_use]
pub fn events_answer(items: &[Item], results: Vec<MutationResult>) -> Vec<AdapterResult> {
    results_of(items, results, WORDS)
}

fn event_fill(item: &mut Item, value: &Value, at: usize, around: &Map<String, Value>, client_id: &ClientId) -> Read<()> {
    let members = Members::of(value, "")?;
    let entity = members.text_required("entity", NAME_BYTES_MAX)?;
    item.set("collection", snake(entity));
    let record = id_text(&members, "entityId")?.ok_or_else(|| members.missing("entityId"))?;
    item.set("record_id", record.as_str());
    let op = match members.text_required("type", 16)? {
        "CREATE" => "create",
        "UPDATE" => "update",
        "DELETE" => "delete",
        _ => return Err(members.fault("type", "must be CREATE, UPDATE or DELETE")),
    };
    item.set("op", op);
    super::record_id(&members, "entityId", &record)?;
    item.set("scope", scope_named(&members, around)?.unwrap_or_else(|| "global".to_owned()));
    device_check(&members, client_id)?;
    let at_time = instant(&members, "timestamp")?.ok_or_else(|| members.missing("timestamp"))?;
    item.set("logical_timestamp", stamp(at_time, at, client_id));
    item.set("created_at", at_time.to_string());
    let wish = members.text("conflictResolution", 16)?;
    if wish.is_some_and(|wish| !matches!(wish, "local" | "remote" | "merge")) {
        return Err(members.fault("conflictResolution", "must be local, remote or merge"));
    }
    item.set_maybe("conflict_strategy", wish);
    item.set_maybe("vector_clock", members.map("vectorClock")?.cloned());
    if op != "create" {
        item.set_maybe("base_version", members.integer("baseVersion", 1..=INTEGER_MAX)?);
    }
    if op != "delete" {
        let payload = match object(&members, "payload")? {
            Some(payload) => payload,
            None => changed(&members)?.ok_or_else(|| members.missing("payload"))?,
        };
        item.set("fields", payload_fields(payload, &["id"]));
    }
    Ok(())
}

fn device_check(members: &Members<'_>, client_id: &ClientId) -> Read<()> {
    let named = members.text("deviceId", NAME_BYTES_MAX)?;
    let another = named.filter(|named| ClientId::parse(*named).is_ok_and(|named| named != *client_id));
    match another {
        None => Ok(()),
        Some(_) => Err(members.fault("deviceId", "is not the device that the token belongs to")),
    }
}

/// The payload that a list of changed fields makes.
fn changed(members: &Members<'_>) -> Read<Option<Map<String, Value>>> {
    let Some(changes) = members.list("fieldChanges", FIELD_CHANGES_MAX)? else { return Ok(None) };
    let mut fields = Map::new();
    for (at, change) in changes.iter().enumerate() {
        let change = Members::of(change, members.path(&format!("fieldChanges[{at}]")))?;
        let field = change.text_required("field", NAME_BYTES_MAX)?;
        fields.insert(field.to_owned(), change.value("newValue").cloned().unwrap_or_default());
    }
    Ok(Some(fields))
}
