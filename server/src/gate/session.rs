//! The session of a browser: a random id in a cookie, its data in the store, its user looked up on every request.
//!
//! Invariant: the session names a user and nothing else of weight. The role is the store's word at the time of the request.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use tidewatch_app::actions::session::SESSION_USER;
use tidewatch_service::Actor;
use tower_sessions::Session;

use crate::api::Refusal;
use crate::api::error::Answer;
use crate::state::App;

/// Name of the cookie. The prefix makes browsers insist on `Secure`, `Path=/` and no `Domain`.
pub const SESSION_COOKIE: &str = "__Host-tidewatch";
/// A session ends after so many seconds without a request, when nobody says otherwise.
pub const SESSION_IDLE_S: u32 = 12 * 3_600;
/// The end is moved at most this often, so that a page view is not a write; sooner where sessions are short.
const TOUCH_MS: i64 = 60_000;
/// Key of the time of the last touch.
const SEEN: &str = "seen";

/// What a request's cookie leads to.
pub(super) enum Found {
    /// Somebody.
    User(Actor),
    /// A session that has ended, or whose user is gone.
    Ended,
    /// No cookie.
    Nothing,
}

/// Whether the request carries our cookie.
pub(super) fn has_cookie(headers: &HeaderMap) -> bool {
    let ours = |pair: &str| pair.trim_start().strip_prefix(SESSION_COOKIE).is_some_and(|rest| rest.starts_with('='));
    headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).any(|text| text.split(';').any(ours))
}

/// The user of this request's session.
pub(super) async fn user_of(app: &App, parts: &Parts) -> Answer<Found> {
    if !has_cookie(&parts.headers) {
        return Ok(Found::Nothing);
    }
    let session = parts.extensions.get::<Session>().ok_or_else(|| Refusal::internal("a gate outside the session layer"))?;
    let Some(name) = session.get::<String>(SESSION_USER).await.map_err(Refusal::internal)? else { return Ok(Found::Ended) };
    let Some(role) = app.service().user_role(app.now(), &name).await? else {
        session.flush().await.map_err(Refusal::internal)?;
        return Ok(Found::Ended);
    };
    touch(app, session).await?;
    Ok(Found::User(Actor::User { name, role }))
}

async fn touch(app: &App, session: &Session) -> Answer<()> {
    let seen = session.get::<i64>(SEEN).await.map_err(Refusal::internal)?.unwrap_or(0);
    let now = app.now().0;
    if now - seen >= TOUCH_MS.min(i64::from(app.session_idle_s()) * 100) {
        session.insert(SEEN, now).await.map_err(Refusal::internal)?;
    }
    Ok(())
}
