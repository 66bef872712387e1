//! I-6: a scan of the state, and what follows it, come to the same as every row of the log, for any size of page and any
//! mixture: at a cursor, a device shows exactly the state at the cursor.

use super::{folded, visible};
use crate::world::Seen;

/// Names states that are others.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for (size, state) in seen.scanned.iter().filter(|(_, state)| **state != seen.followed) {
        faults.push(format!("a scan in pages of {size} comes to {state:?}, the log to {:?}", seen.followed));
    }
    for shown in &seen.shown {
        let due = visible(&folded(seen, shown.at), shown.state.keys());
        if shown.state != due {
            faults.push(format!("d{} shows at {} {:?} and not {due:?}", shown.device, shown.at, shown.state));
        }
    }
    faults
}
