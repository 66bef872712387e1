//! What comes next and what to do about it: risks fitted from trends, recommended actions, opportunities. Pure; a prediction is a
//! straight line with its error, or there is none.

use std::collections::HashSet;

use tidewatch_domain::fleet::{Condition, DeviceView, Recommendation, Risk, Target};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::score::SCORE_RULES;
use tidewatch_domain::time::Millis;
use tidewatch_domain::trend::Line;
use tidewatch_store::telemetry::{FleetFacts, TrendRisk};

use super::words::{be, counted, elapsed, whole};
use super::work::failure_target;

/// Recommendations that are shown.
const RECOMMENDED_MAX: usize = 5;
/// Risks that are shown.
const RISKS_MAX: usize = 5;

/// What a line meets, and how it is said.
struct Limit {
    value: f64,
    what: &'static str,
    unit: &'static str,
}

const STORAGE: Limit = Limit { value: 100.0, what: "Storage full", unit: " %" };
const QUEUE: Limit = Limit { value: SCORE_RULES.queue_zero, what: "Queue reaches 1,000", unit: " entries" };

fn basis(line: &Line, limit: &Limit) -> String {
    format!(
        "Rises by {:.1}{} an hour; a straight line through {} points of {}, off by {:.1}{}, so {} sooner or later.",
        line.per_hour,
        limit.unit,
        line.points,
        elapsed(line.span_ms),
        line.error,
        limit.unit,
        elapsed(line.margin_ms())
    )
}

fn risk(points: &[(Millis, f64)], limit: &Limit, now: Millis) -> Option<(Millis, String)> {
    let line = Line::through(points)?;
    let due = line.reaches(limit.value).filter(|due| *due > now)?;
    Some((due, basis(&line, limit)))
}

/// Risks of one device.
pub(super) fn device_risks(view: &DeviceView, storage: &[(Millis, f64)], queue: &[(Millis, f64)], now: Millis) -> Vec<Risk> {
    let made = [(storage, &STORAGE), (queue, &QUEUE)].into_iter().filter_map(|(points, limit)| {
        let (due, basis) = risk(points, limit, now)?;
        Some(Risk { title: limit.what.to_owned(), due, basis, target: Target::Device(view.row.client_id.clone()) })
    });
    let mut risks: Vec<Risk> = made.collect();
    risks.sort_by_key(|risk| risk.due);
    risks
}

/// Risks of the fleet, soonest first. Devices with the same risk are one: the soonest tells when.
pub(super) fn fleet_risks(trends: &[TrendRisk], now: Millis) -> Vec<Risk> {
    let storage = |trend: &TrendRisk| risk(&trend.storage, &STORAGE, now);
    let queue = |trend: &TrendRisk| risk(&trend.queue, &QUEUE, now);
    let mut risks: Vec<Risk> =
        [together(trends, storage, &STORAGE, "storage:>=60"), together(trends, queue, &QUEUE, "queue:>=50")]
            .into_iter()
            .flatten()
            .collect();
    risks.sort_by_key(|risk| risk.due);
    risks.truncate(RISKS_MAX);
    risks
}

fn together(
    trends: &[TrendRisk],
    risk: impl Fn(&TrendRisk) -> Option<(Millis, String)>,
    limit: &Limit,
    filter: &str,
) -> Option<Risk> {
    let mut found: Vec<(Millis, String, &TrendRisk)> =
        trends.iter().filter_map(|trend| risk(trend).map(|(due, basis)| (due, basis, trend))).collect();
    found.sort_by_key(|(due, _, _)| *due);
    let count = found.len() as u64;
    let (due, basis, first) = found.into_iter().next()?;
    let one = ClientId::parse(first.client_id.clone()).ok().filter(|_| count == 1);
    Some(Risk {
        title: if count == 1 {
            format!("{} on {}", limit.what, first.name)
        } else {
            format!("{} on {}", limit.what, counted(count, "device", "devices"))
        },
        due,
        basis: if count == 1 { basis } else { format!("Soonest on {}. {basis}", first.name) },
        target: one.map_or_else(|| Target::Devices(filter.to_owned()), Target::Device),
    })
}

fn recommend(title: String, detail: String, filter: &str) -> Recommendation {
    Recommendation { title, detail, target: Target::Devices(filter.to_owned()) }
}

/// What to do for one device, worst first.
pub(super) fn device_recommended(view: &DeviceView) -> Vec<Recommendation> {
    let row = &view.row;
    let here = || Target::Device(row.client_id.clone());
    let (title, detail) = match row.condition {
        Condition::Stuck if row.poisoned > 0 => (
            format!("Look at the {} in its outbox", counted(row.poisoned.cast_unsigned(), "rejected entry", "rejected entries")),
            "They cannot succeed by retrying; what waits behind them goes through once they are out of the way.",
        ),
        Condition::Stuck => {
            ("Look at the answers to its pushes".to_owned(), "It tries, and its oldest operation is not acknowledged.")
        }
        Condition::Diverged => (
            "Plan a resync".to_owned(),
            "Its data differs from the store's with nothing pending; it will not become equal by itself.",
        ),
        Condition::Unknown if view.row.queue_depth.is_some_and(|depth| depth > 0) => {
            ("Reach its owner".to_owned(), "Its last known outbox was not empty, and what is in it exists only there.")
        }
        _ => return Vec::new(),
    };
    vec![Recommendation { title, detail: detail.to_owned(), target: here() }]
}

