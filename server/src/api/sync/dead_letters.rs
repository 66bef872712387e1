//! `POST /dead-letters`: what a device has given up on, so that people see it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tidewatch_domain::ids::OperationId;
use tidewatch_protocol::Problem;
use tidewatch_protocol::v1::dead_letters::{DeadLettersRead, dead_letters_read};
use tidewatch_protocol::v1::{DeadLettersAnswered, DeadLettersRequest};

use crate::api::body::TelemetryBody;
use crate::api::error::Answer;
use crate::gate::Device;
use crate::state::App;

/// Takes dead letters in; each one that breaks a rule is refused on its own.
#[utoipa::path(post, path = "/dead-letters", tag = "sync", security(("device" = [])), request_body = DeadLettersRequest,
    responses((status = 200, body = DeadLettersAnswered), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn dead_letters_report(
    State(app): State<App>,
    device: Device,
    TelemetryBody(body): TelemetryBody,
) -> Answer<(StatusCode, Json<DeadLettersAnswered>)> {
    reported(&app, &device, dead_letters_read(&body)?).await
}

/// Keeps what can be kept, and says what cannot.
pub(crate) async fn reported(
    app: &App,
    device: &Device,
    read: DeadLettersRead,
) -> Answer<(StatusCode, Json<DeadLettersAnswered>)> {
    device.named_check(read.client_id.as_deref())?;
    let kept = app.service().dead_letters_report(&device.cx, read.letters).await?;
    let answer = DeadLettersAnswered {
        accepted: kept.accepted,
        duplicates: kept.duplicates,
        settled: kept.settled.into_iter().map(OperationId::into_string).collect(),
        rejected: read.rejected,
    };
    Ok((StatusCode::OK, Json(answer)))
}
