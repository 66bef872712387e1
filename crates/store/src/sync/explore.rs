//! The log for people: newest first, by filter, without payloads.
//!
//! A page looks at a bounded stretch of the log. When the stretch ends before the page is full, the page says where it stopped
//! and goes on from there; the total is then a floor. The log has no holes, so a stretch of positions bounds the rows read.

mod conditions;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};
use tidewatch_domain::engine::ControlOp;
use tidewatch_domain::filter::Filter;
use tidewatch_domain::fleet::ChangeRow;
use tidewatch_domain::hlc::{Hlc, Ticks};
use tidewatch_domain::ids::Seq;
use tidewatch_domain::json::names_read;
use tidewatch_domain::page::{Page, Total};
use tidewatch_domain::time::Millis;

use self::conditions::Conditions;
use super::Sync;
use super::live::Live;
use super::statements::RECORD_SEQS;
use crate::{Error, Result};

/// Rows of the log that one page looks at, at most.
pub(crate) const STRETCH_ROWS: i64 = 50_000;

/// Where a page of a list by number begins, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// At the newest row.
    #[default]
    Newest,
    /// Below this number.
    Below(i64),
    /// Above this number.
    Above(i64),
}

/// A stretch of numbers: from `low` up to but without `top`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) low: i64,
    pub(crate) top: i64,
    pub(crate) rising: bool,
}

impl Stretch {
    /// The stretch that a page at `place` looks at, in a log that ends at `head`.
    pub(crate) fn new(place: Place, head: i64, rows: i64) -> Self {
        match place {
            Place::Newest => Self { low: (head + 1 - rows).max(1), top: head + 1, rising: false },
            Place::Below(at) => Self { low: (at.min(head + 1) - rows).max(1), top: at.clamp(1, head + 1), rising: false },
            Place::Above(at) => {
                Self { low: at.max(0).saturating_add(1), top: (at.max(0).saturating_add(1 + rows)).min(head + 1), rising: true }
            }
        }
    }
}

/// Makes a page of numbered rows, newest first, from what a statement returned: one row more than fits when there is more.
pub(crate) fn page_of<T>(
    mut rows: Vec<T>,
    limit: usize,
    stretch: Stretch,
    head: i64,
    number: impl Fn(&T) -> i64,
    total: Total,
) -> Page<T> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    if stretch.rising {
        rows.reverse();
    }
    let first = rows.first().map(&number);
    let last = rows.last().map(&number);
    let (next, previous) = if stretch.rising {
        let newer = if more { first } else { (stretch.top <= head).then_some(stretch.top - 1) };
        (last, newer)
    } else {
        let older = if more { last } else { (stretch.low > 1).then_some(stretch.low) };
        (older, first.filter(|_| stretch.top <= head))
    };
    Page { rows, next: next.map(|n| n.to_string()), previous: previous.map(|n| n.to_string()), total }
}

impl Sync {
    /// Changes by filter, newest first.
    ///
    /// # Errors
    /// As the database.
    pub async fn changes_list(&self, filter: &Filter, place: Place, rows: u32) -> Result<Page<ChangeRow>> {
        let head = self.head().0;
        let conditions = Conditions::new(&self.shared.live(), filter);
        let seqs = match &conditions.record {
            Some(record) => Some(self.record_seqs(record).await?),
            None => None,
        };
        let whole = conditions.is_narrow() || seqs.is_some();
        let stretch = Stretch::new(place, head, if whole { i64::MAX / 4 } else { STRETCH_ROWS });
        let total = if filter.is_empty() {
            Total::Exact(head.unsigned_abs())
        } else {
            self.changes_total(&conditions, seqs.as_deref(), head, whole).await?
        };
        let mut query = QueryBuilder::new(
            r"select c.seq, c.committed_ms, c.collection, c.record_id, c.scope, c.op, c.version, c.changed, c.client, c.operation_id,
                c.decision, c.hlc, c.hlc_node, c.hlc_claimed from changes c where ",
        );
        conditions.push(&mut query, stretch.low, stretch.top, seqs.as_deref());
        query.push(if stretch.rising { " order by c.seq limit " } else { " order by c.seq desc limit " });
        query.push_bind(i64::from(rows) + 1);
        let found: Vec<SqliteRow> = query.build().fetch_all(&self.readers).await?;
        let live = self.shared.live();
        let found: Vec<ChangeRow> = found.iter().map(|row| change_read(row, &live)).collect::<Result<_>>()?;
        Ok(page_of(found, rows as usize, stretch, head, |row| row.seq.0, total))
    }

