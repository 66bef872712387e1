//! JSON as the protocol means it: canonical text (RFC 8785), I-JSON bounds, and cutting members out of canonical text.
//!
//! Every body is kept as canonical text, so equal text, equal hash and equal content are one thing.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::sync::Body;

/// The largest integer that every JSON reader keeps: 2^53 - 1.
pub const INTEGER_MAX: i64 = 9_007_199_254_740_991;
/// Deepest nesting of a body.
pub const DEPTH_MAX: usize = 32;

/// Why a value cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonRefusal {
    /// An integer beyond 2^53 - 1 either way.
    #[error("number_out_of_range")]
    NumberOutOfRange,
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("nested too deep")]
    TooDeep,
}

/// Checks the bounds of every value of a body.
///
/// # Errors
/// The first bound that is broken.
pub fn body_check(body: &Body) -> Result<(), JsonRefusal> {
    body.values().try_for_each(|value| value_check(value, 1))
}

fn value_check(value: &Value, depth: usize) -> Result<(), JsonRefusal> {
    if depth > DEPTH_MAX {
        return Err(JsonRefusal::TooDeep);
    }
    match value {
        Value::Number(number) => number_check(number),
        Value::Array(items) => items.iter().try_for_each(|item| value_check(item, depth + 1)),
        Value::Object(members) => members.values().try_for_each(|member| value_check(member, depth + 1)),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

fn number_check(number: &serde_json::Number) -> Result<(), JsonRefusal> {
    let fits = match (number.as_i64(), number.as_u64()) {
        (Some(integer), _) => (-INTEGER_MAX..=INTEGER_MAX).contains(&integer),
        (None, Some(_)) => false,
        (None, None) => true,
    };
    if fits { Ok(()) } else { Err(JsonRefusal::NumberOutOfRange) }
}

/// Canonical text of a body.
#[must_use]
pub fn body_text(body: &Body) -> String {
    let mut out = String::with_capacity(body.len() * 24 + 2);
    write_body(&mut out, body);
    out
}

/// Canonical text of any value.
#[must_use]
pub fn value_text(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

/// Appends the canonical text of a body.
pub fn write_body(out: &mut String, body: &Body) {
    write_body_without(out, body, &[]);
}

/// Appends the canonical text of a body without some of its members.
pub fn write_body_without(out: &mut String, body: &Body, without: &[&str]) {
    let start = out.len();
    if !write_members(out, body.iter(), without, true) {
        out.truncate(start);
        let mut members: Vec<(&String, &Value)> = body.iter().collect();
        members.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
        write_members(out, members.into_iter(), without, false);
    }
}

/// Writes members as they come. With `checked`, only while that is surely the canonical order: the order of bytes and that of UTF-16
/// can differ beyond ASCII.
fn write_members<'a>(
    out: &mut String,
    members: impl Iterator<Item = (&'a String, &'a Value)>,
    without: &[&str],
    checked: bool,
) -> bool {
    let mut last: Option<&str> = None;
    out.push('{');
    for (name, value) in members {
        if checked && (!name.is_ascii() || last.is_some_and(|last| last >= name.as_str())) {
            return false;
        }
        last = Some(name);
        if without.contains(&name.as_str()) {
            continue;
        }
        if !out.ends_with('{') {
            out.push(',');
        }
        write_text(out, name);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
    true
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => write_body(out, members),
    }
}

fn write_number(out: &mut String, number: &serde_json::Number) {
    match number.as_i64() {
        Some(integer) if (-INTEGER_MAX..=INTEGER_MAX).contains(&integer) => {
            write!(out, "{integer}").expect("a string takes any text");
        }
        // JSON has one kind of number, a double, and RFC 8785 prints it as JavaScript does.
        _ => out.push_str(ryu_js::Buffer::new().format_finite(number.as_f64().expect("a JSON number is a double"))),
    }
}

/// Appends a JSON string literal, escaped as `JSON.stringify` does.
pub fn write_text(out: &mut String, text: &str) {
    out.push('"');
    if is_plain(text) {
        out.push_str(text);
    } else {
        write_escaped(out, text);
    }
    out.push('"');
}

/// Whether a text needs no escape. Looks at every byte, so that the compiler can look at many at once.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}

fn write_escaped(out: &mut String, text: &str) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            b'\t' => "\\t",
            b'\n' => "\\n",
            0x0c => "\\f",
            b'\r' => "\\r",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if escape.is_empty() {
            write!(out, "\\u{byte:04x}").expect("a string takes any text");
        } else {
            out.push_str(escape);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
}

/// Order of two numbers or of two texts; nothing else has one.
#[must_use]
pub fn value_order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        _ => None,
    }
}

