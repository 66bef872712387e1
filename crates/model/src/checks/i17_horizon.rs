//! I-17: an intent that is older than the horizon is never applied, since it cannot be told from a repeat, and is told so.

use std::collections::BTreeMap;

use crate::reference::HORIZON;
use crate::world::{Seen, made_at};

/// Names intents that came too late and were applied, and such that were never answered.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for device in &seen.devices {
        let rows = seen.log.iter().filter(|row| row.client_id.as_ref().is_some_and(|id| id.as_str() == device.id));
        let committed: BTreeMap<&str, i64> = rows.map(|row| (row.operation_id.as_str(), row.committed.0)).collect();
        for intent in &device.queued {
            let operation = intent.operation_id.as_str();
            let made = made_at(intent);
            if committed.get(operation).is_some_and(|at| at - made > HORIZON) {
                faults.push(format!("{operation} was applied although it was older than the horizon"));
            }
            if !device.answers.iter().any(|(id, _)| id == operation) {
                faults.push(format!("{operation} was never answered"));
            }
        }
    }
    faults
}
