//! What is held and then taken back or restored: its device lets go of it, unless it has never heard that it is to hold it.

use super::stop::{ended, reported, words};
use super::*;
use tidewatch_domain::control::COMMAND_TTL_MS;

fn word(operation: &str, word: &str) -> (String, String) {
    (operation.to_owned(), word.to_owned())
}

/// Everything that device 1 is handed, as operation and word, sorted; and the commands.
async fn told_now(store: &Store) -> (Vec<(String, String)>, Vec<String>) {
    let told = words(store, 1, NOW).await;
    let (commands, entries): (Vec<String>, Vec<Vec<(String, String)>>) = told.into_iter().unzip();
    let mut entries = entries.concat();
    entries.sort();
    (entries, commands)
}

/// Device 1 holds one operation whose payload is here, and one that only it has, and has said so. Answers the job.
async fn both_held(store: &Store) -> i64 {
    reported(store, "op-1").await;
    let job = drained(store, DrainAction::Hold, "take_along", &[(1, "op-1"), (1, "op-2")], Way::Move).await;
    let (told, commands) = told_now(store).await;
    assert_eq!(told, [word("op-1", "hold"), word("op-2", "hold")]);
    answered(store, 1, &commands[0], &["op-1".to_owned(), "op-2".to_owned()], EntryOutcome::Ok, None).await;
    assert_eq!(view(store, job).await.ok, 2);
    job
}

#[tokio::test]
async fn an_undo_of_a_hold_has_the_device_let_go_of_what_it_holds_also_of_what_only_it_has() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let job = both_held(&store).await;
    store.sync().job_moved(job, SystemMove::Done, NOW).await.expect("done");
    let undoable = store.sync().job_undoable(&view(&store, job).await).await.expect("read");
    assert_eq!(undoable, Undoable { put_back: 2, ..Undoable::default() });
    ended(&store, job, JobChange::Undo).await;
    let seen = view(&store, job).await;
    assert_eq!((seen.ok, seen.skipped, seen.finished_ms.is_some()), (0, 2, true), "both are put back");
    assert_eq!(letter(&store, "op-1").await.archive_state(), ArchiveState::Poisoned);
    assert_eq!(store.sync().commands_open(&client(1)), 1);
    let (told, commands) = told_now(&store).await;
    assert_eq!(told, [word("op-1", "retry"), word("op-2", "retry")]);
    assert_eq!(store.sync().untold_of_job(job).await.expect("read"), 2);
    answered(&store, 1, &commands[0], &["op-1".to_owned(), "op-2".to_owned()], EntryOutcome::Ok, None).await;
    assert_eq!(store.sync().untold_of_job(job).await.expect("read"), 0);
    assert_eq!(view(&store, job).await.skipped, 2, "nothing moves any more");
    assert_sound(store).await;
}

#[tokio::test]
async fn a_device_that_has_never_heard_of_a_hold_is_told_nothing_when_it_is_taken_back_or_restored() {
    for (expires, restores) in [(false, false), (true, false), (false, true), (true, true)] {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        reported(&store, "op-1").await;
        let job = drained(&store, DrainAction::Hold, "take_along", &[(1, "op-1")], Way::Move).await;
        let at = NOW.plus(COMMAND_TTL_MS);
        if expires {
            store.sync().commands_expire(at).await.expect("ended");
        }
        if restores {
            assert_eq!(archived(&store, DrainAction::Restore, "op-1").await.ok, 1);
        } else {
            ended(&store, job, JobChange::Undo).await;
        }
        assert_eq!(letter(&store, "op-1").await.archive_state(), ArchiveState::Poisoned, "{expires} {restores}");
        assert_eq!(store.sync().commands_waiting(&client(1), at), 0, "{expires} {restores}");
        assert_eq!(words(&store, 1, if expires { at } else { NOW }).await, [], "{expires} {restores}");
        assert_sound(store).await;
    }
}

