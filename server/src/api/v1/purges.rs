//! Purges over HTTP: what is kept how long, what is due, the runs that purged, and asking for one ahead of time.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tidewatch_domain::drain::{PurgeRun, REASON_CHARS_MAX, Retention};
use tidewatch_domain::role::Action;
use tidewatch_protocol::members::Members;
use tidewatch_protocol::{Code, FieldError, Problem, Timestamp};
use tidewatch_service::drain::PurgeReport;

use crate::api::body::JsonBody;
use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::gate::Caller;
use crate::state::App;

/// Days that payloads are kept; `null` is for ever.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct RetentionEntry {
    /// Of discarded entries.
    pub discarded_days: Option<u32>,
    /// Of quarantined ones.
    pub quarantined_days: Option<u32>,
}

impl From<Retention> for RetentionEntry {
    fn from(retention: Retention) -> Self {
        Self { discarded_days: retention.discarded, quarantined_days: retention.quarantined }
    }
}

/// One run: what was due is written to a file, and the payloads in it are removed.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct PurgeEntry {
    /// Id.
    pub id: String,
    /// `exporting`, `removing`, `done`, or `stopped` when its file could not be read any more.
    pub state: &'static str,
    /// Who asked for it; `system` for the clock.
    pub actor: String,
    /// Why, when a person asked for it.
    pub reason: Option<String>,
    /// What was due by then.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Over at.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// Entries in its file.
    pub entries: u64,
    /// Of them, purged. The others had changed by then and are kept.
    pub removed: u64,
    /// Its file, under the folder of the store: one JSON object a line, compressed with zstd, the last line is its manifest.
    pub file: Option<String>,
    /// SHA-256 of the rows in the file.
    pub sha256: Option<String>,
    /// When the first of its entries was given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// When the last of its entries was given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// Why it was stopped.
    pub detail: Option<String>,
    /// How long payloads were kept when it began.
    pub retention: RetentionEntry,
}

impl From<PurgeRun> for PurgeEntry {
    fn from(run: PurgeRun) -> Self {
        let (from, to) = run.span.unzip();
        Self {
            id: run.id,
            state: run.state.as_str(),
            actor: run.actor,
            reason: run.reason,
            created_at: Timestamp(run.created),
            finished_at: run.finished.map(Timestamp),
            entries: run.entries,
            removed: run.removed,
            file: run.file,
            sha256: run.sha256,
            from: from.map(Timestamp),
            to: to.map(Timestamp),
            detail: run.detail,
            retention: run.retention.into(),
        }
    }
}

/// Retention and runs.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct PurgeReportEntry {
    /// What is kept how long.
    pub retention: RetentionEntry,
    /// Days that what became of each entry of a job is kept in the store once the job is over, then in a file; `null` is for ever.
    pub items_days: Option<u32>,
    /// Payloads that are due now; the clock purges them within minutes.
    pub due: u64,
    /// Runs, newest first.
    pub runs: Vec<PurgeEntry>,
}

impl From<PurgeReport> for PurgeReportEntry {
    fn from(report: PurgeReport) -> Self {
        let runs = report.runs.into_iter().map(PurgeEntry::from).collect();
        Self { retention: report.retention.into(), items_days: report.items.days, due: report.due, runs }
    }
}

/// A run that is asked for.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read member by member, so that the one at fault is named")]
pub struct PurgeBody {
    /// Payloads that are due, as the report says: another count is refused and nothing is done.
    count: u64,
    /// Why, 8 to 500 characters.
    reason: String,
}

/// What is kept how long, what is due, and the runs that have purged, newest first.
#[utoipa::path(get, path = "/api/v1/outbox/purges", tag = "console", security(("api" = []), ("session" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 200 runs, 50 when absent"), ("before" = Option<String>, Query, description = "Only runs before this one")),
    responses((status = 200, description = "Retention and runs", body = PurgeReportEntry), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn purges_list(State(app): State<App>, Caller(cx): Caller, uri: Uri) -> Answer<Json<PurgeReportEntry>> {
    let mut params = Params::of(&uri)?;
    let (before, rows) = (params.take("before"), params.take_integer("limit", 1..=200)?);
    params.done()?;
    Ok(Json(app.service().purge_report(&cx, before.as_deref(), rows.unwrap_or(50)).await?.into()))
}

/// One run.
#[utoipa::path(get, path = "/api/v1/outbox/purges/{id}", tag = "console", security(("api" = []), ("session" = [])),
    params(("id" = String, Path, description = "Id of the run")),
    responses((status = 200, description = "The run", body = PurgeEntry), (status = 404, description = "No such run", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn purge_view(State(app): State<App>, Caller(cx): Caller, Path(id): Path<String>) -> Answer<Json<PurgeEntry>> {
    Ok(Json(app.service().purge_view(&cx, &id).await?.into()))
}

/// Purge what is due before the clock does; for admins, with a reason. Audited under their name.
#[utoipa::path(post, path = "/api/v1/outbox/purges", tag = "console", security(("api" = []), ("session" = [])), request_body = PurgeBody,
    responses((status = 202, description = "The run, which has begun", body = PurgeEntry), (status = 400, description = "A member at fault, named", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Nothing is due, another count is, or a run is under way; nothing was done", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn purge_ask(State(app): State<App>, Caller(cx): Caller, JsonBody(body): JsonBody) -> Answer<Response> {
    // Whoever may not ask is told so, whatever they have sent.
    cx.require(Action::Purge)?;
    let (count, reason) = body_read(&body)?;
    let run = app.service().purge_ask(&cx, count, &reason).await?;
    let location = HeaderValue::from_str(&format!("/api/v1/outbox/purges/{}", run.id)).map_err(Refusal::internal)?;
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(PurgeEntry::from(run))).into_response())
}

fn body_read(body: &[u8]) -> Answer<(u64, String)> {
    let invalid = |error: FieldError| Refusal::from(Problem::new(Code::EnvelopeInvalid).field(error));
    let value = serde_json::from_slice(body).map_err(|_| Refusal::new(Code::JsonInvalid, "the body is no JSON"))?;
    let members = Members::of(&value, "").map_err(invalid)?;
    if let Some(other) = members.names().find(|name| !matches!(*name, "count" | "reason")) {
        return Err(invalid(FieldError::new(other, "is not a member of this request")));
    }
    let count = value["count"]
        .as_u64()
        .ok_or_else(|| invalid(FieldError::new("count", "must be the number of payloads that are due")))?;
    Ok((count, members.text_required("reason", 4 * REASON_CHARS_MAX).map_err(invalid)?.to_owned()))
}
