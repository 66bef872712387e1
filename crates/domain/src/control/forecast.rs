//! When devices are expected to pick a command up, from their own rhythm of contact.
//!
//! A device that is usually in touch every `g` is half likely to be in touch within the next `g`, and half of what is left within
//! the `g` after that. One that has been silent for longer than usual is taken to have the rhythm of its silence.

use crate::fleet::Forecast;
use crate::health::LOST_MS;
use crate::time::{HOUR_MS, Millis};

/// Hours from now that a forecast speaks of.
const HOURS: [u32; 4] = [1, 6, 24, 72];

/// What is known of how often a device is in touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContactRhythm {
    /// Median gap of its last contacts.
    pub interval_ms: Option<i64>,
    /// Last contact.
    pub last_contact: Option<Millis>,
}

impl ContactRhythm {
    /// Probability that it is in touch within so many milliseconds; none when there is nothing to tell from.
    #[must_use]
    pub fn within(self, ms: i64, now: Millis) -> Option<f64> {
        let (gap, last) = (self.interval_ms?, self.last_contact?);
        let silent = now.since(last).max(0);
        if silent >= LOST_MS {
            return Some(0.0);
        }
        #[expect(clippy::cast_precision_loss, reason = "below a century of milliseconds")]
        let gaps = ms as f64 / gap.max(silent).max(1) as f64;
        Some(1.0 - 0.5_f64.powf(gaps))
    }
}

/// The expected share of these devices by hour.
#[must_use]
pub fn forecast(rhythms: &[ContactRhythm], now: Millis) -> Forecast {
    let known: Vec<&ContactRhythm> = rhythms.iter().filter(|rhythm| rhythm.within(0, now).is_some()).collect();
    let share = |hours: u32| {
        let sum: f64 = known.iter().filter_map(|rhythm| rhythm.within(i64::from(hours) * HOUR_MS, now)).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "0 to 100")]
        let percent = (sum / known.len().max(1) as f64 * 100.0).round() as u8;
        (hours, percent)
    };
    Forecast {
        devices: rhythms.len() as u64,
        shares: if known.is_empty() { Vec::new() } else { HOURS.map(share).to_vec() },
        unknown: (rhythms.len() - known.len()) as u64,
    }
}
