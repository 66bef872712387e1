//! What time does: looks for devices whose answer the passing of time or the writes of others have changed, samples how the
//! fleet stands, and forgets what is over. Reads here, writes through the telemetry writer. Each roll is bounded.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use serde_json::json;
use sqlx::SqlitePool;
use tidewatch_domain::health::LOST_MS;
use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

use super::hours::hour_of;
use super::roll_apply::{Figures, Forget, Gauge, RollWork};
use super::rollup::Sketch;
use super::sync_facts::SyncFacts;
use crate::Result;

/// Devices that one roll looks at for one reason.
const DEVICES_PER_ROLL: i64 = 2_000;
/// Scopes that one roll looks at.
const SCOPES_PER_ROLL: usize = 50;
/// How the fleet stands is sampled each so often; the newest sample of a minute stands for it.
const GAUGE_EVERY_MS: i64 = 15 * SECOND_MS;
/// Open conflicts are counted each so often.
const CONFLICTS_EVERY_MS: i64 = 10 * SECOND_MS;
/// Devices are marked as expected each so often.
const EXPECTED_EVERY_MS: i64 = 5 * MINUTE_MS;
/// What is over is forgotten each so often, for so many devices at a time.
const FORGET_EVERY_MS: i64 = MINUTE_MS;
const FORGET_DEVICES: i64 = 2_000;
/// A generation of report keys.
const KEYS_KEPT_MS: i64 = 2 * DAY_MS;

/// What the roller remembers from roll to roll; losing it costs work, not truth.
#[derive(Debug, Default)]
pub(crate) struct Roller {
    head: i64,
    heads: Arc<HashMap<String, i64>>,
    /// Scopes that moved, and the device after which to go on.
    moved: VecDeque<(String, i64)>,
    /// Scopes of the devices that the last look registered.
    joined: HashSet<String>,
    registered: Option<i64>,
    gauged: i64,
    conflicts_at: i64,
    expected_at: i64,
    forgot_at: i64,
    forget_next: i64,
    keys: Option<i64>,
}

impl Roller {
    /// Looks at everything once; what it finds is for the writer.
    pub(crate) async fn look(&mut self, readers: &SqlitePool, facts: &SyncFacts, now: i64) -> Result<RollWork> {
        let mut work = RollWork { now, ..RollWork::default() };
        // Devices that the last look registered have never been measured, whether or not their scopes have moved since.
        self.moved.extend(std::mem::take(&mut self.joined).into_iter().map(|scope| (scope, 0)));
        self.registrations(readers, facts, &mut work).await?;
        self.behind(readers, facts, &mut work).await?;
        self.conflicts(readers, facts, &mut work).await?;
        const DUE: &str = "select id from devices where due_ms <= ?1 order by due_ms limit ?2";
        work.due = sqlx::query_scalar(DUE).bind(now).bind(DEVICES_PER_ROLL).fetch_all(readers).await?;
        if now.div_euclid(GAUGE_EVERY_MS) != self.gauged {
            self.gauged = now.div_euclid(GAUGE_EVERY_MS);
            work.gauge = Some(gauge(readers, now).await?);
        }
        self.expected(readers, &mut work).await?;
        self.forget(readers, &mut work).await?;
        Ok(work)
    }

    async fn registrations(&mut self, readers: &SqlitePool, facts: &SyncFacts, work: &mut RollWork) -> Result<()> {
        let through = match self.registered {
            Some(through) => through,
            None => mark(readers, "registered_through").await?.unwrap_or(0),
        };
        work.registrations = facts.registrations_after(through, DEVICES_PER_ROLL).await?;
        for registration in &work.registrations {
            let scopes: Vec<String> = serde_json::from_str(&registration.scopes)
                .map_err(|_| crate::Error::Corrupt(format!("the scopes of client {} are no list", registration.client_id)))?;
            self.joined.extend(scopes);
        }
        let last = work.registrations.last().map_or(through, |registration| registration.id);
        if last != through {
            work.marks.push(("registered_through", last));
        }
        self.registered = Some(last);
        Ok(())
    }

