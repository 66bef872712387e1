//! `GET /api/v1/changes` and `GET /api/v1/operations/{id}`: the log for people, and the trace of one operation.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use serde_json::value::RawValue;
use tidewatch_domain::fleet::{ChangeRow, Trace, TraceStage};
use tidewatch_domain::ids::ClientId;
use tidewatch_protocol::{Problem, Timestamp};

use super::Listing;
use crate::api::error::Answer;
use crate::api::query::Params;
use crate::gate::Caller;
use crate::state::App;

/// One row of the change log.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ChangeEntry {
    /// Position.
    pub seq: i64,
    /// Committed at.
    #[schema(value_type = String, format = DateTime)]
    pub committed_at: Timestamp,
    /// Collection; empty for control rows.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope.
    pub scope: String,
    /// `create`, `update`, …
    pub op: &'static str,
    /// Version of the record.
    pub version: i64,
    /// Fields it touched.
    pub changed: Vec<String>,
    /// Who.
    pub client_id: Option<String>,
    /// Name of the device.
    pub device_name: Option<String>,
    /// Operation.
    pub operation_id: String,
    /// How it was decided.
    pub decision: &'static str,
    /// Effective clock.
    pub hlc: String,
    /// Clock as claimed, when it was clamped.
    pub hlc_claimed: Option<String>,
}

impl From<ChangeRow> for ChangeEntry {
    fn from(row: ChangeRow) -> Self {
        Self {
            seq: row.seq.0,
            committed_at: Timestamp(row.committed),
            collection: row.collection,
            record_id: row.record_id,
            scope: row.scope,
            op: row.op,
            version: row.version,
            changed: row.changed,
            client_id: row.client_id.map(ClientId::into_string),
            device_name: row.device_name,
            operation_id: row.operation_id,
            decision: row.decision,
            hlc: row.hlc,
            hlc_claimed: row.hlc_claimed,
        }
    }
}

/// Everything the store knows of one operation.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct OperationTrace {
    /// Operation.
    pub operation_id: String,
    /// Device that made it.
    pub client_id: Option<String>,
    /// Name of that device.
    pub device_name: Option<String>,
    /// Collection.
    pub collection: Option<String>,
    /// Record.
    pub record_id: Option<String>,
    /// Scope.
    pub scope: Option<String>,
    /// Stages, oldest first.
    pub stages: Vec<OperationStage>,
    /// Final answer; `null` while there is none.
    pub status: Option<String>,
    /// The body with every value replaced by its type.
    #[schema(value_type = Option<Object>)]
    pub shape: Option<Box<RawValue>>,
    /// Devices of its scope that have pulled past it.
    pub pulled_by: Option<u64>,
    /// Devices of its scope.
    pub pulled_of: Option<u64>,
}

/// One stage of a trace.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct OperationStage {
    /// When; `null` when only the order is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// `enqueued`, `attempt`, `received`, …
    pub stage: &'static str,
    /// What happened.
    pub title: String,
    /// With what result.
    pub detail: String,
}

impl From<TraceStage> for OperationStage {
    fn from(stage: TraceStage) -> Self {
        Self { at: stage.at.map(Timestamp), stage: stage.stage, title: stage.title, detail: stage.detail }
    }
}

impl From<Trace> for OperationTrace {
    fn from(trace: Trace) -> Self {
        let (collection, record_id) = trace.subject.unzip();
        let (pulled_by, pulled_of) = trace.pulled.unzip();
        Self {
            operation_id: trace.operation_id,
            client_id: trace.client_id.map(ClientId::into_string),
            device_name: trace.device_name,
            collection,
            record_id,
            scope: trace.scope,
            stages: trace.stages.into_iter().map(OperationStage::from).collect(),
            status: trace.status,
            shape: trace.shape.and_then(|text| RawValue::from_string(text).ok()),
            pulled_by,
            pulled_of,
        }
    }
}

/// Lists the change log, newest first.
#[utoipa::path(get, path = "/api/v1/changes", tag = "console", security(("api" = []), ("session" = [])),
    params(("q" = Option<String>, Query, description = "filter: `collection: record: scope: device: op: decision: operation: seq:`"),
        ("limit" = Option<u32>, Query), ("after" = Option<String>, Query), ("before" = Option<String>, Query)),
    responses((status = 200, body = Listing<ChangeEntry>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn changes_list(State(app): State<App>, Caller(cx): Caller, uri: Uri) -> Answer<Json<Listing<ChangeEntry>>> {
    let mut params = Params::of(&uri)?;
    let filter = params.take("q").unwrap_or_default();
    let (position, rows) = params.take_page()?;
    params.done()?;
    let page = app.service().changes_list(&cx, &filter, &position, rows).await?;
    Ok(Json(Listing::of(page, ChangeEntry::from)))
}

/// Traces one operation.
#[utoipa::path(get, path = "/api/v1/operations/{operation_id}", tag = "console", security(("api" = []), ("session" = [])),
    params(("operation_id" = String, Path)),
    responses((status = 200, body = OperationTrace), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn operation_trace(
    State(app): State<App>,
    Caller(cx): Caller,
    Path(operation_id): Path<String>,
) -> Answer<Json<OperationTrace>> {
    Ok(Json(app.service().operation_trace(&cx, &operation_id).await?.into()))
}
