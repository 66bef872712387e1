//! What needs a person, as rows say it: groups of failures, devices in trouble, clocks that are off, trends that meet a limit.

use std::collections::BTreeSet;

use tidewatch_domain::fleet::FailureGroup;
use tidewatch_domain::time::{MINUTE_MS, Millis};

use super::Telemetry;
use super::list::devices_by_id;
use crate::{Error, Result};

/// Groups of failures that are looked at.
const GROUPS_MAX: usize = 12;
/// Devices of one trouble whose state is read.
const SAMPLE_MAX: i64 = 200;
/// Storage from which its trend is looked at.
const STORAGE_WATCH_PERCENT: f64 = 60.0;
/// Depth from which a device's queue is looked at.
const QUEUE_WATCH: i64 = 50;

/// Devices in one kind of trouble.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trouble {
    /// How many.
    pub devices: u64,
    /// Since when, the longest.
    pub since: Option<Millis>,
    /// Entries in their outboxes, as far as they are known.
    pub entries: u64,
    /// Names of what it is about: collections, causes.
    pub about: Vec<String>,
}

/// Points of one device from which a risk is fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct TrendRisk {
    /// Device.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// Storage in use, percent.
    pub storage: Vec<(Millis, f64)>,
    /// Queue depth.
    pub queue: Vec<(Millis, f64)>,
}

/// Everything that may need a person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetFacts {
    /// Groups with poisoned entries, most devices first.
    pub failures: Vec<FailureGroup>,
    /// Pushes not acknowledged for two hours, without a refused entry.
    pub unacknowledged: Trouble,
    /// Nothing pending, digest differs.
    pub diverged: Trouble,
    /// No recent report, past the expected contact.
    pub silent: Trouble,
    /// Clock off by more than 90 s; the engine clamps beyond 300 s.
    pub skewed: Trouble,
    /// Farthest clock.
    pub skew_max_ms: i64,
    /// Open conflicts; `since` is the oldest.
    pub conflicts: Trouble,
    /// Devices that fail and retry.
    pub stalling: Trouble,
    /// Devices with a poor battery score (below 50) and a rate of sync that does not adapt.
    pub battery_poor: Trouble,
    /// Devices with a weak or no link (connectivity score below 50).
    pub link_poor: Trouble,
    /// Devices whose trends are worth a fit.
    pub trends: Vec<TrendRisk>,
}

/// Devices, since when, entries.
type TroubleRow = (u64, Option<i64>, u64);

fn trouble((devices, since, entries): TroubleRow) -> Trouble {
    Trouble { devices, since: since.map(Millis), entries, about: Vec::new() }
}

