//! A page of entries, of all devices or of one, worst and oldest first. What a filter pins (an operation, a record, a group, a
//! collection, a state, a job, payloads that were found) is one range of an index; everything else is looked for in a bounded stretch
//! of the whole list, and the page says where it stopped.
//!
//! What was drained is not listed unless the filter names it: by state, job, pending action, operation or record.

use sqlx::{QueryBuilder, Sqlite};
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::filter::{Filter, Op, Subject, Term, Value};
use tidewatch_domain::fleet::{EntryRow, OutboxRow};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{Page, Position, Total};
use tidewatch_domain::report::{EntryState, ReportedError, STATES, STATES_REPORTED};
use tidewatch_domain::time::Millis;

use super::super::Telemetry;
use super::super::columns::state_rank;
use super::super::terms::texts;
use super::payloads::{Found, Looked};
use super::terms::{self, Words};
use crate::{Error, Result};

/// Entries that one page looks at, at most: about a third of a second.
/// Tests have stretches shorter than their lists.
const STRETCH_ROWS: i64 = if cfg!(test) { 30 } else { 50_000 };
/// Number that no device has: theirs begin at one.
const NO_DEVICE: i64 = 0;
/// Matches that are counted; more are "at least".
const COUNT_MAX: i64 = 50_000;

/// Columns of [`EntryRead`].
pub(super) const COLUMNS: &str = "o.device, o.operation_id, o.collection, o.record_id, o.scope, o.op, o.priority, o.state, o.attempts, \
    o.created_ms, o.last_attempt_ms, o.next_attempt_ms, o.bytes, o.error_code, o.error_status, o.error_message, o.depends_on, o.sort_age, \
    o.pending, d.client_id, d.name, d.app_version";

#[derive(Debug, sqlx::FromRow)]
pub(super) struct EntryRead {
    pub(super) device: i64,
    pub(super) operation_id: String,
    pub(super) collection: String,
    pub(super) record_id: String,
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
    pub(super) sort_age: i64,
    pending: Option<String>,
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
        let pending = self.pending.as_deref().and_then(DrainAction::parse);
        Ok(OutboxRow { entry, device_name: self.name, app_version: self.app_version, blocks, pending, keeping: None })
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

    fn push(&self, query: &mut QueryBuilder<Sqlite>, operator: &str) {
        query.push(" and (o.state, o.sort_age, o.device, o.operation_id) ").push(operator).push(" (");
        query.push_bind(self.0).push(", ").push_bind(self.1).push(", ").push_bind(self.2).push(", ");
        query.push_bind(self.3.clone()).push(")");
    }

    /// The same within its state.
    fn push_within(&self, query: &mut QueryBuilder<Sqlite>, operator: &str) {
        query.push(" and (o.sort_age, o.device, o.operation_id) ").push(operator).push(" (");
        query.push_bind(self.1).push(", ").push_bind(self.2).push(", ").push_bind(self.3.clone()).push(")");
    }
}

/// What a list is of.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// One device.
    pub(super) device: Option<i64>,
    /// One group of failures.
    pub(super) signature: Option<&'a str>,
    pub(super) filter: &'a Filter,
    /// What was found for its terms about payloads: [`Telemetry::payloads_find`].
    pub(super) found: &'a Found,
    /// Where its bare words are looked for.
    pub(super) words: Words,
    pub(super) now: i64,
}

/// Keys whose naming lists what was drained, too.
const NAMES_DRAINED: [&str; 5] = ["state", "job", "pending", "operation", "record"];

