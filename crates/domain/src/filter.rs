//! The filter language of lists: `platform:ios -version:<4.2 lag:>=1h queue:>100 "bare words"`.
//!
//! A filter is a row of terms that must all hold. A term is `key:value`, `key:<value` and so on, or a bare word; a leading `-`
//! turns it round, a comma means *any of*. A list declares its keys in a table ([`Key`]); an unknown key or a value that does
//! not fit is an error with its place and a suggestion, never "everything". Printing is canonical: what is parsed, printed and
//! parsed again is the same filter.
//!
//! Knows neither SQL nor rows: each list translates the terms itself. Two rules bind every translation: a comparison with
//! something that is not known is false, and `-term` holds exactly where `term` does not.

pub mod keys;
mod lexer;
pub mod value;

use std::fmt;

use self::lexer::Token;
pub use self::value::{Value, VersionKey};

/// The longest filter that is read, in bytes.
pub const FILTER_BYTES_MAX: usize = 2_000;
/// The most terms a filter may have.
pub const FILTER_TERMS_MAX: usize = 32;
/// The most values one term may list.
pub const TERM_VALUES_MAX: usize = 64;

/// A place in the filter text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What a key's values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, compared without regard to ASCII case; `*` stands for anything.
    Text,
    /// A number; a trailing `%` is allowed.
    Number,
    /// A length of time: `20m`, `1h30m`, `3d`.
    Duration,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// A dotted version; `4.18.*` is any version that begins so.
    Version,
    /// `yes` or `no`.
    Bool,
}

impl Kind {
    const fn is_ordered(self) -> bool {
        matches!(self, Self::Number | Self::Duration | Self::Version)
    }
}

/// One key of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Name as typed before the colon. A name that ends in `.` is a family: `label.` accepts `label.region`.
    pub name: &'static str,
    /// What its values look like.
    pub kind: Kind,
    /// One line for the suggestion list.
    pub help: &'static str,
}

impl Key {
    fn accepts(&self, name: &str) -> bool {
        if self.name.ends_with('.') { name.len() > self.name.len() && name.starts_with(self.name) } else { name == self.name }
    }
}

/// How a term compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Equal to one of the values.
    Is,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
}

impl Op {
    /// As typed after the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Is => "",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

/// What a term is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A bare word: the list's own search.
    Word,
    /// A key of the list's table; for a family the whole name, e.g. `label.region`.
    Key(String),
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Holds where the rest does not.
    pub negated: bool,
    /// What it is about.
    pub subject: Subject,
    /// How it compares; with several values always [`Op::Is`].
    pub op: Op,
    /// At least one.
    pub values: Vec<Value>,
    /// Where it stood in the text it was read from.
    pub span: Span,
}

impl Term {
    /// The key's name, or `None` for a bare word.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match &self.subject {
            Subject::Word => None,
            Subject::Key(name) => Some(name),
        }
    }

    /// Whether both say the same, wherever they stood.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        (self.negated, &self.subject, self.op, &self.values) == (other.negated, &other.subject, other.op, &other.values)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negated {
            f.write_str("-")?;
        }
        let Subject::Key(name) = &self.subject else {
            return f.write_str(&lexer::quoted_word(&self.values[0].to_string()));
        };
        write!(f, "{name}:{}", self.op.as_str())?;
        for (at, value) in self.values.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}", lexer::quoted_value(&value.to_string()))?;
        }
        Ok(())
    }
}

/// A filter: every term must hold. Empty holds everywhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    terms: Vec<Term>,
}

impl Filter {
    /// Reads a filter against the keys of a list.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(keys: &[Key], text: &str) -> Result<Self, FilterError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(FilterError::new(Span { start: FILTER_BYTES_MAX, end: text.len() }, Problem::TooLong));
        }
        let tokens = lexer::tokens(text)?;
        if let Some(token) = tokens.get(FILTER_TERMS_MAX) {
            return Err(FilterError::new(token.span, Problem::TooManyTerms));
        }
        let terms = tokens.into_iter().map(|token| term(keys, token)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { terms })
    }

    /// Its terms, in the order typed.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Whether it holds everywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// This filter and one more term; the same filter when it already says so.
    #[must_use]
    pub fn with(&self, term: Term) -> Self {
        let mut next = self.clone();
        if !next.terms.iter().any(|known| known.same(&term)) {
            next.terms.push(term);
        }
        next
    }

    /// This filter without the term at `index`: what removing a chip leads to.
    #[must_use]
    pub fn without(&self, index: usize) -> Self {
        let terms = self.terms.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, term)| term.clone()).collect();
        Self { terms }
    }

    /// This filter without any term about `key`.
    #[must_use]
    pub fn without_key(&self, key: &str) -> Self {
        Self { terms: self.terms.iter().filter(|term| term.key() != Some(key)).cloned().collect() }
    }
}