    async fn behind(&mut self, readers: &SqlitePool, facts: &SyncFacts, work: &mut RollWork) -> Result<()> {
        let head = facts.head().await?;
        if head != self.head {
            let heads = Arc::new(facts.heads().await?);
            let waiting: HashSet<String> = self.moved.iter().map(|(scope, _)| scope.clone()).collect();
            for (scope, at) in heads.iter() {
                if self.heads.get(scope) != Some(at) && !waiting.contains(scope) {
                    self.moved.push_back((scope.clone(), 0));
                }
            }
            (self.head, self.heads) = (head, Arc::clone(&heads));
            work.heads = Some(heads);
        }
        let devices = self.devices_behind(readers).await?;
        if devices.is_empty() {
            return Ok(());
        }
        const TEXT: &str = r"
            select s.device, s.scope, s.pulled, d.behind from json_each(?1) as wanted
            join device_scopes s on s.device = wanted.value join devices d on d.id = s.device";
        let ids: Vec<i64> = devices.into_iter().collect();
        let rows: Vec<(i64, String, i64, Option<i64>)> =
            sqlx::query_as(TEXT).bind(json!(ids).to_string()).fetch_all(readers).await?;
        let lowest = rows.iter().fold(HashMap::<&str, i64>::new(), |mut lowest, (_, scope, pulled, _)| {
            lowest.entry(scope).and_modify(|low| *low = (*low).min(*pulled)).or_insert(*pulled);
            lowest
        });
        let mut positions: HashMap<&str, Vec<i64>> = HashMap::new();
        for (scope, pulled) in lowest {
            positions.insert(scope, facts.positions(scope, pulled).await?);
        }
        let mut behind: BTreeMap<i64, (i64, Option<i64>)> = BTreeMap::new();
        for (device, scope, pulled, known) in &rows {
            // Newest first: those above the pulled position stand at the front.
            let more = positions[scope.as_str()].partition_point(|seq| seq > pulled) as i64;
            let entry = behind.entry(*device).or_insert((0, *known));
            entry.0 += more;
        }
        work.behind =
            behind.into_iter().filter(|(_, (now, known))| Some(*now) != *known).map(|(id, (now, _))| (id, now)).collect();
        Ok(())
    }

    /// Some of the devices that follow a scope which moved past them.
    async fn devices_behind(&mut self, readers: &SqlitePool) -> Result<HashSet<i64>> {
        const TEXT: &str = "select device from device_scopes where scope = ?1 and device > ?2 order by device limit ?3";
        let mut devices = HashSet::new();
        for _ in 0..SCOPES_PER_ROLL {
            let Some((scope, after)) = self.moved.pop_front() else { break };
            let found: Vec<i64> =
                sqlx::query_scalar(TEXT).bind(&scope).bind(after).bind(DEVICES_PER_ROLL).fetch_all(readers).await?;
            if let (Some(last), true) = (found.last(), found.len() as i64 == DEVICES_PER_ROLL) {
                self.moved.push_back((scope, *last));
            }
            devices.extend(found);
            if devices.len() as i64 >= DEVICES_PER_ROLL {
                break;
            }
        }
        Ok(devices)
    }

    async fn conflicts(&mut self, readers: &SqlitePool, facts: &SyncFacts, work: &mut RollWork) -> Result<()> {
        const KNOWN: &str = r"
            select id, client_id, conflicts from devices
            where conflicts > 0 or client_id in (select value from json_each(?1))";
        if work.now - self.conflicts_at < CONFLICTS_EVERY_MS {
            return Ok(());
        }
        self.conflicts_at = work.now;
        let open = facts.conflicts_open().await?;
        let ids = json!(open.keys().collect::<Vec<_>>()).to_string();
        let known: Vec<(i64, String, i64)> = sqlx::query_as(KNOWN).bind(ids).fetch_all(readers).await?;
        let changed = known.into_iter().map(|(id, client, known)| (id, open.get(&client).copied().unwrap_or(0), known));
        work.conflicts = changed.filter(|(_, now, known)| now != known).map(|(id, now, _)| (id, now)).collect();
        Ok(())
    }

