//! Prebuilt snapshots of a scope: the manifest, and the parts with ranges.

mod part;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tidewatch_domain::ids::{CollectionName, Scope};
use tidewatch_domain::sync::{Snapshot, SnapshotFilter};
use tidewatch_protocol::limits::{FILTER_TERMS_MAX, WAIT_S_MAX};
use tidewatch_protocol::v1::snapshots::{SnapshotManifest, SnapshotPending, line_write};
use tidewatch_protocol::{Code, FieldError, Problem};
use tidewatch_service::Error;
use tidewatch_service::fleet::Contact;
use tidewatch_service::sync::SnapshotTaken;

use super::changes::{schema_check, schema_said};
use super::jittered;
use super::records::scope_refusal;
use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::gate::Device;
use crate::state::App;

pub use self::part::{__path_snapshot_part, snapshot_part};

/// How long an answer waits for a snapshot that is being made, when nobody says.
const WAIT_S: u32 = 5;
/// When to ask again for one that is still being made.
const PENDING_MS: i64 = 2_000;

const FRESH: HeaderValue = HeaderValue::from_static("private, no-cache");
const KEPT: HeaderValue = HeaderValue::from_static("private, max-age=3600, immutable");
const VARY: HeaderValue = HeaderValue::from_static("authorization, accept-encoding");

/// A recent snapshot of a scope, for the first copy of a large one. When there is none, one is made.
#[utoipa::path(get, path = "/snapshots", tag = "sync", security(("device" = [])),
    params(("scope" = String, Query, description = "the scope"),
        ("collections" = Option<String>, Query, description = "only these, separated by commas"),
        ("wait" = Option<u32>, Query, description = "0 to 25 seconds that the answer waits for one that is being made; 5 when absent")),
    responses((status = 200, body = SnapshotManifest),
        (status = 202, body = SnapshotPending, description = "it is being made; ask again after `Retry-After`"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "`snapshot_not_offered`: too few records, too many, an older schema with other names of fields, or it cannot be made now; scan with `compact=true`"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn snapshot_take(State(app): State<App>, device: Device, uri: Uri, headers: HeaderMap) -> Answer<Response> {
    let (filter, wait) = query_read(&uri)?;
    let schema = schema_check(&app, &headers, &filter.collections)?;
    app.service().contact_note(&device.client_id, app.now(), Contact::Seen);
    let over = tokio::time::sleep(wait);
    tokio::pin!(over);
    loop {
        let taken = app.service().snapshot_take(&device.cx, &filter, schema, line_write).map_err(scope_refusal)?;
        let mut making = match taken {
            SnapshotTaken::Ready(snapshot) => return Ok(manifest(&snapshot, uri.path(), FRESH)),
            SnapshotTaken::NotOffered => return Err(not_offered(&app)),
            SnapshotTaken::Making(_) if wait.is_zero() => return Ok(pending(&device)),
            SnapshotTaken::Making(making) => making,
        };
        tokio::select! {
            () = making.done() => {}
            () = &mut over => return Ok(pending(&device)),
            () = app.stopping().cancelled() => return Ok(pending(&device)),
        }
    }
}

fn query_read(uri: &Uri) -> Answer<(SnapshotFilter, Duration)> {
    let mut params = Params::of(uri)?;
    let scope = params.take("scope").ok_or_else(|| Refusal::query("scope", "must be there"))?;
    let scope = Scope::parse(scope).map_err(|error| Refusal::query("scope", error.to_string()))?;
    let collections = params.take_list("collections", FILTER_TERMS_MAX, |text| CollectionName::parse(text))?;
    let wait = params.take_integer("wait", 0..=WAIT_S_MAX)?.unwrap_or(WAIT_S);
    params.done()?;
    Ok((SnapshotFilter::new(scope, collections), Duration::from_secs(wait.into())))
}

fn not_offered(app: &App) -> Refusal {
    let least = app.service().snapshot_rows_min();
    let words = format!(
        "snapshots are offered of {least} records and more, in the current schema, unless making one has just failed; read with compact=true"
    );
    Refusal::new(Code::SnapshotNotOffered, words)
}

fn pending(device: &Device) -> Response {
    let pause = jittered(PENDING_MS, &device.cx.request_id);
    let seconds = u64::try_from(pause).unwrap_or(0).div_ceil(1_000);
    let headers =
        [(header::RETRY_AFTER, HeaderValue::from(seconds)), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::ACCEPTED, headers, Json(SnapshotPending::new(pause))).into_response()
}

fn manifest(snapshot: &Snapshot, path: &str, cache: HeaderValue) -> Response {
    let base = path.find("/snapshots").map_or("/snapshots", |at| &path[..at + "/snapshots".len()]);
    let headers = [(header::CACHE_CONTROL, cache), (header::VARY, VARY)];
    (headers, Json(SnapshotManifest::new(snapshot, base))).into_response()
}

/// A scope that is not open to the device any more is named by the snapshot's id.
fn id_refusal(error: Error) -> Refusal {
    match error {
        Error::Forbidden => {
            Problem::new(Code::ScopeForbidden).field(FieldError::new("id", "is of a scope that this device may not read")).into()
        }
        other => other.into(),
    }
}

/// The snapshot of an id, when its scope is open to the device and its schema served; and the schema version that the device says.
fn named(app: &App, device: &Device, id: &str, uri: &Uri, headers: &HeaderMap) -> Answer<(Arc<Snapshot>, Option<i64>)> {
    Params::of(uri)?.done()?;
    app.service().contact_note(&device.client_id, app.now(), Contact::Seen);
    let schema = schema_said(headers)?;
    let snapshot = app.service().snapshot_view(&device.cx, id, schema).map_err(id_refusal)?;
    schema_check(app, headers, &snapshot.filter.collections)?;
    Ok((snapshot, schema))
}

/// The manifest of a snapshot, again.
#[utoipa::path(get, path = "/snapshots/{id}", tag = "sync", security(("device" = [])), params(("id" = String, Path)),
    responses((status = 200, body = SnapshotManifest), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn snapshot_view(
    State(app): State<App>,
    device: Device,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer<Response> {
    let (snapshot, _) = named(&app, &device, &id, &uri, &headers)?;
    Ok(manifest(&snapshot, uri.path(), KEPT))
}
