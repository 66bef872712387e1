//! Natural keys with a tolerance: what makes two records the same thing, although two devices gave them two ids.
//!
//! "Within one second" is no equivalence (10 and 11, 11 and 12, but not 10 and 12), so it cannot be a bucket: only anchors are
//! kept, and a new record is the same thing as the first anchor in the order of the log that is near enough.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::PolicyError;
use super::read::wrong;
use crate::digest::{Hash, content_hash};
use crate::json::value_text;
use crate::patch::is_encrypted;
use crate::sync::Body;
use crate::time::Millis;

/// What the name of a blind index adds to that of its encrypted field.
const BLIND_INDEX: &str = "_bidx";
/// Most fields of a natural key.
const FIELDS_MAX: usize = 16;
/// Largest tolerance.
const TOLERANCE_MAX: i64 = 1_000_000;
/// Numbers from here on are milliseconds, below it seconds.
const MILLISECONDS_FROM: f64 = 1e11;

/// Which fields make a natural key, and how they are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NaturalKey {
    /// Fields that must be equal.
    exact: Vec<String>,
    /// The field that may differ, and by how much.
    tolerance: Option<(String, i64)>,
    /// How fields are brought into one form first.
    normalise: BTreeMap<String, Normal>,
}

/// How a value is brought into one form.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Normal {
    /// A telephone number in the form of E.164, with the country of national ones.
    Phone(Option<String>),
    /// An instant in whole seconds.
    Second,
    /// Text without outer space and without case.
    Text,
}

/// The natural key of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NaturalValue {
    /// Hash of the fields that must be equal.
    pub exact: Hash,
    /// The field that may differ; 0 when there is none.
    pub near: i64,
}

impl NaturalKey {
    /// The key of a body in a scope; none when a field of it is missing: then nothing can be said to be the same.
    #[must_use]
    pub fn of(&self, scope: &str, body: &Body) -> Option<NaturalValue> {
        let mut parts = vec![Value::from(scope)];
        for field in &self.exact {
            parts.push(self.part(field, body)?);
        }
        let near = match &self.tolerance {
            Some((field, _)) => whole(&self.normal(field, body.get(field)?)?)?,
            None => 0,
        };
        Some(NaturalValue { exact: content_hash(Some(&value_text(&Value::Array(parts)))), near })
    }

    /// How far two keys may be apart.
    #[must_use]
    pub fn reach(&self) -> i64 {
        self.tolerance.as_ref().map_or(0, |(_, reach)| *reach)
    }

    /// What a field that must be equal counts as: its blind index where the record has one, for an encrypted value is another one
    /// each time that it is written. Without a blind index it is equal to nothing.
    fn part(&self, field: &str, body: &Body) -> Option<Value> {
        let blind =
            body.get(&format!("{field}{BLIND_INDEX}")).filter(|value| !value.is_null() && !crate::decide::is_unset(value));
        match blind {
            Some(blind) => Some(json!({"$bidx": blind})),
            None => self.normal(field, body.get(field).filter(|value| !is_encrypted(value))?),
        }
    }

    fn normal(&self, field: &str, value: &Value) -> Option<Value> {
        if value.is_null() || crate::decide::is_unset(value) {
            return None;
        }
        match self.normalise.get(field) {
            None => Some(value.clone()),
            Some(Normal::Phone(country)) => Some(phone(value, country.as_deref())),
            Some(Normal::Second) => second(value).map(Value::from),
            Some(Normal::Text) => Some(value.as_str().map_or_else(|| value.clone(), |text| text.trim().to_lowercase().into())),
        }
    }
}

/// A number of a record, whole.
fn whole(value: &Value) -> Option<i64> {
    let number = value.as_f64().filter(|number| number.abs() < 9e15)?;
    #[expect(clippy::cast_possible_truncation, reason = "rounded, and within 2^53")]
    Some(value.as_i64().unwrap_or(number.round() as i64))
}