    /// Marks the devices whose usual interval ran out in this hour and that have not been in contact in it.
    async fn expected(&mut self, readers: &SqlitePool, work: &mut RollWork) -> Result<()> {
        const TEXT: &str = r"
            select d.id from devices d
            where d.last_contact_ms < ?1 and d.last_contact_ms > ?2 and d.interval_ms is not null
              and d.last_contact_ms + d.interval_ms <= ?3
              and not exists (select 1 from device_hours h where h.device = d.id and h.hour = ?4)
            limit ?5";
        if work.now - self.expected_at < EXPECTED_EVERY_MS {
            return Ok(());
        }
        let hour = hour_of(work.now);
        let found: Vec<i64> = sqlx::query_scalar(TEXT)
            .bind(hour * HOUR_MS)
            .bind(work.now - LOST_MS)
            .bind(work.now)
            .bind(hour)
            .bind(DEVICES_PER_ROLL)
            .fetch_all(readers)
            .await?;
        // More than one roll can mark: go on with the next.
        if (found.len() as i64) < DEVICES_PER_ROLL {
            self.expected_at = work.now;
        }
        work.expected = found.into_iter().map(|id| (id, hour)).collect();
        Ok(())
    }

    async fn forget(&mut self, readers: &SqlitePool, work: &mut RollWork) -> Result<()> {
        if work.now - self.forgot_at < FORGET_EVERY_MS {
            return Ok(());
        }
        self.forgot_at = work.now;
        let generation = work.now.div_euclid(KEYS_KEPT_MS);
        let known = match self.keys {
            Some(known) => Some(known),
            None => mark(readers, "key_generation").await?,
        };
        if known != Some(generation) {
            work.marks.push(("key_generation", generation));
        }
        // Without a mark the store is new: what it has taken so far is not old.
        let begins = known.filter(|known| *known != generation).map(|_| generation);
        self.keys = Some(generation);
        let from = self.forget_next;
        let most: i64 = sqlx::query_scalar("select coalesce(max(id), 0) from devices").fetch_one(readers).await?;
        self.forget_next = if from + FORGET_DEVICES > most { 0 } else { from + FORGET_DEVICES };
        work.forget = Some(Forget { devices: (from, from + FORGET_DEVICES - 1), keys: begins });
        Ok(())
    }
}

pub(super) async fn mark(readers: &SqlitePool, name: &str) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar("select v from marks where k = ?1").bind(name).fetch_optional(readers).await?)
}

/// How the fleet stands: one pass over the slim table.
async fn gauge(readers: &SqlitePool, now: i64) -> Result<Gauge> {
    const SUMS: &str = r"
        select count(*), coalesce(sum(queue_depth), 0), count(queue_depth), coalesce(sum(score), 0.0), count(score),
               coalesce(sum(score_battery), 0.0), count(score_battery), coalesce(sum(condition = 0), 0)
        from devices";
    const DRIFT: &str = r"
        select coalesce((?1 - drift_since_ms) / 1000, 0) as age_s, count(*) from devices where drift_known = 1 group by age_s";
    let sums: (i64, i64, i64, f64, i64, f64, i64, i64) = sqlx::query_as(SUMS).fetch_one(readers).await?;
    let ages: Vec<(i64, i64)> = sqlx::query_as(DRIFT).bind(now).fetch_all(readers).await?;
    let mut drift = Sketch::default();
    for (age_s, count) in ages {
        drift.add_counted((age_s * SECOND_MS) as f64, count.cast_unsigned());
    }
    let figures = Figures {
        devices: sums.0,
        queue: sums.1,
        queue_devices: sums.2,
        score_sum: sums.3,
        score_devices: sums.4,
        battery_sum: sums.5,
        battery_devices: sums.6,
        stuck: sums.7,
    };
    Ok(Gauge { figures, drift })
}