/// Appends an object of the members of the canonical text of a body that `array` names, a canonical JSON array of strings, in its
/// order and without reading the values. A name that is not there comes as removed (`{"$unset":true}`).
pub fn members_pick(out: &mut String, text: &str, array: &str) {
    let (start, mut members) = (out.len(), members_of(text));
    // Both are in canonical order nearly always: what comes next stands behind what was found last, and nothing is missing.
    let in_order = members_write(out, array, |name| Some(members.find(|(key, _)| *key == name)?.1));
    if !in_order {
        out.truncate(start);
        let members: HashMap<&str, &str> = members_of(text).collect();
        members_write(out, array, |name| Some(members.get(name).copied().unwrap_or(r#"{"$unset":true}"#)));
    }
}

/// The text of an object of those members of the canonical text of a body that `array` names, a canonical JSON array of strings.
#[must_use]
pub fn members_present(text: &str, array: &str) -> String {
    let wanted: HashSet<&str> = literals(array).collect();
    let members = members_of(text).filter(|(key, _)| wanted.contains(key));
    format!("{{{}}}", members.map(|(key, value)| format!("{key}:{value}")).collect::<Vec<_>>().join(","))
}

/// Appends an object of these members, as long as each has a value.
fn members_write<'t>(out: &mut String, array: &str, mut value_of: impl FnMut(&str) -> Option<&'t str>) -> bool {
    out.push('{');
    for (at, name) in literals(array).enumerate() {
        let Some(value) = value_of(name) else { return false };
        if at > 0 {
            out.push(',');
        }
        out.push_str(name);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    true
}

/// The members of the canonical text of an object: name with its quotes, and value.
fn members_of(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text.strip_prefix('{').unwrap_or_default();
    std::iter::from_fn(move || {
        if rest.as_bytes().first() != Some(&b'"') {
            return None;
        }
        let (key, after) = rest.split_at(literal_end(rest));
        let after = after.strip_prefix(":")?;
        let (value, more) = after.split_at(value_end(after));
        rest = more.strip_prefix(",").unwrap_or_default();
        Some((key, value))
    })
}

/// End of the string literal that `text` starts with.
fn literal_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        if bytes[at + found] == b'"' {
            return at + found + 1;
        }
        // What is escaped ends nothing.
        at += found + 2;
    }
    text.len()
}

/// End of the value that `text` starts with, followed by `,`, `}`, `]` or nothing.
fn value_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += literal_end(&text[at..]);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// The string literals of a canonical JSON array of strings, quotes included.
pub fn literals(array: &str) -> impl Iterator<Item = &str> {
    let mut rest = array.strip_prefix('[').unwrap_or("");
    std::iter::from_fn(move || {
        let (literal, more) = rest.starts_with('"').then(|| rest.split_at(literal_end(rest)))?;
        rest = more.strip_prefix(',').unwrap_or("");
        Some(literal)
    })
}

/// Canonical JSON array of these names.
#[must_use]
pub fn names_text<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for name in names {
        if out.len() > 1 {
            out.push(',');
        }
        write_text(&mut out, name);
    }
    out.push(']');
    out
}

/// The names in a canonical JSON array of strings; empty when it is not one.
#[must_use]
pub fn names_read(array: &str) -> Vec<String> {
    serde_json::from_str(array).unwrap_or_default()
}

/// The body with every value replaced by the name of its type: what people see of a payload by default.
#[must_use]
pub fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(items) => Value::Array(items.first().map(shape).into_iter().collect()),
        Value::Object(members) => Value::Object(members.iter().map(|(name, member)| (name.clone(), shape(member))).collect()),
    }
}

#[cfg(test)]
mod tests;
