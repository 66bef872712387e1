//! A filter of the log explorer as SQL conditions. Names are looked up in memory and become short names; the text is made of
//! constants, every value is bound.

use sqlx::{QueryBuilder, Sqlite};
use tidewatch_domain::filter::{Filter, Op, Term, Value};

use crate::sync::live::Live;

/// One condition: text with one placeholder per bound value.
#[derive(Clone, Debug)]
enum Condition {
    /// A number is one of a JSON list.
    Among(&'static str, String),
    /// A text equals.
    Text(&'static str, Vec<String>),
    /// A text is like a pattern.
    Like(&'static str, Vec<String>),
    /// A number compares.
    Number(&'static str, Vec<f64>),
    /// Never.
    False,
}

/// The conditions of a filter.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    all: Vec<(bool, Vec<Condition>)>,
    /// The one record that is asked for by its whole id.
    pub(crate) record: Option<String>,
    narrow: bool,
}

impl Conditions {
    pub(crate) fn new(live: &Live, filter: &Filter) -> Self {
        let all = filter.terms().iter().map(|term| (term.negated, condition(live, term))).collect();
        let plain = |key: &str| {
            let term = filter.terms().iter().find(|term| term.key() == Some(key) && !term.negated)?;
            match term.values.as_slice() {
                [Value::Text(text)] if !text.contains('*') => Some(text.clone()),
                _ => None,
            }
        };
        Self { record: plain("record"), narrow: plain("operation").is_some(), all }
    }

    /// Whether an index finds the few rows that can match, so that the whole log may be asked.
    pub(crate) const fn is_narrow(&self) -> bool {
        self.narrow
    }

    /// Appends `low <= seq < top and …`.
    pub(crate) fn push(&self, query: &mut QueryBuilder<Sqlite>, low: i64, top: i64, seqs: Option<&str>) {
        query.push("c.seq >= ").push_bind(low).push(" and c.seq < ").push_bind(top);
        if let Some(seqs) = seqs {
            query.push(" and c.seq in (select value from json_each(").push_bind(seqs.to_owned()).push("))");
        }
        for (negated, any) in &self.all {
            query.push(if *negated { " and not (" } else { " and (" });
            for (at, condition) in any.iter().enumerate() {
                if at > 0 {
                    query.push(" or ");
                }
                condition.push(query);
            }
            query.push(")");
        }
    }
}

impl Condition {
    fn push(&self, query: &mut QueryBuilder<Sqlite>) {
        match self {
            Self::Among(column, list) => {
                query.push(*column).push(" in (select value from json_each(").push_bind(list.clone()).push("))");
            }
            Self::Text(text, values) => pushed(query, text, values.iter().map(|value| value.to_owned())),
            Self::Like(text, patterns) => pushed(query, text, patterns.iter().map(|pattern| pattern.to_owned())),
            Self::Number(text, numbers) => pushed(query, text, numbers.iter().copied()),
            Self::False => {
                query.push("0");
            }
        }
    }
}

/// Appends a text, and binds one value at each `?` of it.
fn pushed<'a, T>(query: &mut QueryBuilder<Sqlite>, text: &'static str, mut values: impl Iterator<Item = T>)
where
    T: sqlx::Encode<'a, Sqlite> + sqlx::Type<Sqlite>,
{
    for (at, part) in text.split('?').enumerate() {
        if at > 0
            && let Some(value) = values.next()
        {
            query.push_bind(value);
        }
        query.push(part);
    }
}

fn condition(live: &Live, term: &Term) -> Vec<Condition> {
    let texts = || term.values.iter().filter_map(|value| if let Value::Text(text) = value { Some(text.as_str()) } else { None });
    let among = |column, matching: &dyn Fn(&str) -> Vec<i64>| {
        let keys: Vec<i64> = texts().flat_map(matching).collect();
        vec![Condition::Among(column, serde_json::Value::from(keys).to_string())]
    };
    match term.key() {
        Some("collection") => among("c.collection", &|text| {
            live.collections
                .iter()
                .filter(|known| like(text, known.engine.name.as_str()))
                .map(|known| known.engine.key.0)
                .collect()
        }),
        Some("scope") => among("+c.scope", &|text| {
            live.scopes.iter().filter(|(name, _)| like(text, name.as_str())).map(|(_, key)| key.0).collect()
        }),
        Some("device") => among("c.client", &|text| {
            live.client_ids.iter().filter(|(_, id)| like(text, id.as_str())).map(|(key, _)| key.0).collect()
        }),
        Some("record") => {
            texts().map(|text| text_condition(text, "c.record_id = ? collate nocase", r"c.record_id like ? escape '\'")).collect()
        }
        Some("operation") => {
            texts().map(|text| text_condition(text, "c.operation_id = ?", r"c.operation_id like ? escape '\'")).collect()
        }
        Some("op") => among("c.op", &|text| (1..=12).filter(|number| super::op_name(*number) == text).collect()),
        Some("decision") => among("c.decision", &|text| {
            [("applied", 1), ("merged", 2)].into_iter().filter(|(name, _)| *name == text).map(|(_, number)| number).collect()
        }),
        Some("seq") => term.values.iter().map(|value| number_condition(term.op, value)).collect(),
        _ => texts().map(word_condition).collect(),
    }
}

fn text_condition(text: &str, exact: &'static str, pattern: &'static str) -> Condition {
    if text.contains('*') {
        Condition::Like(pattern, vec![Value::like_pattern(text)])
    } else {
        Condition::Text(exact, vec![text.to_owned()])
    }
}

/// A bare word: part of a record id or of an operation id.
fn word_condition(text: &str) -> Condition {
    let pattern = format!("%{}%", Value::like_pattern(text));
    Condition::Like(r"(c.record_id like ? escape '\' or c.operation_id like ? escape '\')", vec![pattern.clone(), pattern])
}

fn number_condition(op: Op, value: &Value) -> Condition {
    let Value::Number(number) = value else { return Condition::False };
    let text = match op {
        Op::Is => "c.seq = ?",
        Op::Lt => "c.seq < ?",
        Op::Le => "c.seq <= ?",
        Op::Gt => "c.seq > ?",
        Op::Ge => "c.seq >= ?",
    };
    Condition::Number(text, vec![*number])
}

/// Whether a text matches: `*` stands for anything, ASCII case does not count.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let lower = text.to_ascii_lowercase();
    let first = parts.next().unwrap_or_default().to_ascii_lowercase();
    let Some(mut rest) = lower.strip_prefix(&first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(part) = last.replace(part.to_ascii_lowercase()) {
            match rest.find(&part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(&last))
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn a_star_stands_for_anything_and_case_does_not_count() {
        let cases = [
            ("orders", "orders", true),
            ("Orders", "orders", true),
            ("order", "orders", false),
            ("ord*", "orders", true),
            ("*ers", "orders", true),
            ("o*d*s", "orders", true),
            ("o*x*s", "orders", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("building:*", "building:42", true),
        ];
        for (pattern, text, wanted) in cases {
            assert_eq!(like(pattern, text), wanted, "{pattern} on {text}");
        }
    }
}
