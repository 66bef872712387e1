//! Every route, and who may take it. [`routes`] is the one list; the router is made from it, and the authorisation matrix is tested
//! against it.

use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, on, post, put};
use tidewatch_app::paths;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::limit::RequestBodyLimitLayer;

use crate::api::{adapters, control, openapi, sync, system, v1};
use crate::gate::{Access, Gate, gate, wants_html};
use crate::state::App;
use crate::{assets, console, export, frame};

/// Bytes of a form of the console: five hundred ticked entries and a correction fit in a tenth of it.
const FORM_BYTES_MAX: usize = 1024 * 1024;
/// Brotli quality of pages: half again smaller than the fastest.
const HTML_QUALITY: i32 = 5;

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    /// Method.
    pub method: Method,
    /// Path, with `{names}` for parameters.
    pub path: String,
    /// Who may take it.
    pub access: Access,
}

struct Routed {
    entry: RouteEntry,
    handler: MethodRouter<App>,
}

fn route(method: Method, path: impl Into<String>, access: Access, handler: MethodRouter<App>) -> Routed {
    Routed { entry: RouteEntry { method, path: path.into(), access }, handler }
}

/// Every route of the server but the built files, which are open to everybody.
fn all(app: &App) -> Vec<Routed> {
    use Access::{Action, BodySecret, Device, Enrolment, Public, Staff, Stream};
    let mut all = vec![
        route(Method::GET, "/healthz", Public, get(system::healthz)),
        route(Method::GET, "/readyz", Public, get(system::readyz)),
        route(Method::GET, "/metrics", Public, get(system::metrics)),
        route(Method::GET, "/api/openapi.json", Public, get(openapi::openapi)),
        route(Method::GET, "/api/v1/resilience-report", Staff, get(v1::report::resilience_report)),
        route(Method::GET, "/api/v1/devices", Staff, get(v1::devices::devices_list)),
        route(Method::GET, "/api/v1/devices/{client_id}", Staff, get(v1::devices::device_view)),
        route(Method::GET, "/api/v1/devices/{client_id}/commands", Staff, get(v1::commands::commands_list)),
        route(Method::POST, "/api/v1/devices/{client_id}/commands", Staff, post(v1::commands::command_issue)),
        route(Method::GET, "/api/v1/commands/{id}", Staff, get(v1::commands::command_view)),
        route(Method::GET, "/api/v1/commands/{id}/logs", Staff, get(v1::commands::command_logs)),
        route(Method::POST, "/api/v1/commands/{id}/cancel", Staff, post(v1::commands::command_cancel)),
        route(Method::GET, "/api/v1/outbox", Staff, get(v1::outbox::outbox_report)),
        route(Method::GET, "/api/v1/outbox/entries", Staff, get(v1::outbox::outbox_entries)),
        route(Method::GET, "/api/v1/outbox/devices", Staff, get(v1::entry::outbox_devices)),
        route(Method::GET, "/api/v1/outbox/entries/{client_id}/{operation_id}", Staff, get(v1::entry::entry_view)),
        route(Method::POST, "/api/v1/outbox/entries/{client_id}/{operation_id}/reveal", Staff, post(v1::entry::entry_reveal)),
        route(Method::POST, "/api/v1/outbox/drain/previews", Staff, post(v1::drain::preview_create)),
        route(Method::GET, "/api/v1/outbox/drain/previews/{set}", Staff, get(v1::drain::preview_view)),
        route(Method::GET, "/api/v1/outbox/drain/previews/{set}/items", Staff, get(v1::drain::preview_items)),
        route(Method::POST, "/api/v1/outbox/drain/jobs", Staff, post(v1::drain::job_submit)),
        route(Method::GET, "/api/v1/outbox/drain/jobs", Staff, get(v1::drain::jobs_list)),
        route(Method::GET, "/api/v1/outbox/drain/jobs/{id}", Staff, get(v1::drain::job_view)),
        route(Method::GET, "/api/v1/outbox/drain/jobs/{id}/items", Staff, get(v1::drain::job_items)),
        route(Method::POST, "/api/v1/outbox/drain/jobs/{id}/retry-failed", Staff, post(v1::drain::job_retry_failed)),
        route(Method::POST, "/api/v1/outbox/drain/jobs/{id}/{change}", Staff, post(v1::drain::job_change)),
        route(Method::POST, "/api/v1/outbox/entries/{client_id}/{operation_id}/dry-run", Staff, post(v1::drain::entry_dry_run)),
        route(Method::GET, "/api/v1/outbox/purges", Staff, get(v1::purges::purges_list)),
        route(Method::POST, "/api/v1/outbox/purges", Staff, post(v1::purges::purge_ask)),
        route(Method::GET, "/api/v1/outbox/purges/{id}", Staff, get(v1::purges::purge_view)),
        route(Method::GET, "/api/v1/changes", Staff, get(v1::changes::changes_list)),
        route(Method::GET, "/api/v1/operations/{operation_id}", Staff, get(v1::changes::operation_trace)),
        route(Method::GET, "/api/v1/audit", Staff, get(v1::audit::audit_list)),
        route(Method::GET, format!("{}/{{file}}", paths::EXPORT), Staff, get(export::export_list)),
        route(Method::GET, format!("{}/{{key}}", paths::EXPORT_MANIFESTS), Staff, get(export::manifests::manifest_view)),
        route(Method::GET, "/console/events", Action, get(console::events::hints)),
    ];
    all.extend(adapter_routes());
    for prefix in ["", "/api/v1/sync"] {
        let path = |tail: &str| format!("{prefix}{tail}");
        all.extend([
            route(Method::POST, path("/clients"), Enrolment, post(sync::clients::client_register)),
            route(Method::POST, path("/clients/token"), BodySecret, post(sync::clients::client_token)),
            route(Method::GET, path("/changes"), Device, get(sync::changes::changes_page)),
            route(Method::POST, path("/changes"), Device, post(sync::subscriptions::subscriptions_page)),
            route(Method::POST, path("/mutations"), Device, post(sync::mutations::mutations_push)),
            route(Method::POST, path("/mutations/status"), Device, post(sync::status::mutations_status)),
            route(Method::GET, path("/events"), Stream, get(sync::events::events_stream)),
            route(Method::POST, path("/events/ticket"), Device, post(sync::tickets::ticket_issue)),
            route(Method::GET, path("/records/{collection}/{record_id}"), Device, get(sync::records::record_view)),
            route(Method::GET, path("/records/{collection}/{record_id}/history"), Device, get(sync::records::record_history)),
            route(Method::POST, path("/records/backfill"), Device, post(sync::backfill::backfill_page)),
            route(Method::GET, path("/integrity"), Device, get(sync::records::integrity)),
            route(Method::GET, path("/snapshots"), Device, get(sync::snapshots::snapshot_take)),
            route(Method::GET, path("/snapshots/{id}"), Device, get(sync::snapshots::snapshot_view)),
            route(Method::GET, path("/snapshots/{id}/parts/{n}"), Device, get(sync::snapshots::snapshot_part)),
            route(Method::GET, path("/conflicts"), Device, get(sync::conflicts::conflicts_list)),
            route(Method::POST, path("/conflicts/{conflict_id}/resolution"), Device, post(sync::conflicts::conflict_resolve)),
            route(Method::POST, path("/dead-letters"), Device, post(sync::dead_letters::dead_letters_report)),
            route(Method::POST, path("/telemetry"), Device, post(sync::telemetry::telemetry_ingest)),
        ]);
        all.extend(control_routes(prefix));
    }
    all.extend(page_routes(app));
    all.extend(action_routes(app));
    all
}

