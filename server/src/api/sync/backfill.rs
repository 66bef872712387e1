//! `POST /records/backfill`: a page of single fields of the records of one collection.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use tidewatch_protocol::headers::PROTOCOL_VERSION;
use tidewatch_protocol::v1::backfill::{BackfillEntry, BackfillPage, BackfillRequest, backfill_read};
use tidewatch_protocol::{Code, FieldError, Problem, Timestamp};
use tidewatch_service::Error;
use tidewatch_service::fleet::Contact;

use crate::api::body::JsonBody;
use crate::api::error::{Answer, Refusal, cursor_problem_of};
use crate::api::sync::changes::{page_refusal, schema_check};
use crate::gate::Device;
use crate::state::App;

/// Reads fields of records that the device has already.
#[utoipa::path(post, path = "/records/backfill", tag = "sync", security(("device" = [])), request_body = BackfillRequest,
    responses((status = 200, body = BackfillPage), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn backfill_page(
    State(app): State<App>,
    device: Device,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Answer<Json<BackfillPage>> {
    let mut query = backfill_read(&body)?;
    query.schema = schema_check(&app, &headers, std::slice::from_ref(&query.collection))?;
    app.service().contact_note(&device.client_id, app.now(), Contact::Seen);
    let page = app.service().backfill_page(&device.cx, query).await.map_err(refusal)?;
    Ok(Json(BackfillPage {
        protocol: PROTOCOL_VERSION,
        epoch: app.service().epoch().to_string(),
        cursor: page.cursor,
        has_more: page.has_more,
        up_to_date: !page.has_more,
        server_time: Timestamp(app.now()),
        rows: page.rows.into_iter().map(BackfillEntry::from).collect(),
    }))
}

/// The member at fault is named as the request has it.
fn refusal(error: Error) -> Refusal {
    match error {
        Error::NotFound("collection") => {
            Problem::new(Code::CollectionUnknown).field(FieldError::new("collection", "is not configured")).into()
        }
        Error::Cursor(refusal) => cursor_problem_of("cursor", &refusal).into(),
        other => page_refusal(other),
    }
}
