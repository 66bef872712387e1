//! I-4: a batch that arrives again changes nothing, and is answered as it was.

use crate::device::is_given_back;
use crate::reference::Answer;
use crate::world::Seen;

/// Names answers that were other ones the second time. What is not remembered (the device is to decide) may be.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for (first, again) in &seen.replays {
        for (first, again) in first.iter().zip(again) {
            let kept = Answer { replayed: true, ..first.clone() };
            if is_kept(first) && *again != kept && !(is_late(first) && again == first) {
                faults.push(format!("{first:?} was answered as {again:?} the second time"));
            }
        }
    }
    faults
}

/// Whether an answer is one that the store keeps: one that the device was given to decide with, and one that follows from what waits
/// beside a record, it gives again as things are then.
fn is_kept(answer: &Answer) -> bool {
    let settling = ["idempotency_key_reused", "conflict_resolved", "not_found"];
    !is_given_back(answer) && answer.status != "deferred" && !answer.code.is_some_and(|code| settling.contains(&code))
}

/// Whether an answer follows from how late an intent is: by its age it is kept, by the counter of its device it is not.
fn is_late(answer: &Answer) -> bool {
    answer.code == Some("dedupe_horizon_passed")
}
