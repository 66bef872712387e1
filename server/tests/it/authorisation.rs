//! Who may take which route: every route with every kind of credential. A route that is missing here fails the test.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Method;
use serde_json::json;
use tidewatch_domain::role::Role;
use tidewatch_server::gate::Access;
use tidewatch_server::router::routes;
use tidewatch_testkit::{Reply, TestApp, Visitor};

/// Every route that is not a page or an action, with who may take it.
const API: [(&str, &str, Access); 94] = [
    ("GET", "/healthz", Access::Public),
    ("GET", "/readyz", Access::Public),
    ("GET", "/metrics", Access::Public),
    ("GET", "/api/openapi.json", Access::Public),
    ("GET", "/api/v1/resilience-report", Access::Staff),
    ("GET", "/api/v1/devices", Access::Staff),
    ("GET", "/api/v1/devices/{client_id}", Access::Staff),
    ("GET", "/api/v1/devices/{client_id}/commands", Access::Staff),
    ("POST", "/api/v1/devices/{client_id}/commands", Access::Staff),
    ("GET", "/api/v1/commands/{id}", Access::Staff),
    ("GET", "/api/v1/commands/{id}/logs", Access::Staff),
    ("POST", "/api/v1/commands/{id}/cancel", Access::Staff),
    ("GET", "/api/v1/outbox", Access::Staff),
    ("GET", "/api/v1/outbox/entries", Access::Staff),
    ("GET", "/api/v1/outbox/devices", Access::Staff),
    ("GET", "/api/v1/outbox/entries/{client_id}/{operation_id}", Access::Staff),
    ("POST", "/api/v1/outbox/entries/{client_id}/{operation_id}/reveal", Access::Staff),
    ("POST", "/api/v1/outbox/drain/previews", Access::Staff),
    ("GET", "/api/v1/outbox/drain/previews/{set}", Access::Staff),
    ("GET", "/api/v1/outbox/drain/previews/{set}/items", Access::Staff),
    ("POST", "/api/v1/outbox/drain/jobs", Access::Staff),
    ("GET", "/api/v1/outbox/drain/jobs", Access::Staff),
    ("GET", "/api/v1/outbox/drain/jobs/{id}", Access::Staff),
    ("GET", "/api/v1/outbox/drain/jobs/{id}/items", Access::Staff),
    ("POST", "/api/v1/outbox/drain/jobs/{id}/retry-failed", Access::Staff),
    ("POST", "/api/v1/outbox/drain/jobs/{id}/{change}", Access::Staff),
    ("POST", "/api/v1/outbox/entries/{client_id}/{operation_id}/dry-run", Access::Staff),
    ("GET", "/api/v1/outbox/purges", Access::Staff),
    ("POST", "/api/v1/outbox/purges", Access::Staff),
    ("GET", "/api/v1/outbox/purges/{id}", Access::Staff),
    ("GET", "/api/v1/changes", Access::Staff),
    ("GET", "/api/v1/operations/{operation_id}", Access::Staff),
    ("GET", "/api/v1/audit", Access::Staff),
    ("GET", "/export/{file}", Access::Staff),
    ("GET", "/export/manifests/{key}", Access::Staff),
    ("GET", "/console/events", Access::Action),
    ("POST", "/api/v1/mobile/sync/batch", Access::Device),
    ("GET", "/api/v1/mobile/equipment/building/{id}/updates", Access::Device),
    ("POST", "/api/v1/mobile/equipment", Access::Device),
    ("POST", "/api/v1/mobile/equipment/{id}", Access::Device),
    ("PUT", "/api/v1/mobile/equipment/{id}", Access::Device),
    ("DELETE", "/api/v1/mobile/equipment/{id}", Access::Device),
    ("POST", "/api/v1/adapters/asyncstorage/items", Access::Device),
    ("POST", "/api/v1/adapters/asyncstorage/dead-letters", Access::Device),
    ("POST", "/api/v1/adapters/posalpro/events", Access::Device),
    ("POST", "/api/v1/adapters/prism/operations", Access::Device),
    ("POST", "/clients", Access::Enrolment),
    ("POST", "/clients/token", Access::BodySecret),
    ("GET", "/changes", Access::Device),
    ("POST", "/changes", Access::Device),
    ("POST", "/mutations", Access::Device),
    ("POST", "/mutations/status", Access::Device),
    ("GET", "/events", Access::Stream),
    ("GET", "/records/{collection}/{record_id}", Access::Device),
    ("GET", "/records/{collection}/{record_id}/history", Access::Device),
    ("POST", "/records/backfill", Access::Device),
    ("GET", "/integrity", Access::Device),
    ("GET", "/snapshots", Access::Device),
    ("GET", "/snapshots/{id}", Access::Device),
    ("GET", "/snapshots/{id}/parts/{n}", Access::Device),
    ("GET", "/conflicts", Access::Device),
    ("POST", "/conflicts/{conflict_id}/resolution", Access::Device),
    ("POST", "/events/ticket", Access::Device),
    ("POST", "/telemetry", Access::Device),
    ("POST", "/dead-letters", Access::Device),
    ("GET", "/control/commands", Access::Control),
    ("POST", "/control/commands/{id}/status", Access::Control),
    ("POST", "/control/escrow", Access::Control),
    ("POST", "/control/logs", Access::Control),
    ("GET", "/control/keys", Access::Public),
    ("POST", "/api/v1/sync/clients", Access::Enrolment),
    ("POST", "/api/v1/sync/clients/token", Access::BodySecret),
    ("GET", "/api/v1/sync/changes", Access::Device),
    ("POST", "/api/v1/sync/changes", Access::Device),
    ("POST", "/api/v1/sync/mutations", Access::Device),
    ("POST", "/api/v1/sync/mutations/status", Access::Device),
    ("GET", "/api/v1/sync/events", Access::Stream),
    ("GET", "/api/v1/sync/records/{collection}/{record_id}", Access::Device),
    ("GET", "/api/v1/sync/records/{collection}/{record_id}/history", Access::Device),
    ("POST", "/api/v1/sync/records/backfill", Access::Device),
    ("GET", "/api/v1/sync/integrity", Access::Device),
    ("GET", "/api/v1/sync/snapshots", Access::Device),
    ("GET", "/api/v1/sync/snapshots/{id}", Access::Device),
    ("GET", "/api/v1/sync/snapshots/{id}/parts/{n}", Access::Device),
    ("GET", "/api/v1/sync/conflicts", Access::Device),
    ("POST", "/api/v1/sync/conflicts/{conflict_id}/resolution", Access::Device),
    ("POST", "/api/v1/sync/events/ticket", Access::Device),
    ("POST", "/api/v1/sync/telemetry", Access::Device),
    ("POST", "/api/v1/sync/dead-letters", Access::Device),
    ("GET", "/api/v1/sync/control/commands", Access::Control),
    ("POST", "/api/v1/sync/control/commands/{id}/status", Access::Control),
    ("POST", "/api/v1/sync/control/escrow", Access::Control),
    ("POST", "/api/v1/sync/control/logs", Access::Control),
    ("GET", "/api/v1/sync/control/keys", Access::Public),
];

