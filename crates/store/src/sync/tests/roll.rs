//! Items of old jobs on a real store: what is due goes to a file and nothing else does, wherever it is killed, and the job answers as before.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};
use tidewatch_domain::drain::{DrainAction, ItemFilter, ItemRetention, JobChange, JobState};
use tidewatch_domain::manifest::Manifest;
use tidewatch_domain::page::Position;
use tidewatch_domain::time::DAY_MS;

use super::drain::{drain, refused};
use super::*;
use crate::sync::drain::{JobMove, JobRow};
use crate::sync::roll::{CHUNK, RollPlace, RollStep, name_of};

/// When the items of a job that ended at [`NOW`] are due, if somebody has seen its end.
const DUE: Millis = NOW.plus(90 * DAY_MS);
/// The same, if nobody has.
const UNSEEN_DUE: Millis = NOW.plus(180 * DAY_MS);
const RULE: ItemRetention = ItemRetention { days: Some(90) };

fn members(n: u32, operations: std::ops::Range<u32>) -> BTreeSet<(u32, u32)> {
    operations.map(|operation| (n, operation)).collect()
}

async fn view(store: &Store, job: i64) -> JobRow {
    store.sync().job_view(job).await.expect("read").expect("there")
}

async fn moved(store: &Store, job: i64, change: JobChange, at: Millis) -> std::result::Result<(), JobState> {
    let by = JobMove { change, actor: "user:maya".into(), request_id: "r-2".into(), remark: None, at };
    store.sync().job_change(job, by).await.expect("asked")
}

/// Every device has heard of what was decided, and no command is open.
async fn told(store: &Store) {
    let at = NOW.plus(60 * DAY_MS);
    store.sync().commands_expire(at).await.expect("ended");
    for n in 1..=2 {
        store.sync().untold_listed(&client(n), at, &HashSet::new()).await.expect("listed");
    }
}

/// Two jobs: J1 has discarded four entries and left one alone that was discarded before; J2 has put two in quarantine. Both were seen.
async fn over(dir: &Path) -> Store {
    let store = refused(dir).await;
    assert_eq!(drain(&store, DrainAction::Discard, &members(2, 0..1), "before").await.ok, 1);
    let both: BTreeSet<(u32, u32)> = members(1, 0..4).into_iter().chain(members(2, 0..1)).collect();
    let job = drain(&store, DrainAction::Discard, &both, "discard").await;
    assert_eq!((job.id, job.ok, job.skipped), (2, 4, 1));
    assert_eq!(drain(&store, DrainAction::Quarantine, &members(2, 1..3), "quarantine").await.ok, 2);
    told(&store).await;
    assert_eq!(moved(&store, 2, JobChange::Acknowledge, NOW).await, Ok(()));
    store
}

/// Jobs that are due, in their order.
async fn due(store: &Store, now: Millis) -> Vec<i64> {
    let (mut found, mut place) = (Vec::new(), RollPlace::START);
    while let Some(next) = store.sync().roll_next(RULE, now, place).await.expect("read") {
        found.push(next.job);
        place = next;
    }
    found
}

/// Goes on until no file is named whose items are still here.
async fn settle(store: &Store, now: Millis) {
    while store.sync().roll_step(now).await.expect("a step") == RollStep::Done {}
}

async fn roll(store: &Store, job: i64, now: Millis) {
    assert!(store.sync().roll_write(job, now).await.expect("written"));
    settle(store, now).await;
}

/// Places of the items that are still in the store.
async fn items(store: &Store, job: i64) -> Vec<i64> {
    let set = view(store, job).await.set_id;
    let page = store.sync().items_page(set, &ItemFilter::default(), &Position::Start, 100).await.expect("read");
    page.0.into_iter().map(|item| item.n).collect()
}

async fn sound(store: &Store, rolled: u64) {
    let report = store.verify().await.expect("verified");
    assert_eq!((report.findings, report.rolled), (Vec::<String>::new(), rolled));
}

/// Rows of the file of a job, and its last line.
fn rows(dir: &Path, job: i64) -> (Vec<Value>, Value) {
    let bytes = std::fs::read(dir.join(name_of(job, NOW))).expect("a file");
    let text = String::from_utf8(zstd::decode_all(bytes.as_slice()).expect("zstd")).expect("text");
    Manifest::check(&text).expect("whole");
    let mut rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let last = rows.pop().expect("a manifest");
    (rows, last)
}

