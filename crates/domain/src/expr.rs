//! A small language for conditions and totals in policies: `old.status == 'approved' and new.status == 'draft'`, `qty * price`.
//!
//! Invariants: total (whatever the names hold, an expression has a value, and nothing it cannot compute is `null`), without
//! side effects, and bounded: a text of at most a thousand bytes, read once, walked once for each decision. Two machines
//! compute the same value, since numbers are exact integers or IEEE doubles and nothing depends on time, chance or order.

mod eval;
mod parse;

use serde_json::Value;

/// Longest text of an expression, bytes.
pub const TEXT_BYTES_MAX: usize = 1_000;
/// Deepest nesting of an expression.
pub const DEPTH_MAX: usize = 24;

/// An expression that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    root: Node,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, at byte {at}")]
pub struct ExprError {
    /// Where.
    pub at: usize,
    /// What is wrong there.
    pub problem: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Value(Value),
    Path(Vec<String>),
    List(Vec<Node>),
    Not(Box<Node>),
    Negative(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    Call(Function, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Equal,
    Differs,
    Less,
    AtMost,
    Greater,
    AtLeast,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Sum,
    Length,
    Round,
}

impl Function {
    const NAMES: [(&'static str, Self); 3] = [("sum", Self::Sum), ("len", Self::Length), ("round", Self::Round)];
}

impl Expr {
    /// Reads a text. The first step of every path must be among `names`; with an empty list any name will do.
    ///
    /// # Errors
    /// The first place that cannot be read.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, ExprError> {
        parse::parse(text, names).map(|root| Self { root })
    }

    /// Its value. `name` looks up the first step of a path; what is not there is `null`.
    pub fn value<'a>(&self, name: &dyn Fn(&str) -> Option<&'a Value>) -> Value {
        eval::value(&self.root, name)
    }

    /// Whether it is `true`; every other value is not.
    pub fn holds<'a>(&self, name: &dyn Fn(&str) -> Option<&'a Value>) -> bool {
        self.value(name) == Value::Bool(true)
    }
}

#[cfg(test)]
mod tests;
