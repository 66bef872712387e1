//! I-4: a batch that arrives again changes nothing, and is answered as it was.

use crate::reference::Answer;
use crate::world::Seen;

/// Names answers that were other ones the second time. What is not remembered (the device is to decide) may be.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for (first, again) in &seen.replays {
        for (first, again) in first.iter().zip(again) {
            let remembered =
                !(first.status == "conflict" && first.entry.is_none()) && first.code != Some("idempotency_key_reused");
            if remembered && *again != (Answer { replayed: true, ..first.clone() }) {
                faults.push(format!("{first:?} was answered as {again:?} the second time"));
            }
        }
    }
    faults
}
