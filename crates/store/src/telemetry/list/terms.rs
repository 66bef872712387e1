//! The keys of `filter::keys::DEVICES` in SQL. A comparison with what is not known is false; `-term` is its complement.

use tidewatch_domain::filter::{Filter, Term, Value};
use tidewatch_domain::fleet::{Condition, Contact, DriftCause, Health};
use tidewatch_domain::time::Millis;

use super::super::columns::{cause_rank, condition_rank, contact_rank};
use super::super::terms::{Query, age_push, any_push, like_push, number_push, ranks_push, texts, version_push};

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