impl Telemetry {
    /// Everything that may need a person.
    ///
    /// # Errors
    /// As the database.
    pub async fn fleet_facts(&self, now: Millis) -> Result<FleetFacts> {
        // One pass for all: each of them alone would read every device.
        const TEXT: &str = r"
            select json_array(
                json_array(count(*) filter (where condition = 0 and poisoned = 0),
                    min(oldest_pending_ms) filter (where condition = 0 and poisoned = 0),
                    coalesce(sum(queue_depth) filter (where condition = 0 and poisoned = 0), 0)),
                json_array(count(*) filter (where condition = 1), null, coalesce(sum(queue_depth) filter (where condition = 1), 0)),
                json_array(count(*) filter (where condition = 4 and contact in (0, 1)),
                    min(last_contact_ms) filter (where condition = 4 and contact in (0, 1)),
                    coalesce(sum(queue_depth) filter (where condition = 4 and contact in (0, 1)), 0)),
                json_array(count(*) filter (where abs(skew_ms) > 90000), null,
                    coalesce(max(abs(skew_ms)) filter (where abs(skew_ms) > 90000), 0)),
                json_array(count(*) filter (where conflicts > 0), null, coalesce(sum(conflicts) filter (where conflicts > 0), 0)),
                json_array(count(*) filter (where condition = 2), min(drift_since_ms) filter (where condition = 2),
                    coalesce(sum(queue_depth) filter (where condition = 2), 0)),
                json_array(count(*) filter (where score_battery < 50), null, 0),
                json_array(count(*) filter (where score_connect < 50 and contact in (3, 4)), null, 0))
            from devices";
        let text: String = sqlx::query_scalar(TEXT).fetch_one(&self.database.readers).await?;
        let rows: [TroubleRow; 8] = serde_json::from_str(&text).map_err(|e| Error::Corrupt(format!("troubles: {e}")))?;
        let [unacknowledged, diverged, silent, mut skewed, mut conflicts, stalling, battery_poor, link_poor] = rows.map(trouble);
        if conflicts.devices > 0 {
            conflicts.since = self.facts.conflict_oldest().await?.map(Millis);
        }
        let skew_max_ms = std::mem::take(&mut skewed.entries).cast_signed();
        let outbox = self.outbox_figures(now).await?;
        Ok(FleetFacts {
            failures: outbox.groups.iter().filter(|group| group.poisoned > 0).take(GROUPS_MAX).cloned().collect(),
            unacknowledged,
            diverged: self.diverged(diverged).await?,
            silent,
            skewed,
            skew_max_ms,
            conflicts,
            stalling,
            battery_poor,
            link_poor,
            trends: self.trends_shared(now).await?.to_vec(),
        })
    }

    async fn diverged(&self, mut trouble: Trouble) -> Result<Trouble> {
        const SOME: &str = "select id from devices where condition = 1 order by id limit ?1";
        if trouble.devices == 0 {
            return Ok(trouble);
        }
        let ids: Vec<i64> = sqlx::query_scalar(SOME).bind(SAMPLE_MAX).fetch_all(&self.database.readers).await?;
        let devices = devices_by_id(&self.database.readers, &ids).await?;
        let differing = || devices.iter().flat_map(|device| device.doc.verdicts.iter().filter(|verdict| !verdict.same));
        trouble.since = differing().filter_map(|verdict| verdict.since).min().map(Millis);
        let about: BTreeSet<String> = differing().map(|verdict| verdict.collection.clone()).collect();
        trouble.about = about.into_iter().collect();
        Ok(trouble)
    }

    /// Devices whose trends are worth a fit.
    pub(super) async fn trends(&self) -> Result<Vec<TrendRisk>> {
        const TEXT: &str = r"
            select id from devices where storage >= ?1 or queue_depth >= ?2 order by coalesce(storage, 0) desc, id limit ?3";
        let ids: Vec<i64> = sqlx::query_scalar(TEXT)
            .bind(STORAGE_WATCH_PERCENT)
            .bind(QUEUE_WATCH)
            .bind(SAMPLE_MAX)
            .fetch_all(&self.database.readers)
            .await?;
        let points = |points: &[(i64, f64)]| points.iter().map(|(at, value)| (Millis(*at), *value)).collect();
        let risk = |device: super::view::StoredDevice| TrendRisk {
            name: super::columns::display_name(&device.doc, &device.client_id),
            storage: points(&device.doc.storage_trend),
            queue: points(&device.doc.queue_trend),
            client_id: device.client_id,
        };
        Ok(devices_by_id(&self.database.readers, &ids).await?.into_iter().map(risk).collect())
    }

    /// Token refusals of the last quarter of an hour, and devices with one.
    ///
    /// # Errors
    /// As the database.
    pub async fn token_refusals(&self, now: Millis) -> Result<i64> {
        const TEXT: &str = r"
            select coalesce(sum(counters ->> '$.token_refused'), 0) from rollups where step = 1 and cohort = 1 and bucket >= ?1";
        Ok(sqlx::query_scalar(TEXT).bind(now.0 - 15 * MINUTE_MS).fetch_one(&self.database.readers).await?)
    }
}
