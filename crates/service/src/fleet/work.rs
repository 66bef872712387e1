//! "Needs a person": troubles as work items, worst first by devices × hours × entries at risk. Pure; every number is a row's.

use tidewatch_domain::drain::JobState;
use tidewatch_domain::fleet::{DrainJobRow, FailureGroup, Target, Urgency, WorkItem};
use tidewatch_domain::signature::signature_op;
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS, Millis};
use tidewatch_store::telemetry::{DeviceTrend, FleetFacts, Trouble};

use super::figures::{SLO_CONFLICT_PERCENT, SLO_SUCCESS_PERCENT, missed_since};
use super::words::{counted, elapsed, whole};

/// Refusals of tokens in a quarter of an hour that need a person.
const TOKEN_REFUSALS_MIN: i64 = 10;
/// Devices that retry and need a person: this share of the fleet, and at least so many.
const STALLING_SHARE: f64 = 0.02;
const STALLING_MIN: u64 = 3;
/// Attempts below which a rate says nothing.
const ATTEMPTS_MIN: i64 = 50;

/// The entries of a group of failures.
pub(super) fn failure_target(group: &FailureGroup) -> Target {
    Target::Failures(group.id.clone())
}

fn weight(devices: u64, since: Option<Millis>, entries: u64, now: Millis) -> f64 {
    let hours = since.map_or(1.0, |since| (now.since(since) as f64 / HOUR_MS as f64).max(0.1));
    devices as f64 * hours * (entries + 1) as f64
}

/// What the items are made from.
#[derive(Debug)]
pub(super) struct Material<'a> {
    pub facts: &'a FleetFacts,
    pub trend: &'a DeviceTrend,
    pub token_refusals: i64,
    pub drains: &'a [DrainJobRow],
    pub devices: u64,
    pub now: Millis,
}

/// Everything that needs a person, worst first.
pub(super) fn work_items(material: &Material<'_>) -> Vec<WorkItem> {
    let mut items: Vec<WorkItem> = material.facts.failures.iter().map(|group| failure(group, material)).collect();
    items.extend(material.drains.iter().filter_map(|job| drain(job, material.now)));
    items.extend(unacknowledged(material));
    items.extend(diverged(material));
    items.extend(silent(material));
    items.extend(success(material));
    items.extend(conflict_rate(material));
    items.extend(conflicts_open(material));
    items.extend(stalling(material));
    items.extend(skewed(material));
    items.extend(tokens(material));
    items.sort_by(|a, b| a.urgency.cmp(&b.urgency).then(b.weight.total_cmp(&a.weight)));
    items
}

fn failure(group: &FailureGroup, material: &Material<'_>) -> WorkItem {
    let status = group.status.map(|status| format!("{status} ")).unwrap_or_default();
    let title = format!(
        "{} rejected on {}: {status}{}",
        counted(group.poisoned, "entry", "entries"),
        counted(group.devices, "device", "devices"),
        group.code
    );
    let subject = match signature_op(&group.signature) {
        Some(op) => format!("{}, {op}", group.collection),
        None => group.collection.clone(),
    };
    let message = match group.message.as_deref() {
        Some(message) => format!("{subject}: {message}."),
        None => format!("{subject}."),
    };
    let waiting = match group.waiting {
        0 => String::new(),
        n => format!(" {} on its devices.", counted(n, "entry waits", "entries wait")),
    };
    let more = match group.last_hour {
        0 => String::new(),
        n => format!(" {} in the last hour.", whole(n.cast_signed())),
    };
    let version =
        group.versions.first().map(|(version, n)| format!(" App {version} on {}.", whole(n.cast_signed()))).unwrap_or_default();
    WorkItem {
        urgency: if group.last_hour > 0 || group.waiting > 0 { Urgency::Now } else { Urgency::Today },
        title,
        detail: format!("{message}{waiting}{more}{version}"),
        since: Some(group.since),
        devices: group.devices,
        verb: "Show entries",
        target: failure_target(group),
        weight: weight(group.devices, Some(group.since), group.poisoned + group.waiting, material.now),
    }
}

