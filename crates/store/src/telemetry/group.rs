//! One group of the telemetry writer in memory: what came in, applied to the devices it is about.
//!
//! Pure but for the values handed in. What it makes (deltas of hours and rollups, outbox work, events) is written by
//! `persist.rs` and `mirror.rs` in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tidewatch_domain::contact::Contact;
use tidewatch_domain::report::{OutboxDigest, Report, ReportedError};
use tidewatch_domain::sync::{IntentStatus, ReportedLetter};
use tidewatch_domain::time::{DAY_MS, HOUR_MS};

use super::device::DeviceDoc;
use super::hours::{DeviceHour, hour_of};
use super::raw::RawReport;
use super::rollup::{Rollup, STEPS, bucket};
use super::story;
use super::sync_facts::EntryEvent;

/// Buckets of one minute are kept for so long.
pub(crate) const MINUTES_KEPT_MS: i64 = 3 * HOUR_MS;
/// Buckets of five minutes are kept for so long.
pub(crate) const FIVES_KEPT_MS: i64 = 30 * DAY_MS;
/// Buckets of an hour are kept for so long.
pub(crate) const HOURS_KEPT_MS: i64 = 365 * DAY_MS;

/// A device that a group touches.
#[derive(Debug)]
pub(crate) struct Touched {
    pub id: i64,
    pub doc: DeviceDoc,
    pub is_new: bool,
    /// Its row is written even if nothing else is.
    pub dirty: bool,
    /// Its digests came anew and are to be compared.
    pub compare: bool,
    /// Its pulled position moved.
    pub scopes_moved: bool,
    /// It follows other scopes than before.
    pub scopes_changed: bool,
}

/// Key of a rollup's delta: step, bucket, platform and app version (`*` for the whole fleet).
pub(crate) type RollupKey = (i64, i64, String, String);

/// An event of a device's timeline.
#[derive(Debug)]
pub(crate) struct EventRow {
    pub device: i64,
    pub at: i64,
    pub id: i64,
    pub kind: i64,
    pub tone: i64,
    pub title: String,
    pub detail: String,
    pub operation_id: Option<String>,
}

/// An intent this server refused for good, or one that its device has given up on.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub device: i64,
    pub operation_id: String,
    pub at: i64,
    pub attempts: i64,
    pub error: ReportedError,
    /// Whether it was this server; else it is of the device's own dead letters.
    pub here: bool,
}

/// Everything a group makes.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub now: i64,
    pub devices: HashMap<String, Touched>,
    pub hours: BTreeMap<(i64, i64), DeviceHour>,
    pub rollups: BTreeMap<RollupKey, Rollup>,
    pub raw: Vec<RawReport>,
    /// Newest digest of each outbox: device, when it was taken, the digest.
    pub outboxes: BTreeMap<i64, (i64, OutboxDigest)>,
    pub refusals: Vec<Refusal>,
    /// What the journal of the log says became of entries, in its order.
    pub followed: Vec<EntryEvent>,
    /// Operations finally answered otherwise: device, operation.
    pub answered: Vec<(i64, String)>,
    pub events: BTreeMap<(i64, i64, i64), EventRow>,
    /// Heads of scopes as of the last roll.
    pub heads: Arc<HashMap<String, i64>>,
}

impl Group {
    fn touched(&mut self, client_id: &str) -> &mut Touched {
        let touched = self.devices.get_mut(client_id).expect("every device of the group was loaded before");
        touched.dirty = true;
        touched
    }

    /// Applies the new reports of one request. `fresh` says which were not taken before, in their order.
    pub(crate) fn reports_apply(&mut self, client_id: &str, reports: Vec<Report>, fresh: &[bool], received: i64) {
        self.now = self.now.max(received);
        self.touched(client_id).doc.contact_at(received);
        let id = self.touched(client_id).id;
        self.hours.entry((id, hour_of(received))).or_default().expected = true;
        let mut late = 0;
        for (report, fresh) in reports.into_iter().zip(fresh) {
            if *fresh {
                late += i64::from(received - report.at.0 > HOUR_MS);
                self.report_apply(client_id, report, received);
            }
        }
        let touched = self.devices.get_mut(client_id).expect("every device of the group was loaded before");
        story::checked_in(touched, received, late, &mut self.events);
    }

    fn report_apply(&mut self, client_id: &str, mut report: Report, received: i64) {
        let at = report.at.0.min(received);
        let touched = self.touched(client_id);
        let id = touched.id;
        let app_before = touched.doc.app_version.clone();
        let newest = touched.doc.report_apply(&report, at, received);
        let (scores, drift) = if newest {
            touched.compare |= !report.sync.digests.is_empty();
            (touched.doc.scores(at), touched.doc.assess(at).drift_age_ms(tidewatch_domain::time::Millis(at)))
        } else {
            // A late report is judged by what it says itself.
            let mut then = DeviceDoc::default();
            then.report_apply(&report, at, at);
            then.contact_at(at);
            (then.scores(at), then.assess(at).drift_age_ms(tidewatch_domain::time::Millis(at)))
        };
        let cohort = touched.doc.cohort(&report);
        if newest {
            story::app_updated(self.devices.get_mut(client_id).expect("loaded"), at, app_before.as_deref(), &mut self.events);
        }
        let mut delta = Rollup::default();
        delta.report_add(&report, &scores, drift);
        self.rollup_add(at, &cohort, &delta);
        self.hours.entry((id, hour_of(at))).or_default().report_add(at, &report, &scores, drift);
        let acked = report.sync.last_ack_at.into_iter().chain(report.connectivity.last_successful_sync);
        for ack in acked.filter(|ack| ack.0 <= received && received - ack.0 <= 8 * DAY_MS) {
            let hour = self.hours.entry((id, hour_of(ack.0))).or_default();
            (hour.synced, hour.expected) = (true, true);
        }
        self.raw.push(RawReport {
            client_id: client_id.to_owned(),
            report_id: std::mem::take(&mut report.report_id),
            at,
            received,
            body: std::mem::take(&mut report.raw),
        });
        if let (true, Some(outbox)) = (newest, report.outbox) {
            self.outboxes.insert(id, (at, outbox));
        }
    }

