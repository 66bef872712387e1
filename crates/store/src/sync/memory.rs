//! What became of operations: the answers that are remembered.

use std::sync::Arc;

use tidewatch_domain::engine::CollectionKey;
use tidewatch_domain::ids::{ClientId, OperationId};
use tidewatch_domain::sync::{IntentResult, IntentStatus};

use super::Sync;
use super::packed;
use super::prefetch::memory_read;
use super::statements::MEMORY_FIND;
use crate::{Error, Result};

impl Sync {
    /// The remembered answers to these operations of a device, in the order asked. Operations are looked up by their default
    /// idempotency key, which is their id.
    ///
    /// # Errors
    /// Not found when the device is not registered; as the database.
    pub async fn mutations_status(&self, client_id: &ClientId, operations: &[OperationId]) -> Result<Vec<IntentResult>> {
        let client = self.client(client_id).ok_or(Error::NotFound("device"))?;
        let keys: Vec<String> = operations.iter().map(|operation| format!("[{},\"{operation}\"]", client.key.0)).collect();
        let keys = format!("[{}]", keys.join(","));
        let (packed,): (Option<String>,) = sqlx::query_as(MEMORY_FIND).bind(keys).fetch_one(&self.readers).await?;
        let mut found = std::collections::HashMap::new();
        for mut row in packed::rows(packed.as_deref()) {
            let (_, key, memory) = memory_read(&mut row)?;
            let answer = self.answer_shown(row.maybe()?, client.schema_version, memory.answer);
            found.insert(key.as_str().to_owned(), answer);
        }
        Ok(operations.iter().map(|operation| found.remove(operation.as_str()).unwrap_or_else(|| unknown(operation))).collect())
    }
}

impl Sync {
    /// A stored answer in the names that its device registered with. `collection` is the number of that of its row in the log.
    fn answer_shown(&self, collection: Option<&str>, schema: Option<i64>, answer: IntentResult) -> IntentResult {
        let key = collection.and_then(|text| text.parse().ok()).map(CollectionKey);
        let known = key.and_then(|key| {
            let live = self.shared.live();
            let known = live.collections.iter().find(|known| known.engine.key == key)?;
            (!known.engine.policy.steps.is_empty()).then(|| Arc::clone(&known.engine))
        });
        match known {
            Some(known) => known.policy.steps.answer_shown(schema, answer),
            None => answer,
        }
    }
}

fn unknown(operation: &OperationId) -> IntentResult {
    IntentResult {
        operation_id: operation.clone(),
        status: IntentStatus::Unknown,
        noop: false,
        replayed: false,
        seq: None,
        version: None,
        hlc: None,
        record: None,
        record_id: None,
        branch: None,
        resolution: None,
        conflict_id: None,
        warnings: Vec::new(),
        problem: None,
    }
}
