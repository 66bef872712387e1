//! Commands for staff and API tokens: `/api/v1/devices/{client_id}/commands` and `/api/v1/commands/{id}`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use tidewatch_domain::fleet::{CommandRow, CommandView};
use tidewatch_domain::ids::ClientId;
use tidewatch_protocol::v1::control::command_request_read;
use tidewatch_protocol::v1::{CommandFailure, CommandRequest, ProgressEntry, raw};
use tidewatch_protocol::{Problem, Timestamp};
use tidewatch_service::Error;
use tidewatch_service::control::CommandOrder;

use super::Listing;
use crate::api::body::JsonBody;
use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::gate::Caller;
use crate::state::App;

/// A command in a list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct CommandRowEntry {
    /// Id.
    pub id: String,
    /// Device.
    pub client_id: String,
    /// What.
    pub kind: &'static str,
    /// `queued`, `delivered`, `running`, `done`, `failed`, `expired`, `superseded`, `cancelled`.
    pub state: &'static str,
    /// As the device last said.
    pub progress: Option<ProgressEntry>,
    /// 1 (first) to 5.
    pub priority: i64,
    /// Who asked.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Drain job that it belongs to.
    pub job: Option<String>,
    /// Made at.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// In this state since.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// Never handed over after.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Why it failed.
    pub error: Option<CommandFailure>,
}

impl From<CommandRow> for CommandRowEntry {
    fn from(row: CommandRow) -> Self {
        Self {
            id: row.id,
            client_id: row.client_id.into_string(),
            kind: row.kind.as_str(),
            state: row.state.as_str(),
            progress: row.progress.map(|(done, total)| ProgressEntry { done, total }),
            priority: row.priority,
            actor: row.actor,
            reason: row.reason,
            job: row.job,
            created_at: Timestamp(row.created),
            changed_at: Timestamp(row.changed),
            expires_at: Timestamp(row.expires),
            error: row.error.map(|(code, message)| CommandFailure { code, message }),
        }
    }
}

/// A state that a command came to.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct CommandEventEntry {
    /// State.
    pub state: &'static str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// When a command is expected to be picked up.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ForecastEntry {
    /// Expected by then, percent.
    pub shares: Vec<ForecastShare>,
    /// Whether nothing is known of the device's rhythm.
    pub unknown: bool,
}

/// One point of a forecast.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct ForecastShare {
    /// Hours from now.
    pub hours: u32,
    /// Percent.
    pub percent: u8,
}

/// One command.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct CommandDetail {
    /// Its line.
    #[serde(flatten)]
    pub row: CommandRowEntry,
    /// Its arguments.
    #[schema(value_type = Object)]
    pub args: Box<serde_json::value::RawValue>,
    /// What came of it, as the device said.
    #[schema(value_type = Object)]
    pub result: Option<Box<serde_json::value::RawValue>>,
    /// Handed over so often.
    pub deliveries: u64,
    /// While it is queued.
    pub forecast: Option<ForecastEntry>,
    /// States it went through, oldest first.
    pub history: Vec<CommandEventEntry>,
}

impl CommandDetail {
    fn of(view: CommandView) -> Result<Self, serde_json::Error> {
        let forecast = view.forecast.map(|forecast| ForecastEntry {
            shares: forecast.shares.into_iter().map(|(hours, percent)| ForecastShare { hours, percent }).collect(),
            unknown: forecast.unknown > 0,
        });
        Ok(Self {
            row: view.row.into(),
            args: raw::boxed(view.args)?,
            result: view.result.map(raw::boxed).transpose()?,
            deliveries: view.deliveries,
            forecast,
            history: view
                .history
                .into_iter()
                .map(|(state, at)| CommandEventEntry { state: state.as_str(), at: Timestamp(at) })
                .collect(),
        })
    }
}

/// Takes a command back.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// Also when the device is at it; what was done stays done.
    #[serde(default)]
    pub force: bool,
    /// Why, 8 to 500 characters.
    pub reason: String,
}

fn device(client_id: String) -> Answer<ClientId> {
    Ok(ClientId::parse(client_id).map_err(|_| Error::NotFound("device"))?)
}

async fn detail(app: &App, cx: &tidewatch_service::Cx, id: &str) -> Answer<Json<CommandDetail>> {
    let view = app.service().command_view(cx, id).await?;
    Ok(Json(CommandDetail::of(view).map_err(Refusal::internal)?))
}

/// Commands of a device, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{client_id}/commands", tag = "console", security(("api" = []), ("session" = [])),
    params(("client_id" = String, Path), ("limit" = Option<u32>, Query), ("after" = Option<String>, Query), ("before" = Option<String>, Query)),
    responses((status = 200, body = Listing<CommandRowEntry>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn commands_list(
    State(app): State<App>,
    Caller(cx): Caller,
    Path(client_id): Path<String>,
    uri: Uri,
) -> Answer<Json<Listing<CommandRowEntry>>> {
    let mut params = Params::of(&uri)?;
    let (position, rows) = params.take_page()?;
    params.done()?;
    let page = app.service().commands_list(&cx, &device(client_id)?, &position, rows).await?;
    Ok(Json(Listing::of(page, CommandRowEntry::from)))
}

/// Gives a device a command.
#[utoipa::path(post, path = "/api/v1/devices/{client_id}/commands", tag = "console", security(("api" = []), ("session" = [])),
    params(("client_id" = String, Path)), request_body = CommandRequest,
    responses((status = 201, body = CommandDetail), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn command_issue(
    State(app): State<App>,
    Caller(cx): Caller,
    Path(client_id): Path<String>,
    JsonBody(body): JsonBody,
) -> Answer<(StatusCode, Json<CommandDetail>)> {
    let client_id = device(client_id)?;
    let read = command_request_read(&body)?;
    let order = CommandOrder {
        client_id,
        order: read.order,
        priority: read.priority,
        ttl_ms: read.ttl_ms,
        supersede_key: read.supersede_key,
    };
    let id = app.service().command_issue(&cx, order, &read.reason).await?;
    Ok((StatusCode::CREATED, detail(&app, &cx, &id).await?))
}

/// One command.
#[utoipa::path(get, path = "/api/v1/commands/{id}", tag = "console", security(("api" = []), ("session" = [])),
    params(("id" = String, Path)),
    responses((status = 200, body = CommandDetail), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn command_view(State(app): State<App>, Caller(cx): Caller, Path(id): Path<String>) -> Answer<Json<CommandDetail>> {
    detail(&app, &cx, &id).await
}

/// Takes a command back.
#[utoipa::path(post, path = "/api/v1/commands/{id}/cancel", tag = "console", security(("api" = []), ("session" = [])),
    params(("id" = String, Path)), request_body = CancelRequest,
    responses((status = 200, body = CommandDetail), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn command_cancel(
    State(app): State<App>,
    Caller(cx): Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Answer<Json<CommandDetail>> {
    let asked: CancelRequest = raw::typed(&body)?;
    app.service().command_cancel(&cx, &id, asked.force, &asked.reason).await?;
    detail(&app, &cx, &id).await
}
