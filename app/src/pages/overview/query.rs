//! State of the overview in its URL: range and comparison. Defaults are left out; an unknown value falls back to the default.

use tidewatch_domain::time::TimeRange;

use crate::pages::query;

/// What the URL asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Range of trends and figures.
    pub range: TimeRange,
    /// Whether the range before is shown too.
    pub compare: bool,
}

impl State {
    /// Of the page that is rendered.
    pub(super) fn of_page() -> Self {
        Self { range: TimeRange::parse(&query("range")).unwrap_or_default(), compare: query("compare") == "1" }
    }

    /// The range as a sentence says it.
    pub(super) const fn range_words(self) -> &'static str {
        match self.range {
            TimeRange::Hour => "hour",
            TimeRange::SixHours => "6 hours",
            TimeRange::Day => "24 hours",
            TimeRange::Week => "7 days",
            TimeRange::Month => "30 days",
        }
    }
}

/// The range as its segment says it.
pub(super) const fn range_label(range: TimeRange) -> &'static str {
    match range {
        TimeRange::Hour => "1\u{a0}h",
        TimeRange::SixHours => "6\u{a0}h",
        TimeRange::Day => "24\u{a0}h",
        TimeRange::Week => "7\u{a0}d",
        TimeRange::Month => "30\u{a0}d",
    }
}
