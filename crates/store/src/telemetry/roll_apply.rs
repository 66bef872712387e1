//! What the roller found, applied by the writer: registrations, how far behind devices are, and what time alone has changed.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::device::DeviceDoc;
use super::group::{FIVES_KEPT_MS, Group, HOURS_KEPT_MS, MINUTES_KEPT_MS, Touched};
use super::hours::{DEVICE_HOURS_KEPT, hour_of};
use super::persist;
use super::rollup::{STEPS, Sketch, bucket};
use super::sync_facts::{EntryEvent, Registration};
use crate::Result;

/// What one roll hands to the writer.
#[derive(Debug, Default)]
pub(crate) struct RollWork {
    pub now: i64,
    pub registrations: Vec<Registration>,
    /// Device and how many changes it is behind.
    pub behind: Vec<(i64, i64)>,
    /// Device and its open conflicts.
    pub conflicts: Vec<(i64, i64)>,
    /// Devices whose health time alone has changed.
    pub due: Vec<i64>,
    /// Devices expected in an hour.
    pub expected: Vec<(i64, i64)>,
    pub heads: Option<Arc<HashMap<String, i64>>>,
    /// How the fleet stands now.
    pub gauge: Option<Gauge>,
    /// What is over is forgotten.
    pub forget: Option<Forget>,
    /// What the journal of the log says became of entries, in its order.
    pub followed: Vec<EntryEvent>,
    /// Marks to set.
    pub marks: Vec<(&'static str, i64)>,
}

impl RollWork {
    pub(crate) fn is_empty(&self) -> bool {
        self.registrations.is_empty()
            && self.behind.is_empty()
            && self.conflicts.is_empty()
            && self.due.is_empty()
            && self.expected.is_empty()
            && self.heads.is_none()
            && self.gauge.is_none()
            && self.forget.is_none()
            && self.followed.is_empty()
            && self.marks.is_empty()
    }
}

/// How the fleet stands at one instant.
#[derive(Debug)]
pub(crate) struct Gauge {
    pub figures: Figures,
    pub drift: Sketch,
}

/// Sums over all devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Figures {
    pub devices: i64,
    pub queue: i64,
    pub queue_devices: i64,
    pub score_sum: f64,
    pub score_devices: i64,
    pub battery_sum: f64,
    pub battery_devices: i64,
    pub stuck: i64,
}

/// What is over.
#[derive(Debug)]
pub(crate) struct Forget {
    /// Hours of devices in this range of device numbers.
    pub devices: (i64, i64),
    /// The generation of report keys that begins, when a new one does.
    pub keys: Option<i64>,
}

