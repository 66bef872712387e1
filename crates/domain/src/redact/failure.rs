//! What failures say, without values of payloads. The words are free text of apps, and what they quote is what somebody has written.

use super::message::named;
use super::{Names, message_redact};

/// The words of a failure as they are shown: quoted texts and JSON have names in their place, and so has what looks like a secret. What
/// stands in backticks is the name of a field and stays; numbers outside of quotes stay, as those of the field at fault do in a payload.
#[must_use]
pub fn failure_redact(message: &str, names: Names<'_>) -> String {
    let (words, json) = message.split_at(json_begins(message).unwrap_or(message.len()));
    let mut shown = String::with_capacity(message.len());
    let mut rest = words;
    while let Some((at, quote)) = quote_find(rest) {
        shown.push_str(&message_redact(&rest[..at], names));
        let inside = &rest[at + 1..];
        let (quoted, after) = inside.split_once(quote).unwrap_or((inside, ""));
        shown.push_str(&format!("{quote}{}{quote}", name(quoted, names)));
        rest = after;
    }
    shown.push_str(&message_redact(rest, names));
    if !json.is_empty() {
        shown.push_str(&named("payload", json, names));
    }
    shown
}

/// The next quote, and where it stands; an apostrophe inside a word is none.
fn quote_find(text: &str) -> Option<(usize, char)> {
    let mut before = ' ';
    text.char_indices().find(|(_, c)| {
        let begins = *c == '"' || (*c == '\'' && !before.is_alphanumeric());
        before = *c;
        begins
    })
}

fn name(quoted: &str, names: Names<'_>) -> String {
    // Said already, or nothing to hide.
    if quoted.is_empty() || quoted == "…" { quoted.to_owned() } else { named("text", quoted, names) }
}

/// Where an object or a list of JSON begins.
fn json_begins(text: &str) -> Option<usize> {
    let begins = |(at, bracket): (usize, char)| {
        let next = text[at..].chars().skip(1).find(|c| !c.is_whitespace());
        let begins = match bracket {
            '{' => matches!(next, Some('"' | '}')),
            '[' => matches!(next, Some('"' | '{' | '[')),
            _ => false,
        };
        begins.then_some(at)
    };
    text.char_indices().find_map(begins)
}