impl Wanted<'_> {
    /// The index that serves it, and whether that narrows the list to a range of its own.
    fn index(&self) -> (&'static str, bool) {
        let pinned = |key| terms::pinned(self.filter, key).is_some();
        match self.signature {
            _ if self.device.is_some() => ("outbox_by_state", true),
            _ if pinned("operation") || self.found.pin().is_some() => ("outbox_by_operation", true),
            _ if pinned("record") => ("outbox_by_record", true),
            Some(_) => ("outbox_failed", true),
            None if self.job().is_some() => ("outbox_by_job", true),
            None if pinned("pending") => ("outbox_pending", true),
            None if pinned("collection") => ("outbox_by_collection", true),
            None => ("outbox_worst", self.ranks().0 == self.ranks().1),
        }
    }

    /// `from outbox o … where …`, from a place on: after it, or before it (`back`), to the end of a stretch where there is one.
    pub(super) fn push(&self, query: &mut QueryBuilder<Sqlite>, from: Option<(&Place, bool)>, end: Option<&Place>) {
        query.push(" from outbox o indexed by ").push(self.index().0).push(" cross join devices d on d.id = o.device where ");
        self.conditions_push(query, from, end);
    }

    /// The same for whoever asks for nothing of the device: an outer join finds what the inner one does, and SQLite leaves it out when no
    /// condition speaks of the device.
    pub(super) fn entries_push(&self, query: &mut QueryBuilder<Sqlite>, from: Option<(&Place, bool)>) {
        query.push(" from outbox o indexed by ").push(self.index().0).push(" left join devices d on d.id = o.device where ");
        self.conditions_push(query, from, None);
    }

    /// Everything that it asks for of an entry, from a place on.
    pub(super) fn conditions_push(&self, query: &mut QueryBuilder<Sqlite>, from: Option<(&Place, bool)>, end: Option<&Place>) {
        terms::push(query, self.filter, self.found, self.words, self.now);
        let pinned = |key| terms::pinned(self.filter, key).map(str::to_owned);
        pin(query, "o.operation_id collate nocase", pinned("operation"));
        pin(query, "o.record_id collate nocase", pinned("record"));
        pin(query, "o.collection", pinned("collection").map(|name| name.to_ascii_lowercase()));
        pin(query, "o.pending", pinned("pending").map(|name| name.to_ascii_lowercase()));
        if let Some(job) = self.job() {
            query.push(" and o.job = ").push_bind(job);
        }
        if let Some(operations) = self.found.pin() {
            query.push(" and o.operation_id collate nocase in (select value from json_each(").push_bind(operations).push("))");
        }
        if let Some(device) = self.device {
            query.push(" and o.device = ").push_bind(device);
        }
        if self.signature.is_some() {
            query.push(" and o.state <= 1");
        }
        match end {
            Some(end) => self.stretch_push(query, from, end),
            None => self.range_push(query, from),
        }
        pin(query, "o.signature", self.signature.map(str::to_owned));
    }

    /// The states that it can hold, from a place on. Of two bounds on one side of a range SQLite may take the wider one and read
    /// everything in between, so that each side has one: the place where there is one, and what follows from it is left out.
    fn range_push(&self, query: &mut QueryBuilder<Sqlite>, from: Option<(&Place, bool)>) {
        let (first, last) = self.ranks();
        match from {
            _ if first == last => {
                query.push(" and o.state = ").push_bind(first);
                match from {
                    Some((place, back)) if place.0 == first => place.push_within(query, if back { "<" } else { ">" }),
                    Some((place, back)) => place.push(query, if back { "<" } else { ">" }),
                    None => {}
                }
            }
            None => {
                query.push(" and o.state between ").push_bind(first).push(" and ").push_bind(last);
            }
            Some((place, false)) => {
                place.push(query, ">");
                query.push(" and o.state <= ").push_bind(last);
            }
            Some((place, true)) => {
                place.push(query, "<");
                if first > 0 {
                    query.push(" and o.state >= ").push_bind(first);
                }
            }
        }
    }

    /// The same to the end of a stretch, which is the one bound of its side.
    fn stretch_push(&self, query: &mut QueryBuilder<Sqlite>, from: Option<(&Place, bool)>, end: &Place) {
        match from {
            Some((place, back)) => place.push(query, if back { "<" } else { ">" }),
            None => _ = query.push(" and o.state >= ").push_bind(self.ranks().0),
        }
        end.push(query, if from.is_some_and(|(_, back)| back) { ">=" } else { "<=" });
    }

    /// First and last of the states that it can hold.
    fn ranks(&self) -> (i64, i64) {
        let named = |term: &&Term| term.key() == Some("state") && !term.negated;
        let ranks = self.filter.terms().iter().filter(named).map(|term| {
            let ranks = texts(term).filter_map(EntryState::parse).map(|state| state_rank(state) as i64);
            ranks.fold((STATES as i64, 0), |(first, last), rank| (first.min(rank), last.max(rank)))
        });
        let names_drained = self.filter.terms().iter().any(|term| term.key().is_some_and(|key| NAMES_DRAINED.contains(&key)));
        let last = if names_drained { STATES } else { STATES_REPORTED } as i64 - 1;
        let all = (0, if self.signature.is_some() { last.min(1) } else { last });
        ranks.fold(all, |(first, last), (low, high)| (first.max(low), last.min(high)))
    }

    fn job(&self) -> Option<i64> {
        terms::pinned(self.filter, "job").and_then(terms::job_number)
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
        words: Words,
        position: &Position,
        rows: u32,
        now: Millis,
    ) -> Result<Page<OutboxRow>> {
        let found = self.payloads_find(filter).await?;
        let device = self.device_pinned(filter).await?;
        self.wanted_page(Wanted { device, signature, filter, found: &found, words, now: now.0 }, position, rows).await
    }

    /// The number of the device when a filter asks for one alone, so that its entries are read and no others.
    pub(super) async fn device_pinned(&self, filter: &Filter) -> Result<Option<i64>> {
        let Some(term) = filter.terms().iter().find(|term| term.key() == Some("device") && !term.negated) else {
            return Ok(None);
        };
        let mut query = QueryBuilder::new("select d.id from devices d where ");
        terms::device_named_push(&mut query, term);
        query.push(" limit 2");
        let found: Vec<i64> = query.build_query_scalar().fetch_all(&self.database.readers).await?;
        Ok(match found.as_slice() {
            [] => Some(NO_DEVICE),
            [one] => Some(*one),
            _ => None,
        })
    }

    /// One page of the outbox of a device, worst first.
    ///
    /// # Errors
    /// Not found: the device, or a position that is not one.
    pub async fn device_outbox(
        &self,
        client_id: &ClientId,
        state: Option<EntryState>,
        position: &Position,
        rows: u32,
    ) -> Result<Page<OutboxRow>> {
        let device = Some(self.device_number(client_id).await?);
        let filter = state.map_or_else(Filter::default, |state| Filter::default().with(in_state(state)));
        let wanted = Wanted { device, signature: None, filter: &filter, found: &Found::default(), words: Words::All, now: 0 };
        self.wanted_page(wanted, position, rows).await
    }

    async fn wanted_page(&self, wanted: Wanted<'_>, position: &Position, rows: u32) -> Result<Page<OutboxRow>> {
        let place = match position {
            Position::Start => None,
            Position::After(text) | Position::Before(text) => Some(Place::parse(text).ok_or(Error::NotFound("position"))?),
        };
        let back = matches!(position, Position::Before(_));
        let limit = rows.max(1) as usize;
        let free = wanted.index().1 || wanted.filter.is_empty();
        let end = if free { None } else { self.stretch_end(wanted, place.as_ref(), back).await? };
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
        wanted.push(&mut query, place.map(|place| (place, back)), end);
        order_push(&mut query, back);
        query.push(" limit ").push_bind(limit as i64);
        Ok(query.build_query_as().fetch_all(&self.database.readers).await?)
    }

    /// The last place of a stretch; `None` when it reaches the end of the list before.
    async fn stretch_end(&self, wanted: Wanted<'_>, place: Option<&Place>, back: bool) -> Result<Option<Place>> {
        let mut query = QueryBuilder::new(
            "select o.state, o.sort_age, o.device, o.operation_id from outbox o indexed by outbox_worst where 1",
        );
        wanted.range_push(&mut query, place.map(|place| (place, back)));
        order_push(&mut query, back);
        query.push(" limit 1 offset ").push_bind(STRETCH_ROWS);
        let row: Option<(i64, i64, i64, String)> = query.build_query_as().fetch_optional(&self.database.readers).await?;
        Ok(row.map(|(state, age, device, operation)| Place(state, age, device, operation)))
    }

    async fn entries_total(&self, wanted: Wanted<'_>) -> Result<Total> {
        let mut query = QueryBuilder::new("select count(*) from (select 1");
        wanted.entries_push(&mut query, None);
        query.push(" limit ").push_bind(COUNT_MAX).push(")");
        let count: i64 = query.build_query_scalar().fetch_one(&self.database.readers).await?;
        let found = count.cast_unsigned();
        Ok(match wanted.found.looked() {
            Some(Looked { payloads, all }) => Total::Among { found, looked: payloads, all },
            None if count < COUNT_MAX => Total::Exact(found),
            None => Total::AtLeast(found),
        })
    }
}

fn in_state(state: EntryState) -> Term {
    let values = vec![Value::Text(state.as_str().to_owned())];
    Term { negated: false, subject: Subject::Key("state".to_owned()), op: Op::Is, values, span: Default::default() }
}

pub(super) fn order_push(query: &mut QueryBuilder<Sqlite>, back: bool) {
    let direction = if back { " desc" } else { "" };
    for (at, column) in ["o.state", "o.sort_age", "o.device", "o.operation_id"].into_iter().enumerate() {
        query.push(if at == 0 { " order by " } else { ", " }).push(column).push(direction);
    }
}

#[cfg(test)]
mod tests;
