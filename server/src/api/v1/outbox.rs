//! `GET /api/v1/outbox` and `GET /api/v1/outbox/entries`: what the fleet still has to send, as the console's pages show it.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use tidewatch_domain::drain::{DrainAction, Keeping};
use tidewatch_domain::fleet::{CollectionTally, FailureGroup, OutboxFigures, OutboxRow, StateTally};
use tidewatch_domain::report::EntryState;
use tidewatch_protocol::{Problem, Timestamp};

use super::Listing;
use crate::api::error::Answer;
use crate::api::query::Params;
use crate::gate::Caller;
use crate::state::App;

/// What the fleet still has to send, counted at one instant.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct OutboxReport {
    /// Counted at.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// Queue depth of the fleet, as the devices last reported it.
    pub queue_depth: u64,
    /// Entries that are listed and still to be sent; a device lists at most its 500 worst.
    pub listed: u64,
    /// Entries that were drained: no part of `queue_depth` and `listed`.
    pub drained: u64,
    /// Devices with a queue.
    pub devices: u64,
    /// Of them, past their expected contact.
    pub devices_overdue: u64,
    /// Listed entries by state.
    pub states: Vec<StateEntry>,
    /// Groups of failures: what needs a person first, then by devices; fifty at most.
    pub groups: Vec<GroupEntry>,
    /// Groups there are in all.
    pub groups_total: u64,
    /// Collections, most entries first.
    pub collections: Vec<OutboxCollectionEntry>,
}

/// Listed entries in one state.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct StateEntry {
    /// `poisoned`, `retrying`, `held`, `waiting`, `queued` or `sending`; drained: `escrowed`, `quarantined`, `skipped`, `discarded` or
    /// `done`.
    pub state: &'static str,
    /// How many.
    pub entries: u64,
    /// When the oldest of them was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<Timestamp>,
}

impl From<StateTally> for StateEntry {
    fn from(tally: StateTally) -> Self {
        Self { state: tally.state.as_str(), entries: tally.entries, oldest: tally.oldest.map(Timestamp) }
    }
}

/// Entries that failed in the same way.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct GroupEntry {
    /// Give it as `group` to list its entries.
    pub id: String,
    /// Code, collection, operation and normalised message.
    pub signature: String,
    /// Problem code.
    pub code: String,
    /// HTTP status.
    pub status: Option<i64>,
    /// Collection.
    pub collection: String,
    /// What one of them says.
    pub message: Option<String>,
    /// Entries, poisoned and retrying.
    pub entries: u64,
    /// Of them, poisoned.
    pub poisoned: u64,
    /// On so many devices.
    pub devices: u64,
    /// Entries of those devices that wait behind others.
    pub waiting: u64,
    /// First of those that are there now.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Newest of them.
    #[schema(value_type = String, format = DateTime)]
    pub newest: Timestamp,
    /// New entries in each of the last 24 hours, oldest first.
    pub hours: Vec<u32>,
    /// App versions, most devices first, three at most.
    pub versions: Vec<VersionEntry>,
}

/// Devices on one app version.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct VersionEntry {
    /// Version.
    pub app_version: String,
    /// Devices.
    pub devices: u64,
}

impl From<FailureGroup> for GroupEntry {
    fn from(group: FailureGroup) -> Self {
        let versions = group.versions.into_iter().map(|(app_version, devices)| VersionEntry { app_version, devices });
        Self {
            id: group.id,
            signature: group.signature,
            code: group.code,
            status: group.status,
            collection: group.collection,
            message: group.message,
            entries: group.entries,
            poisoned: group.poisoned,
            devices: group.devices,
            waiting: group.waiting,
            since: Timestamp(group.since),
            newest: Timestamp(group.newest),
            hours: group.hours.to_vec(),
            versions: versions.collect(),
        }
    }
}

/// Listed entries of one collection.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct OutboxCollectionEntry {
    /// Collection.
    pub collection: String,
    /// Entries that are still to be sent.
    pub entries: u64,
    /// Of them, poisoned.
    pub poisoned: u64,
    /// Entries that were drained.
    pub drained: u64,
    /// Devices that have any.
    pub devices: u64,
    /// When the oldest of them was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<Timestamp>,
}

impl From<CollectionTally> for OutboxCollectionEntry {
    fn from(tally: CollectionTally) -> Self {
        let at = EntryState::ALL.iter().position(|state| *state == EntryState::Poisoned).unwrap_or_default();
        Self {
            entries: tally.entries(),
            poisoned: tally.states[at],
            drained: tally.drained(),
            devices: tally.devices,
            oldest: tally.oldest.map(Timestamp),
            collection: tally.collection,
        }
    }
}

