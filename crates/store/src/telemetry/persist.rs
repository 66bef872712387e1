//! Writing a group: a few statements a table. What is read is asked for through `json_each`; rows with long texts are bound one by one,
//! for taking columns out of JSON reads all of it once a column.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::columns::columns;
use super::device::DeviceDoc;
use super::group::{EventRow, Group, RollupKey, Touched};
use super::hours::{DeviceHour, Sample};
use super::rollup::{Counters, Rollup, Sketch};
use super::story::{EVENTS_KEPT, EVENTS_SLACK};
use crate::sync::bulk::{Bound, write_all};
use crate::sync::statements::Insert;
use crate::{Error, Result};

/// More cohorts than this are counted in the fleet only.
const COHORTS_MAX: usize = 400;

fn corrupt(error: &serde_json::Error) -> Error {
    Error::Corrupt(format!("telemetry row: {error}"))
}

/// Reads the state of devices by client id.
pub(crate) async fn devices_load(connection: &mut SqliteConnection, ids: &[String]) -> Result<HashMap<String, Touched>> {
    const TEXT: &str = r"
        select d.client_id, d.id, x.doc from json_each(?1) as wanted
        join devices d on d.client_id = wanted.value join device_docs x on x.id = d.id";
    let rows: Vec<(String, i64, String)> = sqlx::query_as(TEXT).bind(json!(ids).to_string()).fetch_all(connection).await?;
    rows.into_iter().map(|(client_id, id, doc)| Ok((client_id, touched(id, doc_read(&doc)?, false)))).collect()
}

/// Reads the state of devices by their number.
pub(crate) async fn devices_load_numbered(connection: &mut SqliteConnection, ids: &[i64]) -> Result<HashMap<String, Touched>> {
    const TEXT: &str = r"
        select d.client_id, d.id, x.doc from json_each(?1) as wanted
        join devices d on d.id = wanted.value join device_docs x on x.id = d.id";
    let rows: Vec<(String, i64, String)> = sqlx::query_as(TEXT).bind(json!(ids).to_string()).fetch_all(connection).await?;
    rows.into_iter().map(|(client_id, id, doc)| Ok((client_id, touched(id, doc_read(&doc)?, false)))).collect()
}

/// A device as a group holds it.
pub(crate) const fn touched(id: i64, doc: DeviceDoc, is_new: bool) -> Touched {
    Touched { id, doc, is_new, dirty: is_new, compare: false, scopes_moved: is_new, scopes_changed: false }
}

/// Reads the state of a device.
pub(crate) fn doc_read(text: &str) -> Result<DeviceDoc> {
    serde_json::from_str(text).map_err(|error| corrupt(&error))
}

static DEVICE_PUT: Insert =
    Insert::new(include_str!("../sql/devices_write.sql"), DEVICE_COLUMNS, include_str!("../sql/devices_write_again.sql"));
static DOC_PUT: Insert = Insert::new("insert into device_docs (id, doc)", 2, "on conflict (id) do update set doc = excluded.doc");
static HOUR_PUT: Insert = Insert::new(
    "insert into device_hours (device, hour, synced, expected, samples)",
    5,
    r"
    on conflict (device, hour) do update set synced = excluded.synced, expected = excluded.expected, samples = excluded.samples",
);
static ROLLUP_PUT: Insert = Insert::new(
    "insert into rollups (step, bucket, cohort, counters, latency, drift)",
    6,
    r"
    on conflict (step, cohort, bucket) do update set counters = excluded.counters, latency = excluded.latency, drift = excluded.drift",
);
static EVENT_PUT: Insert = Insert::new(
    "insert into events (device, at_ms, id, kind, tone, title, detail, operation_id)",
    8,
    r"
    on conflict (device, at_ms, id) do update set title = excluded.title, detail = excluded.detail, operation_id = excluded.operation_id",
);
/// Columns of a device: those of [`columns`], and when it was enrolled.
const DEVICE_COLUMNS: usize = 39;

/// Writes the rows of the devices that changed. Bound row by row: a row of forty columns taken out of JSON costs more than
/// everything else about a report.
pub(crate) async fn devices_write(connection: &mut SqliteConnection, group: &Group) -> Result<()> {
    let changed = || group.devices.iter().filter(|(_, touched)| touched.dirty);
    let rows: Vec<Value> =
        changed().map(|(client_id, touched)| columns(touched.id, client_id, &touched.doc, group.now)).collect();
    let bind = |query: Bound, row: &Value| {
        let columns = row.as_array().expect("columns are a list");
        assert_eq!(columns.len() + 1, DEVICE_COLUMNS, "a device has as many columns as its statement");
        columns.iter().fold(query, value_bind).bind(group.now)
    };
    write_all(connection, &DEVICE_PUT, &rows, bind).await?;
    let docs = changed()
        .map(|(_, touched)| Ok((touched.id, serde_json::to_string(&touched.doc).map_err(|error| corrupt(&error))?)))
        .collect::<Result<Vec<(i64, String)>>>()?;
    write_all(connection, &DOC_PUT, &docs, |query, (id, doc)| query.bind(*id).bind(doc.clone())).await
}

