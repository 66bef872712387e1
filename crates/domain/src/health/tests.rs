//! Which facts make which condition, on both sides of every limit.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const NOW: Millis = Millis(1_800_000_000_000);

fn ago(ms: i64) -> Millis {
    NOW.plus(-ms)
}

/// In contact a minute ago, every ten minutes, reporting, nothing pending, nothing behind.
fn well() -> HealthFacts {
    HealthFacts {
        last_contact: Some(ago(MINUTE_MS)),
        interval_ms: Some(10 * MINUTE_MS),
        last_report: Some(ago(MINUTE_MS)),
        queue_depth: Some(0),
        behind: Some(0),
        reports_cursor: true,
        digest: DigestState::Identical,
        ..HealthFacts::default()
    }
}

fn condition_of(facts: &HealthFacts) -> Condition {
    assess(facts, NOW).condition
}

#[rstest]
#[case(15 * MINUTE_MS - 1, Contact::Active)]
#[case(15 * MINUTE_MS, Contact::Quiet)]
#[case(30 * MINUTE_MS - 1, Contact::Quiet)]
#[case(30 * MINUTE_MS, Contact::Overdue)]
#[case(30 * DAY_MS - 1, Contact::Overdue)]
#[case(30 * DAY_MS, Contact::Lost)]
fn contact_follows_the_devices_own_rhythm(#[case] age: i64, #[case] wanted: Contact) {
    let facts = HealthFacts { last_contact: Some(ago(age)), ..well() };
    assert_eq!(contact(&facts, NOW), wanted);
}

#[rstest]
#[case(Some(MINUTE_MS), 15 * MINUTE_MS)]
#[case(Some(5 * MINUTE_MS), 15 * MINUTE_MS)]
#[case(Some(5 * MINUTE_MS + 1), 15 * MINUTE_MS + 3)]
#[case(Some(6 * HOUR_MS), 18 * HOUR_MS)]
#[case(Some(20 * DAY_MS), 30 * DAY_MS)]
#[case(None, 3 * DAY_MS)]
fn overdue_is_three_median_gaps_and_at_least_a_quarter_of_an_hour(#[case] interval: Option<i64>, #[case] after: i64) {
    let facts = HealthFacts { interval_ms: interval, last_contact: Some(ago(after - 1)), ..well() };
    assert_ne!(contact(&facts, NOW), Contact::Overdue);
    let at = thresholds(NOW, interval);
    assert_eq!(at.overdue_at, NOW.plus(after));
    assert!(at.quiet_at < at.overdue_at && at.overdue_at <= at.silent_at && at.silent_at <= at.lost_at);
}

#[test]
fn a_device_that_was_never_in_contact_is_never_and_unknown() {
    let found = assess(&HealthFacts::default(), NOW);
    assert_eq!((found.contact, found.condition), (Contact::Never, Condition::Unknown));
    assert_eq!(found.drift_age_ms(NOW), None);
    assert_eq!(found.due, None);
}

#[test]
fn a_device_with_nothing_pending_and_nothing_behind_is_converged() {
    let found = assess(&well(), NOW);
    assert_eq!((found.condition, found.drift_cause(), found.drift_age_ms(NOW)), (Condition::Converged, None, Some(0)));
}

#[test]
fn a_refused_entry_is_stuck_even_when_the_device_is_silent() {
    let mut facts = HealthFacts { poisoned: 1, queue_depth: Some(1), ..well() };
    assert_eq!(condition_of(&facts), Condition::Stuck);
    facts.last_contact = Some(ago(40 * DAY_MS));
    assert_eq!(condition_of(&facts), Condition::Stuck);
    facts.poisoned = 0;
    assert_eq!(condition_of(&facts), Condition::Unknown);
}

#[rstest]
#[case(STUCK_MS - 1, Condition::CatchingUp)]
#[case(STUCK_MS, Condition::Stuck)]
fn pushes_not_acknowledged_for_two_hours_are_stuck(#[case] age: i64, #[case] wanted: Condition) {
    let facts = HealthFacts { queue_depth: Some(3), oldest_pending: Some(ago(age)), last_attempt: Some(ago(0)), ..well() };
    assert_eq!(condition_of(&facts), wanted);
    assert_eq!(assess(&facts, NOW).drift_cause(), Some(DriftCause::NotAcknowledged));
    assert_eq!(assess(&facts, NOW).drift_age_ms(NOW), Some(age));
}

