//! Draining over HTTP: freeze a selection with its dry run, submit it, watch and steer the job. The same use cases as the pages.

mod body;
mod job;
mod set;

pub use body::{DryRunBody, EntryName, PreviewBody, RemarkBody, RetryFailedBody, SelectionBody, SubmitBody};
pub use job::{JobEntry, JobItemEntry, JobReport, SubmittedEntry};
pub use set::{DryRunReport, SetItemEntry, SetReport};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tidewatch_domain::drain::{ItemFilter, ItemOutcome, JobChange};
use tidewatch_domain::ids::ClientId;
use tidewatch_protocol::{Problem, Timestamp};
use tidewatch_service::Error;

use super::Listing;
use crate::api::body::JsonBody;
use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::gate::Caller;
use crate::state::App;

/// Freeze a selection.
#[utoipa::path(post, path = "/api/v1/outbox/drain/previews", tag = "console", security(("api" = []), ("session" = [])),
    request_body = PreviewBody,
    responses((status = 201, description = "The frozen set with its dry run", body = SetReport),
        (status = 400, description = "A member at fault, named", body = Problem, content_type = "application/problem+json"), (status = 403, description = "Not for this role", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn preview_create(State(app): State<App>, Caller(cx): Caller, JsonBody(body): JsonBody) -> Answer<Response> {
    let (order, chosen) = body::preview_read(&body)?;
    let selection = body::selection_resolve(app.service(), &cx, chosen).await?;
    let preview = app.service().drain_preview(&cx, order, selection).await?;
    let location = HeaderValue::from_str(&format!("/api/v1/outbox/drain/previews/{}", preview.set)).map_err(Refusal::internal)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(SetReport::from(preview))).into_response())
}

