//! I-16: whatever else arrives, a batch of any lane is taken within a bounded number of others.

use crate::world::Seen;

/// Lanes are drained eight to three to one: no lane that has somebody waiting is passed over longer than the other eleven turns.
const PASSED_MAX: usize = 11;

/// Names lanes that were passed over too long.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for crowd in &seen.crowds {
        for lane in 0..3 {
            let mut passed = 0;
            // Behind the last one nobody waits any more.
            let last = crowd.iter().rposition(|taken| *taken == lane).unwrap_or(0);
            for taken in &crowd[..last] {
                passed = if *taken == lane { 0 } else { passed + 1 };
                if passed > PASSED_MAX {
                    faults.push(format!("lane {lane} was passed over {passed} times in {crowd:?}"));
                }
            }
        }
    }
    faults
}