fn value_bind(query: Bound, value: &Value) -> Bound {
    match value {
        Value::Null => query.bind(None::<i64>),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => query.bind(whole),
            None => query.bind(number.as_f64()),
        },
        Value::String(text) => query.bind(text.clone()),
        Value::Bool(flag) => query.bind(i64::from(*flag)),
        Value::Array(_) | Value::Object(_) => query.bind(value.to_string()),
    }
}

/// Writes how far devices have pulled the scopes they follow.
pub(crate) async fn scopes_write(connection: &mut SqliteConnection, group: &Group) -> Result<()> {
    const CLEAR: &str = "delete from device_scopes where device in (select value from json_each(?1))";
    const TEXT: &str = r"
        insert into device_scopes (scope, device, pulled)
        select value ->> '$[1]', value ->> '$[0]', value ->> '$[2]' from json_each(?1) where true
        on conflict (scope, device) do update set pulled = excluded.pulled where pulled <> excluded.pulled";
    let moved = group.devices.values().filter(|touched| touched.scopes_moved);
    let rows: Vec<Value> =
        moved.flat_map(|t| t.doc.pull_scopes.iter().map(|scope| json!([t.id, scope, t.doc.pull_pos.unwrap_or(0)]))).collect();
    let others: Vec<i64> = group.devices.values().filter(|touched| touched.scopes_changed).map(|touched| touched.id).collect();
    if !others.is_empty() {
        sqlx::query(CLEAR).bind(json!(others).to_string()).execute(&mut *connection).await?;
    }
    if !rows.is_empty() {
        sqlx::query(TEXT).bind(Value::from(rows).to_string()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Merges the deltas of hours, and counts on the board what became true.
pub(crate) async fn hours_write(connection: &mut SqliteConnection, deltas: &BTreeMap<(i64, i64), DeviceHour>) -> Result<()> {
    const READ: &str = r"
        select h.device, h.hour, h.synced, h.expected, h.samples from json_each(?1) as wanted
        join device_hours h on h.device = wanted.value ->> '$[0]' and h.hour = wanted.value ->> '$[1]'";
    const BOARD: &str = r"
        insert into hour_board (hour, synced, expected)
        select value ->> '$[0]', value ->> '$[1]', value ->> '$[2]' from json_each(?1) where true
        on conflict (hour) do update set synced = synced + excluded.synced, expected = expected + excluded.expected";
    if deltas.is_empty() {
        return Ok(());
    }
    let keys: Vec<Value> = deltas.keys().map(|(device, hour)| json!([device, hour])).collect();
    let rows: Vec<(i64, i64, i64, i64, String)> =
        sqlx::query_as(READ).bind(Value::from(keys).to_string()).fetch_all(&mut *connection).await?;
    let known: HashMap<(i64, i64), DeviceHour> = rows
        .into_iter()
        .map(|(device, hour, synced, expected, samples)| {
            let samples: Vec<Sample> = serde_json::from_str(&samples).map_err(|error| corrupt(&error))?;
            Ok(((device, hour), DeviceHour { synced: synced != 0, expected: expected != 0, samples }))
        })
        .collect::<Result<_>>()?;
    let (mut rows, mut board) = (Vec::with_capacity(deltas.len()), BTreeMap::<i64, (i64, i64)>::new());
    for (key, delta) in deltas {
        let before = known.get(key).cloned().unwrap_or_default();
        let after = before.clone().merged(delta);
        let counts = board.entry(key.1).or_default();
        counts.0 += i64::from(after.synced && !before.synced);
        counts.1 += i64::from(after.expected && !before.expected);
        let samples = serde_json::to_string(&after.samples).map_err(|error| corrupt(&error))?;
        rows.push((*key, after.synced, after.expected, samples));
    }
    write_all(connection, &HOUR_PUT, &rows, |query, ((device, hour), synced, expected, samples)| {
        query.bind(*device).bind(*hour).bind(i64::from(*synced)).bind(i64::from(*expected)).bind(samples.clone())
    })
    .await?;
    let board: Vec<Value> = board.iter().map(|(hour, (synced, expected))| json!([hour, synced, expected])).collect();
    sqlx::query(BOARD).bind(Value::from(board).to_string()).execute(&mut *connection).await?;
    Ok(())
}

/// Numbers of cohorts by name.
pub(crate) type Cohorts = HashMap<(String, String), i64>;

/// Reads all cohorts.
pub(crate) async fn cohorts_load(connection: &mut SqliteConnection) -> Result<Cohorts> {
    const TEXT: &str = "select platform, app_version, id from cohorts";
    let rows: Vec<(String, String, i64)> = sqlx::query_as(TEXT).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(platform, version, id)| ((platform, version), id)).collect())
}

async fn cohorts_add(connection: &mut SqliteConnection, known: &mut Cohorts, deltas: &BTreeMap<RollupKey, Rollup>) -> Result<()> {
    const TEXT: &str = r"
        insert into cohorts (platform, app_version) select value ->> '$[0]', value ->> '$[1]' from json_each(?1) where true
        on conflict (platform, app_version) do nothing";
    let room = COHORTS_MAX.saturating_sub(known.len());
    let mut fresh: Vec<(&str, &str)> = deltas
        .keys()
        .filter(|key| !known.contains_key(&(key.2.clone(), key.3.clone())))
        .map(|key| (key.2.as_str(), key.3.as_str()))
        .collect();
    fresh.sort_unstable();
    fresh.dedup();
    fresh.truncate(room);
    if fresh.is_empty() {
        return Ok(());
    }
    sqlx::query(TEXT).bind(json!(fresh).to_string()).execute(&mut *connection).await?;
    *known = cohorts_load(connection).await?;
    Ok(())
}

/// Merges the deltas of rollups.
pub(crate) async fn rollups_write(
    connection: &mut SqliteConnection,
    cohorts: &mut Cohorts,
    deltas: &BTreeMap<RollupKey, Rollup>,
) -> Result<()> {
    const READ: &str = r"
        select r.step, r.bucket, r.cohort, r.counters, r.latency, r.drift from json_each(?1) as wanted
        join rollups r on r.step = wanted.value ->> '$[0]' and r.bucket = wanted.value ->> '$[1]' and r.cohort = wanted.value ->> '$[2]'";
    if deltas.is_empty() {
        return Ok(());
    }
    cohorts_add(connection, cohorts, deltas).await?;
    let mut merged: BTreeMap<(i64, i64, i64), Rollup> = BTreeMap::new();
    for (key, delta) in deltas {
        if let Some(cohort) = cohorts.get(&(key.2.clone(), key.3.clone())) {
            merged.insert((key.0, key.1, *cohort), delta.clone());
        }
    }
    let keys: Vec<Value> = merged.keys().map(|(step, bucket, cohort)| json!([step, bucket, cohort])).collect();
    let rows: Vec<RollupRow> = sqlx::query_as(READ).bind(Value::from(keys).to_string()).fetch_all(&mut *connection).await?;
    for row in rows {
        let key = (row.step, row.bucket, row.cohort);
        let known = row.read()?;
        merged.get_mut(&key).expect("asked for by this key").merge(&known);
    }
    let rows = merged
        .iter()
        .map(|(key, rollup)| Ok((*key, serde_json::to_string(&rollup.counters).map_err(|error| corrupt(&error))?, rollup)))
        .collect::<Result<Vec<_>>>()?;
    write_all(connection, &ROLLUP_PUT, &rows, |query, ((step, bucket, cohort), counters, rollup)| {
        let sketch = |sketch: &Sketch| (!sketch.is_empty()).then(|| sketch.to_bytes());
        let query = query.bind(*step).bind(*bucket).bind(*cohort).bind(counters.clone());
        query.bind(sketch(&rollup.latency)).bind(sketch(&rollup.drift))
    })
    .await
}

/// A stored rollup.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct RollupRow {
    pub step: i64,
    pub bucket: i64,
    pub cohort: i64,
    counters: String,
    latency: Option<Vec<u8>>,
    drift: Option<Vec<u8>>,
}

