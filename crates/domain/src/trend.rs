//! Simple, explainable predictions: a straight line through points, and when it meets a limit.

use crate::time::{DAY_MS, HOUR_MS, Millis};

/// A line needs so many points.
pub const POINTS_MIN: usize = 6;
/// A line needs points over at least this long.
pub const SPAN_MIN_MS: i64 = 2 * HOUR_MS;
/// A prediction further away than this is no news.
pub const HORIZON_MS: i64 = 14 * DAY_MS;
/// A line explains at least this share of the variance, or it predicts nothing.
pub const FIT_MIN: f64 = 0.6;

/// Least-squares line through points in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Where it starts: the time of the newest point.
    pub at: Millis,
    /// Its value there.
    pub value: f64,
    /// Rise an hour.
    pub per_hour: f64,
    /// Root of the mean square distance of the points from it, in their unit.
    pub error: f64,
    /// Share of the variance that it explains, 0 to 1.
    pub fit: f64,
    /// How many points.
    pub points: usize,
    /// Time from the oldest to the newest point.
    pub span_ms: i64,
}

impl Line {
    /// The line through these points; `None` when they are too few or too close together.
    #[must_use]
    pub fn through(points: &[(Millis, f64)]) -> Option<Self> {
        let (first, last) = (points.iter().map(|p| p.0).min()?, points.iter().map(|p| p.0).max()?);
        let span_ms = last.since(first);
        if points.len() < POINTS_MIN || span_ms < SPAN_MIN_MS {
            return None;
        }
        let n = points.len() as f64;
        let hours = |at: Millis| at.since(last) as f64 / HOUR_MS as f64;
        let mean_x = points.iter().map(|p| hours(p.0)).sum::<f64>() / n;
        let mean_y = points.iter().map(|p| p.1).sum::<f64>() / n;
        let var_x: f64 = points.iter().map(|p| (hours(p.0) - mean_x).powi(2)).sum();
        let var_y: f64 = points.iter().map(|p| (p.1 - mean_y).powi(2)).sum();
        let both: f64 = points.iter().map(|p| (hours(p.0) - mean_x) * (p.1 - mean_y)).sum();
        let per_hour = both / var_x;
        let value = mean_y - per_hour * mean_x;
        let rest: f64 = points.iter().map(|p| (p.1 - value - per_hour * hours(p.0)).powi(2)).sum();
        let fit = if var_y > 0.0 { 1.0 - rest / var_y } else { 1.0 };
        Some(Self { at: last, value, per_hour, error: (rest / n).sqrt(), fit, points: points.len(), span_ms })
    }

    /// When it reaches `limit`, if it rises to it within [`HORIZON_MS`] and explains enough to be believed.
    #[must_use]
    pub fn reaches(&self, limit: f64) -> Option<Millis> {
        if self.per_hour <= 0.0 || self.fit < FIT_MIN || self.value >= limit {
            return None;
        }
        let ms = (limit - self.value) / self.per_hour * HOUR_MS as f64;
        (ms <= HORIZON_MS as f64).then(|| self.at.plus(ms as i64))
    }

    /// How much sooner or later it may be: the time in which the line rises by its own error.
    #[must_use]
    pub fn margin_ms(&self) -> i64 {
        if self.per_hour <= 0.0 { 0 } else { (self.error / self.per_hour * HOUR_MS as f64) as i64 }
    }
}

/// Median of values; `None` of nothing.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[n / 2]),
        n => Some(f64::midpoint(values[n / 2 - 1], values[n / 2])),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(n: i64, step_ms: i64, from: f64, per_step: f64) -> Vec<(Millis, f64)> {
        (0..n).map(|i| (Millis(1_000_000 + i * step_ms), from + per_step * i as f64)).collect()
    }

    #[test]
    fn a_straight_line_is_found_and_meets_its_limit() {
        let found = Line::through(&line(10, HOUR_MS, 80.0, 1.0)).expect("enough points");
        assert!((found.per_hour - 1.0).abs() < 1e-9 && found.error < 1e-9 && found.fit > 0.999);
        let due = found.reaches(100.0).expect("it rises");
        assert_eq!(due.since(found.at), 11 * HOUR_MS);
    }

    #[test]
    fn too_few_points_or_too_short_a_time_is_no_line() {
        assert_eq!(Line::through(&line(POINTS_MIN as i64 - 1, HOUR_MS, 1.0, 1.0)), None);
        assert!(Line::through(&line(POINTS_MIN as i64, HOUR_MS, 1.0, 1.0)).is_some());
        assert_eq!(Line::through(&line(10, SPAN_MIN_MS / 9 - 1, 1.0, 1.0)), None);
        assert!(Line::through(&line(10, SPAN_MIN_MS / 9 + 1, 1.0, 1.0)).is_some());
    }

    #[test]
    fn a_line_that_falls_or_stands_or_is_noise_predicts_nothing() {
        assert_eq!(Line::through(&line(10, HOUR_MS, 90.0, -1.0)).and_then(|l| l.reaches(100.0)), None);
        assert_eq!(Line::through(&line(10, HOUR_MS, 90.0, 0.0)).and_then(|l| l.reaches(100.0)), None);
        let noise: Vec<(Millis, f64)> = (0..20).map(|i| (Millis(i * HOUR_MS), if i % 2 == 0 { 10.0 } else { 90.0 })).collect();
        assert_eq!(Line::through(&noise).and_then(|l| l.reaches(100.0)), None);
        // 336 hours away is news, more is not.
        assert!(
            Line::through(&line(10, HOUR_MS, 0.0, 1.0))
                .is_some_and(|l| l.reaches(9.0 + 336.0).is_some() && l.reaches(9.0 + 336.1).is_none())
        );
    }

    proptest! {
        #[test]
        fn noise_around_a_rise_moves_the_date_no_more_than_its_share(jitter in prop::collection::vec(-0.5f64..0.5, 24)) {
            let points: Vec<(Millis, f64)> = jitter.iter().enumerate().map(|(i, j)| (Millis(i as i64 * HOUR_MS), 50.0 + i as f64 + j)).collect();
            let found = Line::through(&points).expect("enough points");
            prop_assert!((found.per_hour - 1.0).abs() < 0.1);
            prop_assert!(found.error <= 0.51);
        }
    }
}
