//! The device table: filter, order, keyset page. A filter that few devices match is answered by one pass over the slim table;
//! one that many match walks the index of the order for a stretch, and where the matches lie beyond it, a second pass keeps the
//! first rows. All are bounded by the number of devices, never by their history.

use std::cmp::Ordering;

use sqlx::{QueryBuilder, Sqlite, SqlitePool};
use tidewatch_domain::filter::Filter;
use tidewatch_domain::fleet::{DeviceRow, DeviceSort};
use tidewatch_domain::page::{Page, Position, Total};
use tidewatch_domain::time::Millis;

use super::Telemetry;
use super::view::{StoredDevice, device_row};
use crate::{Error, Result};

mod terms;

/// Matches that one pass collects; it breaks off at more, so a filter that many match costs it little.
const PASS_MAX: i64 = 2_000;
/// Devices that are looked at one by one in the order of the list before all are read in the order of the file, which costs
/// less for each.
const WALK_MAX: i64 = 4_000;
/// Matches that are counted; more are "at least".
const COUNT_MAX: i64 = 200_000;

/// A value of an order's key.
#[derive(Clone, Debug, PartialEq)]
enum SortKey {
    Whole(i64),
    Real(f64),
    Text(String),
}

/// A place in an order: key, then number of the device.
#[derive(Clone, Debug, PartialEq)]
struct Place(SortKey, i64);

const fn sort_column(sort: DeviceSort) -> &'static str {
    match sort {
        DeviceSort::Worst => "sort_worst",
        DeviceSort::Queue => "sort_queue",
        DeviceSort::Drift => "sort_drift",
        DeviceSort::Contact => "sort_contact",
        DeviceSort::Name => "sort_name",
        DeviceSort::Score => "sort_score",
    }
}

impl Place {
    fn print(&self) -> String {
        match &self.0 {
            SortKey::Whole(key) => format!("{key}~{}", self.1),
            SortKey::Real(key) => format!("{key}~{}", self.1),
            SortKey::Text(key) => format!("{}~{}", hex::encode(key), self.1),
        }
    }

    fn parse(sort: DeviceSort, text: &str) -> Option<Self> {
        let (key, id) = text.rsplit_once('~')?;
        let key = match sort {
            DeviceSort::Name => SortKey::Text(String::from_utf8(hex::decode(key).ok()?).ok()?),
            DeviceSort::Score => SortKey::Real(key.parse().ok().filter(|key: &f64| key.is_finite())?),
            _ => SortKey::Whole(key.parse().ok()?),
        };
        Some(Self(key, id.parse().ok()?))
    }

    fn order(&self, other: &Self) -> Ordering {
        let keys = match (&self.0, &other.0) {
            (SortKey::Whole(a), SortKey::Whole(b)) => a.cmp(b),
            (SortKey::Real(a), SortKey::Real(b)) => a.total_cmp(b),
            (SortKey::Text(a), SortKey::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => Ordering::Equal,
        };
        keys.then(self.1.cmp(&other.1))
    }

    fn bind(self, query: &mut QueryBuilder<Sqlite>) {
        query.push(" (");
        match self.0 {
            SortKey::Whole(key) => query.push_bind(key),
            SortKey::Real(key) => query.push_bind(key),
            SortKey::Text(key) => query.push_bind(key),
        };
        query.push(", ").push_bind(self.1).push(")");
    }
}

/// Which way a page is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Back,
}

/// The way through a list: its order, from where, in which direction.
#[derive(Clone, Copy)]
struct Course<'a> {
    sort: DeviceSort,
    way: Way,
    place: Option<&'a Place>,
}

/// What a page starts from, and which way it is read.
fn start(sort: DeviceSort, position: &Position) -> Result<(Way, Option<Place>)> {
    let place = |text: &str| Place::parse(sort, text).ok_or(Error::NotFound("position")).map(Some);
    Ok(match position {
        Position::Start => (Way::Forward, None),
        Position::After(text) => (Way::Forward, place(text)?),
        Position::Before(text) => (Way::Back, place(text)?),
    })
}

/// Whether a text is a position in an order.
#[must_use]
fn position_is_valid(sort: DeviceSort, position: &Position) -> bool {
    start(sort, position).is_ok()
}

impl Telemetry {
    /// Whether a position belongs to an order; one that does not is the caller's mistake.
    #[must_use]
    pub fn devices_position_is_valid(&self, sort: DeviceSort, position: &Position) -> bool {
        position_is_valid(sort, position)
    }

