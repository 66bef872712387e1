//! Purges on a real store: nothing is removed that is not in a whole file, wherever it is killed, and nothing twice.

use std::collections::BTreeSet;

use serde_json::Value;
use tidewatch_domain::drain::{ArchiveState, DrainAction, Keeping, PurgeRun, PurgeState, Retention};
use tidewatch_domain::time::DAY_MS;

use super::drain::{drain, later, refused};
use super::*;
use crate::sync::purge::{CHUNK, NewPurge, PurgeStep, files, name_of};

/// When everything that was discarded at [`NOW`] is due.
pub(super) const DUE: Millis = NOW.plus(30 * DAY_MS);
pub(super) const RULE: Retention = Retention { discarded: Some(30), quarantined: None };

fn members(all: &[(u32, u32)]) -> BTreeSet<(u32, u32)> {
    all.iter().copied().collect()
}

/// Nine discarded entries, one in quarantine, and two that nobody has touched.
async fn given_up(dir: &Path) -> Store {
    let store = refused(dir).await;
    let discarded: Vec<(u32, u32)> = (0..6).map(|n| (1, n)).chain((0..3).map(|n| (2, n))).collect();
    assert_eq!(drain(&store, DrainAction::Discard, &members(&discarded), "discard").await.ok, 9);
    assert_eq!(drain(&store, DrainAction::Quarantine, &members(&[(2, 3)]), "quarantine").await.ok, 1);
    store
}

async fn begin(store: &Store, retention: Retention, now: Millis) -> Option<i64> {
    let new = NewPurge { actor: "system".into(), reason: None, request_id: "r-9".into(), retention, now };
    store.sync().purge_begin(new).await.expect("asked")
}

/// Runs until nothing is due.
pub(super) async fn purge(store: &Store, retention: Retention, now: Millis) -> Vec<PurgeRun> {
    loop {
        while store.sync().purge_step(now).await.expect("a step") == PurgeStep::Done {}
        if store.sync().purge_due(retention, now, 100).await.expect("counted") == 0 {
            let mut runs = store.sync().purges_below(i64::MAX, 100).await.expect("read");
            runs.reverse();
            return runs;
        }
        begin(store, retention, now).await.expect("none is open");
    }
}

async fn state(store: &Store, n: u32, operation: u32) -> (ArchiveState, bool) {
    let letter = store.sync().letter_view(&client(n), &format!("op-{n}-{operation}")).await.expect("read").expect("there");
    (letter.archive_state(), letter.mutation == later(n, operation).raw)
}

/// Operations in the files, oldest file first, with their payloads compared.
pub(super) fn exported(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in files(dir) {
        let bytes = std::fs::read(dir.join("purged").join(name)).expect("a file");
        let text = String::from_utf8(zstd::decode_all(bytes.as_slice()).expect("zstd")).expect("text");
        let manifest = tidewatch_domain::manifest::Manifest::check(&text).expect("whole");
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(rows.len() as u64, manifest.count + 1);
        assert!(rows[rows.len() - 1]["from"].is_string() && rows[rows.len() - 1]["to"].is_string());
        for row in &rows[..rows.len() - 1] {
            let id = row["operation_id"].as_str().expect("an id");
            let mut parts = id.split('-').skip(1).map(|part| part.parse::<u32>().expect("a number"));
            let (n, operation) = (parts.next().expect("a device"), parts.next().expect("an operation"));
            assert_eq!(row["mutation"].as_str(), Some(later(n, operation).raw.as_str()), "byte by byte as it came");
            assert_eq!(row["client_id"].as_str(), Some(client(n).as_str()));
            found.push(id.to_owned());
        }
    }
    found
}

async fn sound(store: &Store, purged: u64) {
    let report = store.verify().await.expect("verified");
    assert_eq!((report.findings, report.purged), (Vec::<String>::new(), purged));
}

/// Each of the nine is without its payload, in exactly one file; the others are as they were.
async fn purged_once(store: &Store, dir: &Path) {
    for n in 0..6 {
        assert_eq!(state(store, 1, n).await, (ArchiveState::Purged, false));
    }
    for n in 0..3 {
        assert_eq!(state(store, 2, n).await, (ArchiveState::Purged, false));
    }
    assert_eq!(state(store, 2, 3).await, (ArchiveState::Quarantined, true));
    assert_eq!(state(store, 2, 4).await, (ArchiveState::Poisoned, true));
    let mut found = exported(dir);
    found.sort();
    let wanted: Vec<String> = (0..6).map(|n| format!("op-1-{n}")).chain((0..3).map(|n| format!("op-2-{n}"))).collect();
    assert_eq!(found, wanted, "each in one file");
    sound(store, 9).await;
}