/// Pages and actions of the console.
const CONSOLE: [(&str, &str, Access); 38] = [
    ("GET", "/", Access::Page),
    ("GET", "/devices", Access::Page),
    ("GET", "/commands/{id}", Access::Page),
    ("GET", "/devices/{id}", Access::Page),
    ("GET", "/devices/{id}/outbox", Access::Page),
    ("GET", "/devices/{id}/commands", Access::Page),
    ("GET", "/devices/{id}/metrics", Access::Page),
    ("GET", "/outbox", Access::Page),
    ("GET", "/outbox/collections", Access::Page),
    ("GET", "/outbox/devices", Access::Page),
    ("GET", "/outbox/entries", Access::Page),
    ("GET", "/outbox/entries/{device}/{operation}", Access::Page),
    ("GET", "/outbox/groups/{id}", Access::Page),
    ("GET", "/outbox/drain/patch", Access::Page),
    ("GET", "/outbox/drain/{set}", Access::Page),
    ("GET", "/outbox/drain/{set}/items", Access::Page),
    ("GET", "/outbox/jobs", Access::Page),
    ("GET", "/outbox/jobs/{id}", Access::Page),
    ("GET", "/outbox/jobs/{id}/items", Access::Page),
    ("GET", "/outbox/purges", Access::Page),
    ("GET", "/log", Access::Page),
    ("GET", "/operations", Access::Page),
    ("GET", "/operations/{id}", Access::Page),
    ("GET", "/audit", Access::Page),
    ("GET", "/legend", Access::Page),
    ("GET", "/palette", Access::Page),
    ("GET", "/sign-in", Access::PublicPage),
    ("POST", "/console/commands/cancel", Access::Action),
    ("POST", "/console/commands/send", Access::Action),
    ("POST", "/console/drain/again", Access::Action),
    ("POST", "/console/drain/choose", Access::Action),
    ("POST", "/console/drain/freeze", Access::Action),
    ("POST", "/console/drain/start", Access::Action),
    ("POST", "/console/drain/step", Access::Action),
    ("POST", "/console/outbox/reveal", Access::Action),
    ("POST", "/console/palette/search", Access::Action),
    ("POST", "/console/session/sign_in", Access::SignIn),
    ("POST", "/console/session/sign_out", Access::Action),
];

#[tokio::test]
async fn the_lists_above_are_the_routes_of_the_router() {
    let app = TestApp::new().await;
    let real: BTreeSet<String> =
        routes(app.state()).iter().map(|route| format!("{} {} {:?}", route.method, route.path, route.access)).collect();
    let listed: BTreeSet<String> =
        API.iter().chain(&CONSOLE).map(|(method, path, access)| format!("{method} {path} {access:?}")).collect();
    assert_eq!(real, listed);
}

/// Kinds of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nobody,
    Rubbish,
    Enrolment,
    Device,
    ApiToken,
    Session,
}

