//! I-13: a device never receives a row of a scope that is not open to it, and once it was told that a scope is closed it holds
//! nothing of it.

use crate::world::Seen;

/// Names rows that went to the wrong device.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for page in &seen.pages {
        for (seq, scope) in page.rows.iter().filter(|(_, scope)| !page.open.contains(scope)) {
            faults.push(format!("d{} got row {seq} of {scope}", page.device));
        }
    }
    for device in &seen.devices {
        for (key, (version, _, scope)) in device.copy.iter().filter(|(_, held)| !device.scopes.contains(&held.2)) {
            faults.push(format!("{} holds version {version} of {key:?} in {scope}, which is closed to it", device.id));
        }
    }
    faults
}
