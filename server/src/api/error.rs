//! The one mapping from errors of the service to problems. The body is written by [`crate::frame`], which knows the request id.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tidewatch_domain::fleet::DrainChange;
use tidewatch_domain::sync::CursorRefusal;
use tidewatch_protocol::problem::SetDifference;
use tidewatch_protocol::{Code, FieldError, Problem};
use tidewatch_service::Error;

/// When to try a full disk again.
const STORAGE_PAUSE_MS: i64 = 60_000;

/// A request that is answered with a problem.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What the client reads.
    pub problem: Box<Problem>,
    /// What the log reads; never leaves the server.
    pub cause: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Result of a handler.
pub type Answer<T> = Result<T, Refusal>;

impl Refusal {
    /// A refusal with this code.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code).detail(detail).into()
    }

    /// A query parameter at fault.
    #[must_use]
    pub fn query(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Problem::new(Code::QueryInvalid).field(FieldError::new(field, detail)).into()
    }

    /// A header at fault.
    #[must_use]
    pub fn header(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Problem::new(Code::HeaderInvalid).field(FieldError::new(field, detail)).into()
    }

    /// Our fault: the cause goes to the log.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Debug) -> Self {
        Self { cause: Some(format!("{cause:?}")), ..Problem::new(Code::Internal).into() }
    }

    /// With a header on the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        Code::parse(&self.problem.code).map_or("internal", Code::as_str)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let mut headers = Vec::new();
        if problem.status == 401 {
            headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        if let Some(ms) = problem.retry_after_ms {
            let seconds = u64::try_from(ms).unwrap_or(0).div_ceil(1_000).max(1);
            headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        Self { problem: Box::new(problem), cause: None, headers }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let problem = |code: Code| Problem::new(code);
        match error {
            Error::Unauthenticated => problem(Code::CredentialRequired).detail("sign in, or send a bearer token").into(),
            Error::Forbidden => problem(Code::Forbidden).detail("the acting role, token or device may not do that").into(),
            Error::RoleLimit { entries, most } => {
                let words = format!(
                    "the selection means {entries} entries or more, and the acting role may drain {most} in one go; narrow it, or ask somebody who may"
                );
                problem(Code::Forbidden).detail(words).into()
            }
            Error::NotFound(what) => problem(Code::NotFound).detail(format!("there is no such {what}")).into(),
            Error::Invalid { field, detail } => Self::query(field, detail),
            Error::Cursor(refusal) => cursor_problem(&refusal).into(),
            Error::Overloaded { retry_after_ms } => {
                problem(Code::WriterOverloaded).retry_after_ms(jittered(retry_after_ms, random_byte())).into()
            }
            Error::StorageFull => problem(Code::StorageFull)
                .detail("keep the outbox, and send it again later: nothing of it was stored, and nothing in it is at fault")
                .retry_after_ms(jittered(STORAGE_PAUSE_MS, random_byte()))
                .into(),
            Error::RateLimited { retry_after_ms } => problem(Code::RateLimited).retry_after_ms(retry_after_ms).into(),
            Error::Refused(refusal) => Problem::batch(&refusal).into(),
            Error::SchemaUnsupported { collection, min, max } => Problem {
                min: Some(min),
                max: Some(max),
                ..problem(Code::SchemaUnsupported)
                    .detail(format!("`{collection}` is served from schema version {min} on; keep the outbox and upgrade"))
            }
            .into(),
            Error::InFlight => problem(Code::InFlight).retry_after_ms(1_000).into(),
            Error::ClientBlocked => problem(Code::ClientBlocked)
                .detail("stop, and keep the outbox; an operator has to let this device in again")
                .into(),
            Error::SetChanged(change) => {
                let DrainChange { frozen, now, added, removed } = change;
                let words = format!(
                    "the set holds {frozen} entries; {now} match what was sent: {added} more, {removed} no longer. Nothing was done"
                );
                let difference = Some(Box::new(SetDifference { frozen, now, added, removed }));
                Problem { drain_change: difference, ..problem(Code::SetChanged).detail(words) }.into()
            }
            Error::StateConflict(detail) => problem(Code::StateConflict).detail(detail).into(),
            Error::CommandEnded => problem(Code::CommandEnded).into(),
            Error::CommandUnderWay(left) => problem(Code::CommandUnderWay).detail(format!("with `force`, {left}")).into(),
            Error::Internal(cause) => Self::internal(cause),
        }
    }
}

/// Up to half as long again, so that those who were turned away together do not come back together.
fn jittered(ms: i64, random: u8) -> i64 {
    ms.saturating_add(ms / 2 * i64::from(random) / 255)
}

fn random_byte() -> u8 {
    let mut byte = [0];
    // Without randomness everybody comes back at the same time, which is no worse than before.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

pub(crate) fn cursor_problem(refusal: &CursorRefusal) -> Problem {
    cursor_problem_of("since", refusal)
}

/// The same, where the request has the cursor in another member.
pub(crate) fn cursor_problem_of(member: &'static str, refusal: &CursorRefusal) -> Problem {
    let field = |code: Code, detail: &str| Problem::new(code).field(FieldError::new(member, detail));
    match refusal {
        CursorRefusal::Malformed => field(Code::CursorMalformed, "is not a cursor of this protocol"),
        CursorRefusal::EpochMismatch { fork_seq } => Problem {
            fork_seq: fork_seq.map(|seq| seq.0),
            ..field(
                Code::CursorEpochMismatch,
                "belongs to another incarnation of the store; take a snapshot, keep the outbox and push it again",
            )
        },
        CursorRefusal::Ahead => field(Code::CursorAhead, "is ahead of the log; take a snapshot and keep the outbox"),
        CursorRefusal::Expired { horizon } => Problem {
            horizon: Some(horizon.0),
            ..field(Code::CursorExpired, "is older than what the log still holds; take a snapshot")
        },
        CursorRefusal::FilterMismatch => {
            field(Code::CursorFilterMismatch, "was made with another filter; begin with compact=true")
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_asks_devices_to_keep_their_outbox_and_to_come_later() {
        let refusal = Refusal::from(Error::from(tidewatch_store::Error::StorageFull("database or disk is full".to_owned())));
        let Problem { status, retryable, retry_after_ms, .. } = *refusal.problem;
        assert_eq!((status, refusal.code(), retryable), (507, "storage_full", true));
        assert!(retry_after_ms.is_some_and(|ms| (60_000..=90_000).contains(&ms)));
    }

    #[test]
    fn who_is_turned_away_comes_back_within_half_as_long_again() {
        assert_eq!([jittered(1_000, 0), jittered(1_000, 255), jittered(1_000, 51)], [1_000, 1_500, 1_100]);
    }
}
