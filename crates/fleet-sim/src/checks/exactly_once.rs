//! An operation is in the log once at most, however often it was sent; its answers agree; and the log holds no operation that
//! no device queued.

use std::collections::{HashMap, HashSet};

use super::Observed;

/// Names operations applied twice, phantom operations and answers that contradict each other.
#[must_use]
pub fn check(observed: &Observed) -> Vec<String> {
    let mut faults = Vec::new();
    let queued: HashSet<(&str, &str)> = observed
        .devices
        .iter()
        .flat_map(|device| device.queued.iter().map(|id| (device.client_id.as_str(), id.as_str())))
        .collect();
    let mut seen: HashMap<(&str, &str), i64> = HashMap::new();
    for row in observed.log.iter().filter(|row| !row.client_id.is_empty()) {
        let operation = (row.client_id.as_str(), row.operation_id.as_str());
        if let Some(first) = seen.insert(operation, row.seq) {
            faults.push(format!("{} is in the log at {first} and again at {}", row.operation_id, row.seq));
        }
        if !queued.contains(&operation) {
            faults.push(format!("{} at {} was queued by no device", row.operation_id, row.seq));
        }
    }
    for device in &observed.devices {
        let mut final_answer: HashMap<&str, (&str, Option<i64>)> = HashMap::new();
        for answer in device.answers.iter().filter(|answer| answer.status != "deferred") {
            let now = (answer.status.as_str(), answer.seq);
            if let Some(before) = final_answer.insert(&answer.operation_id, now).filter(|before| *before != now) {
                faults.push(format!("{} was answered {before:?} and later {now:?}", answer.operation_id));
            }
        }
    }
    faults
}
