//! The entries of a `drain` command, one after the other: each is answered by itself.

use rand::RngCore;
use serde_json::{Value, json};
use tidewatch_domain::control::{ALREADY_APPLIED, EntryOrder, EntryOutcome};
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::time::Millis;

use super::super::Client;
use crate::control::Drained;
use crate::intent::{patched, uuid_v7};
use crate::journal::Journal;

impl<J: Journal> Client<J> {
    /// What is to become of each entry, and the answers to the server.
    pub(super) fn drain(&self, orders: &[EntryOrder], rng: &mut dyn RngCore, now: Millis) -> (Vec<Drained>, Vec<Value>) {
        orders.iter().map(|order| self.drain_one(order, rng, now)).unzip()
    }

    fn drain_one(&self, order: &EntryOrder, rng: &mut dyn RngCore, now: Millis) -> (Drained, Value) {
        let operation_id = order.operation_id.as_str().to_owned();
        let left = |outcome: EntryOutcome, code: &str, detail: &str| {
            let answer = json!({ "operation_id": operation_id, "outcome": outcome.as_str(), "code": code, "detail": detail });
            (Drained { operation_id: operation_id.clone(), action: None, successor: None }, answer)
        };
        let Some(entry) = self.state.outbox.get(&operation_id) else {
            return left(EntryOutcome::NotFound, "not_found", "it is not in the outbox of the device");
        };
        if let Some((code, detail)) = self.round.refused.get(&operation_id) {
            return left(EntryOutcome::Refused, code, detail);
        }
        if order.action.needs_payload() && self.round.settled.contains(&operation_id) {
            // It goes again, whatever was in its way, and gets the answer that was lost.
            let (drained, answer) = left(EntryOutcome::NotFound, ALREADY_APPLIED, "the server has applied it");
            return (Drained { action: Some(DrainAction::Retry.as_str().to_owned()), ..drained }, answer);
        }
        let successor = match (&order.patch, order.action) {
            (Some(patch), DrainAction::Patch) => match patched(&entry.intent, patch, uuid_v7(now, rng)) {
                Ok(text) => Some(text),
                Err((code, detail)) => return left(EntryOutcome::Refused, code, &detail),
            },
            _ => None,
        };
        let mut answer = json!({ "operation_id": operation_id, "outcome": EntryOutcome::Ok.as_str() });
        if let Some(next) = successor.as_deref().and_then(|text: &str| crate::intent::operation_of(text)) {
            answer["detail"] = json!(next);
        }
        (Drained { operation_id, action: Some(order.action.as_str().to_owned()), successor }, answer)
    }
}
