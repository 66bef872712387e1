//! `POST /control/commands/{id}/status`: what the device says of a command.

use axum::Json;
use axum::extract::{Path, State};
use tidewatch_protocol::v1::control::status_report_read;
use tidewatch_protocol::v1::{CommandStatusAnswered, CommandStatusRequest};
use tidewatch_protocol::{Code, FieldError, Problem};
use tidewatch_service::fleet::Contact;

use crate::api::body::JsonBody;
use crate::api::error::{Answer, Refusal};
use crate::gate::Device;
use crate::state::App;

/// Takes a report; answers the state that the command is in now.
#[utoipa::path(post, path = "/control/commands/{id}/status", tag = "control", security(("device" = [])),
    params(("id" = String, Path)), request_body = CommandStatusRequest,
    responses((status = 200, body = CommandStatusAnswered), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn command_report(
    State(app): State<App>,
    device: Device,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Answer<Json<CommandStatusAnswered>> {
    let report = status_report_read(&body)?;
    app.service().contact_note(&device.client_id, device.cx.now, Contact::Seen);
    let turn = app.streams().control_turns.acquire().await.map_err(Refusal::internal)?;
    let taken = app.service().command_report(&device.cx, &id, report).await?;
    drop(turn);
    match taken {
        Ok(state) => Ok(Json(CommandStatusAnswered { id, state: state.as_str().to_owned() })),
        Err(refused) => Err(Problem::new(Code::SchemaInvalid).field(FieldError::new(refused.field, refused.detail)).into()),
    }
}
