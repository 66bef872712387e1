//! What a device did in one hour: whether it was expected and synced (the board), and samples of five minutes (its metrics).

use serde::{Deserialize, Serialize};
use tidewatch_domain::contact::Contact;
use tidewatch_domain::fleet::Scores;
use tidewatch_domain::report::{LatencySummary, Report};
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS};

use super::rollup::{Counters, Rollup, Sketch};

/// Summaries of round trips that one sample keeps.
const SUMMARIES_MAX: usize = 12;

/// So many hours of each device are kept: 30 days and the hours around them.
pub(crate) const DEVICE_HOURS_KEPT: i64 = 30 * 24 + 2;

/// Hours since 1970 at an instant.
pub(crate) const fn hour_of(at: i64) -> i64 {
    at.div_euclid(HOUR_MS)
}

/// One hour of one device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DeviceHour {
    pub synced: bool,
    pub expected: bool,
    pub samples: Vec<Sample>,
}

/// Five minutes of one device. `None` is *not reported*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Sample {
    /// Which five minutes of the hour, 0 to 11.
    pub slot: i64,
    /// Depth, drift age and battery score of the newest report in it.
    pub queue: Option<i64>,
    pub drift: Option<i64>,
    pub battery: Option<f64>,
    pub attempts: i64,
    pub ok: i64,
    pub answered: i64,
    pub lossy: i64,
    /// Count, p50, p95, p99 of reported or seen round trips.
    pub latency: Vec<(i64, f64, f64, f64)>,
}

impl Sample {
    /// Its round trips as a sketch.
    pub(crate) fn latency_into(&self, sketch: &mut Sketch) {
        for (count, p50, p95, p99) in &self.latency {
            sketch.summary_add(&LatencySummary { count: *count, p50: *p50, p95: *p95, p99: *p99 });
        }
    }
}

impl DeviceHour {
    fn sample(&mut self, at: i64) -> &mut Sample {
        let slot = at.rem_euclid(HOUR_MS) / (5 * MINUTE_MS);
        let place = self.samples.partition_point(|sample| sample.slot < slot);
        if self.samples.get(place).is_none_or(|sample| sample.slot != slot) {
            self.samples.insert(place, Sample { slot, ..Sample::default() });
        }
        &mut self.samples[place]
    }

    /// This hour and what came in since.
    pub(crate) fn merged(mut self, since: &Self) -> Self {
        self.synced |= since.synced;
        self.expected |= since.expected;
        for delta in &since.samples {
            let sample = self.sample(delta.slot * 5 * MINUTE_MS);
            sample.queue = delta.queue.or(sample.queue);
            sample.drift = delta.drift.or(sample.drift);
            sample.battery = delta.battery.or(sample.battery);
            sample.attempts += delta.attempts;
            sample.ok += delta.ok;
            sample.answered += delta.answered;
            sample.lossy += delta.lossy;
            delta.latency.iter().for_each(|summary| latency_add(sample, *summary));
        }
        self
    }

    /// Takes in a report taken in this hour.
    pub(crate) fn report_add(&mut self, at: i64, report: &Report, scores: &Scores, drift: Option<i64>) {
        self.expected = true;
        let sample = self.sample(at);
        let depth = report.outbox.as_ref().map(|o| o.total).or(report.offline_resilience.queued_operations_count);
        sample.queue = depth.or(sample.queue);
        sample.drift = drift.or(sample.drift);
        sample.battery = scores.battery.value.or(sample.battery);
        if let Some(attempts) = report.sync.attempts {
            sample.attempts += attempts.total;
            sample.ok += attempts.ok;
            self.synced |= attempts.ok > 0;
        }
        if let Some(summary) = &report.sync.latency_ms {
            latency_add(self.sample(at), (summary.count, summary.p50, summary.p95, summary.p99));
        }
    }

    /// Takes in what the server saw in this hour; `seen` counts it.
    pub(crate) fn contact_add(&mut self, at: i64, contact: &Contact, seen: &Rollup) {
        self.expected |= !matches!(contact, Contact::Enrolled);
        self.synced |= matches!(contact, Contact::PushAnswered { .. } | Contact::Pulled { .. });
        let counters: &Counters = &seen.counters;
        if counters.attempts + counters.answered() == 0 {
            return;
        }
        let sample = self.sample(at);
        sample.attempts += counters.attempts;
        sample.ok += counters.attempts_ok;
        sample.answered += counters.answered();
        sample.lossy += counters.conflict + counters.superseded + counters.lossy;
        if let (1.., Some(took)) = (counters.attempts, seen.latency.quantile(1.0)) {
            latency_add(sample, (1, took, took, took));
        }
    }
}

fn latency_add(sample: &mut Sample, summary: (i64, f64, f64, f64)) {
    if sample.latency.len() < SUMMARIES_MAX {
        sample.latency.push(summary);
    }
}
