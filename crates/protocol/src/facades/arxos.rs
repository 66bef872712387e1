//! ArxOS mobile: a queue of operations on the equipment of buildings, without ids of its own.
//!
//! An operation is known again by what it says: device, entity, operation, local time and payload make its id. Operations on one
//! entity share a name in the answer, so each depends on the one before it, and the name is among the successes only when all of
//! them are. `force` is no part of the payload: it is a wish about the decision.

mod answer;

use std::collections::HashMap;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tidewatch_domain::hlc::{Hlc, Ticks};
use tidewatch_domain::ids::{ClientId, OperationId, RecordId, Scope};
use tidewatch_domain::json::body_text;
use tidewatch_domain::time::Millis;

use super::{Item, NAME_BYTES_MAX, Read, Words, derived, id_text, instant, object, payload_fields, record_id, scope_of, stamp};
use crate::limits::{INTEGER_MAX, MUTATIONS_MAX};
use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::strict;
use crate::v1::raw::{Envelope, text_member};

pub use answer::{
    BatchSyncResponse, ConflictInfo, EquipmentUpdate, EquipmentWritten, IncrementalUpdates, SyncError, batch_answer,
    server_version, written,
};

/// The scope that a device needs for `force`.
pub const FORCE_SCOPE: &str = "sync:force";
/// A time of a request below this is in seconds, else in milliseconds.
pub const SECONDS_BELOW: i64 = 100_000_000_000;
/// How far a time of a request is moved back: a row may be read twice, none is missed.
pub const OVERLAP_MS: i64 = 5_000;

/// What the app calls members of version 1.
pub const WORDS: Words = &[
    ("record_id", "entity_id"),
    ("collection", "entity_type"),
    ("op", "operation"),
    ("fields", "payload"),
    ("scope", "payload.building_id"),
    ("base_version", "payload.version"),
];

/// Kinds of entities and their collections.
pub const ENTITIES: [(&str, &str); 3] = [("equipment", "equipment"), ("anchor", "spatial_anchors"), ("building", "buildings")];

/// Members of a row that are the app's own book-keeping.
const NOT_FIELDS: [&str; 5] = ["id", "version", "force", "sync_status", "synced_at"];

/// A batch as the app sends it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct BatchSyncRequest {
    /// At most 1,000.
    pub operations: Vec<SyncOperation>,
}

/// One operation of the queue.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct SyncOperation {
    /// `equipment`, `anchor` or `building`.
    pub entity_type: String,
    /// Which.
    pub entity_id: String,
    /// `create`, `update` or `delete`.
    pub operation: String,
    /// The row. `version` is the base, `building_id` the scope, `force` asks to win (needs the scope `sync:force`).
    #[schema(value_type = Object)]
    pub payload: Map<String, Value>,
    /// When the operation was made; a row of the queue may have `created_at` in milliseconds instead.
    pub local_time: String,
}

/// An operation as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The intent.
    pub item: Item,
    /// `equipment`, `anchor`, `building`, or whatever was sent.
    pub entity_type: String,
    /// `create`, `update`, `delete`, or whatever was sent.
    pub operation: String,
    /// The row as it was sent.
    pub payload: Map<String, Value>,
    /// Asks to win.
    pub force: bool,
}

impl Operation {
    /// The record that has to be looked up for its building: no payload names it.
    #[must_use]
    pub fn homeless(&self) -> Option<(&str, &str)> {
        let lost = self.item.fault.is_none() && self.item.text("scope").is_empty();
        lost.then(|| (self.item.text("collection"), self.item.text("record_id")))
    }

    /// Puts it where its record is; `None` says that there is no such record.
    pub fn scope_set(&mut self, scope: Option<&Scope>) {
        match scope {
            Some(scope) => self.item.set("scope", scope.as_str()),
            None => self.item.fault = Some(FieldError::new("payload.building_id", "is required for an entity that is not there")),
        }
    }

    /// Makes it win against everything that is there: its stamp is that of now, or just behind the record's.
    pub fn win(&mut self, now: Millis, standing: Option<Ticks>, client_id: &ClientId) {
        let ticks = Ticks::at(now).max(standing.map_or(Ticks::default(), Ticks::next));
        self.item.set("logical_timestamp", Hlc { ticks, node: client_id.as_str().to_owned() }.to_string());
    }

    /// Makes it another operation: it has lost under its own id before, and that answer stands.
    pub fn asked_again(&mut self) {
        let again = derived(&["forced", self.item.operation_id.as_str()]);
        self.item.rename(again);
    }
}