/// Canonical text: terms separated by one space.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, term) in self.terms.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{term}")?;
        }
        Ok(())
    }
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Longer than [`FILTER_BYTES_MAX`].
    TooLong,
    /// More than [`FILTER_TERMS_MAX`] terms.
    TooManyTerms,
    /// More than [`TERM_VALUES_MAX`] values in one term.
    TooManyValues,
    /// A quote that is never closed.
    QuoteOpen,
    /// A quote in the middle of a word, or a word right after a closing quote.
    QuoteMisplaced,
    /// `-` with nothing after it.
    MinusAlone,
    /// `:` with nothing before it.
    KeyMissing,
    /// Nothing after the colon, the operator or a comma.
    ValueMissing,
    /// The list has no such key.
    KeyUnknown(String),
    /// The key has no order.
    OpNotOrdered(String),
    /// `<` and its kin take one value.
    OpWithList(String),
    /// The value does not fit; the second text says what would.
    ValueUnfit(String, String),
}

/// Why a filter was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Where.
    pub span: Span,
    /// What.
    pub problem: Problem,
    /// What may have been meant, nearest first.
    pub suggestions: Vec<String>,
}

impl FilterError {
    const fn new(span: Span, problem: Problem) -> Self {
        Self { span, problem, suggestions: Vec::new() }
    }
}

impl std::error::Error for FilterError {}

/// One or two sentences for the person who typed it.
impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.span.start + 1;
        match &self.problem {
            Problem::TooLong => write!(f, "the filter is longer than {FILTER_BYTES_MAX} bytes"),
            Problem::TooManyTerms => write!(f, "the filter has more than {FILTER_TERMS_MAX} terms"),
            Problem::TooManyValues => write!(f, "more than {TERM_VALUES_MAX} values at {place}"),
            Problem::QuoteOpen => write!(f, "the quote at {place} is not closed"),
            Problem::QuoteMisplaced => write!(f, "misplaced quote at {place}: put the whole value in quotes"),
            Problem::MinusAlone => write!(f, "the minus at {place} has nothing after it"),
            Problem::KeyMissing => write!(f, "the colon at {place} has no key before it"),
            Problem::ValueMissing => write!(f, "a value is missing at {place}"),
            Problem::KeyUnknown(key) => write!(f, "unknown key \"{key}\" at {place}"),
            Problem::OpNotOrdered(key) => write!(f, "\"{key}\" at {place} has no order: use {key}:value"),
            Problem::OpWithList(key) => write!(f, "\"{key}\" at {place}: a comparison takes one value"),
            Problem::ValueUnfit(value, rule) => write!(f, "\"{value}\" at {place} must be {rule}"),
        }?;
        match self.suggestions.split_first() {
            None => Ok(()),
            Some((only, [])) => write!(f, "; did you mean \"{only}\"?"),
            Some((first, rest)) => write!(f, "; did you mean \"{first}\" or \"{}\"?", rest.join("\" or \"")),
        }
    }
}

fn term(keys: &[Key], token: Token) -> Result<Term, FilterError> {
    let Token { span, negated, key, op, values } = token;
    let Some((name, key_span)) = key else {
        let word = values.into_iter().map(|(text, _)| Value::Text(text)).collect();
        return Ok(Term { negated, subject: Subject::Word, op, values: word, span });
    };
    let Some(key) = keys.iter().find(|key| key.accepts(&name)) else {
        let names = keys.iter().map(|key| key.name);
        return Err(FilterError { span: key_span, suggestions: near(&name, names), problem: Problem::KeyUnknown(name) });
    };
    if op != Op::Is && !key.kind.is_ordered() {
        return Err(FilterError::new(key_span, Problem::OpNotOrdered(name)));
    }
    if op != Op::Is && values.len() > 1 {
        return Err(FilterError::new(key_span, Problem::OpWithList(name)));
    }
    if let Some((_, over)) = values.get(TERM_VALUES_MAX) {
        return Err(FilterError::new(*over, Problem::TooManyValues));
    }
    let values = values.into_iter().map(|(text, at)| fit(key.kind, op, text, at)).collect::<Result<Vec<_>, _>>()?;
    Ok(Term { negated, subject: Subject::Key(name), op, values, span })
}

fn fit(kind: Kind, op: Op, text: String, span: Span) -> Result<Value, FilterError> {
    if let Some(value) = Value::parse(kind, op, &text) {
        return Ok(value);
    }
    let (rule, suggestions) = match kind {
        Kind::Text => ("text".to_owned(), Vec::new()),
        Kind::Number => ("a number, e.g. 100".to_owned(), Vec::new()),
        Kind::Duration => ("a length of time, e.g. 20m, 1h or 3d".to_owned(), Vec::new()),
        Kind::Enum(words) => (format!("one of {}", words.join(", ")), near(&text, words.iter().copied())),
        Kind::Version => ("a version, e.g. 4.18.0 or 4.18.*".to_owned(), Vec::new()),
        Kind::Bool => ("yes or no".to_owned(), Vec::new()),
    };
    Err(FilterError { span, suggestions, problem: Problem::ValueUnfit(text, rule) })
}

/// Up to three names near to what was typed, nearest first.
fn near<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let typed = typed.to_ascii_lowercase();
    let limit = (typed.chars().count() / 3).clamp(1, 3);
    let mut found: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let distance = edits(&typed, name);
            let begins = typed.len() >= 2 && name.starts_with(&typed);
            (begins || distance <= limit).then_some((if begins { 0 } else { distance }, name))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests;
