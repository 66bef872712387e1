//! Payloads in escrow on a real store: what devices hand over stands nowhere in its files, and is whole wherever it is read.

use std::collections::BTreeSet;

use sqlx::{Connection as _, SqliteConnection};
use tidewatch_domain::control::{CommandKind, NewCommand};
use tidewatch_domain::drain::{ArchiveState, DrainAction};
use tidewatch_domain::filter::{Filter, keys};
use tidewatch_domain::page::Position;
use tidewatch_domain::time::DAY_MS;

use super::drain::{drain, later};
use super::purge::{DUE, RULE, exported, purge};
use super::*;
use crate::Error;
use crate::sync::EscrowLine;
use crate::telemetry::Words;

/// Stands in every payload of these tests, and nowhere else.
const MARKER: &str = "Ada Lovelace, blood type AB";

fn payload(operation: &str) -> String {
    let (filler, record) = ("so it goes on; ".repeat(800), operation.replace("op", "n"));
    let long = if operation.ends_with('2') { filler.as_str() } else { "" };
    let fields = json!({"who": MARKER, "long": format!("{long}{MARKER}"), "n": operation.len()});
    json!({"operation_id": operation, "collection": "notes", "record_id": record, "scope": "site:a", "op": "put", "fields": fields}).to_string()
}

fn line(operation: &str) -> EscrowLine {
    EscrowLine { operation_id: operation.to_owned(), intent: payload(operation), error: None, held: false }
}

async fn put(store: &Store, command: Option<String>, lines: Vec<EscrowLine>) -> (u64, u64) {
    let put = store.sync().escrow_put(&client(1), command, lines, NOW).await.expect("put");
    assert_eq!(put.refused, []);
    (put.stored, put.duplicates)
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

/// Files under a folder in which the marker stands.
fn marked(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(marked(&path));
        } else if memchr::memmem::find(&std::fs::read(&path).expect("read"), MARKER.as_bytes()).is_some() {
            found.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

async fn intent_of(store: &Store, operation: &str) -> String {
    store.sync().letter_view(&client(1), operation).await.expect("opens").expect("there").mutation
}

async fn log(dir: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite:{}", dir.join("sync.db").display())).await.expect("opens")
}

async fn findings(store: &Store) -> Vec<String> {
    store.verify().await.expect("verified").findings
}

fn key_line(byte: &str) -> String {
    format!("{}\n", byte.repeat(32))
}

#[tokio::test]
async fn nothing_of_a_payload_in_escrow_stands_in_any_file_of_the_store() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    assert_eq!(put(&store, None, vec![line("op-1"), line("op-2")]).await, (2, 0));
    let wanted = command(&store, CommandKind::UploadWal, json!({"operation_ids": "all", "redact": false})).await;
    assert_eq!(put(&store, wanted, vec![line("up-1"), EscrowLine { held: true, ..line("up-2") }]).await, (2, 0));
    let fresh = command(&store, CommandKind::Resync, json!({"scopes": "all", "mode": "escrow"})).await;
    assert_eq!(
        put(&store, fresh, vec![line("re-1"), line("re-2"), line("op-1")]).await,
        (2, 1),
        "resumed uploads change nothing"
    );
    store.telemetry().entries_follow(NOW.plus(2_000)).await.expect("followed");
    assert_eq!(marked(dir.path()), [] as [&str; 0], "while the log of the file is there");
    for operation in ["op-1", "op-2", "up-1", "up-2", "re-1", "re-2"] {
        assert_eq!(intent_of(&store, operation).await, payload(operation));
        let (shown, ..) = store.telemetry().payload_view(&client(1), operation).await.expect("opens").expect("there");
        assert_eq!(shown, payload(operation));
    }
    let names = store.telemetry().payload_fields().await.expect("opens");
    assert_eq!(names, ["payload.long", "payload.n", "payload.who"]);
    let report = store.verify().await.expect("verified");
    assert_eq!((report.findings, report.sealed), (Vec::new(), 6));
    store.close().await.expect("closes");
    assert_eq!(marked(dir.path()), [] as [&str; 0], "after it was folded into the file");
}

#[tokio::test]
async fn what_was_refused_here_is_sealed_when_its_device_hands_it_over() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for operation in ["op-1", "op-2"] {
        let mut refused = intent(operation, MutationOp::Put, "nowhere", "n-1", json!({}));
        refused.raw = payload(operation);
        assert_eq!(push(&store, 1, vec![refused]).await[0].status, IntentStatus::Rejected);
    }
    assert_ne!(marked(dir.path()), [] as [&str; 0], "a refusal stands readable");
    assert_eq!(put(&store, None, vec![line("op-1"), line("op-2")]).await, (0, 2));
    assert_eq!(intent_of(&store, "op-2").await, payload("op-2"));
    store.close().await.expect("closes");
    assert_eq!(marked(dir.path()), [] as [&str; 0]);
}

