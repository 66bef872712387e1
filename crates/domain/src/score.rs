//! Resilience scores (`control.md` 2): four groups, 0 to 100 each, and the device score over them.
//!
//! What was not reported drops out and the remaining weights are scaled up; the share of the weight that was there is the
//! score's coverage, and below [`ScoreRules::coverage_min_percent`] there is no score. Every constant is in [`ScoreRules`].

use crate::fleet::{Score, Scores};
use crate::report::{BatteryOptimization, Connectivity, OfflineResilience, RelayQuality, UserExperience};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};

/// What a score is made from. `None` is *not reported*.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScoreInputs {
    /// Group of seed 000.
    pub connectivity: Connectivity,
    /// Group of seed 000.
    pub offline_resilience: OfflineResilience,
    /// Group of seed 000.
    pub battery_optimization: BatteryOptimization,
    /// Group of seed 000.
    pub user_experience: UserExperience,
    /// Time since the last sync that succeeded, milliseconds.
    pub sync_age_ms: Option<i64>,
    /// The device's own usual interval between contacts, milliseconds.
    pub interval_ms: Option<i64>,
}

/// Every constant of the scores. Weights are whole percents, so sums are exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRules {
    /// Connectivity, offline resilience, battery, user experience.
    pub group_weights: [u32; 4],
    /// Link, partition, sync age.
    pub connectivity_weights: [u32; 3],
    /// Queue, critical pending, storage, conflicts.
    pub offline_weights: [u32; 4],
    /// Efficiency, impact, adaptive rate.
    pub battery_weights: [u32; 3],
    /// Availability, resolution success, interventions.
    pub experience_weights: [u32; 3],
    /// Link value of any peer.
    pub peer_link: f64,
    /// Partition at which that input is 0, milliseconds.
    pub partition_zero_ms: i64,
    /// Sync age halves its input each so many milliseconds.
    pub sync_age_half_ms: i64,
    /// Interval of a device whose rhythm is not known yet.
    pub interval_unknown_ms: i64,
    /// Depth at which the queue input is 0.
    pub queue_zero: f64,
    /// Critical operations at which that input is 0.
    pub critical_zero: f64,
    /// Storage percent up to which that input is 1.
    pub storage_full_marks_percent: f64,
    /// Conflicts at which that input is 0.
    pub conflicts_zero: f64,
    /// Impact score at which that input is 0.
    pub impact_zero: f64,
    /// Interventions at which that input is 0.
    pub interventions_zero: f64,
    /// Below this coverage there is not enough data.
    pub coverage_min_percent: u32,
}

/// The constants of `control.md` 2.
pub const SCORE_RULES: ScoreRules = ScoreRules {
    group_weights: [30, 30, 20, 20],
    connectivity_weights: [40, 30, 30],
    offline_weights: [35, 25, 20, 20],
    battery_weights: [40, 40, 20],
    experience_weights: [40, 40, 20],
    peer_link: 0.8,
    partition_zero_ms: DAY_MS,
    sync_age_half_ms: 12 * HOUR_MS,
    interval_unknown_ms: 15 * MINUTE_MS,
    queue_zero: 1_000.0,
    critical_zero: 10.0,
    storage_full_marks_percent: 70.0,
    conflicts_zero: 20.0,
    impact_zero: 10.0,
    interventions_zero: 10.0,
    coverage_min_percent: 50,
};

/// Scores of one device.
#[must_use]
pub fn scores(inputs: &ScoreInputs) -> Scores {
    scores_with(&SCORE_RULES, inputs)
}

/// Scores of one device under other constants.
#[must_use]
pub fn scores_with(rules: &ScoreRules, inputs: &ScoreInputs) -> Scores {
    let groups = [
        Sum::of(rules.connectivity_weights, connectivity(rules, inputs)),
        Sum::of(rules.offline_weights, offline_resilience(rules, &inputs.offline_resilience)),
        Sum::of(rules.battery_weights, battery(rules, &inputs.battery_optimization)),
        Sum::of(rules.experience_weights, user_experience(rules, &inputs.user_experience)),
    ];
    let mut total = Sum::default();
    for (group, weight) in groups.iter().zip(rules.group_weights) {
        total.add(group, weight);
    }
    let [connectivity, offline_resilience, battery, user_experience] = groups.map(|group| group.score(rules));
    Scores { total: total.score(rules), connectivity, offline_resilience, battery, user_experience }
}

