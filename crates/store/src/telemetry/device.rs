//! The state of one device: what reports, contacts and the mirror of its outbox have told, and what follows from it.
//!
//! Pure: no SQL, no clock. The writer reads a [`DeviceDoc`], applies what came in, and stores it again; lists read the
//! columns made of it. Reports may come late: only one that is newer than the newest changes what is *latest*.

mod outcome;

use serde::{Deserialize, Serialize};
use tidewatch_domain::contact::Contact;
use tidewatch_domain::health;
use tidewatch_domain::report::{
    BatteryOptimization, Connectivity, MeshFacts, OfflineResilience, RelayQuality, Report, STATES, STATES_REPORTED,
    UserExperience,
};
use tidewatch_domain::time::{HOUR_MS, Millis};

/// So many check-ins are kept: enough for the rhythm and for the last 24 expected ones.
pub(crate) const CHECK_INS_KEPT: usize = 26;
/// So many battery charges make the spark.
const BATTERY_POINTS: usize = 24;
/// So many points make a risk's fit.
const TREND_POINTS: usize = 48;
/// Points of a fit are at least so far apart.
const TREND_STEP_MS: i64 = HOUR_MS / 4;

/// Everything known of one device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DeviceDoc {
    pub name: Option<String>,
    pub platform: Option<String>,
    pub os_version: Option<String>,
    pub app_version: Option<String>,
    pub model: Option<String>,
    pub schema_version: Option<i64>,
    pub labels: Vec<(String, String)>,
    pub power: Option<String>,
    pub network: Option<String>,
    pub foreground: Option<bool>,
    pub battery_percent: Option<f64>,
    pub clock_offset_ms: Option<i64>,
    /// The same as the server has measured it at the last push that says when it was sent.
    pub clock_measured_ms: Option<i64>,

    /// When the newest report was taken, and when it came.
    pub report_at: Option<i64>,
    pub report_received: Option<i64>,
    pub peers: Option<i64>,
    pub relay: Option<u8>,
    pub partition_s: Option<f64>,
    pub mesh_mode: Option<String>,
    pub mesh_interval_ms: Option<i64>,
    pub mesh_key: Option<i64>,
    pub queued: Option<i64>,
    pub critical: Option<i64>,
    pub storage: Option<f64>,
    pub conflicts_detected: Option<i64>,
    pub efficiency: Option<f64>,
    pub impact: Option<f64>,
    pub adaptive: Option<f64>,
    pub availability: Option<f64>,
    pub resolution: Option<f64>,
    pub interventions: Option<i64>,

    /// Scope and position, as the device holds them.
    pub cursors: Vec<(String, i64)>,
    /// Scope, collection, rows, digest, as the device holds them.
    pub digests: Vec<(String, String, i64, String)>,
    pub oldest_pending: Option<i64>,
    pub last_sync: Option<i64>,
    pub last_attempt: Option<i64>,
    pub last_ack: Option<i64>,
    pub applied_at: Option<i64>,
    pub retry_count: Option<i64>,
    pub token_errors: Option<i64>,
    pub reports_attempts: bool,
    pub error_code: Option<String>,
    pub error_status: Option<i64>,
    pub error_message: Option<String>,

    /// When the newest digest of the outbox was taken, its true depth and a fingerprint of its entries.
    pub outbox_at: Option<i64>,
    pub outbox_total: Option<i64>,
    pub outbox_bytes: Option<i64>,
    pub outbox_print: Option<i64>,
    /// Mirrored entries that are still to be sent by state, in the order of [`tidewatch_domain::report::EntryState::ALL`].
    pub states: [i64; STATES_REPORTED],
    /// Mirrored entries that were drained by state, in the order that goes on from there.
    pub drained: [i64; STATES - STATES_REPORTED],
    /// Of them, those that the newest digest still counts.
    pub drained_listed: i64,
    /// When the newest digest that said something new was taken.
    pub listed_at: Option<i64>,
    /// Problem code of the poisoned ones; of several, the last by name.
    pub poison_code: Option<String>,
    pub mirrored_oldest: Option<i64>,

    pub last_contact: Option<i64>,
    pub check_ins: Vec<i64>,
    pub push_intents: Option<i64>,
    pub push_took_ms: Option<f64>,
    pub failing_since: Option<i64>,
    pub failing_code: Option<String>,
    pub pull_at: Option<i64>,
    pub pull_pos: Option<i64>,
    pub pull_scopes: Vec<String>,
    pub behind: Option<i64>,
    pub behind_since: Option<i64>,
    pub unapplied_since: Option<i64>,
    pub token_refused_at: Option<i64>,

    /// Verdicts of compared digests.
    pub verdicts: Vec<DigestVerdict>,
    pub compared_at: Option<i64>,
    pub conflicts_open: i64,

    pub battery_trend: Vec<(i64, f64)>,
    pub storage_trend: Vec<(i64, f64)>,
    pub queue_trend: Vec<(i64, f64)>,

    /// The newest event of the timeline that may still grow.
    pub event: Option<OpenEvent>,
    pub events_kept: i64,
    pub checked_in_event_at: Option<i64>,
    pub last_condition: Option<u8>,
}

