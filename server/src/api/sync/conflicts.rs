//! Conflicts that wait for a decision of a device, and the decision.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use tidewatch_domain::ids::Scope;
use tidewatch_domain::sync::{IntentProblem, IntentResult, IntentStatus};
use tidewatch_protocol::limits::HISTORY_MAX;
use tidewatch_protocol::v1::mutations::conflict_read;
use tidewatch_protocol::v1::records::{
    ConflictEntry, ConflictsPage, ResolutionAnswered, ResolutionRead, ResolutionRequest, resolution_read,
};
use tidewatch_protocol::{Code, FieldError, Problem};
use tidewatch_service::Error;
use tidewatch_service::fleet::Contact;
use tidewatch_service::sync::{Choice, Decision};

use crate::api::body::JsonBody;
use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::api::sync::changes::schema_said;
use crate::api::sync::pause;
use crate::api::sync::records::scope_refusal;
use crate::gate::Device;
use crate::state::App;

/// Conflicts that wait for a decision.
#[utoipa::path(get, path = "/conflicts", tag = "sync", security(("device" = [])),
    params(("scope" = Option<String>, Query, description = "all of this scope; those of this device's own operations when absent"),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 50 when absent")),
    responses((status = 200, body = ConflictsPage), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn conflicts_list(State(app): State<App>, device: Device, uri: Uri, headers: HeaderMap) -> Answer<Json<ConflictsPage>> {
    let mut params = Params::of(&uri)?;
    let scope = params.take("scope").map(|text| Scope::parse(text).map_err(|error| Refusal::query("scope", error.to_string())));
    let after = params
        .take("after")
        .map(|text| conflict_read(&text).ok_or_else(|| Refusal::query("after", "must be the `next` of a page")));
    let limit = params.take_integer("limit", 1..=HISTORY_MAX)?.unwrap_or(50);
    params.done()?;
    let (scope, after) = (scope.transpose()?, after.transpose()?.unwrap_or(0));
    app.service().contact_note(&device.client_id, app.now(), Contact::Seen);
    let (service, schema) = (app.service(), schema_said(&headers)?);
    let found = service.conflicts_open(&device.cx, scope.as_ref(), after, limit + 1, schema).await.map_err(scope_refusal)?;
    let more = found.len() > limit as usize;
    let mut conflicts: Vec<ConflictEntry> = found.into_iter().map(ConflictEntry::from).collect();
    conflicts.truncate(limit as usize);
    let next = conflicts.last().filter(|_| more).map(|last| last.conflict_id.clone());
    let poll_after_ms = if more { 0 } else { pause(&app, &device, &[]) };
    Ok(Json(ConflictsPage { conflicts, next, poll_after_ms }))
}

/// Settles a conflict.
#[utoipa::path(post, path = "/conflicts/{conflict_id}/resolution", tag = "sync", security(("device" = [])),
    params(("conflict_id" = String, Path)), request_body = ResolutionRequest,
    responses((status = 200, body = ResolutionAnswered), (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`conflict_resolved`: somebody was first; `version_conflict`: the record has changed since `base_version`"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn conflict_resolve(
    State(app): State<App>,
    device: Device,
    Path(conflict_id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Answer<Json<ResolutionAnswered>> {
    let id = conflict_read(&conflict_id).ok_or_else(|| Refusal::query("conflict_id", "must be `cf_` and a number"))?;
    let ResolutionRead { choice, fields, base_version, operation_id } = resolution_read(&body)?;
    let choice = Choice::parse(&choice).ok_or_else(|| invalid("choice", "must be local, remote, merge or custom"))?;
    app.service().contact_note(&device.client_id, app.now(), Contact::Seen);
    let decision = Decision { choice, fields, base_version, operation_id };
    let schema = schema_said(&headers)?;
    let result = app.service().conflict_resolve(&device.cx, id, decision, schema).await.map_err(|error| match error {
        Error::Invalid { field, detail } => invalid(field, &detail),
        other => other.into(),
    })?;
    match result.status {
        IntentStatus::Applied | IntentStatus::Merged => Ok(Json(ResolutionAnswered { conflict_id, result: result.into() })),
        _ => Err(refused(result)),
    }
}

fn invalid(field: &str, detail: &str) -> Refusal {
    Problem::new(Code::EnvelopeInvalid).field(FieldError::new(field, detail)).into()
}

/// A decision that did not become a change is a problem with the code of its mutation.
fn refused(result: IntentResult) -> Refusal {
    let problem = result.problem.unwrap_or_else(|| IntentProblem {
        code: Code::VersionConflict.as_str(),
        status: Code::VersionConflict.status(),
        retryable: false,
        retry_after_ms: None,
        detail: "the record has changed since `base_version`; look at it again".to_owned(),
    });
    let code = Code::parse(problem.code).unwrap_or(Code::VersionConflict);
    let refused = Problem::new(code).detail(problem.detail.clone());
    match code {
        Code::VersionConflict => {
            refused.field(FieldError::new("base_version", "is not the version of the record any more")).into()
        }
        Code::ConflictResolved => refused.field(FieldError::new("conflict_id", problem.detail)).into(),
        _ => refused.into(),
    }
}
