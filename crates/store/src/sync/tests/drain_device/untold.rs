//! What was decided here and its device has not heard of: it is said until the device has heard it, or has nothing to hear any more.

use std::collections::HashSet;

use sqlx::{Connection as _, SqliteConnection};
use tidewatch_domain::control::COMMAND_TTL_MS;
use tidewatch_domain::time::{DAY_MS, HOUR_MS};

use super::stop::{decided, ended, reported, words};
use super::*;
use crate::sync::By;

/// When a command that is given out now has ended.
const LATER: Millis = Millis(NOW.0 + COMMAND_TTL_MS);

fn by() -> By {
    By { actor: "user:maya".to_owned(), reason: "because of a test".to_owned(), trace_id: None }
}

fn word(operation: &str, word: &str) -> (String, String) {
    (operation.to_owned(), word.to_owned())
}

/// A store in which an operation of device 1 was reported and decided here, and its job.
async fn decided_here(dir: &Path, operation: &str) -> (Store, i64) {
    let store = store(dir).await;
    reported(&store, operation).await;
    let job = drained(&store, DrainAction::Retry, "take_along", &[(1, operation)], decided(operation)).await;
    (store, job)
}

/// Ends what nobody has fetched until a moment.
async fn expired(store: &Store, at: Millis) {
    assert!(store.sync().commands_expire(at).await.is_ok());
}

/// What devices have not been told of a job, and whether device 1 is handed something at a moment.
async fn standing(store: &Store, job: i64, at: Millis) -> (u64, u32) {
    (store.sync().untold_of_job(job).await.expect("read"), store.sync().commands_waiting(&client(1), at))
}

/// A device says the same of an entry of a command, at a moment.
async fn said(store: &Store, command: &str, operation: &str, outcome: EntryOutcome, at: Millis) {
    let entry = EntryAnswer { operation_id: operation.to_owned(), outcome, code: None, detail: None };
    let report = CommandReport { reported: Reported::Done, progress: None, result: None, error: None, entries: vec![entry] };
    let state = store.sync().command_report(&client(1), command, report, at).await.expect("written").expect("fits");
    assert_eq!(state, CommandState::Done);
}

async fn assert_findings(store: &Store) {
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
}

#[tokio::test]
async fn a_device_that_was_away_until_its_command_expired_is_told_at_its_next_poll() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, job) = decided_here(dir.path(), "op-1").await;
    assert_eq!(standing(&store, job, NOW).await, (1, 1));
    expired(&store, LATER).await;
    assert_eq!(standing(&store, job, LATER).await, (1, 1), "there is something to fetch, though no command is open");
    assert_eq!(store.sync().commands_open(&client(1)), 0);
    assert_findings(&store).await;
    let told = words(&store, 1, LATER.plus(DAY_MS)).await;
    let [(command, entries)] = told.as_slice() else { panic!("one command: {told:?}") };
    assert_eq!(*entries, [word("op-1", "retry")]);
    let given = store.sync().command_view(command).await.expect("read").row;
    assert_eq!((given.actor.as_str(), given.reason.as_str()), ("user:maya", "because of a test"));
    assert_eq!(given.job, Some(format!("J{job}")));
    assert_eq!(words(&store, 1, LATER.plus(DAY_MS)).await, [], "it is not said twice at once");
    said(&store, command, "op-1", EntryOutcome::Ok, LATER.plus(DAY_MS)).await;
    assert_eq!(standing(&store, job, LATER.plus(9 * DAY_MS)).await, (0, 0));
    assert!(!store.sync().untold_any(&client(1)));
    assert_sound(store).await;
}

#[tokio::test]
async fn what_a_device_refuses_is_said_again_after_pauses_that_double_up_to_a_day() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, job) = decided_here(dir.path(), "op-1").await;
    let mut at = NOW;
    for hours in [1, 2, 4, 8, 16, 24, 24] {
        let told = words(&store, 1, at).await;
        assert_eq!(told.len(), 1, "after {hours} hours");
        said(&store, &told[0].0, "op-1", EntryOutcome::Refused, at).await;
        assert_eq!(standing(&store, job, at).await, (1, 0));
        at = at.plus(hours * HOUR_MS);
        assert_eq!(words(&store, 1, at.plus(-1)).await, [], "not before {hours} hours are over");
        assert_eq!(standing(&store, job, at).await, (1, 1));
    }
    let told = words(&store, 1, at).await;
    said(&store, &told[0].0, "op-1", EntryOutcome::NotFound, at).await;
    assert_eq!(standing(&store, job, at.plus(9 * DAY_MS)).await, (0, 0), "what it does not have it need not hear of");
    assert_sound(store).await;
}