/// A frozen set.
#[utoipa::path(get, path = "/api/v1/outbox/drain/previews/{set}", tag = "console", security(("api" = []), ("session" = [])),
    params(("set" = String, Path, description = "Id of the set")),
    responses((status = 200, description = "The frozen set with its dry run", body = SetReport), (status = 404, description = "No such set", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn preview_view(State(app): State<App>, Caller(cx): Caller, Path(set): Path<String>) -> Answer<Json<SetReport>> {
    Ok(Json(app.service().drain_preview_view(&cx, &set).await?.into()))
}

/// Entries of a frozen set, in the order in which they are drained.
#[utoipa::path(get, path = "/api/v1/outbox/drain/previews/{set}/items", tag = "console", security(("api" = []), ("session" = [])),
    params(("set" = String, Path, description = "Id of the set"),
        ("limit" = Option<u32>, Query, description = "1 to 500 rows, 50 when absent"), ("after" = Option<String>, Query, description = "`next` of a page"),
        ("before" = Option<String>, Query, description = "`previous` of a page")),
    responses((status = 200, description = "One page", body = Listing<SetItemEntry>), (status = 400, description = "A parameter at fault", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such set", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn preview_items(
    State(app): State<App>,
    Caller(cx): Caller,
    Path(set): Path<String>,
    uri: Uri,
) -> Answer<Json<Listing<SetItemEntry>>> {
    let mut params = Params::of(&uri)?;
    let (position, rows) = params.take_page()?;
    params.done()?;
    Ok(Json(Listing::of(app.service().drain_preview_items(&cx, &set, &position, rows).await?, SetItemEntry::from)))
}

/// Submit a frozen set: 202 with the job, 200 when the same key was submitted before.
#[utoipa::path(post, path = "/api/v1/outbox/drain/jobs", tag = "console", security(("api" = []), ("session" = [])),
    request_body = SubmitBody,
    responses((status = 202, description = "The job", body = SubmittedEntry), (status = 200, description = "The job of the same submission", body = SubmittedEntry),
        (status = 400, description = "A member at fault, named", body = Problem, content_type = "application/problem+json"), (status = 404, description = "No such set", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "What was sent is not what was frozen, with the difference; nothing was done", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn job_submit(State(app): State<App>, Caller(cx): Caller, JsonBody(body): JsonBody) -> Answer<Response> {
    let (submit, chosen) = body::submit_read(&body)?;
    let selection = body::selection_resolve(app.service(), &cx, chosen).await?;
    let submitted = app.service().drain_submit(&cx, submit(selection)).await?;
    let location = HeaderValue::from_str(&format!("/api/v1/outbox/drain/jobs/{}", submitted.job)).map_err(Refusal::internal)?;
    let status = if submitted.new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let entry = SubmittedEntry { job: submitted.job, new: submitted.new };
    Ok((status, [(header::LOCATION, location)], Json(entry)).into_response())
}

/// Jobs, newest first.
#[utoipa::path(get, path = "/api/v1/outbox/drain/jobs", tag = "console", security(("api" = []), ("session" = [])),
    params(("limit" = Option<u32>, Query, description = "1 to 500 rows, 50 when absent"), ("after" = Option<String>, Query, description = "`next` of a page"),
        ("before" = Option<String>, Query, description = "`previous` of a page")),
    responses((status = 200, description = "One page", body = Listing<JobEntry>), (status = 400, description = "A parameter at fault", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn jobs_list(State(app): State<App>, Caller(cx): Caller, uri: Uri) -> Answer<Json<Listing<JobEntry>>> {
    let mut params = Params::of(&uri)?;
    let (position, rows) = params.take_page()?;
    params.done()?;
    Ok(Json(Listing::of(app.service().drain_jobs(&cx, &position, rows).await?, JobEntry::from)))
}

/// One job.
#[utoipa::path(get, path = "/api/v1/outbox/drain/jobs/{id}", tag = "console", security(("api" = []), ("session" = [])),
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = 200, description = "The job", body = JobReport), (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn job_view(State(app): State<App>, Caller(cx): Caller, Path(id): Path<String>) -> Answer<Json<JobReport>> {
    Ok(Json(app.service().drain_job(&cx, &id).await?.into()))
}

/// Items of a job.
#[utoipa::path(get, path = "/api/v1/outbox/drain/jobs/{id}/items", tag = "console", security(("api" = []), ("session" = [])),
    params(("id" = String, Path, description = "Id of the job"), ("outcome" = Option<String>, Query, description = "`waiting`, `sent`, `ok`, `skipped` or `failed`"),
        ("code" = Option<String>, Query, description = "Of `skipped` or `failed`: only those with this code, as `reasons` of the job has it"),
        ("limit" = Option<u32>, Query, description = "1 to 500 rows, 50 when absent"), ("after" = Option<String>, Query, description = "`next` of a page"),
        ("before" = Option<String>, Query, description = "`previous` of a page")),
    responses((status = 200, description = "One page", body = Listing<JobItemEntry>), (status = 400, description = "A parameter at fault", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn job_items(
    State(app): State<App>,
    Caller(cx): Caller,
    Path(id): Path<String>,
    uri: Uri,
) -> Answer<Json<Listing<JobItemEntry>>> {
    let mut params = Params::of(&uri)?;
    let (position, rows) = params.take_page()?;
    let outcome = params.take("outcome").map(|text| outcome_read(&text)).transpose()?;
    let filter = ItemFilter::new(outcome, params.take("code"))
        .ok_or_else(|| Refusal::query("code", "goes with the outcome skipped or failed"))?;
    params.done()?;
    let page = app.service().drain_job_items(&cx, &id, &filter, &position, rows).await?;
    Ok(Json(Listing::of(page, JobItemEntry::from)))
}

fn outcome_read(text: &str) -> Answer<ItemOutcome> {
    ItemOutcome::parse(text).ok_or_else(|| Refusal::query("outcome", "must be waiting, sent, ok, skipped or failed"))
}

/// Move a job: `approve`, `refuse`, `pause`, `resume`, `cancel`, `undo` or `acknowledge`. Answers the job.
#[utoipa::path(post, path = "/api/v1/outbox/drain/jobs/{id}/{change}", tag = "console", security(("api" = []), ("session" = [])),
    params(("id" = String, Path, description = "Id of the job"), ("change" = String, Path, description = "What to do")),
    request_body = RemarkBody,
    responses((status = 200, description = "The job", body = JobReport), (status = 403, description = "Not for this role", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"), (status = 409, description = "Not in this state", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn job_change(
    State(app): State<App>,
    Caller(cx): Caller,
    Path((id, change)): Path<(String, String)>,
    JsonBody(body): JsonBody,
) -> Answer<Json<JobReport>> {
    let change = JobChange::parse(&change).ok_or(Error::NotFound("change"))?;
    let remark = body::remark_read(&body)?;
    let (service, remark) = (app.service(), remark.as_deref());
    match change {
        JobChange::Approve => service.drain_approve(&cx, &id, remark).await?,
        JobChange::Refuse => service.drain_refuse(&cx, &id, remark).await?,
        JobChange::Pause => service.drain_pause(&cx, &id, remark).await?,
        JobChange::Resume => service.drain_resume(&cx, &id).await?,
        JobChange::Cancel => service.drain_cancel(&cx, &id, remark).await?,
        JobChange::Undo => service.drain_undo(&cx, &id, remark).await?,
        JobChange::Acknowledge => service.drain_acknowledge(&cx, &id).await?,
    }
    Ok(Json(service.drain_job(&cx, &id).await?.into()))
}

/// Freeze what failed in a job, to do the same with it once more.
#[utoipa::path(post, path = "/api/v1/outbox/drain/jobs/{id}/retry-failed", tag = "console", security(("api" = []), ("session" = [])),
    params(("id" = String, Path, description = "Id of the job")), request_body = RetryFailedBody,
    responses((status = 201, description = "The frozen set", body = SetReport), (status = 400, description = "Nothing of it is there any more", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn job_retry_failed(
    State(app): State<App>,
    Caller(cx): Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Answer<(StatusCode, Json<SetReport>)> {
    let code = body::retry_failed_read(&body)?;
    let preview = app.service().drain_retry_failed(&cx, &id, code.as_deref()).await?;
    Ok((StatusCode::CREATED, Json(preview.into())))
}

/// What the engine would answer to an entry, as it is or corrected. Nothing is written.
#[utoipa::path(post, path = "/api/v1/outbox/entries/{client_id}/{operation_id}/dry-run", tag = "console", security(("api" = []), ("session" = [])),
    params(("client_id" = String, Path, description = "Id of the device"), ("operation_id" = String, Path, description = "Id of the operation")),
    request_body = DryRunBody,
    responses((status = 200, description = "The answer", body = DryRunReport), (status = 400, description = "The patch does not fit", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No payload of it is here", body = Problem, content_type = "application/problem+json"), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn entry_dry_run(
    State(app): State<App>,
    Caller(cx): Caller,
    Path((client_id, operation_id)): Path<(String, String)>,
    JsonBody(body): JsonBody,
) -> Answer<Json<DryRunReport>> {
    let client_id = ClientId::parse(client_id).map_err(|_| Error::NotFound("device"))?;
    let patch = body::dry_run_read(&body)?;
    Ok(Json(app.service().entry_dry_run(&cx, &client_id, &operation_id, patch).await?.into()))
}

fn at(at: Option<tidewatch_domain::time::Millis>) -> Option<Timestamp> {
    at.map(Timestamp)
}