/// `+` and digits; what holds no digit stays as it is.
fn phone(value: &Value, country: Option<&str>) -> Value {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return value.clone(),
    };
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() {
        return value.clone();
    }
    let international = text.trim_start().starts_with('+');
    let number = match (international, digits.strip_prefix("00"), digits.strip_prefix('0'), country) {
        (true, ..) => format!("+{digits}"),
        (false, Some(rest), ..) => format!("+{rest}"),
        (false, None, Some(national), Some(country)) => format!("+{country}{national}"),
        (false, None, ..) => digits,
    };
    number.into()
}

/// Whole seconds since 1970, of an RFC 3339 text or a number of seconds or milliseconds.
fn second(value: &Value) -> Option<i64> {
    if let Some(text) = value.as_str() {
        return Millis::parse_rfc3339(text).map(|at| at.0.div_euclid(1_000));
    }
    let number = value.as_f64().filter(|number| number.abs() < 9e15)?;
    let seconds = if number.abs() >= MILLISECONDS_FROM { number / 1_000.0 } else { number };
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53")]
    Some(seconds.floor() as i64)
}

/// Reads `{"exact": […], "tolerance": {"duration": 1}, "normalise": {"number": "phone:49", "ts": "second", "name": "text"}}`.
pub(super) fn natural_read(value: Option<&Value>) -> Result<Option<NaturalKey>, PolicyError> {
    let Some(value) = value else { return Ok(None) };
    let members = value.as_object().ok_or_else(|| wrong("natural_key", "must be an object"))?;
    if let Some(unknown) = members.keys().find(|name| !["exact", "tolerance", "normalise"].contains(&name.as_str())) {
        return Err(wrong(&format!("natural_key.{unknown}"), "is not known"));
    }
    let exact = members.get("exact").and_then(Value::as_array).filter(|list| (1..=FIELDS_MAX).contains(&list.len()));
    let exact = exact.ok_or_else(|| wrong("natural_key.exact", format!("must be a list of 1 to {FIELDS_MAX} fields")))?;
    let field = |field: &Value| field.as_str().map(str::to_owned).ok_or_else(|| wrong("natural_key.exact", "must hold texts"));
    let exact = exact.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    let normalise = normalise_read(members.get("normalise"))?;
    Ok(Some(NaturalKey { exact, tolerance: tolerance_read(members.get("tolerance"))?, normalise }))
}

fn tolerance_read(value: Option<&Value>) -> Result<Option<(String, i64)>, PolicyError> {
    let Some(value) = value else { return Ok(None) };
    let member = value.as_object().filter(|members| members.len() == 1).and_then(|members| members.iter().next());
    let (field, reach) = member.ok_or_else(|| wrong("natural_key.tolerance", "must be an object with one field"))?;
    let reach = reach.as_i64().filter(|reach| (0..=TOLERANCE_MAX).contains(reach));
    let problem = || wrong(&format!("natural_key.tolerance.{field}"), format!("must be a whole number up to {TOLERANCE_MAX}"));
    Ok(Some((field.clone(), reach.ok_or_else(problem)?)))
}

fn normalise_read(value: Option<&Value>) -> Result<BTreeMap<String, Normal>, PolicyError> {
    let Some(value) = value else { return Ok(BTreeMap::new()) };
    let members = value.as_object().ok_or_else(|| wrong("natural_key.normalise", "must be an object"))?;
    let normal = |(field, value): (&String, &Value)| {
        let country = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let normal = match value.as_str() {
            Some("phone") => Normal::Phone(None),
            Some("second") => Normal::Second,
            Some("text") => Normal::Text,
            Some(text) => match text.strip_prefix("phone:").filter(|text| country(text)) {
                Some(country) => Normal::Phone(Some(country.to_owned())),
                None => return Err(normal_wrong(field)),
            },
            None => return Err(normal_wrong(field)),
        };
        Ok((field.clone(), normal))
    };
    members.iter().map(normal).collect()
}

fn normal_wrong(field: &str) -> PolicyError {
    wrong(&format!("natural_key.normalise.{field}"), "must be phone, phone: and the digits of a country, second or text")
}