async fn audited(store: &Store) -> Vec<(String, Value)> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("select subject, after from audit_events where action = 'drain_roll' and actor = 'system' order by id")
            .fetch_all(&store.sync().readers)
            .await
            .expect("read");
    rows.into_iter().map(|(subject, after)| (subject, serde_json::from_str(&after).expect("JSON"))).collect()
}

#[tokio::test]
async fn what_is_due_goes_to_a_file_and_its_job_answers_as_before() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = over(dir.path()).await;
    assert_eq!(due(&store, DUE.plus(-1)).await, [0; 0], "not a moment too early");
    assert_eq!(due(&store, DUE).await, [2], "the others were seen by nobody");
    assert_eq!(store.sync().roll_next(ItemRetention { days: None }, UNSEEN_DUE, RollPlace::START).await.expect("read"), None);
    let before = view(&store, 2).await;
    let (reasons, seconds) =
        (store.sync().items_reasons(&before).await.expect("read"), store.sync().items_seconds(&before).await.expect("read"));
    assert_eq!((reasons.len(), reasons[0].code.as_str(), seconds.iter().map(|(_, n)| n).sum::<i64>()), (1, "state_changed", 5));
    roll(&store, 2, DUE).await;
    let after = view(&store, 2).await;
    let named = after.rolled_items().expect("named");
    assert_eq!((named.at, named.file.as_str(), named.entries), (DUE, name_of(2, NOW).as_str(), 5));
    assert_eq!(store.sync().items_reasons(&after).await.expect("read"), reasons);
    assert_eq!(store.sync().items_seconds(&after).await.expect("read"), seconds);
    assert_eq!((after.ok, after.skipped, after.entries, &after.hash), (before.ok, before.skipped, before.entries, &before.hash));
    assert_eq!(items(&store, 2).await, [0; 0]);
    assert_eq!((items(&store, 1).await, items(&store, 3).await), (vec![1], vec![1, 2]), "of nothing else");
    let (rows, last) = rows(dir.path(), 2);
    let told = |row: &Value| [row["operation_id"].clone(), row["outcome"].clone(), row["code"].clone()];
    assert_eq!(told(&rows[0]), [json!("op-1-0"), json!("ok"), Value::Null]);
    assert_eq!(told(&rows[4]), [json!("op-2-0"), json!("skipped"), json!("state_changed")]);
    assert_eq!(
        (&rows[0]["client_id"], &rows[0]["at"], rows[0]["behind"].as_bool()),
        (&json!(client(1).as_str()), &json!(NOW.to_string()), Some(false))
    );
    assert!(rows[0]["command"].is_string() && rows[4]["detail"].is_string(), "{rows:?}");
    assert_eq!(
        (&last["job"], &last["count"], &last["sha256"], &last["set_hash"]),
        (&json!("J2"), &json!(5), &json!(named.sha256), &json!(after.hash))
    );
    let audited = audited(&store).await;
    assert_eq!((audited.len(), audited[0].0.as_str(), audited[0].1["state"].as_str()), (1, "job:J2", Some("done")));
    sound(&store, 1).await;
    assert_eq!(due(&store, DUE).await, [0; 0], "once");
    assert!(!store.sync().roll_write(2, DUE).await.expect("asked again"));
    assert_eq!(due(&store, UNSEEN_DUE).await, [1, 3], "what nobody has seen is kept as long again");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn what_has_something_left_to_it_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = refused(dir.path()).await;
    let job = drain(&store, DrainAction::Discard, &members(1, 0..2), "discard").await.id;
    let other = drain(&store, DrainAction::Discard, &members(2, 0..2), "other").await.id;
    for job in [job, other] {
        assert_eq!(moved(&store, job, JobChange::Acknowledge, NOW).await, Ok(()));
    }
    let later = UNSEEN_DUE.plus(DAY_MS);
    store.sync().untold_listed(&client(2), NOW, &HashSet::new()).await.expect("listed");
    assert_eq!(due(&store, later).await, [0; 0], "the device of one has not heard of it, the command of the other is open");
    store.sync().commands_expire(NOW.plus(60 * DAY_MS)).await.expect("ended");
    assert_eq!(due(&store, later).await, [other], "the device of the first has still not heard of it");
    assert!(!store.sync().roll_write(job, later).await.expect("written"), "nor is it named when it was asked for all the same");
    assert_eq!((view(&store, job).await.rolled_items(), crate::sync::row_file::files(dir.path(), "rolled")), (None, Vec::new()));
    told(&store).await;
    assert_eq!(due(&store, later).await, [job, other]);
    // One that was promised to be taken back for longer than retention keeps it.
    let short = ItemRetention { days: Some(1) };
    let promised = Millis(view(&store, job).await.restore_until_ms.expect("promised"));
    assert!(promised < NOW.plus(DAY_MS));
    let mut log = SqliteConnection::connect(&format!("sqlite:{}", dir.path().join("sync.db").display())).await.expect("opens");
    let query = sqlx::query("update drain_jobs set restore_until_ms = ?1").bind(NOW.plus(3 * DAY_MS).0);
    query.execute(&mut log).await.expect("promised");
    log.close().await.expect("closes");
    let next = |now| store.sync().roll_next(short, now, RollPlace::START);
    assert_eq!(next(NOW.plus(3 * DAY_MS)).await.expect("read"), None);
    assert!(next(NOW.plus(3 * DAY_MS + 1)).await.expect("read").is_some());
    // One that is taken back is not over.
    assert_eq!(moved(&store, job, JobChange::Undo, NOW).await, Ok(()));
    assert_eq!(due(&store, later).await, [other]);
    assert!(!store.sync().roll_write(job, later).await.expect("asked"));
    assert_eq!(items(&store, job).await, [1, 2]);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_job_that_is_taken_back_while_its_file_is_written_keeps_its_items() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = over(dir.path()).await;
    let row = view(&store, 2).await;
    let written = store.sync().roll_file(&row, NOW, DUE).await.expect("written");
    assert_eq!(moved(&store, 2, JobChange::Undo, NOW).await, Ok(()));
    assert!(!store.sync().roll_named(2, NOW, written, "{}".to_owned(), DUE).await.expect("asked"));
    assert_eq!((view(&store, 2).await.rolled, items(&store, 2).await.len()), (0, 5));
    store.close().await.expect("closes");
}

