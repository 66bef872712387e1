//! Every operation a device queued is answered for good, or still in its outbox; and what was answered `applied` or `merged`
//! is in the log, unless the answer says that nothing changed.

use std::collections::{HashMap, HashSet};

use super::Observed;

/// Names lost operations.
#[must_use]
pub fn check(observed: &Observed) -> Vec<String> {
    let in_log: HashSet<&str> = observed.log.iter().map(|row| row.operation_id.as_str()).collect();
    let mut faults = Vec::new();
    for device in &observed.devices {
        let answers: HashMap<&str, _> = device.answers.iter().map(|answer| (answer.operation_id.as_str(), answer)).collect();
        // What a command let go of is another checker's.
        let drained: HashSet<&str> = device.drained.iter().map(String::as_str).collect();
        for operation in device.queued.iter().filter(|operation| !drained.contains(operation.as_str())) {
            match answers.get(operation.as_str()) {
                None if device.left.contains_key(operation) => {}
                None => faults.push(format!("{} queued {operation}; it was never answered and is gone", device.name)),
                Some(answer) if matches!(answer.status.as_str(), "applied" | "merged") && !answer.noop => {
                    if !in_log.contains(operation.as_str()) {
                        faults.push(format!(
                            "{} was told that {operation} is {}; the log does not have it",
                            device.name, answer.status
                        ));
                    }
                }
                Some(answer)
                    if matches!(answer.status.as_str(), "rejected" | "deferred") && !device.left.contains_key(operation) =>
                {
                    faults.push(format!("{} lost {operation}, which was {}", device.name, answer.status));
                }
                Some(_) => {}
            }
        }
    }
    faults
}
