//! Telemetry in, and what is made of it: devices, scores, trends, work. Owned together with the telemetry of the store.
//!
//! **Invariant**: nothing in here waits for the writer of the log, and no failure in here can fail a sync.

mod disk;
mod figures;
mod outbox;
mod outlook;
mod overview;
mod payload;
mod words;
mod work;

use std::sync::Arc;

pub use payload::REVEAL_MS;
pub(crate) use payload::known_of;
pub use tidewatch_domain::contact::Contact;
use tidewatch_domain::filter::{Filter, keys};
use tidewatch_domain::fleet::{
    DeviceList, DeviceSort, DeviceView, Figure, FleetCounts, OutboxRow, Overview, TimelineEvent, TimelineKind,
};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{PAGE_ROWS_MAX, Page, Position};
use tidewatch_domain::report::{EntryState, Report, STATES};
use tidewatch_domain::role::Action;
use tidewatch_domain::time::{Millis, TimeRange};
use tokio::sync::watch;

use crate::{Actor, Cx, Error, Result, Service};

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

/// Refuses a position that does not belong to a list, by the name the caller sent it under.
fn position_check(position: &Position, valid: bool) -> Result<()> {
    let field = match position {
        Position::Before(_) => "before",
        Position::Start | Position::After(_) => "after",
    };
    if valid { Ok(()) } else { Err(Error::Invalid { field, detail: "is not a position of this list".to_owned() }) }
}

/// A position that the store did not know is the caller's mistake, not a missing thing.
pub(crate) fn position_error(position: &Position, error: tidewatch_store::Error) -> Error {
    match error {
        tidewatch_store::Error::NotFound("position") => {
            position_check(position, false).err().unwrap_or(Error::NotFound("position"))
        }
        other => other.into(),
    }
}

impl Service {
    /// Stores reports of the acting device; durable enough to survive `kill -9` when it returns.
    ///
    /// # Errors
    /// Forbidden unless a device; overloaded when the telemetry queue is full. Never touches the sync writer.
    pub async fn telemetry_ingest(&self, cx: &Cx, reports: Vec<Report>) -> Result<IngestAnswer> {
        let Actor::Device { client_id, .. } = &cx.actor else {
            return Err(if cx.actor == Actor::Anonymous { Error::Unauthenticated } else { Error::Forbidden });
        };
        let mut answer = IngestAnswer::default();
        let mut fine = Vec::with_capacity(reports.len());
        for report in reports {
            match report.check() {
                Ok(()) => fine.push(report),
                Err(error) => {
                    answer.rejected.push(RejectedReport {
                        report_id: report.report_id,
                        field: error.field,
                        detail: error.detail,
                    });
                }
            }
        }
        if fine.is_empty() {
            return Ok(answer);
        }
        self.outbox_listed(client_id, &fine, cx.now);
        let ingested = self.store.telemetry().reports_ingest(client_id, fine, cx.now).await?;
        (answer.accepted, answer.duplicates) = (ingested.accepted, ingested.duplicates);
        Ok(answer)
    }

    /// Notes a contact of a device. Never waits and never fails: when the queue is full the note is counted as dropped.
    pub fn contact_note(&self, client_id: &ClientId, at: Millis, contact: Contact) {
        self.store.telemetry().contact_note(client_id, at, contact);
    }

    /// Moves on what depends on time alone: contact axes, drift, rollups, retention, the cached figures of the overview. Called about
    /// once a second by the server's jobs; does little when little is due. Answers whether it wants to be called again at once: the mirror
    /// is behind the log.
    ///
    /// # Errors
    /// As the store.
    pub async fn telemetry_roll(&self, now: Millis) -> Result<bool> {
        let telemetry = self.store.telemetry();
        let behind = telemetry.roll(now).await?;
        telemetry.outbox_figures_renew(now).await?;
        for key in telemetry.overviews_due(now) {
            telemetry.overview_keep(key, Arc::new(self.overview_make(now, key).await?), None);
        }
        Ok(behind)
    }

    /// Wakes (at most about once a second) when telemetry has changed what pages show.
    #[must_use]
    pub fn fleet_watch(&self) -> watch::Receiver<u64> {
        self.store.telemetry().watch()
    }

