//! A device's recorded past: the reports of the week before it enrolled, as the simulated world went then.
//!
//! They are uploaded like any reports that waited for the network. The past has a daily rhythm (working hours, nights and
//! most of the weekend offline) and, on one day, a bad afternoon at one site. Nobody ran the bad release yet.

use serde_json::{Value, json};
use tidewatch_client::intent::uuid_v7;
use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};

use crate::dice::Dice;
use crate::persona::{Persona, Profile};
use crate::places::SITES;

/// How far back it goes.
const DAYS: i64 = 7;
/// App version of everybody before the bad release.
const VERSION_BEFORE: &str = "4.17.3";

/// The reports of the week before `now`, oldest first: at most one an hour.
#[must_use]
pub fn week(profile: &Profile, seed: u64, now: Millis) -> Vec<Value> {
    let mut dice = Dice::new(seed, "history", profile.index);
    let mut past = Past::new(profile, seed, &mut dice);
    let first = now.plus(-DAYS * DAY_MS);
    let mut reports = Vec::new();
    for hour in 0..DAYS * 24 {
        let at = first.plus(hour * HOUR_MS + dice.between(0, 50 * MINUTE_MS));
        // The last quarter of an hour belongs to the living device.
        if at > now.plus(-15 * MINUTE_MS) {
            break;
        }
        past.hour(profile, at, &mut dice);
        if past.awake(profile, at, &mut dice) {
            reports.push(past.report(profile, at, hour, &mut dice));
        }
    }
    reports
}

/// How the device was, hour by hour.
struct Past {
    battery: f64,
    storage: f64,
    queued: f64,
    link: f64,
    last_report: Option<Millis>,
    /// The bad afternoon, if it was at this device's site.
    trouble: Option<i64>,
}

impl Past {
    fn new(profile: &Profile, seed: u64, dice: &mut Dice) -> Self {
        let mut world = Dice::new(seed, "bad afternoon", 0);
        let (site, day) = (world.pick(&SITES).slug, world.between(1, 4));
        let link = match profile.persona {
            Persona::Desktop => 0.95,
            Persona::Laptop | Persona::WebTab => 0.85,
            Persona::IosPhone | Persona::AndroidPhone => 0.7,
            Persona::FieldTablet => 0.5,
            Persona::MeshTablet => 0.3,
        };
        Self {
            battery: dice.float(60.0, 100.0),
            storage: dice.float(25.0, 60.0),
            queued: 0.0,
            link,
            last_report: None,
            trouble: (profile.site.slug == site).then_some(day),
        }
    }

    fn hour(&mut self, profile: &Profile, at: Millis, dice: &mut Dice) {
        let at_work = (6..18).contains(&hour_of_day(at));
        self.battery += if at_work { -dice.float(3.0, 8.0) } else { dice.float(4.0, 14.0) };
        self.battery = self.battery.clamp(6.0, 100.0);
        self.storage = (self.storage + dice.float(-0.02, 0.12)).min(92.0);
        let drain = if self.in_trouble(at) { 0.1 } else { self.link };
        let edits = if at_work { dice.float(0.0, 14.0) } else { dice.float(0.0, 0.6) };
        self.queued = (self.queued + edits) * (1.0 - drain * dice.float(0.7, 1.0));
        if profile.persona == Persona::Desktop {
            self.queued = self.queued.min(3.0);
        }
    }

    fn in_trouble(&self, at: Millis) -> bool {
        self.trouble.is_some_and(|day| at.0.div_euclid(DAY_MS).rem_euclid(7) == day && (12..16).contains(&hour_of_day(at)))
    }

    fn awake(&self, profile: &Profile, at: Millis, dice: &mut Dice) -> bool {
        // 1970-01-01 was a Thursday: days 2 and 3 of that week are Saturday and Sunday.
        let weekend = matches!(at.0.div_euclid(DAY_MS).rem_euclid(7), 2 | 3);
        let hour = hour_of_day(at);
        let likely = match profile.persona {
            Persona::Desktop => 0.97,
            Persona::MeshTablet => 0.45,
            Persona::FieldTablet if (6..18).contains(&hour) => 0.72,
            Persona::IosPhone | Persona::AndroidPhone if (6..22).contains(&hour) => 0.93,
            Persona::Laptop | Persona::WebTab if (7..19).contains(&hour) => 0.9,
            _ => 0.06,
        };
        let likely = if weekend && profile.persona != Persona::Desktop { likely * 0.35 } else { likely };
        dice.chance(if self.in_trouble(at) { likely * 0.4 } else { likely })
    }

