//! The six figures of the overview: value, verdict against its SLO or against its own normal, and its trend. Pure.

use tidewatch_domain::fleet::{Figure, Metric, Point, Series, Tone};
use tidewatch_domain::time::{HOUR_MS, Millis};
use tidewatch_domain::trend::median;
use tidewatch_store::telemetry::{DeviceTrend, TrendPoint};

use super::words::{elapsed, whole};

/// Sync success, percent, at least.
pub(super) const SLO_SUCCESS_PERCENT: f64 = 99.5;
/// Conflict rate, percent, at most.
pub(super) const SLO_CONFLICT_PERCENT: f64 = 1.0;
/// Sync latency p95, milliseconds, at most.
const SLO_LATENCY_MS: f64 = 500.0;
/// Battery score, at least.
const BATTERY_TARGET: f64 = 70.0;
/// Below this the battery score is bad.
const BATTERY_BAD: f64 = 50.0;
/// So many times its own normal is more than usual, and much more.
const QUEUE_WATCH: f64 = 1.5;
const QUEUE_ACT: f64 = 3.0;
/// A drift age below this is the time between two check-ins.
const DRIFT_CALM_MS: f64 = HOUR_MS as f64;
/// Drift rises when it is so many times its own normal.
const DRIFT_RISES: f64 = 2.0;

/// What a figure is related to beside its trend.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    /// Devices of the fleet; 0 for a single device.
    pub devices: u64,
    /// Open conflicts.
    pub conflicts_open: Option<u64>,
}

struct Verdict {
    tone: Tone,
    words: String,
    note: String,
    slo: Option<f64>,
}

/// The six figures, in the order of [`Metric::ALL`].
pub(super) fn figures(now: &DeviceTrend, before: Option<&DeviceTrend>, context: &Context) -> Vec<Figure> {
    Metric::ALL.into_iter().map(|metric| figure(metric, now, before, context)).collect()
}

fn value_of(metric: Metric, point: &TrendPoint) -> Option<f64> {
    match metric {
        Metric::QueueDepth => point.queue,
        Metric::SyncSuccess => point.success,
        Metric::DriftAge => point.drift_p95,
        Metric::ConflictRate => point.conflict,
        Metric::SyncLatency => point.latency_p95,
        Metric::BatteryScore => point.battery,
    }
}

fn series(name: &'static str, trend: &DeviceTrend, value: impl Fn(&TrendPoint) -> Option<f64>) -> Series {
    Series { name, points: trend.points.iter().map(|point| Point { at: point.at, value: value(point) }).collect() }
}

/// State is how it stands now: its newest step. A rate is over the whole range.
fn current(metric: Metric, trend: &DeviceTrend) -> Option<f64> {
    match metric {
        Metric::QueueDepth | Metric::DriftAge | Metric::BatteryScore => {
            let newest = trend.points.iter().rev().find_map(|point| value_of(metric, point));
            newest.or_else(|| value_of(metric, &trend.whole))
        }
        Metric::SyncSuccess | Metric::ConflictRate | Metric::SyncLatency => value_of(metric, &trend.whole),
    }
}

/// Its own normal: the median of the range before, or of this range.
fn normal(metric: Metric, now: &DeviceTrend, before: Option<&DeviceTrend>) -> Option<f64> {
    let values = |trend: &DeviceTrend| median(trend.points.iter().filter_map(|point| value_of(metric, point)));
    before.and_then(values).or_else(|| values(now))
}

fn figure(metric: Metric, now: &DeviceTrend, before: Option<&DeviceTrend>, context: &Context) -> Figure {
    let value = current(metric, now);
    let lines = match metric {
        Metric::SyncLatency => vec![series("p95", now, |p| p.latency_p95), series("p50", now, |p| p.latency_p50)],
        _ => vec![series(metric.label(), now, |point| value_of(metric, point))],
    };
    let verdict = value.map_or_else(|| no_data(metric), |value| verdict(metric, value, now, before, context));
    Figure {
        metric,
        value,
        tone: verdict.tone,
        verdict: verdict.words,
        note: verdict.note,
        slo: verdict.slo,
        series: lines,
        previous: before.map(|before| previous(metric, now, before)),
    }
}

