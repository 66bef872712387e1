//! The mirror follows the journal of the log: each step once, in whatever order the device speaks in between.

use serde_json::json;
use sqlx::{Connection as _, SqliteConnection};
use tidewatch_domain::drain::{ArchiveOrigin, ArchiveState, DrainAction};
use tidewatch_domain::ids::OperationId;

use super::mirror::refusals::{intent, push, ready};
use super::mirror::{listed, told};
use super::*;
use crate::sync::drain::NewLetter;

/// The file of the log, as a job writes it.
async fn log(dir: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite:{}", dir.join("sync.db").display())).await.expect("opens")
}

/// What a job does with an entry of the archive: its state, and a word in the journal.
async fn drained(log: &mut SqliteConnection, operation: &str, archive: i64, state: Option<i64>, pending: Option<DrainAction>) {
    sqlx::query("update dead_letters set state = ?2 where operation_id = ?1")
        .bind(operation)
        .bind(archive)
        .execute(&mut *log)
        .await
        .expect("written");
    said(log, operation, state, pending).await;
}

async fn said(log: &mut SqliteConnection, operation: &str, state: Option<i64>, pending: Option<DrainAction>) {
    const TEXT: &str = r"
        insert into entry_events (client, operation_id, state, pending, job, at_ms)
        select id, ?2, ?3, ?4, 17, ?5 from clients where client_id = ?1";
    sqlx::query(TEXT)
        .bind(client(1).as_str())
        .bind(operation)
        .bind(state)
        .bind(pending.map(DrainAction::as_str))
        .bind(NOW.0)
        .execute(log)
        .await
        .expect("written");
}

/// Two refused entries, of which the device still speaks beside one of its own.
async fn refused(dir: &Path) -> Store {
    let store = ready(dir).await;
    push(&store, NOW, vec![intent("bad-1", &json!("text")), intent("bad-2", &json!("text"))]).await;
    told(store.telemetry(), "r1", NOW.plus(1_000), whole(&["bad-1", "bad-2", "own-1"])).await;
    store
}

fn whole(operations: &[&str]) -> Option<OutboxDigest> {
    let entries = operations.iter().map(|id| entry(id, EntryState::Retrying, NOW)).collect::<Vec<_>>();
    outbox(false, operations.len() as i64, entries)
}

async fn found(store: &Store, text: &str) -> Vec<String> {
    let filter = Filter::parse(keys::OUTBOX, text).expect("a filter");
    let page = store.telemetry().outbox_page(None, &filter, Words::All, &Position::Start, 50, NOW).await.expect("read");
    page.rows.into_iter().map(|row| row.entry.operation_id).collect()
}

