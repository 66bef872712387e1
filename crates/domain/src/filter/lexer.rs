//! Filter text into tokens with byte spans, and values back into text. Knows no keys and no kinds.

use super::{FilterError, Op, Problem, Span};

/// One term as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// The whole term, minus and key included.
    pub(super) span: Span,
    /// Began with `-`.
    pub(super) negated: bool,
    /// Text before the colon; `None` for a bare word.
    pub(super) key: Option<(String, Span)>,
    /// Operator after the colon.
    pub(super) op: Op,
    /// Values after it, at least one.
    pub(super) values: Vec<(String, Span)>,
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let found = self.text[self.at..].starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &str {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn at_boundary(&self) -> bool {
        self.peek().is_none_or(char::is_whitespace)
    }

    const fn here(&self) -> Span {
        Span { start: self.at, end: self.at + 1 }
    }

    /// Reads a quoted text, the opening quote being next.
    fn quoted(&mut self) -> Result<(String, Span), FilterError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(next) = self.peek() else {
                return Err(FilterError::new(Span { start, end: self.at }, Problem::QuoteOpen));
            };
            self.at += next.len_utf8();
            match next {
                '"' => return Ok((text, Span { start, end: self.at })),
                '\\' if matches!(self.peek(), Some('"' | '\\')) => {
                    text.extend(self.peek());
                    self.at += 1;
                }
                other => text.push(other),
            }
        }
    }

    fn value(&mut self) -> Result<(String, Span), FilterError> {
        let start = self.at;
        let value = if self.peek() == Some('"') {
            self.quoted()?
        } else {
            let text = self.take_while(|c| !c.is_whitespace() && c != ',' && c != '"').to_owned();
            (text, Span { start, end: self.at })
        };
        if self.peek().is_some_and(|next| !next.is_whitespace() && next != ',') {
            return Err(FilterError::new(self.here(), Problem::QuoteMisplaced));
        }
        if value.0.is_empty() {
            return Err(FilterError::new(Span { start, end: self.at.max(start) }, Problem::ValueMissing));
        }
        Ok(value)
    }

    fn values(&mut self) -> Result<Vec<(String, Span)>, FilterError> {
        let mut values = vec![self.value()?];
        while self.eat(",") {
            values.push(self.value()?);
        }
        Ok(values)
    }

    fn op(&mut self) -> Op {
        for (text, op) in [(">=", Op::Ge), ("<=", Op::Le), (">", Op::Gt), ("<", Op::Lt), ("=", Op::Is)] {
            if self.eat(text) {
                return op;
            }
        }
        Op::Is
    }

    fn word(&mut self, negated: bool, start: usize) -> Result<Token, FilterError> {
        let (text, _) = self.quoted()?;
        let span = Span { start, end: self.at };
        if !self.at_boundary() {
            return Err(FilterError::new(self.here(), Problem::QuoteMisplaced));
        }
        if text.is_empty() {
            return Err(FilterError::new(span, Problem::ValueMissing));
        }
        Ok(Token { span, negated, key: None, op: Op::Is, values: vec![(text, span)] })
    }

    fn token(&mut self) -> Result<Token, FilterError> {
        let start = self.at;
        let negated = self.eat("-");
        if negated && self.at_boundary() {
            return Err(FilterError::new(Span { start, end: self.at }, Problem::MinusAlone));
        }
        if self.peek() == Some('"') {
            return self.word(negated, start);
        }
        let head_start = self.at;
        let head = self.take_while(|c| !c.is_whitespace() && c != ':' && c != '"').to_owned();
        let head_span = Span { start: head_start, end: self.at };
        if self.peek() == Some('"') {
            return Err(FilterError::new(self.here(), Problem::QuoteMisplaced));
        }
        if !self.eat(":") {
            let span = Span { start, end: self.at };
            return Ok(Token { span, negated, key: None, op: Op::Is, values: vec![(head, head_span)] });
        }
        if head.is_empty() {
            return Err(FilterError::new(head_span, Problem::KeyMissing));
        }
        let op = self.op();
        let values = self.values()?;
        Ok(Token { span: Span { start, end: self.at }, negated, key: Some((head, head_span)), op, values })
    }
}

/// Splits filter text into its terms.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut cursor = Cursor { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        cursor.take_while(char::is_whitespace);
        if cursor.peek().is_none() {
            return Ok(tokens);
        }
        tokens.push(cursor.token()?);
    }
}

fn in_quotes(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A bare word as it must be typed to be read again.
pub(super) fn quoted_word(text: &str) -> String {
    let plain = !text.starts_with('-') && !text.contains(|c: char| c.is_whitespace() || matches!(c, ':' | '"' | '\\'));
    if plain { text.to_owned() } else { in_quotes(text) }
}

/// A value after a colon as it must be typed to be read again.
pub(super) fn quoted_value(text: &str) -> String {
    let plain =
        !text.starts_with(['<', '>', '=']) && !text.contains(|c: char| c.is_whitespace() || matches!(c, ',' | '"' | '\\'));
    if plain { text.to_owned() } else { in_quotes(text) }
}
