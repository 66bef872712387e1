//! `POST /mutations/status`: what became of operations, after a crash or a lost answer.

use axum::Json;
use axum::extract::State;
use tidewatch_protocol::Problem;
use tidewatch_protocol::v1::status::status_read;
use tidewatch_protocol::v1::{MutationResult, StatusAnswered, StatusRequest};
use tidewatch_service::fleet::Contact;

use crate::api::body::JsonBody;
use crate::api::error::Answer;
use crate::api::sync::pause;
use crate::gate::Device;
use crate::state::App;

/// Asks what became of operations of the acting device.
#[utoipa::path(post, path = "/mutations/status", tag = "sync", security(("device" = [])), request_body = StatusRequest,
    responses((status = 200, body = StatusAnswered), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn mutations_status(State(app): State<App>, device: Device, JsonBody(body): JsonBody) -> Answer<Json<StatusAnswered>> {
    let read = status_read(&body)?;
    device.named_check(read.client_id.as_deref())?;
    app.service().contact_note(&device.client_id, device.cx.now, Contact::Seen);
    let results = app.service().mutations_status(&device.cx, read.operations).await?;
    let results = results.into_iter().map(MutationResult::from).collect();
    Ok(Json(StatusAnswered { results, poll_after_ms: pause(&app, &device, &[]) }))
}
