//! ArxOS mobile: the batch, single writes of equipment, and the changes of a building since a time.

mod updates;

use std::time::Instant;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tidewatch_domain::ids::{CollectionName, OperationId, RecordId};
use tidewatch_domain::sync::{IntentStatus, Push, RecordStanding};
use tidewatch_protocol::facades::arxos::{
    BatchSyncRequest, BatchSyncResponse, EquipmentWritten, FORCE_SCOPE, Operation, Single, batch_answer, batch_read,
    server_version, single_read, written,
};
use tidewatch_protocol::facades::push_of;
use tidewatch_protocol::v1::{MutationResult, MutationStatus};
use tidewatch_protocol::{Code, FieldError, Problem, Timestamp};

use super::{decided, schema_version};
use crate::api::body::JsonBody;
use crate::api::error::{Answer, Refusal};
use crate::api::sync::mutations::preconditions;
use crate::gate::Device;
use crate::state::App;

pub use self::updates::{__path_equipment_updates, equipment_updates};

/// Names the device once more; must be the one that the token belongs to.
const DEVICE_ID: &str = "x-device-id";
/// What a retry of a single write repeats.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Longest such key.
const KEY_BYTES_MAX: usize = 255;

/// Pushes the sync queue of an ArxOS app.
#[utoipa::path(post, path = "/api/v1/mobile/sync/batch", tag = "adapters", security(("device" = [])), request_body = BatchSyncRequest,
    responses((status = 200, body = BatchSyncResponse), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn batch_sync(
    State(app): State<App>,
    device: Device,
    headers: HeaderMap,
    body: Answer<JsonBody>,
) -> Answer<Json<BatchSyncResponse>> {
    let started = Instant::now();
    let (operations, push) = match batch(&app, &device, &headers, body).await {
        Ok((operations, push)) => (operations, Ok(push)),
        Err(refusal) => (Vec::new(), Err(refusal)),
    };
    let answer = decided(&app, &device, started, push).await?;
    let results = answer.results.into_iter().map(MutationResult::from).collect();
    Ok(Json(batch_answer(&operations, results, Timestamp(app.now()))))
}

async fn batch(app: &App, device: &Device, headers: &HeaderMap, body: Answer<JsonBody>) -> Answer<(Vec<Operation>, Push)> {
    let JsonBody(body) = body?;
    device_check(device, headers)?;
    let mut operations = batch_read(&body, &device.client_id)?;
    settle(app, device, &mut operations).await?;
    let items = operations.iter().map(|operation| &operation.item);
    let push = push_of(items, &device.client_id, schema_version(headers)?, body.len());
    Ok((operations, push))
}

fn device_check(device: &Device, headers: &HeaderMap) -> Answer<()> {
    match headers.get(DEVICE_ID) {
        Some(value) if value != device.client_id.as_str() => {
            Err(Refusal::header(DEVICE_ID, "is not the device that the token belongs to"))
        }
        _ => Ok(()),
    }
}

/// Adds what operations do not say themselves: the building of a record that is there, and the right to win.
async fn settle(app: &App, device: &Device, operations: &mut [Operation]) -> Answer<()> {
    let may_force = device.scopes.iter().any(|scope| scope.as_str() == FORCE_SCOPE);
    let forced = |operation: &Operation| may_force && operation.force && operation.item.fault.is_none();
    let asked = operations.iter().filter(|operation| operation.homeless().is_some() || forced(operation));
    let names: Vec<_> = asked.filter_map(record_name).collect();
    if names.is_empty() {
        return Ok(());
    }
    let service = app.service();
    let standing = service.records_standing(&device.cx, &names).await?;
    let wishes: Vec<OperationId> = operations.iter().filter(|o| forced(o)).map(|o| o.item.operation_id.clone()).collect();
    let mut before = service.mutations_status(&device.cx, wishes).await?.into_iter();
    for operation in operations {
        let found = record_name(operation).and_then(|name| standing.get(&name));
        if operation.homeless().is_some() {
            operation.scope_set(found.map(|found| &found.scope));
        }
        if forced(operation) {
            if before.next().is_some_and(|answer| matches!(answer.status, IntentStatus::Superseded | IntentStatus::Conflict)) {
                operation.asked_again();
            }
            operation.win(device.cx.now, found.map(|found| found.ticks), &device.client_id);
        }
    }
    Ok(())
}

fn record_name(operation: &Operation) -> Option<(CollectionName, RecordId)> {
    let collection = CollectionName::parse(operation.item.text("collection")).ok()?;
    Some((collection, RecordId::parse(operation.item.text("record_id")).ok()?))
}

/// Makes a piece of equipment.
#[utoipa::path(post, path = "/api/v1/mobile/equipment", tag = "adapters", security(("device" = [])), request_body = Object,
    responses((status = 201, body = EquipmentWritten), (status = 200, body = EquipmentWritten, description = "made before"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn equipment_create(
    State(app): State<App>,
    device: Device,
    headers: HeaderMap,
    body: Answer<JsonBody>,
) -> Answer<Response> {
    write(&app, &device, &headers, body, "create", None).await
}

/// Makes a piece of equipment under this id.
#[utoipa::path(post, path = "/api/v1/mobile/equipment/{id}", tag = "adapters", security(("device" = [])), request_body = Object,
    params(("id" = String, Path)),
    responses((status = 201, body = EquipmentWritten), (status = 200, body = EquipmentWritten, description = "made before"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn equipment_create_named(
    State(app): State<App>,
    device: Device,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Answer<JsonBody>,
) -> Answer<Response> {
    write(&app, &device, &headers, body, "create", Some(&id)).await
}

/// Changes a piece of equipment.
#[utoipa::path(put, path = "/api/v1/mobile/equipment/{id}", tag = "adapters", security(("device" = [])), request_body = Object,
    params(("id" = String, Path), ("if-match" = Option<String>, Header, description = "its version, in quotes")),
    responses((status = 200, body = EquipmentWritten),
        (status = 409, body = Problem, description = "lost a conflict; `serverVersion` is the row as it stands", content_type = "application/problem+json"),
        (status = 412, body = Problem, description = "another version than `If-Match` says", content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn equipment_update(
    State(app): State<App>,
    device: Device,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Answer<JsonBody>,
) -> Answer<Response> {
    write(&app, &device, &headers, body, "update", Some(&id)).await
}

/// Deletes a piece of equipment.
#[utoipa::path(delete, path = "/api/v1/mobile/equipment/{id}", tag = "adapters", security(("device" = [])),
    params(("id" = String, Path), ("if-match" = Option<String>, Header, description = "its version, in quotes")),
    responses((status = 200, body = EquipmentWritten), (status = 409, body = Problem, content_type = "application/problem+json"),
        (status = 412, body = Problem, content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn equipment_delete(
    State(app): State<App>,
    device: Device,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Answer<JsonBody>,
) -> Answer<Response> {
    write(&app, &device, &headers, body, "delete", Some(&id)).await
}

async fn write(
    app: &App,
    device: &Device,
    headers: &HeaderMap,
    body: Answer<JsonBody>,
    operation: &'static str,
    id: Option<&str>,
) -> Answer<Response> {
    let started = Instant::now();
    let (read, push) = match single(app, device, headers, body, operation, id).await {
        Ok((read, push)) => (Some(read), Ok(push)),
        Err(refusal) => (None, Err(refusal)),
    };
    let done = decided(app, device, started, push).await;
    let Some(read) = read else { return done.map(|_| StatusCode::NO_CONTENT.into_response()) };
    let standing = match record_name(&read) {
        Some(name) => app.service().records_standing(&device.cx, std::slice::from_ref(&name)).await?.remove(&name),
        None => None,
    };
    let row = standing.and_then(|standing| row(&read, standing));
    let answer = done.map_err(|refusal| with_row(refusal, row.clone()))?;
    let result = answer.results.into_iter().next().ok_or_else(|| Refusal::internal("a batch of one has no answer"))?;
    told(&read, result.into(), row)
}

async fn single(
    app: &App,
    device: &Device,
    headers: &HeaderMap,
    body: Answer<JsonBody>,
    operation: &'static str,
    id: Option<&str>,
) -> Answer<(Operation, Push)> {
    let JsonBody(body) = body?;
    device_check(device, headers)?;
    let key = key_read(headers)?;
    // A deletion says nothing of its own: it is the same one as long as it meets the same version.
    let version = if operation == "delete" && key.is_none() { version_now(app, device, id).await? } else { None };
    let identity = key.or(version);
    let asked = Single { operation, entity_id: id, identity: identity.as_deref(), now: device.cx.now };
    let mut read = [single_read(&body, &asked, &device.client_id)?];
    settle(app, device, &mut read).await?;
    let [read] = read;
    if let Some(fault) = read.item.fault {
        let lost = operation == "delete";
        let named = || Problem::new(Code::EnvelopeInvalid).field(FieldError::new("building_id", fault.detail)).into();
        return Err(if lost { Refusal::new(Code::NotFound, "there is no such equipment") } else { named() });
    }
    let mut push = push_of([&read.item], &device.client_id, schema_version(headers)?, body.len());
    preconditions(headers, &mut push)?;
    Ok((read, push))
}

fn key_read(headers: &HeaderMap) -> Answer<Option<String>> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()));
    let key = key.ok_or_else(|| Refusal::header(IDEMPOTENCY_KEY, "must have 1 to 255 plain characters"))?;
    Ok(Some(format!("key {key}")))
}

async fn version_now(app: &App, device: &Device, id: Option<&str>) -> Answer<Option<String>> {
    let name = CollectionName::parse("equipment").ok().zip(id.and_then(|id| RecordId::parse(id).ok()));
    let Some(name) = name else { return Ok(None) };
    let standing = app.service().records_standing(&device.cx, std::slice::from_ref(&name)).await?;
    Ok(standing.get(&name).map(|standing| format!("version {}", standing.version)))
}

/// The row as it stands, unless it has been deleted.
fn row(read: &Operation, standing: RecordStanding) -> Option<Value> {
    standing.body.map(|body| server_version(&read.item.id, Some(standing.version.0), &body))
}

fn with_row(mut refusal: Refusal, row: Option<Value>) -> Refusal {
    // A single write has no place in a batch that its app could know.
    refusal.problem.errors.retain(|error| !error.field.starts_with("mutations["));
    if matches!(refusal.problem.status, 409 | 412) {
        refusal.problem.met.get_or_insert_default().server_version = row;
    }
    refusal
}

/// The answer to a single write. Who has lost is told so by a status of HTTP, with the row that stands; a forced write that has lost
/// all the same is told in words, for its app has no second answer to a conflict.
fn told(read: &Operation, result: MutationResult, row: Option<Value>) -> Answer<Response> {
    let lost = match result.status {
        MutationStatus::Superseded => !read.force,
        MutationStatus::Conflict => true,
        _ => false,
    };
    if lost {
        let mut problem = Problem::new(Code::VersionConflict).detail("the equipment has changed since the base of this write");
        problem.met.get_or_insert_default().conflict_id = result.conflict_id;
        return Err(with_row(problem.into(), row));
    }
    if let (MutationStatus::Rejected | MutationStatus::Deferred, Some(problem)) = (result.status, &result.problem) {
        return Err(Refusal::from(Problem::intent(problem)));
    }
    let made = read.operation == "create" && result.status == MutationStatus::Applied && !result.replayed;
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(written(read, result, row.unwrap_or_default()))).into_response())
}
