//! State of the overview in its URL: `?range=&compare=1`, defaults left out.

use tidewatch_domain::time::TimeRange;

use crate::pages::params::{BadParam, Params, parse_word};

/// What the URL asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Range of trends and figures.
    pub range: TimeRange,
    /// Whether the range before is shown too.
    pub compare: bool,
}

impl State {
    /// Reads the state.
    ///
    /// # Errors
    /// The parameter that cannot be read.
    pub(super) fn parse(params: &Params) -> Result<Self, BadParam> {
        let range = parse_word(params, "range", &TimeRange::ALL, TimeRange::as_str)?;
        let compare = parse_word(params, "compare", &[false, true], |on| if on { "1" } else { "0" })?;
        Ok(Self { range, compare })
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