#[tokio::test]
async fn what_somebody_takes_back_or_the_device_fails_at_as_a_whole_is_said_again_after_an_hour() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, job) = decided_here(dir.path(), "op-1").await;
    let id = store.sync().commands_list(&client(1), crate::sync::Place::Newest, 1).await.expect("read").rows.remove(0).id;
    assert_eq!(store.sync().command_cancel(&id, false, by(), NOW).await.expect("asked"), Ok(CommandState::Cancelled));
    assert_eq!(standing(&store, job, NOW.plus(HOUR_MS - 1)).await, (1, 0));
    let told = words(&store, 1, NOW.plus(HOUR_MS)).await;
    let error = Some(("args_invalid".to_owned(), "it cannot be read".to_owned()));
    let failed = CommandReport { reported: Reported::Failed, progress: None, result: None, error, entries: Vec::new() };
    let at = NOW.plus(HOUR_MS);
    store.sync().command_report(&client(1), &told[0].0, failed, at).await.expect("written").expect("fits");
    assert_eq!(standing(&store, job, at.plus(2 * HOUR_MS)).await, (1, 1));
    assert_eq!(words(&store, 1, at.plus(2 * HOUR_MS)).await.len(), 1);
    assert_sound(store).await;
}

#[tokio::test]
async fn what_is_to_be_said_again_outlives_a_restart_and_ends_with_the_device() {
    let dir = tempfile::tempdir().expect("a folder");
    let (before, job) = decided_here(dir.path(), "op-1").await;
    expired(&before, LATER).await;
    before.close().await.expect("closes");
    let store = store(dir.path()).await;
    assert_eq!(standing(&store, job, LATER).await, (1, 1));
    assert_findings(&store).await;
    assert_eq!(words(&store, 1, LATER).await.len(), 1);
    store.sync().commands_close(&client(1), by(), LATER).await.expect("closed");
    assert_eq!(standing(&store, job, LATER.plus(9 * DAY_MS)).await, (0, 0), "it is gone for good");
    assert_sound(store).await;
}

#[tokio::test]
async fn a_complete_list_of_an_outbox_ends_what_it_leaves_out_and_one_from_before_the_decision_does_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for operation in ["op-1", "op-2"] {
        reported(&store, operation).await;
    }
    let job = drained(&store, DrainAction::Quarantine, "take_along", &[(1, "op-1"), (1, "op-2")], Way::Move).await;
    let listed = |operations: &[&str]| operations.iter().map(|id| (*id).to_owned()).collect::<HashSet<String>>();
    let list = async |at: Millis, operations: &[&str]| {
        store.sync().untold_listed(&client(1), at, &listed(operations)).await.expect("taken")
    };
    assert_eq!(list(NOW.plus(-1), &[]).await, 0, "the device has queued them since");
    assert_eq!(list(NOW.plus(1), &["op-1", "op-2", "op-3"]).await, 0);
    assert_eq!(list(NOW.plus(1), &["op-2"]).await, 1);
    assert_eq!(standing(&store, job, NOW).await.0, 1);
    assert_eq!(list(NOW.plus(1), &[]).await, 1);
    expired(&store, LATER).await;
    assert_eq!(standing(&store, job, LATER.plus(DAY_MS)).await, (0, 0));
    assert_sound(store).await;
}

#[tokio::test]
async fn the_newest_word_about_an_entry_counts_and_none_when_it_is_put_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for operation in ["op-1", "op-2", "op-3"] {
        reported(&store, operation).await;
    }
    let all = [(1, "op-1"), (1, "op-2"), (1, "op-3")];
    let job = drained(&store, DrainAction::Quarantine, "take_along", &all, Way::Move).await;
    expired(&store, LATER).await;
    let discarded = drained(&store, DrainAction::Discard, "take_along", &[(1, "op-2")], Way::Move).await;
    let restored = drained(&store, DrainAction::Restore, "take_along", &[(1, "op-3")], Way::Move).await;
    assert_eq!((view(&store, discarded).await.ok, view(&store, restored).await.ok), (1, 1));
    assert_eq!(standing(&store, job, LATER).await.0, 1, "the others are another job's by now, or nobody's");
    ended(&store, job, JobChange::Undo).await;
    assert_eq!(standing(&store, job, LATER).await.0, 0);
    expired(&store, NOW.plus(2 * COMMAND_TTL_MS)).await;
    let told = words(&store, 1, NOW.plus(2 * COMMAND_TTL_MS)).await;
    assert_eq!(told.into_iter().flat_map(|(_, entries)| entries).collect::<Vec<_>>(), [word("op-2", "discard")]);
    assert_sound(store).await;
}