/// What comparing one digest said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DigestVerdict {
    pub scope: String,
    pub collection: String,
    pub same: bool,
    /// Position at which it was compared.
    pub position: i64,
    /// Since when it has been different.
    pub since: Option<i64>,
}

/// An event that grows while more of the same happens: its key in the table and its counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenEvent {
    pub at: i64,
    pub id: i64,
    pub what: u8,
    pub times: i64,
    pub amount: i64,
    pub last: i64,
}

impl DeviceDoc {
    /// Takes a report in; answers whether it is the newest of its device.
    pub(crate) fn report_apply(&mut self, report: &Report, at: i64, received: i64) -> bool {
        let evidence = [report.sync.last_ack_at, report.connectivity.last_successful_sync];
        for seen in evidence.into_iter().flatten().filter(|seen| seen.0 <= received) {
            self.check_in(seen.0);
        }
        self.trends_add(report, at);
        if self.report_at.is_some_and(|newest| newest > at) {
            return false;
        }
        self.report_at = Some(at);
        self.report_received = Some(received);
        self.identity_take(report);
        self.groups_take(report);
        self.sync_take(report, at);
        true
    }

    fn trends_add(&mut self, report: &Report, at: i64) {
        if let Some(percent) = report.device.battery_percent {
            point_add(&mut self.battery_trend, at, percent, BATTERY_POINTS, health::CONTACT_MERGE_MS);
        }
        if let Some(percent) = report.offline_resilience.storage_usage_percent {
            point_add(&mut self.storage_trend, at, percent, TREND_POINTS, TREND_STEP_MS);
        }
        let depth = report.outbox.as_ref().map(|outbox| outbox.total).or(report.offline_resilience.queued_operations_count);
        if let Some(depth) = depth {
            point_add(&mut self.queue_trend, at, depth as f64, TREND_POINTS, TREND_STEP_MS);
        }
    }

    fn identity_take(&mut self, report: &Report) {
        let device = &report.device;
        take(&mut self.name, &device.name);
        take(&mut self.platform, &device.platform);
        take(&mut self.os_version, &device.os_version);
        take(&mut self.app_version, &device.app_version);
        take(&mut self.model, &device.model);
        take(&mut self.schema_version, &device.schema_version);
        take(&mut self.power, &device.power);
        take(&mut self.network, &device.network);
        take(&mut self.foreground, &device.foreground);
        take(&mut self.battery_percent, &device.battery_percent);
        take(&mut self.clock_offset_ms, &device.clock_offset_ms);
        if !device.labels.is_empty() {
            self.labels.clone_from(&device.labels);
        }
    }

