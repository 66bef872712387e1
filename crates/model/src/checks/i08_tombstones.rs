//! I-8: no device ever shows a record that was deleted at or below its cursor.

use std::collections::BTreeMap;

use super::key;
use crate::world::Seen;

/// Names records that came back.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for shown in &seen.shown {
        let mut last = BTreeMap::new();
        for row in seen.log.iter().take_while(|row| row.seq.0 <= shown.at) {
            last.insert(key(row), (row.op, row.seq));
        }
        for record in shown.state.values().flat_map(BTreeMap::keys) {
            if let Some(("delete", seq)) = last.get(record) {
                faults.push(format!("d{} shows {record:?} at {}, which was deleted at {seq}", shown.device, shown.at));
            }
        }
    }
    faults
}
