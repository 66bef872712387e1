//! A page of entries across devices, worst and oldest first. What a filter pins (an operation, a record, a group, a collection) is one
//! range of an index; everything else is looked for in a bounded stretch of the whole list, and the page says where it stopped.

use sqlx::{QueryBuilder, Sqlite};
use tidewatch_domain::filter::Filter;
use tidewatch_domain::fleet::{EntryRow, OutboxRow};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{Page, Position, Total};
use tidewatch_domain::report::{EntryState, ReportedError};
use tidewatch_domain::time::Millis;

use super::super::Telemetry;
use super::super::columns::state_rank;
use super::terms;
use crate::{Error, Result};

/// Entries that one page looks at, at most: about a third of a second.
/// Tests have stretches shorter than their lists.
const STRETCH_ROWS: i64 = if cfg!(test) { 30 } else { 50_000 };
/// Matches that are counted; more are "at least".
const COUNT_MAX: i64 = 50_000;

/// Columns of [`EntryRead`].
pub(super) const COLUMNS: &str = "o.device, o.operation_id, o.collection, o.record_id, o.scope, o.op, o.priority, o.state, o.attempts, \
    o.created_ms, o.last_attempt_ms, o.next_attempt_ms, o.bytes, o.error_code, o.error_status, o.error_message, o.depends_on, o.sort_age, \
    d.client_id, d.name, d.app_version";

#[derive(Debug, sqlx::FromRow)]
pub(super) struct EntryRead {
    pub(super) device: i64,
    operation_id: String,
    collection: String,
    record_id: String,
    scope: Option<String>,
    op: String,
    priority: i64,
    state: i64,
    attempts: i64,
    created_ms: Option<i64>,
    last_attempt_ms: Option<i64>,
    next_attempt_ms: Option<i64>,
    bytes: Option<i64>,
    error_code: Option<String>,
    error_status: Option<i64>,
    error_message: Option<String>,
    depends_on: String,
    sort_age: i64,
    client_id: String,
    name: String,
    app_version: Option<String>,
}

impl EntryRead {
    fn place(&self) -> Place {
        Place(self.state, self.sort_age, self.device, self.operation_id.clone())
    }

    /// The row of a list; what it blocks is counted by the caller.
    pub(super) fn read(self, blocks: u64) -> Result<OutboxRow> {
        let client_id = ClientId::parse(self.client_id).map_err(|e| Error::Corrupt(format!("a device of the mirror: {e}")))?;
        let status = self.error_status;
        let message = self.error_message;
        let entry = EntryRow {
            client_id,
            operation_id: self.operation_id,
            collection: self.collection,
            record_id: self.record_id,
            scope: self.scope,
            op: self.op,
            priority: self.priority,
            state: EntryState::ALL[usize::try_from(self.state).expect("a checked column")],
            attempts: self.attempts,
            created_at: self.created_ms.map(Millis),
            last_attempt_at: self.last_attempt_ms.map(Millis),
            next_attempt_at: self.next_attempt_ms.map(Millis),
            bytes: self.bytes,
            error: self.error_code.map(|code| ReportedError { code, status, message }),
            // The column holds an array of texts, by its constraint and its only writer.
            depends_on: serde_json::from_str(&self.depends_on).unwrap_or_default(),
        };
        Ok(OutboxRow { entry, device_name: self.name, app_version: self.app_version, blocks })
    }
}

/// A place in the list: state, age, device, operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(pub(super) i64, pub(super) i64, pub(super) i64, pub(super) String);

impl Place {
    fn print(&self) -> String {
        format!("{}~{}~{}~{}", self.0, self.1, self.2, self.3)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '~');
        let mut number = || parts.next()?.parse::<i64>().ok();
        let (state, age, device) = (number()?, number()?, number()?);
        Some(Self(state, age, device, parts.next()?.to_owned()))
    }

    pub(super) fn push(&self, query: &mut QueryBuilder<Sqlite>, operator: &str) {
        query.push(" and (o.state, o.sort_age, o.device, o.operation_id) ").push(operator).push(" (");
        query.push_bind(self.0).push(", ").push_bind(self.1).push(", ").push_bind(self.2).push(", ");
        query.push_bind(self.3.clone()).push(")");
    }
}