/// A drain that does not go on without a person: one that asks for a second one, one that stopped, one whose failures nobody has seen.
fn drain(job: &DrainJobRow, now: Millis) -> Option<WorkItem> {
    let tally = &job.tally;
    let what = format!("drain of {}", counted(tally.all(), "entry", "entries"));
    let by = job.created_by.strip_prefix("user:").unwrap_or(&job.created_by);
    let asked = format!("{} asked for by {by}: {}", job.action.as_str(), job.reason);
    let (urgency, title, detail, verb, at_risk) = match job.state {
        JobState::Requested => (Urgency::Now, format!("A {what} waits for a second person"), asked, "Decide", tally.all()),
        JobState::Paused => {
            let detail = format!(
                "{} not started, {} failed. {asked}",
                whole(tally.waiting.cast_signed()),
                whole(tally.failed.cast_signed())
            );
            (Urgency::Now, format!("A {what} is paused"), detail, "Look into it", tally.waiting)
        }
        state if state.is_final() && tally.failed > 0 && !job.acknowledged => {
            let title = format!("{} in a {what}", counted(tally.failed, "entry failed", "entries failed"));
            (Urgency::Today, title, asked, "Show failures", tally.failed)
        }
        _ => return None,
    };
    let since = Some(job.finished.unwrap_or(job.created));
    Some(WorkItem {
        urgency,
        title,
        detail,
        since,
        devices: job.devices,
        verb,
        target: Target::Drain(job.id.clone()),
        weight: weight(job.devices, since, at_risk, now),
    })
}

fn item(urgency: Urgency, trouble: &Trouble, now: Millis, title: String, detail: String, filter: &str) -> WorkItem {
    WorkItem {
        urgency,
        title,
        detail,
        since: trouble.since,
        devices: trouble.devices,
        verb: "Show devices",
        target: Target::Devices(filter.to_owned()),
        weight: weight(trouble.devices, trouble.since, trouble.entries, now),
    }
}

fn some(trouble: &Trouble) -> Option<&Trouble> {
    (trouble.devices > 0).then_some(trouble)
}

fn unacknowledged(material: &Material<'_>) -> Option<WorkItem> {
    let trouble = some(&material.facts.unacknowledged)?;
    let title = format!("{} without an acknowledgement for two hours", counted(trouble.devices, "device pushes", "devices push"));
    let detail = format!(
        "{} in their outboxes. Nothing is rejected: look at the answers they get.",
        counted(trouble.entries, "entry", "entries")
    );
    Some(item(Urgency::Now, trouble, material.now, title, detail, "condition:stuck poisoned:0"))
}

fn diverged(material: &Material<'_>) -> Option<WorkItem> {
    let trouble = some(&material.facts.diverged)?;
    let title = format!("{} diverged in {}", counted(trouble.devices, "device", "devices"), trouble.about.join(", "));
    let detail = "The digest differs from the store's at the same position with nothing pending. Only a resync makes them equal."
        .to_owned();
    Some(item(Urgency::Today, trouble, material.now, title, detail, "condition:diverged"))
}

fn silent(material: &Material<'_>) -> Option<WorkItem> {
    let trouble = some(&material.facts.silent)?;
    let title =
        format!("{} silent for more than seven of their own check-in intervals", counted(trouble.devices, "device", "devices"));
    let detail = match trouble.entries {
        0 => "Their last known outboxes were empty.".to_owned(),
        n => format!("{} in their last known outboxes, at risk if they are lost.", counted(n, "entry", "entries")),
    };
    Some(item(Urgency::ThisWeek, trouble, material.now, title, detail, "condition:unknown contact:late"))
}

fn success(material: &Material<'_>) -> Option<WorkItem> {
    let whole_range = &material.trend.whole;
    let found = whole_range.success.filter(|found| *found < SLO_SUCCESS_PERCENT && whole_range.attempts >= ATTEMPTS_MIN)?;
    let since = missed_since(material.trend, |point| point.success.map(|success| success < SLO_SUCCESS_PERCENT));
    let failed = (whole_range.attempts as f64 * (100.0 - found) / 100.0).round() as i64;
    let trouble = Trouble { since, ..Trouble::default() };
    let title = format!("Sync success {found:.2} %, below its SLO of {SLO_SUCCESS_PERCENT} %");
    let detail = format!("{} of {} attempts failed or held a rejected intent.", whole(failed), whole(whole_range.attempts));
    let mut made = item(Urgency::Now, &trouble, material.now, title, detail, "health:failing,degraded");
    made.weight = weight(1, since, failed.cast_unsigned(), material.now);
    Some(made)
}

