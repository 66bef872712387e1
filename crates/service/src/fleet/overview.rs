//! The overview, which is also the resilience report of seed 000: one question to the store a part, then pure words.

use tidewatch_domain::fleet::{FailureGroup, FleetCounts, FleetScore, Overview, WorkItem};
use tidewatch_domain::time::Millis;
use tidewatch_store::telemetry::{DeviceTrend, FleetFacts, OverviewKey};

use super::disk::{disk_item, disk_place};
use super::figures::{Context, figures};
use super::outlook::{fleet_recommended, fleet_risks, opportunities};
use super::words::{be, counted, whole};
use super::work::{Material, work_items};
use crate::{Result, Service};

/// Work items that a page shows.
const WORK_MAX: usize = 12;

impl Service {
    pub(super) async fn overview_make(&self, now: Millis, (range, compare): OverviewKey) -> Result<Overview> {
        let telemetry = self.store.telemetry();
        let snapshot = telemetry.fleet_snapshot(now).await?;
        let as_of = snapshot.as_of;
        let trend = telemetry.fleet_trend(range, as_of).await?;
        // The range before is always read: the normal of a queue and the change of the score come from it.
        let before = telemetry.fleet_trend(range, as_of.plus(-range.span_ms())).await?;
        let facts = telemetry.fleet_facts_shared(as_of).await?;
        let token_refusals = telemetry.token_refusals(as_of).await?;
        let spread = telemetry.score_spread(as_of.plus(-range.span_ms())).await?;
        let drains = self.drains_waiting().await?;
        let material = Material {
            facts: &facts,
            trend: &trend,
            token_refusals,
            drains: &drains,
            devices: snapshot.counts.devices,
            now: as_of,
        };
        let mut work = work_items(&material);
        let console = self.console_facts().await?;
        disk_item(console.disk, snapshot.counts.devices).into_iter().for_each(|item| disk_place(&mut work, item));
        let headline = headline(&snapshot.counts, &facts, &work);
        work.truncate(WORK_MAX);
        let context = Context { devices: snapshot.counts.devices, conflicts_open: Some(facts.conflicts.entries) };
        let mut made = figures(&trend, Some(&before), &context);
        if !compare {
            made.iter_mut().for_each(|figure| figure.previous = None);
        }
        let score = FleetScore {
            scores: spread.scores,
            p10: spread.p10,
            p50: spread.p50,
            devices: spread.devices,
            previous: score_at_end(&before),
        };
        Ok(Overview {
            as_of,
            range,
            counts: snapshot.counts.clone(),
            headline,
            score,
            figures: made,
            work,
            risks: fleet_risks(&facts.trends, as_of),
            recommended: fleet_recommended(&facts),
            opportunities: opportunities(&facts),
            board: telemetry.board(as_of).await?,
            console,
        })
    }
}

/// The score at the end of a range: its newest step with one.
fn score_at_end(trend: &DeviceTrend) -> Option<f64> {
    trend.points.iter().rev().find_map(|point| point.score)
}

/// The finding, one sentence.
fn headline(counts: &FleetCounts, facts: &FleetFacts, work: &[WorkItem]) -> String {
    let devices = counts.devices;
    if devices == 0 {
        return "No device is registered yet.".to_owned();
    }
    let [stuck, diverged, stalling, _, unknown, _, _] = counts.by_condition;
    if let Some(group) = facts.failures.first().filter(|group| group.devices > 0) {
        let alike = |other: &&FailureGroup| other.code == group.code && other.collection == group.collection;
        let more = match facts.failures.iter().filter(alike).map(|group| group.last_hour).sum() {
            0 => String::new(),
            n => format!("; {} in the last hour", counted(n, "entry", "entries")),
        };
        return format!(
            "{} of {} {} stuck behind one {} error in {}{more}.",
            whole(group.devices.cast_signed()),
            counted(devices, "device", "devices"),
            be(group.devices),
            group.code,
            group.collection
        );
    }
    let troubled = stuck + diverged + stalling;
    if troubled > 0 {
        return format!(
            "{} of {} {} stuck, diverged or stalling.",
            whole(troubled.cast_signed()),
            counted(devices, "device", "devices"),
            be(troubled)
        );
    }
    if unknown == devices {
        return format!("{} registered, and none has reported lately.", counted(devices, "device is", "devices are"));
    }
    if let Some(item) = work.first() {
        return format!("No device is stuck. {}.", item.title);
    }
    format!(
        "All is calm: {} of {} {} in step or catching up.",
        whole((devices - unknown).cast_signed()),
        counted(devices, "device", "devices"),
        be(devices - unknown)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(by_condition: [u64; 7]) -> FleetCounts {
        FleetCounts { devices: by_condition.iter().sum(), by_condition, ..FleetCounts::default() }
    }

    #[test]
    fn the_headline_says_the_worst_thing_first() {
        let calm = FleetFacts::default();
        assert_eq!(headline(&counts([0; 7]), &calm, &[]), "No device is registered yet.");
        assert_eq!(
            headline(&counts([0, 0, 0, 0, 3, 0, 0]), &calm, &[]),
            "3 devices are registered, and none has reported lately."
        );
        assert_eq!(
            headline(&counts([0, 0, 0, 0, 1, 2, 7]), &calm, &[]),
            "All is calm: 9 of 10 devices are in step or catching up."
        );
        assert_eq!(headline(&counts([1, 0, 2, 0, 0, 0, 7]), &calm, &[]), "3 of 10 devices are stuck, diverged or stalling.");
    }

    #[test]
    fn a_score_of_the_range_before_is_its_newest_one() {
        let trend = DeviceTrend {
            points: Vec::new(),
            whole: tidewatch_store::telemetry::TrendPoint { at: Millis(0), ..Default::default() },
        };
        assert_eq!(score_at_end(&trend), None);
    }
}
