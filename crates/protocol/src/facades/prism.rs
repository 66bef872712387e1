//! PRISM: operations of a priority queue with deadlines and dependencies.
//!
//! Retries and network requirements are the device's own affair and are not read. The lanes of the server are weighted, so that
//! what the app calls low or deferred is carried out, too.

use serde_json::{Map, Value};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::sync::DEPENDS_ON_MAX;

use super::{
    AdapterResult, Item, NAME_BYTES_MAX, Read, Words, id_text, instant, items_read, named_item, named_operation, object,
    payload_fields, results_of, scope_named, stamp,
};
use crate::limits::{INTEGER_MAX, MUTATIONS_MAX};
use crate::members::Members;
use crate::problem::Problem;
use crate::v1::mutations::MutationResult;

/// What operations call members of version 1.
const WORDS: Words = &[
    ("operation_id", "id"),
    ("record_id", "payload.id"),
    ("collection", "type"),
    ("op", "type"),
    ("fields", "payload"),
    ("base_version", "payload.version"),
    ("depends_on", "dependencies"),
    ("conflict_strategy", "conflict_resolution_strategy"),
];

/// Ways to resolve a conflict that an operation may wish for.
pub const STRATEGIES: [&str; 6] = ["lww", "ot", "semantic", "user", "business", "ml_assisted"];

/// A batch of operations.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct OperationsRequest {
    /// Scope of operations that name none; `global` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// At most 1,000.
    pub operations: Vec<OfflineOperation>,
}

/// One operation.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct OfflineOperation {
    /// Its id.
    pub id: String,
    /// `collection.op`, with `create`, `update`, `put` or `delete`.
    #[serde(rename = "type")]
    pub kind: String,
    /// 1 (critical) to 5 (deferred); 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// The record. Its `id` names it, its `version` is the base.
    #[schema(value_type = Object)]
    pub payload: Map<String, Value>,
    /// When it was queued.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: String,
    /// Not to be carried out after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline: Option<String>,
    /// Operations that must stand before, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<String>,
    /// `lww`, `ot`, `semantic`, `user`, `business` or `ml_assisted`: a wish, which the policy of the collection may or may not follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict_resolution_strategy: Option<String>,
    /// Scope of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// Reads `POST /api/v1/adapters/prism/operations`.
///
/// # Errors
/// `json_invalid`, `envelope_invalid` or `batch_too_large`, naming the member: an operation without an id could not be answered.
pub fn operations_read(body: &[u8], client_id: &ClientId) -> Result<Vec<Item>, Problem> {
    let read = |at: usize, raw: &serde_json::value::RawValue, around: &Map<String, Value>| {
        let (item, value) = named_item(raw, &format!("operations[{at}]"))?;
        Ok(match value {
            Some(value) => item.filled(|item| operation_fill(item, &value, at, around, client_id)),
            None => item,
        })
    };
    items_read(body, "operations", MUTATIONS_MAX, read).map(|(items, _)| items)
}

/// The answers to a batch of operations.
#[must_use]
pub fn operations_answer(items: &[Item], results: Vec<MutationResult>) -> Vec<AdapterResult> {
    results_of(items, results, WORDS)
}

fn operation_fill(item: &mut Item, value: &Value, at: usize, around: &Map<String, Value>, client_id: &ClientId) -> Read<()> {
    let members = Members::of(value, "")?;
    let kind = members.text_required("type", NAME_BYTES_MAX)?;
    let (collection, op) = kind
        .rsplit_once('.')
        .filter(|(_, op)| matches!(*op, "create" | "update" | "put" | "delete"))
        .ok_or_else(|| members.fault("type", "must be `collection.op`, with create, update, put or delete"))?;
    item.set("collection", collection);
    item.set("op", op);
    let payload = object(&members, "payload")?.ok_or_else(|| members.missing("payload"))?;
    let row = Value::Object(payload.clone());
    let row = Members::of(&row, "payload")?;
    let record = id_text(&row, "id")?.ok_or_else(|| row.missing("id"))?;
    item.set("record_id", record.as_str());
    super::record_id(&row, "id", &record)?;
    item.set("scope", scope_named(&members, around)?.unwrap_or_else(|| "global".to_owned()));
    item.set_maybe("priority", members.integer("priority", 1..=5)?);
    let made = instant(&members, "created_at")?.ok_or_else(|| members.missing("created_at"))?;
    item.set("logical_timestamp", stamp(made, at, client_id));
    item.set("created_at", made.to_string());
    item.set_maybe("deadline", instant(&members, "deadline")?.map(|at| at.to_string()));
    let before: Vec<String> = members
        .texts("dependencies", DEPENDS_ON_MAX, NAME_BYTES_MAX)?
        .iter()
        .map(|id| named_operation(id).into_string())
        .collect();
    if !before.is_empty() {
        item.set("depends_on", before);
    }
    let wish = members.text("conflict_resolution_strategy", 32)?;
    if wish.is_some_and(|wish| !STRATEGIES.contains(&wish)) {
        return Err(members.fault("conflict_resolution_strategy", format!("must be one of {}", STRATEGIES.join(", "))));
    }
    item.set_maybe("conflict_strategy", wish);
    if matches!(op, "update" | "delete") {
        item.set_maybe("base_version", row.integer("version", 1..=INTEGER_MAX)?);
    }
    if op != "delete" {
        item.set("fields", payload_fields(payload, &["id", "version"]));
    }
    Ok(())
}