    /// Devices by filter (`platform: version: os: condition: health: contact: cause: queue: poisoned: drift: lag: battery: score: conflicts: principal: name: label.<key>: simulated:` and bare words).
    ///
    /// # Errors
    /// Invalid with field `filter` for an unknown key or a bad value.
    pub async fn devices_list(
        &self,
        cx: &Cx,
        filter: &str,
        sort: DeviceSort,
        position: &Position,
        rows: u32,
    ) -> Result<DeviceList> {
        cx.require(Action::Look)?;
        let filter = Filter::parse(keys::DEVICES, filter)
            .map_err(|error| Error::Invalid { field: "filter", detail: error.to_string() })?;
        let telemetry = self.store.telemetry();
        position_check(position, telemetry.devices_position_is_valid(sort, position))?;
        let rows = rows.clamp(1, PAGE_ROWS_MAX);
        let page = telemetry.devices_page(&filter, sort, position, rows, cx.now).await?;
        let snapshot = telemetry.fleet_snapshot(cx.now).await?;
        Ok(DeviceList { page, counts: snapshot.counts.clone(), as_of: snapshot.as_of })
    }

    /// Devices by condition and contact.
    ///
    /// # Errors
    /// As the store.
    pub async fn fleet_counts(&self, cx: &Cx) -> Result<FleetCounts> {
        cx.require(Action::Look)?;
        Ok(self.store.telemetry().fleet_snapshot(cx.now).await?.counts.clone())
    }

    /// One device.
    ///
    /// # Errors
    /// Not found.
    pub async fn device_view(&self, cx: &Cx, client_id: &ClientId) -> Result<DeviceView> {
        cx.require(Action::Look)?;
        let telemetry = self.store.telemetry();
        let mut view = telemetry.device_view(client_id, cx.now).await?;
        let (storage, queue) = telemetry.device_points(client_id).await?;
        view.risks = outlook::device_risks(&view, &storage, &queue, cx.now);
        view.recommended = outlook::device_recommended(&view);
        Ok(view)
    }

    /// Timeline of a device, newest first.
    ///
    /// # Errors
    /// Not found.
    pub async fn device_timeline(
        &self,
        cx: &Cx,
        client_id: &ClientId,
        kind: Option<TimelineKind>,
        position: &Position,
        rows: u32,
    ) -> Result<Page<TimelineEvent>> {
        cx.require(Action::Look)?;
        let rows = rows.clamp(1, PAGE_ROWS_MAX);
        let found = self.store.telemetry().device_timeline(client_id, kind, position, rows).await;
        found.map_err(|error| position_error(position, error))
    }

    /// Outbox of a device as the mirror holds it, worst first.
    ///
    /// # Errors
    /// Not found.
    pub async fn device_outbox(
        &self,
        cx: &Cx,
        client_id: &ClientId,
        state: Option<EntryState>,
        position: &Position,
        rows: u32,
    ) -> Result<Page<OutboxRow>> {
        cx.require(Action::Look)?;
        let rows = rows.clamp(1, PAGE_ROWS_MAX);
        let found = self.store.telemetry().device_outbox(client_id, state, position, rows).await;
        let mut page = found.map_err(|error| position_error(position, error))?;
        self.failures_redact(page.rows.iter_mut().map(|row| &mut row.entry)).await?;
        Ok(page)
    }

    /// Mirrored entries of a device in each state, in the order of [`EntryState::ALL`].
    ///
    /// # Errors
    /// Not found.
    pub async fn device_states(&self, cx: &Cx, client_id: &ClientId) -> Result<[u64; STATES]> {
        cx.require(Action::Look)?;
        Ok(self.store.telemetry().device_states(client_id).await?)
    }

    /// Metrics of a device over a range: the six of the overview, for this device alone.
    ///
    /// # Errors
    /// Not found.
    pub async fn device_metrics(&self, cx: &Cx, client_id: &ClientId, range: TimeRange) -> Result<Vec<Figure>> {
        cx.require(Action::Look)?;
        let trend = self.store.telemetry().device_trend(client_id, range, cx.now).await?;
        Ok(figures::figures(&trend, None, &figures::Context::default()))
    }

    /// The overview; also the resilience report. `compare` adds the range before.
    ///
    /// # Errors
    /// As the store.
    pub async fn overview(&self, cx: &Cx, range: TimeRange, compare: bool) -> Result<Overview> {
        cx.require(Action::Look)?;
        let telemetry = self.store.telemetry();
        let key = (range, compare);
        if let Some(made) = telemetry.overview_cached(key, cx.now) {
            return Ok((*made).clone());
        }
        let made = self.overview_make(cx.now, key).await?;
        telemetry.overview_keep(key, Arc::new(made.clone()), Some(cx.now));
        Ok(made)
    }
}
