//! The lists of one device: its timeline and its outbox.

use sqlx::{QueryBuilder, Sqlite};
use tidewatch_domain::fleet::{EntryRow, TimelineEvent, TimelineKind};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{Page, Position, Total};
use tidewatch_domain::report::{EntryState, ReportedError};
use tidewatch_domain::time::Millis;

use super::Telemetry;
use super::columns::state_rank;
use super::story::{kind_code, kind_of, tone_of};
use crate::{Error, Result};

#[derive(Debug, sqlx::FromRow)]
struct EventRead {
    at_ms: i64,
    id: i64,
    kind: i64,
    tone: i64,
    title: String,
    detail: String,
    operation_id: Option<String>,
}

#[derive(Debug, sqlx::FromRow)]
struct EntryRead {
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
}

fn page<T, R>(
    mut rows: Vec<R>,
    wanted: usize,
    position: &Position,
    place: impl Fn(&R) -> String,
    read: impl Fn(R) -> T,
    total: u64,
) -> Page<T> {
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let back = matches!(position, Position::Before(_));
    if back {
        rows.reverse();
    }
    let (earlier, later) = if back { (more, true) } else { (!matches!(position, Position::Start), more) };
    let previous = rows.first().filter(|_| earlier).map(&place);
    let next = rows.last().filter(|_| later).map(&place);
    Page { rows: rows.into_iter().map(read).collect(), next, previous, total: Total::Exact(total) }
}

/// Reads `a~b` or `a~b~c` of numbers and a trailing text.
fn two(text: &str) -> Option<(i64, i64)> {
    let (a, b) = text.split_once('~')?;
    Some((a.parse().ok()?, b.parse().ok()?))
}

fn three(text: &str) -> Option<(i64, i64, String)> {
    let mut parts = text.splitn(3, '~');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.to_owned()))
}

const NO_POSITION: Error = Error::NotFound("position");

impl Telemetry {
    async fn device_number(&self, client_id: &ClientId) -> Result<i64> {
        const TEXT: &str = "select id from devices where client_id = ?1";
        let id: Option<i64> = sqlx::query_scalar(TEXT).bind(client_id.as_str()).fetch_optional(&self.database.readers).await?;
        id.ok_or(Error::NotFound("device"))
    }

    /// One page of the timeline of a device, newest first.
    ///
    /// # Errors
    /// Not found: the device, or a position that is not one.
    pub async fn device_timeline(
        &self,
        client_id: &ClientId,
        kind: Option<TimelineKind>,
        position: &Position,
        rows: u32,
    ) -> Result<Page<TimelineEvent>> {
        const COUNT: &str = "select count(*) from events where device = ?1 and (?2 is null or kind = ?2)";
        let readers = &self.database.readers;
        let device = self.device_number(client_id).await?;
        let code = kind.map(kind_code);
        let wanted = rows.max(1) as usize;
        let total: i64 = sqlx::query_scalar(COUNT).bind(device).bind(code).fetch_one(readers).await?;
        let mut query =
            QueryBuilder::<Sqlite>::new("select at_ms, id, kind, tone, title, detail, operation_id from events where device = ");
        query.push_bind(device);
        if let Some(code) = code {
            query.push(" and kind = ").push_bind(code);
        }
        let (beyond, direction) = match position {
            Position::Start => (None, " desc"),
            Position::After(text) => (Some((" < (", two(text).ok_or(NO_POSITION)?)), " desc"),
            Position::Before(text) => (Some((" > (", two(text).ok_or(NO_POSITION)?)), ""),
        };
        if let Some((operator, (at, id))) = beyond {
            query.push(" and (at_ms, id)").push(operator).push_bind(at).push(", ").push_bind(id).push(")");
        }
        query.push(" order by at_ms").push(direction).push(", id").push(direction).push(" limit ").push_bind(wanted as i64 + 1);
        let found: Vec<EventRead> = query.build_query_as().fetch_all(readers).await?;
        Ok(page(found, wanted, position, |row| format!("{}~{}", row.at_ms, row.id), event_read, total.cast_unsigned()))
    }

    /// One page of the outbox of a device as the mirror holds it, worst first.
    ///
    /// # Errors
    /// Not found: the device, or a position that is not one.
    pub async fn device_outbox(
        &self,
        client_id: &ClientId,
        state: Option<EntryState>,
        position: &Position,
        rows: u32,
    ) -> Result<Page<EntryRow>> {
        const COUNT: &str = "select count(*) from outbox where device = ?1 and (?2 is null or state = ?2)";
        let readers = &self.database.readers;
        let device = self.device_number(client_id).await?;
        let rank = state.map(|state| state_rank(state) as i64);
        let wanted = rows.max(1) as usize;
        let total: i64 = sqlx::query_scalar(COUNT).bind(device).bind(rank).fetch_one(readers).await?;
        let mut query = QueryBuilder::<Sqlite>::new(
            "select operation_id, collection, record_id, scope, op, priority, state, attempts, created_ms, last_attempt_ms, \
             next_attempt_ms, bytes, error_code, error_status, error_message, depends_on, sort_age from outbox where device = ",
        );
        query.push_bind(device);
        if let Some(rank) = rank {
            query.push(" and state = ").push_bind(rank);
        }
        let (beyond, direction) = match position {
            Position::Start => (None, ""),
            Position::After(text) => (Some((" > (", three(text).ok_or(NO_POSITION)?)), ""),
            Position::Before(text) => (Some((" < (", three(text).ok_or(NO_POSITION)?)), " desc"),
        };
        if let Some((operator, (state, age, operation))) = beyond {
            query.push(" and (state, sort_age, operation_id)").push(operator).push_bind(state).push(", ");
            query.push_bind(age).push(", ").push_bind(operation).push(")");
        }
        query.push(" order by state").push(direction).push(", sort_age").push(direction).push(", operation_id").push(direction);
        query.push(" limit ").push_bind(wanted as i64 + 1);
        let found: Vec<EntryRead> = query.build_query_as().fetch_all(readers).await?;
        let place = |row: &EntryRead| format!("{}~{}~{}", row.state, row.sort_age, row.operation_id);
        let read = |row: EntryRead| entry_read(client_id, row);
        Ok(page(found, wanted, position, place, read, total.cast_unsigned()))
    }
}

fn event_read(row: EventRead) -> TimelineEvent {
    TimelineEvent {
        at: Millis(row.at_ms),
        kind: kind_of(row.kind),
        tone: tone_of(row.tone),
        title: row.title,
        detail: row.detail,
        operation_id: row.operation_id,
    }
}

fn entry_read(client_id: &ClientId, row: EntryRead) -> EntryRow {
    let error = row.error_code.map(|code| ReportedError { code, status: row.error_status, message: row.error_message });
    EntryRow {
        client_id: client_id.clone(),
        operation_id: row.operation_id,
        collection: row.collection,
        record_id: row.record_id,
        scope: row.scope,
        op: row.op,
        priority: row.priority,
        state: EntryState::ALL[usize::try_from(row.state).expect("a checked column")],
        attempts: row.attempts,
        created_at: row.created_ms.map(Millis),
        last_attempt_at: row.last_attempt_ms.map(Millis),
        next_attempt_at: row.next_attempt_ms.map(Millis),
        bytes: row.bytes,
        error,
        // The column holds an array of texts, by its constraint and its only writer.
        depends_on: serde_json::from_str(&row.depends_on).unwrap_or_default(),
    }
}