/// The range before, laid over this one: point by point at the times of this one.
fn previous(metric: Metric, now: &DeviceTrend, before: &DeviceTrend) -> Series {
    let points = now.points.iter().zip(&before.points).map(|(at, point)| Point { at: at.at, value: value_of(metric, point) });
    Series { name: "Range before", points: points.collect() }
}

fn slo(metric: Metric) -> Option<f64> {
    match metric {
        Metric::SyncSuccess => Some(SLO_SUCCESS_PERCENT),
        Metric::ConflictRate => Some(SLO_CONFLICT_PERCENT),
        Metric::SyncLatency => Some(SLO_LATENCY_MS),
        Metric::BatteryScore => Some(BATTERY_TARGET),
        Metric::QueueDepth | Metric::DriftAge => None,
    }
}

fn no_data(metric: Metric) -> Verdict {
    Verdict {
        tone: Tone::Idle,
        words: "No data".to_owned(),
        note: "Nothing was reported in this range.".to_owned(),
        slo: slo(metric),
    }
}

fn verdict(metric: Metric, value: f64, now: &DeviceTrend, before: Option<&DeviceTrend>, context: &Context) -> Verdict {
    let whole_range = &now.whole;
    let (tone, words, note) = match metric {
        Metric::QueueDepth => queue(value, normal(metric, now, before), whole_range, context),
        Metric::SyncSuccess => {
            let met = value >= SLO_SUCCESS_PERCENT;
            let note = format!(
                "SLO {SLO_SUCCESS_PERCENT} %, {} attempts, {} rejected",
                whole(whole_range.attempts),
                whole(whole_range.rejected)
            );
            (if met { Tone::Good } else { Tone::Act }, slo_words(met), note)
        }
        Metric::DriftAge => drift(value, normal(metric, now, before)),
        Metric::ConflictRate => {
            let met = value < SLO_CONFLICT_PERCENT;
            let open = context.conflicts_open.map(|open| format!(", {} open", whole(open.cast_signed()))).unwrap_or_default();
            let note = format!("SLO {SLO_CONFLICT_PERCENT} %{open}, {} merged without loss", whole(whole_range.merged));
            (if met { Tone::Good } else { Tone::Watch }, slo_words(met), note)
        }
        Metric::SyncLatency => {
            let met = value < SLO_LATENCY_MS;
            let p50 = whole_range.latency_p50.map(|p50| format!(", p50 {p50:.0} ms")).unwrap_or_default();
            (if met { Tone::Good } else { Tone::Watch }, slo_words(met), format!("SLO {SLO_LATENCY_MS} ms{p50}"))
        }
        Metric::BatteryScore => battery(value),
    };
    Verdict { tone, words, note, slo: slo(metric) }
}

fn slo_words(met: bool) -> String {
    if met { "Within SLO" } else { "SLO missed" }.to_owned()
}

fn queue(value: f64, normal: Option<f64>, whole_range: &TrendPoint, context: &Context) -> (Tone, String, String) {
    let times = normal.filter(|normal| *normal > 0.0).map(|normal| value / normal);
    let (tone, words) = match times {
        Some(times) if times >= QUEUE_ACT => (Tone::Act, format!("{times:.1}× normal")),
        Some(times) if times >= QUEUE_WATCH => (Tone::Watch, format!("{times:.1}× normal")),
        Some(_) => (Tone::Good, "As usual".to_owned()),
        None if value > 0.0 => (Tone::Run, "Normal not known".to_owned()),
        None => (Tone::Good, "Empty".to_owned()),
    };
    let per_device = (context.devices > 0).then(|| format!("{:.1} per device", value / context.devices as f64));
    let share = (whole_range.answered > 0)
        .then(|| format!("{:.1} % of what was answered in this range", 100.0 * value / whole_range.answered as f64));
    let parts: Vec<String> = per_device.into_iter().chain(share).collect();
    (tone, words, parts.join(", "))
}

fn drift(value: f64, normal: Option<f64>) -> (Tone, String, String) {
    let rises = normal.is_some_and(|normal| value > normal * DRIFT_RISES);
    let (tone, words) = match (value > DRIFT_CALM_MS, rises) {
        (false, _) => (Tone::Good, "Calm"),
        (true, true) => (Tone::Watch, "Rising"),
        (true, false) => (Tone::Watch, "Above an hour"),
    };
    let usual = normal.map(|normal| format!("; usually {}", elapsed(normal as i64))).unwrap_or_default();
    (tone, words.to_owned(), format!("19 of 20 devices are below it{usual}"))
}

