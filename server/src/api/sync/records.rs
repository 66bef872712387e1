//! Single records of a device's scopes, their history, and the digests by which it finds out that its copy has drifted.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use tidewatch_domain::ids::{CollectionName, RecordId, Scope, Seq};
use tidewatch_protocol::limits::{FILTER_TERMS_MAX, HISTORY_MAX};
use tidewatch_protocol::v1::records::{IntegrityPage, RecordEntry, RecordHistoryPage};
use tidewatch_protocol::{Code, FieldError, Problem};
use tidewatch_service::Error;
use tidewatch_service::fleet::Contact;

use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::api::sync::changes::schema_said;
use crate::api::sync::pause;
use crate::gate::Device;
use crate::state::App;

/// The record that a path names.
fn named((collection, record_id): (String, String)) -> Answer<(CollectionName, RecordId)> {
    let collection = CollectionName::parse(collection).map_err(|error| Refusal::query("collection", error.to_string()))?;
    Ok((collection, RecordId::parse(record_id).map_err(|error| Refusal::query("record_id", error.to_string()))?))
}

/// A record as it stands.
#[utoipa::path(get, path = "/records/{collection}/{record_id}", tag = "sync", security(("device" = [])),
    params(("collection" = String, Path), ("record_id" = String, Path)),
    responses((status = 200, body = RecordEntry), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn record_view(
    State(app): State<App>,
    device: Device,
    Path(path): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer<Json<RecordEntry>> {
    let (collection, record_id) = named(path)?;
    Params::of(&uri)?.done()?;
    app.service().contact_note(&device.client_id, app.now(), Contact::Seen);
    let schema = schema_said(&headers)?;
    Ok(Json(app.service().record_view(&device.cx, &collection, &record_id, schema).await?.into()))
}

/// Versions of a record, newest first.
#[utoipa::path(get, path = "/records/{collection}/{record_id}/history", tag = "sync", security(("device" = [])),
    params(("collection" = String, Path), ("record_id" = String, Path),
        ("from" = Option<i64>, Query, description = "`next` of the page before; the newest version when absent"),
        ("limit" = Option<u32>, Query, description = "1 to 100 versions; 20 when absent")),
    responses((status = 200, body = RecordHistoryPage), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn record_history(
    State(app): State<App>,
    device: Device,
    Path(path): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer<Json<RecordHistoryPage>> {
    let (collection, record_id) = named(path)?;
    let mut params = Params::of(&uri)?;
    let from = params.take("from").map(|text| match text.parse::<i64>() {
        Ok(seq) if seq > 0 => Ok(Seq(seq)),
        _ => Err(Refusal::query("from", "must be the `next` of a page")),
    });
    let limit = params.take_integer("limit", 1..=HISTORY_MAX)?.unwrap_or(20);
    params.done()?;
    app.service().contact_note(&device.client_id, app.now(), Contact::Seen);
    let (from, schema) = (from.transpose()?, schema_said(&headers)?);
    Ok(Json(app.service().record_history(&device.cx, (&collection, &record_id), from, limit, schema).await?.into()))
}

/// State digests of scopes, to find out that a copy has drifted.
#[utoipa::path(get, path = "/integrity", tag = "sync", security(("device" = [])),
    params(("scope" = Option<String>, Query, description = "only these, separated by commas; all that the device may read when absent"),
        ("collections" = Option<String>, Query, description = "only these, separated by commas")),
    responses((status = 200, body = IntegrityPage), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn integrity(State(app): State<App>, device: Device, uri: Uri) -> Answer<Json<IntegrityPage>> {
    let mut params = Params::of(&uri)?;
    let scopes = params.take_list("scope", FILTER_TERMS_MAX, |text| Scope::parse(text))?;
    let collections = params.take_list("collections", FILTER_TERMS_MAX, |text| CollectionName::parse(text))?;
    params.done()?;
    app.service().contact_note(&device.client_id, app.now(), Contact::Seen);
    let found = app.service().integrity(&device.cx, &scopes, &collections).map_err(scope_refusal)?;
    Ok(Json(IntegrityPage::new(found, pause(&app, &device, &collections))))
}

/// A scope that is not open to the device is named.
pub(super) fn scope_refusal(error: Error) -> Refusal {
    match error {
        Error::Forbidden => {
            Problem::new(Code::ScopeForbidden).field(FieldError::new("scope", "names one that this device may not read")).into()
        }
        other => other.into(),
    }
}
