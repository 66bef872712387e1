//! `GET /console/events`: hints that the store moved. Pages fetch themselves again; the stream carries no data.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::Serialize;
use tidewatch_domain::ids::Seq;
use tidewatch_protocol::v1::events::Bye;
use tidewatch_protocol::{Code, Problem};
use tidewatch_service::Actor;
use tokio::sync::watch;
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

/// What a page shows comes from these.
struct Watched {
    head: watch::Receiver<Seq>,
    fleet: watch::Receiver<u64>,
    /// What people and outcomes do to drain jobs: a pause is in neither of the others.
    drains: watch::Receiver<u64>,
    /// What devices were handed, and what is to be said to them again: that falls due without anything being done.
    told: watch::Receiver<u64>,
}

impl Watched {
    /// Waits for the next move; `false` when there will be none.
    async fn changed(&mut self) -> bool {
        tokio::select! {
            moved = self.head.changed() => moved.is_ok(),
            moved = self.fleet.changed() => moved.is_ok(),
            moved = self.drains.changed() => moved.is_ok(),
            moved = self.told.changed() => moved.is_ok(),
        }
    }

    fn hint(&mut self, at: String) -> Hint {
        self.drains.mark_unchanged();
        self.told.mark_unchanged();
        Hint { head: self.head.borrow_and_update().0, fleet: *self.fleet.borrow_and_update(), at }
    }
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
    let service = app.service();
    let watched = Watched {
        head: service.head_watch(),
        fleet: service.fleet_watch(),
        drains: service.drain_watch(),
        told: service.told_watch(),
    };
    let state = (app, user, stopping, place, watched, None::<Instant>);
    futures::stream::unfold(Some(state), |state| async move {
        let (app, user, stopping, place, mut watched, last) = state?;
        if let Some(last) = last {
            let alive = tokio::select! {
                () = stopping.cancelled() => false,
                moved = watched.changed() => moved,
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
        let hint = watched.hint(app.now().to_string());
        Some((Ok(sse("hint", None, &hint)), Some((app, user, stopping, place, watched, Some(Instant::now())))))
    })
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn each_of_what_a_page_is_made_from_wakes_its_reader_once() {
        let (head, counts) = (watch::Sender::new(Seq(1)), [(); 3].map(|()| watch::Sender::new(0_u64)));
        let [fleet, drains, told] = &counts;
        let mut watched =
            Watched { head: head.subscribe(), fleet: fleet.subscribe(), drains: drains.subscribe(), told: told.subscribe() };
        assert_eq!(watched.changed().now_or_never(), None, "nothing has moved");
        head.send_replace(Seq(2));
        assert_eq!(watched.changed().now_or_never(), Some(true));
        for (n, count) in counts.iter().enumerate() {
            watched.hint(String::new());
            assert_eq!(watched.changed().now_or_never(), None, "all of it is told with one hint");
            count.send_modify(|count| *count += 1);
            assert_eq!(watched.changed().now_or_never(), Some(true), "{n}");
        }
        assert_eq!(watched.hint(String::new()).head, 2);
    }
}
