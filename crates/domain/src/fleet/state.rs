//! The words and figures of one device's state: the two axes, drift with its gates, scores.

/// Health, the first axis (`control.md` 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// Does its work.
    Healthy,
    /// In trouble that may pass by itself.
    Degraded,
    /// In trouble that will not.
    Failing,
    /// Not enough is known.
    Unknown,
}

impl Health {
    /// Every value, worst first.
    pub const ALL: [Self; 4] = [Self::Failing, Self::Degraded, Self::Unknown, Self::Healthy];

    /// As URL and SQL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Unknown => "unknown",
        }
    }
}

/// The condition behind a health: the word that pages show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    /// Rejected entries, or pushes not acknowledged for two hours.
    Stuck,
    /// Nothing pending, yet the digest differs.
    Diverged,
    /// Fails, and retries by itself.
    Stalling,
    /// Stopped by a person.
    Held,
    /// No recent report.
    Unknown,
    /// Behind, and coming closer.
    CatchingUp,
    /// Digest verified identical, or nothing pending and nothing behind.
    Converged,
}

impl Condition {
    /// Every condition, worst first.
    pub const ALL: [Self; 7] =
        [Self::Stuck, Self::Diverged, Self::Stalling, Self::Held, Self::Unknown, Self::CatchingUp, Self::Converged];

    /// As URL and SQL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::Diverged => "diverged",
            Self::Stalling => "stalling",
            Self::Held => "held",
            Self::Unknown => "unknown",
            Self::CatchingUp => "catching_up",
            Self::Converged => "converged",
        }
    }

    /// In words, sentence case.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stuck => "Stuck",
            Self::Diverged => "Diverged",
            Self::Stalling => "Stalling",
            Self::Held => "Held",
            Self::Unknown => "Unknown",
            Self::CatchingUp => "Catching up",
            Self::Converged => "Converged",
        }
    }

    /// The axis value it stands for.
    #[must_use]
    pub const fn health(self) -> Health {
        match self {
            Self::Stuck | Self::Diverged => Health::Failing,
            Self::Stalling | Self::Held => Health::Degraded,
            Self::Unknown => Health::Unknown,
            Self::CatchingUp | Self::Converged => Health::Healthy,
        }
    }

    /// Reads what [`Condition::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.as_str() == text)
    }
}

/// Contact, the second axis: against the device's own rhythm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contact {
    /// Within its own usual interval.
    Active,
    /// Later than usual, not yet overdue.
    Quiet,
    /// Past its expected contact (three times its median gap, 15 min at least).
    Overdue,
    /// Not seen for 30 days.
    Lost,
    /// Enrolled, never once in contact since.
    Never,
}

impl Contact {
    /// Every value, worst first.
    pub const ALL: [Self; 5] = [Self::Lost, Self::Overdue, Self::Never, Self::Quiet, Self::Active];

    /// As URL and SQL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Quiet => "quiet",
            Self::Overdue => "overdue",
            Self::Lost => "lost",
            Self::Never => "never",
        }
    }

    /// Reads what [`Contact::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contact| contact.as_str() == text)
    }
}

/// The four causes of drift, in the order of the gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DriftCause {
    /// No contact since the expected one.
    NotConnected,
    /// Contact, but no progress of its pulls while its scopes moved.
    NotPulling,
    /// The cursor advances at the server, the reported one does not.
    NotApplying,
    /// Attempts seen, the oldest pending operation does not move.
    NotAcknowledged,
}

impl DriftCause {
    /// The gates, in order.
    pub const ALL: [Self; 4] = [Self::NotConnected, Self::NotPulling, Self::NotApplying, Self::NotAcknowledged];

    /// As URL and SQL write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::NotPulling => "not_pulling",
            Self::NotApplying => "not_applying",
            Self::NotAcknowledged => "not_acknowledged",
        }
    }

    /// In words.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotConnected => "Not connected",
            Self::NotPulling => "Connected, not pulling",
            Self::NotApplying => "Pulling, not applying",
            Self::NotAcknowledged => "Pushed, not acknowledged",
        }
    }

    /// Reads what [`DriftCause::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

/// How long a device has not been proven equal to the store, split by cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Longest of the gates; `None` when never proven and nothing is known.
    pub age_ms: Option<i64>,
    /// The first gate that is shut.
    pub cause: Option<DriftCause>,
    /// One gate per cause, in the order of [`DriftCause::ALL`].
    pub gates: [Gate; 4],
}

/// One gate of drift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Which.
    pub cause: DriftCause,
    /// How long it has been shut; 0 when open, `None` when it cannot be told.
    pub shut_ms: Option<i64>,
    /// The fact behind it, one short sentence.
    pub note: String,
}

/// A score with the share of its inputs that was reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// 0 to 100; `None` below a coverage of 0.5 ("not enough data").
    pub value: Option<f64>,
    /// Share of the weight that was present, 0 to 1.
    pub coverage: f64,
}

/// The device score and its four groups (seed 000's weighting 0.3, 0.3, 0.2, 0.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// All groups.
    pub total: Score,
    /// Weight 0.3.
    pub connectivity: Score,
    /// Weight 0.3.
    pub offline_resilience: Score,
    /// Weight 0.2.
    pub battery: Score,
    /// Weight 0.2.
    pub user_experience: Score,
}