/// What a list is of.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) signature: Option<&'a str>,
    pub(super) filter: &'a Filter,
    pub(super) now: i64,
}

impl Wanted<'_> {
    /// The index that serves it, and whether that narrows the list to a range of its own.
    fn index(&self) -> (&'static str, bool) {
        let pinned = |key| terms::pinned(self.filter, key).is_some();
        match self.signature {
            _ if pinned("operation") => ("outbox_by_operation", true),
            _ if pinned("record") => ("outbox_by_record", true),
            Some(_) => ("outbox_failed", true),
            None if pinned("collection") => ("outbox_by_collection", true),
            None => ("outbox_worst", self.state().is_some()),
        }
    }

    /// `from outbox o … where …` with everything but the position.
    pub(super) fn push(&self, query: &mut QueryBuilder<Sqlite>) {
        query.push(" from outbox o indexed by ").push(self.index().0).push(" cross join devices d on d.id = o.device where ");
        terms::push(query, self.filter, self.now);
        let pinned = |key| terms::pinned(self.filter, key).map(str::to_owned);
        pin(query, "o.operation_id collate nocase", pinned("operation"));
        pin(query, "o.record_id collate nocase", pinned("record"));
        pin(query, "o.collection", pinned("collection").map(|name| name.to_ascii_lowercase()));
        if let Some(state) = self.state() {
            query.push(" and o.state = ").push_bind(state_rank(state) as i64);
        }
        if self.signature.is_some() {
            query.push(" and o.state <= 1");
        }
        pin(query, "o.signature", self.signature.map(str::to_owned));
    }

    fn state(&self) -> Option<EntryState> {
        terms::pinned(self.filter, "state").and_then(EntryState::parse)
    }
}

fn pin(query: &mut QueryBuilder<Sqlite>, column: &str, value: Option<String>) {
    if let Some(value) = value {
        query.push(" and ").push(column).push(" = ").push_bind(value);
    }
}

impl Telemetry {
    /// One page of the entries of all devices, worst and oldest first: of one group of failures, or of all.
    ///
    /// # Errors
    /// Not found for a position that is not one; as the database.
    pub async fn outbox_page(
        &self,
        signature: Option<&str>,
        filter: &Filter,
        position: &Position,
        rows: u32,
        now: Millis,
    ) -> Result<Page<OutboxRow>> {
        let wanted = Wanted { signature, filter, now: now.0 };
        let place = match position {
            Position::Start => None,
            Position::After(text) | Position::Before(text) => Some(Place::parse(text).ok_or(Error::NotFound("position"))?),
        };
        let back = matches!(position, Position::Before(_));
        let limit = rows.max(1) as usize;
        let end = if wanted.index().1 || filter.is_empty() { None } else { self.stretch_end(place.as_ref(), back).await? };
        let mut found = self.entries(wanted, place.as_ref(), back, end.as_ref(), limit + 1).await?;
        let total = match &end {
            None => self.entries_total(wanted).await?,
            // What lies beyond the stretch has not been looked at.
            Some(_) => Total::AtLeast(found.len().min(limit) as u64),
        };
        let more = found.len() > limit;
        found.truncate(limit);
        if back {
            found.reverse();
        }
        let (first, last) = (found.first().map(EntryRead::place), found.last().map(EntryRead::place));
        // A stretch that held too few goes on where it ended.
        let on = if more { if back { first.clone() } else { last.clone() } } else { end };
        let (next, previous) = if back { (last, on) } else { (on, first.filter(|_| place.is_some())) };
        let blocks = self.blocks(&found).await?;
        let rows = found.into_iter().zip(blocks).map(|(row, blocks)| row.read(blocks)).collect::<Result<_>>()?;
        Ok(Page { rows, next: next.as_ref().map(Place::print), previous: previous.as_ref().map(Place::print), total })
    }