    fn report(&mut self, profile: &Profile, at: Millis, seq: i64, dice: &mut Dice) -> Value {
        let silent_s = self.last_report.replace(at).map_or(0, |last| (at.since(last) - HOUR_MS).max(0) / 1_000);
        let p50 = dice.float(60.0, 140.0) / self.link.max(0.3);
        let total = dice.between(6, 40);
        let failed =
            if self.in_trouble(at) { dice.between(1, total / 2) } else { i64::from(dice.chance(0.12 * (1.2 - self.link))) };
        #[expect(clippy::cast_possible_truncation, reason = "a queue of a few dozen")]
        let queued = self.queued.round() as i64;
        let mut device = profile.facts();
        device["app_version"] = json!(if profile.bad_release { VERSION_BEFORE } else { profile.app_version });
        let mut report = json!({
            "report_id": uuid_v7(at, dice.rng()), "at": at.to_string(), "seq": seq, "device": device,
            "connectivity": {
                "relay_connection_quality": if self.in_trouble(at) { "poor" } else if self.link > 0.8 { "excellent" } else { "good" },
                "network_partition_duration": silent_s, "last_successful_sync": at.plus(-dice.between(0, MINUTE_MS)).to_string(),
            },
            "offline_resilience": {
                "queued_operations_count": queued, "critical_operations_pending": i64::from(queued > 6),
                "storage_usage_percent": tenths(self.storage), "sync_conflicts_detected": i64::from(dice.chance(0.08)),
            },
            "user_experience": {
                "offline_feature_availability_percent": tenths(dice.float(97.0, 100.0)),
                "user_intervention_required_count": i64::from(dice.chance(0.02)),
            },
            "sync": {
                "retry_count": failed.min(6), "last_attempt_at": at.to_string(),
                "latency_ms": { "count": total, "p50": tenths(p50), "p95": tenths(p50 * dice.float(2.0, 3.4)), "p99": tenths(p50 * dice.float(3.5, 6.0)) },
                "attempts": { "first_try_ok": (total - failed - dice.between(0, 1)).max(0), "ok": total - failed, "total": total },
                "token_errors": 0,
            },
        });
        if profile.persona.has_battery() {
            report["device"]["battery_percent"] = json!(tenths(self.battery));
            report["battery_optimization"] = json!({
                "background_processing_efficiency": tenths(dice.float(8.4, 9.8)) / 10.0,
                "battery_impact_score": tenths(dice.float(0.8, 2.6)), "sync_frequency_adaptive_rate": tenths(4.0 + self.battery / 20.0) / 10.0,
            });
        }
        report
    }
}

fn hour_of_day(at: Millis) -> i64 {
    at.0.div_euclid(HOUR_MS).rem_euclid(24)
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use tidewatch_protocol::v1::telemetry::report_read;

    use super::*;
    use crate::persona::fleet;
    use crate::scenario::Scenario;

    const NOW: Millis = Millis(1_790_000_000_000);

    #[test]
    fn every_report_of_the_past_is_one_the_server_takes_and_none_is_later_than_now() {
        for profile in fleet(1, 40, Scenario::BadRelease) {
            let reports = week(&profile, 1, NOW);
            assert!(!reports.is_empty(), "{}", profile.name);
            for report in reports {
                let read = report_read(&report.to_string());
                assert!(
                    read.as_ref().is_ok_and(|read| read.at < NOW && read.at.0 >= NOW.0 - DAYS * DAY_MS),
                    "{} {read:?}",
                    profile.name
                );
            }
        }
    }

    #[test]
    fn the_past_repeats_by_seed_and_has_nights() {
        let fleet = fleet(1, 60, Scenario::Ordinary);
        let profile = fleet.iter().find(|profile| profile.persona == Persona::IosPhone).expect("one in six is");
        assert_eq!(week(profile, 1, NOW), week(profile, 1, NOW));
        let at_night =
            |report: &Value| Millis::parse_rfc3339(report["at"].as_str().expect("text")).is_some_and(|at| hour_of_day(at) < 5);
        let reports = week(profile, 1, NOW);
        assert!(reports.iter().filter(|report| at_night(report)).count() * 8 < reports.len());
    }
}
