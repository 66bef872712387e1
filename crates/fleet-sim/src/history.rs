//! A device's recorded past: the reports of the week before it enrolled, as the simulated world went then.
//!
//! They are uploaded like any reports that waited for the network. A device that is on takes one an hour, in touch or not:
//! what it could not send is what a night or a weekend looks like. On one afternoon the relay was down. Nobody ran the
//! bad release yet. No report says when a sync succeeded: this server has not seen those contacts, and its idea of a
//! device's rhythm is made of contacts alone.

use serde_json::{Value, json};
use tidewatch_client::intent::uuid_v7;
use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};

use crate::dice::Dice;
use crate::persona::{Persona, Profile};

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
        let in_touch = past.in_touch(profile, at, &mut dice);
        past.hour(profile, at, in_touch, &mut dice);
        if in_touch || stays_on(profile.persona) {
            reports.push(past.report(profile, at, hour, in_touch, &mut dice));
        }
    }
    reports
}

/// Whether its clock goes on and it takes reports while its owner is away: not with the lid or the tab closed.
const fn stays_on(persona: Persona) -> bool {
    !matches!(persona, Persona::Laptop | Persona::WebTab)
}

/// How the device was, hour by hour.
struct Past {
    battery: f64,
    storage: f64,
    queued: f64,
    link: f64,
    /// Of what waits, the oldest.
    oldest: Option<Millis>,
    last_touch: Option<Millis>,
    /// The day of the week, from Thursday, of the bad afternoon.
    trouble: i64,
}

impl Past {
    fn new(profile: &Profile, seed: u64, dice: &mut Dice) -> Self {
        let mut world = Dice::new(seed, "bad afternoon", 0);
        // Neither Saturday nor Sunday, and not today's own weekday, which is cut.
        let trouble = *world.pick(&[0, 1, 4, 5, 6]);
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
            oldest: None,
            last_touch: None,
            trouble,
        }
    }

    fn hour(&mut self, profile: &Profile, at: Millis, in_touch: bool, dice: &mut Dice) {
        let at_work = (6..18).contains(&hour_of_day(at)) && !weekend(at);
        self.battery += if at_work { -dice.float(3.0, 8.0) } else { dice.float(4.0, 14.0) };
        self.battery = self.battery.clamp(6.0, 100.0);
        self.storage = (self.storage + dice.float(-0.02, 0.12)).min(92.0);
        let edits = if at_work { dice.float(0.0, 8.0) } else { dice.float(0.0, 0.3) };
        let drained = if in_touch { dice.float(0.9, 1.0) } else { 0.0 };
        self.queued = (self.queued + edits) * (1.0 - drained);
        if profile.persona == Persona::Desktop {
            self.queued = self.queued.min(3.0);
        }
        self.oldest = match self.oldest {
            _ if self.queued < 0.5 => None,
            _ if in_touch => Some(at.plus(-dice.between(MINUTE_MS / 2, 10 * MINUTE_MS))),
            oldest => oldest.or(Some(at.plus(-dice.between(0, 30 * MINUTE_MS)))),
        };
    }

    fn in_trouble(&self, at: Millis) -> bool {
        at.0.div_euclid(DAY_MS).rem_euclid(7) == self.trouble && (12..16).contains(&hour_of_day(at))
    }

    fn in_touch(&self, profile: &Profile, at: Millis, dice: &mut Dice) -> bool {
        let hour = hour_of_day(at);
        let likely = match profile.persona {
            Persona::Desktop => 0.97,
            Persona::MeshTablet => 0.6,
            Persona::FieldTablet if (6..18).contains(&hour) => 0.8,
            Persona::IosPhone | Persona::AndroidPhone if (6..22).contains(&hour) => 0.95,
            Persona::Laptop | Persona::WebTab if (7..19).contains(&hour) => 0.95,
            Persona::IosPhone | Persona::AndroidPhone => 0.3,
            _ => 0.12,
        };
        let likely = if weekend(at) && profile.persona != Persona::Desktop { likely * 0.65 } else { likely };
        dice.chance(if self.in_trouble(at) { likely * 0.3 } else { likely })
    }

    fn report(&mut self, profile: &Profile, at: Millis, seq: i64, in_touch: bool, dice: &mut Dice) -> Value {
        if in_touch {
            self.last_touch = Some(at);
        }
        let silent_s = self.last_touch.map_or(0, |last| at.since(last) / 1_000);
        let p50 = dice.float(60.0, 120.0) / self.link.max(0.3);
        // Without a network nothing is tried.
        let total = if in_touch { dice.between(6, 40) } else { 0 };
        let failed = match in_touch {
            true if self.in_trouble(at) => dice.between(1, 4),
            true => i64::from(dice.chance(0.12 * (1.2 - self.link))),
            false => 0,
        };
        #[expect(clippy::cast_possible_truncation, reason = "a queue of a few dozen")]
        let queued = self.queued.round() as i64;
        let mut device = profile.facts();
        device["app_version"] = json!(if profile.bad_release { VERSION_BEFORE } else { profile.app_version });
        let mut report = json!({
            "report_id": uuid_v7(at, dice.rng()), "at": at.to_string(), "seq": seq, "device": device,
            "connectivity": {
                "relay_connection_quality": self.relay(at, in_touch), "network_partition_duration": silent_s,
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
                "attempts": { "first_try_ok": (total - failed - dice.between(0, 1)).max(0), "ok": total - failed, "total": total },
                "token_errors": 0,
            },
        });
        if let Some(oldest) = self.oldest {
            report["sync"]["oldest_pending_at"] = json!(oldest.to_string());
        }
        if total > 0 {
            report["sync"]["latency_ms"] = json!({
                "count": total, "p50": tenths(p50), "p95": tenths(p50 * dice.float(1.6, 2.6)), "p99": tenths(p50 * dice.float(2.8, 5.0)),
            });
        }
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

impl Past {
    fn relay(&self, at: Millis, in_touch: bool) -> &'static str {
        match in_touch {
            false => "none",
            true if self.in_trouble(at) => "poor",
            true if self.link > 0.8 => "excellent",
            true => "good",
        }
    }
}