/// The control channel.
fn control_routes(prefix: &str) -> [Routed; 5] {
    use Access::{Control, Public};
    let path = |tail: &str| format!("{prefix}{tail}");
    [
        route(Method::GET, path("/control/commands"), Control, get(control::commands_poll)),
        route(Method::POST, path("/control/commands/{id}/status"), Control, post(control::command_report)),
        route(Method::POST, path("/control/escrow"), Control, post(control::escrow_put)),
        route(Method::POST, path("/control/logs"), Control, post(control::logs_put)),
        route(Method::GET, path("/control/keys"), Public, get(control::control_keys)),
    ]
}

/// What apps with protocols of their own call.
fn adapter_routes() -> [Routed; 10] {
    use Access::Device;
    use adapters::{arxos, queues};
    let mobile = |tail: &str| format!("/api/v1/mobile{tail}");
    [
        route(Method::POST, mobile("/sync/batch"), Device, post(arxos::batch_sync)),
        route(Method::GET, mobile("/equipment/building/{id}/updates"), Device, get(arxos::equipment_updates)),
        route(Method::POST, mobile("/equipment"), Device, post(arxos::equipment_create)),
        route(Method::POST, mobile("/equipment/{id}"), Device, post(arxos::equipment_create_named)),
        route(Method::PUT, mobile("/equipment/{id}"), Device, put(arxos::equipment_update)),
        route(Method::DELETE, mobile("/equipment/{id}"), Device, delete(arxos::equipment_delete)),
        route(Method::POST, "/api/v1/adapters/asyncstorage/items", Device, post(queues::asyncstorage_push)),
        route(Method::POST, "/api/v1/adapters/asyncstorage/dead-letters", Device, post(queues::asyncstorage_dead)),
        route(Method::POST, "/api/v1/adapters/posalpro/events", Device, post(queues::posalpro_push)),
        route(Method::POST, "/api/v1/adapters/prism/operations", Device, post(queues::prism_push)),
    ]
}

