//! Jobs that are over before their time: what was decided here stays decided, and its device is told of it all the same.

use tidewatch_domain::drain::ArchiveOrigin;

use super::*;
use crate::sync::drain::NewLetter;

/// An operation of device 1 that it has reported as a dead letter, and keeps poisoned.
pub(super) async fn reported(store: &Store, operation: &str) {
    let letter = NewLetter {
        operation_id: OperationId::parse(operation).expect("an id"),
        code: "schema_invalid".to_owned(),
        detail: None,
        mutation: reading(operation).raw,
        origin: ArchiveOrigin::Reported,
        state: ArchiveState::Poisoned,
    };
    assert_eq!(store.sync().letters_put(&client(1), vec![letter], NOW).await.expect("written"), [true]);
}

pub(super) fn decided(operation: &str) -> Way {
    Way::Decide(Box::new(Intent::Valid(Box::new(reading(operation)))))
}

/// What a device is handed: each command with its entries, as operation and word.
pub(super) async fn words(store: &Store, who: u32, now: Millis) -> Vec<(String, Vec<(String, String)>)> {
    let commands = store.sync().commands_take(&client(who), now, 50).await.expect("taken");
    let entries = |args: &str| {
        let args: serde_json::Value = serde_json::from_str(args).expect("JSON");
        let text = |entry: &serde_json::Value, name: &str| entry[name].as_str().expect("text").to_owned();
        let entries = args["entries"].as_array().expect("entries");
        entries.iter().map(|entry| (text(entry, "operation_id"), text(entry, "action"))).collect()
    };
    commands.into_iter().map(|command| (command.id, entries(&command.args))).collect()
}

/// Ends a job before its time.
pub(super) async fn ended(store: &Store, job: i64, change: JobChange) {
    moved(store, job, change).await;
    store.sync().job_sweep(job, NOW).await.expect("swept");
}

#[tokio::test]
async fn a_device_is_told_of_what_was_decided_before_its_job_was_stopped_and_of_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    reported(&store, "op-1").await;
    // The payload of the first is here and it is applied at once; the others are on their devices, one of them the same.
    let job = drained(&store, DrainAction::Retry, "take_along", &[(1, "op-1"), (1, "op-2"), (2, "op-3")], decided("op-1")).await;
    ended(&store, job, JobChange::Cancel).await;
    let seen = view(&store, job).await;
    assert_eq!((seen.ok, seen.skipped, seen.sent, seen.finished_ms.is_some()), (1, 2, 0, true));
    assert_eq!((store.sync().commands_open(&client(1)), store.sync().commands_open(&client(2))), (1, 0));
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    assert_eq!(words(&store, 2, NOW).await, []);
    let told = words(&store, 1, NOW).await;
    let [(command, entries)] = told.as_slice() else { panic!("one command: {told:?}") };
    assert_eq!(*entries, [("op-1".to_owned(), "retry".to_owned())]);
    answered(&store, 1, command, &["op-1".to_owned()], EntryOutcome::Ok, None).await;
    assert_eq!((view(&store, job).await.ok, store.sync().commands_open(&client(1))), (1, 0));
    assert_sound(store).await;
}

#[tokio::test]
async fn a_command_about_decided_entries_alone_outlives_the_stop_of_its_job_and_a_restart() {
    for (action, way) in [(DrainAction::Retry, decided("op-1")), (DrainAction::Quarantine, Way::Move)] {
        let dir = tempfile::tempdir().expect("a folder");
        let before = store(dir.path()).await;
        reported(&before, "op-1").await;
        let job = begun(&before, action, "take_along", &[(1, "op-1"), (2, "op-2")], 1, way).await;
        moved(&before, job, JobChange::Cancel).await;
        assert_eq!(before.verify().await.expect("verified").findings, Vec::<String>::new());
        before.close().await.expect("closes");
        let store = store(dir.path()).await;
        assert_eq!(store.sync().commands_open(&client(1)), 0, "{action:?} is held back until the job is swept");
        let mut listening = store.sync().commands_watch(&client(1)).expect("registered");
        store.sync().job_sweep(job, NOW).await.expect("swept");
        listening.changed().await.expect("whoever waits is woken");
        let told = words(&store, 1, NOW).await;
        assert_eq!(told.len(), 1, "{action:?}");
        assert_eq!(told[0].1, [("op-1".to_owned(), action.as_str().to_owned())]);
        assert_sound(store).await;
    }
}

