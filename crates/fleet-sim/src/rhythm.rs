//! When a device is in touch: windows in which it may use the network, and how often it syncs inside one.
//!
//! Times are those of a demo, in which minutes stand for hours; [`Rhythm::new`] takes a factor for runs in virtual time.
//! The 30 seconds of an iOS background window are the system's and never stretched.

use tidewatch_domain::time::{MINUTE_MS, Millis, SECOND_MS};

use crate::dice::Dice;
use crate::persona::Persona;

/// The longest background window that iOS grants.
const IOS_WINDOW_MS_MAX: i64 = 30 * SECOND_MS;

/// A time in which the network may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From.
    pub opens: Millis,
    /// Until.
    pub closes: Millis,
    /// Pause between two rounds inside it.
    pub every_ms: i64,
    /// Whether its user is in front of it.
    pub foreground: bool,
}

/// The rhythm of one device.
#[derive(Clone, Debug)]
pub struct Rhythm {
    persona: Persona,
    stretch: i64,
    /// Doze: how often in a row nobody picked it up.
    untouched: u32,
}

impl Rhythm {
    /// The rhythm of a persona, its pauses longer by this factor.
    #[must_use]
    pub fn new(persona: Persona, stretch: i64) -> Self {
        Self { persona, stretch: stretch.max(1), untouched: 0 }
    }

    /// The next window after `now`. The first one of a device (`first`) comes soon, whatever its rhythm.
    pub fn next_window(&mut self, now: Millis, first: bool, dice: &mut Dice) -> Window {
        let (mut pause, length, every, foreground) = self.draw(dice);
        if first {
            pause = dice.between(0, 15 * SECOND_MS);
        }
        let opens = now.plus(pause * self.stretch);
        let length =
            if self.persona == Persona::IosPhone && !foreground { length.min(IOS_WINDOW_MS_MAX) } else { length * self.stretch };
        Window { opens, closes: opens.plus(length), every_ms: every * self.stretch, foreground }
    }

    /// Pause, length, pause between rounds, foreground.
    fn draw(&mut self, dice: &mut Dice) -> (i64, i64, i64, bool) {
        let seconds = |dice: &mut Dice, low, high| dice.between(low * SECOND_MS, high * SECOND_MS);
        match self.persona {
            Persona::Desktop => (seconds(dice, 1, 4), 5 * MINUTE_MS, seconds(dice, 5, 10), true),
            Persona::Laptop => {
                let lid_closed = dice.chance(0.3);
                let pause = if lid_closed { seconds(dice, 60, 240) } else { seconds(dice, 1, 5) };
                (pause, seconds(dice, 60, 180), seconds(dice, 8, 15), true)
            }
            Persona::WebTab => (seconds(dice, 30, 150), seconds(dice, 60, 240), seconds(dice, 7, 12), true),
            Persona::IosPhone => {
                let foreground = dice.chance(0.25);
                let length = if foreground { seconds(dice, 20, 60) } else { seconds(dice, 4, 25) };
                (seconds(dice, 20, 60), length, seconds(dice, 12, 20), foreground)
            }
            Persona::AndroidPhone => {
                if dice.chance(0.4) {
                    self.untouched = 0;
                    return (seconds(dice, 15, 45), seconds(dice, 15, 60), seconds(dice, 10, 20), true);
                }
                self.untouched = (self.untouched + 1).min(4);
                (seconds(dice, 15, 25) << self.untouched.saturating_sub(1), seconds(dice, 5, 10), seconds(dice, 10, 20), false)
            }
            Persona::FieldTablet => (seconds(dice, 60, 420), seconds(dice, 30, 120), seconds(dice, 10, 15), true),
            Persona::MeshTablet => (seconds(dice, 60, 240), seconds(dice, 10, 30), seconds(dice, 8, 12), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ios_background_window_never_exceeds_thirty_seconds_however_far_time_is_stretched() {
        let mut dice = Dice::new(1, "rhythm", 0);
        let mut rhythm = Rhythm::new(Persona::IosPhone, 60);
        let mut now = Millis(0);
        for _ in 0..200 {
            let window = rhythm.next_window(now, false, &mut dice);
            assert!(window.foreground || window.closes.since(window.opens) <= 30_000);
            now = window.closes;
        }
    }

    #[test]
    fn doze_makes_pauses_longer_until_somebody_picks_the_phone_up() {
        let mut dice = Dice::new(5, "rhythm", 0);
        let mut rhythm = Rhythm::new(Persona::AndroidPhone, 1);
        let (mut longest, mut after_touch) = (0, 0);
        for _ in 0..400 {
            let window = rhythm.next_window(Millis(0), false, &mut dice);
            longest = longest.max(window.opens.0);
            if window.foreground {
                after_touch = after_touch.max(window.opens.0);
            }
        }
        assert!(longest >= 120_000 && after_touch <= 45_000, "{longest} {after_touch}");
    }

    #[test]
    fn a_field_tablet_in_stretched_time_is_offline_for_hours() {
        let mut dice = Dice::new(1, "rhythm", 0);
        let mut rhythm = Rhythm::new(Persona::FieldTablet, 360);
        let longest = (0..50).map(|_| rhythm.next_window(Millis(0), false, &mut dice).opens.0).max().expect("drawn");
        assert!(longest > 36 * 3_600_000, "{longest}");
    }
}
