//! `POST /mutations`: a batch of intents in, one status per intent out, after the commit is durable.

use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tidewatch_domain::ids::{ClientId, Version};
use tidewatch_domain::sync::{Intent, IntentResult, Push};
use tidewatch_domain::time::Millis;
use tidewatch_protocol::headers::PROTOCOL_VERSION;
use tidewatch_protocol::v1::changes::server_hlc;
use tidewatch_protocol::v1::mutations::{answer_text, push_read};
use tidewatch_protocol::v1::{PushAnswered, PushRead, PushRequest};
use tidewatch_protocol::{Problem, Timestamp};
use tidewatch_service::fleet::Contact;

use crate::api::body::JsonBody;
use crate::api::error::{Answer, Refusal};
use crate::gate::Device;
use crate::state::App;

/// Pushes a batch of intents.
#[utoipa::path(post, path = "/mutations", tag = "sync", security(("device" = [])), request_body = PushRequest,
    responses((status = 200, body = PushAnswered), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn mutations_push(
    State(app): State<App>,
    device: Device,
    headers: HeaderMap,
    body: Answer<JsonBody>,
) -> Answer<Response> {
    let started = Instant::now();
    let client_id = device.client_id.clone();
    let (contact, answer) = match push(&app, device, &headers, body).await {
        Ok((results, text)) => {
            let took_ms = started.elapsed().as_secs_f64() * 1_000.0;
            (Contact::PushAnswered { results, took_ms }, Ok(json_response(text)))
        }
        Err(refusal) => (Contact::PushRefused { code: refusal.code() }, Err(refusal)),
    };
    app.service().contact_note(&client_id, app.now(), contact);
    answer
}

fn json_response(text: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}

/// What became of each intent, and the text of the answer that says so.
type Pushed = (Vec<IntentResult>, Vec<u8>);

async fn push(app: &App, device: Device, headers: &HeaderMap, body: Answer<JsonBody>) -> Answer<Pushed> {
    let JsonBody(body) = body?;
    let PushRead { mut push, batch_id, reports } = push_read(&body)?;
    preconditions(headers, &mut push)?;
    device.named_check(Some(push.client_id.as_str()))?;
    schemas_check(app, &push)?;
    start_note(app, &device.client_id, device.cx.now, &push);
    if !reports.is_empty() {
        reports_ingest(app, &device, reports);
    }
    let service = app.service();
    let answer = service.mutations_push(&device.cx, push).await.map_err(Refusal::from)?;
    let server_time = Timestamp(app.now());
    let around = PushAnswered {
        protocol: PROTOCOL_VERSION,
        epoch: service.epoch().to_string(),
        batch_id,
        server_time,
        server_hlc: server_hlc(server_time),
        committed: service.cursor_at(answer.committed),
        poll_after_ms: 0,
        results: Vec::new(),
    };
    let text = answer_text(&around, &answer.results);
    Ok((answer.results, text))
}

/// What HTTP itself can say about a batch of exactly one intent: `If-Match` with its version, and `Prefer: handling=strict`,
/// with which a lost decision is an error of the request. A preference for a larger batch is not applied.
pub(crate) fn preconditions(headers: &HeaderMap, push: &mut Push) -> Answer<()> {
    let single = push.intents.len() == 1;
    if let Some(value) = headers.get(header::IF_MATCH) {
        let version = value.to_str().ok().and_then(|text| text.trim().strip_prefix('"')?.strip_suffix('"')?.parse::<i64>().ok());
        let version = version.filter(|version| *version > 0);
        let version = version.ok_or_else(|| Refusal::header("if-match", "must be one version in quotes, for example \"7\""))?;
        if !single {
            return Err(Refusal::header("if-match", "belongs to a batch of exactly one mutation"));
        }
        push.terms.if_match = Some(Version(version));
    }
    let strict = |value: &HeaderValue| {
        let asked = value.to_str().unwrap_or_default();
        asked.split([',', ';']).any(|part| part.trim().eq_ignore_ascii_case("handling=strict"))
    };
    if single && headers.get_all("prefer").iter().any(strict) {
        push.terms.atomic = true;
    }
    Ok(())
}

/// Refuses a batch of a device whose schema is not served any more: it keeps its outbox and upgrades.
fn schemas_check(app: &App, push: &Push) -> Answer<()> {
    let stated = push.intents.iter().filter_map(|intent| match intent {
        Intent::Valid(mutation) => Some((mutation.schema_version, &mutation.collection)),
        Intent::Invalid { .. } => None,
    });
    let mut checked = None;
    for stated in stated {
        if checked.replace(stated) != Some(stated) {
            app.service().schema_check(stated.0, std::slice::from_ref(stated.1))?;
        }
    }
    Ok(())
}

/// The attempt is noted before the work, so that a device that never succeeds is visible.
pub(crate) fn start_note(app: &App, client_id: &ClientId, at: Millis, push: &Push) {
    let intents = u32::try_from(push.intents.len()).unwrap_or(u32::MAX);
    let skew_ms = push.sent_at.map(|sent| sent.since(at));
    app.service().contact_note(client_id, at, Contact::PushStarted { intents, skew_ms });
}

/// Telemetry that rides along goes its own way: whatever becomes of it, the push does not wait and does not fail.
fn reports_ingest(app: &App, device: &Device, reports: Vec<tidewatch_protocol::v1::telemetry::ReportRead>) {
    let (service, cx) = (app.service().clone(), device.cx.clone());
    let good: Vec<_> = reports.into_iter().filter_map(Result::ok).collect();
    tokio::spawn(async move {
        if service.telemetry_ingest(&cx, good).await.is_err() {
            metrics::counter!("tidewatch_telemetry_dropped_total", "way" => "with_push").increment(1);
        }
    });
}