/// A store as it was before anything was sealed: rows that stand readable, and one that was sealed before a kill.
async fn of_before(dir: &Path) {
    let made = store(dir).await;
    put(&made, None, vec![line("op-0")]).await;
    made.close().await.expect("closes");
    let mut log = log(dir).await;
    for (n, operation) in ["op-1", "op-2", "op-3", "op-22", "op-5"].into_iter().enumerate() {
        sqlx::query(
            "insert into dead_letters (client, operation_id, code, mutation, origin, state, home, at_ms, changed_ms)
            select id, ?2, 'not_sent', ?3, ?4, 6, 6, 0, 0 from clients where client_id = ?1",
        )
        .bind(client(1).as_str())
        .bind(operation)
        .bind(payload(operation))
        .bind(2 + n as i64 % 2)
        .execute(&mut log)
        .await
        .expect("written");
    }
    log.close().await.expect("closes");
}

#[tokio::test]
async fn what_stood_readable_before_is_sealed_at_the_next_start_wherever_the_last_one_was_killed() {
    let dir = tempfile::tempdir().expect("a folder");
    of_before(dir.path()).await;
    assert_ne!(marked(dir.path()), [] as [&str; 0]);
    let store = store(dir.path()).await;
    assert_eq!(marked(dir.path()), [] as [&str; 0], "neither where it stood nor in the log of the file");
    for operation in ["op-0", "op-1", "op-2", "op-3", "op-22", "op-5"] {
        assert_eq!(intent_of(&store, operation).await, payload(operation));
    }
    assert_eq!(store.verify().await.expect("verified").sealed, 6);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_store_whose_payloads_need_a_key_is_not_opened_without_it() {
    let (dir, aside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("another"));
    let (file, kept) = (aside.path().join("of-escrow"), aside.path().join("kept"));
    let options = || StoreOptions { escrow_key: Some(file.clone()), ..StoreOptions::new(NOW, 7) };
    let store = store_with(dir.path(), options()).await;
    assert!(file.is_file() && !dir.path().join("escrow.key").exists(), "it is where it was to be");
    store.close().await.expect("closes");
    // Nothing needs the first key yet.
    std::fs::remove_file(&file).expect("removed");
    let store = store_with(dir.path(), options()).await;
    put(&store, None, vec![line("op-1")]).await;
    store.close().await.expect("closes");
    let says = async |words: &str| {
        let refused = Store::open(dir.path(), options()).await.expect_err("not opened");
        let said = refused.to_string();
        assert!(matches!(refused, Error::EscrowKey { .. }) && said.contains(words), "{said}");
        assert!(said.contains(&file.display().to_string()), "{said}");
    };
    std::fs::rename(&file, &kept).expect("moved");
    says("is missing").await;
    assert!(!file.exists(), "no other key is made in its place");
    std::fs::write(&file, key_line("07")).expect("written");
    says("does not hold key").await;
    std::fs::write(&file, "").expect("written");
    says("holds no key").await;
    std::fs::rename(&kept, &file).expect("put back");
    let store = store_with(dir.path(), options()).await;
    assert_eq!(intent_of(&store, "op-1").await, payload("op-1"));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn under_a_new_key_everything_is_sealed_anew_and_the_old_one_may_go() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("escrow.key");
    std::fs::write(&file, key_line("01")).expect("written");
    let before = store(dir.path()).await;
    put(&before, None, vec![line("op-1"), line("op-2"), line("op-3")]).await;
    before.close().await.expect("closes");
    std::fs::write(&file, key_line("02") + &key_line("01")).expect("written");
    store(dir.path()).await.close().await.expect("closes");
    std::fs::write(&file, key_line("02")).expect("written");
    let after = store(dir.path()).await;
    for operation in ["op-1", "op-2", "op-3"] {
        assert_eq!(intent_of(&after, operation).await, payload(operation));
    }
    assert_eq!(findings(&after).await, Vec::<String>::new());
    after.close().await.expect("closes");
}

#[tokio::test]
async fn a_verification_finds_a_flipped_byte_a_swapped_payload_and_what_stands_readable() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    put(&store, None, vec![line("op-1"), line("op-2"), line("op-3"), line("op-4"), line("op-5")]).await;
    store.telemetry().entries_follow(NOW.plus(2_000)).await.expect("followed");
    assert_eq!(findings(&store).await, Vec::<String>::new());
    let mut log = log(dir.path()).await;
    for text in [
        "update dead_letters set sealed = unhex(substr(hex(sealed), 1, 2 * length(sealed) - 2) || iif(substr(hex(sealed), -2) = '00', '01', '00')) where operation_id = 'op-1'",
        "update dead_letters set sealed = (select sealed from dead_letters where operation_id = 'op-3') where operation_id = 'op-2'",
        "update dead_letters set sealed = null where operation_id = 'op-4'",
        "update dead_letters set mutation = json_set(mutation, '$.record_id', 'n-9') where operation_id = 'op-5'",
    ] {
        assert_eq!(sqlx::query(text).execute(&mut log).await.expect("written").rows_affected(), 1, "{text}");
    }
    log.close().await.expect("closes");
    let found = findings(&store).await;
    assert_eq!(found.len(), 4, "{found:?}");
    for words in ["op-1 does not open", "op-2 does not open", "shows something else", "is not sealed"] {
        assert_eq!(found.iter().filter(|found| found.contains(words)).count(), 1, "{words}: {found:?}");
    }
    assert!(store.sync().letter_view(&client(1), "op-1").await.is_err(), "it is not shown for what it is not");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_search_finds_sealed_payloads_as_it_finds_readable_ones() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for operation in ["op-1", "op-10"] {
        let mut refused = intent(operation, MutationOp::Put, "nowhere", "n-1", json!({}));
        refused.raw = payload(operation);
        push(&store, 1, vec![refused]).await;
        put(&store, None, vec![line(&operation.replace("op", "up"))]).await;
    }
    put(&store, None, vec![line("up-100"), line("up-2")]).await;
    store.telemetry().entries_follow(NOW.plus(2_000)).await.expect("followed");
    let found = async |text: &str| {
        let filter = Filter::parse(keys::OUTBOX, &format!("{text} state:poisoned,escrowed")).expect("a filter");
        let page = store.telemetry().outbox_page(None, &filter, Words::All, &Position::Start, 50, NOW).await.expect("read");
        let mut found: Vec<String> = page.rows.into_iter().map(|row| row.entry.operation_id).collect();
        found.sort();
        found
    };
    let all = ["op-1", "op-10", "up-1", "up-10", "up-100", "up-2"];
    assert_eq!(found("payload.who:ada*").await, all);
    assert_eq!(found("payload.n:4").await, ["op-1", "up-1", "up-2"], "a number as it is written");
    assert_eq!(found("payload.n:5,6").await, ["op-10", "up-10", "up-100"]);
    assert_eq!(found("payload.n:*").await, all);
    assert_eq!(found("payload.who:charles*").await, [] as [&str; 0]);
    store.close().await.expect("closes");
}

