//! Reads the members of an object and names the one at fault by its path, e.g. `outbox.entries[2].state`.
//!
//! `null` is the same as absent throughout. No message repeats a value: values are payload.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use tidewatch_domain::time::Millis;

use crate::problem::FieldError;

type Read<T> = Result<T, FieldError>;

/// The members of one object.
#[derive(Clone, Debug)]
pub struct Members<'v> {
    map: &'v Map<String, Value>,
    path: String,
}

impl<'v> Members<'v> {
    /// The members of a value that must be an object; `path` is its own name, empty for the outermost.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(value: &'v Value, path: impl Into<String>) -> Read<Self> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ => Err(FieldError::new(if path.is_empty() { "$".to_owned() } else { path }, "must be an object")),
        }
    }

    /// The path of a member.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A fault of a member.
    #[must_use]
    pub fn fault(&self, name: &str, detail: impl Into<String>) -> FieldError {
        FieldError::new(self.path(name), detail)
    }

    /// The fault of a member that is not there.
    #[must_use]
    pub fn missing(&self, name: &str) -> FieldError {
        self.fault(name, "is required")
    }

    /// The names of all members.
    pub fn names(&self) -> impl Iterator<Item = &'v str> {
        self.map.keys().map(String::as_str)
    }

    /// A member of any kind.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'v Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// Text of at most `max` bytes.
    ///
    /// # Errors
    /// When it is something else, or longer.
    pub fn text(&self, name: &str, max: usize) -> Read<Option<&'v str>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= max => Ok(Some(text)),
            Some(Value::String(_)) => Err(self.fault(name, format!("must have at most {max} bytes"))),
            Some(_) => Err(self.fault(name, "must be a string")),
        }
    }

    /// [`Members::text`], which must be there and not empty.
    ///
    /// # Errors
    /// When it is not.
    pub fn text_required(&self, name: &str, max: usize) -> Read<&'v str> {
        self.text(name, max)?.filter(|text| !text.is_empty()).ok_or_else(|| self.missing(name))
    }

    /// Text kept as it is.
    ///
    /// # Errors
    /// As [`Members::text`].
    pub fn text_owned(&self, name: &str, max: usize) -> Read<Option<String>> {
        Ok(self.text(name, max)?.map(str::to_owned))
    }

    /// An integer within a range.
    ///
    /// # Errors
    /// When it is something else, or outside.
    pub fn integer(&self, name: &str, range: RangeInclusive<i64>) -> Read<Option<i64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let number = value.as_i64().or_else(|| value.as_f64().and_then(whole));
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            Some(_) => Err(self.fault(name, format!("must be within {} and {}", range.start(), range.end()))),
            None => Err(self.fault(name, "must be an integer")),
        }
    }

    /// A number within a range.
    ///
    /// # Errors
    /// When it is something else, or outside.
    pub fn number(&self, name: &str, range: RangeInclusive<f64>) -> Read<Option<f64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match value.as_f64() {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            Some(_) if *range.end() == f64::MAX => Err(self.fault(name, format!("must be at least {}", range.start()))),
            Some(_) => Err(self.fault(name, format!("must be within {} and {}", range.start(), range.end()))),
            None => Err(self.fault(name, "must be a number")),
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self, name: &str) -> Read<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.fault(name, "must be true or false")),
        }
    }

    /// An RFC 3339 instant.
    ///
    /// # Errors
    /// When it is something else.
    pub fn instant(&self, name: &str) -> Read<Option<Millis>> {
        let Some(text) = self.text(name, 64)? else { return Ok(None) };
        Millis::parse_rfc3339(text).map(Some).ok_or_else(|| self.fault(name, "must be an RFC 3339 timestamp"))
    }

    /// An object, as members.
    ///
    /// # Errors
    /// When it is something else.
    pub fn object(&self, name: &str) -> Read<Option<Members<'v>>> {
        self.value(name).map(|value| Members::of(value, self.path(name))).transpose()
    }

    /// An object, as a map.
    ///
    /// # Errors
    /// When it is something else.
    pub fn map(&self, name: &str) -> Read<Option<&'v Map<String, Value>>> {
        Ok(self.object(name)?.map(|members| members.map))
    }

    /// A list of at most `max` items.
    ///
    /// # Errors
    /// When it is something else, or longer.
    pub fn list(&self, name: &str, max: usize) -> Read<Option<&'v [Value]>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(items)) if items.len() <= max => Ok(Some(items)),
            Some(Value::Array(_)) => Err(self.fault(name, format!("must have at most {max} items"))),
            Some(_) => Err(self.fault(name, "must be an array")),
        }
    }

    /// A list of at most `max` texts of at most `bytes` each.
    ///
    /// # Errors
    /// When it is something else.
    pub fn texts(&self, name: &str, max: usize, bytes: usize) -> Read<Vec<String>> {
        let items = self.list(name, max)?.unwrap_or_default();
        let text = |(at, item): (usize, &Value)| match item {
            Value::String(text) if text.len() <= bytes => Ok(text.clone()),
            _ => Err(self.fault(&format!("{name}[{at}]"), format!("must be a string of at most {bytes} bytes"))),
        };
        items.iter().enumerate().map(text).collect()
    }
}

/// 5.0 is the integer 5: JSON has one kind of number.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the strict reader lets no number beyond 2^53 - 1 in")]
    (number.fract() == 0.0 && number.abs() < 9.1e15).then_some(number as i64)
}
