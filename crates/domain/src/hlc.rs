//! Hybrid logical clock (`protocol.md` 2.2): 48 bits of milliseconds, 16 bits of counter, a node name. String order, tick
//! order and causal order agree. What a device claims is bounded by the server's clock: a phone set to 2030 cannot win for ever.

use std::fmt;

use crate::time::Millis;

/// How far ahead of the server's clock a stamp may be, milliseconds.
pub const SKEW_MS_MAX: i64 = 300_000;
/// Longest name of a node.
pub const NODE_BYTES_MAX: usize = 64;
const COUNTER_BITS: u32 = 16;

/// Milliseconds and counter in one number: `ms << 16 | counter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticks(pub u64);

impl Ticks {
    /// The first tick of a millisecond. Instants before 1970 count as 1970.
    #[must_use]
    pub fn at(now: Millis) -> Self {
        Self(u64::try_from(now.0).unwrap_or(0) << COUNTER_BITS)
    }

    /// The tick after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its milliseconds.
    #[must_use]
    pub fn millis(self) -> Millis {
        Millis(i64::try_from(self.0 >> COUNTER_BITS).unwrap_or(i64::MAX))
    }
}

/// A stamp: `<12 hex ms><4 hex counter>-<node>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hlc {
    /// Time and counter.
    pub ticks: Ticks,
    /// Who stamped it.
    pub node: String,
}

impl Hlc {
    /// Reads the printed form: lower-case hex, then `-`, then 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (digits, node) = (text.get(..16)?, text.get(16..)?.strip_prefix('-')?);
        let hex = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let named = !node.is_empty()
            && node.len() <= NODE_BYTES_MAX
            && node.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if !hex || !named {
            return None;
        }
        let ticks = Ticks(u64::from_str_radix(digits, 16).ok()?);
        Some(Self { ticks, node: node.to_owned() })
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every row of a page prints one: digits by hand are several times as fast as the formatter's.
        let mut digits = [0; 16];
        hex::encode_to_slice(self.ticks.0.to_be_bytes(), &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)?;
        f.write_str("-")?;
        f.write_str(&self.node)
    }
}

/// Whether a claimed stamp is too far ahead of the server's clock to be believed.
#[must_use]
pub fn is_skewed(claimed: Ticks, now: Millis) -> bool {
    claimed > Ticks(Ticks::at(now.plus(SKEW_MS_MAX)).0 | 0xffff)
}

/// The server's own clock. It never goes back, and it has seen every stamp it accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerClock {
    /// The last tick given or seen.
    pub last: Ticks,
}

impl ServerClock {
    /// A tick for an event at `now`, later than every tick before.
    pub fn tick(&mut self, now: Millis) -> Ticks {
        self.last = Ticks::at(now).max(self.last.next());
        self.last
    }

    /// Remembers a stamp that was accepted, so that the next tick is later.
    pub fn observe(&mut self, seen: Ticks) {
        self.last = self.last.max(seen);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stamp_prints_as_it_was_read() {
        let text = "0199a3c2f1b00003-dev1";
        let stamp = Hlc::parse(text).expect("valid");
        assert_eq!(stamp.to_string(), text);
        assert_eq!(stamp.ticks.millis(), Millis(0x0199_a3c2_f1b0));
        assert_eq!(stamp.node, "dev1");
    }

    #[test]
    fn a_stamp_of_another_shape_is_refused() {
        for text in [
            "",
            "0199a3c2f1b00003",
            "0199a3c2f1b00003-",
            "0199A3C2F1B00003-dev1",
            "0199a3c2f1b0000-dev1",
            "0199a3c2f1b00003-d v",
            "é199a3c2f1b0003-dev",
        ] {
            assert_eq!(Hlc::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_stamp_is_skewed_only_beyond_the_limit() {
        let now = Millis(1_700_000_000_000);
        assert!(!is_skewed(Ticks(Ticks::at(now.plus(SKEW_MS_MAX)).0 | 0xffff), now));
        assert!(is_skewed(Ticks::at(now.plus(SKEW_MS_MAX + 1)), now));
    }

    #[test]
    fn the_server_clock_moves_on_when_the_wall_clock_goes_back() {
        let mut clock = ServerClock::default();
        let first = clock.tick(Millis(1_000));
        let second = clock.tick(Millis(10));
        assert!(second > first);
        clock.observe(Ticks::at(Millis(5_000)));
        assert!(clock.tick(Millis(20)) > Ticks::at(Millis(5_000)));
    }

    proptest! {
        #[test]
        fn text_order_is_stamp_order(a in 0u64.., b in 0u64.., m in "[a-z0-9]{1,8}", n in "[a-z0-9]{1,8}") {
            let (x, y) = (Hlc { ticks: Ticks(a), node: m }, Hlc { ticks: Ticks(b), node: n });
            prop_assert_eq!(x.cmp(&y), x.to_string().cmp(&y.to_string()));
            prop_assert_eq!(Hlc::parse(&x.to_string()), Some(x));
        }

        #[test]
        fn ticks_of_the_server_only_rise(nows in proptest::collection::vec(0i64..1 << 40, 1..50)) {
            let mut clock = ServerClock::default();
            let ticks: Vec<_> = nows.iter().map(|now| clock.tick(Millis(*now))).collect();
            prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
