//! Who may take a route. Each route in [`crate::router`] names its [`Access`]; the gate in front of it finds out who asks,
//! refuses with the credential that is needed, and hands the [`Cx`] on.

mod csrf;
mod rate;
mod session;
mod signature;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use governor::clock::{Clock as _, DefaultClock};
use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_protocol::{Code, FieldError, Problem, headers};
use tidewatch_service::auth::Bearer;
use tidewatch_service::fleet::Contact;
use tidewatch_service::{Actor, Cx};

use crate::api::Refusal;
use crate::api::error::Answer;
use crate::frame::RequestId;
use crate::state::App;

pub use session::{SESSION_COOKIE, SESSION_IDLE_S};

/// Who may take a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Everybody.
    Public,
    /// An enrolment token.
    Enrolment,
    /// Whoever holds the secret that the body carries (a refresh token).
    BodySecret,
    /// A device.
    Device,
    /// A device, on the control channel: the same token, a rate limit of its own.
    Control,
    /// A device, by its token or by a ticket in the address.
    Stream,
    /// Staff in a browser, or an API token.
    Staff,
    /// Staff in a browser; nobody signed in is led to the sign-in form.
    Page,
    /// A page for anybody with a browser.
    PublicPage,
    /// A form or a call of the console's own pages.
    Action,
    /// The sign-in form's own post.
    SignIn,
}

/// State of one gate.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Shared state.
    pub app: App,
    /// Who may pass.
    pub access: Access,
}

/// The layer in front of a route.
pub async fn gate(State(Gate { app, access }): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&app, access, &mut parts).await {
        Ok(cx) => {
            parts.extensions.insert(cx);
            let left = parts.extensions.get::<rate::Left>().copied();
            let mut response = next.run(Request::from_parts(parts, body)).await;
            if let Some(left) = left {
                left.write(response.headers_mut());
            }
            response
        }
        Err(Turned::Away(refusal)) => refusal.into_response(),
        Err(Turned::ToSignIn(path)) => Redirect::to(&path).into_response(),
    }
}

/// Not admitted.
enum Turned {
    Away(Refusal),
    ToSignIn(String),
}

impl From<Refusal> for Turned {
    fn from(refusal: Refusal) -> Self {
        Self::Away(refusal)
    }
}

impl From<tidewatch_service::Error> for Turned {
    fn from(error: tidewatch_service::Error) -> Self {
        Self::Away(error.into())
    }
}

async fn admit(app: &App, access: Access, parts: &mut Parts) -> Result<Cx, Turned> {
    let id = parts.extensions.get::<RequestId>().map_or_else(String::new, |id| id.0.clone());
    let as_actor = |actor: Actor| app.cx(actor, &id);
    match access {
        Access::Public => Ok(as_actor(Actor::Anonymous)),
        Access::BodySecret => {
            address_check(&app.limits().enrol, parts)?;
            protocol_check(&parts.headers)?;
            Ok(as_actor(Actor::Anonymous))
        }
        Access::Enrolment => {
            address_check(&app.limits().enrol, parts)?;
            protocol_check(&parts.headers)?;
            Ok(as_actor(bearer_of(app, access, parts).await?))
        }
        Access::Device => Ok(as_actor(device_of(app, parts).await?)),
        Access::Control => Ok(as_actor(control_of(app, parts).await?)),
        Access::Stream => {
            ticket_redeem(app, parts)?;
            Ok(as_actor(device_of(app, parts).await?))
        }
        Access::Staff if has_bearer(parts) => Ok(as_actor(bearer_of(app, access, parts).await?)),
        Access::Staff => match session::user_of(app, parts).await? {
            session::Found::User(actor) => {
                // A cookie comes along with whatever another site makes the browser send.
                if !matches!(parts.method, Method::GET | Method::HEAD) {
                    csrf::check(&parts.headers)?;
                }
                Ok(as_actor(actor))
            }
            _ => Err(credential("sign in, or send `Authorization: Bearer` with an API token").into()),
        },
        Access::Page | Access::PublicPage => page_actor(app, access, parts).await.map(as_actor),
        Access::Action | Access::SignIn => action_actor(app, access, parts).await.map(as_actor),
    }
}

