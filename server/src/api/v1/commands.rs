//! Commands for staff and API tokens: `/api/v1/devices/{client_id}/commands` and `/api/v1/commands/{id}`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use tidewatch_domain::control::LogsHeld;
use tidewatch_domain::fleet::{CommandEvent, CommandRow, CommandView};
use tidewatch_domain::ids::ClientId;
use tidewatch_protocol::v1::control::command_request_read;
use tidewatch_protocol::v1::{CommandFailure, CommandRequest, LogLineEntry, ProgressEntry, raw};
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
    /// Who brought it there.
    pub actor: String,
    /// Why, or what went wrong.
    pub detail: Option<String>,
}

impl From<CommandEvent> for CommandEventEntry {
    fn from(event: CommandEvent) -> Self {
        Self { state: event.state.as_str(), at: Timestamp(event.at), actor: event.actor, detail: event.detail }
    }
}

/// What was uploaded of a device's log.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct LogsHeldEntry {
    /// Lines.
    pub lines: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Since when the log goes back; older lines were lost to a restart or to its limit.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub begins_at: Option<Timestamp>,
    /// Lines that its limit has cost it since.
    pub dropped: u64,
    /// Stored at.
    #[schema(value_type = String, format = DateTime)]
    pub stored_at: Timestamp,
}

impl From<LogsHeld> for LogsHeldEntry {
    fn from(held: LogsHeld) -> Self {
        Self {
            lines: held.lines,
            bytes: held.bytes,
            begins_at: held.begins.map(Timestamp),
            dropped: held.dropped,
            stored_at: Timestamp(held.stored),
        }
    }
}

/// Lines of a log.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct CommandLogsEntry {
    /// What the whole upload holds.
    pub held: LogsHeldEntry,
    /// Whether messages have their words, with what looks like a secret masked; otherwise each is a name for its text.
    pub readable: bool,
    /// Lines, oldest first.
    #[serde(flatten)]
    pub lines: Listing<LogLineEntry>,
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
    /// Of an `upload_logs`: what was uploaded, while it is kept.
    pub logs: Option<LogsHeldEntry>,
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
            history: view.history.into_iter().map(CommandEventEntry::from).collect(),
            logs: view.logs.map(LogsHeldEntry::from),
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
    responses((status = 200, body = Listing<CommandRowEntry>, description = "One page"),
        (status = 400, body = Problem, description = "A parameter at fault", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No such device", content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
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
    responses((status = 201, body = CommandDetail, description = "The command"),
        (status = 400, body = Problem, description = "A member at fault, named, or too many open commands; nothing was given", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not for this role: `mesh` needs operator or admin, the others support as well", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No such device", content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
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
    responses((status = 200, body = CommandDetail, description = "The command"),
        (status = 404, body = Problem, description = "No such command", content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn command_view(State(app): State<App>, Caller(cx): Caller, Path(id): Path<String>) -> Answer<Json<CommandDetail>> {
    detail(&app, &cx, &id).await
}

/// Lines of the log that a command brought, oldest first. Words of messages need the role support, operator or admin, and are in the audit log.
#[utoipa::path(get, path = "/api/v1/commands/{id}/logs", tag = "console", security(("api" = []), ("session" = [])),
    params(("id" = String, Path), ("limit" = Option<u32>, Query, description = "1 to 500 rows, 50 when absent"),
        ("after" = Option<String>, Query, description = "`next` of a page"), ("before" = Option<String>, Query, description = "`previous` of a page")),
    responses((status = 200, description = "One page", body = CommandLogsEntry),
        (status = 400, description = "A parameter at fault", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such command, or no lines of it are kept", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn command_logs(
    State(app): State<App>,
    Caller(cx): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer<Json<CommandLogsEntry>> {
    let mut params = Params::of(&uri)?;
    let (position, rows) = params.take_page()?;
    params.done()?;
    let logs = app.service().command_logs(&cx, &id, &position, rows).await?;
    let lines = Listing::of(logs.page, |line| LogLineEntry::from(&line));
    Ok(Json(CommandLogsEntry { held: logs.held.into(), readable: logs.readable, lines }))
}

/// Takes a command back.
#[utoipa::path(post, path = "/api/v1/commands/{id}/cancel", tag = "console", security(("api" = []), ("session" = [])),
    params(("id" = String, Path)), request_body = CancelRequest,
    responses((status = 200, body = CommandDetail, description = "The command, cancelled"),
        (status = 400, body = Problem, description = "A member at fault, named", content_type = "application/problem+json"),
        (status = 403, body = Problem, description = "Not for this role", content_type = "application/problem+json"),
        (status = 404, body = Problem, description = "No such command", content_type = "application/problem+json"),
        (status = 409, body = Problem, description = "It has ended, or the device is at it and nobody forces an end", content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
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
