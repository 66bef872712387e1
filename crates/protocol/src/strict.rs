//! Strict I-JSON (RFC 7493): what two readers could understand differently is refused.
//!
//! Refused are duplicate keys, numbers whose value is not within ±(2^53 − 1), and nesting deeper than
//! [`NESTING_MAX`](crate::limits::NESTING_MAX). The bound holds for fractions, too: JavaScript prints large fractions as
//! integers, so a reader cannot tell which was meant.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits::{INTEGER_MAX, NESTING_MAX};

/// Why a text is not strict I-JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Not JSON at all.
    #[error("not valid JSON at line {line}, column {column}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The same key twice in one object.
    #[error("a key stands twice in one object")]
    DuplicateKey,
    /// Too deep.
    #[error("nested deeper than {NESTING_MAX} levels")]
    TooDeep,
    /// Not within ±(2^53 − 1).
    #[error("a number is not within ±9007199254740991; send it as a string")]
    NumberOutOfRange,
}

/// Reads a text as strict I-JSON.
///
/// # Errors
/// The first fault.
pub fn parse(text: &str) -> Result<Value, JsonFault> {
    let fault = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read =
        Strict { depth: 0, fault: &fault }.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| fault.take().unwrap_or_else(|| from_parser(&error)))
}

fn from_parser(error: &serde_json::Error) -> JsonFault {
    // The parser itself refuses numbers beyond a double (1e400) before a visitor sees them; it has no kind for that.
    if error.to_string().starts_with("number out of range") {
        return JsonFault::NumberOutOfRange;
    }
    JsonFault::Syntax { line: error.line(), column: error.column() }
}

#[derive(Clone, Copy)]
struct Strict<'f> {
    depth: usize,
    fault: &'f Cell<Option<JsonFault>>,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(self, fault: JsonFault) -> E {
        let error = E::custom(&fault);
        self.fault.set(Some(fault));
        error
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == NESTING_MAX { Err(self.refuse(JsonFault::TooDeep)) } else { Ok(Self { depth: self.depth + 1, ..self }) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value < -INTEGER_MAX { Err(self.refuse(JsonFault::NumberOutOfRange)) } else { Ok(Value::from(value)) }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > INTEGER_MAX.unsigned_abs() { Err(self.refuse(JsonFault::NumberOutOfRange)) } else { Ok(Value::from(value)) }
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact in a double")]
        let max = INTEGER_MAX as f64;
        match Number::from_f64(value) {
            Some(number) if value.abs() <= max => Ok(Value::Number(number)),
            _ => Err(self.refuse(JsonFault::NumberOutOfRange)),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if map.insert(key, value).is_some() {
                return Err(self.refuse(JsonFault::DuplicateKey));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_safe_integer_is_read_and_the_next_is_refused() {
        assert_eq!(parse("9007199254740991"), Ok(Value::from(INTEGER_MAX)));
        assert_eq!(parse("-9007199254740991"), Ok(Value::from(-INTEGER_MAX)));
        for text in ["9007199254740992", "9007199254740993", "-9007199254740992", "1e300", "1e400", "9007199254740993.0"] {
            assert_eq!(parse(text), Err(JsonFault::NumberOutOfRange), "{text}");
        }
    }

    #[test]
    fn a_duplicate_key_is_refused_at_any_depth() {
        assert_eq!(parse(r#"{"a":1,"b":{"c":1,"c":1}}"#), Err(JsonFault::DuplicateKey));
        assert_eq!(parse(r#"{"a":1,"\u0061":2}"#), Err(JsonFault::DuplicateKey));
    }

    #[test]
    fn nesting_is_read_to_the_limit_and_refused_beyond() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&nested(NESTING_MAX)).is_ok());
        assert_eq!(parse(&nested(NESTING_MAX + 1)), Err(JsonFault::TooDeep));
        assert_eq!(parse(&nested(100_000)), Err(JsonFault::TooDeep));
    }

    #[test]
    fn rubbish_and_trailing_rubbish_are_syntax_faults() {
        assert_eq!(parse("{\"a\":"), Err(JsonFault::Syntax { line: 1, column: 5 }));
        assert_eq!(parse("{} {}"), Err(JsonFault::Syntax { line: 1, column: 4 }));
        assert_eq!(parse(r#""\ud800""#), Err(JsonFault::Syntax { line: 1, column: 8 }));
    }
}
