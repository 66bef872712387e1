//! What is under way, and what comes back of it.

use serde_json::Value;
use tidewatch_domain::time::Millis;

use crate::wire::Purpose;

/// A request under way.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub(super) purpose: Purpose,
    pub(super) operations: Vec<String>,
    pub(super) since: Option<String>,
    pub(super) reports: usize,
}

/// An answer, and the request that it is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer<'a> {
    pub(super) flight: &'a InFlight,
    pub(super) status: u16,
    pub(super) body: &'a Value,
    pub(super) retry_after_ms: Option<i64>,
    pub(super) took_ms: f64,
    pub(super) now: Millis,
}