    async fn entries(
        &self,
        wanted: Wanted<'_>,
        place: Option<&Place>,
        back: bool,
        end: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<EntryRead>> {
        let mut query = QueryBuilder::new("select ");
        query.push(COLUMNS);
        wanted.push(&mut query);
        if let Some(place) = place {
            place.push(&mut query, if back { "<" } else { ">" });
        }
        if let Some(end) = end {
            end.push(&mut query, if back { ">=" } else { "<=" });
        }
        order_push(&mut query, back);
        query.push(" limit ").push_bind(limit as i64);
        Ok(query.build_query_as().fetch_all(&self.database.readers).await?)
    }

    /// The last place of a stretch; `None` when it reaches the end of the list before.
    async fn stretch_end(&self, place: Option<&Place>, back: bool) -> Result<Option<Place>> {
        let mut query = QueryBuilder::new(
            "select o.state, o.sort_age, o.device, o.operation_id from outbox o indexed by outbox_worst where 1",
        );
        if let Some(place) = place {
            place.push(&mut query, if back { "<" } else { ">" });
        }
        order_push(&mut query, back);
        query.push(" limit 1 offset ").push_bind(STRETCH_ROWS);
        let row: Option<(i64, i64, i64, String)> = query.build_query_as().fetch_optional(&self.database.readers).await?;
        Ok(row.map(|(state, age, device, operation)| Place(state, age, device, operation)))
    }

    async fn entries_total(&self, wanted: Wanted<'_>) -> Result<Total> {
        let mut query = QueryBuilder::new("select count(*) from (select 1");
        wanted.push(&mut query);
        query.push(" limit ").push_bind(COUNT_MAX).push(")");
        let count: i64 = query.build_query_scalar().fetch_one(&self.database.readers).await?;
        let found = count.cast_unsigned();
        Ok(if count < COUNT_MAX { Total::Exact(found) } else { Total::AtLeast(found) })
    }

    /// How many entries wait behind each: of the same record or named in their `depends_on`, on the same device.
    pub(super) async fn blocks(&self, rows: &[EntryRead]) -> Result<Vec<u64>> {
        const TEXT: &str = r"
            select wanted.key, count(*) from json_each(?1) as wanted
            cross join outbox o indexed by outbox_by_state on o.device = wanted.value ->> '$[0]' and o.state = 3
                and o.operation_id <> wanted.value ->> '$[1]'
                and (o.collection = wanted.value ->> '$[2]' and o.record_id = wanted.value ->> '$[3]' and o.sort_age >= wanted.value ->> '$[4]'
                    or exists (select 1 from json_each(o.depends_on) as d where d.value = wanted.value ->> '$[1]'))
            group by wanted.key";
        let wanted: Vec<serde_json::Value> = rows
            .iter()
            .map(|row| serde_json::json!([row.device, row.operation_id, row.collection, row.record_id, row.sort_age]))
            .collect();
        let mut blocks = vec![0; rows.len()];
        let counts: Vec<(i64, i64)> =
            sqlx::query_as(TEXT).bind(serde_json::Value::from(wanted).to_string()).fetch_all(&self.database.readers).await?;
        for (at, count) in counts {
            blocks[usize::try_from(at).expect("an index of the array")] = count.cast_unsigned();
        }
        Ok(blocks)
    }
}

pub(super) fn order_push(query: &mut QueryBuilder<Sqlite>, back: bool) {
    let direction = if back { " desc" } else { "" };
    for (at, column) in ["o.state", "o.sort_age", "o.device", "o.operation_id"].into_iter().enumerate() {
        query.push(if at == 0 { " order by " } else { ", " }).push(column).push(direction);
    }
}
