//! How each metric is written: number and unit of its figure, and the scale of its chart.

use tidewatch_domain::fleet::Metric;
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS};

use super::{decimal, span_parts};

/// A value of a metric as number and unit. The unit may be empty.
#[must_use]
pub fn parts(metric: Metric, value: f64) -> (String, String) {
    let (number, unit) = match metric {
        Metric::QueueDepth => (decimal(value, 0), "ops"),
        Metric::SyncSuccess | Metric::ConflictRate => (decimal(value, 2), "%"),
        Metric::DriftAge => span_parts(super::round(value)),
        Metric::SyncLatency => (decimal(value, 0), "ms"),
        Metric::BatteryScore => (decimal(value, 0), "of 100"),
    };
    (number, unit.to_owned())
}

/// [`parts`] as one piece of text.
#[must_use]
pub fn text(metric: Metric, value: f64) -> String {
    let (number, unit) = parts(metric, value);
    if unit.is_empty() { number } else { format!("{number}{}{unit}", super::NBSP) }
}

/// What a chart divides values by, and the unit that its axis then has. `top` is the largest value it shows.
#[must_use]
pub fn scale(metric: Metric, top: f64) -> (f64, &'static str) {
    match metric {
        Metric::DriftAge if top >= HOUR_MS as f64 => (HOUR_MS as f64, "h"),
        Metric::DriftAge => (MINUTE_MS as f64, "min"),
        Metric::QueueDepth => (1.0, "ops"),
        Metric::SyncSuccess | Metric::ConflictRate => (1.0, "%"),
        Metric::SyncLatency => (1.0, "ms"),
        Metric::BatteryScore => (1.0, "of 100"),
    }
}

/// Decimals that a chart and its table show: no finer than the metric is read.
#[must_use]
pub const fn places(metric: Metric) -> usize {
    match metric {
        Metric::QueueDepth | Metric::SyncLatency => 0,
        Metric::DriftAge | Metric::BatteryScore => 1,
        Metric::SyncSuccess | Metric::ConflictRate => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_is_written_in_its_own_unit() {
        let shown = [
            (Metric::QueueDepth, 18_406.2),
            (Metric::SyncSuccess, 98.714),
            (Metric::DriftAge, 9_660_000.0),
            (Metric::ConflictRate, 0.62),
            (Metric::SyncLatency, 411.6),
            (Metric::BatteryScore, 91.2),
        ]
        .map(|(metric, value)| text(metric, value).replace(super::super::NBSP, " "));
        assert_eq!(shown, ["18,406 ops", "98.71 %", "2:41 h", "0.62 %", "412 ms", "91 of 100"]);
    }

    #[test]
    fn drift_is_drawn_in_minutes_until_it_reaches_an_hour() {
        assert_eq!(scale(Metric::DriftAge, HOUR_MS as f64 - 1.0).1, "min");
        assert_eq!(scale(Metric::DriftAge, HOUR_MS as f64).1, "h");
    }
}