    /// One page of the device table.
    ///
    /// # Errors
    /// Not found for a position that is not one; as the database.
    pub async fn devices_page(
        &self,
        filter: &Filter,
        sort: DeviceSort,
        position: &Position,
        rows: u32,
        now: Millis,
    ) -> Result<Page<DeviceRow>> {
        let (way, place) = start(sort, position)?;
        let course = Course { sort, way, place: place.as_ref() };
        let readers = &self.database.readers;
        let wanted = rows.max(1) as usize;
        let (mut places, total) = if filter.is_empty() {
            (walk(readers, filter, course, None, wanted + 1, now).await?, Total::Exact(count_all(readers).await?))
        } else {
            match pass(readers, filter, sort, now).await? {
                Some(all) => {
                    let total = Total::Exact(all.len() as u64);
                    (cut(all, way, place.as_ref(), wanted + 1), total)
                }
                None => tokio::try_join!(page(readers, filter, course, wanted + 1, now), count(readers, filter, now))?,
            }
        };
        let more = places.len() > wanted;
        places.truncate(wanted);
        if way == Way::Back {
            places.reverse();
        }
        let (earlier, later) = match way {
            Way::Forward => (place.is_some(), more),
            Way::Back => (more, true),
        };
        let previous = places.first().filter(|_| earlier).map(Place::print);
        let next = places.last().filter(|_| later).map(Place::print);
        let ids: Vec<i64> = places.iter().map(|place| place.1).collect();
        let devices = devices_by_id(readers, &ids).await?;
        let rows = devices.iter().map(|device| device_row(device, now)).collect();
        Ok(Page { rows, next, previous, total })
    }
}

/// The devices with these numbers, in this order.
pub(super) async fn devices_by_id(readers: &SqlitePool, ids: &[i64]) -> Result<Vec<StoredDevice>> {
    const TEXT: &str = r"
        select d.id, d.client_id, d.principal, d.simulated, d.enrolled_ms, x.doc from json_each(?1) as wanted
        join devices d on d.id = wanted.value join device_docs x on x.id = d.id order by wanted.key";
    let rows: Vec<StoredRow> = sqlx::query_as(TEXT).bind(serde_json::json!(ids).to_string()).fetch_all(readers).await?;
    rows.into_iter().map(StoredRow::read).collect()
}

/// A device by its id.
pub(super) async fn device_find(readers: &SqlitePool, client_id: &str) -> Result<Option<StoredDevice>> {
    const TEXT: &str = r"
        select d.id, d.client_id, d.principal, d.simulated, d.enrolled_ms, x.doc
        from devices d join device_docs x on x.id = d.id where d.client_id = ?1";
    let row: Option<StoredRow> = sqlx::query_as(TEXT).bind(client_id).fetch_optional(readers).await?;
    row.map(StoredRow::read).transpose()
}

#[derive(sqlx::FromRow)]
struct StoredRow {
    id: i64,
    client_id: String,
    principal: String,
    simulated: i64,
    enrolled_ms: i64,
    doc: String,
}

impl StoredRow {
    fn read(self) -> Result<StoredDevice> {
        Ok(StoredDevice {
            id: self.id,
            client_id: self.client_id,
            principal: self.principal,
            simulated: self.simulated != 0,
            enrolled: self.enrolled_ms,
            doc: super::persist::doc_read(&self.doc)?,
        })
    }
}

async fn count_all(readers: &SqlitePool) -> Result<u64> {
    let count: i64 = sqlx::query_scalar("select count(*) from devices").fetch_one(readers).await?;
    Ok(count.cast_unsigned())
}

async fn count(readers: &SqlitePool, filter: &Filter, now: Millis) -> Result<Total> {
    let mut query = QueryBuilder::new("select count(*) from (select 1 from devices d not indexed where ");
    terms::push(&mut query, filter, now);
    query.push(" limit ").push_bind(COUNT_MAX).push(")");
    let count: i64 = query.build_query_scalar().fetch_one(readers).await?;
    let found = count.cast_unsigned();
    Ok(if count < COUNT_MAX { Total::Exact(found) } else { Total::AtLeast(found) })
}

