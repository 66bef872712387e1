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
