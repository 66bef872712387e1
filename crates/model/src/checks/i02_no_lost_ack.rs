//! I-2: what was answered `applied` or `merged` is in the log, however the store ended in between.

use tidewatch_fleet_sim::checks::no_lost_mutation;

use crate::world::Seen;

/// Names lost operations.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    no_lost_mutation::check(&seen.fleet())
}