async fn reopened(store: Store, dir: &Path) -> Store {
    store.close().await.expect("closes");
    super::store(dir).await
}

/// Leaves J2 where a kill would: half of a file, a file that was named on the disk alone, one that is named on the job, and so many chunks
/// without which items.
async fn killed_after(store: &Store, dir: &Path, at: usize) {
    let folder = dir.join("rolled");
    std::fs::create_dir_all(&folder).expect("made");
    match at {
        0 => std::fs::write(folder.join("writing"), b"half of a fi").expect("written"),
        1 => std::fs::write(dir.join(name_of(2, NOW)), b"named, and not in the store").expect("written"),
        _ => {
            assert!(store.sync().roll_write(2, DUE).await.expect("written"));
            for _ in 2..at {
                store.sync().roll_remove(2, DUE).await.expect("removed");
            }
        }
    }
}

#[tokio::test]
async fn what_is_killed_anywhere_goes_on_and_loses_nothing() {
    for at in 0..6 {
        let dir = tempfile::tempdir().expect("a folder");
        let store = over(dir.path()).await;
        killed_after(&store, dir.path(), at).await;
        let store = reopened(store, dir.path()).await;
        assert_eq!(items(&store, 2).await.len(), 5_usize.saturating_sub(CHUNK * at.saturating_sub(2)), "killed after {at}");
        sound(&store, u64::from(at > 1)).await;
        settle(&store, DUE).await;
        if at < 2 {
            assert_eq!(due(&store, DUE).await, [2]);
            roll(&store, 2, DUE).await;
        }
        assert_eq!((view(&store, 2).await.rolled, items(&store, 2).await.len(), rows(dir.path(), 2).0.len()), (2, 0, 5));
        assert_eq!(audited(&store).await.len(), 1, "one row a job");
        assert!(!store.sync().roll_remove(2, DUE).await.expect("asked again"));
        sound(&store, 1).await;
        store.close().await.expect("closes");
    }
}

