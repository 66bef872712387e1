//! Figures that every page shows, counted at most once a second and shared: a page never counts the fleet by itself.
//!
//! Overviews that somebody looks at are made anew behind the page, after the counts; whoever asks meanwhile gets the one before,
//! and is woken once the new one is there. So a page waits for a count only when nobody has looked for a while.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use tidewatch_domain::fleet::{FleetCounts, Overview, Score, Scores};
use tidewatch_domain::time::{MINUTE_MS, Millis, SECOND_MS, TimeRange};
use tokio::sync::Mutex;

use super::outbox::{KeptBlocked, KeptFigures};
use super::{FleetFacts, Telemetry, TrendRisk};
use crate::Result;

/// Counts of the fleet at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetSnapshot {
    /// Counted at.
    pub as_of: Millis,
    /// Devices by condition and contact.
    pub counts: FleetCounts,
    /// Commits of the telemetry writer it knows of.
    commits: u64,
}

/// Means of the scores, and their spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreSpread {
    /// Means by group.
    pub scores: Scores,
    /// 10th percentile.
    pub p10: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// Devices with a score.
    pub devices: u64,
}

/// What an overview is over: a range, compared with the one before or not.
pub type OverviewKey = (TimeRange, bool);

/// An overview is given out for so long while the next one is made.
const OVERVIEW_FRESH_MS: i64 = 6 * SECOND_MS;
/// An overview that was asked for in this time is made anew with every count.
const OVERVIEW_WATCHED_MS: i64 = 60 * SECOND_MS;
/// The overview that everybody opens first is made anew after this time though nobody looks.
const OVERVIEW_KEPT_MS: i64 = 4 * SECOND_MS;
/// Most overviews that are made anew with one count.
const OVERVIEWS_MAX: usize = 3;
/// What needs a person is read anew after this time when only time has passed.
const FACTS_FRESH_MS: i64 = 4 * SECOND_MS;

/// An overview that was made.
#[derive(Debug)]
struct Kept {
    key: OverviewKey,
    made: Arc<Overview>,
    /// When somebody last asked for it.
    asked: Millis,
    /// Commits of the telemetry writer it knows of.
    commits: u64,
}

/// Trends have a point in a quarter of an hour; what is fitted to them is read anew after this time.
const TRENDS_FRESH_MS: i64 = MINUTE_MS;

/// Facts, when they were read, and the commits they know of.
type KeptFacts = (Arc<FleetFacts>, Millis, u64);

/// The newest snapshot, and what was made from it.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    fleet: RwLock<Option<Arc<FleetSnapshot>>>,
    overviews: RwLock<Vec<Kept>>,
    facts: RwLock<Option<KeptFacts>>,
    trends: RwLock<Option<(Arc<[TrendRisk]>, Millis)>>,
    pub(super) outbox: Mutex<Option<KeptFigures>>,
    /// What waits behind groups of failures, by signature.
    pub(super) blocked: Mutex<HashMap<String, KeptBlocked>>,
}

impl Snapshots {
    fn newest(&self) -> Option<Arc<FleetSnapshot>> {
        self.fleet.read().expect("no reader panics").clone()
    }

    /// Counts anew when something was written since, at most once a second.
    pub(super) async fn renew(&self, telemetry: &Telemetry, now: Millis) -> Result<()> {
        let commits = *telemetry.shared.commits.borrow();
        let next = match self.newest() {
            Some(known) if known.commits == commits => FleetSnapshot { as_of: now, ..(*known).clone() },
            Some(known) if now.since(known.as_of).abs() < SECOND_MS && known.as_of != now => return Ok(()),
            _ => FleetSnapshot { as_of: now, counts: telemetry.fleet_count().await?, commits },
        };
        *self.fleet.write().expect("no writer panics") = Some(Arc::new(next));
        Ok(())
    }
}

impl Telemetry {
    /// The newest counts; counted now when there are none yet.
    ///
    /// # Errors
    /// As the database.
    pub async fn fleet_snapshot(&self, now: Millis) -> Result<Arc<FleetSnapshot>> {
        if let Some(snapshot) = self.snapshots.newest() {
            return Ok(snapshot);
        }
        self.snapshots.renew(self, now).await?;
        Ok(self.snapshots.newest().unwrap_or_default())
    }

    async fn fleet_count(&self) -> Result<FleetCounts> {
        const TEXT: &str = "select condition, contact, simulated, count(*) from devices group by condition, contact, simulated";
        let rows: Vec<(i64, i64, i64, i64)> = sqlx::query_as(TEXT).fetch_all(&self.database.readers).await?;
        let mut counts = FleetCounts::default();
        for (condition, contact, simulated, count) in rows {
            let count = count.cast_unsigned();
            counts.devices += count;
            counts.by_condition[usize::try_from(condition).expect("a checked column")] += count;
            counts.by_contact[usize::try_from(contact).expect("a checked column")] += count;
            counts.simulated += if simulated == 0 { 0 } else { count };
        }
        Ok(counts)
    }