/// What to do for the fleet, worst first.
pub(super) fn fleet_recommended(facts: &FleetFacts) -> Vec<Recommendation> {
    // One release writes one collection wrongly, whatever the operations that were refused for it: the largest group speaks for it.
    let mut seen = HashSet::new();
    let mut made: Vec<Recommendation> = facts
        .failures
        .iter()
        .filter(|group| seen.insert((&group.collection, group.versions.first().map(|(version, _)| version))))
        .take(2)
        .map(|group| {
            let app = group.versions.first().map(|(version, _)| format!(" in app {version}")).unwrap_or_default();
            let waiting = if group.waiting > 0 {
                format!("; {} there", counted(group.waiting, "more entry waits", "more entries wait"))
            } else {
                String::new()
            };
            Recommendation {
                title: format!("Correct what writes {}{app}", group.collection),
                detail: format!("Ends {} on {}{waiting}.", group.code, counted(group.devices, "device", "devices")),
                target: failure_target(group),
            }
        })
        .collect();
    if facts.unacknowledged.devices > 0 {
        made.push(recommend(
            "Look at pushes without an answer".to_owned(),
            format!(
                "{} stuck for two hours without a rejection.",
                counted(facts.unacknowledged.devices, "device is", "devices are")
            ),
            "condition:stuck poisoned:0",
        ));
    }
    if facts.diverged.devices > 0 {
        made.push(recommend(
            format!("Plan a resync of {}", counted(facts.diverged.devices, "device", "devices")),
            format!("Makes {} equal to the store again.", facts.diverged.about.join(", ")),
            "condition:diverged",
        ));
    }
    if facts.silent.entries > 0 {
        made.push(recommend(
            format!("Reach the owners of {}", counted(facts.silent.devices, "silent device", "silent devices")),
            format!("{} {} only there.", counted(facts.silent.entries, "entry", "entries"), be(facts.silent.entries)),
            "condition:unknown contact:late",
        ));
    }
    if facts.skewed.devices > 0 {
        made.push(recommend(
            format!("Set {} right", counted(facts.skewed.devices, "clock", "clocks")),
            "Their edits are clamped to the store's time and lose against later ones.".to_owned(),
            "skew:>90s",
        ));
    }
    made.truncate(RECOMMENDED_MAX);
    made
}

/// What could be better though nothing is wrong.
pub(super) fn opportunities(facts: &FleetFacts) -> Vec<Recommendation> {
    let mut made = Vec::new();
    let poor = facts.battery_poor.devices;
    if poor > 0 {
        made.push(recommend(
            format!("Let {} sync less often", counted(poor, "device", "devices")),
            "Their battery score is below 50: impact is high, or the rate of sync does not adapt.".to_owned(),
            "score:<101",
        ));
    }
    let weak = facts.link_poor.devices;
    if weak > 0 {
        made.push(recommend(
            format!("Give {} a better link", counted(weak, "device", "devices")),
            "In contact, with a connectivity score below 50: weak relay, no peer, or long partitions.".to_owned(),
            "contact:active,quiet",
        ));
    }
    let deep = facts.trends.iter().filter(|trend| trend.queue.last().is_some_and(|(_, depth)| *depth >= 50.0)).count() as u64;
    if deep > 0 {
        made.push(recommend(
            format!("Drain deep queues on {}", counted(deep, "device", "devices")),
            format!(
                "50 entries or more wait on each; the queue input of the score falls to 0 at {}.",
                whole(SCORE_RULES.queue_zero as i64)
            ),
            "queue:>=50",
        ));
    }
    made
}

#[cfg(test)]
mod tests {
    use tidewatch_domain::time::HOUR_MS;

    use super::*;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn rising(name: &str, from: f64, per_hour: f64) -> TrendRisk {
        let storage = (0..12).map(|i| (NOW.plus((i - 11) * HOUR_MS), from + per_hour * i as f64)).collect();
        TrendRisk { client_id: "00000000-0000-7000-8000-000000000001".into(), name: name.into(), storage, queue: Vec::new() }
    }

    #[test]
    fn a_rising_storage_is_a_risk_with_its_date_and_its_basis() {
        let risks = fleet_risks(&[rising("Ward 3", 70.0, 1.0)], NOW);
        assert_eq!(risks.len(), 1);
        assert_eq!((risks[0].title.as_str(), risks[0].due), ("Storage full on Ward 3", NOW.plus(19 * HOUR_MS)));
        assert!(
            risks[0].basis.starts_with("Rises by 1.0 % an hour; a straight line through 12 points of 11:00 h"),
            "{}",
            risks[0].basis
        );
    }

    #[test]
    fn devices_with_one_risk_are_one_line_with_the_soonest_date() {
        let risks = fleet_risks(&[rising("Late", 70.0, 0.5), rising("Soon", 80.0, 1.0), rising("Flat", 60.0, 0.0)], NOW);
        assert_eq!((risks[0].title.as_str(), risks[0].due), ("Storage full on 2 devices", NOW.plus(9 * HOUR_MS)));
        assert!(matches!(risks[0].target, Target::Devices(_)));
    }

    #[test]
    fn nothing_wrong_is_nothing_to_do() {
        assert_eq!(fleet_recommended(&FleetFacts::default()), []);
        assert_eq!(opportunities(&FleetFacts::default()), []);
    }
}
