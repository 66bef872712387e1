//! The sync API of devices, version 1.

pub mod backfill;
pub mod changes;
pub mod clients;
pub mod conflicts;
pub mod dead_letters;
pub mod events;
pub mod mutations;
pub mod records;
pub mod snapshots;
pub mod status;
pub mod subscriptions;
pub mod telemetry;
pub mod tickets;

use tidewatch_domain::ids::CollectionName;
use tidewatch_protocol::v1::clients::PollTiers;

use crate::gate::Device;
use crate::state::App;

/// When a caught-up device looks again: by the most urgent of the collections that it looks at, of all of them when it names none.
#[must_use]
pub fn pause(app: &App, device: &Device, collections: &[CollectionName]) -> i64 {
    let tiers = PollTiers::default();
    let priorities = app.service().priorities(collections).into_iter();
    let base = priorities.map(|priority| tiers.of(priority)).min().unwrap_or(tiers.critical);
    jittered(base, &device.cx.request_id)
}

/// A pause of about `base_ms`, spread by ±20 % so that devices do not come back all at once.
#[must_use]
pub fn jittered(base_ms: i64, request_id: &str) -> i64 {
    let spread = request_id.bytes().fold(17_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 401;
    base_ms * (800 + i64::from(spread)) / 1_000
}

#[cfg(test)]
mod tests {
    use super::jittered;

    #[test]
    fn a_pause_stays_within_a_fifth_of_its_base() {
        for id in ["a", "0199a3c2", "zz", ""] {
            assert!((800..=1_200).contains(&jittered(1_000, id)), "{id}");
        }
        assert_ne!(jittered(1_000, "0199a3c2-1"), jittered(1_000, "0199a3c2-2"));
    }
}