#[tokio::test]
async fn a_device_that_is_at_a_hold_when_it_is_taken_back_is_told_to_let_go_after_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let job = held(&store, &operations(1, "one"), &[]).await;
    let fetched = handed(&store, 1).await;
    ended(&store, job, JobChange::Undo).await;
    assert_eq!(view(&store, job).await.sent, 1, "what was fetched goes on to its end");
    answered(&store, 1, &fetched[0], &operations(1, "one"), EntryOutcome::Ok, None).await;
    let seen = view(&store, job).await;
    assert_eq!((seen.ok, seen.skipped, seen.sent, seen.finished_ms.is_some()), (0, 1, 0, true));
    assert_eq!(told_now(&store).await.0, [word("one-00", "retry")]);
    assert_sound(store).await;
}

#[tokio::test]
async fn what_waits_behind_and_was_held_is_let_go_by_the_undo_of_its_drain() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let job = both_held(&store).await;
    assert_eq!(archived(&store, DrainAction::Quarantine, "op-1").await.ok, 1);
    ended(&store, job, JobChange::Undo).await;
    assert_eq!(letter(&store, "op-1").await.archive_state(), ArchiveState::Quarantined, "another job has it by now");
    assert_eq!(told_now(&store).await.0, [word("op-1", "quarantine"), word("op-2", "retry")]);
    assert_sound(store).await;
}

#[tokio::test]
async fn what_is_held_is_restored_on_its_device_whether_its_payload_is_here_or_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    both_held(&store).await;
    let here = archived(&store, DrainAction::Restore, "op-1").await;
    let there = drained(&store, DrainAction::Restore, "take_along", &[(1, "op-2")], Way::OnDevice).await;
    let left = drained(&store, DrainAction::Restore, "take_along", &[(1, "op-3")], Way::Move).await;
    let seen = view(&store, left).await;
    assert_eq!((seen.ok, seen.sent, seen.skipped), (0, 0, 1), "what is neither here nor held is left alone");
    assert_eq!((here.ok, view(&store, there).await.sent), (1, 1));
    assert_eq!(letter(&store, "op-1").await.archive_state(), ArchiveState::Poisoned);
    let (told, commands) = told_now(&store).await;
    assert_eq!(told, [word("op-1", "retry"), word("op-2", "retry")]);
    for (command, operation) in commands.iter().zip(["op-1", "op-2"]) {
        answered(&store, 1, command, &[operation.to_owned()], EntryOutcome::Ok, None).await;
    }
    assert_eq!((view(&store, there).await.ok, view(&store, there).await.sent), (1, 0));
    assert_sound(store).await;
}

/// An intent that is refused whenever it is tried.
fn hopeless(operation: &str) -> Way {
    Way::Decide(Box::new(Intent::Valid(Box::new(intent(operation, MutationOp::Create, "nowhere", "r-1", json!({}))))))
}

#[tokio::test]
async fn what_is_held_and_refused_once_more_is_let_go_by_its_device() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    both_held(&store).await;
    let job = drained(&store, DrainAction::Retry, "take_along", &[(1, "op-1")], hopeless("op-1")).await;
    assert_eq!(view(&store, job).await.failed, 1);
    assert_eq!(letter(&store, "op-1").await.archive_state(), ArchiveState::Poisoned, "nobody holds it here");
    let (told, commands) = told_now(&store).await;
    assert_eq!(told, [word("op-1", "retry")], "nor there: it is refused there as well, and what waits behind it knows");
    assert_eq!(store.sync().untold_of_job(job).await.expect("read"), 1);
    answered(&store, 1, &commands[0], &["op-1".to_owned()], EntryOutcome::Ok, None).await;
    assert_eq!(store.sync().untold_of_job(job).await.expect("read"), 0);
    assert_eq!(view(&store, job).await.failed, 1, "that it has heard is no outcome");
    assert_sound(store).await;
}

#[tokio::test]
async fn what_is_refused_once_more_before_its_device_has_heard_that_it_is_to_hold_it_is_not_spoken_of() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    reported(&store, "op-1").await;
    drained(&store, DrainAction::Hold, "take_along", &[(1, "op-1")], Way::Move).await;
    drained(&store, DrainAction::Retry, "take_along", &[(1, "op-1")], hopeless("op-1")).await;
    assert_eq!(letter(&store, "op-1").await.archive_state(), ArchiveState::Poisoned);
    assert_eq!(told_now(&store).await.0, []);
    assert_sound(store).await;
}