impl RollupRow {
    pub(crate) fn read(&self) -> Result<Rollup> {
        let counters: Counters = serde_json::from_str(&self.counters).map_err(|error| corrupt(&error))?;
        let sketch = |bytes: &Option<Vec<u8>>| bytes.as_deref().map_or_else(|| Ok(Sketch::default()), Sketch::from_bytes);
        Ok(Rollup { counters, latency: sketch(&self.latency)?, drift: sketch(&self.drift)? })
    }
}

/// Writes events and trims the timelines that grew too long.
pub(crate) async fn events_write(connection: &mut SqliteConnection, group: &mut Group) -> Result<()> {
    const TRIM: &str = r"
        delete from events where device = ?1 and at_ms < (
            select at_ms from events where device = ?1 order by at_ms desc, id desc limit 1 offset ?2)";
    if group.events.is_empty() {
        return Ok(());
    }
    let rows: Vec<&EventRow> = group.events.values().collect();
    write_all(connection, &EVENT_PUT, &rows, |query, event| {
        let query = query.bind(event.device).bind(event.at).bind(event.id).bind(event.kind).bind(event.tone);
        query.bind(event.title.clone()).bind(event.detail.clone()).bind(event.operation_id.clone())
    })
    .await?;
    for touched in group.devices.values_mut().filter(|t| t.doc.events_kept > EVENTS_KEPT + EVENTS_SLACK) {
        sqlx::query(TRIM).bind(touched.id).bind(EVENTS_KEPT - 1).execute(&mut *connection).await?;
        touched.doc.events_kept = EVENTS_KEPT;
    }
    Ok(())
}