/// Whether a route lets a credential through to its handler.
fn may(access: Access, kind: Kind) -> bool {
    match access {
        Access::Public | Access::BodySecret => true,
        Access::Enrolment => kind == Kind::Enrolment,
        Access::Device | Access::Control | Access::Stream => kind == Kind::Device,
        Access::Staff => matches!(kind, Kind::ApiToken | Kind::Session),
        Access::Page | Access::Action => kind == Kind::Session,
        Access::PublicPage | Access::SignIn => matches!(kind, Kind::Nobody | Kind::Session),
    }
}

async fn ask(visitor: &Visitor, method: &str, path: &str, access: Access) -> Reply {
    let path = path
        .replace("{client_id}", "00000000-0000-4000-8000-000000000009")
        .replace("{operation_id}", "op-9")
        .replace("{collection}", "notes")
        .replace("{record_id}", "n-9")
        .replace("{conflict_id}", "cf_9")
        .replace("{file}", "devices.csv")
        .replace("{key}", "9")
        .replace("{id}", "9")
        .replace("{n}", "1");
    if method == "GET" {
        return visitor.get(&path).await;
    }
    if matches!(method, "PUT" | "DELETE") {
        let method = method.parse().expect("a method");
        return visitor.send(visitor.request(method, &path, &[("content-type", "application/json")], Bytes::from("{}"))).await;
    }
    let form = matches!(access, Access::Action | Access::SignIn);
    let (kind, body) =
        if form { ("application/x-www-form-urlencoded", String::new()) } else { ("application/json", json!({}).to_string()) };
    visitor.post_with(&path, &[("content-type", kind), ("sec-fetch-site", "same-origin")], Bytes::from(body)).await
}

/// Whether the gate turned the request away. A route that streams for ever is cut off after its first answer.
fn turned_away(reply: &Reply) -> bool {
    let to_sign_in = reply.status() == 303 && reply.header("location").starts_with("/sign-in");
    reply.status() == 401 || to_sign_in
}

#[tokio::test]
async fn every_route_lets_in_whom_it_is_for_and_nobody_else() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let visitors = [
        (Kind::Nobody, app.anonymous()),
        (Kind::Rubbish, app.anonymous().with_bearer("twd_0000000000000000")),
        (Kind::Enrolment, app.enrolment("e1").await),
        (Kind::Device, device.http().clone()),
        (Kind::ApiToken, app.api("ci", Role::Viewer).await),
        (Kind::Session, app.viewer().await),
    ];
    let mut wrong = Vec::new();
    for (method, path, access) in API.into_iter().chain(CONSOLE) {
        for (kind, visitor) in &visitors {
            let streams = method == "GET" && path.ends_with("/events") && may(access, *kind);
            let passed = if streams {
                visitor.listen(path, &[]).await.status.is_success()
            } else if path.ends_with("/sign_out") && *kind == Kind::Session {
                continue; // It would end the session that the other rows need; `sessions.rs` signs out.
            } else {
                !turned_away(&ask(visitor, method, path, access).await)
            };
            if passed != may(access, *kind) {
                wrong.push(format!("{method} {path} with {kind:?}: {}", if passed { "let in" } else { "turned away" }));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_console_cookie_on_the_device_api_and_a_device_token_on_a_page_are_told_what_is_needed() {
    let app = TestApp::new().await;
    let (device, viewer) = (app.device("d1").await, app.viewer().await);
    let refused = viewer.get("/changes").await;
    assert_eq!(refused.refusal(), "401 credential_required");
    assert!(
        refused.problem().detail.is_some_and(|detail| detail.contains("access token of a device") && detail.contains("session"))
    );
    let refused = device.http().page("/devices").await;
    assert_eq!(refused.refusal(), "401 credential_required");
    assert!(refused.problem().detail.is_some_and(|detail| detail.contains("need a session")));
    let refused = device.http().get("/api/v1/devices").await.problem();
    assert!(refused.detail.is_some_and(|detail| detail.contains("the access token of a device was sent")));
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_are_problems_on_the_api() {
    let app = TestApp::new().await;
    assert_eq!(app.anonymous().get("/api/v1/nothing").await.refusal(), "404 not_found");
    assert_eq!(app.anonymous().get("/mutations/nothing").await.refusal(), "404 not_found");
    let reply = app.anonymous().send(app.anonymous().request(Method::DELETE, "/mutations", &[], Bytes::new())).await;
    assert_eq!(reply.refusal(), "405 method_not_allowed");
    assert_eq!(reply.header("allow"), "POST");
}

#[tokio::test]
async fn a_device_that_claims_to_be_another_is_refused() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let reply = one.http().get_with("/changes", &[("sync-client", two.client_id.as_str())]).await;
    assert_eq!(reply.refusal(), "400 header_invalid sync-client");
    assert_eq!(one.http().post("/mutations", &two.batch(&[])).await.refusal(), "403 forbidden client_id");
    let body = json!({"client_id": two.client_id, "operation_ids": []});
    assert_eq!(one.http().post("/mutations/status", &body).await.refusal(), "403 forbidden client_id");
    let body = json!({"client_id": two.client_id, "reports": []});
    assert_eq!(one.http().post("/telemetry", &body).await.refusal(), "403 forbidden client_id");
}
