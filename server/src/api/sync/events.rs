//! `GET /events`: says that scopes of the device moved, never what changed. One stream per device.
//!
//! Nothing is queued per listener: a stream looks at a cell that holds the newest position, so a slow reader misses nothing but
//! repetitions.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::Serialize;
use tidewatch_domain::ids::{CollectionName, Scope, Seq};
use tidewatch_protocol::limits::{EVENTS_COALESCE_MS, EVENTS_HEARTBEAT_S};
use tidewatch_protocol::v1::control::CommandHint;
use tidewatch_protocol::v1::events::{Bye, Hello, SchemaMoved, ScopesNamed};
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
    params(("ticket" = Option<String>, Query, description = "in place of the token, for browsers; see `POST /events/ticket`")),
    responses((status = 200, content_type = "text/event-stream", body = String,
            description = "`hello`, `invalidate`, `conflict`, `revoke`, `schema` and `bye` events"),
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

/// Where these scopes are now.
fn looked(app: &App, scopes: &[Scope]) -> HashMap<Scope, Seen> {
    let (heads, conflicts) = (app.service().scope_heads(scopes), app.service().conflict_heads(scopes));
    let each = scopes.iter().cloned().zip(heads.into_iter().zip(conflicts));
    each.map(|(scope, (head, conflict))| (scope, Seen { head, conflict })).collect()
}

/// The newest word on the configuration of collections.
fn schema_head(app: &App) -> Seq {
    app.service().scope_heads(&[Scope::of_collections()]).first().copied().unwrap_or_default()
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
    /// Scopes that it is told of, with what was told.
    seen: HashMap<Scope, Seen>,
    /// The same of the configuration of collections.
    schema: Seq,
    /// What is to be said next: a few events at most, made at one look.
    waiting: VecDeque<Event>,
    greeted: bool,
    behind: bool,
    head: watch::Receiver<Seq>,
    /// Commands that wait are to be told of.
    told: bool,
    commands: Option<watch::Receiver<()>>,
    mine: CancellationToken,
    _place: OwnedSemaphorePermit,
}

/// Positions that a listener has been told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    head: Seq,
    conflict: Seq,
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
        let (seen, schema) = (looked(&app, &device.scopes), schema_head(&app));
        let commands = app.service().commands_watch(&device.client_id);
        let told = app.service().commands_waiting(&device.client_id, app.now()) > 0;
        let waiting = VecDeque::new();
        Self { app, device, token, seen, schema, waiting, greeted: false, behind, head, told, commands, mine, _place: place }
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
            return (self.moved("invalidate", self.device.scopes.clone(), None), true);
        }
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return (event, true);
            }
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
                self.look();
            }
        }
    }

    /// Finds out what is new since the last look. Rights come first: what is closed is not told of any more.
    fn look(&mut self) {
        self.head.mark_unchanged();
        let scopes = self.app.service().device_scopes(&self.device.client_id).to_vec();
        let closed: Vec<Scope> = self.device.scopes.iter().filter(|scope| !scopes.contains(scope)).cloned().collect();
        let now = looked(&self.app, &scopes);
        let before = |scope: &Scope| self.seen.get(scope).copied().unwrap_or_default();
        let moved = |scope: &&Scope| now.get(*scope).is_some_and(|now| now.head > before(scope).head);
        let disputed = |scope: &&Scope| now.get(*scope).is_some_and(|now| now.conflict > before(scope).conflict);
        let invalid: Vec<Scope> = scopes.iter().filter(moved).cloned().collect();
        let conflicts: Vec<Scope> = scopes.iter().filter(disputed).cloned().collect();
        let schema = schema_head(&self.app);
        // Of a scope that was not told of before it is not known what has changed.
        let above: Option<Vec<(Scope, Seq)>> =
            invalid.iter().map(|scope| Some((scope.clone(), self.seen.get(scope)?.head))).collect();
        let collections = above.and_then(|above| self.app.service().collections_moved(&above));
        let mut collections = collections.map(|names| names.into_iter().map(CollectionName::into_string).collect());
        for (name, scopes) in [("revoke", closed), ("conflict", conflicts), ("invalidate", invalid)] {
            if !scopes.is_empty() {
                let event = self.moved(name, scopes, if name == "invalidate" { collections.take() } else { None });
                self.waiting.push_back(event);
            }
        }
        if schema > self.schema {
            let body = SchemaMoved { head: schema.0 };
            self.waiting.push_back(sse("schema", Some(&self.app.service().cursor_at(self.app.service().head())), &body));
        }
        (self.device.scopes, self.seen, self.schema) = (scopes, now, schema);
    }

    fn moved(&self, name: &str, scopes: Vec<Scope>, collections: Option<Vec<String>>) -> Event {
        let head = self.app.service().head();
        let body = ScopesNamed { scopes: scopes.into_iter().map(Scope::into_string).collect(), collections, head: head.0 };
        sse(name, Some(&self.app.service().cursor_at(head)), &body)
    }

    fn command(&self) -> Event {
        let waiting = self.app.service().commands_waiting(&self.device.client_id, self.app.now());
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
