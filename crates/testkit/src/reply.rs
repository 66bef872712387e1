//! An answer, read to its end.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tidewatch_protocol::Problem;

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    pub(crate) fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self { status, headers, body }
    }

    /// Status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// One header as text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Bytes of the body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}), status {}: {}", self.status, self.text()))
    }

    /// The body as JSON, after a check of the status.
    ///
    /// # Panics
    /// When the status is another one.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status(), status, "{}", self.text());
        self.json()
    }

    /// The problem.
    ///
    /// # Panics
    /// When it is none, or breaks a rule that holds for every problem.
    #[must_use]
    pub fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), "application/problem+json", "status {}: {}", self.status, self.text());
        let problem: Problem = serde_json::from_slice(&self.body).expect("a problem");
        assert_eq!(problem.status, self.status());
        assert_eq!(problem.type_uri, format!("urn:sync:problem:{}", problem.code));
        assert_eq!(problem.trace_id.as_deref(), Some(self.header("x-request-id")));
        problem
    }

    /// Status, code and first field of the problem, in one line.
    #[must_use]
    pub fn refusal(&self) -> String {
        let problem = self.problem();
        let field = problem.errors.first().map(|error| format!(" {}", error.field)).unwrap_or_default();
        format!("{} {}{field}", problem.status, problem.code)
    }
}