async fn item_outcome(dir: &Path, set: i64, place: i64, outcome: i64) {
    let mut log = log(dir).await;
    let query = sqlx::query("update drain_items set outcome = ?3 where set_id = ?1 and n = ?2").bind(set).bind(place);
    query.bind(outcome).execute(&mut log).await.expect("written");
    log.close().await.expect("closes");
}

#[tokio::test]
async fn sealed_entries_are_drained_exported_and_purged_like_others() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let lines = (0..4).map(|n| {
        let intent = later(1, n);
        EscrowLine { operation_id: intent.operation_id.to_string(), intent: intent.raw, error: None, held: false }
    });
    assert_eq!(put(&store, None, lines.collect()).await, (4, 0));
    let members = |all: &[u32]| all.iter().map(|n| (1, *n)).collect::<BTreeSet<_>>();
    let job = drain(&store, DrainAction::Discard, &members(&[0, 1]), "discard").await;
    assert_eq!(job.ok, 2);
    // What a job is given to work with is the intent as it came.
    for (place, n) in [(1, 0), (2, 1)] {
        item_outcome(dir.path(), job.set_id, place, 0).await;
        let waiting = store.sync().items_waiting_at(job.set_id, &[place], true).await.expect("opens");
        assert_eq!(waiting[0].mutation.as_deref(), Some(later(1, n).raw.as_str()));
        item_outcome(dir.path(), job.set_id, place, 2).await;
    }
    assert_eq!(purge(&store, RULE, DUE).await.iter().map(|run| run.removed).sum::<u64>(), 2);
    assert_eq!(exported(dir.path()), ["op-1-0", "op-1-1"], "byte by byte as they came");
    let kept = store.sync().letter_view(&client(1), "op-1-0").await.expect("read").expect("there");
    assert_eq!(kept.archive_state(), ArchiveState::Purged);
    let report = store.verify().await.expect("verified");
    assert_eq!((report.findings, report.sealed, report.purged), (Vec::new(), 2, 2));
    store.close().await.expect("closes");
}
