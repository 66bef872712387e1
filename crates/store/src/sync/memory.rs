//! What became of operations: the answers that are remembered.

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
            found.insert(key.as_str().to_owned(), memory.answer);
        }
        Ok(operations.iter().map(|operation| found.remove(operation.as_str()).unwrap_or_else(|| unknown(operation))).collect())
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
