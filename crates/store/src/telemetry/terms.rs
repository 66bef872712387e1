//! Terms of the filter language in SQL, whatever the list: what each kind of key compares. A comparison with what is not known is false.

use sqlx::{QueryBuilder, Sqlite};
use tidewatch_domain::filter::{Op, Term, Value, VersionKey};

pub(super) type Query = QueryBuilder<Sqlite>;

pub(super) fn texts(term: &Term) -> impl Iterator<Item = &str> {
    term.values.iter().filter_map(|value| if let Value::Text(text) = value { Some(text.as_str()) } else { None })
}

pub(super) fn ranks_push(query: &mut Query, column: &str, ranks: Vec<usize>) {
    query.push(column).push(" in (");
    for (at, rank) in ranks.into_iter().enumerate() {
        query.push(if at == 0 { "" } else { ", " }).push_bind(rank as i64);
    }
    query.push(")");
}

/// Any of the values, each pushed by `one`.
pub(super) fn any_push(query: &mut Query, term: &Term, mut one: impl FnMut(&mut Query, &Value)) {
    query.push("(");
    for (at, value) in term.values.iter().enumerate() {
        query.push(if at == 0 { "" } else { " or " });
        one(query, value);
    }
    query.push(")");
}

pub(super) fn like_push(query: &mut Query, column: &str, term: &Term) {
    any_push(query, term, |query, value| {
        query.push(column).push(" like ").push_bind(Value::like_pattern(&value.to_string())).push(r" escape '\'");
    });
}

const fn operator(op: Op) -> &'static str {
    match op {
        Op::Is => " = ",
        Op::Lt => " < ",
        Op::Le => " <= ",
        Op::Gt => " > ",
        Op::Ge => " >= ",
    }
}

pub(super) fn number_push(query: &mut Query, column: &str, term: &Term) {
    any_push(query, term, |query, value| {
        query.push(column);
        match value {
            Value::Number(number) => query.push(operator(term.op)).push_bind(*number),
            Value::Duration(ms) => query.push(operator(term.op)).push_bind(*ms),
            _ => query.push(" is null"),
        };
    });
}

pub(super) fn age_push(query: &mut Query, column: &str, now: i64, term: &Term) {
    number_push(query, &format!("({now} - {column})"), term);
}

pub(super) fn version_push(query: &mut Query, column: &str, term: &Term) {
    any_push(query, term, |query, value| {
        match value {
            Value::Version(version) => query.push(column).push(operator(term.op)).push_bind(version.sort_text()),
            Value::VersionPrefix(parts) => {
                let prefix = VersionKey::sort_prefix(parts);
                query.push("substr(").push(column).push(", 1, ").push_bind(prefix.len() as i64).push(") = ").push_bind(prefix)
            }
            _ => query.push(column).push(" is null"),
        };
    });
}