fn conflict_rate(material: &Material<'_>) -> Option<WorkItem> {
    let whole_range = &material.trend.whole;
    let found = whole_range.conflict.filter(|found| *found >= SLO_CONFLICT_PERCENT && whole_range.answered >= ATTEMPTS_MIN)?;
    let since = missed_since(material.trend, |point| point.conflict.map(|rate| rate >= SLO_CONFLICT_PERCENT));
    let lost = (whole_range.answered as f64 * found / 100.0).round() as i64;
    let trouble = Trouble { since, devices: material.facts.conflicts.devices, ..Trouble::default() };
    let title = format!("Conflict rate {found:.2} %, above {SLO_CONFLICT_PERCENT} %");
    let detail = format!(
        "{} of {} answered mutations gave way to another value; the losing values are kept.",
        whole(lost),
        whole(whole_range.answered)
    );
    let mut made = item(Urgency::Today, &trouble, material.now, title, detail, "conflicts:>0");
    made.weight = weight(1, since, lost.cast_unsigned(), material.now);
    Some(made)
}

fn conflicts_open(material: &Material<'_>) -> Option<WorkItem> {
    let trouble = some(&material.facts.conflicts)?;
    let title = format!(
        "{} open, from {}",
        counted(trouble.entries, "conflict", "conflicts"),
        counted(trouble.devices, "device", "devices")
    );
    let detail = "Each holds the value that gave way.".to_owned();
    Some(item(Urgency::ThisWeek, trouble, material.now, title, detail, "conflicts:>0"))
}

fn stalling(material: &Material<'_>) -> Option<WorkItem> {
    let trouble = some(&material.facts.stalling)?;
    let enough = trouble.devices >= STALLING_MIN && trouble.devices as f64 >= material.devices as f64 * STALLING_SHARE;
    let title = format!("{} by themselves", counted(trouble.devices, "device fails and retries", "devices fail and retry"));
    let detail = format!("{} in their outboxes.", counted(trouble.entries, "entry", "entries"));
    enough.then(|| item(Urgency::Today, trouble, material.now, title, detail, "condition:stalling"))
}

fn skewed(material: &Material<'_>) -> Option<WorkItem> {
    let trouble = some(&material.facts.skewed)?;
    let title = format!("{} more than 90 s off", counted(trouble.devices, "clock is", "clocks are"));
    let detail = format!(
        "The farthest is off by {}. Beyond 300 s the store clamps their edits to its own time.",
        elapsed(material.facts.skew_max_ms)
    );
    Some(item(Urgency::Today, trouble, material.now, title, detail, "skew:>90s"))
}

fn tokens(material: &Material<'_>) -> Option<WorkItem> {
    let refused = Some(material.token_refusals).filter(|refused| *refused >= TOKEN_REFUSALS_MIN)?;
    let trouble = Trouble { since: Some(material.now.plus(-15 * MINUTE_MS)), ..Trouble::default() };
    let title = format!("{} tokens refused in 15 min", whole(refused));
    let detail = "Expired, revoked or unknown. Their devices cannot sync until they get new ones.".to_owned();
    Some(item(Urgency::Today, &trouble, material.now, title, detail, "condition:stalling,unknown"))
}

#[cfg(test)]
mod tests {
    use tidewatch_domain::filter::{Filter, keys};
    use tidewatch_store::telemetry::TrendPoint;

    use super::*;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn items(facts: &FleetFacts, whole: TrendPoint, token_refusals: i64) -> Vec<WorkItem> {
        let trend = DeviceTrend { points: Vec::new(), whole };
        work_items(&Material { facts, trend: &trend, token_refusals, drains: &[], devices: 100, now: NOW })
    }

    fn group(entries: u64, devices: u64, waiting: u64) -> FailureGroup {
        FailureGroup {
            id: "5be240cd".into(),
            signature: "schema_invalid inspections update pressure_kpa is \"…\", expected a number".into(),
            code: "schema_invalid".into(),
            status: Some(422),
            collection: "inspections".into(),
            message: Some("pressure_kpa is \"412\", expected a number".into()),
            entries,
            poisoned: entries,
            devices,
            waiting,
            since: NOW.plus(-2 * HOUR_MS),
            newest: NOW,
            last_hour: 0,
            hours: [0; 24],
            versions: vec![("4.18.0".into(), devices)],
        }
    }

