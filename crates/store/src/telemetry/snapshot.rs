//! Figures that every page shows, counted at most once a second and shared: a page never counts the fleet by itself.

use std::sync::{Arc, RwLock};

use tidewatch_domain::fleet::{FleetCounts, Overview, Score, Scores};
use tidewatch_domain::time::{Millis, SECOND_MS, TimeRange};

use super::Telemetry;
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

type OverviewKey = (TimeRange, bool);

/// The newest snapshot, and overviews made from it.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    fleet: RwLock<Option<Arc<FleetSnapshot>>>,
    overviews: RwLock<Vec<(OverviewKey, Arc<Overview>)>>,
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

    /// An overview made from the newest snapshot, if one was.
    #[must_use]
    pub fn overview_cached(&self, range: TimeRange, compare: bool) -> Option<Arc<Overview>> {
        let as_of = self.snapshots.newest()?.as_of;
        let overviews = self.snapshots.overviews.read().expect("no reader panics");
        overviews.iter().find(|(key, made)| *key == (range, compare) && made.as_of == as_of).map(|(_, made)| Arc::clone(made))
    }

    /// Keeps an overview for those who ask for the same before the next snapshot.
    pub fn overview_keep(&self, range: TimeRange, compare: bool, overview: Arc<Overview>) {
        let mut overviews = self.snapshots.overviews.write().expect("no writer panics");
        overviews.retain(|(key, _)| *key != (range, compare));
        overviews.push(((range, compare), overview));
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
