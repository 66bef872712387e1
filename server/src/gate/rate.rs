//! `RateLimit` and `RateLimit-Policy`: what is left of the token bucket of the acting device.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::middleware::StateSnapshot;

use crate::api::Refusal;
use crate::state::DEVICE_QUOTA;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    requests: u32,
    /// Seconds until the bucket is full again, or until the next request when nothing is left.
    seconds: u64,
}

impl Left {
    pub(super) fn of(state: &StateSnapshot) -> Self {
        let (per_second, burst) = DEVICE_QUOTA;
        let requests = state.remaining_burst_capacity();
        Self { requests, seconds: u64::from(burst.saturating_sub(requests).div_ceil(per_second)) }
    }

    pub(super) fn none(wait: Duration) -> Self {
        Self { requests: 0, seconds: wait.as_secs() + 1 }
    }

    fn values(self) -> [(HeaderName, HeaderValue); 2] {
        let (per_second, burst) = DEVICE_QUOTA;
        let value = |text: String| HeaderValue::from_str(&text).expect("digits and plain ASCII");
        [
            (RATE_LIMIT_POLICY, value(format!("\"device\";q={burst};w={}", burst / per_second))),
            (RATE_LIMIT, value(format!("\"device\";r={};t={}", self.requests, self.seconds))),
        ]
    }

    pub(super) fn write(self, headers: &mut HeaderMap) {
        headers.extend(self.values());
    }

    pub(super) fn refuse(self, refusal: Refusal) -> Refusal {
        self.values().into_iter().fold(refusal, |refusal, (name, value)| refusal.with_header(name, value))
    }
}
