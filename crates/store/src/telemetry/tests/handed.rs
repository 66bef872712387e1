//! What a device has handed over and keeps is the device's to speak of, until somebody acts on it or it is sent.

use serde_json::json;
use sqlx::{Connection as _, SqliteConnection};
use tidewatch_domain::control::{CommandKind, NewCommand};
use tidewatch_domain::drain::{ArchiveOrigin, ArchiveState};
use tidewatch_domain::ids::OperationId;
use tidewatch_domain::sync::{Intent, IntentStatus, Terms};

use super::mirror::refusals::{intent, push, ready};
use super::mirror::{listed, told};
use super::*;
use crate::sync::EscrowLine;
use crate::sync::drain::NewLetter;

fn payload(operation: &str) -> String {
    let Intent::Valid(mutation) = intent(operation, &json!(7)) else { unreachable!("it is one") };
    mutation.raw
}

fn line(operation: &str) -> EscrowLine {
    EscrowLine { operation_id: operation.to_owned(), intent: payload(operation), error: None, held: false }
}

async fn command(store: &Store, kind: CommandKind, args: serde_json::Value) -> Option<String> {
    let command = NewCommand {
        client_id: client(1),
        kind,
        args,
        priority: 3,
        expires_at: NOW.plus(DAY_MS),
        supersede_key: None,
        job: None,
        actor: "user:maya".to_owned(),
        reason: "the tablet is stuck".to_owned(),
    };
    Some(store.sync().commands_issue(vec![command], None, NOW).await.expect("given").remove(0))
}

async fn upload(store: &Store, lines: Vec<EscrowLine>) {
    let wanted = command(store, CommandKind::UploadWal, json!({"operation_ids": "all", "redact": false})).await;
    let (all, put) = (lines.len() as u64, store.sync().escrow_put(&client(1), wanted, lines, NOW).await.expect("put"));
    assert_eq!((put.stored, put.refused), (all, Vec::new()));
    follow(store).await;
}

async fn follow(store: &Store) {
    store.telemetry().entries_follow(NOW.plus(1_000)).await.expect("followed");
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
}

async fn state(store: &Store, operation: &str) -> (ArchiveOrigin, ArchiveState) {
    let letter = store.sync().letter_view(&client(1), operation).await.expect("opens").expect("there");
    let (origin, state) = (ArchiveOrigin::of_number(letter.origin), ArchiveState::of_number(letter.state));
    (origin.expect("known"), state.expect("known"))
}

async fn poisoned(store: &Store) -> i64 {
    store.telemetry().device_view(&client(1), NOW.plus(9_000)).await.expect("known").row.poisoned
}

fn queued(operations: &[&str]) -> Option<OutboxDigest> {
    let entries = operations.iter().map(|id| entry(id, EntryState::Queued, NOW)).collect::<Vec<_>>();
    outbox(false, operations.len() as i64, entries)
}

#[tokio::test]
async fn uploaded_payloads_of_waiting_writes_change_nothing_of_them_and_leave_with_their_answers() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = ready(dir.path()).await;
    told(store.telemetry(), "r1", NOW, queued(&["a-1", "a-2", "a-3"])).await;
    let held = EscrowLine { held: true, ..line("a-4") };
    let failing = EscrowLine { error: Some(("network".to_owned(), "no route".to_owned())), ..line("a-5") };
    upload(&store, vec![line("a-1"), line("a-2"), line("a-3"), held, failing, line("a-6")]).await;
    let names = ["a-5", "a-4", "a-1", "a-2", "a-3", "a-6"].map(str::to_owned);
    let states = [EntryState::Retrying, EntryState::Held].into_iter().chain([EntryState::Queued; 4]);
    let wanted: Vec<(String, EntryState)> = names.into_iter().zip(states).collect();
    assert_eq!(listed(store.telemetry(), 1).await, wanted, "those that no digest has listed wait too");
    assert_eq!(poisoned(&store).await, 0);
    told(store.telemetry(), "r2", NOW.plus(2_000), queued(&["a-1", "a-2"])).await;
    assert_eq!(listed(store.telemetry(), 1).await.len(), 2, "a complete digest removes what nobody has acted on");
    let answers = push(&store, NOW.plus(3_000), vec![intent("a-1", &json!(7)), intent("a-2", &json!(8))]).await;
    assert_eq!(answers, [IntentStatus::Applied; 2]);
    follow(&store).await;
    assert_eq!(listed(store.telemetry(), 1).await, []);
    assert_eq!(state(&store, "a-1").await, (ArchiveOrigin::Uploaded, ArchiveState::Done));
    assert_eq!(state(&store, "a-3").await, (ArchiveOrigin::Uploaded, ArchiveState::Poisoned), "its payload stays");
    let view = store.telemetry().device_view(&client(1), NOW.plus(9_000)).await.expect("known");
    assert_eq!((view.row.queue_depth, view.row.condition == Condition::Stuck), (Some(0), false));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn what_depends_on_an_uploaded_write_waits_for_its_answer() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = ready(dir.path()).await;
    upload(&store, vec![line("a-1")]).await;
    let behind = || {
        let Intent::Valid(mut mutation) = intent("a-2", &json!(8)) else { unreachable!("it is one") };
        let depends_on = vec![OperationId::parse("a-1").expect("an id")];
        mutation.terms = Some(Box::new(Terms { depends_on, ..Terms::default() }));
        Intent::Valid(mutation)
    };
    assert_eq!(push(&store, NOW, vec![behind()]).await, [IntentStatus::Deferred]);
    assert_eq!(push(&store, NOW, vec![intent("a-1", &json!(7)), behind()]).await, [IntentStatus::Applied; 2]);
    follow(&store).await;
    store.close().await.expect("closes");
}

