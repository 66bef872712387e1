//! I-14: a device that has read up to the position of its own write sees it, or what came after it; and what it shows never
//! goes back.

use std::collections::BTreeMap;

use crate::world::Seen;

/// Names writes that their own device did not see, and records that went back.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    let mut last = BTreeMap::new();
    for shown in &seen.shown {
        for (key, (version, _)) in shown.state.values().flatten() {
            let before = last.insert((shown.device, key), *version);
            if before.is_some_and(|before| before > *version) {
                faults.push(format!("d{} shows version {version} of {key:?} after {before:?}", shown.device));
            }
        }
        let own = &seen.devices[shown.device].id;
        let read =
            seen.log.iter().filter(|row| row.seq.0 <= shown.at && row.client_id.as_ref().is_some_and(|id| id.as_str() == own));
        let log = super::folded(seen, shown.at);
        for row in read {
            let held = shown.state.values().find_map(|records| records.get(&super::key(row)));
            let gone =
                log.get(&super::key(row)).is_none_or(|(scope, _, body)| body.is_none() || !shown.state.contains_key(scope));
            if !gone && held.is_none_or(|(version, _)| *version < row.version.0) {
                faults.push(format!("d{} does not see at {} its own write {}", shown.device, shown.at, row.seq));
            }
        }
    }
    faults
}