/// Weighted sum over the inputs that are there. Weights are integers: coverage is compared exactly.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    value: f64,
    present: u32,
    all: u32,
}

impl Sum {
    fn of<const N: usize>(weights: [u32; N], values: [Option<f64>; N]) -> Self {
        let mut sum = Self::default();
        for (weight, value) in weights.into_iter().zip(values) {
            sum.all += weight;
            if let Some(value) = value {
                sum.present += weight;
                sum.value += f64::from(weight) * value.clamp(0.0, 1.0);
            }
        }
        sum
    }

    /// Adds a group: each of its inputs counts with its own weight times the group's, so a group with one input present
    /// weighs as much as that input.
    fn add(&mut self, group: &Self, weight: u32) {
        self.value += group.value * f64::from(weight);
        self.present += group.present * weight;
        self.all += group.all * weight;
    }

    fn score(self, rules: &ScoreRules) -> Score {
        let coverage = f64::from(self.present) / f64::from(self.all.max(1));
        let enough = self.present > 0 && self.present * 100 >= self.all * rules.coverage_min_percent;
        Score { value: enough.then(|| 100.0 * self.value / f64::from(self.present)), coverage }
    }
}

const fn relay_value(quality: RelayQuality) -> f64 {
    match quality {
        RelayQuality::Excellent => 1.0,
        RelayQuality::Good => 0.9,
        RelayQuality::Fair => 0.6,
        RelayQuality::Poor => 0.3,
        RelayQuality::None => 0.0,
    }
}

fn falls_to_zero_at(limit: f64) -> impl Fn(i64) -> f64 {
    move |count| 1.0 - (count as f64 / limit).min(1.0)
}

fn connectivity(rules: &ScoreRules, inputs: &ScoreInputs) -> [Option<f64>; 3] {
    let group = &inputs.connectivity;
    let relay = group.relay_connection_quality.map(relay_value);
    let peers = group.p2p_peers_connected.map(|peers| if peers > 0 { rules.peer_link } else { 0.0 });
    let link = match (relay, peers) {
        (Some(relay), Some(peers)) => Some(relay.max(peers)),
        (one, other) => one.or(other),
    };
    let partition = group.network_partition_duration.map(|seconds| 1.0 - seconds * 1_000.0 / rules.partition_zero_ms as f64);
    let sync_age = inputs.sync_age_ms.map(|age| {
        let late = age - inputs.interval_ms.unwrap_or(rules.interval_unknown_ms);
        if late <= 0 { 1.0 } else { 0.5_f64.powf(late as f64 / rules.sync_age_half_ms as f64) }
    });
    [link, partition, sync_age]
}

fn offline_resilience(rules: &ScoreRules, group: &OfflineResilience) -> [Option<f64>; 4] {
    let full = rules.storage_full_marks_percent;
    [
        group.queued_operations_count.map(falls_to_zero_at(rules.queue_zero)),
        group.critical_operations_pending.map(falls_to_zero_at(rules.critical_zero)),
        group.storage_usage_percent.map(|percent| 1.0 - (percent - full).max(0.0) / (100.0 - full)),
        group.sync_conflicts_detected.map(falls_to_zero_at(rules.conflicts_zero)),
    ]
}

fn battery(rules: &ScoreRules, group: &BatteryOptimization) -> [Option<f64>; 3] {
    let impact = group.battery_impact_score.map(|score| 1.0 - score / rules.impact_zero);
    [group.background_processing_efficiency, impact, group.sync_frequency_adaptive_rate]
}

fn user_experience(rules: &ScoreRules, group: &UserExperience) -> [Option<f64>; 3] {
    [
        group.offline_feature_availability_percent.map(|percent| percent / 100.0),
        group.sync_conflict_resolution_success_rate,
        group.user_intervention_required_count.map(falls_to_zero_at(rules.interventions_zero)),
    ]
}

#[cfg(test)]
mod tests;
