//! Checks that come before any policy: an intent that fails one is refused for good.

use std::sync::Arc;

use super::{Batch, Catalogue, Collection};
use crate::hlc::Hlc;
use crate::json::{self, JsonRefusal};
use crate::sync::{IntentProblem, Mutation, MutationOp};
use crate::time::{DAY_MS, Millis};

/// Days for which a key is remembered at least.
pub const DEDUPE_DAYS: i64 = 45;
/// Largest body, bytes of canonical text.
pub const RECORD_BYTES_MAX: usize = 262_144;

/// A problem that sending again will not cure.
pub(crate) fn problem(code: &'static str, status: u16, detail: impl Into<String>) -> IntentProblem {
    IntentProblem { code, status, retryable: false, retry_after_ms: None, detail: detail.into() }
}

/// Every check, cheapest first.
pub(crate) fn check<'a>(
    batch: &Batch<'_>,
    catalogue: &'a Catalogue,
    mutation: &Mutation,
    now: Millis,
) -> Result<&'a Arc<Collection>, IntentProblem> {
    let collection = catalogue
        .get(&mutation.collection)
        .ok_or_else(|| problem("collection_unknown", 404, format!("there is no collection `{}`", mutation.collection)))?;
    if !batch.scopes.contains_key(&mutation.scope) {
        return Err(problem("scope_forbidden", 403, format!("this device may not write to scope `{}`", mutation.scope)));
    }
    if mutation.deadline.is_some_and(|deadline| deadline < now) {
        return Err(problem("deadline_expired", 422, "the deadline was over when the intent arrived"));
    }
    if queued_at(mutation).is_some_and(|at| is_beyond_horizon(at, now)) {
        let detail = format!("older than {DEDUPE_DAYS} days: whether it was applied before cannot be told any more");
        return Err(problem("dedupe_horizon_passed", 422, detail));
    }
    if mutation.logical_timestamp.as_deref().is_some_and(|text| Hlc::parse(text).is_none()) {
        return Err(problem(
            "clock_invalid",
            422,
            "`logical_timestamp` must be 12 hex digits of milliseconds, 4 of counter, `-`, a node",
        ));
    }
    payload(collection, mutation)?;
    Ok(collection)
}

/// The checks of the payload alone.
pub(crate) fn payload(collection: &Collection, mutation: &Mutation) -> Result<(), IntentProblem> {
    match json::body_check(&mutation.fields) {
        Ok(()) => {}
        Err(JsonRefusal::NumberOutOfRange) => {
            return Err(problem("number_out_of_range", 422, "an integer of the payload is beyond 2^53 - 1; send it as a string"));
        }
        Err(JsonRefusal::TooDeep) => {
            return Err(problem("schema_invalid", 422, format!("the payload is nested deeper than {} levels", json::DEPTH_MAX)));
        }
    }
    if mutation.op == MutationOp::Crdt {
        return Ok(());
    }
    if let Some(field) = mutation.fields.keys().find(|field| collection.policy.crdt(field).is_some()) {
        return Err(problem("schema_invalid", 422, format!("field `{field}` merges by itself: change it by op crdt")));
    }
    if let Some((field, wanted)) = collection.policy.misfit(&mutation.fields) {
        return Err(problem("schema_invalid", 422, format!("field `{field}` must hold a value of type {}", wanted.as_str())));
    }
    Ok(())
}

/// Whether answers of that time need not be kept any more.
pub(super) fn is_beyond_horizon(at: Millis, now: Millis) -> bool {
    now.since(at) > DEDUPE_DAYS * DAY_MS
}

/// When the intent was made: by the time in a UUIDv7, else by what the device says.
pub(super) fn queued_at(mutation: &Mutation) -> Option<Millis> {
    uuid_v7_millis(mutation.operation_id.as_str()).or(mutation.created_at)
}

/// The time in a UUIDv7; `None` for any other text.
#[must_use]
pub fn uuid_v7_millis(text: &str) -> Option<Millis> {
    let bytes = text.as_bytes();
    let dashes = [8, 13, 18, 23].iter().all(|at| bytes.get(*at) == Some(&b'-'));
    if bytes.len() != 36 || !dashes || bytes[14] != b'7' {
        return None;
    }
    let (high, low) = (text.get(..8)?, text.get(9..13)?);
    i64::from_str_radix(&format!("{high}{low}"), 16).ok().map(Millis)
}
