//! A device obeys a command once, and never one that had ended before; every command ends, or is still open for a reason; and what
//! a command took out of an outbox is in the archive.

use std::collections::HashMap;

use super::Observed;

/// Names commands that were obeyed twice or too late, those that the store says are done and nobody did, and entries that a drain lost.
#[must_use]
pub fn check(observed: &Observed) -> Vec<String> {
    let mut faults = Vec::new();
    let mut obeyed: HashMap<&str, i64> = HashMap::new();
    for device in &observed.devices {
        for (command, at) in &device.obeyed {
            if obeyed.insert(command, *at).is_some() {
                faults.push(format!("{} obeyed {command} twice", device.name));
            }
        }
        for operation in &device.drained {
            let kept =
                device.left.contains_key(operation) || observed.archived.contains(&(device.client_id.clone(), operation.clone()));
            let sent = device.answers.iter().any(|answer| answer.operation_id == *operation && answer.status != "rejected");
            if !kept && !sent {
                faults.push(format!("{} let go of {operation}, and nobody has it", device.name));
            }
        }
    }
    for command in &observed.commands {
        let at = obeyed.get(command.id.as_str());
        match (command.state.as_str(), at) {
            ("done", None) => faults.push(format!("{} is done, and nobody did it", command.id)),
            ("expired" | "superseded" | "cancelled", Some(at)) if *at > command.changed_ms => {
                faults.push(format!("{} was {} and obeyed after that", command.id, command.state));
            }
            ("delivered" | "running", _) => faults.push(format!("{} never ended: {}", command.id, command.state)),
            _ => {}
        }
    }
    faults
}
