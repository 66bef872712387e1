//! Counters and sketches of what happened, by time and cohort. Pure: merging is addition, so order and grouping do not matter.

use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};
use tidewatch_domain::contact::Contact;
use tidewatch_domain::fleet::Scores;
use tidewatch_domain::report::{LatencySummary, Report};
use tidewatch_domain::sync::IntentStatus;
use tidewatch_domain::time::MINUTE_MS;

use crate::{Error, Result};

/// Widths of the buckets, in minutes.
pub(crate) const STEPS: [i64; 3] = [1, 5, 60];
/// One summary of round trips is spread over at most so many values.
const SUMMARY_VALUES_MAX: i64 = 64;

/// Start of the bucket of `step` minutes that holds an instant.
pub(crate) const fn bucket(step: i64, at: i64) -> i64 {
    at - at.rem_euclid(step * MINUTE_MS)
}

/// What happened in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counters {
    pub reports: i64,
    /// Attempts to sync, as the device counts them; as the server saw them for devices that do not.
    pub attempts: i64,
    pub attempts_ok: i64,
    pub first_try_ok: i64,
    /// Pushes with an intent refused for good, of devices that count their own attempts.
    pub pushes_refused: i64,
    /// First answers by status.
    pub applied: i64,
    pub merged: i64,
    pub superseded: i64,
    pub conflict: i64,
    pub rejected: i64,
    pub deferred: i64,
    /// Merges that lost a field.
    pub lossy: i64,
    pub queue_sum: f64,
    pub queue_n: i64,
    pub battery_sum: f64,
    pub battery_n: i64,
    pub score_sum: f64,
    pub score_n: i64,
    pub token_refused: i64,
}

impl Counters {
    pub(crate) fn add(&mut self, other: &Self) {
        self.reports += other.reports;
        self.attempts += other.attempts;
        self.attempts_ok += other.attempts_ok;
        self.first_try_ok += other.first_try_ok;
        self.pushes_refused += other.pushes_refused;
        self.applied += other.applied;
        self.merged += other.merged;
        self.superseded += other.superseded;
        self.conflict += other.conflict;
        self.rejected += other.rejected;
        self.deferred += other.deferred;
        self.lossy += other.lossy;
        self.queue_sum += other.queue_sum;
        self.queue_n += other.queue_n;
        self.battery_sum += other.battery_sum;
        self.battery_n += other.battery_n;
        self.score_sum += other.score_sum;
        self.score_n += other.score_n;
        self.token_refused += other.token_refused;
    }

    /// Finally answered mutations.
    pub(crate) const fn answered(&self) -> i64 {
        self.applied + self.merged + self.superseded + self.conflict + self.rejected
    }

    /// Share of attempts that succeeded, percent.
    pub(crate) fn success_percent(&self) -> Option<f64> {
        let ok = (self.attempts_ok - self.pushes_refused).max(0);
        (self.attempts > 0).then(|| 100.0 * ok as f64 / self.attempts as f64)
    }

    /// Conflict rate (glossary), percent.
    pub(crate) fn conflict_percent(&self) -> Option<f64> {
        let lossy = self.conflict + self.superseded + self.lossy;
        (self.answered() > 0).then(|| 100.0 * lossy as f64 / self.answered() as f64)
    }

    /// Mean battery score.
    pub(crate) fn battery(&self) -> Option<f64> {
        (self.battery_n > 0).then(|| self.battery_sum / self.battery_n as f64)
    }
}

/// Mergeable percentiles with a relative error of at most one percent.
#[derive(Clone)]
pub(crate) struct Sketch(DDSketch);

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sketch({})", self.0.count())
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Self(DDSketch::new(config()))
    }
}

/// The stored form keeps the base of the logarithm alone, and reading it back makes the rest from these.
fn config() -> Config {
    Config::defaults()
}

impl Sketch {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.add(value.max(0.0));
    }

    pub(crate) fn add_counted(&mut self, value: f64, count: u64) {
        if count > 0 {
            self.0.add_with_count(value.max(0.0), count);
        }
    }

    /// Adds a summary as values drawn evenly from the line through its percentiles.
    pub(crate) fn summary_add(&mut self, summary: &LatencySummary) {
        let values = summary.count.min(SUMMARY_VALUES_MAX);
        for at in 0..values {
            let share = (at as f64 + 0.5) / values as f64;
            self.add(summary_value(summary, share));
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0).expect("all sketches are made with one configuration");
    }

    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        self.0.quantile(share).ok().flatten()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.count() == 0
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.to_java_bytes()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut sketch = Self::default();
        let read = DDSketch::from_java_bytes(bytes).map_err(|_| Error::Corrupt("a sketch cannot be read".into()))?;
        sketch.0.merge(&read).map_err(|_| Error::Corrupt("a sketch has another configuration".into()))?;
        Ok(sketch)
    }
}

