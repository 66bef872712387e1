//! The archive: where an intent whose payload is here stands, and which action leads where. One table of transitions, so that what a
//! page offers, what a preview counts and what the writer does cannot differ.

use super::DrainAction;

/// Where an archived intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArchiveState {
    /// Cannot succeed by itself.
    Poisoned,
    /// Settled: applied after all, or a conflict that a person decides.
    Done,
    /// Left where it is and not sent.
    Held,
    /// What waits behind it passes.
    Skipped,
    /// Taken out, can be put back.
    Quarantined,
    /// Given up, can be put back until retention.
    Discarded,
    /// Sent up by its device before it dropped its copy; not decided yet.
    Escrowed,
    /// A corrected copy took its place.
    Superseded,
    /// Given up longer ago than retention keeps it: the payload is in an export. Never stored as a state: the row stays in the state
    /// that it was purged from and names the run.
    Purged,
}

impl ArchiveState {
    /// Every state; the position is what SQL stores.
    pub const ALL: [Self; 9] = [
        Self::Poisoned,
        Self::Done,
        Self::Held,
        Self::Skipped,
        Self::Quarantined,
        Self::Discarded,
        Self::Escrowed,
        Self::Superseded,
        Self::Purged,
    ];

    /// As wire, audit rows and pages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Poisoned => "poisoned",
            Self::Done => "done",
            Self::Held => "held",
            Self::Skipped => "skipped",
            Self::Quarantined => "quarantined",
            Self::Discarded => "discarded",
            Self::Escrowed => "escrowed",
            Self::Superseded => "superseded",
            Self::Purged => "purged",
        }
    }

    /// What SQL stores.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// Reads [`ArchiveState::number`].
    #[must_use]
    pub fn of_number(number: i64) -> Option<Self> {
        super::of_number(&Self::ALL, number)
    }

    /// The same as the mirror counts states: the position in the list of states of entries. Poisoned, held, then what only this
    /// server knows: escrowed, quarantined, skipped, discarded, done.
    #[must_use]
    pub const fn mirror_number(self) -> i64 {
        match self {
            Self::Poisoned => 0,
            Self::Held => 2,
            Self::Escrowed => 6,
            Self::Quarantined => 7,
            Self::Skipped => 8,
            Self::Discarded | Self::Purged => 9,
            Self::Done | Self::Superseded => 10,
        }
    }

    /// Whether an action may be taken on an intent in this state.
    #[must_use]
    pub const fn allows(self, action: DrainAction) -> bool {
        match action {
            DrainAction::Retry | DrainAction::Patch | DrainAction::ToConflict => {
                matches!(self, Self::Poisoned | Self::Held | Self::Escrowed)
            }
            DrainAction::Hold => matches!(self, Self::Poisoned | Self::Escrowed),
            DrainAction::Skip => matches!(self, Self::Poisoned | Self::Held | Self::Escrowed),
            DrainAction::Quarantine => matches!(self, Self::Poisoned | Self::Held | Self::Skipped | Self::Escrowed),
            DrainAction::Discard => {
                matches!(self, Self::Poisoned | Self::Held | Self::Skipped | Self::Quarantined | Self::Escrowed)
            }
            DrainAction::Restore => matches!(self, Self::Held | Self::Skipped | Self::Quarantined | Self::Discarded),
        }
    }

    /// The state that an action leads to, when that is certain: a retry and a patch depend on the answer, a restore on where the
    /// intent came from.
    #[must_use]
    pub const fn after(action: DrainAction) -> Option<Self> {
        match action {
            DrainAction::Hold => Some(Self::Held),
            DrainAction::Skip => Some(Self::Skipped),
            DrainAction::Quarantine => Some(Self::Quarantined),
            DrainAction::Discard => Some(Self::Discarded),
            DrainAction::ToConflict => Some(Self::Done),
            DrainAction::Retry | DrainAction::Patch | DrainAction::Restore => None,
        }
    }

    /// Whether nothing more can be done with it.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Done | Self::Superseded | Self::Purged)
    }
}

/// How an intent came into the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArchiveOrigin {
    /// This server refused it.
    Refused,
    /// Its device reported it as a dead letter.
    Reported,
    /// Its device uploaded it when it was asked to.
    Uploaded,
    /// Its device sent it up before it dropped its copy.
    Escrowed,
}

impl ArchiveOrigin {
    /// Every origin; the position is what SQL stores.
    pub const ALL: [Self; 4] = [Self::Refused, Self::Reported, Self::Uploaded, Self::Escrowed];

    /// As exports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reported => "reported",
            Self::Uploaded => "uploaded",
            Self::Escrowed => "escrowed",
        }
    }

    /// What SQL stores.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// Reads [`ArchiveOrigin::number`].
    #[must_use]
    pub fn of_number(number: i64) -> Option<Self> {
        super::of_number(&Self::ALL, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_positions_and_read_back() {
        for (at, state) in ArchiveState::ALL.into_iter().enumerate() {
            assert_eq!(state.number(), at as i64, "{state:?}");
            assert_eq!(ArchiveState::of_number(state.number()), Some(state));
        }
        assert_eq!(ArchiveState::of_number(9), None);
        for (at, origin) in ArchiveOrigin::ALL.into_iter().enumerate() {
            assert_eq!((origin.number(), ArchiveOrigin::of_number(at as i64)), (at as i64, Some(origin)));
        }
    }

    #[test]
    fn what_is_closed_allows_nothing_and_everything_else_leads_somewhere() {
        for state in ArchiveState::ALL {
            let allowed = DrainAction::ALL.into_iter().filter(|action| state.allows(*action)).count();
            assert_eq!(allowed == 0, state.is_closed(), "{state:?}");
        }
    }

    #[test]
    fn an_action_never_leads_to_the_state_that_it_starts_from() {
        for state in ArchiveState::ALL {
            for action in DrainAction::ALL.into_iter().filter(|action| state.allows(*action)) {
                assert_ne!(ArchiveState::after(action), Some(state), "{action:?}");
            }
        }
    }
}