#[tokio::test]
async fn an_upload_that_is_refused_when_it_is_sent_stands_there_like_any_refusal() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = ready(dir.path()).await;
    told(store.telemetry(), "r1", NOW, queued(&["a-1"])).await;
    upload(&store, vec![line("a-1")]).await;
    assert_eq!(push(&store, NOW.plus(1_000), vec![intent("a-1", &json!("text"))]).await, [IntentStatus::Rejected]);
    follow(&store).await;
    assert_eq!(listed(store.telemetry(), 1).await, [("a-1".to_owned(), EntryState::Poisoned)]);
    assert_eq!(state(&store, "a-1").await, (ArchiveOrigin::Refused, ArchiveState::Poisoned));
    let view = store.telemetry().outbox_entry(&client(1), "a-1").await.expect("listed");
    assert_eq!(view.row.entry.error.as_ref().map(|error| error.code.as_str()), Some("schema_invalid"));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_dead_letter_that_is_sent_again_and_applied_is_closed() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = ready(dir.path()).await;
    upload(&store, vec![line("a-1")]).await;
    let letter = |operation: &str| NewLetter {
        operation_id: OperationId::parse(operation).expect("an id"),
        code: "gone_stale".to_owned(),
        detail: None,
        mutation: payload(operation),
        origin: ArchiveOrigin::Reported,
        state: ArchiveState::Poisoned,
    };
    let new = store.sync().letters_put(&client(1), vec![letter("a-1"), letter("a-2")], NOW).await.expect("kept");
    assert_eq!(new, [true, true], "what was only uploaded is given up now");
    follow(&store).await;
    assert_eq!(poisoned(&store).await, 2);
    assert_eq!(state(&store, "a-1").await, (ArchiveOrigin::Reported, ArchiveState::Poisoned));
    push(&store, NOW.plus(1_000), vec![intent("a-1", &json!(7)), intent("a-2", &json!(8))]).await;
    follow(&store).await;
    assert_eq!((poisoned(&store).await, state(&store, "a-2").await), (0, (ArchiveOrigin::Reported, ArchiveState::Done)));
    let again = store.sync().letters_put(&client(1), vec![letter("a-2")], NOW).await.expect("kept");
    assert_eq!(again, [false]);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn an_upload_that_its_device_lets_go_of_stays_listed_whatever_a_digest_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = ready(dir.path()).await;
    told(store.telemetry(), "r1", NOW, queued(&["a-1", "a-2"])).await;
    upload(&store, vec![line("a-1"), line("a-2")]).await;
    let fresh = command(&store, CommandKind::Resync, json!({"scopes": "all", "mode": "escrow"})).await;
    let put = store.sync().escrow_put(&client(1), fresh, vec![line("a-1")], NOW).await.expect("put");
    assert_eq!((put.stored, put.duplicates), (0, 1));
    // Somebody has acted on the other one.
    let mut log = SqliteConnection::connect(&format!("sqlite:{}", dir.path().join("sync.db").display())).await.expect("opens");
    for text in [
        "update dead_letters set state = 4, job = 17 where operation_id = 'a-2'",
        "insert into entry_events (client, operation_id, state, job, at_ms) select client, operation_id, 7, 17, 5 from dead_letters where operation_id = 'a-2'",
    ] {
        sqlx::query(text).execute(&mut log).await.expect("written");
    }
    log.close().await.expect("closes");
    follow(&store).await;
    told(store.telemetry(), "r2", NOW.plus(2_000), outbox(false, 0, Vec::new())).await;
    for (operation, state) in [("a-1", EntryState::Escrowed), ("a-2", EntryState::Quarantined)] {
        let view = store.telemetry().outbox_entry(&client(1), operation).await.expect("listed");
        assert_eq!(view.row.entry.state, state, "{operation}");
    }
    assert_eq!(state(&store, "a-1").await, (ArchiveOrigin::Escrowed, ArchiveState::Escrowed));
    follow(&store).await;
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_verification_finds_a_mirror_that_keeps_an_upload_and_an_answer_that_nobody_followed() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = ready(dir.path()).await;
    upload(&store, vec![line("a-1"), line("a-2")]).await;
    push(&store, NOW.plus(1_000), vec![intent("a-1", &json!(7))]).await;
    follow(&store).await;
    let open = async |file: &str| {
        SqliteConnection::connect(&format!("sqlite:{}", dir.path().join(file).display())).await.expect("opens")
    };
    let mut log = open("sync.db").await;
    sqlx::query("update dead_letters set state = 0 where operation_id = 'a-1'").execute(&mut log).await.expect("written");
    let mut mirror = open("telemetry.db").await;
    sqlx::query("update outbox set kept = 1 where operation_id = 'a-2'").execute(&mut mirror).await.expect("written");
    let found = store.verify().await.expect("verified").findings;
    assert!(found.iter().any(|words| words.contains("waits for an answer, and its operation is in the log")), "{found:?}");
    assert!(found.iter().any(|words| words.contains("the mirror keeps 1 entries for the archive, which has 0")), "{found:?}");
    store.close().await.expect("closes");
}
