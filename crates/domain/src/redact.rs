//! Payloads without what they say: the same JSON, with stable names in place of values (`docs/adr/0012-redaction.md`).
//!
//! Text is never shown. The same text has the same name everywhere in one store, so two entries about one person are seen to be,
//! and without the secret of the store nobody can find a text by trying. Numbers and booleans say too little to hide behind a
//! name, so only their kind is shown. The field that an error names keeps its numbers and booleans: they are what is wrong.

mod failure;
mod fault;
mod message;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub use self::failure::failure_redact;
pub use self::fault::fault_find;
pub use self::message::message_redact;

/// Longest text that is only named; a longer one says how long it is.
const NAMED_CHARS_MAX: usize = 40;
/// Digits and small letters without those that look alike.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Block of SHA-256, bytes.
const BLOCK: usize = 64;

/// What pseudonyms are made with: 32 random bytes that only the store knows.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// The secret of a store.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The name of a text: the first twenty bits of its keyed hash (HMAC-SHA-256).
    fn name(&self, text: &str) -> String {
        let pad = |with: u8| {
            let mut block = [with; BLOCK];
            block.iter_mut().zip(self.0).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
        let mac = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        let bits = u32::from_be_bytes([mac[0], mac[1], mac[2], mac[3]]);
        (0..4).map(|at| char::from(ALPHABET[(bits >> (27 - 5 * at) & 31) as usize])).collect()
    }
}

/// What names are made with; without it a text only has its kind for a name, and two texts cannot be told apart.
pub type Names<'a> = Option<&'a Secret>;

/// Says nothing of the secret.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// A payload as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// A value as it is: a number, a boolean, nothing, or a text that may be read.
    Plain(Value),
    /// What stands for a value.
    Masked(String),
    /// Members by name.
    Object(Vec<(String, Self)>),
    /// Items.
    List(Vec<Self>),
}

impl Shown {
    /// Everything as it is.
    #[must_use]
    pub fn plain(value: &Value) -> Self {
        match value {
            Value::Object(members) => {
                Self::Object(members.iter().map(|(name, member)| (name.clone(), Self::plain(member))).collect())
            }
            Value::Array(items) => Self::List(items.iter().map(Self::plain).collect()),
            leaf => Self::Plain(leaf.clone()),
        }
    }

    /// The same shape as JSON; what stands for a value is a text.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Plain(value) => value.clone(),
            Self::Masked(text) => Value::from(text.clone()),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(name, member)| (name.clone(), member.to_json())).collect::<Map<_, _>>())
            }
            Self::List(items) => items.iter().map(Self::to_json).collect(),
        }
    }
}

/// What decides how a payload is redacted.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Makes the names.
    pub secret: &'a Secret,
    /// Texts that are shown beside the payload anyway: record, collection, scope.
    pub known: &'a [&'a str],
    /// The field that the error names.
    pub fault: Option<&'a [String]>,
}

/// The payload with names in place of its values.
#[must_use]
pub fn redact(payload: &Value, rules: Rules<'_>) -> Shown {
    value_redact(payload, &mut Vec::new(), rules)
}

/// A part of a payload with names in place of its values, by its path from the top of the payload.
#[must_use]
pub fn redact_at(part: &Value, mut path: Vec<String>, rules: Rules<'_>) -> Shown {
    value_redact(part, &mut path, rules)
}

fn value_redact(value: &Value, path: &mut Vec<String>, rules: Rules<'_>) -> Shown {
    let at_fault = rules.fault.is_some_and(|fault| path.starts_with(fault));
    match value {
        Value::Null => Shown::Plain(Value::Null),
        Value::Bool(_) | Value::Number(_) if at_fault => Shown::Plain(value.clone()),
        Value::Bool(_) => Shown::Masked("yes or no".to_owned()),
        Value::Number(_) => Shown::Masked("number".to_owned()),
        Value::String(text) => text_redact(text, path, at_fault, rules),
        Value::Object(members) if members.contains_key("$enc") => Shown::Masked("sealed".to_owned()),
        Value::Object(members) => {
            let redacted = members.iter().map(|(name, member)| {
                path.push(name.clone());
                let shown = value_redact(member, path, rules);
                path.pop();
                (name_redact(name, rules.secret), shown)
            });
            Shown::Object(redacted.collect())
        }
        Value::Array(items) => {
            let redacted = items.iter().enumerate().map(|(at, item)| {
                path.push(at.to_string());
                let shown = value_redact(item, path, rules);
                path.pop();
                shown
            });
            Shown::List(redacted.collect())
        }
    }
}

fn text_redact(text: &str, path: &[String], at_fault: bool, rules: Rules<'_>) -> Shown {
    if rules.known.contains(&text) || is_structure(path) {
        return Shown::Plain(Value::from(text));
    }
    if text.is_empty() {
        return Shown::Masked("empty text".to_owned());
    }
    let letters = text.chars().count();
    let name = format!("{}·{}", kind(path), rules.secret.name(text));
    Shown::Masked(match (at_fault, letters) {
        (true, _) => format!("{name}, {}", build(text, letters)),
        (false, long) if long > NAMED_CHARS_MAX => format!("{name}, {long} characters"),
        (false, _) => name,
    })
}

/// Whether a text of a JSON patch says where and how, not what.
fn is_structure(path: &[String]) -> bool {
    matches!(path, [member, _, name] if member == "json_patch" && matches!(name.as_str(), "op" | "path" | "from"))
}

/// What a text at fault is made of: enough to see why it does not fit, too little to read it.
fn build(text: &str, letters: usize) -> String {
    let all = |fits: fn(char) -> bool| text.chars().all(fits);
    let of = match text {
        _ if all(|c| c.is_ascii_digit()) => "digits",
        _ if text.parse::<f64>().is_ok() => "a number as text",
        _ if all(char::is_alphabetic) => "letters",
        _ if all(char::is_whitespace) => "spaces",
        _ => "mixed",
    };
    format!("{letters} characters, {of}")
}

/// The name of a member, unless it looks like data itself.
fn name_redact(name: &str, secret: &Secret) -> String {
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '$'));
    let goes_on = letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$' | '.'));
    if begins && goes_on && name.len() <= 64 { name.to_owned() } else { format!("name·{}", secret.name(name)) }
}

/// What kind of thing a field seems to hold, by its name alone.
fn kind(path: &[String]) -> &'static str {
    const KINDS: [(&str, &[&str]); 6] = [
        ("mail", &["email", "mail"]),
        ("phone", &["phone", "mobile", "tel", "fax"]),
        ("place", &["address", "street", "city", "postcode", "zip", "location"]),
        ("date", &["at", "date", "time", "on", "due", "day"]),
        ("id", &["id", "ids", "uuid", "ref", "key", "code", "number"]),
        (
            "person",
            &[
                "by",
                "person",
                "inspector",
                "customer",
                "owner",
                "author",
                "assignee",
                "user",
                "patient",
                "contact",
                "member",
                "worker",
                "driver",
                "first",
                "last",
                "surname",
                "forename",
                "signed",
            ],
        ),
    ];
    let Some(field) = path.iter().rev().find(|name| !name.bytes().all(|byte| byte.is_ascii_digit())) else { return "text" };
    let words = words(field);
    KINDS.iter().find(|(_, names)| words.iter().any(|word| names.contains(&word.as_str()))).map_or("text", |(kind, _)| kind)
}

/// `signedBy`, `signed_by` and `signed-by` as their words in small letters.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter.is_uppercase() || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().expect("begins with one").extend(letter.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests;