    /// A group that is reported replaces the one before it as a whole; a group that is not stays the latest known.
    fn groups_take(&mut self, report: &Report) {
        let link = report.connectivity;
        if link != Connectivity::default() {
            self.peers = link.p2p_peers_connected;
            self.relay = link.relay_connection_quality.map(relay_code);
            self.partition_s = link.network_partition_duration;
            take(&mut self.last_sync, &link.last_successful_sync.map(|at| at.0));
        }
        if report.mesh != MeshFacts::default() {
            self.mesh_mode = report.mesh.mode.map(|mode| mode.as_str().to_owned());
            self.mesh_interval_ms = report.mesh.broadcast_interval_ms;
            self.mesh_key = report.mesh.key_revision;
        }
        let offline = report.offline_resilience;
        if offline != OfflineResilience::default() {
            self.queued = offline.queued_operations_count;
            self.critical = offline.critical_operations_pending;
            self.storage = offline.storage_usage_percent;
            self.conflicts_detected = offline.sync_conflicts_detected;
        }
        let battery = report.battery_optimization;
        if battery != BatteryOptimization::default() {
            self.efficiency = battery.background_processing_efficiency;
            self.impact = battery.battery_impact_score;
            self.adaptive = battery.sync_frequency_adaptive_rate;
        }
        let user = report.user_experience;
        if user != UserExperience::default() {
            self.availability = user.offline_feature_availability_percent;
            self.resolution = user.sync_conflict_resolution_success_rate;
            self.interventions = user.user_intervention_required_count;
        }
    }

    fn sync_take(&mut self, report: &Report, at: i64) {
        let sync = &report.sync;
        if !sync.cursors.is_empty() {
            self.cursors =
                sync.cursors.iter().filter_map(|(scope, text)| Some((scope.clone(), cursor_position(text)?))).collect();
            self.applied_check(at);
        }
        if !sync.digests.is_empty() {
            self.digests =
                sync.digests.iter().map(|d| (d.scope.clone(), d.collection.clone(), d.rows, d.digest.clone())).collect();
        }
        self.oldest_pending = sync.oldest_pending_at.map(|pending| pending.0.min(at));
        self.last_attempt = later(self.last_attempt, sync.last_attempt_at.map(|t| t.0.min(at)));
        self.last_ack = later(self.last_ack, sync.last_ack_at.map(|t| t.0.min(at)));
        take(&mut self.applied_at, &sync.last_applied_at.map(|t| t.0));
        take(&mut self.retry_count, &sync.retry_count);
        take(&mut self.token_errors, &sync.token_errors);
        self.reports_attempts |= sync.attempts.is_some();
        self.error_code = sync.last_error.as_ref().map(|error| error.code.clone());
        self.error_status = sync.last_error.as_ref().and_then(|error| error.status);
        self.error_message = sync.last_error.as_ref().and_then(|error| error.message.clone());
    }

    /// Compares what it says it has applied with what it has pulled, for the third gate.
    fn applied_check(&mut self, at: i64) {
        let applied = self.cursors.iter().map(|(_, position)| *position).max();
        let pulled_before = self.pull_at.is_some_and(|pulled| pulled <= at);
        match (applied, self.pull_pos) {
            (Some(applied), Some(pulled)) if pulled_before && applied < pulled => {
                self.unapplied_since = self.unapplied_since.or(self.pull_at);
            }
            (Some(applied), Some(pulled)) if applied >= pulled => self.unapplied_since = None,
            _ => {}
        }
    }

    /// Counts a contact of any kind.
    pub(crate) fn contact_at(&mut self, at: i64) {
        self.last_contact = later(self.last_contact, Some(at));
        self.check_in(at);
    }