#[tokio::test]
async fn what_is_due_is_in_a_file_before_it_loses_its_payload_and_each_run_is_audited_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = given_up(dir.path()).await;
    let sync = store.sync();
    assert_eq!(sync.purge_due(RULE, Millis(DUE.0 - 1), 100).await.expect("counted"), 0, "not a moment too early");
    assert_eq!(sync.purge_due(RULE, DUE, 100).await.expect("counted"), 9);
    let runs = purge(&store, RULE, DUE).await;
    let told: Vec<(PurgeState, u64, u64)> = runs.iter().map(|run| (run.state, run.entries, run.removed)).collect();
    assert_eq!(told, [(PurgeState::Done, 7, 7), (PurgeState::Done, 2, 2)], "what one file does not hold is the next run's");
    purged_once(&store, dir.path()).await;
    let letter = sync.letter_view(&client(1), "op-1-0").await.expect("read").expect("there");
    let left: Value = serde_json::from_str(&letter.mutation).expect("JSON");
    assert_eq!((left["operation_id"].as_str(), &left["n"], letter.detail), (Some("op-1-0"), &Value::Null, None));
    let (kept, gone) = (client(2), client(1));
    let kept = sync.letters_kept(&[(&gone, "op-1-0"), (&kept, "op-2-3"), (&kept, "op-9")], RULE).await.expect("read");
    assert_eq!(kept, [Some(Keeping::Purged { at: DUE, run: "P1".into() }), None, None]);
    let audited = audited(&store).await;
    assert_eq!(audited.len(), 2, "{audited:?}");
    assert_eq!((audited[0]["removed"].as_u64(), audited[0]["sha256"].as_str()), (Some(7), runs[0].sha256.as_deref()));
    assert_eq!(sync.purge_step(DUE).await.expect("a step"), PurgeStep::Idle);
    store.close().await.expect("closes");
}

/// What the audit log says of purges, oldest first.
async fn audited(store: &Store) -> Vec<Value> {
    let rows: Vec<(String, String)> = sqlx::query_as("select actor, after from audit_events where action = 'purge' order by id")
        .fetch_all(&store.sync().readers)
        .await
        .expect("read");
    rows.into_iter()
        .map(|(actor, after)| {
            assert_eq!(actor, "system");
            serde_json::from_str(&after).expect("JSON")
        })
        .collect()
}

async fn reopened(store: Store, dir: &Path) -> Store {
    store.close().await.expect("closes");
    super::store(dir).await
}

/// Leaves a run where a kill would: after so many of its steps, with what a step leaves on the disk before it commits.
async fn killed_after(store: &Store, dir: &Path, at: usize) {
    assert_eq!(begin(store, RULE, DUE).await, Some(1));
    assert_eq!(begin(store, RULE, DUE).await, None, "one at a time");
    if at == 0 {
        let folder = dir.join("purged");
        std::fs::create_dir_all(&folder).expect("made");
        std::fs::write(folder.join("writing"), b"half of a fi").expect("written");
        std::fs::write(dir.join(name_of(1, DUE)), b"named, and not in the store").expect("written");
        return;
    }
    assert_eq!(store.sync().purge_step(DUE).await.expect("a step"), PurgeStep::Done);
    let row: crate::sync::purge::PurgeRow =
        sqlx::query_as("select * from purges where id = 1").fetch_one(&store.sync().readers).await.expect("a run");
    let written = store.sync().purge_members(&row).await.expect("a whole file");
    for chunk in written.chunks(CHUNK).take(at - 1) {
        assert_eq!(store.sync().purge_remove(1, chunk.to_vec(), DUE).await.expect("removed"), chunk.len());
        assert_eq!(store.sync().purge_remove(1, chunk.to_vec(), DUE).await.expect("asked again"), 0, "never twice");
    }
}

