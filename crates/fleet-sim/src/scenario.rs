//! What kind of week the simulated fleet has.

/// A scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scenario {
    /// Offline nights, a few conflicts.
    Ordinary,
    /// One device in twenty-five runs a release that writes a field of new records as text: its queue jams.
    #[default]
    BadRelease,
    /// One site goes silent as a whole; its mesh stays up.
    DarkDepot,
    /// One device in five has a clock that runs minutes fast.
    FastClocks,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 4] = [Self::Ordinary, Self::BadRelease, Self::DarkDepot, Self::FastClocks];

    /// As the command line writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::BadRelease => "bad_release",
            Self::DarkDepot => "dark_depot",
            Self::FastClocks => "fast_clocks",
        }
    }

    /// Reads what [`Scenario::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.as_str() == text)
    }
}
