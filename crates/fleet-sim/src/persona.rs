//! Who a simulated device is: platform, versions, name, owner, place, and how it lives.

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::places::{SITES, Site, person};
use crate::scenario::Scenario;

/// How a device lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Persona {
    /// iOS: the system grants background windows of at most 30 seconds.
    IosPhone,
    /// Android: doze makes the pauses between maintenance windows longer until somebody picks it up.
    AndroidPhone,
    /// A rugged tablet in the field: long offline, then a burst.
    FieldTablet,
    /// A desktop on the wire.
    Desktop,
    /// A laptop: like a desktop, but its lid closes.
    Laptop,
    /// A browser tab: syncs while it is open.
    WebTab,
    /// A tablet in a mesh island: peers all around, the relay only now and then.
    MeshTablet,
}

impl Persona {
    /// Personas with their share of a fleet, in percent.
    const SHARES: [(Self, i64); 7] = [
        (Self::FieldTablet, 24),
        (Self::AndroidPhone, 22),
        (Self::IosPhone, 18),
        (Self::Laptop, 12),
        (Self::Desktop, 8),
        (Self::WebTab, 8),
        (Self::MeshTablet, 8),
    ];

    fn draw(dice: &mut Dice) -> Self {
        let mut at = dice.between(0, 99);
        for (persona, share) in Self::SHARES {
            if at < share {
                return persona;
            }
            at -= share;
        }
        Self::FieldTablet
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::IosPhone | Self::AndroidPhone => "PHN",
            Self::FieldTablet | Self::MeshTablet => "TAB",
            Self::Desktop => "DSK",
            Self::Laptop => "LAP",
            Self::WebTab => "WEB",
        }
    }

    /// Whether it runs on a battery.
    #[must_use]
    pub const fn has_battery(self) -> bool {
        !matches!(self, Self::Desktop | Self::WebTab)
    }
}

/// Who one device is.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Position in the fleet.
    pub index: u64,
    /// How it lives.
    pub persona: Persona,
    /// `LOW-TAB-0412`.
    pub name: String,
    /// Owner.
    pub principal: String,
    /// Where it is.
    pub site: &'static Site,
    /// Platform.
    pub platform: &'static str,
    /// Version of the operating system.
    pub os_version: &'static str,
    /// Hardware.
    pub model: &'static str,
    /// App version.
    pub app_version: &'static str,
    /// Device clock minus true time.
    pub skew_ms: i64,
    /// Runs the release that writes the reading of a new inspection as text.
    pub bad_release: bool,
    /// Belongs to a site that is cut off.
    pub cut_off: bool,
}

/// Every device of a fleet. Device names are unique.
#[must_use]
pub fn fleet(seed: u64, devices: u64, scenario: Scenario) -> Vec<Profile> {
    let mut numbers = Dice::new(seed, "device numbers", 0);
    let mut number = numbers.between(20, 40);
    (0..devices)
        .map(|index| {
            number += numbers.between(3, 9);
            profile(seed, index, number, scenario)
        })
        .collect()
}

fn profile(seed: u64, index: u64, number: i64, scenario: Scenario) -> Profile {
    let mut dice = Dice::new(seed, "profile", index);
    let persona = Persona::draw(&mut dice);
    // The first sites are larger: the smaller of two draws.
    let at = dice.between(0, 7).min(dice.between(0, 7));
    let site = &SITES[usize::try_from(at).expect("not negative")];
    let (platform, os_version, model) = *dice.pick(hardware(persona));
    // Every twenty-fifth device has the bad release, wherever it is: so many of any fleet, not a matter of luck, and of a fleet of two
    // hundred so few that support may help them all without a second person.
    let bad_release = scenario == Scenario::BadRelease && index % 25 == 3;
    let app_version =
        if bad_release { "4.18.0" } else { *dice.pick(&["4.17.3", "4.17.3", "4.17.3", "4.17.3", "4.17.1", "4.16.5"]) };
    let fast = scenario == Scenario::FastClocks && index % 5 == 2;
    let skew_ms = if fast { dice.between(90_000, 900_000) } else { dice.between(-1_500, 1_500) };
    Profile {
        index,
        persona,
        name: format!("{}-{}-{number:04}", site.code, persona.kind()),
        principal: person(index.wrapping_mul(37).wrapping_add(seed)),
        site,
        platform,
        os_version,
        model,
        app_version,
        skew_ms,
        bad_release,
        cut_off: scenario == Scenario::DarkDepot && site.slug == "felixstowe",
    }
}

type Hardware = (&'static str, &'static str, &'static str);

const fn hardware(persona: Persona) -> &'static [Hardware] {
    match persona {
        Persona::IosPhone => &[("ios", "17.6", "iPhone15,4"), ("ios", "18.1", "iPhone16,1"), ("ios", "18.1", "iPhone14,5")],
        Persona::AndroidPhone => {
            &[("android", "14", "Pixel 8"), ("android", "13", "Galaxy XCover6"), ("android", "14", "Galaxy A55")]
        }
        Persona::FieldTablet | Persona::MeshTablet => {
            &[("android", "14", "Galaxy Tab Active5"), ("android", "13", "Galaxy Tab Active3"), ("ios", "17.6", "iPad13,18")]
        }
        Persona::Desktop => &[("windows", "11", "OptiPlex 7010"), ("linux", "Debian 12", "NUC13")],
        Persona::Laptop => {
            &[("windows", "11", "ThinkPad L14"), ("macos", "15.1", "Mac15,12"), ("linux", "Ubuntu 24.04", "ThinkPad T14")]
        }
        Persona::WebTab => &[("web", "Chrome 142", "browser"), ("web", "Firefox 145", "browser")],
    }
}

impl Profile {
    /// Scopes it subscribes to and writes: its site.
    #[must_use]
    pub fn scopes(&self) -> Vec<String> {
        vec![format!("site:{}", self.site.slug)]
    }

    /// The part of a report's `device` member that never changes.
    #[must_use]
    pub fn facts(&self) -> Value {
        json!({
            "name": self.name, "platform": self.platform, "os_version": self.os_version, "app_version": self.app_version,
            "schema_version": 1, "model": self.model,
            "labels": { "site": self.site.slug, "region": self.site.region, "crew": format!("crew {}", self.index % 12 + 1) },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_fleet_repeats_by_seed_and_its_names_are_unique() {
        let names = |seed| fleet(seed, 200, Scenario::BadRelease).into_iter().map(|profile| profile.name).collect::<Vec<_>>();
        assert_eq!(names(7), names(7));
        assert_ne!(names(7), names(8));
        assert_eq!(names(7).into_iter().collect::<HashSet<_>>().len(), 200);
    }

    #[test]
    fn the_bad_release_is_on_few_devices_of_the_fleet_and_only_in_its_scenario() {
        let carriers = |scenario| fleet(1, 200, scenario).iter().filter(|profile| profile.app_version == "4.18.0").count();
        assert_eq!((carriers(Scenario::BadRelease), carriers(Scenario::Ordinary)), (8, 0));
    }

    #[test]
    fn a_site_has_several_devices_so_that_edits_meet() {
        let fleet = fleet(1, 200, Scenario::Ordinary);
        for site in &SITES[..6] {
            assert!(fleet.iter().filter(|profile| profile.site == site).count() > 3, "{}", site.slug);
        }
    }
}
