//! What ArxOS mobile is told: successes by entity, conflicts with both versions, errors with their code.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Operation, WORDS};
use crate::facades::in_words;
use crate::timestamp::Timestamp;
use crate::v1::mutations::{MutationResult, MutationStatus};

/// The answer to a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BatchSyncResponse {
    /// Entities all of whose operations are answered for good and were not refused: their rows may leave the queue.
    pub success: Vec<String>,
    /// Where somebody lost, or somebody has to decide.
    pub conflicts: Vec<ConflictInfo>,
    /// Operations that were refused, or that have to be sent again.
    pub errors: Vec<SyncError>,
    /// One answer an operation, in the order of the batch.
    pub results: Vec<MutationResult>,
    /// Server clock.
    #[schema(value_type = String, format = DateTime)]
    pub server_time: Timestamp,
}

/// A conflict, as the app logs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConflictInfo {
    /// `equipment`, `anchor` or `building`.
    pub entity_type: String,
    /// Which.
    pub entity_id: String,
    /// The row as the app sent it.
    #[schema(value_type = Object)]
    pub local_version: Value,
    /// The row as the store has it now; `null` when it has been deleted, or is what the app sent.
    #[schema(value_type = Option<Object>)]
    pub server_version: Value,
    /// Entry of the conflicts log.
    pub conflict_id: Option<String>,
    /// `server_wins`, `local_wins` or `merged`; `null` while a person has to decide.
    pub resolution: Option<String>,
}

/// An operation that did not come through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SyncError {
    /// As sent.
    pub entity_type: String,
    /// As sent.
    pub entity_id: String,
    /// As sent.
    pub operation: String,
    /// Place of the operation in the batch.
    pub index: usize,
    /// For programs, e.g. `schema_invalid`.
    pub code: String,
    /// In words.
    pub error: String,
    /// Whether the same operation may be sent again.
    pub retryable: bool,
    /// When to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<i64>,
}

/// The answer to a write of one piece of equipment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EquipmentWritten {
    /// Which.
    pub id: String,
    /// The row as the store has it now, with its `version`; `null` when it is deleted.
    #[schema(value_type = Option<Object>)]
    pub equipment: Value,
    /// How a conflict came out: `server_wins`, `local_wins` or `merged`.
    pub resolution: Option<String>,
    /// What became of the write.
    pub result: MutationResult,
}

/// The changes of a building since a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IncrementalUpdates {
    /// Equipment as it is now.
    pub updates: Vec<EquipmentUpdate>,
    /// Equipment that was deleted, or is no longer in this building.
    pub deletes: Vec<String>,
    /// When the last row in here was committed: the next `since`. The `since` of the request when there is none.
    #[schema(value_type = String, format = DateTime)]
    pub last_sync: Timestamp,
    /// The next `cursor`, which is exact where a time is not.
    pub cursor: String,
    /// More is there now.
    pub has_more: bool,
}

/// One piece of equipment that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EquipmentUpdate {
    /// The row, with its `id` and `version`.
    #[schema(value_type = Object)]
    pub equipment: Value,
    /// When the change was committed, by the server's clock.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A row as the app has it: its fields, its id, its version.
#[must_use]
pub fn server_version(id: &str, version: Option<i64>, fields: &Map<String, Value>) -> Value {
    let mut row = fields.clone();
    row.insert("id".to_owned(), id.into());
    if let Some(version) = version {
        row.insert("version".to_owned(), version.into());
    }
    Value::Object(row)
}

/// How a conflict came out, in the app's words.
fn resolution(result: &MutationResult) -> Option<&'static str> {
    match result.status {
        MutationStatus::Superseded => Some("server_wins"),
        MutationStatus::Merged => Some("merged"),
        MutationStatus::Applied if result.conflict_id.is_some() => Some("local_wins"),
        _ => None,
    }
}

const fn came_through(status: MutationStatus) -> bool {
    matches!(status, MutationStatus::Applied | MutationStatus::Merged | MutationStatus::Superseded)
}

/// The answer to a batch from the answers to its intents.
#[must_use]
pub fn batch_answer(operations: &[Operation], mut results: Vec<MutationResult>, server_time: Timestamp) -> BatchSyncResponse {
    results.iter_mut().for_each(|result| in_words(result, WORDS));
    let pairs = || operations.iter().zip(&results);
    // The app knows its successes by the name of the entity alone: one that failed takes the name out for all.
    let mut taken: HashSet<&str> =
        pairs().filter(|(_, result)| !came_through(result.status)).map(|(operation, _)| operation.item.id.as_str()).collect();
    let names = operations.iter().map(|operation| operation.item.id.as_str());
    let success = names.filter(|name| taken.insert(name)).map(str::to_owned).collect();
    let conflicts = pairs().filter(|(_, result)| result.conflict_id.is_some()).map(|(o, result)| conflict(o, result)).collect();
    let errors = pairs().enumerate().filter_map(|(at, (operation, result))| error(at, operation, result)).collect();
    BatchSyncResponse { success, conflicts, errors, results, server_time }
}

fn conflict(operation: &Operation, result: &MutationResult) -> ConflictInfo {
    let server = result.record.as_ref().map(|fields| server_version(&operation.item.id, result.version, fields));
    ConflictInfo {
        entity_type: operation.entity_type.clone(),
        entity_id: operation.item.id.clone(),
        local_version: json!(operation.payload),
        server_version: server.unwrap_or_default(),
        conflict_id: result.conflict_id.clone(),
        resolution: resolution(result).map(str::to_owned),
    }
}

fn error(at: usize, operation: &Operation, result: &MutationResult) -> Option<SyncError> {
    if came_through(result.status) || result.conflict_id.is_some() {
        return None;
    }
    let problem = result.problem.as_ref();
    Some(SyncError {
        entity_type: operation.entity_type.clone(),
        entity_id: operation.item.id.clone(),
        operation: operation.operation.clone(),
        index: at,
        code: problem.map_or_else(String::new, |problem| problem.code.clone().into_owned()),
        error: problem.map_or_else(String::new, |problem| problem.detail.clone()),
        retryable: problem.is_none_or(|problem| problem.retryable),
        retry_after_ms: problem.and_then(|problem| problem.retry_after_ms),
    })
}

/// The answer to one write that came through; `equipment` is the row as the store has it now.
#[must_use]
pub fn written(operation: &Operation, mut result: MutationResult, equipment: Value) -> EquipmentWritten {
    in_words(&mut result, WORDS);
    EquipmentWritten { id: operation.item.id.clone(), equipment, resolution: resolution(&result).map(str::to_owned), result }
}
