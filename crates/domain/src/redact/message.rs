//! Messages of a log with names in place of what looks like a secret. A message is free text: this finds what has the shape of a
//! secret, not every one. Ids stay, because they are what a reader looks for.

use super::{Names, words};

/// Names of things whose value is a secret.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "bearer",
    "basic",
    "authorization",
    "cookie",
    "apikey",
    "pin",
    "otp",
];
/// How secrets of known kinds begin.
const PREFIXES: &[&str] = &["twa_", "twd_", "twe_", "twr_", "eyJ", "ghp_", "sk_", "pk_", "xoxb-", "AKIA"];
/// Shorter than this nothing is taken for a random text.
const RANDOM_CHARS_MIN: usize = 20;

/// What the word before says of the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// It names a secret; a sign would make the next word its value.
    Name,
    /// The next word is the value.
    Sign,
}

/// The message as it is shown: the same text has the same name in every line of a store; without a secret only its kind stands there.
#[must_use]
pub fn message_redact(message: &str, names: Names<'_>) -> String {
    let mut shown = String::with_capacity(message.len());
    let mut before = Before::Nothing;
    let mut rest = message;
    while !rest.is_empty() {
        let blank = rest.len() - rest.trim_start().len();
        shown.push_str(&rest[..blank]);
        rest = &rest[blank..];
        // What follows is JSON, so it is a payload, whatever the app meant by it.
        if rest.starts_with(['{', '[']) && rest.contains("\":") {
            return shown + &named("payload", rest, names);
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        let after = said_of_next(word, before);
        if before == Before::Sign && after == Before::Nothing {
            shown.push_str(&named("secret", word, names));
        } else if after == Before::Nothing {
            shown.push_str(&word_redact(word, names));
        } else {
            shown.push_str(word);
        }
        before = after;
    }
    shown
}

fn said_of_next(word: &str, before: Before) -> Before {
    let bare = word.trim_end_matches([':', '=']);
    match (bare, before) {
        ("", Before::Name | Before::Sign) => Before::Sign,
        _ if bare.contains([':', '=']) || !names_a_secret(bare) => Before::Nothing,
        _ if bare.len() < word.len() || matches!(bare.to_ascii_lowercase().as_str(), "bearer" | "basic") => Before::Sign,
        _ => Before::Name,
    }
}

/// What stands for a text of a kind.
pub(super) fn named(kind: &str, text: &str, names: Names<'_>) -> String {
    match names {
        Some(secret) => format!("{kind}·{}", secret.name(text)),
        None => format!("{kind}·…"),
    }
}

fn names_a_secret(name: &str) -> bool {
    let name = name.trim_matches(|c: char| !c.is_alphanumeric());
    let words = words(name);
    let joined: String = words.concat();
    joined.ends_with("apikey") || words.iter().any(|word| NAMES.contains(&word.as_str()))
}

/// One word, with what is glued around it left as it is.
fn word_redact(word: &str, names: Names<'_>) -> String {
    let glue = |c: char| matches!(c, '"' | '\'' | '`' | '(' | ')' | '[' | ']' | '<' | '>' | ',' | ';' | '.' | '!' | '?');
    let core = word.trim_matches(glue);
    let Some(at) = word.find(core).filter(|_| !core.is_empty()) else { return word.to_owned() };
    let (before, after) = (&word[..at], &word[at + core.len()..]);
    format!("{before}{}{after}", core_redact(core, names))
}

fn core_redact(core: &str, names: Names<'_>) -> String {
    if let Some((scheme, rest)) = core.split_once("://") {
        return address_redact(scheme, rest, names);
    }
    if let Some((name, value)) = core.split_once(['=', ':'])
        && !value.is_empty()
    {
        let sign = &core[name.len()..=name.len()];
        if names_a_secret(name) {
            return format!("{name}{sign}{}", named("secret", value, names));
        }
        if sign == "=" {
            return format!("{name}={}", core_redact(value, names));
        }
    }
    match shape(core) {
        Some(kind) => named(kind, core, names),
        None => core.to_owned(),
    }
}

/// An address keeps its place; who asks and what is asked for go.
fn address_redact(scheme: &str, rest: &str, names: Names<'_>) -> String {
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let (host, path) = place.split_once('/').map_or((place, None), |(host, path)| (host, Some(path)));
    let host = match host.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", named("secret", user, names)),
        None => host.to_owned(),
    };
    let step = |part: &str| shape(part).map_or_else(|| part.to_owned(), |kind| named(kind, part, names));
    let path = path.map(|path| format!("/{}", path.split('/').map(step).collect::<Vec<_>>().join("/"))).unwrap_or_default();
    let query = query.map(|query| format!("?{}", named("query", query, names))).unwrap_or_default();
    format!("{scheme}://{host}{path}{query}")
}

/// What a text looks like, when that is something to hide.
fn shape(text: &str) -> Option<&'static str> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if let Some((name, host)) = text.split_once('@')
        && !name.is_empty()
        && host.contains('.')
    {
        return Some("mail");
    }
    if text.starts_with('+') && digits >= 8 && text[1..].bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
    {
        return Some("phone");
    }
    let prefixed = PREFIXES.iter().any(|prefix| text.starts_with(prefix) && text.len() >= prefix.len() + 8);
    (prefixed || is_random(text, digits)).then_some("secret")
}

fn is_random(text: &str, digits: usize) -> bool {
    let coded = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-' | b'=' | b'.');
    if text.len() < RANDOM_CHARS_MIN || digits < 2 || !text.bytes().all(coded) || is_id(text) {
        return false;
    }
    // Ids carry what they are of before a sign: `op_01KKH2B4XYZ9V8RM6TQ`.
    let kind = |head: &str| head.len() <= 12 && head.bytes().all(|byte| byte.is_ascii_lowercase());
    let body = text.split_once('_').filter(|(head, _)| kind(head)).map_or(text, |(_, body)| body);
    let any = |fits: fn(&u8) -> bool| body.bytes().any(|byte| fits(&byte));
    let mixed = any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase);
    let hex = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    mixed || hex
}

/// Ids of devices, commands and operations, and instants.
fn is_id(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    let uuid = groups == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    uuid || crate::time::Millis::parse_rfc3339(text).is_some()
}
