//! Once faults stop, every queue drains in bounded time: what stays is poisoned, or stands behind something poisoned.

use super::Observed;

/// Names what is still waiting.
#[must_use]
pub fn check(observed: &Observed) -> Vec<String> {
    let mut faults = Vec::new();
    if !observed.settled {
        faults.push("the calm ended with rounds still due".to_owned());
    }
    for device in &observed.devices {
        for (operation, _) in device.left.iter().filter(|(_, stuck_for_a_reason)| !**stuck_for_a_reason) {
            faults.push(format!("{} still waits with {operation}", device.name));
        }
    }
    faults
}
