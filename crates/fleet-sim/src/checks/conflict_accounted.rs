//! Nothing loses silently: an operation that lost, or that needs a decision, names its entry in the conflicts log, no two
//! operations share one, and a superseded or undecided one is not in the log of changes.

use std::collections::{HashMap, HashSet};

use super::Observed;

/// Names losses without an entry.
#[must_use]
pub fn check(observed: &Observed) -> Vec<String> {
    let in_log: HashSet<&str> = observed.log.iter().map(|row| row.operation_id.as_str()).collect();
    let mut entries: HashMap<&str, &str> = HashMap::new();
    let mut faults = Vec::new();
    for answer in observed.devices.iter().flat_map(|device| &device.answers) {
        let operation = answer.operation_id.as_str();
        let lost = matches!(answer.status.as_str(), "superseded" | "conflict");
        if lost && answer.conflict_id.is_none() {
            faults.push(format!("{operation} is {} without an entry in the conflicts log", answer.status));
        }
        if lost && in_log.contains(operation) {
            faults.push(format!("{operation} is {} and yet in the log", answer.status));
        }
        if let Some(entry) = &answer.conflict_id
            && let Some(other) = entries.insert(entry, operation).filter(|other| *other != operation)
        {
            faults.push(format!("{other} and {operation} share the entry {entry}"));
        }
    }
    faults
}
