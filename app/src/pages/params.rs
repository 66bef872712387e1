//! Query strings: the pairs of a URL, decoded once and in order, and their way back. A page's `query.rs` turns them into its own
//! state and prints that state again, defaults left out, so that one state has one address.
//!
//! Decoding is done here and not by the router, which decodes values twice.

use leptos::prelude::use_context;
use tidewatch_domain::page::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, Position};
use tidewatch_service::Error;

use crate::paths::{Query, decode};

/// The decoded pairs of a query string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

/// A parameter that cannot be read. The page says so at its place and answers 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadParam {
    /// The parameter, as the URL names it.
    pub field: &'static str,
    /// What is wrong with it, for people.
    pub detail: String,
}

impl From<BadParam> for Error {
    fn from(bad: BadParam) -> Self {
        Self::Invalid { field: bad.field, detail: bad.detail }
    }
}

impl Params {
    /// Those of this request.
    #[must_use]
    pub fn here() -> Self {
        use_context::<http::request::Parts>().and_then(|parts| parts.uri.query().map(Self::parse)).unwrap_or_default()
    }

    /// Reads a raw query string, without its `?`. Never fails: what is not an escape stays as it is.
    #[must_use]
    pub fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        });
        Self(pairs.collect())
    }

    /// The last value of a key; empty counts as absent, because a form sends its empty fields too.
    #[must_use]
    pub fn one(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Every non-empty value of a key, in order.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Whether a form left its marks: empty fields, or one name twice. Such a request is led to the address of its state.
    #[must_use]
    pub fn is_untidy(&self) -> bool {
        let twice = |at: usize, name: &str| self.0.iter().skip(at + 1).any(|(other, _)| other == name);
        self.0.iter().enumerate().any(|(at, (name, value))| value.trim().is_empty() || twice(at, name))
    }
}

/// Prints pairs as a query string with its `?`; empty when there are none.
#[must_use]
pub fn print(pairs: &[(&str, String)]) -> String {
    pairs.iter().fold(Query::new(), |query, (key, value)| query.with(key, value)).on("")
}

/// The part of its state that every list has: what is filtered, where the page starts, how many rows it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListState {
    /// The filter as typed, in one line.
    pub filter: String,
    /// Where the page starts.
    pub position: Position,
    /// Rows on the page, 1 to [`PAGE_ROWS_MAX`].
    pub rows: u32,
}

impl Default for ListState {
    fn default() -> Self {
        Self { filter: String::new(), position: Position::Start, rows: PAGE_ROWS_DEFAULT }
    }
}

impl ListState {
    /// Reads `filter` (several are joined: the form keeps the old filter in one field and adds from another), `after`, `before`, `rows`.
    ///
    /// # Errors
    /// `rows` that is no number of the range, or `after` together with `before`.
    pub fn parse(params: &Params) -> Result<Self, BadParam> {
        let filter = params.all("filter").collect::<Vec<_>>().join(" ");
        let position = match (params.one("after"), params.one("before")) {
            (None, None) => Position::Start,
            (Some(after), None) => Position::After(after.to_owned()),
            (None, Some(before)) => Position::Before(before.to_owned()),
            (Some(_), Some(_)) => return Err(BadParam { field: "after", detail: "cannot be used together with before".into() }),
        };
        Ok(Self { filter, position, rows: parse_rows(params)? })
    }

    /// The query string of this state, with its `?`.
    #[must_use]
    pub fn print(&self) -> String {
        print(&self.pairs())
    }

    /// What the filter form keeps: the length.
    #[must_use]
    pub fn kept(&self) -> Vec<(&'static str, String)> {
        self.with_filter("").pairs()
    }

    /// The same rows without a page, for an export.
    #[must_use]
    pub fn print_export(&self) -> String {
        Self { filter: self.filter.clone(), ..Self::default() }.print()
    }

    /// This state with another filter, from its first page.
    #[must_use]
    pub fn with_filter(&self, filter: impl Into<String>) -> Self {
        Self { filter: filter.into(), position: Position::Start, rows: self.rows }
    }

    /// This state at another position.
    #[must_use]
    pub fn with_position(&self, position: Position) -> Self {
        Self { position, ..self.clone() }
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        self.print_into(&mut pairs);
        pairs
    }

    /// Adds what differs from the default.
    pub fn print_into(&self, pairs: &mut Vec<(&'static str, String)>) {
        if !self.filter.is_empty() {
            pairs.push(("filter", self.filter.clone()));
        }
        match &self.position {
            Position::Start => {}
            Position::After(key) => pairs.push(("after", key.clone())),
            Position::Before(key) => pairs.push(("before", key.clone())),
        }
        if self.rows != PAGE_ROWS_DEFAULT {
            pairs.push(("rows", self.rows.to_string()));
        }
    }
}

fn parse_rows(params: &Params) -> Result<u32, BadParam> {
    let Some(text) = params.one("rows") else { return Ok(PAGE_ROWS_DEFAULT) };
    text.parse()
        .ok()
        .filter(|rows| (1..=PAGE_ROWS_MAX).contains(rows))
        .ok_or_else(|| BadParam { field: "rows", detail: format!("must be a number from 1 to {PAGE_ROWS_MAX}") })
}

/// One of a closed list of words, or the default when absent.
///
/// # Errors
/// A word that is not on the list; the detail names those that are.
pub fn parse_word<T: Copy + Default>(
    params: &Params,
    field: &'static str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Result<T, BadParam> {
    let Some(text) = params.one(field) else { return Ok(T::default()) };
    all.iter().copied().find(|value| word(*value) == text).ok_or_else(|| {
        let words = all.iter().map(|value| word(*value)).collect::<Vec<_>>().join(", ");
        BadParam { field, detail: format!("must be one of {words}") }
    })
}

#[cfg(test)]
mod tests;
