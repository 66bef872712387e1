//! Telemetry in, and what is made of it: devices, scores, trends, work. Owned together with the telemetry of the store.

use tidewatch_domain::fleet::{DeviceList, DeviceSort, DeviceView, EntryRow, Figure, FleetCounts, Overview, TimelineEvent, TimelineKind};
use tidewatch_domain::ids::{ClientId, Scope, Seq};
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::report::{EntryState, Report};
use tidewatch_domain::sync::IntentResult;
use tidewatch_domain::time::{Millis, TimeRange};
use tokio::sync::watch;

use crate::{Cx, Result, Service};

/// What became of a batch of reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IngestAnswer {
    /// Stored.
    pub accepted: u32,
    /// Already there.
    pub duplicates: u32,
}

/// Something a device did, seen by the server: recorded when it starts, so that a device that never succeeds is visible.
#[derive(Clone, Debug)]
pub enum Contact {
    /// A push arrived.
    PushStarted {
        /// How many intents.
        intents: u32,
    },
    /// A push was answered.
    PushAnswered {
        /// Its answers.
        results: Vec<IntentResult>,
        /// Server time it took.
        took_ms: f64,
    },
    /// A push failed as a whole, e.g. `body_too_large`.
    PushRefused {
        /// Problem code.
        code: &'static str,
    },
    /// A page of the feed was served.
    Pulled {
        /// Scopes of the feed.
        scopes: Vec<Scope>,
        /// Position it moved to.
        to: Seq,
        /// Rows.
        rows: u32,
        /// Server time it took.
        took_ms: f64,
    },
    /// A pull failed, e.g. `cursor_expired`.
    PullRefused {
        /// Problem code.
        code: &'static str,
    },
    /// A token was refused.
    TokenRefused,
    /// Anything else: events stream opened, status asked.
    Seen,
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