    /// An overview that is fresh enough to be shown. Notes that it is looked at.
    #[must_use]
    pub fn overview_cached(&self, key: OverviewKey, now: Millis) -> Option<Arc<Overview>> {
        let as_of = self.snapshots.newest()?.as_of;
        let mut overviews = self.snapshots.overviews.write().expect("no writer panics");
        let kept = overviews.iter_mut().find(|kept| kept.key == key)?;
        kept.asked = now;
        let fresh = kept.made.as_of == as_of || now.since(kept.made.as_of).abs() < OVERVIEW_FRESH_MS;
        fresh.then(|| Arc::clone(&kept.made))
    }

    /// The overviews to make anew: those that somebody looks at, and the one that everybody opens first, when there is news.
    #[must_use]
    pub fn overviews_due(&self, now: Millis) -> Vec<OverviewKey> {
        let Some(newest) = self.snapshots.newest() else { return Vec::new() };
        let mut overviews = self.snapshots.overviews.write().expect("no writer panics");
        overviews.sort_by_key(|kept| std::cmp::Reverse(kept.asked));
        let due = |kept: &&Kept| {
            let age = now.since(kept.made.as_of);
            let watched = now.since(kept.asked) < OVERVIEW_WATCHED_MS;
            let kept_warm = kept.key == OverviewKey::default() && age >= OVERVIEW_KEPT_MS;
            kept.made.as_of != newest.as_of
                && (kept_warm || watched && (kept.commits != newest.commits || age >= OVERVIEW_KEPT_MS))
        };
        overviews.iter().filter(due).take(OVERVIEWS_MAX).map(|kept| kept.key).collect()
    }

    /// Keeps an overview for those who ask for the same before the next one; those who look at an older one are woken.
    pub fn overview_keep(&self, key: OverviewKey, overview: Arc<Overview>, asked: Option<Millis>) {
        let commits = self.snapshots.newest().map_or(0, |newest| newest.commits);
        let mut overviews = self.snapshots.overviews.write().expect("no writer panics");
        let before = overviews.iter().position(|kept| kept.key == key).map(|at| overviews.swap_remove(at));
        let asked = asked.or(before.as_ref().map(|kept| kept.asked)).unwrap_or_default();
        overviews.push(Kept { key, made: overview, asked, commits });
        if before.is_some_and(|kept| kept.commits != commits) {
            self.renewed.send_modify(|renewals| *renewals += 1);
        }
    }

    /// What needs a person, shared by the overviews of one count.
    ///
    /// # Errors
    /// As the database.
    pub async fn fleet_facts_shared(&self, as_of: Millis) -> Result<Arc<FleetFacts>> {
        let commits = self.snapshots.newest().map_or(0, |newest| newest.commits);
        let known = self.snapshots.facts.read().expect("no reader panics").clone();
        if let Some((facts, read, knows)) = known
            && (read == as_of || knows == commits && as_of.since(read).abs() < FACTS_FRESH_MS)
        {
            return Ok(facts);
        }
        let facts = Arc::new(self.fleet_facts(as_of).await?);
        *self.snapshots.facts.write().expect("no writer panics") = Some((Arc::clone(&facts), as_of, commits));
        Ok(facts)
    }

    pub(super) async fn trends_shared(&self, now: Millis) -> Result<Arc<[TrendRisk]>> {
        let known = self.snapshots.trends.read().expect("no reader panics").clone();
        if let Some((trends, read)) = known
            && now.since(read).abs() < TRENDS_FRESH_MS
        {
            return Ok(trends);
        }
        let trends: Arc<[TrendRisk]> = self.trends().await?.into();
        *self.snapshots.trends.write().expect("no writer panics") = Some((Arc::clone(&trends), now));
        Ok(trends)
    }

    /// Scores of the devices in contact since an instant.
    ///
    /// # Errors
    /// As the database.
    pub async fn score_spread(&self, since: Millis) -> Result<ScoreSpread> {
        const MEANS: &str = r"
            select count(score), avg(score), avg(score_connect), avg(score_offline), avg(score_battery), avg(score_user), count(*)
            from devices where last_contact_ms >= ?1";
        const AT: &str = r"
            select sort_score from devices where last_contact_ms >= ?1 and sort_score <= 100 order by sort_score limit 1 offset ?2";
        type Means = (i64, Option<f64>, Option<f64>, Option<f64>, Option<f64>, Option<f64>, i64);
        let readers = &self.database.readers;
        let found: Means = sqlx::query_as(MEANS).bind(since.0).fetch_one(readers).await?;
        let coverage = if found.6 > 0 { found.0 as f64 / found.6 as f64 } else { 0.0 };
        let score = |value: Option<f64>| Score { value, coverage };
        let mut at = [None, None];
        for (place, share) in at.iter_mut().zip([0.1, 0.5]) {
            let offset = ((found.0 - 1).max(0) as f64 * share).round() as i64;
            *place = sqlx::query_scalar(AT).bind(since.0).bind(offset).fetch_optional(readers).await?;
        }
        let scores = Scores {
            total: score(found.1),
            connectivity: score(found.2),
            offline_resilience: score(found.3),
            battery: score(found.4),
            user_experience: score(found.5),
        };
        Ok(ScoreSpread { scores, p10: at[0], p50: at[1], devices: found.0.cast_unsigned() })
    }
}