#[tokio::test]
async fn what_a_job_holds_back_is_not_said_again_before_it_lets_go() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    reported(&store, "op-1").await;
    // The second waits: a job that is through has nothing to hold back.
    let both = [(1, "op-1"), (2, "op-2")];
    let job = begun(&store, DrainAction::Retry, "take_along", &both, 1, decided("op-1")).await;
    moved(&store, job, JobChange::Pause).await;
    expired(&store, LATER).await;
    assert_eq!(words(&store, 1, LATER).await, []);
    assert_eq!(standing(&store, job, LATER).await, (1, 0), "a poll of it costs nothing meanwhile");
    assert_findings(&store).await;
    moved(&store, job, JobChange::Resume).await;
    assert_eq!(words(&store, 1, LATER.plus(HOUR_MS)).await.len(), 1);
    assert_sound(store).await;
}

#[tokio::test]
async fn an_entry_that_is_restored_leaves_the_command_that_nobody_has_fetched_and_the_rest_of_it_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for operation in ["op-1", "op-2"] {
        reported(&store, operation).await;
    }
    // The payload of the third is on its device alone, which is asked for it in the same command.
    let all = [(1, "op-1"), (1, "op-2"), (1, "op-3")];
    let job = drained(&store, DrainAction::Quarantine, "take_along", &all, Way::Move).await;
    drained(&store, DrainAction::Restore, "take_along", &[(1, "op-1")], Way::Move).await;
    assert_eq!(letter(&store, "op-1").await.archive_state(), ArchiveState::Poisoned);
    assert_findings(&store).await;
    let seen = view(&store, job).await;
    assert_eq!((seen.ok, seen.sent, seen.skipped), (2, 1, 0), "what its device is asked for is asked all the same");
    let told = words(&store, 1, NOW).await;
    let [(command, entries)] = told.as_slice() else { panic!("one command: {told:?}") };
    assert_eq!(*entries, [word("op-2", "quarantine"), word("op-3", "quarantine")]);
    let line = EscrowLine { operation_id: "op-3".into(), intent: reading("op-3").raw, error: None, held: false };
    store.sync().escrow_put(&client(1), Some(command.clone()), vec![line], NOW).await.expect("put");
    done(&store, command, &["op-2".to_owned(), "op-3".to_owned()], None).await;
    assert_eq!(view(&store, job).await.ok, 3);
    assert_eq!(standing(&store, job, LATER).await, (0, 0));
    assert_sound(store).await;
}

#[tokio::test]
async fn what_was_decided_before_devices_were_told_again_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for operation in ["op-1", "op-2", "op-3", "op-4"] {
        reported(&store, operation).await;
    }
    let job = drained(&store, DrainAction::Quarantine, "take_along", &[(1, "op-1"), (1, "op-2")], Way::Move).await;
    expired(&store, LATER).await;
    drained(&store, DrainAction::Discard, "take_along", &[(1, "op-2")], Way::Move).await;
    let heard = drained(&store, DrainAction::Quarantine, "take_along", &[(1, "op-3")], Way::Move).await;
    let fetched = words(&store, 1, NOW).await;
    let about =
        |operation: &str| fetched.iter().find(|(_, entries)| entries.iter().any(|(id, _)| id == operation)).expect("told");
    done(&store, &about("op-3").0, &["op-3".to_owned()], None).await;
    let refused = drained(&store, DrainAction::Discard, "take_along", &[(1, "op-4")], Way::Move).await;
    let told = words(&store, 1, NOW).await;
    let answer = json!({"entries": [{"operation_id": "op-4", "outcome": "refused"}]});
    let entry = EntryAnswer { operation_id: "op-4".to_owned(), outcome: EntryOutcome::Refused, code: None, detail: None };
    let result = Some(answer.to_string());
    let report = CommandReport { reported: Reported::Done, progress: None, result, error: None, entries: vec![entry] };
    store.sync().command_report(&client(1), &told[0].0, report, NOW).await.expect("written").expect("fits");
    store.close().await.expect("closes");
    let mut file = SqliteConnection::connect(&format!("sqlite://{}", dir.path().join("sync.db").display())).await.expect("opens");
    for text in ["drop table untold", "delete from _sqlx_migrations where version = 17"] {
        sqlx::query(text).execute(&mut file).await.expect("as it was before");
    }
    file.close().await.expect("closes");
    let store = super::store(dir.path()).await;
    let of = async |job: i64| store.sync().untold_of_job(job).await.expect("read");
    assert_eq!((of(job).await, of(heard).await, of(refused).await), (1, 0, 1));
    expired(&store, LATER).await;
    assert_findings(&store).await;
    let mut told: Vec<(String, String)> = words(&store, 1, LATER).await.into_iter().flat_map(|(_, entries)| entries).collect();
    told.sort();
    assert_eq!(told, [word("op-1", "quarantine"), word("op-2", "discard"), word("op-4", "discard")]);
    assert_sound(store).await;
}