/// Places of all matches in one pass; `None` when there are more than [`PASS_MAX`].
async fn pass(readers: &SqlitePool, filter: &Filter, sort: DeviceSort, now: Millis) -> Result<Option<Vec<Place>>> {
    let mut query = QueryBuilder::new("select d.");
    query.push(sort_column(sort)).push(", d.id from devices d not indexed where ");
    terms::push(&mut query, filter, now);
    query.push(" limit ").push_bind(PASS_MAX + 1);
    let places = places_read(query, readers, sort).await?;
    Ok((places.len() as i64 <= PASS_MAX).then_some(places))
}

fn cut(mut all: Vec<Place>, way: Way, place: Option<&Place>, rows: usize) -> Vec<Place> {
    all.sort_unstable_by(Place::order);
    if way == Way::Back {
        all.reverse();
    }
    let beyond = |found: &Place| {
        place.is_none_or(|place| {
            let order = found.order(place);
            if way == Way::Forward { order == Ordering::Greater } else { order == Ordering::Less }
        })
    };
    all.into_iter().filter(beyond).take(rows).collect()
}

/// One page of a filter that many match.
async fn page(readers: &SqlitePool, filter: &Filter, course: Course<'_>, rows: usize, now: Millis) -> Result<Vec<Place>> {
    let end = walk_end(readers, course).await?;
    let found = walk(readers, filter, course, end.as_ref(), rows, now).await?;
    if found.len() >= rows || end.is_none() {
        return Ok(found);
    }
    let mut query = QueryBuilder::new("select d.");
    query.push(sort_column(course.sort)).push(", d.id from devices d not indexed where ");
    terms::push(&mut query, filter, now);
    beyond_push(&mut query, course);
    order_push(&mut query, course, rows);
    places_read(query, readers, course.sort).await
}

/// The last place of a walk; `None` when it reaches the end of the list before.
async fn walk_end(readers: &SqlitePool, course: Course<'_>) -> Result<Option<Place>> {
    let mut query = QueryBuilder::new("select d.");
    query.push(sort_column(course.sort)).push(", d.id from devices d where 1");
    beyond_push(&mut query, course);
    order_push(&mut query, course, 1);
    query.push(" offset ").push_bind(WALK_MAX);
    Ok(places_read(query, readers, course.sort).await?.pop())
}

async fn walk(
    readers: &SqlitePool,
    filter: &Filter,
    course: Course<'_>,
    end: Option<&Place>,
    rows: usize,
    now: Millis,
) -> Result<Vec<Place>> {
    let mut query = QueryBuilder::new("select d.");
    query.push(sort_column(course.sort)).push(", d.id from devices d where ");
    terms::push(&mut query, filter, now);
    beyond_push(&mut query, course);
    if let Some(end) = end {
        bound_push(&mut query, course.sort, if course.way == Way::Forward { " <=" } else { " >=" }, end);
    }
    order_push(&mut query, course, rows);
    places_read(query, readers, course.sort).await
}

fn beyond_push(query: &mut QueryBuilder<Sqlite>, course: Course<'_>) {
    if let Some(place) = course.place {
        bound_push(query, course.sort, if course.way == Way::Forward { " >" } else { " <" }, place);
    }
}

fn bound_push(query: &mut QueryBuilder<Sqlite>, sort: DeviceSort, operator: &str, place: &Place) {
    query.push(" and (d.").push(sort_column(sort)).push(", d.id)").push(operator);
    place.clone().bind(query);
}

fn order_push(query: &mut QueryBuilder<Sqlite>, course: Course<'_>, rows: usize) {
    let direction = if course.way == Way::Forward { "" } else { " desc" };
    query.push(" order by d.").push(sort_column(course.sort)).push(direction).push(", d.id").push(direction);
    query.push(" limit ").push_bind(rows as i64);
}

async fn places_read(mut query: QueryBuilder<Sqlite>, readers: &SqlitePool, sort: DeviceSort) -> Result<Vec<Place>> {
    Ok(match sort {
        DeviceSort::Name => {
            let rows: Vec<(String, i64)> = query.build_query_as().fetch_all(readers).await?;
            rows.into_iter().map(|(key, id)| Place(SortKey::Text(key), id)).collect()
        }
        DeviceSort::Score => {
            let rows: Vec<(f64, i64)> = query.build_query_as().fetch_all(readers).await?;
            rows.into_iter().map(|(key, id)| Place(SortKey::Real(key), id)).collect()
        }
        _ => {
            let rows: Vec<(i64, i64)> = query.build_query_as().fetch_all(readers).await?;
            rows.into_iter().map(|(key, id)| Place(SortKey::Whole(key), id)).collect()
        }
    })
}
