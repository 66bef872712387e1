//! The body of a simulated device: battery, storage, link, and what its user feels. Moves with time and with use.

use serde_json::{Value, json};
use tidewatch_domain::time::{HOUR_MS, Millis};

use crate::dice::Dice;
use crate::persona::{Persona, Profile};

/// How a device is right now.
#[derive(Clone, Debug)]
pub struct Vitals {
    battery_percent: f64,
    charging: bool,
    storage_percent: f64,
    /// How good its link usually is, 0 to 1.
    link: f64,
    /// What syncing has cost it lately, 0 to 10.
    impact: f64,
    interventions: u32,
    peers: i64,
    last: Option<Millis>,
}

/// What has happened since the last report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strain {
    /// Rounds of syncing.
    pub rounds: u32,
    /// Of them, failed.
    pub failures: u32,
    /// Operations that wait.
    pub queued: usize,
    /// Of them, poisoned.
    pub poisoned: usize,
    /// Milliseconds without the network before this window.
    pub offline_ms: i64,
    /// Whether its mesh was turned off.
    pub mesh_off: bool,
    /// Whether its user is in front of it.
    pub foreground: bool,
}

impl Vitals {
    /// A device as it comes out of the box, more or less.
    pub fn new(profile: &Profile, dice: &mut Dice) -> Self {
        let link = match profile.persona {
            Persona::Desktop => dice.float(0.85, 1.0),
            Persona::Laptop | Persona::WebTab => dice.float(0.65, 1.0),
            Persona::IosPhone | Persona::AndroidPhone => dice.float(0.4, 0.95),
            Persona::FieldTablet => dice.float(0.25, 0.8),
            Persona::MeshTablet => dice.float(0.1, 0.5),
        };
        Self {
            battery_percent: dice.float(35.0, 100.0),
            charging: false,
            storage_percent: if dice.chance(0.04) { dice.float(80.0, 93.0) } else { dice.float(22.0, 68.0) },
            link,
            impact: dice.float(0.6, 2.4),
            interventions: 0,
            peers: if profile.persona == Persona::MeshTablet { dice.between(2, 6) } else { 0 },
            last: None,
        }
    }

    /// Lets time pass; `stretch` says how many hours an hour of the run stands for.
    pub fn pass(&mut self, profile: &Profile, now: Millis, stretch: f64, strain: &Strain, dice: &mut Dice) {
        #[expect(clippy::cast_precision_loss, reason = "hours of a simulation")]
        let hours = self.last.map_or(0.0, |last| now.since(last).max(0) as f64 / HOUR_MS as f64) * stretch;
        self.last = Some(now);
        if profile.persona.has_battery() {
            let drain = 2.2 + 0.25 * self.impact + if strain.foreground { 4.0 } else { 0.0 };
            self.battery_percent += hours * if self.charging { 32.0 } else { -drain };
            self.battery_percent = self.battery_percent.clamp(2.0, 100.0);
            self.charging = if self.charging {
                self.battery_percent < 97.0
            } else {
                self.battery_percent < 14.0 || dice.chance(0.004 * hours)
            };
        }
        let growth = 0.05 * hours + 0.000_4 * f64::from(u32::try_from(strain.queued).unwrap_or(u32::MAX).min(1_000));
        self.storage_percent = (self.storage_percent + growth * dice.float(0.2, 1.8)).min(98.5);
        if self.storage_percent > 97.0 {
            // The system throws caches away.
            self.storage_percent -= dice.float(8.0, 20.0);
        }
        self.link = (self.link + dice.float(-0.08, 0.08)).clamp(0.05, 1.0);
        let wanted = 0.8 + 0.5 * f64::from(strain.failures.min(8)) + if strain.poisoned > 0 { 1.8 } else { 0.0 };
        self.impact += (wanted - self.impact) * 0.25 + dice.float(-0.15, 0.15);
        self.impact = self.impact.clamp(0.0, 10.0);
        if strain.poisoned > 0 && dice.chance(0.05) {
            self.interventions += 1;
        }
        if profile.persona == Persona::MeshTablet {
            self.peers = (self.peers + dice.between(-1, 1)).clamp(0, 8);
        }
    }

