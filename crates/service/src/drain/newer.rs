//! What is new in the list of a selection since it was frozen, what became of what waited behind it, and what devices have not been told of
//! its job. Whoever watches a job asks for it with every look, and of a hundred thousand entries it takes a part of a second to tell: so what
//! was counted is given out for ten times as long as it took to count.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidewatch_domain::drain::Selection;
use tidewatch_domain::fleet::Released;
use tidewatch_domain::time::{Millis, SECOND_MS};
use tidewatch_store::sync::drain::BehindFate;

use super::selection::filter_read;
use crate::{Cx, Result, Service};

/// A count that took less is made anew for everybody who asks.
const CHEAP: Duration = Duration::from_millis(5);
/// A count that took so long is made again after ten times as long.
const PAUSE_FACTOR: u32 = 10;
/// While one counts, others are given what was counted before, for so long at most.
const COUNTING: Duration = Duration::from_secs(10);
/// Sets whose counts are kept.
const SETS_MAX: usize = 64;

/// Counts by set or by job, and until when they are given out.
#[derive(Debug)]
pub(crate) struct Counts<T>(Mutex<HashMap<i64, (T, Instant)>>);

impl<T> Default for Counts<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Counts<T> {
    /// What is known of a set and still given out. Otherwise whoever asked counts, and others keep to what is known meanwhile.
    fn known(&self, set: i64, now: Instant) -> Option<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, until) = kept.get_mut(&set)?;
        if *until > now {
            return Some(count.clone());
        }
        *until = now + COUNTING;
        None
    }

    fn note(&self, set: i64, count: T, took: Duration, now: Instant) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if took < CHEAP {
            kept.remove(&set);
            return;
        }
        if kept.len() >= SETS_MAX {
            kept.retain(|_, (_, until)| *until > now);
        }
        if kept.len() < SETS_MAX || kept.contains_key(&set) {
            kept.insert(set, (count, now + took * PAUSE_FACTOR));
        }
    }
}

impl Service {
    /// How many entries are new in the list of a selection since it was frozen as this set, as of a moment ago.
    pub(super) async fn newer(&self, cx: &Cx, set: i64, selection: &Selection, since: Millis) -> Result<u64> {
        let Selection::Matching { signature, filter } = selection else { return Ok(0) };
        let began = Instant::now();
        if let Some(count) = self.newer.known(set, began) {
            return Ok(count);
        }
        let count = self.store.telemetry().outbox_newer(signature.as_deref(), &filter_read(filter)?, since, cx.now).await?;
        self.newer.note(set, count, began.elapsed(), Instant::now());
        Ok(count)
    }

    /// Entries of a job that their devices have not been told of yet, as of a moment ago.
    pub(super) async fn untold(&self, job: i64) -> Result<u64> {
        let began = Instant::now();
        if let Some(count) = self.untold.known(job, began) {
            return Ok(count);
        }
        let count = self.store.sync().untold_of_job(job).await?;
        self.untold.note(job, count, began.elapsed(), Instant::now());
        Ok(count)
    }

    /// What became of what waited behind a set, since its job was submitted; as of a moment ago. What the log had by then was not let go
    /// by the job, and is not among it.
    pub(super) async fn released(&self, set: i64, since: Millis) -> Result<Option<Released>> {
        let began = Instant::now();
        if let Some(released) = self.released.known(set, began) {
            return Ok(released);
        }
        let mut released = Released::default();
        let since = since.0.div_euclid(SECOND_MS);
        for (fate, second, entries) in self.store.sync().set_behind_fates(set).await? {
            match fate {
                BehindFate::Applied if second.is_some_and(|second| second < since) => {}
                BehindFate::Applied => {
                    released.applied += entries;
                    let entries = u32::try_from(entries).unwrap_or(u32::MAX);
                    released.at.extend(second.map(|second| (Millis(second * SECOND_MS), entries)));
                }
                BehindFate::Conflict => released.conflicts += entries,
                BehindFate::Refused => released.refused += entries,
                BehindFate::Drained => released.drained += entries,
                BehindFate::Unseen => released.unseen += entries,
            }
        }
        let released = (released.all() > 0).then_some(released);
        self.released.note(set, released.clone(), began.elapsed(), Instant::now());
        Ok(released)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dear_count_is_given_out_for_ten_times_as_long_and_made_by_one() {
        let (newer, start) = (Counts::<u64>::default(), Instant::now());
        assert_eq!(newer.known(1, start), None);
        newer.note(1, 7, Duration::from_millis(100), start);
        let later = |ms| start + Duration::from_millis(ms);
        assert_eq!(newer.known(1, later(999)), Some(7));
        assert_eq!(newer.known(2, later(999)), None, "each set has its own");
        assert_eq!(newer.known(1, later(1_001)), None, "somebody counts anew");
        assert_eq!(newer.known(1, later(1_002)), Some(7), "and the others do not wait for that");
        newer.note(1, 8, Duration::from_millis(1), later(1_100));
        assert_eq!(newer.known(1, later(1_100)), None, "what costs nothing is always counted");
    }

    #[test]
    fn no_more_sets_are_kept_than_there_is_room_for() {
        let (newer, start) = (Counts::<u64>::default(), Instant::now());
        for set in 0..200 {
            newer.note(set, 1, Duration::from_secs(1), start);
        }
        assert_eq!((newer.known(0, start), newer.known(199, start)), (Some(1), None));
        newer.note(200, 2, Duration::from_secs(1), start + Duration::from_secs(11));
        assert_eq!(newer.known(200, start + Duration::from_secs(12)), Some(2), "what is over makes room");
    }
}