fn battery(value: f64) -> (Tone, String, String) {
    let (tone, words) = match value {
        v if v >= BATTERY_TARGET => (Tone::Good, "Within target"),
        v if v >= BATTERY_BAD => (Tone::Watch, "Below target"),
        _ => (Tone::Act, "Poor"),
    };
    (tone, words.to_owned(), format!("Target {BATTERY_TARGET}, of 100; efficiency, impact and adaptive rate"))
}

/// Since when the newest steps without a gap miss a limit.
pub(super) fn missed_since(trend: &DeviceTrend, missed: impl Fn(&TrendPoint) -> Option<bool>) -> Option<Millis> {
    let newest = trend.points.iter().rev().filter_map(|point| Some((point.at, missed(point)?)));
    newest.take_while(|(_, missed)| *missed).last().map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trend(values: &[Option<f64>], whole: TrendPoint) -> DeviceTrend {
        let point = |(at, value): (usize, &Option<f64>)| TrendPoint {
            at: Millis(at as i64),
            queue: *value,
            success: *value,
            ..TrendPoint::default()
        };
        DeviceTrend { points: values.iter().enumerate().map(point).collect(), whole }
    }

    fn find(figures: &[Figure], metric: Metric) -> &Figure {
        figures.iter().find(|figure| figure.metric == metric).expect("every metric has a figure")
    }

    #[test]
    fn nothing_reported_is_no_data_and_not_zero() {
        let figures = figures(&trend(&[None, None], TrendPoint::default()), None, &Context::default());
        assert_eq!(figures.len(), Metric::ALL.len());
        for figure in &figures {
            assert_eq!((figure.value, figure.tone, figure.verdict.as_str()), (None, Tone::Idle, "No data"));
            assert!(figure.series.iter().all(|series| series.points.iter().all(|point| point.value.is_none())));
        }
    }

    #[test]
    fn a_queue_is_measured_against_its_own_normal() {
        let verdict = |newest: f64| {
            let figures = figures(
                &trend(&[Some(100.0), Some(100.0), Some(100.0), Some(newest)], TrendPoint::default()),
                None,
                &Context::default(),
            );
            let found = find(&figures, Metric::QueueDepth);
            (found.tone, found.verdict.clone())
        };
        assert_eq!(verdict(149.0), (Tone::Good, "As usual".to_owned()));
        assert_eq!(verdict(150.0), (Tone::Watch, "1.5× normal".to_owned()));
        assert_eq!(verdict(299.0).0, Tone::Watch);
        assert_eq!(verdict(300.0), (Tone::Act, "3.0× normal".to_owned()));
    }

    #[test]
    fn success_meets_its_slo_at_exactly_the_limit() {
        let tone = |success: f64| {
            let whole = TrendPoint { success: Some(success), ..TrendPoint::default() };
            find(&figures(&trend(&[], whole), None, &Context::default()), Metric::SyncSuccess).tone
        };
        assert_eq!((tone(99.5), tone(99.49)), (Tone::Good, Tone::Act));
    }

    #[test]
    fn latency_and_conflicts_miss_their_slo_at_exactly_the_limit() {
        let tones = |latency: f64, conflict: f64| {
            let whole = TrendPoint { latency_p95: Some(latency), conflict: Some(conflict), ..TrendPoint::default() };
            let figures = figures(&trend(&[], whole), None, &Context::default());
            (find(&figures, Metric::SyncLatency).tone, find(&figures, Metric::ConflictRate).tone)
        };
        assert_eq!(tones(499.9, 0.99), (Tone::Good, Tone::Good));
        assert_eq!(tones(500.0, 1.0), (Tone::Watch, Tone::Watch));
    }

    #[test]
    fn a_miss_dates_from_the_first_of_its_unbroken_steps() {
        let found = trend(&[Some(90.0), Some(100.0), Some(90.0), None, Some(91.0)], TrendPoint::default());
        assert_eq!(missed_since(&found, |p| p.success.map(|s| s < 99.5)), Some(Millis(2)));
        assert_eq!(missed_since(&found, |p| p.success.map(|s| s < 50.0)), None);
    }
}