    fn check_in(&mut self, at: i64) {
        match self.check_ins.last() {
            Some(last) if at >= *last && at - *last < health::CONTACT_MERGE_MS => return,
            _ => {}
        }
        let times = self.check_ins.iter().copied().chain([at]).map(Millis).collect();
        self.check_ins = health::check_ins(times, CHECK_INS_KEPT).into_iter().map(|at| at.0).collect();
    }

    /// How far its clock is ahead: as it reports, else as the server has measured.
    pub(crate) fn clock(&self) -> Option<i64> {
        self.clock_offset_ms.or(self.clock_measured_ms)
    }

    /// Takes in something the server saw. Answers are counted by the caller.
    pub(crate) fn contact_apply(&mut self, at: i64, contact: &Contact) {
        if !matches!(contact, Contact::TokenRefused | Contact::Enrolled) {
            self.contact_at(at);
        }
        match contact {
            Contact::PushStarted { intents, skew_ms } => {
                take(&mut self.clock_measured_ms, skew_ms);
                self.push_intents = Some(i64::from(*intents));
                self.last_attempt = later(self.last_attempt, Some(at));
            }
            Contact::PushAnswered { results, took_ms } => {
                self.push_took_ms = Some(*took_ms);
                if results.iter().any(|result| result.status.is_final()) {
                    self.last_ack = later(self.last_ack, Some(at));
                }
                self.succeeds();
            }
            Contact::PushRefused { code } | Contact::PullRefused { code } => {
                self.failing_since = self.failing_since.or(Some(at));
                self.failing_code = Some((*code).to_owned());
            }
            Contact::Pulled { scopes, to, .. } => {
                if self.pull_pos.is_none_or(|pulled| pulled < to.0) {
                    self.pull_pos = Some(to.0);
                    self.behind_since = self.behind_since.map(|_| at);
                }
                self.pull_at = Some(at);
                if !scopes.is_empty() {
                    self.pull_scopes = scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
                }
                self.succeeds();
            }
            Contact::TokenRefused => self.token_refused_at = Some(at),
            Contact::LettersReported { .. } | Contact::Enrolled | Contact::Seen => {}
        }
    }

    fn succeeds(&mut self) {
        self.failing_since = None;
        self.failing_code = None;
    }

    /// Notes how far behind its scopes it is.
    pub(crate) fn behind_set(&mut self, behind: i64, now: i64) {
        self.behind_since = if behind == 0 { None } else { self.behind_since.or(Some(now)) };
        self.behind = Some(behind);
    }
}

fn take<T: Clone>(known: &mut Option<T>, reported: &Option<T>) {
    if reported.is_some() {
        known.clone_from(reported);
    }
}

fn later(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.max(b)
}

/// Adds a point in its place; points closer than `step` to their neighbour replace it.
fn point_add(points: &mut Vec<(i64, f64)>, at: i64, value: f64, keep: usize, step: i64) {
    let place = points.partition_point(|(known, _)| *known <= at);
    match place.checked_sub(1).map(|before| points[before].0) {
        Some(before) if at - before < step => points[place - 1].1 = value,
        _ => points.insert(place, (at, value)),
    }
    let surplus = points.len().saturating_sub(keep);
    points.drain(..surplus);
}

/// Position of a cursor: the third part of `v1.<epoch>.<position>.<filter>.<check>`, or a bare number.
fn cursor_position(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| text.split('.').nth(2)?.parse().ok())
}

const fn relay_code(quality: RelayQuality) -> u8 {
    match quality {
        RelayQuality::None => 0,
        RelayQuality::Poor => 1,
        RelayQuality::Fair => 2,
        RelayQuality::Good => 3,
        RelayQuality::Excellent => 4,
    }
}

pub(crate) const fn relay_quality(code: u8) -> RelayQuality {
    match code {
        0 => RelayQuality::None,
        1 => RelayQuality::Poor,
        2 => RelayQuality::Fair,
        3 => RelayQuality::Good,
        _ => RelayQuality::Excellent,
    }
}
