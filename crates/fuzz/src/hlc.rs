//! Stamps: what is read prints as it came, the order of texts is the order of stamps, and the server's clock only rises.

use tidewatch_domain::hlc::{Hlc, ServerClock, Ticks, is_skewed};
use tidewatch_domain::time::Millis;

use crate::number;

pub(crate) fn feed(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let stamps: Vec<Hlc> = text.split('\n').take(16).filter_map(read).collect();
        for pair in stamps.windows(2) {
            assert_eq!(pair[0].cmp(&pair[1]), pair[0].to_string().cmp(&pair[1].to_string()), "text order is stamp order");
        }
    }
    clock(bytes);
}

fn read(text: &str) -> Option<Hlc> {
    let stamp = Hlc::parse(text)?;
    assert_eq!(stamp.to_string(), text, "one stamp has one text");
    assert!(stamp.ticks.millis() >= Millis(0));
    Some(stamp)
}

/// The rest of the input is what devices claim, and what the server's wall clock says meanwhile.
fn clock(mut bytes: &[u8]) {
    let mut clock = ServerClock::default();
    while let Some((bits, rest)) = number(bytes) {
        bytes = rest;
        // Wall clocks of this and the next thousand years, and jumps between them.
        let now = Millis((bits >> 20).cast_signed());
        let claimed = Ticks(bits.rotate_left(17));
        let before = clock.last;
        if is_skewed(claimed, now) {
            assert!(claimed > Ticks::at(now), "what lags is not refused as too far ahead");
        } else {
            clock.observe(claimed);
        }
        let tick = clock.tick(now);
        assert!(tick > before || before == Ticks(u64::MAX), "a tick is later than every tick before");
        assert!(tick >= Ticks::at(now));
    }
}
