//! Health, readiness, metrics: for machines that watch this one.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tidewatch_protocol::{Code, Problem};

use crate::api::error::{Answer, Refusal};
use crate::state::App;

/// The process runs.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Alive {
    /// `ok`.
    pub status: &'static str,
    /// Version of the binary.
    pub version: &'static str,
}

/// The store answers.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Ready {
    /// `ready`.
    pub status: &'static str,
    /// `primary`.
    pub role: &'static str,
    /// Incarnation of the store.
    pub epoch: String,
    /// Position of the log.
    pub head: i64,
}

/// Whether the process runs.
#[utoipa::path(get, path = "/healthz", tag = "system", responses((status = 200, body = Alive)))]
pub async fn healthz() -> Json<Alive> {
    Json(Alive { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether requests can be served.
#[utoipa::path(get, path = "/readyz", tag = "system",
    responses((status = 200, body = Ready), (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn readyz(State(app): State<App>) -> Answer<Json<Ready>> {
    if app.stopping().is_cancelled() {
        return Err(Problem::new(Code::Maintenance).detail("the server is stopping").retry_after_ms(5_000).into());
    }
    let facts = app.service().console_facts().await?;
    Ok(Json(Ready { status: "ready", role: facts.role, epoch: facts.epoch, head: facts.head.0 }))
}

/// Counters and histograms of this process; aggregates only, nothing of single devices.
#[utoipa::path(get, path = "/metrics", tag = "system", responses((status = 200, content_type = "text/plain", body = String),
    (status = 404, description = "This process keeps no metrics", body = tidewatch_protocol::Problem, content_type = "application/problem+json")))]
pub async fn metrics(State(app): State<App>) -> Answer<Response> {
    let handle = app.metrics().ok_or_else(|| Refusal::new(Code::NotFound, "this process keeps no metrics"))?;
    metrics::gauge!("tidewatch_log_head").set(head_gauge(app.service().head().0));
    Ok((
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")],
        handle.render(),
    )
        .into_response())
}

#[expect(clippy::cast_precision_loss, reason = "a log of 2^53 changes is out of reach")]
fn head_gauge(head: i64) -> f64 {
    head as f64
}
