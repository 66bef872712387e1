//! Telemetry in, and what is made of it: devices, scores, trends, work. Owned together with the telemetry of the store.

pub use tidewatch_domain::contact::Contact;
use tidewatch_domain::fleet::{DeviceList, DeviceSort, DeviceView, EntryRow, Figure, FleetCounts, Overview, TimelineEvent, TimelineKind};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::report::{EntryState, Report};
use tidewatch_domain::time::{Millis, TimeRange};
use tokio::sync::watch;

use crate::{Cx, Result, Service};

/// What became of a batch of reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestAnswer {
    /// Stored.
    pub accepted: u32,
    /// Already there.
    pub duplicates: u32,
    /// Not stored: a member is out of range.
    pub rejected: Vec<RejectedReport>,
}

/// A report that was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedReport {
    /// Which.
    pub report_id: String,
    /// Path of the member, e.g. `offline_resilience.storage_usage_percent`.
    pub field: &'static str,
    /// What it must be.
    pub detail: String,
}

impl Service {
    /// Stores reports of the acting device; durable enough to survive `kill -9` when it returns.
    ///
    /// # Errors
    /// Forbidden unless a device; overloaded when the telemetry queue is full. Never touches the sync writer.
    pub async fn telemetry_ingest(&self, cx: &Cx, reports: Vec<Report>) -> Result<IngestAnswer> {
        let _ = (cx, reports);
        unimplemented!()
    }

    /// Notes a contact of a device. Never waits and never fails: when the queue is full the note is counted as dropped.
    pub fn contact_note(&self, client_id: &ClientId, at: Millis, contact: Contact) {
        let _ = (client_id, at, contact);
        unimplemented!()
    }

    /// Moves on what depends on time alone: contact axes, drift, rollups, retention, the cached figures of the overview. Called about
    /// once a second by the server's jobs; does little when little is due.
    ///
    /// # Errors
    /// As the store.
    pub async fn telemetry_roll(&self, now: Millis) -> Result<()> {
        let _ = now;
        unimplemented!()
    }

    /// Wakes (at most about once a second) when telemetry has changed what pages show.
    #[must_use]
    pub fn fleet_watch(&self) -> watch::Receiver<u64> {
        unimplemented!()
    }

    /// Devices by filter (`platform: version: os: condition: health: contact: cause: queue: poisoned: drift: lag: battery: score: conflicts: principal: name: label.<key>: simulated:` and bare words).
    ///
    /// # Errors
    /// Invalid with field `filter` for an unknown key or a bad value.
    pub async fn devices_list(&self, cx: &Cx, filter: &str, sort: DeviceSort, position: &Position, rows: u32) -> Result<DeviceList> {
        let _ = (cx, filter, sort, position, rows);
        unimplemented!()
    }

    /// Devices by condition and contact.
    ///
    /// # Errors
    /// As the store.
    pub async fn fleet_counts(&self, cx: &Cx) -> Result<FleetCounts> {
        let _ = cx;
        unimplemented!()
    }

    /// One device.
    ///
    /// # Errors
    /// Not found.
    pub async fn device_view(&self, cx: &Cx, client_id: &ClientId) -> Result<DeviceView> {
        let _ = (cx, client_id);
        unimplemented!()
    }

    /// Timeline of a device, newest first.
    ///
    /// # Errors
    /// Not found.
    pub async fn device_timeline(&self, cx: &Cx, client_id: &ClientId, kind: Option<TimelineKind>, position: &Position, rows: u32) -> Result<Page<TimelineEvent>> {
        let _ = (cx, client_id, kind, position, rows);
        unimplemented!()
    }

    /// Outbox of a device as the mirror holds it, worst first.
    ///
    /// # Errors
    /// Not found.
    pub async fn device_outbox(&self, cx: &Cx, client_id: &ClientId, state: Option<EntryState>, position: &Position, rows: u32) -> Result<Page<EntryRow>> {
        let _ = (cx, client_id, state, position, rows);
        unimplemented!()
    }

    /// Metrics of a device over a range: the six of the overview, for this device alone.
    ///
    /// # Errors
    /// Not found.
    pub async fn device_metrics(&self, cx: &Cx, client_id: &ClientId, range: TimeRange) -> Result<Vec<Figure>> {
        let _ = (cx, client_id, range);
        unimplemented!()
    }

    /// The overview; also the resilience report. `compare` adds the range before.
    ///
    /// # Errors
    /// As the store.
    pub async fn overview(&self, cx: &Cx, range: TimeRange, compare: bool) -> Result<Overview> {
        let _ = (cx, range, compare);
        unimplemented!()
    }
}
