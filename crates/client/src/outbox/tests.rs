//! The outbox: order, urgency, poison.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tidewatch_domain::ids::{CollectionName, OperationId, RecordId, Scope};
use tidewatch_domain::sync::{Body, MutationOp};

use super::*;
use crate::intent::{Draft, Freezing, LocalBase};

const NOW: Millis = Millis(1_000_000);

fn intent(client_seq: i64, record: &str, priority: u8, depends_on: &[&str]) -> Intent {
    let draft = Draft {
        collection: CollectionName::parse("todos").expect("valid"),
        record_id: RecordId::parse(record).expect("valid"),
        scope: Scope::parse("global").expect("valid"),
        op: MutationOp::Update,
        fields: Body::new(),
        priority,
        deadline: None,
        depends_on: depends_on.iter().map(|id| OperationId::parse(*id).expect("valid")).collect(),
    };
    let at = Freezing { now: NOW, stamp: "0000000003e80000-d".into(), client_seq, base: LocalBase::None };
    let mut rng = ChaCha8Rng::seed_from_u64(u64::try_from(client_seq).expect("positive"));
    Intent { operation_id: format!("op-{client_seq}"), ..Intent::freeze(draft, at, &mut rng) }
}

fn outbox(intents: impl IntoIterator<Item = Intent>) -> Outbox {
    let mut outbox = Outbox::default();
    intents.into_iter().for_each(|intent| outbox.insert(intent));
    outbox
}

fn batch_ids(outbox: &Outbox) -> Vec<&str> {
    outbox.batch(NOW, 100, 1 << 20).into_iter().map(|intent| intent.operation_id.as_str()).collect()
}

#[test]
fn urgent_entries_go_first_and_equals_keep_their_order() {
    let outbox = outbox([intent(1, "a", 5, &[]), intent(2, "b", 1, &[]), intent(3, "c", 1, &[])]);
    assert_eq!(batch_ids(&outbox), ["op-2", "op-3", "op-1"]);
}

#[test]
fn an_urgent_entry_lifts_what_it_stands_on() {
    let outbox = outbox([intent(1, "a", 3, &[]), intent(2, "b", 5, &[]), intent(3, "b", 1, &[])]);
    assert_eq!(batch_ids(&outbox), ["op-2", "op-3", "op-1"]);
}

#[test]
fn an_entry_that_depends_on_another_is_held_back_until_that_one_is_answered_and_lifts_it() {
    let mut outbox = outbox([intent(1, "a", 4, &[]), intent(2, "b", 3, &[]), intent(3, "c", 2, &["op-1"])]);
    assert_eq!(batch_ids(&outbox), ["op-1", "op-2"]);
    outbox.remove("op-1").expect("there");
    assert_eq!(batch_ids(&outbox), ["op-3", "op-2"]);
}

#[test]
fn entries_behind_a_poisoned_one_wait_and_the_rest_goes_on() {
    let mut outbox =
        outbox([intent(1, "a", 3, &[]), intent(2, "a", 1, &[]), intent(3, "b", 3, &["op-2"]), intent(4, "c", 3, &[])]);
    outbox.get_mut("op-1").expect("there").poisoned = true;
    assert_eq!(batch_ids(&outbox), ["op-4"]);
    let states: Vec<_> = outbox.by_badness(NOW, &[]).into_iter().map(|(state, entry)| (state, entry.intent.client_seq)).collect();
    assert_eq!(states, [(EntryState::Poisoned, 1), (EntryState::Waiting, 2), (EntryState::Waiting, 3), (EntryState::Queued, 4)]);
}

#[test]
fn a_deferred_entry_holds_its_record_back_until_its_time() {
    let mut outbox = outbox([intent(1, "a", 3, &[]), intent(2, "a", 3, &[]), intent(3, "b", 3, &[])]);
    outbox.get_mut("op-1").expect("there").next_attempt_at = Some(NOW.plus(1));
    assert_eq!(batch_ids(&outbox), ["op-3"]);
    assert_eq!(outbox.next_attempt_at(), Some(NOW.plus(1)));
    outbox.get_mut("op-1").expect("there").next_attempt_at = Some(NOW);
    assert_eq!(batch_ids(&outbox), ["op-1", "op-2", "op-3"]);
}

#[test]
fn a_batch_is_cut_by_bytes_but_never_empty() {
    let outbox = outbox([intent(1, "a", 3, &[]), intent(2, "b", 3, &[])]);
    assert_eq!(outbox.batch(NOW, 100, 1).len(), 1);
    assert_eq!(outbox.batch(NOW, 1, 1 << 20).len(), 1);
}

#[test]
fn a_removed_entry_leaves_no_trace_in_the_indexes() {
    let mut outbox = outbox([intent(1, "a", 3, &[]), intent(2, "a", 3, &[])]);
    outbox.remove("op-1").expect("there");
    assert_eq!(outbox.of_record(&("todos".into(), "a".into())).map(|e| e.intent.client_seq).collect::<Vec<_>>(), [2]);
    outbox.remove("op-2").expect("there");
    assert!(outbox.is_empty());
    assert_eq!((outbox.bytes(), outbox.by_record.len(), outbox.by_operation.len()), (0, 0, 0));
}
