//! `GET /api/v1/audit`: what people and the console did.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde::Serialize;
use serde_json::value::RawValue;
use tidewatch_domain::audit::AuditEvent;
use tidewatch_protocol::{Problem, Timestamp};

use super::Listing;
use crate::api::error::Answer;
use crate::api::query::Params;
use crate::gate::Caller;
use crate::state::App;

/// One audit row.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct AuditEntry {
    /// Position in the audit log.
    pub id: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// On what.
    pub subject: Option<String>,
    /// State before, redacted.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Box<RawValue>>,
    /// State after, redacted.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Box<RawValue>>,
    /// Request id.
    pub trace_id: Option<String>,
}

impl From<AuditEvent> for AuditEntry {
    fn from(event: AuditEvent) -> Self {
        let json = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        Self {
            id: event.id,
            at: Timestamp(event.at),
            actor: event.actor,
            action: event.action,
            subject: event.subject,
            before: json(event.before),
            after: json(event.after),
            trace_id: event.trace_id,
        }
    }
}

/// Lists the audit log, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "console", security(("api" = []), ("session" = [])),
    params(("q" = Option<String>, Query, description = "filter: `actor: action: subject:`"), ("limit" = Option<u32>, Query),
        ("after" = Option<String>, Query), ("before" = Option<String>, Query)),
    responses((status = 200, body = Listing<AuditEntry>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn audit_list(State(app): State<App>, Caller(cx): Caller, uri: Uri) -> Answer<Json<Listing<AuditEntry>>> {
    let mut params = Params::of(&uri)?;
    let filter = params.take("q").unwrap_or_default();
    let (position, rows) = params.take_page()?;
    params.done()?;
    let page = app.service().audit_list(&cx, &filter, &position, rows).await?;
    Ok(Json(Listing::of(page, AuditEntry::from)))
}