#[tokio::test]
async fn an_undo_takes_back_the_words_of_what_it_puts_back_and_leaves_those_of_what_was_accepted() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for operation in ["op-1", "op-2", "op-3"] {
        reported(&store, operation).await;
    }
    let quarantined = drained(&store, DrainAction::Quarantine, "take_along", &[(1, "op-1"), (1, "op-2")], Way::Move).await;
    // By the time of the undo another job has discarded one of them, so that it is not put back.
    assert_eq!(archived(&store, DrainAction::Discard, "op-2").await.ok, 1);
    ended(&store, quarantined, JobChange::Undo).await;
    assert_eq!(letter(&store, "op-1").await.archive_state(), ArchiveState::Poisoned);
    let retried = drained(&store, DrainAction::Retry, "take_along", &[(1, "op-3"), (2, "op-4")], decided("op-3")).await;
    ended(&store, retried, JobChange::Undo).await;
    assert_eq!(letter(&store, "op-3").await.archive_state(), ArchiveState::Done);
    let mut told: Vec<(String, String)> = words(&store, 1, NOW).await.into_iter().flat_map(|(_, entries)| entries).collect();
    told.sort();
    let word = |operation: &str, word: &str| (operation.to_owned(), word.to_owned());
    assert_eq!(told, [word("op-2", "discard"), word("op-2", "quarantine"), word("op-3", "retry")]);
    assert_sound(store).await;
}

#[tokio::test]
async fn an_entry_whose_device_hands_it_over_as_a_conflict_after_the_stop_stays_in_escrow() {
    for change in [JobChange::Cancel, JobChange::Undo] {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        let job = told(&store, DrainAction::ToConflict, "take_along", &["op-1"]).await;
        let (command, operations) = upload(&store).await;
        ended(&store, job, change).await;
        done(&store, &command, &operations, None).await;
        assert_eq!(letter(&store, "op-1").await.archive_state(), ArchiveState::Escrowed, "{change:?}: no conflict stands for it");
        let seen = view(&store, job).await;
        assert_eq!((seen.ok, seen.skipped, seen.sent, seen.waiting), (0, 1, 0, 0), "{change:?}");
        assert!(seen.finished_ms.is_some(), "{change:?}");
        let depends = sent(&store, child("op-2", "op-1")).await;
        assert_eq!(depends, (IntentStatus::Deferred, Some("dependency_missing")), "{change:?}: nobody has decided it");
        assert_sound(store).await;
    }
}

#[tokio::test]
async fn an_entry_that_was_refused_while_its_device_was_told_becomes_a_conflict_here_and_is_not_closed_without_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let job = told(&store, DrainAction::ToConflict, "take_along", &["op-1"]).await;
    let fetched = handed(&store, 1).await;
    reported(&store, "op-1").await;
    answered(&store, 1, &fetched[0], &["op-1".to_owned()], EntryOutcome::Ok, None).await;
    assert_eq!(letter(&store, "op-1").await.archive_state(), ArchiveState::Poisoned, "no conflict stands for it yet");
    let seen = view(&store, job).await;
    assert_eq!((seen.waiting, seen.sent, seen.ok), (1, 0, 0), "its payload is here, and what is to be done is done here");
    assert_sound(store).await;
}

#[tokio::test]
async fn a_job_of_which_nothing_can_be_taken_back_is_not_undone() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let undo = || JobMove { change: JobChange::Undo, actor: "user:maya".into(), request_id: "r-2".into(), remark: None, at: NOW };
    for (operation, action, way) in [("op-1", DrainAction::Retry, decided("op-1")), ("op-2", DrainAction::Quarantine, Way::Move)]
    {
        reported(&store, operation).await;
        let job = drained(&store, action, "take_along", &[(1, operation)], way).await;
        store.sync().job_moved(job, SystemMove::Done, NOW).await.expect("done");
        let undone = store.sync().job_change(job, undo()).await.expect("asked");
        let (answer, state) = match action {
            DrainAction::Retry => (Err(JobState::Done), JobState::Done),
            _ => (Ok(()), JobState::Undone),
        };
        assert_eq!((undone, view(&store, job).await.job_state()), (answer, state), "{action:?}");
        if state == JobState::Undone {
            store.sync().job_sweep(job, NOW).await.expect("swept");
            assert_eq!(view(&store, job).await.skipped, 1);
        }
    }
    assert_sound(store).await;
}
