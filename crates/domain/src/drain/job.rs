//! What moves a job, as a pure rule: which change is possible in which state, and when its failures stop it.

use super::{JobState, STOP_WINDOW};

/// What a person, or the console itself, wants of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobChange {
    /// The second person agrees.
    Approve,
    /// The second person does not.
    Refuse,
    /// Stop for now.
    Pause,
    /// Go on.
    Resume,
    /// Leave the rest alone.
    Cancel,
    /// Take back what can be taken back.
    Undo,
    /// Somebody has seen its end.
    Acknowledge,
}

impl JobChange {
    /// Every change.
    pub const ALL: [Self; 7] =
        [Self::Approve, Self::Refuse, Self::Pause, Self::Resume, Self::Cancel, Self::Undo, Self::Acknowledge];

    /// As URLs write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Refuse => "refuse",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Undo => "undo",
            Self::Acknowledge => "acknowledge",
        }
    }

    /// Reads what [`JobChange::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.as_str() == text)
    }

    /// As the audit log names it.
    #[must_use]
    pub const fn audit_action(self) -> &'static str {
        match self {
            Self::Approve => "drain_approve",
            Self::Refuse => "drain_refuse",
            Self::Pause => "drain_pause",
            Self::Resume => "drain_resume",
            Self::Cancel => "drain_cancel",
            Self::Undo => "drain_undo",
            Self::Acknowledge => "drain_acknowledge",
        }
    }
}

impl JobState {
    /// Whether a change is possible in this state.
    #[must_use]
    pub const fn allows(self, change: JobChange) -> bool {
        match change {
            JobChange::Approve | JobChange::Refuse => matches!(self, Self::Requested),
            JobChange::Pause => matches!(self, Self::Canary | Self::Running),
            JobChange::Resume => matches!(self, Self::Paused),
            JobChange::Cancel => matches!(self, Self::Requested | Self::Canary | Self::Running | Self::Paused),
            JobChange::Undo => matches!(self, Self::Canary | Self::Running | Self::Paused | Self::Done | Self::Cancelled),
            JobChange::Acknowledge => self.is_final(),
        }
    }

    /// What SQL stores.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// Reads [`JobState::number`].
    #[must_use]
    pub fn of_number(number: i64) -> Option<Self> {
        super::of_number(&Self::ALL, number)
    }
}

/// What an undo of a job would take back now, part by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undoable {
    /// Entries that are done and go back to their old place.
    pub put_back: u64,
    /// Entries under way that no device has fetched, or with which nothing more is done when their device has: it lets go of what it was to
    /// hold, and what it hands over is not decided.
    pub called_back: u64,
    /// Entries that were not begun.
    pub left: u64,
}

impl Undoable {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.put_back + self.called_back + self.left
    }
}

/// The last outcomes of a job, newest last: what makes it stop by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent(String);

impl Recent {
    /// Reads what [`Recent::as_str`] writes.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if text.len() <= STOP_WINDOW as usize && text.bytes().all(|byte| matches!(byte, b'o' | b'f')) {
            return Self(text.to_owned());
        }
        let known = text.chars().filter(|c| matches!(c, 'o' | 'f')).collect::<Vec<_>>();
        Self(known.into_iter().rev().take(STOP_WINDOW as usize).rev().collect())
    }

    /// As SQL stores it: `o` for an entry that is done, `f` for one that failed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Notes an outcome. What was skipped says nothing of whether the job does any good.
    pub fn note(&mut self, failed: bool) {
        if self.0.len() >= STOP_WINDOW as usize {
            self.0.remove(0);
        }
        self.0.push(if failed { 'f' } else { 'o' });
    }

    /// Forgets everything: somebody has looked at it and lets the job go on.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Failures among them.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.0.matches('f').count()
    }

    /// Whether so many of them failed that the job stops.
    #[must_use]
    pub fn stops(&self, percent: i64) -> bool {
        let len = self.0.len();
        len >= STOP_WINDOW as usize && self.failures() as i64 * 100 >= percent * len as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_job_moves_only_by_being_taken_back_or_seen() {
        for state in JobState::ALL.into_iter().filter(|state| state.is_final()) {
            for change in JobChange::ALL {
                let may = match change {
                    JobChange::Acknowledge => true,
                    JobChange::Undo => matches!(state, JobState::Done | JobState::Cancelled),
                    _ => false,
                };
                assert_eq!(state.allows(change), may, "{state:?} {change:?}");
            }
        }
    }

    #[test]
    fn numbers_and_words_read_back() {
        for state in JobState::ALL {
            assert_eq!(JobState::of_number(state.number()), Some(state));
        }
        for change in JobChange::ALL {
            assert_eq!(JobChange::parse(change.as_str()), Some(change));
        }
    }

    #[test]
    fn a_job_stops_at_its_share_of_a_full_window_and_not_before() {
        let mut recent = Recent::default();
        for _ in 0..STOP_WINDOW - 1 {
            recent.note(true);
            assert!(!recent.stops(20), "the window is not full");
        }
        recent.note(true);
        assert!(recent.stops(20));
        for _ in 0..STOP_WINDOW - 3 {
            recent.note(false);
        }
        assert_eq!(recent.failures(), 3);
        assert!(!recent.stops(20), "3 of 20 are below a fifth");
        recent.note(true);
        assert_eq!((recent.failures(), recent.stops(20)), (3, false), "the oldest failure has left the window");
        let four = Recent::read("ffffoooooooooooooooo");
        assert!(four.stops(20) && !four.stops(25));
        recent.clear();
        assert_eq!(recent.as_str(), "");
    }
}
