//! Trends: rollups and gauges of a range, folded into the steps that pages show. A step without data is `None`, never zero.

use std::collections::BTreeMap;

use tidewatch_domain::fleet::{Board, BoardCell};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, Millis, TimeRange};

use super::Telemetry;
use super::hours::{Sample, hour_of};
use super::persist::RollupRow;
use super::roll_apply::Figures;
use super::rollup::{Counters, Rollup, Sketch};
use crate::{Error, Result};

/// The whole fleet, in the table of cohorts.
const FLEET: i64 = 1;
/// Rows of the board.
const BOARD_DAYS: i64 = 7;

/// What one step of a trend holds; also a whole range.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrendPoint {
    /// Start of the step.
    pub at: Millis,
    /// Operations not finally answered.
    pub queue: Option<f64>,
    /// Attempts that succeeded, percent.
    pub success: Option<f64>,
    /// 95th percentile of drift age, milliseconds.
    pub drift_p95: Option<f64>,
    /// Conflict rate, percent.
    pub conflict: Option<f64>,
    /// Sync latency, milliseconds.
    pub latency_p95: Option<f64>,
    /// Sync latency, milliseconds.
    pub latency_p50: Option<f64>,
    /// Mean battery score.
    pub battery: Option<f64>,
    /// Mean resilience score.
    pub score: Option<f64>,
    /// Attempts to sync.
    pub attempts: i64,
    /// Finally answered mutations.
    pub answered: i64,
    /// Of them, refused for good.
    pub rejected: i64,
    /// Of them, merged without a loss.
    pub merged: i64,
    /// Token refusals.
    pub token_refused: i64,
}

/// One device over a range.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceTrend {
    /// One point per step of the range, oldest first.
    pub points: Vec<TrendPoint>,
    /// The whole range as one.
    pub whole: TrendPoint,
}

/// One hour of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardHour {
    /// Start.
    pub at: Millis,
    /// Devices expected in it.
    pub expected: i64,
    /// Devices that synced in it.
    pub synced: i64,
}

#[derive(Debug, Default)]
struct Step {
    rollup: Rollup,
    gauge: Option<Figures>,
    gauge_drift: Option<Sketch>,
    expected: i64,
}

impl Step {
    fn point(&self, at: Millis) -> TrendPoint {
        let counters: &Counters = &self.rollup.counters;
        // Without a sample of the whole fleet (a time before this store ran): the mean of the reports of that time, times the
        // devices that reported.
        let reported = (counters.queue_n > 0).then(|| counters.queue_sum / counters.queue_n as f64 * self.expected.max(1) as f64);
        let gauge = self.gauge.as_ref();
        let mean = |sum: f64, n: i64| (n > 0).then(|| sum / n as f64);
        let drift = self.gauge_drift.as_ref().unwrap_or(&self.rollup.drift);
        TrendPoint {
            at,
            queue: gauge.filter(|g| g.queue_devices > 0).map(|g| g.queue as f64).or(reported),
            success: counters.success_percent(),
            drift_p95: drift.quantile(0.95),
            conflict: counters.conflict_percent(),
            latency_p95: self.rollup.latency.quantile(0.95),
            latency_p50: self.rollup.latency.quantile(0.5),
            battery: gauge.and_then(|g| mean(g.battery_sum, g.battery_devices)).or(counters.battery()),
            score: gauge.and_then(|g| mean(g.score_sum, g.score_devices)).or(mean(counters.score_sum, counters.score_n)),
            attempts: counters.attempts,
            answered: counters.answered(),
            rejected: counters.rejected,
            merged: (counters.merged - counters.lossy).max(0),
            token_refused: counters.token_refused,
        }
    }
}

/// Start of the first step and number of steps of a range that ends at `end`. The last step is the one that holds `end`.
fn steps(range: TimeRange, end: i64) -> (i64, i64) {
    let width = range.step_ms();
    let count = range.span_ms() / width;
    let last = end - end.rem_euclid(width);
    (last - (count - 1) * width, count)
}

