//! The hybrid logical clock of one device: `<12 hex ms><4 hex counter>-<node>`, so that text order is clock order.
//!
//! It never reads a clock itself: physical time comes in with every call.

use tidewatch_domain::time::Millis;

/// State of the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hlc {
    ms: i64,
    counter: u16,
}

impl Hlc {
    /// A stamp for something that happens now; greater than every stamp given or seen before.
    pub fn tick(&mut self, now: Millis, node: &str) -> String {
        if now.0 > self.ms {
            (self.ms, self.counter) = (now.0, 0);
        } else if let Some(next) = self.counter.checked_add(1) {
            self.counter = next;
        } else {
            (self.ms, self.counter) = (self.ms + 1, 0);
        }
        format!("{:012x}{:04x}-{node}", self.ms, self.counter)
    }

    /// Takes note of a stamp seen elsewhere. Text that is no stamp is ignored.
    pub fn observe(&mut self, stamp: &str) {
        let Some((time, _)) = stamp.split_once('-') else { return };
        if time.len() != 16 || !time.is_ascii() {
            return;
        }
        let (Ok(ms), Ok(counter)) = (i64::from_str_radix(&time[..12], 16), u16::from_str_radix(&time[12..], 16)) else { return };
        if (ms, counter) > (self.ms, self.counter) {
            (self.ms, self.counter) = (ms, counter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_grow_even_when_the_wall_clock_goes_back() {
        let mut clock = Hlc::default();
        let stamps = [1_000, 1_000, 400, 1_001].map(|ms| clock.tick(Millis(ms), "dev1"));
        assert_eq!(stamps[0], "0000000003e80000-dev1");
        assert!(stamps.is_sorted(), "{stamps:?}");
    }

    #[test]
    fn a_full_counter_carries_into_the_milliseconds() {
        let mut clock = Hlc::default();
        clock.observe("0000000003e8ffff-other");
        assert_eq!(clock.tick(Millis(1_000), "dev1"), "0000000003e90000-dev1");
    }

    #[test]
    fn text_that_is_no_stamp_changes_nothing() {
        let mut clock = Hlc::default();
        for text in ["", "-", "zzzz-dev", "0000000003e8000-dev", "ééééééééé-x"] {
            clock.observe(text);
        }
        assert_eq!(clock, Hlc::default());
    }
}
