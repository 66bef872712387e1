//! From a text to a tree, by one function for each strength of binding.

use serde_json::{Number, Value};

use super::{DEPTH_MAX, ExprError, Function, Node, Operator, TEXT_BYTES_MAX};

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Value(Value),
    Word(String),
    Sign(&'static str),
}

/// Signs, longer ones first.
const SIGNS: [&str; 20] =
    ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "(", ")", "[", "]", ",", ".", "="];

fn fault(at: usize, problem: impl Into<String>) -> ExprError {
    ExprError { at, problem: problem.into() }
}

pub(super) fn parse(text: &str, names: &[&str]) -> Result<Node, ExprError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(fault(TEXT_BYTES_MAX, format!("longer than {TEXT_BYTES_MAX} bytes")));
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, end: text.len(), depth: 0, names };
    let root = parser.either()?;
    match parser.tokens.get(parser.next) {
        None => Ok(root),
        Some((at, _)) => Err(fault(*at, "the expression should have ended")),
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExprError> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first == '\'' || first == '"' {
            quoted(rest, first).ok_or_else(|| fault(at, "a text without an end"))?
        } else if first.is_ascii_digit() {
            number(rest).ok_or_else(|| fault(at, "a number that cannot be read"))?
        } else if first.is_ascii_alphabetic() || first == '_' {
            word(rest)
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| fault(at, format!("`{first}` means nothing here")))?;
            (Token::Sign(sign), sign.len())
        };
        out.push((at, token));
        at += length;
    }
    Ok(out)
}

/// A text in quotes. A quote inside is written twice.
fn quoted(rest: &str, quote: char) -> Option<(Token, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, found)) = chars.next() {
        if found != quote {
            text.push(found);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Some((Token::Value(Value::String(text)), at + 1));
        }
    }
    None
}

fn number(rest: &str) -> Option<(Token, usize)> {
    let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let text = rest[..length].trim_end_matches('.');
    let number = match text.parse::<i64>() {
        Ok(integer) if integer <= crate::json::INTEGER_MAX => Number::from(integer),
        Ok(_) => return None,
        Err(_) => Number::from_f64(text.parse().ok()?)?,
    };
    Some((Token::Value(Value::Number(number)), text.len()))
}

fn word(rest: &str) -> (Token, usize) {
    let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let token = match &rest[..length] {
        "and" => Token::Sign("&&"),
        "or" => Token::Sign("||"),
        "not" => Token::Sign("!"),
        "true" => Token::Value(Value::Bool(true)),
        "false" => Token::Value(Value::Bool(false)),
        "null" => Token::Value(Value::Null),
        name => Token::Word(name.to_owned()),
    };
    (token, length)
}

struct Parser<'a> {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
    depth: usize,
    names: &'a [&'a str],
}

type Parsed = Result<Node, ExprError>;

impl Parser<'_> {
    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.next), Some((_, Token::Sign(found))) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn want(&mut self, sign: &str) -> Result<(), ExprError> {
        if self.take(sign) { Ok(()) } else { Err(fault(self.at(), format!("`{sign}` is missing"))) }
    }

    fn among(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        operators.iter().find(|(sign, _)| self.take(sign)).map(|(_, operator)| *operator)
    }

    /// One level down; nothing is nested deeper than [`DEPTH_MAX`].
    fn inside(&mut self, part: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.depth == DEPTH_MAX {
            return Err(fault(self.at(), format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let node = part(self);
        self.depth -= 1;
        node
    }

    fn row(&mut self, operators: &[(&str, Operator)], part: fn(&mut Self) -> Parsed) -> Parsed {
        let mut left = part(self)?;
        let mut count = 0;
        while let Some(operator) = self.among(operators) {
            count += 1;
            if count > DEPTH_MAX {
                return Err(fault(self.at(), format!("more than {DEPTH_MAX} in a row")));
            }
            left = Node::Binary(operator, Box::new(left), Box::new(part(self)?));
        }
        Ok(left)
    }

    fn either(&mut self) -> Parsed {
        self.row(&[("||", Operator::Or)], Self::both)
    }

    fn both(&mut self) -> Parsed {
        self.row(&[("&&", Operator::And)], Self::negated)
    }

    fn negated(&mut self) -> Parsed {
        if self.take("!") {
            return self.inside(|parser| Ok(Node::Not(Box::new(parser.negated()?))));
        }
        self.compared()
    }

    fn compared(&mut self) -> Parsed {
        const ORDER: [(&str, Operator); 6] = [
            ("==", Operator::Equal),
            ("!=", Operator::Differs),
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let left = self.added()?;
        let within = matches!(self.tokens.get(self.next), Some((_, Token::Word(word))) if word == "in");
        let operator = if within {
            self.next += 1;
            Operator::In
        } else {
            match self.among(&ORDER) {
                Some(operator) => operator,
                None => return Ok(left),
            }
        };
        Ok(Node::Binary(operator, Box::new(left), Box::new(self.added()?)))
    }

    fn added(&mut self) -> Parsed {
        self.row(&[("+", Operator::Add), ("-", Operator::Subtract)], Self::multiplied)
    }

    fn multiplied(&mut self) -> Parsed {
        self.row(&[("*", Operator::Multiply), ("/", Operator::Divide)], Self::single)
    }

    fn single(&mut self) -> Parsed {
        if self.take("-") {
            return self.inside(|parser| Ok(Node::Negative(Box::new(parser.single()?))));
        }
        if self.take("(") {
            let node = self.inside(Self::either)?;
            self.want(")")?;
            return Ok(node);
        }
        if self.take("[") {
            return self.list();
        }
        let at = self.at();
        match self.tokens.get(self.next).cloned() {
            Some((_, Token::Value(value))) => {
                self.next += 1;
                Ok(Node::Value(value))
            }
            Some((_, Token::Word(word))) => {
                self.next += 1;
                self.named(word, at)
            }
            _ => Err(fault(at, "a value or a name is missing")),
        }
    }

    fn list(&mut self) -> Parsed {
        let mut items = Vec::new();
        if self.take("]") {
            return Ok(Node::List(items));
        }
        loop {
            items.push(self.inside(Self::either)?);
            if self.take("]") {
                return Ok(Node::List(items));
            }
            self.want(",")?;
        }
    }

    fn named(&mut self, word: String, at: usize) -> Parsed {
        if self.take("(") {
            let function = Function::NAMES.iter().find(|(name, _)| *name == word);
            let (_, function) = function.ok_or_else(|| fault(at, format!("there is no function `{word}`")))?;
            let node = self.inside(Self::either)?;
            self.want(")")?;
            return Ok(Node::Call(*function, Box::new(node)));
        }
        if !self.names.is_empty() && !self.names.contains(&word.as_str()) {
            return Err(fault(at, format!("`{word}` is not known here; known are {}", self.names.join(", "))));
        }
        let mut steps = vec![word];
        while self.take(".") {
            match self.tokens.get(self.next).cloned() {
                Some((_, Token::Word(step))) => steps.push(step),
                _ => return Err(fault(self.at(), "a name is missing after the dot")),
            }
            self.next += 1;
        }
        Ok(Node::Path(steps))
    }
}