/// Applies what a roll found.
pub(crate) async fn roll_apply(
    connection: &mut SqliteConnection,
    group: &mut Group,
    work: RollWork,
    next_id: &mut i64,
) -> Result<()> {
    if let Some(heads) = work.heads {
        group.heads = heads;
    }
    registrations_apply(connection, group, work.registrations, next_id).await?;
    followed_load(connection, group, &work.followed, next_id).await?;
    group.followed.extend(work.followed);
    let ids: Vec<i64> = work.behind.iter().chain(&work.conflicts).map(|(id, _)| *id).chain(work.due.iter().copied()).collect();
    for (client_id, touched) in persist::devices_load_numbered(connection, &ids).await? {
        group.devices.entry(client_id).or_insert(touched);
    }
    let mut devices = group.by_id();
    for (id, behind) in work.behind {
        touch(&mut devices, id, |doc| doc.behind_set(behind, work.now));
    }
    for (id, open) in work.conflicts {
        touch(&mut devices, id, |doc| doc.conflicts_open = open);
    }
    for id in work.due {
        touch(&mut devices, id, |_| ());
    }
    for key in work.expected {
        group.hours.entry(key).or_default().expected = true;
    }
    if let Some(gauge) = work.gauge {
        gauge_write(connection, work.now, &gauge).await?;
    }
    if let Some(forget) = work.forget {
        forget_apply(connection, work.now, &forget).await?;
    }
    for (name, value) in work.marks {
        const TEXT: &str = "insert into marks (k, v) values (?1, ?2) on conflict (k) do update set v = excluded.v";
        sqlx::query(TEXT).bind(name).bind(value).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Writes the sample as the newest of its minute, its five minutes and its hour.
async fn gauge_write(connection: &mut SqliteConnection, now: i64, gauge: &Gauge) -> Result<()> {
    const TEXT: &str = r"
        insert into gauges (step, bucket, figures, drift) values (?1, ?2, ?3, ?4)
        on conflict (step, bucket) do update set figures = excluded.figures, drift = excluded.drift";
    let figures = serde_json::to_string(&gauge.figures).map_err(|error| crate::Error::Corrupt(error.to_string()))?;
    let drift = (!gauge.drift.is_empty()).then(|| gauge.drift.to_bytes());
    for step in STEPS {
        sqlx::query(TEXT).bind(step).bind(bucket(step, now)).bind(&figures).bind(&drift).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Forgets what is over: a few hundred rows of rollups, the hours of some devices, a generation of report keys.
async fn forget_apply(connection: &mut SqliteConnection, now: i64, forget: &Forget) -> Result<()> {
    const ROLLUPS: &str = "delete from rollups where step = ?1 and bucket < ?2";
    const GAUGES: &str = "delete from gauges where step = ?1 and bucket < ?2";
    const HOURS: &str = "delete from device_hours where device between ?1 and ?2 and hour < ?3";
    const BOARD: &str = "delete from hour_board where hour < ?1";
    const EVEN: &str = "delete from report_keys_even";
    const ODD: &str = "delete from report_keys_odd";
    for (step, kept) in STEPS.into_iter().zip([MINUTES_KEPT_MS, FIVES_KEPT_MS, HOURS_KEPT_MS]) {
        for text in [ROLLUPS, GAUGES] {
            sqlx::query(text).bind(step).bind(now - kept).execute(&mut *connection).await?;
        }
    }
    let oldest = hour_of(now) - DEVICE_HOURS_KEPT;
    sqlx::query(HOURS).bind(forget.devices.0).bind(forget.devices.1).bind(oldest).execute(&mut *connection).await?;
    sqlx::query(BOARD).bind(oldest).execute(&mut *connection).await?;
    if let Some(generation) = forget.keys {
        // Even generations write the even table: what it still holds is two generations old.
        let text = if generation % 2 == 0 { EVEN } else { ODD };
        sqlx::query(text).execute(&mut *connection).await?;
    }
    Ok(())
}

fn touch(devices: &mut HashMap<i64, &mut Touched>, id: i64, change: impl FnOnce(&mut DeviceDoc)) {
    if let Some(touched) = devices.get_mut(&id) {
        touched.dirty = true;
        change(&mut touched.doc);
    }
}

/// Loads the devices that the journal speaks of, and makes those that telemetry has not met.
async fn followed_load(
    connection: &mut SqliteConnection,
    group: &mut Group,
    followed: &[EntryEvent],
    next_id: &mut i64,
) -> Result<()> {
    let mut ids: Vec<String> =
        followed.iter().map(|event| event.client_id.clone()).filter(|id| !group.devices.contains_key(id)).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(());
    }
    group.devices.extend(persist::devices_load(connection, &ids).await?);
    for id in ids {
        group.devices.entry(id).or_insert_with(|| {
            *next_id += 1;
            persist::touched(*next_id - 1, DeviceDoc::default(), true)
        });
    }
    Ok(())
}

/// Makes rows for devices that were registered, so that one that never comes back is seen.
async fn registrations_apply(
    connection: &mut SqliteConnection,
    group: &mut Group,
    registrations: Vec<Registration>,
    next_id: &mut i64,
) -> Result<()> {
    const TEXT: &str = r"
        update devices set principal = r.value ->> '$[1]', simulated = r.value ->> '$[2]', enrolled_ms = r.value ->> '$[3]'
        from json_each(?1) as r where devices.id = r.value ->> '$[0]'";
    if registrations.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> =
        registrations.iter().map(|r| r.client_id.clone()).filter(|id| !group.devices.contains_key(id)).collect();
    group.devices.extend(persist::devices_load(connection, &ids).await?);
    let mut rows = Vec::with_capacity(registrations.len());
    for registration in registrations {
        let touched = group.devices.entry(registration.client_id).or_insert_with(|| {
            *next_id += 1;
            persist::touched(*next_id - 1, DeviceDoc::default(), true)
        });
        touched.dirty = true;
        let doc = &mut touched.doc;
        doc.platform = doc.platform.take().or(registration.platform);
        doc.app_version = doc.app_version.take().or(registration.app_version);
        doc.schema_version = doc.schema_version.or(registration.schema_version);
        if doc.pull_scopes.is_empty() {
            doc.pull_scopes = serde_json::from_str(&registration.scopes).unwrap_or_default();
            touched.scopes_moved = true;
        }
        rows.push(json!([touched.id, registration.principal, registration.simulated, registration.created_ms]));
    }
    // The rows must be there before they can say who the devices belong to.
    persist::devices_write(connection, group).await?;
    sqlx::query(TEXT).bind(Value::from(rows).to_string()).execute(connection).await?;
    Ok(())
}
