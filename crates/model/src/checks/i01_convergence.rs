//! I-1: when all queues are empty and all devices have read everything, each holds exactly what the store holds in its scopes.

use tidewatch_fleet_sim::checks::convergence;

use crate::world::Seen;

/// Names records that differ, and patches that came to a device that could not apply them.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = convergence::check(&seen.fleet());
    faults.extend(seen.devices.iter().flat_map(|device| device.faults.clone()));
    faults
}
