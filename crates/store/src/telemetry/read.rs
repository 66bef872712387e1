//! The timeline of one device, and how many entries its outbox has.

use sqlx::{QueryBuilder, Sqlite};
use tidewatch_domain::fleet::{TimelineEvent, TimelineKind};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{Page, Position, Total};
use tidewatch_domain::report::STATES;
use tidewatch_domain::time::Millis;

use super::Telemetry;
use super::list::device_find;
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

/// Reads `a~b` of numbers.
fn two(text: &str) -> Option<(i64, i64)> {
    let (a, b) = text.split_once('~')?;
    Some((a.parse().ok()?, b.parse().ok()?))
}

const NO_POSITION: Error = Error::NotFound("position");

impl Telemetry {
    pub(super) async fn device_number(&self, client_id: &ClientId) -> Result<i64> {
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

    /// Mirrored entries of a device in each state, in the order of [`tidewatch_domain::report::EntryState::ALL`].
    ///
    /// # Errors
    /// Not found; as the database.
    pub async fn device_states(&self, client_id: &ClientId) -> Result<[u64; STATES]> {
        let device = device_find(&self.database.readers, client_id.as_str()).await?.ok_or(Error::NotFound("device"))?;
        Ok(device.doc.states_all().map(i64::cast_unsigned))
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
