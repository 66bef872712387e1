//! State of the audit table in its URL: `?filter=&after=&before=&rows=`, defaults left out.

use tidewatch_domain::page::Position;

use crate::pages::params::{self, BadParam, ListState, Params};

/// State of the audit table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Filter, position and length.
    pub list: ListState,
}

impl AuditQuery {
    /// Reads the state.
    ///
    /// # Errors
    /// The parameter that cannot be read.
    pub fn parse(params: &Params) -> Result<Self, BadParam> {
        Ok(Self { list: ListState::parse(params)? })
    }

    /// The query string of this state, with its `?`.
    #[must_use]
    pub fn print(&self) -> String {
        let mut pairs = Vec::new();
        self.list.print_into(&mut pairs);
        params::print(&pairs)
    }

    /// What the filter form keeps: the length.
    #[must_use]
    pub fn kept(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        self.with_filter("").list.print_into(&mut pairs);
        pairs
    }

    /// The same rows without a page, for an export.
    #[must_use]
    pub fn print_export(&self) -> String {
        Self { list: ListState { filter: self.list.filter.clone(), ..ListState::default() } }.print()
    }

    /// This state with another filter, from its first page.
    #[must_use]
    pub fn with_filter(&self, filter: impl Into<String>) -> Self {
        Self { list: ListState { filter: filter.into(), position: Position::Start, rows: self.list.rows } }
    }

    /// This state at another position.
    #[must_use]
    pub fn with_position(&self, position: Position) -> Self {
        Self { list: ListState { position, ..self.list.clone() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_reads_back_as_it_was_printed() {
        for raw in
            ["", "?filter=actor:user:maya%20-action:session_create&after=1200", "?filter=subject:user:jonas&before=9&rows=10"]
        {
            let state = AuditQuery::parse(&Params::parse(raw.trim_start_matches('?'))).expect(raw);
            assert_eq!(state.print(), raw);
        }
    }

    #[test]
    fn another_filter_starts_from_the_first_page() {
        let state = AuditQuery::parse(&Params::parse("filter=action:token_revoke&after=3")).expect("valid");
        assert_eq!(state.with_filter("").print(), "");
    }
}
