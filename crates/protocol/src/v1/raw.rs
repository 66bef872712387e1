//! Takes a request body apart without reading what is inside, so that one bad intent cannot spoil its batch.
//!
//! Reading is not recursive here, so no nesting can exhaust the stack.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::problem::{Code, FieldError, Problem};
use crate::strict::{self, JsonFault};

/// The members of a request body: those asked for as raw text, the others read strictly.
#[derive(Debug)]
pub struct Envelope<'b> {
    raw: Vec<(&'static str, &'b RawValue)>,
    /// The other members.
    pub members: Value,
}

impl<'b> Envelope<'b> {
    /// Takes a body apart; the members named in `raw` stay text.
    ///
    /// # Errors
    /// `json_invalid` or `envelope_invalid`, naming the member.
    pub fn read(body: &'b [u8], raw: &[&'static str]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(body).map_err(|_| Problem::new(Code::JsonInvalid).detail("the body is not UTF-8"))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let all = deserializer
            .deserialize_map(AllMembers)
            .and_then(|all| deserializer.end().map(|()| all))
            .map_err(|error| refused(&error))?;
        let (mut kept, mut members) = (Vec::new(), Map::new());
        for (name, value) in all {
            let twice =
                || Problem::new(Code::EnvelopeInvalid).field(FieldError::new(name.as_ref(), JsonFault::DuplicateKey.to_string()));
            if let Some(known) = raw.iter().find(|known| **known == name) {
                if kept.iter().any(|(kept, _)| kept == known) {
                    return Err(twice());
                }
                kept.push((*known, value));
                continue;
            }
            let value = strict::parse(value.get())
                .map_err(|fault| Problem::new(Code::EnvelopeInvalid).field(FieldError::new(name.as_ref(), fault.to_string())))?;
            if members.contains_key(name.as_ref()) {
                return Err(twice());
            }
            members.insert(name.into_owned(), value);
        }
        Ok(Self { raw: kept, members: Value::Object(members) })
    }

    /// The text of a raw member; `None` when it is absent, or `null`.
    #[must_use]
    pub fn raw_member(&self, name: &str) -> Option<&'b str> {
        self.raw.iter().find(|(known, _)| *known == name).map(|(_, value)| value.get()).filter(|text| *text != "null")
    }

    /// The items of a raw member; `None` when it is absent.
    ///
    /// # Errors
    /// `envelope_invalid` when it is no array, `batch_too_large` beyond `max` items.
    pub fn items(&self, name: &'static str, max: usize) -> Result<Option<Vec<&'b RawValue>>, Problem> {
        let Some((_, value)) = self.raw.iter().find(|(known, _)| *known == name) else { return Ok(None) };
        if value.get() == "null" {
            return Ok(None);
        }
        let not_a_list = |_| Problem::new(Code::EnvelopeInvalid).field(FieldError::new(name, "must be an array"));
        let mut deserializer = serde_json::Deserializer::from_str(value.get());
        let (items, more) = deserializer.deserialize_seq(Items { max }).map_err(not_a_list)?;
        if more {
            return Err(Problem::new(Code::BatchTooLarge).field(FieldError::new(name, format!("must have at most {max} items"))));
        }
        Ok(Some(items))
    }
}

fn refused(error: &serde_json::Error) -> Problem {
    if error.is_data() {
        return Problem::new(Code::EnvelopeInvalid).field(FieldError::new("$", "must be an object"));
    }
    Problem::new(Code::JsonInvalid).detail(format!("not valid JSON at line {}, column {}", error.line(), error.column()))
}

/// The text member `name` of an object whose other members may be broken.
#[must_use]
pub fn text_member(raw: &str, name: &str) -> Option<String> {
    member(raw, name)
}

/// The member `name` of an object whose other members may be broken.
#[must_use]
pub fn member<T: serde::de::DeserializeOwned>(raw: &str, name: &str) -> Option<T> {
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    let all = deserializer.deserialize_map(AllMembers).ok()?;
    let mut found = all.into_iter().filter(|(key, _)| key == name);
    let (_, value) = found.next()?;
    if found.next().is_some() {
        return None;
    }
    serde_json::from_str(value.get()).ok()
}

struct AllMembers;

impl<'de> Visitor<'de> for AllMembers {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            all.push((key, map.next_value()?));
        }
        Ok(all)
    }
}

/// `Cow` by itself always copies; this borrows where there is no escape.
struct Key<'k>(Cow<'k, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

struct Items {
    max: usize,
}

impl<'de> Visitor<'de> for Items {
    type Value = (Vec<&'de RawValue>, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < self.max {
            match seq.next_element()? {
                Some(item) => items.push(item),
                None => return Ok((items, false)),
            }
        }
        let mut more = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok((items, more))
    }
}

/// Raw text in an owned box, for answers that carry stored JSON without reading it.
///
/// # Errors
/// When the text is not JSON.
pub fn boxed(text: String) -> Result<Box<RawValue>, serde_json::Error> {
    RawValue::from_string(text)
}

/// Reads a small request body strictly into a typed request.
///
/// # Errors
/// `json_invalid` or `envelope_invalid`.
pub fn typed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let envelope = Envelope::read(body, &[])?;
    T::deserialize(envelope.members).map_err(|error| Problem::new(Code::EnvelopeInvalid).detail(error.to_string()))
}