#[tokio::test]
async fn a_run_that_is_killed_anywhere_neither_loses_nor_purges_twice() {
    for at in 0..6 {
        let dir = tempfile::tempdir().expect("a folder");
        let store = given_up(dir.path()).await;
        killed_after(&store, dir.path(), at).await;
        let store = reopened(store, dir.path()).await;
        let before = 2 * at.saturating_sub(1) as u64;
        sound(&store, before.min(7)).await;
        let runs = purge(&store, RULE, DUE.plus(DAY_MS)).await;
        let told: Vec<(u64, u64)> = runs.iter().map(|run| (run.entries, run.removed)).collect();
        assert_eq!(told, [(7, 7), (2, 2)], "killed after {at}");
        purged_once(&store, dir.path()).await;
        assert_eq!(audited(&store).await.len(), 2, "one row a run");
        store.close().await.expect("closes");
    }
}

#[tokio::test]
async fn what_was_put_back_after_it_was_written_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = given_up(dir.path()).await;
    begin(&store, RULE, DUE).await.expect("begun");
    store.sync().purge_step(DUE).await.expect("written");
    assert_eq!(drain(&store, DrainAction::Restore, &members(&[(1, 2)]), "restore").await.ok, 1);
    let runs = purge(&store, RULE, DUE).await;
    assert_eq!((runs[0].entries, runs[0].removed), (7, 6));
    assert_eq!(state(&store, 1, 2).await, (ArchiveState::Poisoned, true));
    sound(&store, 8).await;
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_file_that_is_lost_before_anything_was_removed_stops_its_run_and_the_next_one_writes_another() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = given_up(dir.path()).await;
    begin(&store, RULE, DUE).await.expect("begun");
    store.sync().purge_step(DUE).await.expect("written");
    std::fs::remove_file(dir.path().join(name_of(1, DUE))).expect("lost");
    let runs = purge(&store, RULE, DUE).await;
    let told: Vec<(PurgeState, u64)> = runs.iter().map(|run| (run.state, run.removed)).collect();
    assert_eq!(told, [(PurgeState::Stopped, 0), (PurgeState::Done, 7), (PurgeState::Done, 2)]);
    assert!(runs[0].detail.as_deref().is_some_and(|words| words.contains(&name_of(1, DUE))), "{:?}", runs[0]);
    purged_once(&store, dir.path()).await;
    store.close().await.expect("closes");
}

#[tokio::test]
async fn what_was_purged_is_not_restored_and_says_so_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = given_up(dir.path()).await;
    let set = store.sync().job_view(1).await.expect("read").expect("there").set_id;
    assert_eq!(store.sync().set_purged(set).await.expect("read"), None);
    purge(&store, RULE, DUE).await;
    assert_eq!(store.sync().set_purged(set).await.expect("read"), Some((9, "P2".to_owned())));
    let job = drain(&store, DrainAction::Restore, &members(&[(1, 0), (2, 3)]), "restore").await;
    assert_eq!((job.ok, job.skipped), (1, 1));
    let (items, ..) = store
        .sync()
        .items_page(job.set_id, &tidewatch_domain::drain::ItemFilter::default(), &tidewatch_domain::page::Position::Start, 10)
        .await
        .expect("items");
    assert_eq!(items[0].code.as_deref(), Some("purged"));
    assert_eq!(state(&store, 1, 0).await, (ArchiveState::Purged, false));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn quarantine_goes_only_when_retention_says_so_and_a_promise_is_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = given_up(dir.path()).await;
    let never = Retention { discarded: None, quarantined: None };
    assert_eq!(store.sync().purge_due(never, Millis(i64::MAX / 2), 100).await.expect("counted"), 0);
    let both = Retention { discarded: None, quarantined: Some(1) };
    let promised = NOW.plus(1_000_000);
    assert!(promised < NOW.plus(DAY_MS));
    assert_eq!(store.sync().purge_due(both, NOW.plus(DAY_MS), 100).await.expect("counted"), 1);
    let runs = purge(&store, both, NOW.plus(DAY_MS)).await;
    assert_eq!((runs.len(), runs[0].removed), (1, 1));
    assert_eq!(state(&store, 2, 3).await, (ArchiveState::Purged, false));
    assert_eq!(state(&store, 1, 0).await, (ArchiveState::Discarded, true));
    sound(&store, 1).await;
    store.close().await.expect("closes");
}

#[tokio::test]
async fn verification_finds_a_lost_file_and_a_payload_that_is_gone_without_a_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = given_up(dir.path()).await;
    purge(&store, RULE, DUE).await;
    std::fs::write(dir.path().join(name_of(2, DUE)), b"overwritten").expect("written");
    let found = store.verify().await.expect("verified").findings;
    assert!(found.len() == 1 && found[0].contains("P2"), "{found:?}");
    store.close().await.expect("closes");
}
