//! State of a device's pages in their URLs. Each tab is an address of its own; each keeps its own parameters:
//! the timeline `?kind=&after=&before=`, the outbox `?state=&after=&before=`, metrics `?range=`.

use tidewatch_domain::fleet::TimelineKind;
use tidewatch_domain::page::Position;
use tidewatch_domain::report::EntryState;
use tidewatch_domain::time::TimeRange;

use crate::pages::params::{self, BadParam, ListState, Params};

/// The kinds that the timeline can be narrowed to. What people did to a device joins with the first action on one.
pub const TIMELINE_KINDS: [TimelineKind; 2] = [TimelineKind::Sync, TimelineKind::Conflict];

/// State of the timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimelineQuery {
    /// Only this kind.
    pub kind: Option<TimelineKind>,
    /// Position and length; the timeline has no filter.
    pub list: ListState,
}

/// State of the outbox tab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboxQuery {
    /// Only this state.
    pub state: Option<EntryState>,
    /// Position and length; the outbox has no filter yet.
    pub list: ListState,
}

/// State of the metrics tab.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricsQuery {
    /// Over which time.
    pub range: TimeRange,
}

impl TimelineQuery {
    /// Reads the state.
    ///
    /// # Errors
    /// The parameter that cannot be read.
    pub fn parse(params: &Params) -> Result<Self, BadParam> {
        let all = TIMELINE_KINDS.map(Some);
        let kind = params::parse_word(params, "kind", &all, |kind| kind.map_or("", TimelineKind::as_str))?;
        Ok(Self { kind, list: unfiltered(params)? })
    }

    /// The query string of this state, with its `?`.
    #[must_use]
    pub fn print(&self) -> String {
        print_list("kind", self.kind.map(TimelineKind::as_str), &self.list)
    }

    /// Another kind, from its first page.
    #[must_use]
    pub fn with_kind(&self, kind: Option<TimelineKind>) -> Self {
        Self { kind, list: self.list.with_position(Position::Start) }
    }

    /// Another position.
    #[must_use]
    pub fn with_position(&self, position: Position) -> Self {
        Self { kind: self.kind, list: self.list.with_position(position) }
    }
}

impl OutboxQuery {
    /// Reads the state.
    ///
    /// # Errors
    /// The parameter that cannot be read.
    pub fn parse(params: &Params) -> Result<Self, BadParam> {
        let all = EntryState::ALL.map(Some);
        let state = params::parse_word(params, "state", &all, |state| state.map_or("", EntryState::as_str))?;
        Ok(Self { state, list: unfiltered(params)? })
    }

    /// The query string of this state, with its `?`.
    #[must_use]
    pub fn print(&self) -> String {
        print_list("state", self.state.map(EntryState::as_str), &self.list)
    }

    /// Another entry state, from its first page.
    #[must_use]
    pub fn with_state(&self, state: Option<EntryState>) -> Self {
        Self { state, list: self.list.with_position(Position::Start) }
    }

    /// Another position.
    #[must_use]
    pub fn with_position(&self, position: Position) -> Self {
        Self { state: self.state, list: self.list.with_position(position) }
    }
}

impl MetricsQuery {
    /// Reads the state.
    ///
    /// # Errors
    /// The parameter that cannot be read.
    pub fn parse(params: &Params) -> Result<Self, BadParam> {
        Ok(Self { range: params::parse_word(params, "range", &TimeRange::ALL, TimeRange::as_str)? })
    }

    /// The query string of this state, with its `?`.
    #[must_use]
    pub fn print(self) -> String {
        if self.range == TimeRange::default() {
            String::new()
        } else {
            params::print(&[("range", self.range.as_str().to_owned())])
        }
    }
}

fn unfiltered(params: &Params) -> Result<ListState, BadParam> {
    Ok(ListState { filter: String::new(), ..ListState::parse(params)? })
}

fn print_list(key: &'static str, word: Option<&'static str>, list: &ListState) -> String {
    let mut pairs: Vec<_> = word.into_iter().map(|word| (key, word.to_owned())).collect();
    list.print_into(&mut pairs);
    params::print(&pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_state_and_range_reads_back_as_it_was_printed() {
        let read = |printed: &str| Params::parse(printed.trim_start_matches('?'));
        for kind in TIMELINE_KINDS.into_iter().map(Some).chain([None]) {
            let state = TimelineQuery::default().with_kind(kind).with_position(Position::After("k".into()));
            assert_eq!(TimelineQuery::parse(&read(&state.print())), Ok(state));
        }
        for entry_state in EntryState::ALL.into_iter().map(Some).chain([None]) {
            let state = OutboxQuery::default().with_state(entry_state).with_position(Position::Before("k".into()));
            assert_eq!(OutboxQuery::parse(&read(&state.print())), Ok(state));
        }
        for range in TimeRange::ALL {
            let state = MetricsQuery { range };
            assert_eq!(MetricsQuery::parse(&read(&state.print())), Ok(state));
        }
    }

    #[test]
    fn unknown_words_are_refused_with_those_that_are_known() {
        let bad = MetricsQuery::parse(&Params::parse("range=2d")).expect_err("unknown");
        assert_eq!((bad.field, bad.detail.as_str()), ("range", "must be one of 1h, 6h, 24h, 7d, 30d"));
        assert_eq!(OutboxQuery::parse(&Params::parse("state=lost")).expect_err("unknown").field, "state");
        assert_eq!(TimelineQuery::parse(&Params::parse("kind=x")).expect_err("unknown").field, "kind");
    }
}
