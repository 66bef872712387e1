//! `POST /telemetry`: reports of a device. Never touches the sync writer.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tidewatch_protocol::Problem;
use tidewatch_protocol::v1::telemetry::telemetry_read;
use tidewatch_protocol::v1::{TelemetryAnswered, TelemetryRequest};

use crate::api::body::TelemetryBody;
use crate::api::error::Answer;
use crate::api::sync::jittered;
use crate::gate::Device;
use crate::state::App;

/// Pause between reports that the server suggests.
const REPORT_PAUSE_MS: i64 = 300_000;

/// Takes reports in; each one that breaks a rule is refused on its own.
#[utoipa::path(post, path = "/telemetry", tag = "sync", security(("device" = [])), request_body = TelemetryRequest,
    responses((status = 202, body = TelemetryAnswered), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn telemetry_ingest(
    State(app): State<App>,
    device: Device,
    TelemetryBody(body): TelemetryBody,
) -> Answer<(StatusCode, Json<TelemetryAnswered>)> {
    let read = telemetry_read(&body)?;
    device.named_check(read.client_id.as_deref())?;
    let (mut good, mut rejected) = (Vec::new(), Vec::new());
    for report in read.reports {
        match report {
            Ok(report) => good.push(report),
            Err(refused) => rejected.push(refused),
        }
    }
    let stored = if good.is_empty() { Default::default() } else { app.service().telemetry_ingest(&device.cx, good).await? };
    let answer = TelemetryAnswered {
        accepted: stored.accepted,
        duplicates: stored.duplicates,
        rejected,
        poll_after_ms: jittered(REPORT_PAUSE_MS, &device.cx.request_id),
        commands_waiting: app.service().commands_waiting(&device.client_id, device.cx.now),
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}