fn summary_value(summary: &LatencySummary, share: f64) -> f64 {
    let between = |low: f64, high: f64, from: f64, to: f64| low + (high - low) * (share - from) / (to - from);
    match share {
        s if s < 0.5 => between(summary.p50 / 2.0, summary.p50, 0.0, 0.5),
        s if s < 0.95 => between(summary.p50, summary.p95, 0.5, 0.95),
        s if s < 0.99 => between(summary.p95, summary.p99, 0.95, 0.99),
        _ => summary.p99,
    }
}

/// What one bucket holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rollup {
    pub counters: Counters,
    pub latency: Sketch,
    pub drift: Sketch,
}

impl Rollup {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counters.add(&other.counters);
        self.latency.merge(&other.latency);
        self.drift.merge(&other.drift);
    }

    /// Counts a report, with the scores and the drift age its device had with it.
    pub(crate) fn report_add(&mut self, report: &Report, scores: &Scores, drift_ms: Option<i64>) {
        let counters = &mut self.counters;
        counters.reports += 1;
        if let Some(attempts) = report.sync.attempts {
            counters.attempts += attempts.total;
            counters.attempts_ok += attempts.ok;
            counters.first_try_ok += attempts.first_try_ok;
        }
        if let Some(depth) = report.outbox.as_ref().map(|o| o.total).or(report.offline_resilience.queued_operations_count) {
            counters.queue_sum += depth as f64;
            counters.queue_n += 1;
        }
        if let Some(battery) = scores.battery.value {
            counters.battery_sum += battery;
            counters.battery_n += 1;
        }
        if let Some(total) = scores.total.value {
            counters.score_sum += total;
            counters.score_n += 1;
        }
        if let Some(summary) = &report.sync.latency_ms {
            self.latency.summary_add(summary);
        }
        if let Some(drift) = drift_ms {
            self.drift.add(drift as f64);
        }
    }

    /// Counts something the server saw. `own_counts`: the device counts its attempts and round trips itself.
    pub(crate) fn contact_add(&mut self, contact: &Contact, own_counts: bool) {
        match contact {
            Contact::PushAnswered { results, took_ms } => {
                let mut refused = false;
                for result in results.iter().filter(|result| !result.replayed) {
                    let lost = result.resolution.as_ref().is_some_and(|resolution| !resolution.lost.is_empty());
                    refused |= matches!(result.status, IntentStatus::Rejected);
                    self.answer_add(result.status, lost);
                }
                if own_counts {
                    self.counters.pushes_refused += i64::from(refused);
                } else {
                    self.attempt_add(!refused, Some(*took_ms));
                }
            }
            Contact::Pulled { took_ms, .. } if !own_counts => self.attempt_add(true, Some(*took_ms)),
            Contact::PushRefused { .. } | Contact::PullRefused { .. } if !own_counts => self.attempt_add(false, None),
            Contact::TokenRefused => self.counters.token_refused += 1,
            _ => {}
        }
    }

    fn attempt_add(&mut self, ok: bool, took_ms: Option<f64>) {
        self.counters.attempts += 1;
        self.counters.attempts_ok += i64::from(ok);
        if let Some(took) = took_ms {
            self.latency.add(took);
        }
    }

    fn answer_add(&mut self, status: IntentStatus, lost: bool) {
        let counters = &mut self.counters;
        match status {
            IntentStatus::Applied => counters.applied += 1,
            IntentStatus::Merged => counters.merged += 1,
            IntentStatus::Superseded => counters.superseded += 1,
            IntentStatus::Conflict => counters.conflict += 1,
            IntentStatus::Rejected => counters.rejected += 1,
            IntentStatus::Deferred => counters.deferred += 1,
            IntentStatus::Unknown => {}
        }
        counters.lossy += i64::from(lost && status == IntentStatus::Merged);
    }
}