    fn rollup_add(&mut self, at: i64, cohort: &(String, String), delta: &Rollup) {
        for step in STEPS {
            let kept = match step {
                1 => MINUTES_KEPT_MS,
                5 => FIVES_KEPT_MS,
                _ => HOURS_KEPT_MS,
            };
            if self.now - at > kept {
                continue;
            }
            let bucket = bucket(step, at);
            self.rollups.entry((step, bucket, "*".to_owned(), "*".to_owned())).or_default().merge(delta);
            self.rollups.entry((step, bucket, cohort.0.clone(), cohort.1.clone())).or_default().merge(delta);
        }
    }

    /// Applies something the server saw.
    pub(crate) fn contact_apply(&mut self, client_id: &str, at: i64, contact: &Contact) {
        self.now = self.now.max(at);
        let touched = self.touched(client_id);
        let id = touched.id;
        let scopes_before = touched.doc.pull_scopes.clone();
        touched.doc.contact_apply(at, contact);
        touched.scopes_changed |= touched.doc.pull_scopes != scopes_before;
        touched.scopes_moved |= matches!(contact, Contact::Pulled { .. });
        let mut delta = Rollup::default();
        delta.contact_add(contact, touched.doc.reports_attempts);
        let cohort = touched.doc.own_cohort();
        self.rollup_add(at, &cohort, &delta);
        self.hours.entry((id, hour_of(at))).or_default().contact_add(at, contact, &delta);
        match contact {
            Contact::PushAnswered { results, .. } => self.answers_apply(id, at, results),
            Contact::Pulled { to, .. } => self.pulled(client_id, to.0),
            Contact::LettersReported { letters } => self.letters_apply(id, at, letters),
            _ => {}
        }
        let touched = self.devices.get_mut(client_id).expect("every device of the group was loaded before");
        story::contact(touched, at, contact, &mut self.events);
    }

    fn answers_apply(&mut self, id: i64, at: i64, results: &[tidewatch_domain::sync::IntentResult]) {
        for result in results {
            let operation_id = result.operation_id.as_str().to_owned();
            match (result.status, &result.problem) {
                (IntentStatus::Rejected, Some(problem)) => {
                    let error = ReportedError {
                        code: problem.code.to_owned(),
                        status: Some(i64::from(problem.status)),
                        message: Some(problem.detail.clone()),
                    };
                    self.refusals.push(Refusal { device: id, operation_id, at, attempts: 1, error, here: true });
                }
                (status, _) if status.is_final() && status != IntentStatus::Rejected => self.answered.push((id, operation_id)),
                _ => {}
            }
        }
    }

    /// What the device has given up on is listed like what this server refused.
    fn letters_apply(&mut self, id: i64, at: i64, letters: &[ReportedLetter]) {
        self.refusals.extend(letters.iter().map(|letter| Refusal {
            device: id,
            operation_id: letter.operation_id.as_str().to_owned(),
            at: letter.failed_at.map_or(at, |failed| failed.0.min(at)),
            attempts: letter.attempts.unwrap_or(1),
            error: letter.error.clone(),
            here: false,
        }));
    }

    /// Caught up at once when no scope it follows has moved past it, as far as the last roll knows.
    fn pulled(&mut self, client_id: &str, to: i64) {
        let doc = &self.devices[client_id].doc;
        let scopes = &doc.pull_scopes;
        let caught_up = !scopes.is_empty() && scopes.iter().all(|scope| self.heads.get(scope).is_none_or(|head| *head <= to));
        if caught_up {
            let now = self.now;
            self.touched(client_id).doc.behind_set(0, now);
        }
    }

    /// Ids of all devices whose outbox work changed something.
    pub(crate) fn outbox_devices(&self) -> HashSet<i64> {
        let refused = self.refusals.iter().map(|refusal| refusal.device);
        let answered = self.answered.iter().map(|(device, _)| *device);
        let followed = self.followed.iter().filter_map(|event| self.devices.get(&event.client_id)).map(|touched| touched.id);
        self.outboxes.keys().copied().chain(refused).chain(answered).chain(followed).collect()
    }

    /// The device with this id.
    pub(crate) fn by_id(&mut self) -> HashMap<i64, &mut Touched> {
        self.devices.values_mut().map(|touched| (touched.id, touched)).collect()
    }
}

impl DeviceDoc {
    /// The cohort of a report: what it says of itself, else what is known.
    fn cohort(&self, report: &Report) -> (String, String) {
        let known = self.own_cohort();
        (report.device.platform.clone().unwrap_or(known.0), report.device.app_version.clone().unwrap_or(known.1))
    }

    /// Platform and app version; empty when not reported.
    pub(crate) fn own_cohort(&self) -> (String, String) {
        (self.platform.clone().unwrap_or_default(), self.app_version.clone().unwrap_or_default())
    }
}
