//! `GET /console/events`: hints that the store moved. Pages fetch themselves again; the stream carries no data.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::Serialize;
use tidewatch_protocol::v1::events::Bye;
use tidewatch_protocol::{Code, Problem};
use tidewatch_service::Actor;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::Refusal;
use crate::api::error::Answer;
use crate::api::sync::events::{headers, sse};
use crate::gate::Caller;
use crate::state::App;

/// Hints come at most this often; one after a calm time comes at once.
///
/// A page looks at most every 0.6 s (`style/js/live.ts`); what a reader waits for is this, that and one answer, in two seconds.
const HINT_PAUSE: Duration = Duration::from_millis(250);
/// A comment keeps proxies from closing the stream.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// The store moved.
#[derive(Debug, Serialize)]
struct Hint {
    /// Position of the log.
    head: i64,
    /// Counts what telemetry has changed.
    fleet: u64,
    /// Server clock.
    at: String,
}

/// Opens the stream.
pub async fn hints(State(app): State<App>, Caller(cx): Caller) -> Answer<Response> {
    let place =
        app.streams().console_places.clone().try_acquire_owned().map_err(|_| {
            Refusal::from(Problem::new(Code::RateLimited).detail("too many browsers listen").retry_after_ms(30_000))
        })?;
    let Actor::User { name, .. } = cx.actor else { return Err(Refusal::internal("hints without a user")) };
    let stopping = app.stopping().clone();
    let stream = stream(app, name, stopping, place);
    Ok((headers(), Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("beat"))).into_response())
}

fn stream(
    app: App,
    user: String,
    stopping: CancellationToken,
    place: tokio::sync::OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let (head, fleet) = (app.service().head_watch(), app.service().fleet_watch());
    let state = (app, user, stopping, place, head, fleet, None::<Instant>);
    futures::stream::unfold(Some(state), |state| async move {
        let (app, user, stopping, place, mut head, mut fleet, last) = state?;
        if let Some(last) = last {
            let moved = async {
                tokio::select! {
                    moved = head.changed() => moved.is_ok(),
                    moved = fleet.changed() => moved.is_ok(),
                }
            };
            let alive = tokio::select! {
                () = stopping.cancelled() => false,
                moved = moved => moved,
            };
            if alive {
                tokio::time::sleep_until(last + HINT_PAUSE).await;
            }
            // Whoever was removed meanwhile hears nothing more.
            let known = app.service().user_role(app.now(), &user).await.ok().flatten().is_some();
            if !alive || !known || stopping.is_cancelled() {
                return Some((Ok(sse("bye", None, &Bye { reconnect_after_ms: 2_000 })), None));
            }
        }
        let hint = Hint { head: head.borrow_and_update().0, fleet: *fleet.borrow_and_update(), at: app.now().to_string() };
        Some((Ok(sse("hint", None, &hint)), Some((app, user, stopping, place, head, fleet, Some(Instant::now())))))
    })
}