fn weekend(at: Millis) -> bool {
    // 1970-01-01 was a Thursday: days 2 and 3 of that week are Saturday and Sunday.
    matches!(at.0.div_euclid(DAY_MS).rem_euclid(7), 2 | 3)
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

    fn at(report: &Value) -> Millis {
        Millis::parse_rfc3339(report["at"].as_str().expect("text")).expect("an instant")
    }

    /// Share of these reports that were taken in touch.
    fn in_touch<'a>(reports: impl Iterator<Item = &'a Value>) -> f64 {
        let (mut all, mut ok) = (0.0, 0.0);
        for report in reports {
            all += 1.0;
            ok += f64::from(u8::from(report["sync"]["attempts"]["ok"].as_i64() > Some(0)));
        }
        ok / all
    }

    #[test]
    fn the_past_repeats_by_seed_and_its_nights_are_out_of_touch() {
        let fleet = fleet(1, 60, Scenario::Ordinary);
        let profile = fleet.iter().find(|profile| profile.persona == Persona::IosPhone).expect("one in six is");
        assert_eq!(week(profile, 1, NOW), week(profile, 1, NOW));
        let reports: Vec<Value> =
            fleet.iter().flat_map(|profile| week(profile, 1, NOW)).filter(|report| !weekend(at(report))).collect();
        let night = in_touch(reports.iter().filter(|report| hour_of_day(at(report)) < 5));
        let day = in_touch(reports.iter().filter(|report| (9..12).contains(&hour_of_day(at(report)))));
        assert!(night < 0.5 && day > 0.8, "{night} {day}");
    }

    #[test]
    fn one_afternoon_of_the_week_was_bad() {
        let reports: Vec<Value> = fleet(1, 60, Scenario::Ordinary).iter().flat_map(|profile| week(profile, 1, NOW)).collect();
        let reports: Vec<&Value> = reports.iter().filter(|report| !weekend(at(report))).collect();
        let days: std::collections::BTreeSet<i64> = reports.iter().map(|report| at(report).0.div_euclid(DAY_MS)).collect();
        let afternoons = days.iter().filter_map(|day| {
            let of_day = |r: &&&Value| at(r).0.div_euclid(DAY_MS) == *day && (12..16).contains(&hour_of_day(at(r)));
            (reports.iter().filter(of_day).count() > 40).then(|| in_touch(reports.iter().filter(of_day).copied()))
        });
        assert_eq!(afternoons.filter(|share| *share < 0.5).count(), 1);
    }
}
