//! What a client remembers of its network between two starts of the process: backoff, stops, round trips, attempts.

use rand::{Rng, RngCore};
use tidewatch_domain::time::{Millis, SECOND_MS};

use crate::wire::Failure;

/// Longest backoff.
const BACKOFF_MS_MAX: i64 = 60 * SECOND_MS;
/// Round trips kept for one report.
const ROUND_TRIPS_MAX: usize = 1_024;

/// Full jitter: `random(0, min(60 s, 1 s · 2^n))`.
pub fn backoff_ms(failures: u32, rng: &mut dyn RngCore) -> i64 {
    let ceiling = (SECOND_MS << failures.min(16)).min(BACKOFF_MS_MAX);
    rng.random_range(0..=ceiling)
}

/// Why a client stopped by itself. Its outbox is kept; only a person or a new version can help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The server speaks words this version does not know, or refuses its version.
    NeedsUpgrade(String),
    /// The server refuses this device.
    Refused(String),
    /// Its tokens are gone and it has nothing to enrol with.
    NeedsSignIn,
}

/// Attempts since the last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Succeeded at the first try.
    pub first_try_ok: u32,
    /// Succeeded.
    pub ok: u32,
    /// All.
    pub total: u32,
}

/// The link of one client.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// Nothing is sent before.
    pub not_before: Option<Millis>,
    /// Failures in a row.
    pub failures: u32,
    /// Set when the client stopped by itself.
    pub stop: Option<Stop>,
    /// Last push or pull that was sent.
    pub last_attempt_at: Option<Millis>,
    /// Last final answer.
    pub last_ack_at: Option<Millis>,
    /// Last page applied.
    pub last_applied_at: Option<Millis>,
    /// Last time the feed was at its end with nothing left to send.
    pub last_success_at: Option<Millis>,
    /// Last failure, until a success.
    pub last_error: Option<Failure>,
    /// Device clock minus server clock.
    pub clock_offset_ms: Option<i64>,
    /// Refused tokens since the last report.
    pub token_errors: u32,
    /// Attempts since the last report.
    pub attempts: Attempts,
    /// Conflicts since the process started: answers `conflict`, `superseded`, and `merged` with a loss.
    pub conflicts: u32,
    /// Of them, settled without a person.
    pub conflicts_settled: u32,
    round_trips_ms: Vec<f64>,
}

impl Link {
    /// A request got an answer that is not a failure of the link.
    pub fn succeeded(&mut self, took_ms: f64) {
        self.attempts.total += 1;
        self.attempts.ok += 1;
        if self.failures == 0 {
            self.attempts.first_try_ok += 1;
        }
        if self.round_trips_ms.len() < ROUND_TRIPS_MAX {
            self.round_trips_ms.push(took_ms);
        }
        (self.failures, self.not_before, self.last_error) = (0, None, None);
    }

    /// A request failed in a way that passes: back off, longer each time, never shorter than the server asks.
    pub fn failed(&mut self, now: Millis, error: Failure, retry_after_ms: Option<i64>, rng: &mut dyn RngCore) {
        self.attempts.total += 1;
        let jittered = backoff_ms(self.failures, rng);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now.plus(jittered.max(retry_after_ms.unwrap_or(0).clamp(0, 10 * BACKOFF_MS_MAX))));
        self.last_error = Some(error);
    }

    /// Takes the round trips since the last report, sorted.
    pub fn take_round_trips_ms(&mut self) -> Vec<f64> {
        let mut sorted = std::mem::take(&mut self.round_trips_ms);
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn backoff_is_spread_from_zero_to_a_ceiling_that_doubles_up_to_a_minute() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (failures, ceiling) in [(0, 1_000), (1, 2_000), (5, 32_000), (6, 60_000), (4_000_000, 60_000)] {
            let drawn: Vec<i64> = (0..400).map(|_| backoff_ms(failures, &mut rng)).collect();
            assert!(drawn.iter().all(|ms| (0..=ceiling).contains(ms)), "{failures}");
            assert!(drawn.iter().any(|ms| *ms < ceiling / 4) && drawn.iter().any(|ms| *ms > ceiling * 3 / 4), "{failures}");
        }
    }

    #[test]
    fn a_retry_after_of_the_server_is_a_floor() {
        let mut link = Link::default();
        link.failed(Millis(0), Failure::of_network("gone"), Some(30_000), &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(link.not_before, Some(Millis(30_000)));
    }
}
