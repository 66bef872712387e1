//! What the live fleet knows beyond a rhythm: work done before the first contact, trips out of reach, links too thin to push over.
//!
//! Drawn for each device by itself and at the pace of a demo, in which minutes stand for hours. Worlds in virtual time have
//! their own faults ([`crate::world`]) and know nothing of this.

use tidewatch_client::Request;
use tidewatch_client::wire::Purpose;
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS};

use crate::dice::Dice;
use crate::persona::Persona;

/// Longest time that a request on a thin link takes to be given up.
const GIVE_UP_MS_MAX: i64 = 4 * SECOND_MS;

/// Edits that the owner of a device made before it was enrolled, and over how long.
#[must_use]
pub fn edits_before(persona: Persona, dice: &mut Dice) -> (i64, i64) {
    match persona {
        Persona::FieldTablet => (dice.between(8, 50), dice.between(2, 7) * HOUR_MS),
        Persona::MeshTablet => (dice.between(8, 30), dice.between(2, 7) * HOUR_MS),
        Persona::IosPhone | Persona::AndroidPhone => (dice.between(0, 6), dice.between(10, 90) * MINUTE_MS),
        Persona::Laptop | Persona::Desktop | Persona::WebTab => (dice.between(0, 2), dice.between(5, 30) * MINUTE_MS),
    }
}

/// How long a device goes where there is no network at all before its next window; 0 for most windows of most devices.
#[must_use]
pub fn trip_ms(persona: Persona, after_first: bool, dice: &mut Dice) -> i64 {
    let (chance, low, high) = match persona {
        // The morning round begins when the tablet has been set up.
        Persona::FieldTablet if after_first => (0.45, 9 * MINUTE_MS, 35 * MINUTE_MS),
        Persona::FieldTablet => (0.2, 8 * MINUTE_MS, 35 * MINUTE_MS),
        Persona::MeshTablet => (0.1, 10 * MINUTE_MS, 30 * MINUTE_MS),
        Persona::Laptop => (0.06, 8 * MINUTE_MS, 25 * MINUTE_MS),
        _ => return 0,
    };
    if dice.chance(chance) { dice.between(low, high) } else { 0 }
}

/// Whether the link of a window carries telemetry but is too thin for pushes and pulls.
#[must_use]
pub fn link_is_thin(persona: Persona, dice: &mut Dice) -> bool {
    dice.chance(match persona {
        Persona::MeshTablet => 0.55,
        Persona::FieldTablet => 0.3,
        Persona::IosPhone | Persona::AndroidPhone => 0.03,
        Persona::Laptop | Persona::Desktop | Persona::WebTab => 0.0,
    })
}

/// How long a request tries to get through a thin link before it is given up; `None` for one that passes.
pub fn given_up_after_ms(request: &Request, dice: &mut Dice) -> Option<i64> {
    let heavy = matches!(request.purpose, Purpose::Push | Purpose::Pull | Purpose::ScopeScan | Purpose::SnapshotPart);
    // Now and then the wind turns.
    (heavy && !dice.chance(0.12)).then(|| dice.between(SECOND_MS, GIVE_UP_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(purpose: Purpose) -> Request {
        Request { purpose, path: String::new(), bearer: None, client_id: None, schema_version: 1, body: None, range: None }
    }

    #[test]
    fn a_thin_link_carries_reports_and_hardly_ever_a_push() {
        let mut dice = Dice::new(1, "outing", 0);
        let mut passed = |purpose| (0..400).filter(|_| given_up_after_ms(&request(purpose), &mut dice).is_none()).count();
        assert_eq!(passed(Purpose::Report), 400);
        assert_eq!(passed(Purpose::Register), 400);
        assert!((1..120).contains(&passed(Purpose::Push)));
    }

    #[test]
    fn tablets_go_out_of_reach_for_many_minutes_and_desktops_never() {
        let mut dice = Dice::new(1, "outing", 0);
        let trips: Vec<i64> = (0..200).map(|_| trip_ms(Persona::FieldTablet, false, &mut dice)).collect();
        let out = trips.iter().filter(|ms| **ms > 0).count();
        assert!((20..70).contains(&out), "{out}");
        assert!(trips.iter().all(|ms| *ms == 0 || *ms >= 8 * MINUTE_MS));
        assert!((0..200).all(|_| trip_ms(Persona::Desktop, true, &mut dice) == 0));
    }
}
