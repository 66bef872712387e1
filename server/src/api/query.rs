//! Query parameters: each one is known, stands once, and is named when it is wrong.

use axum::extract::Query;
use axum::http::Uri;
use tidewatch_domain::page::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, Position};

use crate::api::error::{Answer, Refusal};

/// The parameters of one request. Taking them all and then calling [`Params::done`] proves that none was ignored.
#[derive(Debug)]
pub struct Params {
    left: Vec<(String, String)>,
}

impl Params {
    /// The parameters of this address.
    ///
    /// # Errors
    /// When it is not percent-encoded UTF-8, or a parameter stands twice.
    pub fn of(uri: &Uri) -> Answer<Self> {
        let Query(left) =
            Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| Refusal::query("query", "is not a query string"))?;
        for (at, (name, _)) in left.iter().enumerate() {
            if left[..at].iter().any(|(other, _)| other == name) {
                return Err(Refusal::query(name.clone(), "stands more than once"));
            }
        }
        Ok(Self { left })
    }

    /// Takes a parameter out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.left.iter().position(|(other, _)| other == name)?;
        Some(self.left.swap_remove(at).1)
    }

    /// Takes an integer within a range.
    ///
    /// # Errors
    /// When it is something else, or outside.
    pub fn take_integer(&mut self, name: &str, range: std::ops::RangeInclusive<u32>) -> Answer<Option<u32>> {
        let Some(text) = self.take(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(Refusal::query(name, format!("must be an integer within {} and {}", range.start(), range.end()))),
        }
    }

    /// Takes `true` or `false`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn take_flag(&mut self, name: &str) -> Answer<Option<bool>> {
        match self.take(name).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Refusal::query(name, "must be true or false")),
        }
    }

    /// Takes a list separated by commas.
    ///
    /// # Errors
    /// When it has more than `max` items, or one that `read` refuses.
    pub fn take_list<T, E: ToString>(&mut self, name: &str, max: usize, read: impl Fn(&str) -> Result<T, E>) -> Answer<Vec<T>> {
        let Some(text) = self.take(name).filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
        if text.split(',').count() > max {
            return Err(Refusal::query(name, format!("must have at most {max} items")));
        }
        text.split(',').map(|item| read(item).map_err(|error| Refusal::query(name, error.to_string()))).collect()
    }

    /// Takes `limit`, `after` and `before`.
    ///
    /// # Errors
    /// When one is wrong, or both positions are there.
    pub fn take_page(&mut self) -> Answer<(Position, u32)> {
        let rows = self.take_integer("limit", 1..=PAGE_ROWS_MAX)?.unwrap_or(PAGE_ROWS_DEFAULT);
        match (self.take("after"), self.take("before")) {
            (Some(_), Some(_)) => Err(Refusal::query("before", "and `after` exclude each other")),
            (Some(after), None) => Ok((Position::After(after), rows)),
            (None, Some(before)) => Ok((Position::Before(before), rows)),
            (None, None) => Ok((Position::Start, rows)),
        }
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// Names the first parameter that is left.
    pub fn done(self) -> Answer<()> {
        match self.left.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(Refusal::query(name, "is not a parameter of this route")),
        }
    }
}
