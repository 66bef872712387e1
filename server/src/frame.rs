//! What surrounds every request: its id, its problem body, the protocol's headers, the access log, the metrics.
//!
//! Invariant: nothing that is logged or counted here can hold a secret: no query string, no header, no body.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tidewatch_protocol::headers;
use tidewatch_protocol::problem::CONTENT_TYPE;

use crate::api::Refusal;
use crate::state::App;

/// The id of a request, in its extensions from the outermost layer on.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether a path belongs to the API, so that everything about it is answered as a problem.
#[must_use]
pub fn is_api(path: &str) -> bool {
    const ROOT: [&str; 11] = [
        "/clients",
        "/changes",
        "/mutations",
        "/events",
        "/telemetry",
        "/dead-letters",
        "/control",
        "/records",
        "/integrity",
        "/snapshots",
        "/conflicts",
    ];
    path.starts_with("/api/")
        || ROOT.iter().any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// Whether a path is text once its escapes are read. No route is anything else, and what the router says of it is no problem body.
fn is_text(path: &str) -> bool {
    let mut bytes = path.bytes();
    let mut read = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let mut digit = || ahead.next().and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        match (byte, digit(), digit()) {
            (b'%', Some(high), Some(low)) => {
                read.push((high << 4) | low);
                bytes = ahead;
            }
            _ => read.push(byte),
        }
    }
    std::str::from_utf8(&read).is_ok()
}

/// The outermost layer.
pub async fn frame(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (id, trace) = (request_id(&request), trace(&request));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));

    let mut response = if is_api(&path) && !is_text(&path) { not_found(request).await } else { next.run(request).await };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        response = problem_write(response, refusal, &id);
    }
    if is_api(&path) && !response.headers().contains_key(headers::SYNC_PROTOCOL) {
        sync_headers_write(&app, &mut response);
    }
    let out = response.headers_mut();
    out.insert(REQUEST_ID, HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-")));
    out.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    out.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if !out.contains_key(header::CONTENT_SECURITY_POLICY) {
        out.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    }

    let (status, took) = (response.status(), started.elapsed());
    metrics::counter!("tidewatch_http_requests_total", "method" => method.to_string(), "route" => route.clone(), "status" => status.as_u16().to_string())
        .increment(1);
    metrics::histogram!("tidewatch_http_request_seconds", "route" => route.clone()).record(took.as_secs_f64());
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if status.is_server_error() {
        tracing::warn!(request_id = id, trace, %method, route, status = status.as_u16(), took_ms, "{method} {route} answered {status}");
    } else {
        tracing::debug!(request_id = id, trace, %method, route, status = status.as_u16(), took_ms, "{method} {route} answered {status}");
    }
    response
}

/// The id that came with the request when it is harmless, else a new one.
fn request_id(request: &Request) -> String {
    let ok = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let sent = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    match sent.filter(|id| (8..=64).contains(&id.len()) && id.bytes().all(ok)) {
        Some(id) => id.to_owned(),
        None => uuid::Uuid::now_v7().to_string(),
    }
}

/// The trace that the request belongs to, by `traceparent` of W3C Trace Context: 32 hex digits.
fn trace(request: &Request) -> Option<String> {
    let mut parts = request.headers().get("traceparent")?.to_str().ok()?.split('-');
    let hex = |text: &&str, length: usize| {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        text.len() == length && digits && text.bytes().any(|byte| byte != b'0')
    };
    // Version 255 is none; a later one than 0 may have more parts.
    parts.next().filter(|version| version.len() == 2 && *version != "ff")?;
    let trace = parts.next().filter(|text| hex(text, 32))?;
    parts.next().filter(|text| hex(text, 16))?;
    Some(trace.to_owned())
}

/// Writes the problem into the answer, and its cause into the log.
fn problem_write(mut response: Response, refusal: Refusal, request_id: &str) -> Response {
    if let Some(cause) = &refusal.cause {
        tracing::error!(request_id, cause, "request {request_id} failed");
    }
    metrics::counter!("tidewatch_problems_total", "code" => refusal.code()).increment(1);
    let mut problem = *refusal.problem;
    problem.trace_id = Some(request_id.to_owned());
    let bytes = serde_json::to_vec(&problem).expect("a problem is JSON");
    *response.body_mut() = Body::from(bytes);
    let out = response.headers_mut();
    out.remove(header::CONTENT_LENGTH);
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn sync_headers_write(app: &App, response: &mut Response) {
    let service = app.service();
    let out = response.headers_mut();
    let text = |value: String| HeaderValue::from_str(&value).expect("our values are plain ASCII");
    out.insert(headers::SYNC_PROTOCOL, HeaderValue::from(headers::PROTOCOL_VERSION));
    out.insert(headers::SYNC_ROLE, HeaderValue::from_static("primary"));
    out.insert(headers::SYNC_EPOCH, text(service.epoch().to_string()));
    out.insert(headers::SYNC_HEAD, HeaderValue::from(service.head().0));
    out.insert(headers::SYNC_SERVER_TIME, text(app.now().to_string()));
}

/// What a panic in a handler is answered with.
pub fn panic_response(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let words = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    metrics::counter!("tidewatch_panics_total").increment(1);
    Refusal::internal(words.unwrap_or("a panic without words")).into_response()
}

/// What an unknown API path is answered with.
pub async fn not_found(request: Request) -> Response {
    let path = request.uri().path().chars().take(120).collect::<String>();
    Refusal::new(tidewatch_protocol::Code::NotFound, format!("there is no route {path}")).into_response()
}

/// What a known path answers to another method. axum has set `Allow` already.
pub async fn method_not_allowed() -> Response {
    let mut response = Refusal::new(tidewatch_protocol::Code::MethodNotAllowed, "see the Allow header").into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_text_or_it_is_no_path_of_ours() {
        for path in ["/api/v1/devices/x", "/api/v1/devices/%C3%A9", "/api/v1/devices/100%", "/api/v1/devices/%zz%2", "/a/%25ff"] {
            assert!(is_text(path), "{path}");
        }
        for path in ["/api/v1/devices/%ff", "/api/v1/devices/%C3", "/api/v1/%E2%82/x"] {
            assert!(!is_text(path), "{path}");
        }
    }
}