/// Reads `POST /api/v1/mobile/sync/batch`.
///
/// # Errors
/// `json_invalid`, `envelope_invalid` or `batch_too_large`, naming the member. An operation that cannot be read is not among them.
pub fn batch_read(body: &[u8], client_id: &ClientId) -> Result<Vec<Operation>, Problem> {
    let envelope = Envelope::read(body, &["operations"])?;
    let missing = || Problem::new(Code::EnvelopeInvalid).field(FieldError::new("operations", "is required"));
    let items = envelope.items("operations", MUTATIONS_MAX)?.ok_or_else(missing)?;
    let mut operations: Vec<Operation> =
        items.into_iter().enumerate().map(|(at, raw)| operation_read(raw.get(), at, client_id)).collect();
    chain(&mut operations);
    Ok(operations)
}

fn operation_read(raw: &str, at: usize, client_id: &ClientId) -> Operation {
    let text = |name: &str| text_member(raw, name).filter(|text| text.len() <= NAME_BYTES_MAX).unwrap_or_default();
    let unreadable = derived(&["arxos", client_id.as_str(), "unreadable", raw]);
    let mut read = Operation {
        item: Item::new(text("entity_id"), unreadable),
        entity_type: text("entity_type"),
        operation: text("operation"),
        payload: Map::new(),
        force: false,
    };
    let value = match strict::parse(raw) {
        Ok(value) => value,
        Err(fault) => {
            read.item.fault = Some(FieldError::new("payload", fault.to_string()));
            return read;
        }
    };
    let fault = operation_fill(&mut read, &value, at, client_id).err();
    read.item.fault = fault;
    read
}

fn operation_fill(read: &mut Operation, value: &Value, at: usize, client_id: &ClientId) -> Read<()> {
    let members = Members::of(value, "")?;
    let payload = object(&members, "payload")?.unwrap_or_default();
    let local_time = match members.value("local_time") {
        Some(Value::String(text)) => text.clone(),
        _ => instant(&members, "created_at")?.map(|at| at.0.to_string()).unwrap_or_default(),
    };
    read.payload = payload.clone();
    let told = Told { entity_type: &read.entity_type, entity_id: &read.item.id, operation: &read.operation, when: &local_time };
    read.item.rename(told.operation_id(client_id, &payload));
    entity_fill(read, &members, payload)?;
    let made =
        if members.value("local_time").is_some() { members.instant("local_time")? } else { instant(&members, "created_at")? };
    let made = made.ok_or_else(|| members.missing("local_time"))?;
    read.item.set("logical_timestamp", stamp(made, at, client_id));
    read.item.set("created_at", made.to_string());
    Ok(())
}

/// What makes an operation the same operation.
struct Told<'a> {
    entity_type: &'a str,
    entity_id: &'a str,
    operation: &'a str,
    when: &'a str,
}

impl Told<'_> {
    fn operation_id(&self, client_id: &ClientId, payload: &Map<String, Value>) -> OperationId {
        let mut payload = payload.clone();
        payload.remove("force");
        let hash = hex::encode(Sha256::digest(body_text(&payload)));
        derived(&["arxos", client_id.as_str(), self.entity_type, self.entity_id, self.operation, self.when, &hash])
    }
}

/// The members that batch and single writes have in common.
fn entity_fill(read: &mut Operation, members: &Members<'_>, payload: Map<String, Value>) -> Read<()> {
    let entity = id_text(members, "entity_id")?.filter(|id| !id.is_empty()).ok_or_else(|| members.missing("entity_id"))?;
    read.item.id.clone_from(&entity);
    read.item.set("record_id", entity.as_str());
    let kind = members.text_required("entity_type", NAME_BYTES_MAX)?;
    let collection = ENTITIES.iter().find(|(known, _)| *known == kind).map(|(_, collection)| *collection);
    read.item.set("collection", collection.unwrap_or(kind));
    let operation = members.text_required("operation", 32)?;
    read.item.set("op", operation);
    if collection.is_none() {
        return Err(members.fault("entity_type", "must be equipment, anchor or building"));
    }
    if !matches!(operation, "create" | "update" | "delete") {
        return Err(members.fault("operation", "must be create, update or delete"));
    }
    record_id(members, "entity_id", &entity)?;
    if operation != "delete" && payload.is_empty() {
        return Err(members.missing("payload"));
    }
    payload_fill(read, payload, operation == "delete")
}

fn payload_fill(read: &mut Operation, payload: Map<String, Value>, delete: bool) -> Read<()> {
    let value = Value::Object(payload);
    let members = Members::of(&value, "payload")?;
    read.force = members.flag("force")?.unwrap_or(false);
    let building = match read.entity_type.as_str() {
        "building" => Some(read.item.id.clone()),
        _ => id_text(&members, "building_id")?,
    };
    if let Some(building) = building {
        let scope = scope_of(&members, "building_id", "building", &building)?;
        read.item.set("scope", scope);
    }
    // Rows that were never answered have the version of the table's default, which no server gave out; 0 is none either.
    let version = members.integer("version", 0..=INTEGER_MAX)?.filter(|version| *version > 0);
    if read.item.text("op") != "create" {
        read.item.set_maybe("base_version", version);
    }
    if let (false, Value::Object(payload)) = (delete, value) {
        read.item.set("fields", payload_fields(payload, &NOT_FIELDS));
    }
    Ok(())
}