#[test]
fn an_old_operation_without_an_attempt_is_not_pushed_not_acknowledged() {
    let facts = HealthFacts {
        queue_depth: Some(3),
        oldest_pending: Some(ago(9 * HOUR_MS)),
        last_attempt: Some(ago(9 * HOUR_MS)),
        ..well()
    };
    assert_eq!(assess(&facts, NOW).drift_cause(), None);
    assert_eq!(condition_of(&facts), Condition::CatchingUp);
}

#[test]
fn a_different_digest_counts_only_with_nothing_pending() {
    let diverged = DigestState::Diverged { since: ago(HOUR_MS), collections: vec!["assets".into()] };
    let facts = HealthFacts { digest: diverged, ..well() };
    assert_eq!(condition_of(&facts), Condition::Diverged);
    assert_eq!(condition_of(&HealthFacts { queue_depth: Some(1), ..facts }), Condition::CatchingUp);
}

#[rstest]
#[case(HealthFacts { retrying: 1, queue_depth: Some(1), ..well() }, Condition::Stalling)]
#[case(HealthFacts { failing_since: Some(ago(1)), ..well() }, Condition::Stalling)]
#[case(HealthFacts { held: 1, queue_depth: Some(1), ..well() }, Condition::Held)]
#[case(HealthFacts { held: 1, retrying: 1, queue_depth: Some(2), ..well() }, Condition::Stalling)]
#[case(HealthFacts { behind: Some(1), ..well() }, Condition::CatchingUp)]
#[case(HealthFacts { queue_depth: Some(1), ..well() }, Condition::CatchingUp)]
#[case(HealthFacts { last_report: None, ..well() }, Condition::Unknown)]
#[case(HealthFacts { last_contact: Some(ago(70 * MINUTE_MS)), ..well() }, Condition::Unknown)]
#[case(HealthFacts { last_contact: Some(ago(70 * MINUTE_MS - 1)), ..well() }, Condition::Converged)]
fn each_condition_has_its_fact(#[case] facts: HealthFacts, #[case] wanted: Condition) {
    assert_eq!(condition_of(&facts), wanted);
}

#[test]
fn gate_one_is_shut_since_the_last_contact_once_overdue() {
    let facts = HealthFacts { last_contact: Some(ago(30 * MINUTE_MS)), ..well() };
    let found = assess(&facts, NOW);
    assert_eq!((found.drift_cause(), found.drift_age_ms(NOW)), (Some(DriftCause::NotConnected), Some(30 * MINUTE_MS)));
}

#[rstest]
#[case(GATE_GRACE_MS - 1, None)]
#[case(GATE_GRACE_MS, Some(DriftCause::NotPulling))]
fn gate_two_needs_a_contact_after_its_scopes_moved(#[case] after: i64, #[case] wanted: Option<DriftCause>) {
    let since = ago(MINUTE_MS + after);
    let facts = HealthFacts { behind: Some(5), behind_since: Some(since), ..well() };
    assert_eq!(assess(&facts, NOW).drift_cause(), wanted);
}

#[rstest]
#[case(GATE_GRACE_MS - 1, true, GateState::Open)]
#[case(GATE_GRACE_MS, true, GateState::Shut(ago(GATE_GRACE_MS)))]
#[case(GATE_GRACE_MS, false, GateState::Unknown)]
fn gate_three_needs_a_reported_cursor(#[case] age: i64, #[case] reports_cursor: bool, #[case] wanted: GateState) {
    let facts = HealthFacts { unapplied_since: Some(ago(age)), reports_cursor, ..well() };
    assert_eq!(assess(&facts, NOW).gates[2], wanted);
}

#[rstest]
#[case(GATE_GRACE_MS - 1, GateState::Open)]
#[case(GATE_GRACE_MS, GateState::Shut(ago(HOUR_MS)))]
fn gate_four_needs_an_attempt_well_after_the_oldest_operation(#[case] after: i64, #[case] wanted: GateState) {
    let facts = HealthFacts {
        queue_depth: Some(1),
        oldest_pending: Some(ago(HOUR_MS)),
        last_attempt: Some(ago(HOUR_MS - after)),
        ..well()
    };
    assert_eq!(assess(&facts, NOW).gates[3], wanted);
}