#[tokio::test]
async fn a_file_that_is_lost_before_anything_went_is_written_again_and_one_that_is_lost_later_is_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = over(dir.path()).await;
    let name = dir.path().join(name_of(2, NOW));
    assert!(store.sync().roll_write(2, DUE).await.expect("written"));
    std::fs::remove_file(&name).expect("lost");
    settle(&store, DUE).await;
    assert_eq!((view(&store, 2).await.rolled, items(&store, 2).await.len(), due(&store, DUE).await), (0, 5, vec![2]));
    sound(&store, 0).await;
    assert!(store.sync().roll_write(2, DUE).await.expect("written"));
    assert!(store.sync().roll_remove(2, DUE).await.expect("removed"));
    std::fs::write(&name, b"another one").expect("changed");
    settle(&store, DUE).await;
    assert_eq!((view(&store, 2).await.rolled, items(&store, 2).await), (3, vec![3, 4, 5]), "nothing more goes");
    let told = audited(&store).await;
    assert_eq!((told.len(), told[0].1["state"].as_str()), (1, Some("stopped")));
    let found = store.verify().await.expect("verified").findings;
    assert!(found.len() == 2 && found.iter().all(|words| words.contains("J2")), "{found:?}");
    store.close().await.expect("closes");
}

/// A file as `change` makes it from the rows that it has.
fn rewritten(dir: &Path, change: impl Fn(&str) -> String) {
    let path = dir.join(name_of(2, NOW));
    let bytes = std::fs::read(&path).expect("a file");
    let text = String::from_utf8(zstd::decode_all(bytes.as_slice()).expect("zstd")).expect("text");
    let body = text.trim_end().rsplit_once('\n').expect("a manifest").0;
    let body = change(&format!("{body}\n"));
    let mut tally = tidewatch_domain::manifest::Tally::default();
    tally.add(body.as_bytes(), body.lines().count() as u64);
    let whole = format!("{body}{}", tally.manifest().line());
    std::fs::write(path, zstd::encode_all(whole.as_bytes(), 1).expect("compressed")).expect("written");
}

#[tokio::test]
async fn verification_finds_a_file_that_is_lost_or_changed_however_whole_it_looks() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = over(dir.path()).await;
    roll(&store, 2, DUE).await;
    let (path, found) = (dir.path().join(name_of(2, NOW)), async || store.verify().await.expect("verified").findings);
    let kept = std::fs::read(&path).expect("a file");
    let told = |found: &[String], words: &str| found.iter().any(|finding| finding.contains("job J2") && finding.contains(words));
    rewritten(dir.path(), |body| body.replacen("\"ok\"", "\"failed\"", 1));
    let outcomes = found().await;
    assert!(told(&outcomes, "is not the file that was written") && told(&outcomes, "it counts [0, 0, 4, 1, 0]"), "{outcomes:?}");
    rewritten(dir.path(), |body| body.replacen("op-1-0", "op-1-9", 1));
    assert!(told(&found().await, "does not hold the set that was frozen"));
    rewritten(dir.path(), |body| body.split_once('\n').expect("rows").1.to_owned());
    assert!(told(&found().await, "it is of 5 entries and"));
    std::fs::remove_file(&path).expect("lost");
    assert!(told(&found().await, "cannot be read"));
    std::fs::write(&path, kept).expect("put back");
    sound(&store, 1).await;
    store.close().await.expect("closes");
}

#[tokio::test]
async fn what_has_rolled_is_not_taken_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = over(dir.path()).await;
    assert!(store.sync().job_undoable(&view(&store, 2).await).await.expect("read").total() > 0, "there would be something");
    assert!(store.sync().roll_write(2, DUE).await.expect("written"));
    assert_eq!(moved(&store, 2, JobChange::Undo, NOW).await, Err(JobState::Done), "from when its file is named");
    settle(&store, DUE).await;
    assert_eq!(moved(&store, 2, JobChange::Undo, NOW).await, Err(JobState::Done));
    assert_eq!(moved(&store, 2, JobChange::Acknowledge, DUE).await, Ok(()), "what needs no items is done as ever");
    assert_eq!(moved(&store, 1, JobChange::Undo, NOW).await, Ok(()), "another job is taken back");
    sound(&store, 1).await;
    store.close().await.expect("closes");
}
