//! Retention: how long the archive keeps the payload of what was given up, and what a purge does once that is over.

use super::ArchiveState;
use crate::time::{DAY_MS, Millis};

/// Days that the payload of a discarded entry is kept, unless somebody says otherwise.
pub const RETAIN_DISCARDED_DAYS: u32 = 30;
/// Most days that can be said; `never` is longer.
pub const RETAIN_DAYS_MAX: u32 = 3_650;

/// How long payloads are kept, in days; `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of discarded entries.
    pub discarded: Option<u32>,
    /// Of quarantined ones.
    pub quarantined: Option<u32>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { discarded: Some(RETAIN_DISCARDED_DAYS), quarantined: None }
    }
}

impl Retention {
    /// States that are ever purged.
    pub const STATES: [ArchiveState; 2] = [ArchiveState::Quarantined, ArchiveState::Discarded];

    /// Milliseconds that a payload in this state is kept; `None` is for ever.
    #[must_use]
    pub fn keeps_ms(self, state: ArchiveState) -> Option<i64> {
        let days = match state {
            ArchiveState::Discarded => self.discarded,
            ArchiveState::Quarantined => self.quarantined,
            _ => None,
        };
        days.map(|days| i64::from(days) * DAY_MS)
    }

    /// From when on a payload may be purged: never before what was promised when the entry was drained.
    #[must_use]
    pub fn due(self, state: ArchiveState, changed: Millis, promised: Option<Millis>) -> Option<Millis> {
        let due = changed.plus(self.keeps_ms(state)?);
        Some(promised.map_or(due, |promised| due.max(promised)))
    }
}

/// Days that the items of a job are kept once it is over, unless somebody says otherwise.
pub const RETAIN_ITEMS_DAYS: u32 = 90;

/// How long what became of each entry of a job is kept in the store once the job is over, in days; `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemRetention {
    /// Days.
    pub days: Option<u32>,
}

impl Default for ItemRetention {
    fn default() -> Self {
        Self { days: Some(RETAIN_ITEMS_DAYS) }
    }
}

impl ItemRetention {
    /// Milliseconds that items are kept; `None` is for ever.
    #[must_use]
    pub fn keeps_ms(self) -> Option<i64> {
        self.days.map(|days| i64::from(days) * DAY_MS)
    }

    /// From when on the items of a job may roll to a file. What nobody has acknowledged is kept as long again, so that somebody may still
    /// look at it; never before the time is over in which it was promised to be taken back.
    #[must_use]
    pub fn due(self, finished: Millis, acknowledged: bool, promised: Option<Millis>) -> Option<Millis> {
        let keeps = self.keeps_ms()?;
        let due = finished.plus(if acknowledged { keeps } else { 2 * keeps });
        Some(promised.map_or(due, |promised| due.max(promised.plus(1))))
    }
}

/// Where the items of a job are, once they have rolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rolled {
    /// Since.
    pub at: Millis,
    /// The file, under the folder of the store.
    pub file: String,
    /// SHA-256 of the rows in the file, hex.
    pub sha256: String,
    /// Rows: one for each entry.
    pub entries: u64,
}

impl Rolled {
    /// Why what needs the items cannot be had.
    #[must_use]
    pub fn words(&self) -> String {
        format!("retention of jobs is over: what became of each entry is in {}, under the folder of the store", self.file)
    }
}

/// What becomes of the payload of an entry that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// It is purged from then on.
    Until(Millis),
    /// It was purged.
    Purged {
        /// When.
        at: Millis,
        /// Run, `P` and digits.
        run: String,
    },
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeState {
    /// It writes its file.
    Exporting,
    /// Its file is whole; the payloads in it are removed.
    Removing,
    /// Over.
    Done,
    /// Over before its end, since its file could not be read any more.
    Stopped,
}

impl PurgeState {
    /// Every state; the position is what SQL stores.
    pub const ALL: [Self; 4] = [Self::Exporting, Self::Removing, Self::Done, Self::Stopped];

    /// As wire and pages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exporting => "exporting",
            Self::Removing => "removing",
            Self::Done => "done",
            Self::Stopped => "stopped",
        }
    }

    /// What SQL stores.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// Reads [`PurgeState::number`].
    #[must_use]
    pub fn of_number(number: i64) -> Option<Self> {
        super::of_number(&Self::ALL, number)
    }
}

/// One run of a purge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeRun {
    /// `P` and digits.
    pub id: String,
    /// Where it stands.
    pub state: PurgeState,
    /// Who asked for it; `system` for the clock.
    pub actor: String,
    /// Why, when a person asked for it.
    pub reason: Option<String>,
    /// What was due by then.
    pub created: Millis,
    /// Over at.
    pub finished: Option<Millis>,
    /// Entries in its file.
    pub entries: u64,
    /// Of them, without their payload now.
    pub removed: u64,
    /// Its file, under the folder of the store.
    pub file: Option<String>,
    /// SHA-256 of the rows in the file, hex.
    pub sha256: Option<String>,
    /// Given up at: the first and the last of its entries.
    pub span: Option<(Millis, Millis)>,
    /// Why it was stopped.
    pub detail: Option<String>,
    /// How long payloads were kept when it began.
    pub retention: Retention,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discarded_goes_after_its_days_and_never_before_what_was_promised() {
        let (retention, at) = (Retention::default(), Millis(1_000));
        let due = |state, promised| retention.due(state, at, promised);
        let month = at.plus(30 * DAY_MS);
        assert_eq!(due(ArchiveState::Discarded, None), Some(month));
        assert_eq!(due(ArchiveState::Discarded, Some(at)), Some(month));
        assert_eq!(due(ArchiveState::Discarded, Some(month.plus(1))), Some(month.plus(1)));
    }

    #[test]
    fn what_somebody_may_want_back_is_kept_for_ever_unless_retention_says_otherwise() {
        let at = Millis(1_000);
        for state in ArchiveState::ALL {
            let goes = Retention::default().due(state, at, Some(at)).is_some();
            assert_eq!(goes, state == ArchiveState::Discarded, "{state:?}");
            let all = Retention { discarded: Some(1), quarantined: Some(2) };
            assert_eq!(all.due(state, at, None).is_some(), Retention::STATES.contains(&state), "{state:?}");
        }
        let never = Retention { discarded: None, quarantined: None };
        assert_eq!(never.due(ArchiveState::Discarded, at, Some(at)), None);
    }

    #[test]
    fn items_go_after_their_days_those_nobody_has_seen_as_long_again_and_none_before_what_was_promised() {
        let (retention, at) = (ItemRetention::default(), Millis(1_000));
        let due = |acknowledged, promised| retention.due(at, acknowledged, promised);
        let (once, twice) = (at.plus(90 * DAY_MS), at.plus(180 * DAY_MS));
        assert_eq!([due(true, None), due(false, None)], [Some(once), Some(twice)]);
        assert_eq!([due(true, Some(at)), due(true, Some(once))], [Some(once), Some(once.plus(1))]);
        assert_eq!([due(false, Some(once)), due(false, Some(twice.plus(5)))], [Some(twice), Some(twice.plus(6))]);
        assert_eq!(ItemRetention { days: None }.due(at, true, None), None);
    }

    #[test]
    fn states_of_runs_are_positions_and_read_back() {
        for (at, state) in PurgeState::ALL.into_iter().enumerate() {
            assert_eq!((state.number(), PurgeState::of_number(at as i64)), (at as i64, Some(state)));
        }
    }
}