#[test]
fn the_cause_is_the_first_shut_gate_and_the_age_the_longest() {
    let facts = HealthFacts {
        last_contact: Some(ago(HOUR_MS)),
        queue_depth: Some(2),
        oldest_pending: Some(ago(5 * HOUR_MS)),
        last_attempt: Some(ago(HOUR_MS)),
        ..well()
    };
    let found = assess(&facts, NOW);
    assert_eq!((found.drift_cause(), found.drift_age_ms(NOW)), (Some(DriftCause::NotConnected), Some(5 * HOUR_MS)));
}

#[test]
fn contacts_of_one_go_are_one_check_in_and_the_median_is_of_the_last_twenty_gaps() {
    let burst = vec![Millis(0), Millis(10), Millis(CONTACT_MERGE_MS - 1), Millis(CONTACT_MERGE_MS), Millis(300_000)];
    assert_eq!(check_ins(burst, 21), [Millis(0), Millis(CONTACT_MERGE_MS), Millis(300_000)]);
    // One old gap of a day, then twenty of ten minutes: the old one is out of the window.
    let mut times = vec![Millis(0)];
    times.extend((0..=20).map(|i| Millis(DAY_MS + i * 600_000)));
    assert_eq!(median_gap_ms(&times), Some(600_000));
    assert_eq!(median_gap_ms(&[Millis(0), Millis(100_000), Millis(400_000)]), Some(200_000));
    assert_eq!(median_gap_ms(&[Millis(5)]), None);
    assert_eq!(check_ins((0..40).map(|i| Millis(i * 60_000)).collect(), 21).len(), 21);
}

#[test]
fn rhythm_shows_kept_and_missed_check_ins_since_the_first_one_known() {
    let gap = 10 * MINUTE_MS;
    let every: Vec<Millis> = (0..30).rev().map(|i| ago(i * gap)).collect();
    assert_eq!(rhythm(&every, Some(gap), NOW, 12), [true; 12]);
    let stopped: Vec<Millis> = (5..30).rev().map(|i| ago(i * gap)).collect();
    let found = rhythm(&stopped, Some(gap), NOW, 12);
    assert_eq!((found.iter().filter(|kept| !**kept).count(), found[11], found[0]), (4, false, true));
    assert_eq!(rhythm(&[ago(2 * gap + 1), ago(gap)], Some(gap), NOW, 12).len(), 3);
    assert!(rhythm(&[ago(gap)], None, NOW, 12).is_empty());
}

prop_compose! {
    fn any_facts()(
        last in prop::option::of(0i64..40 * DAY_MS), gap in prop::option::of(1_000i64..3 * DAY_MS), report in prop::option::of(0i64..DAY_MS),
        queue in prop::option::of(0i64..5), poisoned in 0i64..2, retrying in 0i64..2, held in 0i64..2,
        oldest in prop::option::of(0i64..DAY_MS), attempt in prop::option::of(0i64..DAY_MS),
        behind in prop::option::of(0i64..3), since in prop::option::of(0i64..DAY_MS), unapplied in prop::option::of(0i64..DAY_MS), reports_cursor: bool,
    ) -> HealthFacts {
        HealthFacts {
            last_contact: last.map(ago), interval_ms: gap, last_report: report.map(ago), queue_depth: queue, poisoned, retrying, held,
            oldest_pending: oldest.map(ago), last_attempt: attempt.map(ago), behind, behind_since: since.map(ago),
            unapplied_since: unapplied.map(ago), reports_cursor, ..HealthFacts::default()
        }
    }
}

proptest! {
    #[test]
    fn nothing_changes_before_the_moment_it_is_said_to(facts in any_facts(), share in 0.0f64..1.0) {
        let found = assess(&facts, NOW);
        let horizon = found.due.unwrap_or(NOW.plus(60 * DAY_MS));
        let later = NOW.plus(((horizon.since(NOW) - 1) as f64 * share) as i64);
        let again = assess(&facts, later);
        prop_assert_eq!((again.condition, again.contact, again.gates), (found.condition, found.contact, found.gates));
    }

    #[test]
    fn drift_has_an_age_above_zero_exactly_when_it_has_a_cause(facts in any_facts()) {
        let found = assess(&facts, NOW.plus(1));
        prop_assert_eq!(found.drift_cause().is_some(), found.drift_age_ms(NOW.plus(1)).is_some_and(|age| age > 0));
    }
}
