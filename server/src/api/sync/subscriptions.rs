//! `POST /changes`: several subscriptions of one device in one answer.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use tidewatch_domain::ids::Scope;
use tidewatch_domain::sync::{FeedPage, FeedQuery};
use tidewatch_protocol::v1::subscriptions::{
    SubscriptionState, SubscriptionsPage, SubscriptionsRead, SubscriptionsRequest, subscriptions_read, subscriptions_text,
};
use tidewatch_protocol::{Problem, Timestamp};
use tidewatch_service::fleet::Contact;
use tidewatch_service::sync::Subscribed;

use crate::api::body::JsonBody;
use crate::api::error::{Answer, cursor_problem};
use crate::api::sync::changes::{news_wait, page_position, schema_check};
use crate::api::sync::pause;
use crate::gate::Device;
use crate::state::App;

/// Reads the next page of several subscriptions.
#[utoipa::path(post, path = "/changes", tag = "sync", security(("device" = [])), request_body = SubscriptionsRequest,
    responses((status = 200, body = SubscriptionsPage), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn subscriptions_page(
    State(app): State<App>,
    device: Device,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Answer<Response> {
    let started = Instant::now();
    let SubscriptionsRead { mut queries, limit, wait_s } = subscriptions_read(&body)?;
    for query in &mut queries {
        query.schema = schema_check(&app, &headers, &query.collections)?;
    }
    let idle = || app.service().subscriptions_idle(&device.cx, &queries);
    news_wait(&app, Duration::from_secs(wait_s.into()), idle).await;
    let read = app.service().subscriptions_page(&device.cx, &queries, limit).await?;
    let (mut states, mut pages) = (Vec::with_capacity(queries.len()), Vec::with_capacity(queries.len()));
    for (query, subscribed) in queries.iter().zip(read) {
        let scope = &query.scopes[0];
        states.push(state(scope, query, &subscribed));
        if let Subscribed::Page(page) = subscribed {
            note(&app, &device, scope, &page, started);
            pages.push(*page);
        }
    }
    let everything = queries.iter().any(|query| query.collections.is_empty());
    let looked_at = if everything { Vec::new() } else { queries.iter().flat_map(|query| query.collections.clone()).collect() };
    let pause = if states.iter().any(|state| state.has_more) { 0 } else { pause(&app, &device, &looked_at) };
    let text = subscriptions_text(states, &pages, &app.service().epoch().to_string(), Timestamp(app.now()), pause);
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], text).into_response())
}

fn state(scope: &Scope, query: &FeedQuery, subscribed: &Subscribed) -> SubscriptionState {
    match subscribed {
        Subscribed::Page(page) => SubscriptionState::after(scope, page),
        Subscribed::Waiting => SubscriptionState::waiting(scope, query.since.clone()),
        Subscribed::Revoked => SubscriptionState::revoked(scope),
        Subscribed::Refused(refusal) => SubscriptionState::refused(scope, cursor_problem(refusal)),
    }
}

fn note(app: &App, device: &Device, scope: &Scope, page: &FeedPage, started: Instant) {
    let contact = Contact::Pulled {
        scopes: vec![scope.clone()],
        to: page_position(page, app.service().head()),
        rows: u32::try_from(page.rows.len()).unwrap_or(u32::MAX),
        took_ms: started.elapsed().as_secs_f64() * 1_000.0,
    };
    app.service().contact_note(&device.client_id, app.now(), contact);
}
