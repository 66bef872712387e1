//! Scores against worked examples, on both sides of their limits, and their bounds.

use proptest::option;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn value(score: Score) -> f64 {
    score.value.expect("enough data")
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

fn perfect() -> ScoreInputs {
    ScoreInputs {
        connectivity: Connectivity {
            p2p_peers_connected: Some(2),
            relay_connection_quality: Some(RelayQuality::Excellent),
            network_partition_duration: Some(0.0),
            last_successful_sync: None,
        },
        offline_resilience: OfflineResilience {
            queued_operations_count: Some(0),
            critical_operations_pending: Some(0),
            storage_usage_percent: Some(10.0),
            sync_conflicts_detected: Some(0),
        },
        battery_optimization: BatteryOptimization {
            background_processing_efficiency: Some(1.0),
            battery_impact_score: Some(0.0),
            sync_frequency_adaptive_rate: Some(1.0),
        },
        user_experience: UserExperience {
            offline_feature_availability_percent: Some(100.0),
            sync_conflict_resolution_success_rate: Some(1.0),
            user_intervention_required_count: Some(0),
        },
        sync_age_ms: Some(0),
        interval_ms: Some(MINUTE_MS),
    }
}

#[test]
fn a_perfect_device_scores_a_hundred_in_every_group() {
    let scores = scores(&perfect());
    for score in [scores.total, scores.connectivity, scores.offline_resilience, scores.battery, scores.user_experience] {
        assert_eq!((score.value, score.coverage), (Some(100.0), 1.0));
    }
}

#[test]
fn the_groups_weigh_thirty_thirty_twenty_twenty() {
    let mut inputs = perfect();
    inputs.battery_optimization = BatteryOptimization {
        background_processing_efficiency: Some(0.0),
        battery_impact_score: Some(10.0),
        sync_frequency_adaptive_rate: Some(0.0),
    };
    assert!(near(value(scores(&inputs).total), 80.0));
    inputs.connectivity = Connectivity {
        p2p_peers_connected: Some(0),
        relay_connection_quality: Some(RelayQuality::None),
        network_partition_duration: Some(86_400.0),
        last_successful_sync: None,
    };
    // Sync age keeps its 0.3 of the group: 30 × 0.7 are lost.
    assert!(near(value(scores(&inputs).total), 59.0));
}

#[rstest]
#[case(Some(RelayQuality::Excellent), None, Some(1.0))]
#[case(Some(RelayQuality::Good), Some(3), Some(0.9))]
#[case(Some(RelayQuality::Fair), Some(0), Some(0.6))]
#[case(Some(RelayQuality::Fair), Some(1), Some(0.8))]
#[case(Some(RelayQuality::Poor), None, Some(0.3))]
#[case(Some(RelayQuality::None), Some(1), Some(0.8))]
#[case(Some(RelayQuality::None), Some(0), Some(0.0))]
#[case(None, Some(1), Some(0.8))]
#[case(None, None, None)]
fn the_link_is_the_better_of_relay_and_peers(
    #[case] relay: Option<RelayQuality>,
    #[case] peers: Option<i64>,
    #[case] wanted: Option<f64>,
) {
    let group = Connectivity { p2p_peers_connected: peers, relay_connection_quality: relay, ..Connectivity::default() };
    let inputs = ScoreInputs { connectivity: group, ..ScoreInputs::default() };
    assert_eq!(connectivity(&SCORE_RULES, &inputs)[0], wanted);
}

#[rstest]
#[case(0.0, 1.0)]
#[case(43_200.0, 0.5)]
#[case(86_399.0, 1.0 / 86_400.0)]
#[case(86_400.0, 0.0)]
#[case(90_000.0, 0.0)]
fn a_partition_falls_linearly_to_zero_at_a_day(#[case] seconds: f64, #[case] wanted: f64) {
    let group = Connectivity { network_partition_duration: Some(seconds), ..Connectivity::default() };
    let sum = Sum::of([1], [connectivity(&SCORE_RULES, &ScoreInputs { connectivity: group, ..ScoreInputs::default() })[1]]);
    assert!(near(sum.value, wanted), "{}", sum.value);
}

#[rstest]
#[case(60_000, 1.0)]
#[case(60_001, 0.999_999_9)]
#[case(60_000 + 12 * HOUR_MS, 0.5)]
#[case(60_000 + 24 * HOUR_MS, 0.25)]
fn sync_age_is_whole_up_to_the_usual_interval_then_halves_every_twelve_hours(#[case] age: i64, #[case] wanted: f64) {
    let inputs = ScoreInputs { sync_age_ms: Some(age), interval_ms: Some(60_000), ..ScoreInputs::default() };
    let found = connectivity(&SCORE_RULES, &inputs)[2].expect("age is known");
    assert!((found - wanted).abs() < 1e-7, "{found}");
    assert_eq!(found < 1.0, age > 60_000);
}

#[rstest]
#[case(0, 0, 70.0, 0, [1.0, 1.0, 1.0, 1.0])]
#[case(500, 5, 85.0, 10, [0.5, 0.5, 0.5, 0.5])]
#[case(999, 9, 99.7, 19, [0.001, 0.1, 0.01, 0.05])]
#[case(1_000, 10, 100.0, 20, [0.0, 0.0, 0.0, 0.0])]
#[case(5_000, 99, 70.1, 999, [0.0, 0.0, 0.996_666_666_667, 0.0])]
fn offline_inputs_reach_zero_at_their_limits(
    #[case] queue: i64,
    #[case] critical: i64,
    #[case] storage: f64,
    #[case] conflicts: i64,
    #[case] wanted: [f64; 4],
) {
    let group = OfflineResilience {
        queued_operations_count: Some(queue),
        critical_operations_pending: Some(critical),
        storage_usage_percent: Some(storage),
        sync_conflicts_detected: Some(conflicts),
    };
    for (found, wanted) in offline_resilience(&SCORE_RULES, &group).into_iter().zip(wanted) {
        assert!((found.expect("reported") - wanted).abs() < 1e-9, "{found:?} {wanted}");
    }
}

#[test]
fn exactly_half_the_weight_is_enough_and_less_is_not() {
    // Battery: impact (0.4) and adaptive rate (0.2) are 0.6; impact alone is 0.4.
    let with = |efficiency, rate| ScoreInputs {
        battery_optimization: BatteryOptimization {
            background_processing_efficiency: efficiency,
            battery_impact_score: None,
            sync_frequency_adaptive_rate: rate,
        },
        ..ScoreInputs::default()
    };
    let both = scores(&with(Some(0.5), Some(0.5))).battery;
    assert_eq!((both.value, both.coverage), (Some(50.0), 0.6));
    let one = scores(&with(Some(0.5), None)).battery;
    assert_eq!((one.value, one.coverage), (None, 0.4));
    // All of battery and offline resilience: 0.2 + 0.3 is exactly half of the device.
    let half = ScoreInputs {
        offline_resilience: perfect().offline_resilience,
        battery_optimization: perfect().battery_optimization,
        ..ScoreInputs::default()
    };
    assert_eq!((scores(&half).total.value, scores(&half).total.coverage), (Some(100.0), 0.5));
    let mut less = half;
    less.battery_optimization.sync_frequency_adaptive_rate = None;
    assert_eq!(scores(&less).total.value, None);
}

#[test]
fn nothing_reported_is_no_score_and_not_zero() {
    let scores = scores(&ScoreInputs::default());
    assert_eq!((scores.total.value, scores.total.coverage), (None, 0.0));
}

prop_compose! {
    fn any_inputs()(
        peers in option::of(0i64..5), partition in option::of(0.0f64..1e6),
        queue in option::of(0i64..5_000), critical in option::of(0i64..50), storage in option::of(0.0f64..=100.0), conflicts in option::of(0i64..100),
        efficiency in option::of(0.0f64..=1.0), impact in option::of(0.0f64..=10.0), rate in option::of(0.0f64..=1.0),
        age in option::of(-HOUR_MS..40 * DAY_MS), interval in option::of(0i64..DAY_MS),
    ) -> ScoreInputs {
        ScoreInputs {
            connectivity: Connectivity { p2p_peers_connected: peers, network_partition_duration: partition, ..Connectivity::default() },
            offline_resilience: OfflineResilience { queued_operations_count: queue, critical_operations_pending: critical, storage_usage_percent: storage, sync_conflicts_detected: conflicts },
            battery_optimization: BatteryOptimization { background_processing_efficiency: efficiency, battery_impact_score: impact, sync_frequency_adaptive_rate: rate },
            user_experience: UserExperience::default(),
            sync_age_ms: age,
            interval_ms: interval,
        }
    }
}

proptest! {
    #[test]
    fn every_score_is_between_zero_and_a_hundred_and_there_exactly_with_enough_coverage(inputs in any_inputs()) {
        let scores = scores(&inputs);
        for score in [scores.total, scores.connectivity, scores.offline_resilience, scores.battery, scores.user_experience] {
            prop_assert!(score.value.is_none_or(|v| (0.0..=100.0 + 1e-9).contains(&v)));
            prop_assert_eq!(score.value.is_some(), score.coverage >= 0.5 - 1e-12);
        }
    }

    #[test]
    fn a_deeper_queue_never_raises_the_score(inputs in any_inputs(), more in 1i64..500) {
        let mut deeper = inputs;
        deeper.offline_resilience.queued_operations_count = inputs.offline_resilience.queued_operations_count.map(|q| q + more);
        if let (Some(a), Some(b)) = (scores(&inputs).total.value, scores(&deeper).total.value) {
            prop_assert!(b <= a + 1e-9);
        }
    }
}
