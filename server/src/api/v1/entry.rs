//! One entry of the outbox with its payload, having it revealed, and the outbox by device.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use tidewatch_domain::drain::REASON_CHARS_MAX;
use tidewatch_domain::fleet::{EntryPayload, OutboxDevice, OutboxEntryView, Untold};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::report::EntryState;
use tidewatch_protocol::members::Members;
use tidewatch_protocol::{Code, FieldError, Problem, Timestamp};
use tidewatch_service::Error;

use super::Listing;
use super::outbox::{EntryEntry, StateEntry};
use crate::api::body::JsonBody;
use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::gate::Caller;
use crate::state::App;

/// One entry with everything that is known of it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct EntryDetail {
    /// Its line in the list.
    pub entry: EntryEntry,
    /// Id of the group of its failure.
    pub group: Option<String>,
    /// When this server refused it for good.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub refused_at: Option<Timestamp>,
    /// The report that last listed it, or the refusal.
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
    /// Drain job that it was last in.
    pub job: Option<String>,
    /// Attempts that the mirror has seen, newest first, twenty at most.
    pub history: Vec<AttemptEntry>,
    /// The corrected copy that took its place.
    pub superseded_by: Option<String>,
    /// The operation whose corrected copy it is.
    pub supersedes: Option<String>,
    /// Operations of its device that it waits for, oldest first, twenty at most.
    pub waits_for: Vec<String>,
    /// Operations of its device that wait behind it, oldest first, twenty at most.
    pub blocked: Vec<String>,
    /// What its device has not been told yet of what was decided here; absent when there is nothing to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untold: Option<UntoldEntry>,
    /// What it wants to write; `null` while only the device has it.
    pub payload: Option<PayloadEntry>,
}

/// What a device has not been told yet of one of its entries. Until it hears of it, it keeps its own copy, and what waits behind that.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct UntoldEntry {
    /// What it is to do.
    pub action: &'static str,
    /// The last command that says so.
    pub command: String,
    /// Decided at.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// So often it was said again.
    pub times: u32,
    /// Said again when the device asks after this; `null` while its command is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub again_after: Option<Timestamp>,
}

fn untold(untold: Untold) -> UntoldEntry {
    UntoldEntry {
        action: untold.action.as_str(),
        command: untold.command,
        since: Timestamp(untold.since),
        times: untold.times,
        again_after: untold.again.map(Timestamp),
    }
}

/// An attempt to send an entry.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct AttemptEntry {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Problem code of its failure.
    pub code: Option<String>,
    /// Its message without what differs from case to case.
    pub message: Option<String>,
    /// App version that the device had last reported.
    pub app_version: Option<String>,
}

fn attempt(seen: tidewatch_domain::fleet::Attempt) -> AttemptEntry {
    AttemptEntry { at: Timestamp(seen.at), code: seen.code, message: seen.message, app_version: seen.app_version }
}

/// A payload as whoever asks may see it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct PayloadEntry {
    /// Whether names stand for its values. The shape is that of the payload either way.
    pub redacted: bool,
    /// The payload.
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
    /// The field that the error names, member by member.
    pub fault: Option<Vec<String>>,
    /// Until when whoever asks sees it plainly.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revealed_until: Option<Timestamp>,
    /// Here since.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What a repeat of it is known by.
    pub idempotency_key: Option<String>,
    /// Schema that it was written in, where the intent itself says so.
    pub schema_version: Option<i64>,
}

impl From<EntryPayload> for PayloadEntry {
    fn from(payload: EntryPayload) -> Self {
        Self {
            redacted: payload.revealed_until.is_none(),
            value: payload.shown.to_json(),
            fault: payload.fault,
            revealed_until: payload.revealed_until.map(Timestamp),
            at: Timestamp(payload.at),
            idempotency_key: payload.idempotency_key,
            schema_version: payload.schema_version,
        }
    }
}

impl EntryDetail {
    fn of(view: OutboxEntryView, payload: Option<EntryPayload>) -> Self {
        let operations = |rows: Vec<tidewatch_domain::fleet::EntryRow>| rows.into_iter().map(|row| row.operation_id).collect();
        Self {
            entry: EntryEntry::from(view.row),
            group: view.group,
            refused_at: view.refused.map(Timestamp),
            seen_at: Timestamp(view.seen),
            job: view.job,
            history: view.attempts.into_iter().map(attempt).collect(),
            superseded_by: view.copy,
            supersedes: view.original,
            waits_for: operations(view.waits_for),
            blocked: operations(view.blocked),
            untold: view.untold.map(untold),
            payload: payload.map(PayloadEntry::from),
        }
    }
}

/// A payload that is shown plainly from now on, for a while.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct Revealed {
    /// Until then, to whoever asked.
    #[schema(value_type = String, format = DateTime)]
    pub revealed_until: Timestamp,
}