impl From<&OutboxFigures> for OutboxReport {
    fn from(figures: &OutboxFigures) -> Self {
        Self {
            as_of: Timestamp(figures.as_of),
            queue_depth: figures.depth,
            listed: figures.listed(),
            drained: figures.drained(),
            devices: figures.devices,
            devices_overdue: figures.asleep,
            states: figures.states.iter().copied().map(StateEntry::from).collect(),
            groups: figures.groups.iter().cloned().map(GroupEntry::from).collect(),
            groups_total: figures.groups_all,
            collections: figures.collections.iter().cloned().map(OutboxCollectionEntry::from).collect(),
        }
    }
}

/// One entry. `null` is *not reported*, never zero.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct EntryEntry {
    /// Device.
    pub client_id: String,
    /// Its name.
    pub device_name: String,
    /// Its app version.
    pub app_version: Option<String>,
    /// Operation.
    pub operation_id: String,
    /// Collection.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope.
    pub scope: Option<String>,
    /// `create`, `update`, …
    pub op: String,
    /// 1 to 5.
    pub priority: i64,
    /// State.
    pub state: &'static str,
    /// Attempts.
    pub attempts: i64,
    /// Made at.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Timestamp>,
    /// Last attempt.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_attempt_at: Option<Timestamp>,
    /// Size of the intent.
    pub bytes: Option<i64>,
    /// Code of its last failure.
    pub error_code: Option<String>,
    /// Status of its last failure.
    pub error_status: Option<i64>,
    /// What its last failure says.
    pub error_message: Option<String>,
    /// Operations it waits for.
    pub depends_on: Vec<String>,
    /// Entries of its device that wait behind it.
    pub blocks: u64,
    /// Drain action that is on its way to the device.
    pub pending: Option<&'static str>,
    /// From when on retention lets go of its payload; `null` while it is kept for ever, and after it was purged.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub purge_at: Option<Timestamp>,
    /// When its payload was purged.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub purged_at: Option<Timestamp>,
    /// The run that has purged it.
    pub purged_by: Option<String>,
}

impl From<OutboxRow> for EntryEntry {
    fn from(row: OutboxRow) -> Self {
        let entry = row.entry;
        let (purge_at, purged) = match row.keeping {
            Some(Keeping::Until(at)) => (Some(Timestamp(at)), None),
            Some(Keeping::Purged { at, run }) => (None, Some((Timestamp(at), run))),
            None => (None, None),
        };
        let (purged_at, purged_by) = purged.unzip();
        let (code, status, message) = entry.error.map_or((None, None, None), |e| (Some(e.code), e.status, e.message));
        Self {
            client_id: entry.client_id.into_string(),
            device_name: row.device_name,
            app_version: row.app_version,
            operation_id: entry.operation_id,
            collection: entry.collection,
            record_id: entry.record_id,
            scope: entry.scope,
            op: entry.op,
            priority: entry.priority,
            state: entry.state.as_str(),
            attempts: entry.attempts,
            created_at: entry.created_at.map(Timestamp),
            last_attempt_at: entry.last_attempt_at.map(Timestamp),
            bytes: entry.bytes,
            error_code: code,
            error_status: status,
            error_message: message,
            depends_on: entry.depends_on,
            blocks: row.blocks,
            pending: row.pending.map(DrainAction::as_str),
            purge_at,
            purged_at,
            purged_by,
        }
    }
}

/// What the fleet still has to send: totals, groups of failures, collections.
#[utoipa::path(get, path = "/api/v1/outbox", tag = "console", security(("api" = []), ("session" = [])),
    responses((status = 200, body = OutboxReport), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn outbox_report(State(app): State<App>, Caller(cx): Caller, uri: Uri) -> Answer<Json<OutboxReport>> {
    Params::of(&uri)?.done()?;
    let figures = app.service().outbox_figures(&cx).await?;
    Ok(Json(OutboxReport::from(&*figures)))
}

/// Lists entries of all devices, worst and oldest first. What was drained is listed when the filter names it by state, job, pending
/// action, operation or record.
#[utoipa::path(get, path = "/api/v1/outbox/entries", tag = "console", security(("api" = []), ("session" = [])),
    params(("q" = Option<String>, Query, description = "filter, e.g. `state:poisoned version:4.18.* payload.reading.pressure_kpa:412`"),
        ("group" = Option<String>, Query, description = "id of a group of failures"),
        ("limit" = Option<u32>, Query), ("after" = Option<String>, Query), ("before" = Option<String>, Query)),
    responses((status = 200, body = Listing<EntryEntry>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn outbox_entries(State(app): State<App>, Caller(cx): Caller, uri: Uri) -> Answer<Json<Listing<EntryEntry>>> {
    let mut params = Params::of(&uri)?;
    let filter = params.take("q").unwrap_or_default();
    let group = params.take("group");
    let (position, rows) = params.take_page()?;
    params.done()?;
    let signature = match group {
        Some(id) => Some(app.service().outbox_group(&cx, &id).await?.signature),
        None => None,
    };
    let page = app.service().outbox_list(&cx, signature.as_deref(), &filter, &position, rows).await?;
    Ok(Json(Listing::of(page, EntryEntry::from)))
}