    #[test]
    fn a_calm_fleet_needs_nobody() {
        let whole =
            TrendPoint { success: Some(99.5), attempts: 1_000, conflict: Some(0.99), answered: 1_000, ..TrendPoint::default() };
        assert_eq!(items(&FleetFacts::default(), whole, TOKEN_REFUSALS_MIN - 1), []);
    }

    #[test]
    fn every_filter_that_an_item_leads_to_can_be_read() {
        let trouble = Trouble { devices: 9, since: Some(NOW), entries: 3, about: vec!["assets".into()] };
        let facts = FleetFacts {
            failures: vec![group(1_284, 212, 4_906)],
            unacknowledged: trouble.clone(),
            diverged: trouble.clone(),
            silent: trouble.clone(),
            skewed: trouble.clone(),
            conflicts: trouble.clone(),
            stalling: trouble,
            ..FleetFacts::default()
        };
        let whole =
            TrendPoint { success: Some(90.0), attempts: 1_000, conflict: Some(5.0), answered: 1_000, ..TrendPoint::default() };
        let found = items(&facts, whole, TOKEN_REFUSALS_MIN);
        assert_eq!(found.len(), 10);
        for item in &found {
            match &item.target {
                Target::Devices(filter) => assert!(Filter::parse(keys::DEVICES, filter).is_ok(), "{filter}"),
                Target::Failures(group) => assert_eq!(group, "5be240cd"),
                other => panic!("{} leads to {other:?}", item.title),
            }
        }
        assert!(found.windows(2).all(|pair| pair[0].urgency <= pair[1].urgency));
        assert_eq!(found[0].title, "1,284 entries rejected on 212 devices: 422 schema_invalid");
    }

    #[test]
    fn more_devices_and_more_data_at_risk_come_first() {
        let facts = FleetFacts { failures: vec![group(5, 2, 1), group(50, 40, 100)], ..FleetFacts::default() };
        let found = items(&facts, TrendPoint::default(), 0);
        assert_eq!(found.iter().map(|item| item.devices).collect::<Vec<_>>(), [40, 2]);
    }

    fn job(state: JobState, failed: u64, acknowledged: bool) -> DrainJobRow {
        DrainJobRow {
            id: "J7".into(),
            action: tidewatch_domain::drain::DrainAction::ToConflict,
            state,
            created_by: "user:maya".into(),
            created: NOW.plus(-HOUR_MS),
            finished: None,
            tally: tidewatch_domain::fleet::JobTally { ok: 10 - failed, failed, ..Default::default() },
            devices: 3,
            reason: "a bad release".into(),
            acknowledged,
            rolled: None,
        }
    }

    #[test]
    fn a_drain_needs_a_person_when_it_asks_stops_or_ends_with_failures_that_nobody_has_seen() {
        let said = |state, failed, acknowledged| drain(&job(state, failed, acknowledged), NOW).map(|item| item.title);
        let waits = Some("A drain of 10 entries waits for a second person".to_owned());
        assert_eq!(said(JobState::Requested, 0, false), waits);
        assert_eq!(said(JobState::Paused, 2, false).as_deref(), Some("A drain of 10 entries is paused"));
        assert_eq!(said(JobState::Done, 2, false).as_deref(), Some("2 entries failed in a drain of 10 entries"));
        for (state, failed, acknowledged) in
            [(JobState::Done, 0, false), (JobState::Done, 2, true), (JobState::Running, 2, false), (JobState::Refused, 0, false)]
        {
            assert_eq!(said(state, failed, acknowledged), None, "{state:?}");
        }
        let item = drain(&job(JobState::Requested, 0, false), NOW).expect("it waits");
        assert_eq!(
            (item.target, item.detail.as_str()),
            (Target::Drain("J7".into()), "to_conflict asked for by maya: a bad release")
        );
    }

    #[test]
    fn a_rate_over_few_attempts_says_nothing() {
        let whole = |attempts| TrendPoint { success: Some(50.0), attempts, ..TrendPoint::default() };
        assert_eq!(items(&FleetFacts::default(), whole(ATTEMPTS_MIN - 1), 0).len(), 0);
        assert_eq!(items(&FleetFacts::default(), whole(ATTEMPTS_MIN), 0).len(), 1);
    }
}