const fn stored_step(range: TimeRange) -> i64 {
    match range {
        TimeRange::Hour => 1,
        TimeRange::SixHours | TimeRange::Day => 5,
        TimeRange::Week | TimeRange::Month => 60,
    }
}

#[derive(sqlx::FromRow)]
struct GaugeRow {
    bucket: i64,
    figures: String,
    drift: Option<Vec<u8>>,
}

impl Telemetry {
    /// The fleet over the range that ends at `end`: one point per step, oldest first, and the whole range as one.
    ///
    /// # Errors
    /// As the database.
    pub async fn fleet_trend(&self, range: TimeRange, end: Millis) -> Result<DeviceTrend> {
        const ROLLUPS: &str = r"
            select step, bucket, cohort, counters, latency, drift from rollups
            where step = ?1 and cohort = ?2 and bucket >= ?3 and bucket <= ?4 order by bucket";
        const GAUGES: &str =
            "select bucket, figures, drift from gauges where step = ?1 and bucket >= ?2 and bucket <= ?3 order by bucket";
        let readers = &self.database.readers;
        let (from, count) = steps(range, end.0);
        let (width, stored) = (range.step_ms(), stored_step(range));
        let mut found: BTreeMap<i64, Step> = BTreeMap::new();
        let mut whole = Step::default();
        let place = |bucket: i64| (bucket - from).div_euclid(width);
        let rows: Vec<RollupRow> =
            sqlx::query_as(ROLLUPS).bind(stored).bind(FLEET).bind(from).bind(end.0).fetch_all(readers).await?;
        for row in &rows {
            let rollup = row.read()?;
            whole.rollup.merge(&rollup);
            found.entry(place(row.bucket)).or_default().rollup.merge(&rollup);
        }
        let rows: Vec<GaugeRow> = sqlx::query_as(GAUGES).bind(stored).bind(from).bind(end.0).fetch_all(readers).await?;
        for row in rows {
            let step = found.entry(place(row.bucket)).or_default();
            let figures: Figures = serde_json::from_str(&row.figures).map_err(|e| Error::Corrupt(format!("gauge: {e}")))?;
            let drift = row.drift.as_deref().map(Sketch::from_bytes).transpose()?;
            if let Some(drift) = drift {
                step.gauge_drift.get_or_insert_default().merge(&drift);
                whole.gauge_drift.get_or_insert_default().merge(&drift);
            }
            // The newest sample of a step is how it stood at its end.
            step.gauge = Some(figures);
            whole.gauge = Some(figures);
        }
        for hour in self.board_hours(from, end.0).await? {
            let first = place(hour.at.0);
            for step in first..=first + (HOUR_MS / width).max(1) - 1 {
                if let Some(step) = found.get_mut(&step) {
                    step.expected = step.expected.max(hour.expected);
                }
            }
            whole.expected = whole.expected.max(hour.expected);
        }
        Ok(fold(&found, &whole, from, width, count))
    }

