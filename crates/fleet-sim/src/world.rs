//! What can happen to a request on its way, and to a device, in virtual time.

use tidewatch_domain::time::{HOUR_MS, MINUTE_MS, Millis, SECOND_MS};

use crate::dice::Dice;

/// How rough a world is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roughness {
    /// A request does not arrive.
    pub loss: f64,
    /// It is carried out, and its answer does not arrive.
    pub lost_ack: f64,
    /// It arrives a second time, later.
    pub duplicate: f64,
    /// The process dies at this point of an exchange.
    pub crash: f64,
    /// One way takes at most so long.
    pub delay_ms_max: i64,
    /// Mean time between two partitions of a site.
    pub partition_every_ms: i64,
}

impl Roughness {
    /// A world in which everything goes wrong often.
    pub const ROUGH: Self = Self {
        loss: 0.08,
        lost_ack: 0.10,
        duplicate: 0.06,
        crash: 0.01,
        delay_ms_max: 20 * SECOND_MS,
        partition_every_ms: 6 * HOUR_MS,
    };
    /// A world in which nothing goes wrong.
    pub const CALM: Self =
        Self { loss: 0.0, lost_ack: 0.0, duplicate: 0.0, crash: 0.0, delay_ms_max: SECOND_MS, partition_every_ms: i64::MAX };
}

/// What becomes of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The request arrives.
    pub arrives: bool,
    /// Its answer does.
    pub answered: bool,
    /// It arrives again, so much later than the first time.
    pub again_ms: Option<i64>,
    /// The device's process dies before it has read the answer.
    pub crash: bool,
    /// Way there.
    pub there_ms: i64,
    /// Way back.
    pub back_ms: i64,
}

/// The network of a world: its fates and its partitions.
#[derive(Clone, Debug)]
pub struct Network {
    roughness: Roughness,
    dice: Dice,
    /// By site: the partition under way or to come.
    partitions: Vec<(Millis, Millis)>,
}

impl Network {
    /// The network of a seed, for so many sites, from `now`.
    #[must_use]
    pub fn new(seed: u64, sites: usize, roughness: Roughness, now: Millis) -> Self {
        let mut network = Self { roughness, dice: Dice::new(seed, "network", 0), partitions: Vec::new() };
        network.partitions = (0..sites).map(|_| network.partition_after(now)).collect();
        network
    }

    fn partition_after(&mut self, now: Millis) -> (Millis, Millis) {
        if self.roughness.partition_every_ms == i64::MAX {
            return (Millis(i64::MAX), Millis(i64::MAX));
        }
        #[expect(clippy::cast_precision_loss, reason = "a mean of hours")]
        let from = now.plus(self.dice.waiting_ms(self.roughness.partition_every_ms as f64));
        (from, from.plus(self.dice.between(5 * MINUTE_MS, 3 * HOUR_MS)))
    }

    /// Whether a site is cut off now.
    pub fn is_cut_off(&mut self, site: usize, now: Millis) -> bool {
        while self.partitions[site].1 <= now {
            self.partitions[site] = self.partition_after(now);
        }
        self.partitions[site].0 <= now
    }

    /// Draws what becomes of an exchange of this site's devices.
    pub fn fate(&mut self, site: usize, now: Millis) -> Fate {
        let cut_off = self.is_cut_off(site, now);
        let Roughness { loss, lost_ack, duplicate, crash, delay_ms_max, .. } = self.roughness;
        let dice = &mut self.dice;
        let arrives = !dice.chance(loss) && !cut_off;
        let answered = !dice.chance(lost_ack) && arrives;
        // A duplicate may come after newer requests: that is how requests overtake each other.
        let again_ms = (dice.chance(duplicate) && arrives).then(|| dice.between(0, 20 * delay_ms_max));
        Fate {
            arrives,
            answered,
            again_ms,
            crash: dice.chance(crash),
            there_ms: dice.between(1, delay_ms_max),
            back_ms: dice.between(1, delay_ms_max),
        }
    }
}
