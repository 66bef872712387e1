//! Randomness of the simulation: every use has its own stream, drawn from the seed and a label.
//!
//! A stream does not depend on who drew before from another one, so adding a draw somewhere does not change a whole world.

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One stream.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of a label, and of the index of whose it is.
    #[must_use]
    pub fn new(seed: u64, label: &str, index: u64) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        // FNV-1a: labels are few and known, they only have to differ.
        let hash =
            label.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        key[16..24].copy_from_slice(&hash.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability.clamp(0.0, 1.0))
    }

    /// A whole number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high.max(low))
    }

    /// A number from `low` to `high`.
    pub fn float(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.random::<f64>()
    }

    /// One of a list that is not empty.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.random_range(0..of.len())]
    }

    /// A waiting time with this mean, as of events that come independently of each other; at most six times the mean.
    pub fn waiting_ms(&mut self, mean_ms: f64) -> i64 {
        let unit = self.0.random::<f64>().max(1e-9);
        #[expect(clippy::cast_possible_truncation, reason = "a bounded number of milliseconds")]
        let ms = (-unit.ln() * mean_ms).min(6.0 * mean_ms) as i64;
        ms.max(1)
    }

    /// The generator, for those who take one.
    pub fn rng(&mut self) -> &mut dyn RngCore {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(dice: &mut Dice) -> Vec<i64> {
        (0..8).map(|_| dice.between(0, 1_000_000)).collect()
    }

    #[test]
    fn streams_repeat_by_seed_and_differ_by_label_and_index() {
        let drawn = head(&mut Dice::new(1, "edits", 0));
        assert_eq!(head(&mut Dice::new(1, "edits", 0)), drawn);
        for (seed, label, index) in [(2, "edits", 0), (1, "network", 0), (1, "edits", 1)] {
            assert_ne!(head(&mut Dice::new(seed, label, index)), drawn);
        }
    }
}