    /// One device over the range that ends at `end`.
    ///
    /// # Errors
    /// Not found; as the database.
    pub async fn device_trend(&self, client_id: &ClientId, range: TimeRange, end: Millis) -> Result<DeviceTrend> {
        const TEXT: &str = r"
            select h.hour, h.samples from devices d join device_hours h on h.device = d.id
            where d.client_id = ?1 and h.hour between ?2 and ?3 order by h.hour";
        const KNOWN: &str = "select count(*) from devices where client_id = ?1";
        let readers = &self.database.readers;
        let known: i64 = sqlx::query_scalar(KNOWN).bind(client_id.as_str()).fetch_one(readers).await?;
        if known == 0 {
            return Err(Error::NotFound("device"));
        }
        let (from, count) = steps(range, end.0);
        let width = range.step_ms();
        let rows: Vec<(i64, String)> =
            sqlx::query_as(TEXT).bind(client_id.as_str()).bind(hour_of(from)).bind(hour_of(end.0)).fetch_all(readers).await?;
        let mut found: BTreeMap<i64, Step> = BTreeMap::new();
        let mut whole = Step { expected: 1, ..Step::default() };
        for (hour, samples) in rows {
            let samples: Vec<Sample> = serde_json::from_str(&samples).map_err(|e| Error::Corrupt(format!("samples: {e}")))?;
            for mut sample in samples {
                let at = hour * HOUR_MS + sample.slot * 5 * MINUTE_MS;
                // Five minutes may begin just before the first step of an hour's range.
                if at + 5 * MINUTE_MS <= from || at > end.0 {
                    continue;
                }
                sample_add(&mut whole.rollup, &sample);
                // State, not sum: the newest sample of a step stands.
                let gauge = sample.queue.map(|depth| Figures { queue: depth, queue_devices: 1, ..Figures::default() });
                whole.gauge = gauge.or(whole.gauge);
                // How it stood holds for each step within its five minutes; what it did is counted in the first.
                let first = (at - from).div_euclid(width);
                for place in first..first + (5 * MINUTE_MS / width).max(1) {
                    if !(0..count).contains(&place) || from + place * width > end.0 {
                        continue;
                    }
                    let step = found.entry(place).or_default();
                    step.expected = 1;
                    sample_add(&mut step.rollup, &sample);
                    step.gauge = gauge.or(step.gauge);
                    (sample.attempts, sample.ok, sample.answered, sample.lossy) = (0, 0, 0, 0);
                }
            }
        }
        Ok(fold(&found, &whole, from, width, count))
    }

    async fn board_hours(&self, from: i64, to: i64) -> Result<Vec<BoardHour>> {
        const TEXT: &str = "select hour, expected, synced from hour_board where hour between ?1 and ?2 order by hour";
        let rows: Vec<(i64, i64, i64)> =
            sqlx::query_as(TEXT).bind(hour_of(from)).bind(hour_of(to)).fetch_all(&self.database.readers).await?;
        Ok(rows.into_iter().map(|(hour, expected, synced)| BoardHour { at: Millis(hour * HOUR_MS), expected, synced }).collect())
    }

    /// Seven days of 24 hours in UTC, the last of them today.
    ///
    /// # Errors
    /// As the database.
    pub async fn board(&self, now: Millis) -> Result<Board> {
        let today = now.0 - now.0.rem_euclid(DAY_MS);
        let first = today - (BOARD_DAYS - 1) * DAY_MS;
        let hours: BTreeMap<i64, BoardHour> =
            self.board_hours(first, today + DAY_MS - 1).await?.into_iter().map(|hour| (hour.at.0, hour)).collect();
        let cell = |at: i64| {
            let hour = hours.get(&at);
            let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
            BoardCell { at: Millis(at), expected: hour.map(|h| count(h.expected)), synced: hour.map_or(0, |h| count(h.synced)) }
        };
        let days = (0..BOARD_DAYS).map(|day| (0..24).map(|hour| cell(first + day * DAY_MS + hour * HOUR_MS)).collect()).collect();
        let (synced, expected) = hours.range(today..).fold((0, 0), |sum, (_, hour)| (sum.0 + hour.synced, sum.1 + hour.expected));
        Ok(Board { days, today_percent: (expected > 0).then(|| 100.0 * synced as f64 / expected as f64) })
    }
}

fn fold(found: &BTreeMap<i64, Step>, whole: &Step, from: i64, width: i64, count: i64) -> DeviceTrend {
    let empty = Step::default();
    let point = |at: i64| found.get(&at).unwrap_or(&empty).point(Millis(from + at * width));
    DeviceTrend { points: (0..count).map(point).collect(), whole: whole.point(Millis(from)) }
}

fn sample_add(rollup: &mut Rollup, sample: &Sample) {
    let counters = &mut rollup.counters;
    counters.attempts += sample.attempts;
    counters.attempts_ok += sample.ok;
    counters.applied += sample.answered - sample.lossy;
    counters.conflict += sample.lossy;
    if let Some(battery) = sample.battery {
        counters.battery_sum += battery;
        counters.battery_n += 1;
    }
    if let Some(drift) = sample.drift {
        rollup.drift.add(drift as f64);
    }
    sample.latency_into(&mut rollup.latency);
}
