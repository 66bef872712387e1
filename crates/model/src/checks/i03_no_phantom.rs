//! I-3: the log holds no operation that no device queued, and none of them twice.

use tidewatch_fleet_sim::checks::exactly_once;

use crate::world::Seen;

/// Names operations that nobody sent, or that are there twice.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    exactly_once::check(&seen.fleet())
}