async fn page_actor(app: &App, access: Access, parts: &mut Parts) -> Result<Actor, Turned> {
    no_bearer_check(parts)?;
    match (session::user_of(app, parts).await?, access) {
        (session::Found::User(actor), _) => Ok(actor),
        (_, Access::PublicPage) => Ok(Actor::Anonymous),
        (found, _) => {
            let here = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            // The browser drops the cookie of a session that has run out: whoever asks for a page by name is told why there is a form.
            let told = matches!(found, session::Found::Ended) || here != tidewatch_app::paths::OVERVIEW;
            let notice = if told { "expired" } else { "" };
            Err(Turned::ToSignIn(tidewatch_app::paths::sign_in(here, notice)))
        }
    }
}

async fn action_actor(app: &App, access: Access, parts: &mut Parts) -> Result<Actor, Turned> {
    no_bearer_check(parts)?;
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        csrf::check(&parts.headers)?;
    }
    if access == Access::SignIn {
        address_check(&app.limits().sign_in, parts)?;
    }
    match session::user_of(app, parts).await? {
        session::Found::User(actor) => Ok(actor),
        _ if access == Access::SignIn => Ok(Actor::Anonymous),
        found if wants_html(&parts.headers) => {
            let notice = if matches!(found, session::Found::Ended) { "expired" } else { "" };
            Err(Turned::ToSignIn(tidewatch_app::paths::sign_in("", notice)))
        }
        _ => Err(credential("sign in first; the session has ended").into()),
    }
}

/// Whether the client asks for a page by name.
#[must_use]
pub fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

fn has_bearer(parts: &Parts) -> bool {
    parts.headers.contains_key(header::AUTHORIZATION)
}

fn credential(detail: &str) -> Refusal {
    Refusal::new(Code::CredentialRequired, detail)
}

/// Pages and their forms take a session and nothing else: a token in a browser would be a token in the wrong place.
fn no_bearer_check(parts: &Parts) -> Answer<()> {
    if has_bearer(parts) {
        return Err(credential("pages of the console need a session of a signed-in person; a token is for the API"));
    }
    Ok(())
}

/// Whoever came with a ticket has shown its token, and its signature, when it asked for the ticket.
#[derive(Clone, Copy, Debug)]
struct Ticketed;

/// Puts the token that a ticket stands for where a token belongs.
fn ticket_redeem(app: &App, parts: &mut Parts) -> Answer<()> {
    if has_bearer(parts) {
        return Ok(());
    }
    let query = parts.uri.query().unwrap_or_default();
    let Some(ticket) = query.split('&').find_map(|pair| pair.strip_prefix("ticket=")) else { return Ok(()) };
    let token = app.tickets().redeem(ticket, app.now()).and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
    let token = token.ok_or_else(|| Refusal::new(Code::TokenInvalid, "the ticket is not known, was used, or has ended"))?;
    parts.headers.insert(header::AUTHORIZATION, token);
    parts.extensions.insert(Ticketed);
    Ok(())
}

async fn device_of(app: &App, parts: &mut Parts) -> Answer<Actor> {
    let (actor, client_id) = device_known(app, parts).await?;
    match app.limits().devices.check_key(&client_id) {
        Ok(state) => {
            parts.extensions.insert(rate::Left::of(&state));
            Ok(actor)
        }
        Err(until) => {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Err(rate::Left::none(wait).refuse(rate_limited(wait)))
        }
    }
}

/// What a device has used up of its data sync does not count here, nor the other way round.
async fn control_of(app: &App, parts: &Parts) -> Answer<Actor> {
    let (actor, client_id) = device_known(app, parts).await?;
    let checked = app.limits().control.check_key(&client_id);
    checked.map_err(|until| rate_limited(until.wait_time_from(DefaultClock::default().now())))?;
    Ok(actor)
}

async fn device_known(app: &App, parts: &Parts) -> Answer<(Actor, ClientId)> {
    protocol_check(&parts.headers)?;
    if !has_bearer(parts) {
        let detail = if session::has_cookie(&parts.headers) {
            "the sync API takes the access token of a device in `Authorization: Bearer`; a session of the console is for its pages"
        } else {
            "send the access token of the device in `Authorization: Bearer`"
        };
        return Err(credential(detail));
    }
    let actor = bearer_of(app, Access::Device, parts).await?;
    let Actor::Device { client_id, .. } = &actor else { unreachable!("the gate let only devices through") };
    client_check(&parts.headers, client_id)?;
    if parts.extensions.get::<Ticketed>().is_none() {
        signature::check(app, parts, client_id, bearer_token(parts).unwrap_or_default()).await?;
    }
    let client_id = client_id.clone();
    Ok((actor, client_id))
}