    async fn changes_total(&self, conditions: &Conditions, seqs: Option<&str>, head: i64, whole: bool) -> Result<Total> {
        let low = if whole { 1 } else { (head + 1 - STRETCH_ROWS).max(1) };
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new("select count(*) from (select 1 from changes c where ");
        conditions.push(&mut query, low, head + 1, seqs);
        query.push(" limit ").push_bind(STRETCH_ROWS + 1).push(")");
        let count: i64 = query.build_query_scalar().fetch_one(&self.readers).await?;
        let all = low == 1 && count <= STRETCH_ROWS;
        Ok(if all { Total::Exact(count.unsigned_abs()) } else { Total::AtLeast(count.min(STRETCH_ROWS).unsigned_abs()) })
    }

    /// Positions of every change of a record, in any collection, as a JSON array.
    async fn record_seqs(&self, record_id: &str) -> Result<String> {
        let collections: Vec<i64> = self.shared.live().collections.iter().map(|known| known.engine.key.0).collect();
        let collections = serde_json::Value::from(collections).to_string();
        let (seqs,): (String,) =
            sqlx::query_as(RECORD_SEQS).bind(collections).bind(record_id.to_owned()).fetch_one(&self.readers).await?;
        Ok(seqs)
    }
}

/// Name of an operation of the log.
pub(crate) fn op_name(op: i64) -> &'static str {
    match op {
        1 => "create",
        2 => "update",
        3 => "put",
        4 => "delete",
        5 => "crdt",
        _ => ControlOp::of(op).map_or("genesis", ControlOp::as_str),
    }
}

fn decision_name(decision: i64) -> &'static str {
    match decision {
        1 => "applied",
        2 => "merged",
        _ => "system",
    }
}

fn change_read(row: &SqliteRow, live: &Live) -> Result<ChangeRow> {
    use tidewatch_domain::engine::{ClientKey, CollectionKey, ScopeKey};
    let seq: i64 = row.try_get("seq")?;
    let decision: i64 = row.try_get("decision")?;
    let ticks: i64 = row.try_get("hlc")?;
    let node: String = row.try_get("hlc_node")?;
    let changed: Option<String> = row.try_get("changed")?;
    let collection = CollectionKey(row.try_get("collection")?);
    let system = decision == 0;
    let collection = live.collection_name(collection).map(ToString::to_string);
    let scope = live.scope_names.get(&ScopeKey(row.try_get("scope")?)).map(ToString::to_string);
    if !system && (collection.is_none() || scope.is_none()) {
        return Err(Error::Corrupt(format!("row {seq} is of an unknown collection or scope")));
    }
    Ok(ChangeRow {
        seq: Seq(seq),
        committed: Millis(row.try_get("committed_ms")?),
        collection: collection.unwrap_or_default(),
        record_id: row.try_get("record_id")?,
        scope: scope.unwrap_or_default(),
        op: op_name(row.try_get("op")?),
        version: row.try_get("version")?,
        changed: changed.as_deref().map(names_read).unwrap_or_default(),
        client_id: live.client_ids.get(&ClientKey(row.try_get("client")?)).cloned(),
        device_name: None,
        operation_id: row.try_get("operation_id")?,
        decision: decision_name(decision),
        hlc: if system { String::new() } else { Hlc { ticks: Ticks(ticks.cast_unsigned()), node }.to_string() },
        hlc_claimed: row.try_get("hlc_claimed")?,
    })
}
