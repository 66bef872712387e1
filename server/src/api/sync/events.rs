//! `GET /events`: says that scopes of the device moved, never what changed. One stream per device.
//!
//! Nothing is queued per listener: a stream looks at a cell that holds the newest position, so a slow reader misses nothing but
//! repetitions.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::Serialize;
use tidewatch_domain::ids::{Scope, Seq};
use tidewatch_protocol::limits::{EVENTS_COALESCE_MS, EVENTS_HEARTBEAT_S};
use tidewatch_protocol::v1::control::CommandHint;
use tidewatch_protocol::v1::events::{Bye, Hello, Invalidate};
use tidewatch_protocol::{Code, Problem};
use tidewatch_service::auth::Bearer;
use tidewatch_service::fleet::Contact;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::api::error::{Answer, Refusal};
use crate::gate::Device;
use crate::state::App;

/// How often the stream looks whether its token still works.
const TOKEN_LOOK: Duration = Duration::from_secs(15);

/// Opens the stream of a device.
#[utoipa::path(get, path = "/events", tag = "sync", security(("device" = [])),
    responses((status = 200, content_type = "text/event-stream", body = String, description = "`hello`, `invalidate` and `bye` events"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub async fn events_stream(State(app): State<App>, device: Device, request: HeaderMap) -> Answer<Response> {
    let place = app.streams().device_places.clone().try_acquire_owned().map_err(|_| {
        Refusal::from(Problem::new(Code::RateLimited).detail("too many devices listen; poll instead").retry_after_ms(60_000))
    })?;
    app.service().contact_note(&device.client_id, device.cx.now, Contact::Seen);
    let token =
        request.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.get(7..)).unwrap_or_default().trim().to_owned();
    let last_seen = request.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(position);
    let listener = Listener::new(app, device, token, last_seen, place);
    let beat = KeepAlive::new().interval(Duration::from_secs(EVENTS_HEARTBEAT_S.into())).text("beat");
    Ok((headers(), Sse::new(listener.stream()).keep_alive(beat)).into_response())
}

/// Headers that keep proxies from buffering a stream.
#[must_use]
pub fn headers() -> [(HeaderName, HeaderValue); 2] {
    [
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}

/// One event with a JSON body.
pub fn sse(name: &str, id: Option<&str>, body: &impl Serialize) -> Event {
    let event = Event::default().event(name).data(serde_json::to_string(body).expect("an event is JSON"));
    match id {
        Some(id) => event.id(id),
        None => event,
    }
}

/// The position in a cursor text.
fn position(cursor: &str) -> Option<Seq> {
    cursor.split('.').nth(2)?.split('c').next()?.parse().ok().map(Seq)
}

/// One open stream.
struct Listener {
    app: App,
    device: Device,
    token: String,
    seen: Vec<Seq>,
    greeted: bool,
    behind: bool,
    head: watch::Receiver<Seq>,
    /// Commands that wait are to be told of.
    told: bool,
    commands: Option<watch::Receiver<()>>,
    mine: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.app.streams().device_leave(&self.device.client_id, &self.mine);
    }
}

impl Listener {
    fn new(app: App, device: Device, token: String, last_seen: Option<Seq>, place: OwnedSemaphorePermit) -> Self {
        let mine = app.streams().device_take(&device.client_id, app.stopping());
        let head = app.service().head_watch();
        let behind = last_seen.is_some_and(|seen| seen < *head.borrow());
        let seen = app.service().scope_heads(&device.scopes);
        let commands = app.service().commands_watch(&device.client_id);
        let told = app.service().commands_waiting(&device.client_id) > 0;
        Self { app, device, token, seen, greeted: false, behind, head, told, commands, mine, _place: place }
    }

    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        futures::stream::unfold(Some(self), |listener| async move {
            let mut listener = listener?;
            let (event, go_on) = listener.next().await;
            Some((Ok(event), go_on.then_some(listener)))
        })
    }

    async fn next(&mut self) -> (Event, bool) {
        // Not `borrow_and_update`: what moved since the last event is still to be told.
        let head = *self.head.borrow();
        let id = self.app.service().cursor_at(head);
        if !self.greeted {
            self.greeted = true;
            let hello = Hello {
                epoch: self.app.service().epoch().to_string(),
                role: "primary".to_owned(),
                heartbeat_s: EVENTS_HEARTBEAT_S,
            };
            return (sse("hello", Some(&id), &hello), true);
        }
        if std::mem::take(&mut self.told) {
            return (self.command(), true);
        }
        if self.behind {
            self.behind = false;
            return (self.invalidate(self.device.scopes.clone()), true);
        }
        loop {
            let moved = tokio::select! {
                () = self.mine.cancelled() => return (self.bye(), false),
                changed = self.head.changed() => changed.is_ok(),
                () = given(&mut self.commands) => {
                    self.told = true;
                    false
                }
                () = tokio::time::sleep(TOKEN_LOOK) => false,
            };
            if !self.token_works().await {
                return (self.bye(), false);
            }
            if std::mem::take(&mut self.told) {
                return (self.command(), true);
            }
            if moved {
                tokio::time::sleep(Duration::from_millis(EVENTS_COALESCE_MS)).await;
                let scopes = self.scopes_moved();
                if !scopes.is_empty() {
                    return (self.invalidate(scopes), true);
                }
            }
        }
    }

    /// Scopes that moved since the last look.
    fn scopes_moved(&mut self) -> Vec<Scope> {
        self.head.mark_unchanged();
        let now = self.app.service().scope_heads(&self.device.scopes);
        let moved = self.device.scopes.iter().zip(&now).zip(&self.seen).filter(|((_, now), seen)| now > seen);
        let scopes = moved.map(|((scope, _), _)| scope.clone()).collect();
        self.seen = now;
        scopes
    }

    fn invalidate(&self, scopes: Vec<Scope>) -> Event {
        let head = self.app.service().head();
        let body = Invalidate { scopes: scopes.into_iter().map(Scope::into_string).collect(), head: head.0 };
        sse("invalidate", Some(&self.app.service().cursor_at(head)), &body)
    }

    fn command(&self) -> Event {
        let waiting = self.app.service().commands_waiting(&self.device.client_id);
        sse("command", None, &CommandHint { waiting })
    }

    /// A stream outlives neither its token nor the device's rights.
    async fn token_works(&self) -> bool {
        matches!(self.app.service().bearer(self.app.now(), &self.token).await, Ok(Bearer::Known(_)))
    }

    fn bye(&self) -> Event {
        let pause = super::jittered(2_000, self.device.client_id.as_str());
        sse("bye", None, &Bye { reconnect_after_ms: u64::try_from(pause).unwrap_or(2_000) })
    }
}

/// Waits for a command. Without a cell to look at it waits for ever: there is nobody who could be given one.
async fn given(commands: &mut Option<watch::Receiver<()>>) {
    let gone = match commands {
        Some(cell) => cell.changed().await.is_err(),
        None => true,
    };
    if gone {
        std::future::pending::<()>().await;
    }
}