/// The text after `Bearer`.
fn bearer_token(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())?;
    value.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer ")).map(|_| value[7..].trim())
}

fn rate_limited(wait: std::time::Duration) -> Refusal {
    let ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX).max(1);
    Problem::new(Code::RateLimited).detail("slow down").retry_after_ms(ms).into()
}

/// Who the bearer token stands for, when that is whom the route is for.
async fn bearer_of(app: &App, access: Access, parts: &Parts) -> Answer<Actor> {
    let token = bearer_token(parts);
    let needed = match access {
        Access::Enrolment => "send an enrolment token in `Authorization: Bearer`",
        Access::Device => "send the access token of the device in `Authorization: Bearer`",
        _ => "send an API token in `Authorization: Bearer`",
    };
    let Some(token) = token else { return Err(credential(needed)) };
    let actor = match app.service().bearer(app.now(), token).await? {
        Bearer::Known(actor) => actor,
        Bearer::Expired => return Err(Refusal::new(Code::TokenExpired, "buy a new pair at POST /clients/token")),
        Bearer::Unknown => return Err(Refusal::new(Code::TokenInvalid, "the token is not known here, or it was revoked")),
    };
    let fits = matches!(
        (access, &actor),
        (Access::Enrolment, Actor::Enrolment { .. })
            | (Access::Device, Actor::Device { .. })
            | (Access::Staff, Actor::Token { .. })
    );
    if fits {
        return Ok(actor);
    }
    let sent = match actor {
        Actor::Device { client_id, .. } => {
            app.service().contact_note(&client_id, app.now(), Contact::TokenRefused);
            "the access token of a device was sent"
        }
        Actor::Enrolment { .. } => "an enrolment token was sent",
        _ => "an API token was sent",
    };
    Err(credential(&format!("{needed}; {sent}")))
}

fn protocol_check(headers: &HeaderMap) -> Answer<()> {
    match headers.get(headers::SYNC_PROTOCOL) {
        None => Ok(()),
        Some(value) if value == "1" => Ok(()),
        Some(_) => {
            Err(Problem::new(Code::ProtocolUnsupported).field(FieldError::new(headers::SYNC_PROTOCOL, "must be 1")).into())
        }
    }
}

fn client_check(headers: &HeaderMap, client_id: &ClientId) -> Answer<()> {
    match headers.get(headers::SYNC_CLIENT) {
        Some(value) if value != client_id.as_str() => {
            Err(Refusal::header(headers::SYNC_CLIENT, "is not the device that the token belongs to"))
        }
        _ => Ok(()),
    }
}

fn address_check(limiter: &governor::DefaultKeyedRateLimiter<IpAddr>, parts: &Parts) -> Answer<()> {
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |info| info.0.ip());
    limiter.check_key(&address).map_err(|until| rate_limited(until.wait_time_from(DefaultClock::default().now())))
}

/// The context of a request, from the gate.
#[derive(Clone, Debug)]
pub struct Caller(pub Cx);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Answer<Self> {
        parts.extensions.get::<Cx>().cloned().map(Self).ok_or_else(|| Refusal::internal("a route without a gate"))
    }
}

/// The acting device, from the gate.
#[derive(Clone, Debug)]
pub struct Device {
    /// The context.
    pub cx: Cx,
    /// Which device.
    pub client_id: ClientId,
    /// What it may read and write.
    pub scopes: Vec<Scope>,
}

impl Device {
    /// Refuses a body that names another device.
    ///
    /// # Errors
    /// Forbidden, naming the member.
    pub fn named_check(&self, named: Option<&str>) -> Answer<()> {
        match named {
            Some(named) if named != self.client_id.as_str() => Err(Problem::new(Code::Forbidden)
                .field(FieldError::new("client_id", "is not the device that the token belongs to"))
                .into()),
            _ => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Device {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let Caller(cx) = Caller::from_request_parts(parts, state).await?;
        let Actor::Device { client_id, scopes, .. } = &cx.actor else {
            return Err(Refusal::internal("a device route without its gate"));
        };
        Ok(Self { client_id: client_id.clone(), scopes: scopes.clone(), cx })
    }
}
