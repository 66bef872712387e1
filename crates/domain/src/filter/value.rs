//! Values of filter terms: how each kind is read, printed and put in order.

use std::fmt;

use super::{Kind, Op};

/// A value that fits its key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text, or a word of an enumeration in its own spelling.
    Text(String),
    /// A number.
    Number(f64),
    /// Milliseconds.
    Duration(i64),
    /// One version.
    Version(VersionKey),
    /// Every version that begins with these one to three numbers (`4.18.*`).
    VersionPrefix(Vec<u32>),
    /// Yes or no.
    Bool(bool),
    /// `none`: not reported, not known. Only for kinds with an order.
    Absent,
}

impl Value {
    /// Reads a value; `None` when it does not fit.
    #[must_use]
    pub fn parse(kind: Kind, op: Op, text: &str) -> Option<Self> {
        if kind.is_ordered() && op == Op::Is && text.eq_ignore_ascii_case("none") {
            return Some(Self::Absent);
        }
        match kind {
            Kind::Text => Some(Self::Text(text.to_owned())),
            Kind::Number => number(text).map(Self::Number),
            Kind::Duration => duration(text).map(Self::Duration),
            Kind::Enum(words) => {
                words.iter().find(|word| word.eq_ignore_ascii_case(text)).map(|word| Self::Text((*word).to_owned()))
            }
            Kind::Version => version(op, text),
            Kind::Bool => bool_word(text).map(Self::Bool),
        }
    }

    /// The pattern of a text for SQL's `like … escape '\'`: `*` stands for anything, everything else for itself.
    #[must_use]
    pub fn like_pattern(text: &str) -> String {
        let mut pattern = String::with_capacity(text.len() + 4);
        for c in text.chars() {
            match c {
                '*' => pattern.push('%'),
                '%' | '_' | '\\' => pattern.extend(['\\', c]),
                other => pattern.push(other),
            }
        }
        pattern
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Duration(ms) => write_duration(f, *ms),
            Self::Version(version) => version.fmt(f),
            Self::VersionPrefix(parts) => parts.iter().try_for_each(|part| write!(f, "{part}.")).and_then(|()| f.write_str("*")),
            Self::Bool(yes) => f.write_str(if *yes { "yes" } else { "no" }),
            Self::Absent => f.write_str("none"),
        }
    }
}

/// A version that sorts: up to four numbers, then an optional suffix after `-`, which comes before the release itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionKey {
    parts: [u32; 4],
    // A release sorts after its pre-releases: `Some(suffix)` must be less than `None`, hence the explicit flag.
    release: bool,
    suffix: String,
}

impl VersionKey {
    /// Reads `4`, `4.18`, `4.18.0` or `4.18.0-rc1`; build data after `+` is cut off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split('+').next().unwrap_or_default();
        let (numbers, suffix) = text.split_once('-').map_or((text, None), |(numbers, suffix)| (numbers, Some(suffix)));
        if suffix.is_some_and(|s| {
            s.is_empty() || s.len() > 32 || !s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        }) {
            return None;
        }
        let mut parts = [0; 4];
        for (at, part) in number_parts(numbers, 4)?.into_iter().enumerate() {
            parts[at] = part;
        }
        Some(Self { parts, release: suffix.is_none(), suffix: suffix.unwrap_or_default().to_ascii_lowercase() })
    }

    /// Text whose byte order is the order of versions: what a database column holds beside the version as reported.
    #[must_use]
    pub fn sort_text(&self) -> String {
        let [a, b, c, d] = self.parts;
        let mark = if self.release { "~" } else { "-" };
        format!("{a:08}.{b:08}.{c:08}.{d:08}{mark}{}", self.suffix)
    }

    /// What the sort texts of all versions with these first numbers begin with.
    #[must_use]
    pub fn sort_prefix(parts: &[u32]) -> String {
        parts.iter().map(|part| format!("{part:08}.")).collect()
    }

    /// Whether its first numbers are these.
    #[must_use]
    pub fn begins(&self, parts: &[u32]) -> bool {
        self.parts.starts_with(parts)
    }
}

/// Without trailing zeros beyond the second number: `4.18.0` prints as `4.18`.
impl fmt::Display for VersionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let significant = self.parts.iter().rposition(|part| *part != 0).map_or(1, |at| (at + 1).max(1));
        let numbers: Vec<String> = self.parts[..significant].iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))?;
        if self.release { Ok(()) } else { write!(f, "-{}", self.suffix) }
    }
}

fn number_parts(text: &str, most: usize) -> Option<Vec<u32>> {
    let parts: Vec<u32> = text
        .split('.')
        .map(|part| {
            (!part.is_empty() && part.len() <= 8 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
        })
        .collect::<Option<_>>()?;
    (1..=most).contains(&parts.len()).then_some(parts)
}

fn version(op: Op, text: &str) -> Option<Value> {
    match text.strip_suffix(".*") {
        Some(numbers) if op == Op::Is => number_parts(numbers, 3).map(Value::VersionPrefix),
        Some(_) => None,
        None => VersionKey::parse(text).map(Value::Version),
    }
}

fn bool_word(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<f64> {
    let text = text.strip_suffix('%').unwrap_or(text);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.len() <= 24
        && digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = if plain { text.parse().ok()? } else { return None };
    Some(if number == 0.0 { 0.0 } else { number })
}

/// Units of a length of time, longest first.
const UNITS: [(&str, i64); 6] = [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// `20m`, `1h30m`, `1.5h`: numbers, each with its unit.
fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let amount = number(&rest[..digits])?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = UNITS.iter().find(|(name, _)| rest[..letters].eq_ignore_ascii_case(name))?.1;
        rest = &rest[letters..];
        let ms = (amount * unit as f64).round();
        if ms > 1e15 {
            return None;
        }
        total = total.checked_add(ms as i64)?;
    }
    (!text.is_empty() && total <= 1_000_000_000_000_000).then_some(total)
}

fn write_duration(f: &mut fmt::Formatter<'_>, ms: i64) -> fmt::Result {
    if ms == 0 {
        return f.write_str("0s");
    }
    let mut rest = ms;
    // Weeks are read but not written: days are the longest unit that pages use.
    for (name, unit) in &UNITS[1..] {
        if rest >= *unit {
            write!(f, "{}{name}", rest / unit)?;
            rest %= unit;
        }
    }
    Ok(())
}
