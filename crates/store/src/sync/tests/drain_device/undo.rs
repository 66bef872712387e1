//! How much an undo would take back is counted before, and is what it takes back.

use super::stop::{ended, reported};
use super::*;

async fn undoable(store: &Store, job: i64) -> Undoable {
    store.sync().job_undoable(&view(store, job).await).await.expect("read")
}

/// Quarantines an entry of device 1 whose payload is here, and one that only it has, and one that only device 2 has.
async fn quarantined(store: &Store) -> i64 {
    reported(store, "op-1").await;
    drained(store, DrainAction::Quarantine, "take_along", &[(1, "op-1"), (1, "op-2"), (2, "op-3")], Way::Move).await
}

#[tokio::test]
async fn what_is_counted_is_what_an_undo_takes_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let job = quarantined(&store).await;
    assert_eq!(undoable(&store, job).await, Undoable { put_back: 1, called_back: 2, left: 0 });
    handed(&store, 2).await;
    let counted = undoable(&store, job).await;
    assert_eq!(counted, Undoable { put_back: 1, called_back: 1, left: 0 }, "device 2 has fetched it");
    ended(&store, job, JobChange::Undo).await;
    let seen = view(&store, job).await;
    assert_eq!((seen.skipped.cast_unsigned(), seen.ok, seen.sent), (counted.total(), 0, 1));
    assert_sound(store).await;
}

#[tokio::test]
async fn what_somebody_has_moved_or_a_device_has_fetched_counts_no_more_and_then_nothing_is_taken_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let job = quarantined(&store).await;
    handed(&store, 1).await;
    handed(&store, 2).await;
    assert_eq!(undoable(&store, job).await, Undoable { put_back: 1, ..Undoable::default() }, "what stands here is put back");
    assert_eq!(archived(&store, DrainAction::Discard, "op-1").await.ok, 1);
    assert_eq!(undoable(&store, job).await, Undoable::default());
    let by = JobMove { change: JobChange::Undo, actor: "user:maya".into(), request_id: "r-2".into(), remark: None, at: NOW };
    assert_eq!(store.sync().job_change(job, by).await.expect("asked"), Err(JobState::Running));
    assert_sound(store).await;
}

#[tokio::test]
async fn what_is_to_be_held_counts_also_when_its_device_is_at_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let job = held(&store, &operations(2, "one"), &operations(1, "two")).await;
    let fetched = handed(&store, 1).await;
    assert_eq!(undoable(&store, job).await, Undoable { called_back: 3, ..Undoable::default() });
    answered(&store, 1, &fetched[0], &operations(2, "one"), EntryOutcome::Ok, None).await;
    let counted = undoable(&store, job).await;
    assert_eq!(counted, Undoable { put_back: 2, called_back: 1, left: 0 }, "only their device has them, and holds them");
    // A payload that comes in says that it is the device's still: it is not put back here.
    uploaded_alone(&store, "one-00").await;
    assert_eq!(undoable(&store, job).await.put_back, 1);
    ended(&store, job, JobChange::Undo).await;
    let seen = view(&store, job).await;
    assert_eq!((seen.skipped, seen.ok), (2, 1));
    assert_sound(store).await;
}

/// A payload that was asked for comes in.
async fn uploaded_alone(store: &Store, operation: &str) {
    let line = EscrowLine { operation_id: operation.to_owned(), intent: reading(operation).raw, error: None, held: true };
    let put = store.sync().escrow_put(&client(1), None, vec![line], NOW).await.expect("put");
    assert_eq!(put.stored, 1);
}