/// What a batch has said of an entity so far.
#[derive(Debug, Default)]
struct Before {
    operations: Vec<OperationId>,
    scope: String,
}

/// Lets every operation on an entity depend on the one before it, and be where that was when it does not say where it is.
fn chain(operations: &mut [Operation]) {
    let mut entities: HashMap<(String, String), Before> = HashMap::new();
    for operation in operations {
        let before = entities.entry((operation.entity_type.clone(), operation.item.id.clone())).or_default();
        if operation.homeless().is_some() && !before.scope.is_empty() {
            operation.item.set("scope", before.scope.as_str());
        }
        operation.item.text("scope").clone_into(&mut before.scope);
        // Sent twice in one batch: it does not wait for itself.
        if !before.operations.contains(&operation.item.operation_id) {
            if let Some(parent) = before.operations.last() {
                operation.item.set("depends_on", vec![parent.as_str()]);
            }
            before.operations.push(operation.item.operation_id.clone());
        }
    }
}

/// One write of a piece of equipment, beside the batch.
#[derive(Clone, Copy, Debug)]
pub struct Single<'a> {
    /// `create`, `update` or `delete`.
    pub operation: &'static str,
    /// Which; `None` when only the body says so.
    pub entity_id: Option<&'a str>,
    /// What makes it the same write when it is sent again: a header, or what the body or the record say of their version.
    pub identity: Option<&'a str>,
    /// Arrived at.
    pub now: Millis,
}

/// Reads `POST`, `PUT` and `DELETE /api/v1/mobile/equipment/{id}`; the body of a deletion may be empty.
///
/// # Errors
/// `json_invalid` or `envelope_invalid`, naming the member: a write on its own has nobody whom its fault could spoil.
pub fn single_read(body: &[u8], single: &Single<'_>, client_id: &ClientId) -> Result<Operation, Problem> {
    let payload = match body {
        [] if single.operation == "delete" => Map::new(),
        _ => Envelope::read(body, &[])?.members.as_object().cloned().unwrap_or_default(),
    };
    single_fill(payload, single, client_id).map_err(|error| Problem::new(Code::EnvelopeInvalid).field(error))
}

fn single_fill(payload: Map<String, Value>, single: &Single<'_>, client_id: &ClientId) -> Read<Operation> {
    let row = Value::Object(payload.clone());
    let row = Members::of(&row, "")?;
    let entity_id = match single.entity_id {
        Some(id) => id.to_owned(),
        None => id_text(&row, "id")?.ok_or_else(|| row.missing("id"))?,
    };
    let made = instant(&row, "updated_at")?;
    let version = row.integer("version", 0..=INTEGER_MAX)?;
    let (asked, updated, based) = (
        single.identity.map(str::to_owned),
        made.map(|at| format!("at {}", at.0)),
        version.map(|version| format!("on {version}")),
    );
    // Without any of them nobody can tell a retry from the same edit made again: then it is taken as a new one.
    let when = asked.or(updated).or(based).unwrap_or_else(|| format!("arrived {}", single.now.0));
    let told = Told { entity_type: "equipment", entity_id: &entity_id, operation: single.operation, when: &when };
    let id = told.operation_id(client_id, &payload);
    let mut read = Operation {
        item: Item::new(entity_id.as_str(), id),
        entity_type: "equipment".to_owned(),
        operation: single.operation.to_owned(),
        payload: payload.clone(),
        force: false,
    };
    let shape = serde_json::json!({"entity_type": "equipment", "entity_id": entity_id, "operation": single.operation});
    entity_fill(&mut read, &Members::of(&shape, "")?, payload).map_err(|error| {
        let field = error.field.strip_prefix("payload.").unwrap_or(&error.field);
        FieldError::new(if field == "entity_id" { "id" } else { field }, error.detail)
    })?;
    RecordId::parse(entity_id.as_str()).map_err(|error| FieldError::new("id", error.to_string()))?;
    // Without a time of queueing: a row may well be older than answers are remembered, and its stamp alone decides then.
    read.item.set("logical_timestamp", stamp(made.unwrap_or(single.now), 0, client_id));
    Ok(read)
}

/// The instant of `?since=`: seconds, or milliseconds when it is too large for seconds.
#[must_use]
pub const fn since_millis(since: i64) -> Millis {
    Millis(if since < SECONDS_BELOW { since.saturating_mul(1_000) } else { since })
}
