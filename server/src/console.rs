//! The console half: sessions, pages, actions, hints.
//!
//! Pages and actions find who asks in their context ([`tidewatch_app::context::Console`]); the gate has put it there.

pub mod events;
pub mod session_store;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use leptos::nonce::use_nonce;
use leptos::prelude::{FromServerFnError, ServerFnError, provide_context, use_context};
use leptos::server_fn::error::SERVER_FN_ERROR_HEADER;
use leptos_axum::ResponseOptions;
use tidewatch_app::context::Console;
use tidewatch_app::error::FormFailure;
use tidewatch_app::shell::shell_failed;
use tidewatch_protocol::Code;
use tidewatch_service::Cx;
use time::Duration;
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, SessionManagerLayer};

use crate::api::Refusal;
use crate::gate::{SESSION_COOKIE, wants_html};
use crate::state::App;

use session_store::StoredSessions;

/// Bytes of the words with which an action fails, at most.
const FAILURE_BYTES_MAX: usize = 4_096;

/// The session layer. `Lax` and not `Strict`: a link pasted into a chat must open for somebody who is signed in. State changes
/// are refused across sites by the gate, whatever the cookie does.
#[must_use]
pub fn session_layer(app: &App) -> SessionManagerLayer<StoredSessions> {
    let store = StoredSessions { service: app.service().clone(), clock: app.clock().clone() };
    SessionManagerLayer::new(store)
        .with_name(SESSION_COOKIE)
        .with_http_only(true)
        .with_secure(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(Duration::seconds(app.session_idle_s().into())))
}

/// Paths of the pages, from the router of the pages themselves.
#[must_use]
pub fn page_paths() -> Vec<String> {
    leptos_axum::generate_route_list(tidewatch_app::shell::shell).iter().map(|listing| listing.path().to_owned()).collect()
}

/// Renders the page of this address.
pub async fn page(app: App, request: Request) -> Response {
    let Some(context) = context_of(&app, &request) else { return Refusal::internal("a page without a gate").into_response() };
    let provide = move || {
        provide_context(context.clone());
        policy_set();
    };
    let mut response = leptos_axum::render_app_async_with_context(provide, tidewatch_app::shell::shell)(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Runs the action of this address. An action that cannot answer is answered for: the library would lead back to where the form was,
/// with its words in parameters that no page reads.
pub async fn action(app: App, request: Request) -> Response {
    let Some(context) = context_of(&app, &request) else { return Refusal::internal("an action without a gate").into_response() };
    let asked = (request.uri().clone(), request.headers().clone());
    let provided = context.clone();
    let mut response =
        leptos_axum::handle_server_fns_with_context(move || provide_context(provided.clone()), request).await.into_response();
    if response.headers().contains_key(SERVER_FN_ERROR_HEADER) {
        response = action_failed(context, asked, response.into_body()).await;
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What an action that failed is answered with: a page for a browser, a problem for anything else.
async fn action_failed(context: Console, (uri, headers): (Uri, HeaderMap), words: Body) -> Response {
    let words = axum::body::to_bytes(words, FAILURE_BYTES_MAX).await.unwrap_or_default();
    let failure = match <ServerFnError>::de(words) {
        ServerFnError::Args(detail) | ServerFnError::MissingArg(detail) => FormFailure::unreadable(detail),
        _ => FormFailure::ours(),
    };
    if !wants_html(&headers) {
        return match failure.detail {
            Some(detail) => Refusal::new(Code::EnvelopeInvalid, detail).into_response(),
            None => Refusal::new(Code::Internal, "the fault is ours and has been logged").into_response(),
        };
    }
    let mut request = Request::new(Body::empty());
    (*request.uri_mut(), *request.headers_mut()) = (uri, headers);
    let provide = move || {
        provide_context(context.clone());
        policy_set();
    };
    leptos_axum::render_app_async_with_context(provide, move || shell_failed(failure.clone()))(request).await
}

fn context_of(app: &App, request: &Request<Body>) -> Option<Console> {
    let cx = request.extensions().get::<Cx>()?.clone();
    Some(Console { service: app.service().clone(), cx, assets: app.assets().clone() })
}

/// The content security policy of a page. Scripts and style sheets are ours or carry the nonce; style *attributes* are let in for
/// the custom properties of charts and tanks (`docs/adr/0004-style-attributes.md`).
fn policy_set() {
    let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>()) else { return };
    let policy = format!(
        "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self' 'nonce-{nonce}'; \
         style-src-attr 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
    );
    let value = HeaderValue::from_str(&policy).expect("a nonce is plain ASCII");
    response.insert_header(header::CONTENT_SECURITY_POLICY, value);
}