fn page_routes(app: &App) -> impl Iterator<Item = Routed> {
    let app = app.clone();
    console::page_paths().into_iter().map(move |path| {
        let access = if path == paths::SIGN_IN { Access::PublicPage } else { Access::Page };
        let app = app.clone();
        route(Method::GET, path, access, get(move |request: Request| console::page(app.clone(), request)))
    })
}

fn action_routes(app: &App) -> impl Iterator<Item = Routed> {
    let app = app.clone();
    leptos::server_fn::axum::server_fn_paths().map(move |(path, method)| {
        let access = if path.ends_with("/session/sign_in") { Access::SignIn } else { Access::Action };
        let app = app.clone();
        let filter = axum::routing::MethodFilter::try_from(method.clone()).expect("server functions are GET or POST");
        let handler = on(filter, move |request: Request| console::action(app.clone(), request));
        route(method, path, access, handler.layer(RequestBodyLimitLayer::new(FORM_BYTES_MAX)))
    })
}

/// The list of routes, without their handlers.
#[must_use]
pub fn routes(app: &App) -> Vec<RouteEntry> {
    all(app).into_iter().map(|routed| routed.entry).collect()
}

/// The router.
pub fn router(app: &App) -> Router {
    let mut router: Router<App> = Router::new();
    for Routed { entry, handler } in all(app) {
        let gate = from_fn_with_state(Gate { app: app.clone(), access: entry.access }, gate);
        router = router.route(&entry.path, handler.layer(gate));
    }
    layered(app, router)
}

fn layered(app: &App, router: Router<App>) -> Router {
    let gate = from_fn_with_state(Gate { app: app.clone(), access: Access::Page }, gate);
    let page_app = app.clone();
    let page = get(move |request: Request| console::page(page_app.clone(), request)).layer(gate).with_state::<()>(app.clone());
    router
        .fallback(move |request: Request| unknown(page.clone(), request))
        .method_not_allowed_fallback(frame::method_not_allowed)
        .layer(console::session_layer(app))
        .layer(CatchPanicLayer::custom(frame::panic_response))
        .layer(from_fn_with_state(app.clone(), frame::frame))
        .layer(html_compression())
        .layer(compression())
        .with_state(app.clone())
        .merge(assets::router())
}

/// An address without a route: a page that says so for people who are signed in, a problem for programs.
async fn unknown(page: MethodRouter, request: Request) -> Response {
    if !frame::is_api(request.uri().path()) && wants_html(request.headers()) && request.method() == Method::GET {
        return page.oneshot(request).await.into_response();
    }
    frame::not_found(request).await
}

/// Pages travel far and are small: they are worth a few milliseconds.
fn html_compression() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().quality(CompressionLevel::Precise(HTML_QUALITY)).compress_when(IsHtml)
}

/// A page of the console.
#[derive(Clone, Copy, Debug)]
struct IsHtml;

impl Predicate for IsHtml {
    fn should_compress<B: HttpBody>(&self, response: &http::Response<B>) -> bool {
        let kind = response.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        kind.is_some_and(|kind| kind.starts_with("text/html"))
    }
}

/// Compresses everything else that is worth it, fast; event streams and pictures are left alone.
fn compression() -> CompressionLayer<impl Predicate> {
    let bytes_min = u16::try_from(tidewatch_protocol::limits::COMPRESS_BYTES_MIN).unwrap_or(u16::MAX);
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(bytes_min).and(NotForContentType::SSE).and(NotForContentType::IMAGES))
}