/// Why a payload is to be revealed.
#[derive(Clone, Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes a body that is read member by member")]
pub struct RevealRequest {
    /// 8 to 500 characters; kept in the audit log.
    reason: String,
}

/// What one device still has to send.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct OutboxDeviceEntry {
    /// Device.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// Its app version.
    pub app_version: Option<String>,
    /// Operations not finally answered.
    pub queue_depth: Option<i64>,
    /// When the oldest of them was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_pending: Option<Timestamp>,
    /// The worst state that it has an entry in.
    pub worst: Option<&'static str>,
    /// Its listed entries by state.
    pub states: Vec<StateEntry>,
}

impl From<OutboxDevice> for OutboxDeviceEntry {
    fn from(device: OutboxDevice) -> Self {
        let states = EntryState::ALL.into_iter().zip(device.states).filter(|(_, entries)| *entries > 0);
        Self {
            worst: device.worst().map(EntryState::as_str),
            states: states.map(|(state, entries)| StateEntry { state: state.as_str(), entries, oldest: None }).collect(),
            client_id: device.row.client_id.into_string(),
            name: device.row.name,
            app_version: device.row.app_version,
            queue_depth: device.row.queue_depth,
            oldest_pending: device.row.oldest_pending.map(Timestamp),
        }
    }
}

/// Lists the devices that still have something to send, the worst first.
#[utoipa::path(get, path = "/api/v1/outbox/devices", tag = "console", security(("api" = []), ("session" = [])),
    params(("q" = Option<String>, Query, description = "filter of the device table, e.g. `platform:ios poisoned:>0`"),
        ("limit" = Option<u32>, Query), ("after" = Option<String>, Query), ("before" = Option<String>, Query)),
    responses((status = 200, body = Listing<OutboxDeviceEntry>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn outbox_devices(State(app): State<App>, Caller(cx): Caller, uri: Uri) -> Answer<Json<Listing<OutboxDeviceEntry>>> {
    let mut params = Params::of(&uri)?;
    let filter = params.take("q").unwrap_or_default();
    let (position, rows) = params.take_page()?;
    params.done()?;
    let page = app.service().outbox_devices(&cx, &filter, &position, rows).await?;
    Ok(Json(Listing::of(page, OutboxDeviceEntry::from)))
}

/// One entry with its payload, redacted unless it was revealed to whoever asks. Writes nothing.
#[utoipa::path(get, path = "/api/v1/outbox/entries/{client_id}/{operation_id}", tag = "console", security(("api" = []), ("session" = [])),
    params(("client_id" = String, Path), ("operation_id" = String, Path)),
    responses((status = 200, body = EntryDetail), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn entry_view(
    State(app): State<App>,
    Caller(cx): Caller,
    Path((client_id, operation_id)): Path<(String, String)>,
) -> Answer<Json<EntryDetail>> {
    let client_id = ClientId::parse(client_id).map_err(|_| Error::NotFound("entry"))?;
    let view = app.service().outbox_entry(&cx, &client_id, &operation_id).await?;
    let payload = app.service().entry_payload(&cx, &client_id, &operation_id).await?;
    Ok(Json(EntryDetail::of(view, payload)))
}

/// Shows the payload of an entry plainly to whoever asks, for ten minutes. Audited with its reason.
#[utoipa::path(post, path = "/api/v1/outbox/entries/{client_id}/{operation_id}/reveal", tag = "console",
    security(("api" = []), ("session" = [])), request_body = RevealRequest,
    params(("client_id" = String, Path), ("operation_id" = String, Path)),
    responses((status = 200, body = Revealed), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn entry_reveal(
    State(app): State<App>,
    Caller(cx): Caller,
    Path((client_id, operation_id)): Path<(String, String)>,
    JsonBody(body): JsonBody,
) -> Answer<Json<Revealed>> {
    let client_id = ClientId::parse(client_id).map_err(|_| Error::NotFound("entry"))?;
    let reason = reason_read(&body)?;
    let until = match app.service().entry_reveal(&cx, &client_id, &operation_id, &reason).await {
        Err(Error::Invalid { field, detail }) => return Err(invalid(FieldError::new(field, detail))),
        other => other?,
    };
    Ok(Json(Revealed { revealed_until: Timestamp(until) }))
}

fn invalid(error: FieldError) -> Refusal {
    Problem::new(Code::EnvelopeInvalid).field(error).into()
}

/// The reason in a body, and nothing else.
fn reason_read(body: &[u8]) -> Answer<String> {
    let value = serde_json::from_slice(body).map_err(|_| Refusal::new(Code::JsonInvalid, "the body is no JSON"))?;
    let members = Members::of(&value, "").map_err(invalid)?;
    if let Some(other) = members.names().find(|name| *name != "reason") {
        return Err(invalid(FieldError::new(other, "is not a member of this request")));
    }
    let reason = members.text_required("reason", 4 * REASON_CHARS_MAX).map_err(invalid)?;
    Ok(reason.to_owned())
}