    /// The members of a report that the hardware knows.
    pub fn facts(&self, profile: &Profile, strain: &Strain, dice: &mut Dice) -> Value {
        let mut facts = json!({ "device": profile.facts() });
        facts["device"]["foreground"] = json!(strain.foreground);
        facts["device"]["network"] = json!(match profile.persona {
            Persona::Desktop => "ethernet",
            Persona::Laptop | Persona::WebTab => "wifi",
            _ if self.link > 0.7 => "wifi",
            _ => "cellular",
        });
        facts["device"]["power"] = json!(match (profile.persona.has_battery(), self.charging) {
            (false, _) => "mains",
            (true, true) => "charging",
            (true, false) => "battery",
        });
        facts["connectivity"] = json!({
            "relay_connection_quality": quality(self.link), "network_partition_duration": (strain.offline_ms / 1_000).max(0),
        });
        if self.peers > 0 && !strain.mesh_off {
            facts["connectivity"]["p2p_peers_connected"] = json!(self.peers);
        }
        facts["offline_resilience"] = json!({ "storage_usage_percent": tenths(self.storage_percent) });
        if profile.persona.has_battery() {
            facts["device"]["battery_percent"] = json!(tenths(self.battery_percent));
            facts["battery_optimization"] = json!({
                "background_processing_efficiency": hundredths((0.98 - 0.07 * self.impact + dice.float(-0.03, 0.02)).clamp(0.05, 1.0)),
                "battery_impact_score": tenths(self.impact),
                "sync_frequency_adaptive_rate": hundredths((0.4 + 0.5 * self.battery_percent / 100.0).clamp(0.0, 1.0)),
            });
        }
        let jam = f64::from(u32::try_from(strain.queued).unwrap_or(u32::MAX).min(100)) / 100.0;
        let broken = if strain.poisoned > 0 { 18.0 } else { 0.0 };
        facts["user_experience"] = json!({
            "offline_feature_availability_percent": tenths((99.5 - broken - 12.0 * jam + dice.float(-1.0, 0.5)).clamp(0.0, 100.0)),
            "user_intervention_required_count": self.interventions,
        });
        facts
    }

    /// One way there and back over this link, milliseconds: longer on a poor one, now and then much longer on any.
    pub fn round_trip_ms(&self, dice: &mut Dice) -> i64 {
        let usual = 28.0 / (0.15 + self.link) * dice.float(0.6, 1.9);
        #[expect(clippy::cast_possible_truncation, reason = "below a few seconds")]
        let ms = if dice.chance(0.05) { usual * dice.float(3.0, 9.0) } else { usual } as i64;
        ms
    }

    /// Chance that a request on this link gets lost on either way.
    #[must_use]
    pub fn loss(&self) -> f64 {
        0.002 + 0.09 * (1.0 - self.link).powi(2)
    }
}

const fn quality(link: f64) -> &'static str {
    match link {
        l if l > 0.85 => "excellent",
        l if l > 0.6 => "good",
        l if l > 0.35 => "fair",
        l if l > 0.12 => "poor",
        _ => "none",
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persona::fleet;
    use crate::scenario::Scenario;

    #[test]
    fn every_figure_stays_within_the_range_that_a_report_may_have() {
        for profile in fleet(1, 30, Scenario::BadRelease) {
            let mut dice = Dice::new(1, "vitals", profile.index);
            let mut vitals = Vitals::new(&profile, &mut dice);
            for hour in 0..400 {
                let strain = Strain {
                    failures: hour % 9,
                    queued: 300,
                    poisoned: (hour % 2) as usize,
                    foreground: hour % 3 == 0,
                    ..Strain::default()
                };
                vitals.pass(&profile, Millis(i64::from(hour) * HOUR_MS), 1.0, &strain, &mut dice);
                let facts = vitals.facts(&profile, &strain, &mut dice);
                let number = |path: &str| facts.pointer(path).and_then(Value::as_f64);
                for (path, high) in [
                    ("/device/battery_percent", 100.0),
                    ("/offline_resilience/storage_usage_percent", 100.0),
                    ("/battery_optimization/background_processing_efficiency", 1.0),
                    ("/battery_optimization/battery_impact_score", 10.0),
                    ("/battery_optimization/sync_frequency_adaptive_rate", 1.0),
                    ("/user_experience/offline_feature_availability_percent", 100.0),
                ] {
                    assert!(number(path).is_none_or(|value| (0.0..=high).contains(&value)), "{path} {facts}");
                }
            }
        }
    }

    #[test]
    fn a_device_on_the_wire_reports_no_battery() {
        let fleet = fleet(1, 200, Scenario::Ordinary);
        let desktop = fleet.iter().find(|profile| profile.persona == Persona::Desktop).expect("one in twelve is");
        let mut dice = Dice::new(1, "vitals", 0);
        let facts = Vitals::new(desktop, &mut dice).facts(desktop, &Strain::default(), &mut dice);
        assert_eq!((facts.pointer("/device/battery_percent"), facts.get("battery_optimization")), (None, None));
    }
}
