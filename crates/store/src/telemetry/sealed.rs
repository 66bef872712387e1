//! Looks into the payloads of the archive: those that are readable where they stand, those that are sealed after they were opened here, a
//! few at a time. Both are compared by the same expression, so that a search does not tell them apart.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::{QueryBuilder, Sqlite};

use super::sync_facts::SyncFacts;
use crate::sync::sealing::Stored;
use crate::sync::statements::control::LETTERS_UNDER;
use crate::{Error, Result};

/// Sealed payloads that are opened at once.
const OPEN_AT_ONCE: i64 = if cfg!(test) { 2 } else { 250 };

/// What is looked for in the payloads of the archive whose numbers lie in `low..=high` without `low`.
#[derive(Debug)]
pub(crate) struct PayloadAsk {
    /// Path of SQLite into the intent.
    pub path: String,
    /// Patterns, of which one has to hold, each with what the text of the intent holds wherever it can.
    pub values: Arc<Vec<(String, String)>>,
    pub low: i64,
    pub high: i64,
}

/// What one look found.
#[derive(Debug, Default)]
pub(crate) struct PayloadHits {
    /// Payloads that were there.
    pub looked: i64,
    /// Number of the row, number of the client, operation.
    hits: Vec<(i64, i64, String)>,
}

impl PayloadHits {
    /// Number of the client and operation.
    pub(crate) fn newest_first(self) -> impl Iterator<Item = (i64, String)> {
        self.hits.into_iter().rev().map(|(_, client, operation)| (client, operation))
    }
}

impl PayloadAsk {
    /// Adds what holds of an intent in a column. A word is looked for in its text before it is looked for in its JSON, which costs ten
    /// times as much.
    fn holds(&self, query: &mut QueryBuilder<Sqlite>, column: &'static str) {
        query.push("(0");
        for (pattern, needle) in self.values.iter() {
            // Without letters there is no large one to be found as a small one.
            let plain = !needle.bytes().any(|byte| byte.is_ascii_alphabetic());
            query.push(if plain { " or instr(" } else { " or instr(lower(" }).push(column);
            query
                .push(if plain { ", " } else { "), " })
                .push_bind(needle.clone())
                .push(") > 0 and (case json_type(")
                .push(column);
            query.push(
                ", (select path from asked)) when 'true' then 'true' when 'false' then 'false' when 'null' then 'null' else ",
            );
            query.push(column).push(" ->> (select path from asked) end) like ").push_bind(pattern.clone()).push(r" escape '\'");
        }
        query.push(")");
    }

    /// Whether an intent may hold what is looked for: what the expression looks for first.
    fn may_hold(values: &[(String, String)], intent: &str) -> bool {
        let small = intent.to_ascii_lowercase();
        values.iter().any(|(_, needle)| memchr::memmem::find(small.as_bytes(), needle.as_bytes()).is_some())
    }
}

impl SyncFacts {
    /// Looks into payloads, oldest first.
    pub(crate) async fn payload_hits(&self, ask: PayloadAsk) -> Result<PayloadHits> {
        let (readable, sealed) = tokio::try_join!(self.readable_hits(&ask), self.sealed_hits(&ask))?;
        let mut hits = [readable.hits, sealed.hits].concat();
        hits.sort_unstable_by_key(|hit| hit.0);
        Ok(PayloadHits { looked: readable.looked + sealed.looked, hits })
    }

    async fn readable_hits(&self, ask: &PayloadAsk) -> Result<PayloadHits> {
        let mut query = QueryBuilder::<Sqlite>::new("with asked (path) as (select ");
        query.push_bind(ask.path.clone());
        query.push(") select count(*), json_group_array(json_array(d.id, d.client, d.operation_id)) filter (where ");
        ask.holds(&mut query, "d.mutation");
        query.push(") from dead_letters d where d.sealed is null and d.id > ").push_bind(ask.low);
        query.push(" and d.id <= ").push_bind(ask.high);
        let (looked, hits): (i64, String) = query.build_query_as().fetch_one(&self.readers).await?;
        let hits = serde_json::from_str(&hits).map_err(|error| Error::Corrupt(error.to_string()))?;
        Ok(PayloadHits { looked, hits })
    }

    async fn sealed_hits(&self, ask: &PayloadAsk) -> Result<PayloadHits> {
        let mut found = PayloadHits::default();
        for key in self.vault.ids() {
            let mut after = ask.low;
            loop {
                let query = sqlx::query_as(LETTERS_UNDER).bind(key.to_vec()).bind(after).bind(ask.high).bind(OPEN_AT_ONCE);
                let rows: Vec<Stored> = query.fetch_all(&self.readers).await?;
                let Some(last) = rows.last() else { break };
                after = last.id;
                found.looked += rows.len() as i64;
                let opened = self.opened(rows, Arc::clone(&ask.values)).await?;
                found.hits.extend(self.opened_hits(ask, opened).await?);
            }
        }
        Ok(found)
    }

    /// Opens payloads, away from the tasks that serve; keeps those that may hold what is looked for. What does not open is left to a
    /// verification.
    async fn opened(&self, rows: Vec<Stored>, values: Arc<Vec<(String, String)>>) -> Result<Vec<Opened>> {
        let vault = Arc::clone(&self.vault);
        let opening = tokio::task::spawn_blocking(move || {
            let open = |row: Stored| {
                let (id, client, operation) = (row.id, row.client, row.operation_id.clone());
                let intent = row.intent(&vault).ok()?;
                PayloadAsk::may_hold(&values, &intent).then_some(((id, client, operation), intent))
            };
            rows.into_iter().filter_map(open).collect()
        });
        opening.await.map_err(|error| Error::Corrupt(format!("the opening of payloads ended: {error}")))
    }

    /// Those that hold what is looked for. They go to SQLite as a parameter, in memory.
    async fn opened_hits(&self, ask: &PayloadAsk, opened: Vec<Opened>) -> Result<Vec<(i64, i64, String)>> {
        if opened.is_empty() {
            return Ok(Vec::new());
        }
        let (names, intents): (Vec<_>, Vec<String>) = opened.into_iter().unzip();
        let mut query = QueryBuilder::<Sqlite>::new("with asked (path) as (select ");
        query.push_bind(ask.path.clone()).push("), said (at, intent) as (select key, value from json_each(");
        query.push_bind(serde_json::Value::from(intents).to_string());
        query.push(")) select said.at from said where json_valid(said.intent) and ");
        ask.holds(&mut query, "said.intent");
        let places: Vec<i64> = query.build_query_scalar().fetch_all(&self.readers).await?;
        let mut names: Vec<Option<(i64, i64, String)>> = names.into_iter().map(Some).collect();
        Ok(places.into_iter().filter_map(|at| names.get_mut(usize::try_from(at).ok()?)?.take()).collect())
    }

    /// The same with the ids of the clients.
    pub(crate) async fn payload_names(&self, hits: Vec<(i64, String)>) -> Result<Vec<(String, String)>> {
        const TEXT: &str = r"
            select c.id, c.client_id from json_each(?1) as wanted join clients c on c.id = wanted.value";
        let mut numbers: Vec<i64> = hits.iter().map(|hit| hit.0).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let rows: Vec<(i64, String)> =
            sqlx::query_as(TEXT).bind(serde_json::json!(numbers).to_string()).fetch_all(&self.readers).await?;
        let names: HashMap<i64, String> = rows.into_iter().collect();
        Ok(hits.into_iter().filter_map(|(client, operation)| Some((names.get(&client)?.clone(), operation))).collect())
    }
}

/// Number of the row, number of the client, operation; and the intent.
type Opened = ((i64, i64, String), String);
