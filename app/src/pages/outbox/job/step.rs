//! The steps that a person can take with a drain, as its forms name them.

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Agree, as the second person.
    Approve,
    /// Disagree.
    Refuse,
    /// Begin nothing more for now.
    Pause,
    /// Go on.
    Resume,
    /// End it here.
    Cancel,
    /// Take back what can be taken back.
    Undo,
    /// Say that its end was seen.
    Acknowledge,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 7] =
        [Self::Approve, Self::Refuse, Self::Pause, Self::Resume, Self::Cancel, Self::Undo, Self::Acknowledge];

    /// As a form writes it.
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

    /// Reads what [`Step::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }

    /// Whether it asks for a remark first.
    #[must_use]
    pub const fn wants_remark(self) -> bool {
        !matches!(self, Self::Resume | Self::Acknowledge)
    }
}
