//! Queues of apps that name no route of their own for what they send: items of an AsyncStorage queue, events of PosalPro, operations
//! of PRISM.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::sync::Push;
use tidewatch_protocol::facades::asyncstorage::{self, DeadItemsRequest, QueueRequest};
use tidewatch_protocol::facades::posalpro::{self, EventsRequest};
use tidewatch_protocol::facades::prism::{self, OperationsRequest};
use tidewatch_protocol::facades::{AdapterAnswered, AdapterResult, Item, push_of};
use tidewatch_protocol::v1::{DeadLettersAnswered, MutationResult};
use tidewatch_protocol::{Problem, Timestamp};

use super::{decided, schema_version};
use crate::api::body::{JsonBody, TelemetryBody};
use crate::api::error::{Answer, Refusal};
use crate::api::sync::dead_letters::reported;
use crate::gate::Device;
use crate::state::App;

/// Items, and whether all of them stand or fall together.
type Items = (Vec<Item>, bool);
/// Reads the body of a request.
type Read = fn(&[u8], &ClientId) -> Result<Items, Problem>;
/// Says the answers in the words of the app.
type Told = fn(&[Item], Vec<MutationResult>) -> Vec<AdapterResult>;

/// How one app is spoken with.
struct Tongue {
    /// Member of the body that holds the items.
    member: &'static str,
    read: Read,
    told: Told,
}

const ASYNCSTORAGE: Tongue = Tongue {
    member: "items",
    read: |body, client_id| Ok((asyncstorage::queue_read(body, client_id)?, false)),
    told: asyncstorage::queue_answer,
};
const POSALPRO: Tongue = Tongue { member: "events", read: posalpro::events_read, told: posalpro::events_answer };
const PRISM: Tongue = Tongue {
    member: "operations",
    read: |body, client_id| Ok((prism::operations_read(body, client_id)?, false)),
    told: prism::operations_answer,
};

/// Pushes items of an AsyncStorage queue.
#[utoipa::path(post, path = "/api/v1/adapters/asyncstorage/items", tag = "adapters", security(("device" = [])), request_body = QueueRequest,
    responses((status = 200, body = AdapterAnswered), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn asyncstorage_push(
    State(app): State<App>,
    device: Device,
    headers: HeaderMap,
    body: Answer<JsonBody>,
) -> Answer<Json<AdapterAnswered>> {
    adapted(&app, &device, &headers, body, &ASYNCSTORAGE).await
}

/// Takes in what an AsyncStorage queue has given up on.
#[utoipa::path(post, path = "/api/v1/adapters/asyncstorage/dead-letters", tag = "adapters", security(("device" = [])), request_body = DeadItemsRequest,
    responses((status = 200, body = DeadLettersAnswered), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn asyncstorage_dead(
    State(app): State<App>,
    device: Device,
    TelemetryBody(body): TelemetryBody,
) -> Answer<(StatusCode, Json<DeadLettersAnswered>)> {
    reported(&app, &device, asyncstorage::dead_items_read(&body, &device.client_id)?).await
}

/// Pushes events of PosalPro.
#[utoipa::path(post, path = "/api/v1/adapters/posalpro/events", tag = "adapters", security(("device" = [])), request_body = EventsRequest,
    responses((status = 200, body = AdapterAnswered), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn posalpro_push(
    State(app): State<App>,
    device: Device,
    headers: HeaderMap,
    body: Answer<JsonBody>,
) -> Answer<Json<AdapterAnswered>> {
    adapted(&app, &device, &headers, body, &POSALPRO).await
}

/// Pushes operations of PRISM.
#[utoipa::path(post, path = "/api/v1/adapters/prism/operations", tag = "adapters", security(("device" = [])), request_body = OperationsRequest,
    responses((status = 200, body = AdapterAnswered), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn prism_push(
    State(app): State<App>,
    device: Device,
    headers: HeaderMap,
    body: Answer<JsonBody>,
) -> Answer<Json<AdapterAnswered>> {
    adapted(&app, &device, &headers, body, &PRISM).await
}

async fn adapted(
    app: &App,
    device: &Device,
    headers: &HeaderMap,
    body: Answer<JsonBody>,
    tongue: &Tongue,
) -> Answer<Json<AdapterAnswered>> {
    let started = Instant::now();
    let (items, push) = match batch(device, headers, body, tongue.read) {
        Ok((items, push)) => (items, Ok(push)),
        Err(refusal) => (Vec::new(), Err(refusal)),
    };
    let answer = decided(app, device, started, push).await.map_err(|refusal| in_words(refusal, tongue.member))?;
    let results = answer.results.into_iter().map(MutationResult::from).collect();
    Ok(Json(AdapterAnswered {
        server_time: Timestamp(app.now()),
        committed: app.service().cursor_at(answer.committed),
        results: (tongue.told)(&items, results),
    }))
}

fn batch(device: &Device, headers: &HeaderMap, body: Answer<JsonBody>, read: Read) -> Answer<(Vec<Item>, Push)> {
    let JsonBody(body) = body?;
    let (items, atomic) = read(&body, &device.client_id)?;
    let mut push = push_of(&items, &device.client_id, schema_version(headers)?, body.len());
    push.terms.atomic = atomic;
    Ok((items, push))
}

/// A batch that fails as a whole names the intents at fault by their place: that is a place among the app's items.
fn in_words(mut refusal: Refusal, member: &str) -> Refusal {
    for error in &mut refusal.problem.errors {
        if let Some(place) = error.field.strip_prefix("mutations[") {
            error.field = format!("{member}[{place}");
        }
    }
    refusal
}
