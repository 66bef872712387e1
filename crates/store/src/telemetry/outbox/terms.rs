//! The keys of `filter::keys::OUTBOX` in SQL, over `outbox o` and, by its number, `devices d`; and which index answers them.

use tidewatch_domain::filter::{Filter, Op, Term, Value};
use tidewatch_domain::report::EntryState;

use super::super::columns::state_rank;
use super::super::terms::{Query, age_push, any_push, like_push, number_push, ranks_push, texts, version_push};
use super::payloads::Found;

/// In what of a failure a bare word is looked for. Whoever can ask whether a text is there can find it letter by letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// In all that it says, values that it quotes included.
    All,
    /// In what it has in common with others of its group.
    Common,
}

/// Appends the filter as one condition; `1` when it is empty. `found` holds what was found for its terms about payloads.
pub(super) fn push(query: &mut Query, filter: &Filter, found: &Found, words: Words, now: i64) {
    query.push("1");
    for (at, term) in filter.terms().iter().enumerate() {
        query.push(if term.negated { " and not coalesce((" } else { " and coalesce((" });
        match found.pairs(at) {
            Some(pairs) => {
                query.push("(d.client_id, o.operation_id) in (select value ->> '$[0]', value ->> '$[1]' from json_each(");
                query.push_bind(pairs).push("))");
            }
            None => term_push(query, term, words, now),
        }
        query.push("), 0)");
    }
}

fn term_push(query: &mut Query, term: &Term, words: Words, now: i64) {
    let Some(key) = term.key() else { return word_push(query, term, words) };
    match key {
        "state" => ranks_push(query, "o.state", texts(term).filter_map(EntryState::parse).map(state_rank).collect()),
        "collection" => like_push(query, "o.collection", term),
        "record" => like_push(query, "o.record_id", term),
        "operation" => like_push(query, "o.operation_id", term),
        "op" => like_push(query, "o.op", term),
        "pending" => like_push(query, "o.pending", term),
        "job" => any_push(query, term, |query, value| {
            query.push("o.job = ").push_bind(job_number(&value.to_string()));
        }),
        "code" => like_push(query, "o.error_code", term),
        "scope" => like_push(query, "o.scope", term),
        "tries" => number_push(query, "o.attempts", term),
        "age" => age_push(query, "o.created_ms", now, term),
        "bytes" => number_push(query, "o.bytes", term),
        "device" => device_push(query, |query| device_named_push(query, term)),
        "platform" => device_push(query, |query| like_push(query, "d.platform", term)),
        _ => device_push(query, |query| version_push(query, "d.app_key", term)),
    }
}

/// By its name or its id.
pub(super) fn device_named_push(query: &mut Query, term: &Term) {
    query.push("(");
    like_push(query, "d.name", term);
    query.push(" or ");
    like_push(query, "d.client_id", term);
    query.push(")");
}

fn device_push(query: &mut Query, condition: impl FnOnce(&mut Query)) {
    query.push("o.device in (select d.id from devices d where ");
    condition(query);
    query.push(")");
}

/// A bare word is looked for in what failures say and in the ids of operations and records.
fn word_push(query: &mut Query, term: &Term, words: Words) {
    let said = match words {
        Words::All => "o.error_message",
        Words::Common => "o.signature",
    };
    any_push(query, term, |query, value| {
        let pattern = format!("%{}%", Value::like_pattern(&value.to_string()));
        query.push("(");
        for (at, column) in [said, "o.error_code", "o.record_id", "o.operation_id"].into_iter().enumerate() {
            query.push(if at == 0 { "" } else { " or " }).push(column);
            query.push(" like ").push_bind(pattern.clone()).push(r" escape '\'");
        }
        query.push(")");
    });
}

/// The number in the name of a job, `J17`.
pub(super) fn job_number(name: &str) -> Option<i64> {
    name.strip_prefix(['J', 'j']).unwrap_or(name).parse().ok()
}

/// What a filter pins to one value that has an index of its own.
pub(super) fn pinned<'a>(filter: &'a Filter, key: &str) -> Option<&'a str> {
    filter.terms().iter().find_map(|term| match (term.key(), term.values.as_slice()) {
        (Some(name), [Value::Text(text)]) if name == key && !term.negated && term.op == Op::Is && !text.contains('*') => {
            Some(text.as_str())
        }
        _ => None,
    })
}
