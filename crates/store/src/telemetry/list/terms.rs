//! The keys of `filter::keys::DEVICES` in SQL. A comparison with what is not known is false; `-term` is its complement.

use sqlx::{QueryBuilder, Sqlite};
use tidewatch_domain::filter::{Filter, Op, Term, Value, VersionKey};
use tidewatch_domain::fleet::{Condition, Contact, DriftCause, Health};
use tidewatch_domain::time::Millis;

use super::super::columns::{cause_rank, condition_rank, contact_rank};

type Query = QueryBuilder<Sqlite>;

/// Appends the filter as one condition over `devices d`; `1` when it is empty.
pub(super) fn push(query: &mut Query, filter: &Filter, now: Millis) {
    query.push("1");
    for term in filter.terms() {
        query.push(if term.negated { " and not coalesce((" } else { " and coalesce((" });
        term_push(query, term, now.0);
        query.push("), 0)");
    }
}

fn term_push(query: &mut Query, term: &Term, now: i64) {
    let Some(key) = term.key() else {
        return word_push(query, term);
    };
    match key {
        "condition" => ranks_push(query, "d.condition", condition_ranks(term)),
        "health" => ranks_push(query, "d.condition", health_ranks(term)),
        "contact" => ranks_push(query, "d.contact", contact_ranks(term)),
        "cause" => ranks_push(query, "d.drift_cause", texts(term).filter_map(DriftCause::parse).map(cause_rank).collect()),
        "platform" => like_push(query, "d.platform", term),
        "os" => version_push(query, "d.os_key", term),
        "version" => version_push(query, "d.app_key", term),
        "name" => like_push(query, "d.name", term),
        "id" => like_push(query, "d.client_id", term),
        "principal" => like_push(query, "d.principal", term),
        "queue" => number_push(query, "d.queue_depth", term),
        "poisoned" => number_push(query, "d.poisoned", term),
        "behind" => number_push(query, "d.behind", term),
        "battery" => number_push(query, "d.battery", term),
        "storage" => number_push(query, "d.storage", term),
        "score" => number_push(query, "d.score", term),
        "conflicts" => number_push(query, "d.conflicts", term),
        "pending" => age_push(query, "d.oldest_pending_ms", now, term),
        "lag" => age_push(query, "d.last_contact_ms", now, term),
        "drift" => {
            let known =
                format!("case when d.drift_since_ms is not null then {now} - d.drift_since_ms when d.drift_known = 1 then 0 end");
            number_push(query, &known, term);
        }
        "skew" => number_push(query, "abs(d.skew_ms)", term),
        "error" => like_push(query, "d.error_code", term),
        "signature" => {
            query.push("d.id in (select o.device from outbox o where o.state = 0 and ");
            like_push(query, "o.signature", term);
            query.push(")");
        }
        "simulated" => {
            let wanted = term.values.contains(&Value::Bool(true));
            query.push("d.simulated = ").push_bind(i64::from(wanted));
        }
        label => label_push(query, label.strip_prefix("label.").unwrap_or(label), term),
    }
}

fn texts(term: &Term) -> impl Iterator<Item = &str> {
    term.values.iter().filter_map(|value| if let Value::Text(text) = value { Some(text.as_str()) } else { None })
}

fn condition_ranks(term: &Term) -> Vec<usize> {
    texts(term).filter_map(Condition::parse).map(condition_rank).collect()
}

fn health_ranks(term: &Term) -> Vec<usize> {
    let wanted: Vec<&str> = texts(term).collect();
    let is_wanted = |health: Health| wanted.contains(&health.as_str());
    Condition::ALL.into_iter().filter(|condition| is_wanted(condition.health())).map(condition_rank).collect()
}

fn contact_ranks(term: &Term) -> Vec<usize> {
    let late = [Contact::Overdue, Contact::Lost];
    texts(term)
        .flat_map(|text| if text == "late" { late.to_vec() } else { Contact::parse(text).into_iter().collect() })
        .map(contact_rank)
        .collect()
}

fn ranks_push(query: &mut Query, column: &str, ranks: Vec<usize>) {
    query.push(column).push(" in (");
    for (at, rank) in ranks.into_iter().enumerate() {
        query.push(if at == 0 { "" } else { ", " }).push_bind(rank as i64);
    }
    query.push(")");
}

/// Any of the values, each pushed by `one`.
fn any_push(query: &mut Query, term: &Term, mut one: impl FnMut(&mut Query, &Value)) {
    query.push("(");
    for (at, value) in term.values.iter().enumerate() {
        query.push(if at == 0 { "" } else { " or " });
        one(query, value);
    }
    query.push(")");
}

fn like_push(query: &mut Query, column: &str, term: &Term) {
    any_push(query, term, |query, value| {
        query.push(column).push(" like ").push_bind(Value::like_pattern(&value.to_string())).push(r" escape '\'");
    });
}

fn label_push(query: &mut Query, label: &str, term: &Term) {
    query.push("exists (select 1 from json_each(d.labels) l where l.key = ").push_bind(label.to_owned()).push(" and ");
    like_push(query, "l.value", term);
    query.push(")");
}

fn word_push(query: &mut Query, term: &Term) {
    any_push(query, term, |query, value| {
        let pattern = format!("%{}%", Value::like_pattern(&value.to_string()));
        query.push("(");
        for (at, column) in ["d.name", "d.principal", "d.client_id"].into_iter().enumerate() {
            query.push(if at == 0 { "" } else { " or " }).push(column);
            query.push(" like ").push_bind(pattern.clone()).push(r" escape '\'");
        }
        query.push(")");
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

fn number_push(query: &mut Query, column: &str, term: &Term) {
    any_push(query, term, |query, value| {
        query.push(column);
        match value {
            Value::Number(number) => query.push(operator(term.op)).push_bind(*number),
            Value::Duration(ms) => query.push(operator(term.op)).push_bind(*ms),
            _ => query.push(" is null"),
        };
    });
}

fn age_push(query: &mut Query, column: &str, now: i64, term: &Term) {
    number_push(query, &format!("({now} - {column})"), term);
}

fn version_push(query: &mut Query, column: &str, term: &Term) {
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