async fn follow(store: &Store) {
    store.telemetry().entries_follow(NOW.plus(2_000)).await.expect("followed");
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_drained_leaves_the_queue_and_no_digest_brings_it_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let mut log = log(dir.path()).await;
    drained(&mut log, "bad-1", 4, Some(7), Some(DrainAction::Quarantine)).await;
    follow(&store).await;
    let left = [("bad-2".to_owned(), EntryState::Poisoned), ("own-1".to_owned(), EntryState::Retrying)];
    assert_eq!(listed(store.telemetry(), 1).await, left);
    assert_eq!(found(&store, "state:quarantined").await, ["bad-1"]);
    assert_eq!(found(&store, "pending:quarantine").await, ["bad-1"]);
    assert_eq!(found(&store, "job:J17").await, ["bad-1"]);
    assert_eq!(found(&store, "operation:bad-1").await, ["bad-1"]);
    let depth = |view: tidewatch_domain::fleet::DeviceView| (view.row.queue_depth, view.row.poisoned);
    let device = client(1);
    let view = |at| store.telemetry().device_view(&device, at);
    assert_eq!(depth(view(NOW).await.expect("known")), (Some(2), 1), "what is drained is not to be sent");
    // The device has not heard of it yet, then it has.
    told(store.telemetry(), "r2", NOW.plus(3_000), whole(&["bad-1", "bad-2", "own-1"])).await;
    assert_eq!(found(&store, "state:quarantined").await, ["bad-1"]);
    assert_eq!(depth(view(NOW).await.expect("known")), (Some(2), 1));
    said(&mut log, "bad-1", None, None).await;
    follow(&store).await;
    told(store.telemetry(), "r3", NOW.plus(4_000), whole(&["bad-2"])).await;
    assert_eq!(found(&store, "state:quarantined").await, ["bad-1"], "a complete digest does not remove it");
    assert_eq!(found(&store, "pending:quarantine").await, Vec::<String>::new());
    assert_eq!(depth(view(NOW).await.expect("known")), (Some(1), 1));
    let figures = store.telemetry().outbox_figures(NOW.plus(5_000)).await.expect("counted");
    assert_eq!((figures.listed(), figures.drained(), figures.depth), (1, 1, 1));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn the_journal_told_again_from_its_beginning_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let mut log = log(dir.path()).await;
    for (operation, archive, state) in [("bad-1", 5, 9), ("bad-2", 3, 8), ("bad-2", 0, 0), ("bad-1", 1, 10)] {
        drained(&mut log, operation, archive, Some(state), None).await;
    }
    follow(&store).await;
    let all = || found(&store, "state:poisoned,retrying,discarded,skipped,done");
    let before = all().await;
    assert_eq!(before, ["bad-2", "own-1", "bad-1"], "the last word counts");
    let mut telemetry =
        SqliteConnection::connect(&format!("sqlite:{}", dir.path().join("telemetry.db").display())).await.expect("opens");
    sqlx::query("update marks set v = 0 where k = 'entry_events_through'").execute(&mut telemetry).await.expect("written");
    telemetry.close().await.expect("closes");
    follow(&store).await;
    assert_eq!(all().await, before);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_payload_that_came_by_another_way_joins_the_list_of_a_silent_device() {
    const PUT: &str = r#"
        insert into dead_letters (client, operation_id, code, detail, mutation, origin, state, at_ms, changed_ms)
        select id, 'up-1', 'gone_stale', 'too old', '{"collection":"readings","record_id":"R-9","scope":"site:a","op":"put","depends_on":["up-0"]}', 1, ?2, ?3, ?3
        from clients where client_id = ?1"#;
    let dir = tempfile::tempdir().expect("a folder");
    let store = ready(dir.path()).await;
    let mut log = log(dir.path()).await;
    sqlx::query(PUT).bind(client(1).as_str()).bind(0).bind(NOW.0).execute(&mut log).await.expect("written");
    said(&mut log, "up-1", Some(0), None).await;
    follow(&store).await;
    let view = store.telemetry().outbox_entry(&client(1), "up-1").await.expect("listed");
    let row = &view.row.entry;
    assert_eq!((row.state, row.collection.as_str(), row.record_id.as_str()), (EntryState::Poisoned, "readings", "R-9"));
    assert_eq!((row.depends_on.as_slice(), view.refused), (["up-0".to_owned()].as_slice(), None));
    assert_eq!(row.error.as_ref().map(|error| error.code.as_str()), Some("gone_stale"));
    // A device that has handed it in does not list it any more.
    told(store.telemetry(), "r1", NOW.plus(1_000), outbox(false, 0, Vec::new())).await;
    assert_eq!(found(&store, "record:R-9").await, ["up-1"]);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_mirror_that_is_far_behind_says_that_there_is_more_and_counts_what_it_adds() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = ready(dir.path()).await;
    let letter = |n: usize| NewLetter {
        operation_id: OperationId::parse(format!("bad-{n}")).expect("an id"),
        code: "schema_invalid".to_owned(),
        detail: None,
        mutation: json!({"collection": "readings", "record_id": "R-1", "scope": "site:a", "op": "put"}).to_string(),
        origin: ArchiveOrigin::Refused,
        state: ArchiveState::Poisoned,
    };
    store.sync().letters_put(&client(1), (0..80).map(letter).collect(), NOW).await.expect("kept");
    assert!(store.telemetry().entries_follow(NOW.plus(1_000)).await.expect("followed"), "more than one call takes");
    assert!(!store.telemetry().entries_follow(NOW.plus(1_000)).await.expect("followed"));
    follow(&store).await;
    assert_eq!(found(&store, "state:poisoned").await.len(), 50, "a page");
    let view = store.telemetry().device_view(&client(1), NOW.plus(1_000)).await.expect("known");
    assert_eq!(view.row.poisoned, 80, "what is added as it stays is counted, too");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_verification_finds_a_mirror_that_says_something_else_than_the_archive() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let mut log = log(dir.path()).await;
    drained(&mut log, "bad-1", 4, Some(7), None).await;
    follow(&store).await;
    // What the mirror has not been told yet is no fault.
    drained(&mut log, "bad-2", 5, Some(9), None).await;
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    follow(&store).await;
    sqlx::query("update dead_letters set state = 3 where operation_id = 'bad-1'").execute(&mut log).await.expect("written");
    let found = store.verify().await.expect("verified").findings;
    assert_eq!(found.len(), 2, "the archive against its journal, and the mirror against the archive: {found:?}");
    assert!(found[0].contains("its last event says"), "{found:?}");
    assert!(found[1].contains("bad-1") && found[1].contains("skipped") && found[1].contains("quarantined"), "{found:?}");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_retry_that_fails_for_another_reason_moves_its_entry_to_the_group_of_that_reason() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    follow(&store).await;
    let mut log = log(dir.path()).await;
    let group = async || store.telemetry().outbox_entry(&client(1), "bad-1").await.expect("listed");
    let before = group().await;
    let words = "update dead_letters set code = 'guard_failed', detail = 'the guard `range` is against it', job = 17 where operation_id = 'bad-1'";
    sqlx::query(words).execute(&mut log).await.expect("written");
    const FAILED: &str = r"
        insert into entry_events (client, operation_id, state, job, at_ms, detail)
        select id, 'bad-1', 0, 17, ?2, 'guard_failed' from clients where client_id = ?1";
    sqlx::query(FAILED).bind(client(1).as_str()).bind(NOW.plus(1_500).0).execute(&mut log).await.expect("written");
    // What follows at once says nothing of the reason.
    said(&mut log, "bad-1", None, None).await;
    for _ in 0..2 {
        follow(&store).await;
        let after = group().await;
        let error = after.row.entry.error.as_ref().expect("an error");
        let told = (error.code.as_str(), error.status, error.message.as_deref());
        assert_eq!(told, ("guard_failed", None, Some("the guard `range` is against it")));
        assert!(after.group.is_some() && after.group != before.group, "{after:?}");
        let codes: Vec<Option<&str>> = after.attempts.iter().map(|attempt| attempt.code.as_deref()).collect();
        assert_eq!(codes, [Some("guard_failed"), Some("schema_invalid")], "newest first, each once");
        // Told again from the beginning it is the same.
        let mut mirror =
            SqliteConnection::connect(&format!("sqlite:{}", dir.path().join("telemetry.db").display())).await.expect("opens");
        sqlx::query("update marks set v = 0 where k = 'entry_events_through'").execute(&mut mirror).await.expect("written");
    }
    assert_eq!(found(&store, "code:guard_failed").await, ["bad-1"]);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn entries_that_an_older_version_put_into_one_group_are_parted_when_the_store_is_opened() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = ready(dir.path()).await;
    push(&store, NOW, vec![intent("bad-1", &json!("text")), intent("bad-2", &json!("text"))]).await;
    told(store.telemetry(), "r1", NOW.plus(1_000), None).await;
    let group = async |store: &Store| store.telemetry().outbox_entry(&client(1), "bad-2").await.expect("listed").group;
    let now = group(&store).await;
    store.close().await.expect("closes");
    let mut mirror =
        SqliteConnection::connect(&format!("sqlite:{}", dir.path().join("telemetry.db").display())).await.expect("opens");
    for text in [
        "update outbox set signature = 'schema_invalid readings put field \"…\" must hold a value of type number' where state = 0",
        "delete from marks where k = 'signatures_made'",
    ] {
        sqlx::query(text).execute(&mut mirror).await.expect("written");
    }
    mirror.close().await.expect("closes");
    let store = super::store(dir.path()).await;
    assert!(now.is_some());
    assert_eq!(group(&store).await, now);
    store.close().await.expect("closes");
}
