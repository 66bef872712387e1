//! The time axis: HTML under the drawing. One segment of the neatline is one equal step of the range.

use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, TimeRange};

use crate::format::{clock_short, day};

/// A label under the neatline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AxisLabel {
    /// Where, in percent of the axis.
    pub pct: u8,
    /// What.
    pub text: String,
}

/// Segments of the neatline of a range.
#[must_use]
pub const fn segments(range: TimeRange) -> u32 {
    match range {
        TimeRange::Hour | TimeRange::SixHours => 12,
        TimeRange::Day => 24,
        TimeRange::Week => 7,
        TimeRange::Month => 30,
    }
}

/// Labels at round times inside the range; none so near an end that it would be cut.
#[must_use]
pub fn axis_labels(range: TimeRange, from: Millis, to: Millis) -> Vec<AxisLabel> {
    let step = match range {
        TimeRange::Hour => 10 * MINUTE_MS,
        TimeRange::SixHours => HOUR_MS,
        TimeRange::Day => 3 * HOUR_MS,
        TimeRange::Week => DAY_MS,
        TimeRange::Month => 5 * DAY_MS,
    };
    let length = to.since(from);
    if length <= 0 {
        return Vec::new();
    }
    let first = from.0.div_euclid(step) + 1;
    (first..=to.0.div_euclid(step))
        .filter_map(|n| {
            let at = Millis(n * step);
            let pct = u8::try_from(at.since(from) * 100 / length).ok().filter(|pct| (2..=98).contains(pct))?;
            let text = if step < DAY_MS { clock_short(at) } else { day(at).split_once(' ').map(|(_, date)| date.to_owned())? };
            Some(AxisLabel { pct, text })
        })
        .collect()
}
