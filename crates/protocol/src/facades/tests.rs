//! Each app's own sample payloads, translated; and what is at fault, by the app's own names.

mod adapters;
mod arxos;

use serde_json::{Value, json};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::sync::Intent;
use tidewatch_domain::time::Millis;

use super::*;

fn device() -> ClientId {
    ClientId::parse("0192f0c1-7b1e-7c3a-9d2e-000000000001").expect("a UUID")
}

/// What the engine gets: each intent as JSON, or code and detail of its fault.
fn seen(items: &[Item]) -> Vec<Value> {
    let told = |intent: Intent| match intent {
        Intent::Valid(mutation) => serde_json::from_str(&mutation.raw).expect("an intent is JSON"),
        Intent::Invalid { problem, .. } => json!(format!("{}: {}", problem.code, problem.detail)),
    };
    push_of(items, &device(), 1, 0).intents.into_iter().map(told).collect()
}

#[test]
fn a_derived_id_is_a_uuid_that_stays_the_same_and_tells_neighbours_apart() {
    let id = derived(&["a", "bc"]);
    assert_eq!(id, derived(&["a", "bc"]));
    assert_ne!(id, derived(&["ab", "c"]));
    assert_eq!((id.as_str().len(), &id.as_str()[14..15]), (36, "5"));
    // The value itself is a promise: devices may have sent operations under it.
    assert_eq!(derived(&["arxos"]).as_str(), "1700ae76-5eaa-5767-b587-a43dbc4e1883");
}

#[test]
fn an_id_of_an_app_is_kept_when_it_can_be_and_derived_when_it_cannot() {
    assert_eq!(named_operation("evt-1:2").as_str(), "evt-1:2");
    let derived = named_operation("event 1/2");
    assert_eq!(derived, named_operation("event 1/2"));
    assert_eq!(derived.as_str().len(), 36);
}

#[test]
fn kinds_of_things_are_named_as_collections_are() {
    for (name, wanted) in [("financial-data", "financial_data"), ("CallLog", "call_log"), ("events", "events"), ("SMS", "sms")] {
        assert_eq!(snake(name), wanted);
    }
}

#[test]
fn a_stamp_is_in_the_order_of_time_and_then_of_the_queue() {
    let (early, late) = (stamp(Millis(1_000), 70_000, &device()), stamp(Millis(1_001), 0, &device()));
    assert!(stamp(Millis(1_000), 1, &device()) < stamp(Millis(1_000), 2, &device()));
    assert!(early < late);
}

#[test]
fn a_status_says_what_to_do_with_the_item() {
    use MutationStatus::{Applied, Conflict, Deferred, Merged, NeedsUpgrade, Rejected, Superseded, Unknown};
    for status in [Applied, Merged, Superseded, Conflict] {
        assert_eq!(NextStep::of(status), NextStep::Remove);
    }
    assert_eq!(NextStep::of(Rejected), NextStep::DeadLetter);
    for status in [Deferred, Unknown, NeedsUpgrade] {
        assert_eq!(NextStep::of(status), NextStep::Keep);
    }
}
