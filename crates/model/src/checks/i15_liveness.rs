//! I-15: once faults stop, every queue is empty after a few rounds, and no answer is `deferred` for ever.

use tidewatch_fleet_sim::checks::liveness;

use crate::world::Seen;

/// Names what still waits.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    liveness::check(&seen.fleet())
}
