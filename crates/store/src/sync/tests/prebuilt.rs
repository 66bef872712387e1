//! Prebuilt snapshots: with what follows they equal the whole log, they never change, and nothing broken is given.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use tidewatch_domain::sync::{FeedRowRef, Snapshot, SnapshotFilter};
use tidewatch_domain::time::{DAY_MS, HOUR_MS};

use super::controls::{Copy, apply, work};
use super::*;
use crate::Error;
use crate::sync::{SnapshotLimits, SnapshotTaken};

/// Of any number of records, in parts of so many.
fn options(part_rows: u64) -> StoreOptions {
    let snapshots = SnapshotLimits { rows_min: 0, part_rows, ..SnapshotLimits::STANDARD };
    StoreOptions { durability: crate::Durability::Normal, snapshots, ..StoreOptions::new(NOW, 7) }
}

/// A line of a part, as far as the tests look.
fn line(row: FeedRowRef<'_>, out: &mut Vec<u8>) {
    let line = json!({"seq": row.seq.0, "op": row.op, "record": row.record_id, "scope": row.scope.as_str(),
        "version": row.version.0, "body": row.fields});
    out.extend_from_slice(format!("{line}\n").as_bytes());
}

fn filter(collections: &[&str]) -> SnapshotFilter {
    let names = collections.iter().map(|name| CollectionName::parse(*name).expect("a name")).collect();
    SnapshotFilter::new(scope("site:a"), names)
}

/// Takes a snapshot, and waits as long as it takes.
async fn taken(store: &Store, filter: &SnapshotFilter, now: Millis) -> Option<Arc<Snapshot>> {
    loop {
        match store.sync().snapshot_take(filter, line, now).expect("asked") {
            SnapshotTaken::Ready(snapshot) => return Some(snapshot),
            SnapshotTaken::Making(mut wait) => wait.done().await,
            SnapshotTaken::NotOffered => return None,
        }
    }
}

impl crate::sync::Sync {
    /// All that are kept.
    fn snapshots_list(&self) -> Vec<Arc<Snapshot>> {
        self.snapshots.kept()
    }
}

/// Files in the folder of snapshots.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir.join("snapshots")) else { return Vec::new() };
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

/// Reads every part, writing something in between; answers what a device then holds.
async fn parts_read(store: &Store, snapshot: &Snapshot, between: &mut impl AsyncFnMut()) -> Copy {
    let (mut copy, mut whole, mut last) = (Copy::new(), Sha256::new(), 0);
    for (at, part) in snapshot.parts.iter().enumerate() {
        let bytes = store.sync().snapshot_part(&snapshot.id, at + 1).await.expect("a part");
        assert_eq!((bytes.len() as u64, <[u8; 32]>::from(Sha256::digest(&bytes))), (part.bytes, part.sha256));
        whole.update(&bytes);
        let mut text = String::new();
        zstd::Decoder::new(bytes.as_slice()).expect("zstd").read_to_string(&mut text).expect("text");
        assert_eq!((text.len() as u64, text.lines().count() as u64), (part.raw_bytes, part.rows));
        for line in text.lines() {
            let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let text = |name: &str| row[name].as_str().expect(name).to_owned();
            let seq = row["seq"].as_i64().expect("seq");
            assert!(last < seq && seq <= snapshot.at.0, "in the order of the log, and not beyond the position");
            assert_eq!(row["op"], "put");
            last = seq;
            let image = (text("scope"), row["version"].as_i64().expect("version"), text("body"));
            assert!(copy.insert(text("record"), image).is_none(), "each record once");
        }
        between().await;
    }
    assert_eq!((copy.len() as u64, <[u8; 32]>::from(whole.finalize())), (snapshot.rows, snapshot.sha256));
    copy
}

/// Goes on to the head over the filter of the snapshot, writing something after each page; answers the cursor.
async fn follow(
    store: &Store,
    copy: &mut Copy,
    (from, limit, compact): (FeedQuery, u32, bool),
    between: &mut impl AsyncFnMut(),
) -> FeedQuery {
    let mut query = FeedQuery { limit, compact, scopes: vec![scope("site:a")], ..from };
    let fresh = query.since.is_none() && compact;
    let mut met = std::collections::BTreeSet::new();
    loop {
        let page = store.sync().changes_page(&query, &[scope("site:a")]).await.expect("a page");
        apply(copy, &page);
        met.extend(page.rows.iter().map(|row| row.record_id.to_string()));
        query = FeedQuery { since: Some(page.cursor), epoch: None, compact: page.snapshot_complete == Some(false), ..query };
        if !page.has_more {
            if fresh {
                copy.retain(|record, _| met.contains(record));
            }
            return query;
        }
        between().await;
    }
}

fn from(since: Option<String>) -> FeedQuery {
    FeedQuery { since, ..FeedQuery::default() }
}

/// One run of the law: at two prefixes of a random log a snapshot is made while others write, and is read while others write; by every
/// way of reading a device comes to the same state.
async fn law(seed: u64, part_rows: u64, limit: u32, prefixes: [usize; 2]) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store_with(dir.path(), options(part_rows)).await;
    let mut random = seed;
    let mut stale = Copy::new();
    let mut old = from(None);
    for (round, prefix) in prefixes.into_iter().enumerate() {
        for _ in 0..prefix {
            work(&store, &mut random).await;
        }
        let wanted = filter(&[]);
        let now = NOW.plus(round as i64 * 3 * HOUR_MS);
        let mut others = seed ^ 0x5bd1_e995 ^ round as u64;
        let meanwhile = async {
            for _ in 0..5 {
                work(&store, &mut others).await;
            }
        };
        let (snapshot, ()) = tokio::join!(taken(&store, &wanted, now), meanwhile);
        let snapshot = snapshot.expect("offered");
        let mut left = 10;
        let mut between = async || {
            if left > 0 {
                left -= 1;
                work(&store, &mut random).await;
            }
        };
        let (mut compact, mut rebased, mut whole) = (Copy::new(), stale.clone(), Copy::new());
        let mut delta = parts_read(&store, &snapshot, &mut between).await;
        let mut scanned = delta.clone();
        let behind = follow(&store, &mut delta, (from(Some(snapshot.cursor().to_string())), limit, false), &mut between).await;
        let bare = FeedQuery { epoch: Some(snapshot.epoch), ..from(Some(snapshot.at.to_string())) };
        let beside = follow(&store, &mut scanned, (bare, limit, true), &mut between).await;
        let begun = follow(&store, &mut compact, (from(None), limit, true), &mut between).await;
        let onward = follow(&store, &mut rebased, (old, limit, true), &mut between).await;
        for (copy, from) in [(&mut delta, behind), (&mut scanned, beside), (&mut compact, begun), (&mut rebased, onward)] {
            follow(&store, copy, (from, limit, false), &mut async || {}).await;
        }
        old = follow(&store, &mut whole, (from(None), 3, false), &mut async || {}).await;
        assert_eq!(delta, whole, "snapshot, then delta");
        assert_eq!(scanned, whole, "snapshot, then scan");
        assert_eq!(compact, whole, "scan, then delta");
        assert_eq!(rebased, whole, "scan from an old cursor, then delta");
        stale = whole;
    }
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    store.close().await.expect("closes");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn a_snapshot_and_what_follows_equals_the_whole_log(
        seed: u64,
        part_rows in prop::sample::select(vec![1_u64, 2, 7, 500]),
        limit in prop::sample::select(vec![1_u32, 2, 7, 500]),
        first in 0_usize..25,
        second in 1_usize..15,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(law(seed, part_rows, limit, [first, second]));
    }
}

/// A store with `n` records of `assets` and as many of `orders` in `site:a`.
async fn filled(dir: &Path, options: StoreOptions, n: usize) -> Store {
    let store = store_with(dir, options).await;
    for collection in ["assets", "orders"] {
        let of = |n: usize| {
            intent(&format!("{collection}-{n}"), MutationOp::Put, collection, &format!("{collection}-{n}"), json!({"n": n}))
        };
        push(&store, 1, (0..n).map(of).collect()).await;
    }
    store
}

async fn write_one(store: &Store, n: usize) {
    push(store, 1, vec![intent(&format!("more-{n}"), MutationOp::Put, "assets", &format!("assets-{n}"), json!({"n": -1}))]).await;
}

#[tokio::test]
async fn many_who_ask_are_given_one_and_again_until_going_on_from_it_costs_more_than_another() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path(), options(4), 5).await;
    let all = filter(&[]);
    let asked = ten_ask(&store, &all).await;
    assert_eq!(asked.iter().map(|snapshot| snapshot.id.as_str()).collect::<std::collections::BTreeSet<_>>().len(), 1);
    assert_eq!((asked[0].rows, asked[0].parts.len(), files(dir.path()).len()), (10, 3, 3));
    write_one(&store, 0).await;
    let again = taken(&store, &all, NOW.plus(HOUR_MS / 2)).await.expect("offered");
    assert_eq!(again.id, asked[0].id, "one position behind is recent");
    let newer = taken(&store, &all, NOW.plus(HOUR_MS)).await.expect("offered");
    assert_ne!(newer.id, asked[0].id);
    assert_eq!(newer.at, store.sync().head());
    assert!(store.sync().snapshot_view(&asked[0].id).is_ok(), "whoever reads the older one can go on");
    let some = taken(&store, &filter(&["orders"]), NOW.plus(HOUR_MS)).await.expect("offered");
    assert_eq!((some.rows, some.parts.len()), (5, 2));
    store.close().await.expect("closes");
}

/// Ten who ask at the same time.
async fn ten_ask(store: &Store, filter: &SnapshotFilter) -> Vec<Arc<Snapshot>> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (store, filter) = (store.clone(), filter.clone());
        tasks.spawn(async move { taken(&store, &filter, NOW).await.expect("offered") });
    }
    tasks.join_all().await
}

#[tokio::test]
async fn few_records_are_not_offered_nor_what_grows_beyond_its_bounds_and_that_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let few = SnapshotLimits { rows_min: 11, ..options(4).snapshots };
    let store = filled(dir.path(), StoreOptions { snapshots: few, ..options(4) }, 5).await;
    assert_eq!(taken(&store, &filter(&[]), NOW).await, None);
    store.close().await.expect("closes");
    let bytes = SnapshotLimits { bytes_max: 1, ..options(4).snapshots };
    let store = Store::open(dir.path(), StoreOptions { snapshots: bytes, ..options(4) }).await.expect("opens");
    assert_eq!(taken(&store, &filter(&[]), NOW).await, None, "it fails, and is not tried again at once");
    store.sync().snapshots_tidy(NOW).await.expect("tidied");
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
    write_one(&store, 0).await;
    assert_eq!(taken(&store, &filter(&[]), NOW).await, None);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn snapshots_outlive_a_restart_and_what_a_crash_leaves_does_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path(), options(4), 5).await;
    let (whole, some) = (
        taken(&store, &filter(&[]), NOW).await.expect("offered"),
        taken(&store, &filter(&["orders"]), NOW).await.expect("offered"),
    );
    store.close().await.expect("closes");
    let folder = dir.path().join("snapshots");
    std::fs::write(folder.join("0.making"), b"half of a part").expect("written");
    std::fs::write(folder.join(format!("{}.ndjson.zst", "0".repeat(64))), b"a part that no row names").expect("written");
    let cut = folder.join(format!("{}.ndjson.zst", hex::encode(some.parts[1].sha256)));
    std::fs::write(&cut, b"cut off").expect("written");
    let store = Store::open(dir.path(), options(4)).await.expect("opens");
    assert_eq!(store.sync().snapshot_view(&whole.id).expect("kept"), whole);
    parts_read(&store, &whole, &mut async || {}).await;
    assert!(matches!(store.sync().snapshot_view(&some.id), Err(Error::NotFound(_))), "a part of it was cut off");
    assert_eq!(files(dir.path()).len(), whole.parts.len(), "nothing else is left");
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    let again = taken(&store, &filter(&["orders"]), NOW).await.expect("offered");
    assert_eq!((&again.sha256, again.at), (&some.sha256, some.at), "the same state gives the same bytes");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn making_that_breaks_off_anywhere_leaves_only_what_is_whole() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut store = filled(dir.path(), options(1), 12).await;
    let (mut kept, mut broken_off) = (0, 0);
    for round in 0..12_u32 {
        write_one(&store, round as usize).await;
        let wanted = filter(&[]);
        let now = NOW.plus(i64::from(round) * HOUR_MS);
        let taken = store.sync().snapshot_take(&wanted, line, now).expect("asked");
        assert!(matches!(taken, SnapshotTaken::Making(_)), "{taken:?}");
        while files(dir.path()).len() < 24.min(3 * round as usize) {
            tokio::task::yield_now().await;
        }
        store.close().await.expect("closes");
        store = Store::open(dir.path(), options(1)).await.expect("opens");
        let report = store.verify().await.expect("verified");
        assert_eq!(report.findings, Vec::<String>::new(), "round {round}");
        let whole = store.sync().snapshots_list();
        let named: std::collections::BTreeSet<[u8; 32]> =
            whole.iter().flat_map(|snapshot| &snapshot.parts).map(|part| part.sha256).collect();
        assert_eq!(files(dir.path()).len(), named.len(), "round {round}");
        for snapshot in &whole {
            parts_read(&store, snapshot, &mut async || {}).await;
        }
        if whole.iter().any(|snapshot| snapshot.created == now) { kept += 1 } else { broken_off += 1 }
    }
    assert!(broken_off > 0, "{kept} were whole, none broke off");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn verification_finds_a_changed_file_and_reading_it_drops_the_snapshot() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path(), options(4), 5).await;
    let snapshot = taken(&store, &filter(&[]), NOW).await.expect("offered");
    assert_eq!(store.verify().await.expect("verified").snapshots, 1);
    let path = dir.path().join("snapshots").join(format!("{}.ndjson.zst", hex::encode(snapshot.parts[2].sha256)));
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[9] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let report = store.verify().await.expect("verified");
    assert_eq!(report.wrong, 1, "{:?}", report.findings);
    assert!(report.findings[0].starts_with(&format!("part 3 of snapshot {}", snapshot.id)), "{:?}", report.findings);
    assert!(store.sync().snapshot_part(&snapshot.id, 1).await.is_ok());
    assert!(matches!(store.sync().snapshot_part(&snapshot.id, 3).await, Err(Error::NotFound(_))));
    assert!(matches!(store.sync().snapshot_view(&snapshot.id), Err(Error::NotFound(_))));
    store.sync().snapshots_tidy(NOW).await.expect("tidied");
    let again = taken(&store, &filter(&[]), NOW).await.expect("offered");
    assert_eq!(again.id, snapshot.id);
    parts_read(&store, &again, &mut async || {}).await;
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_snapshot_goes_after_a_day_and_its_files_with_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path(), options(4), 5).await;
    let first = taken(&store, &filter(&[]), NOW).await.expect("offered");
    write_one(&store, 4).await;
    let second = taken(&store, &filter(&[]), NOW.plus(2 * HOUR_MS)).await.expect("offered");
    let shared = first.parts.iter().filter(|part| second.parts.contains(part)).count();
    assert_eq!(shared, 1, "what has not changed is the same file");
    assert_eq!(files(dir.path()).len(), first.parts.len() + second.parts.len() - shared);
    store.sync().snapshots_tidy(NOW.plus(DAY_MS)).await.expect("tidied");
    assert!(matches!(store.sync().snapshot_view(&first.id), Err(Error::NotFound(_))));
    assert_eq!(files(dir.path()).len(), second.parts.len());
    parts_read(&store, &second, &mut async || {}).await;
    store.sync().snapshots_tidy(NOW.plus(2 * DAY_MS)).await.expect("tidied");
    assert_eq!(files(dir.path()).len(), 0);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_store_that_was_put_back_gives_no_snapshot_of_before() {
    let (dir, aside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let hinted = |accept_rollback| StoreOptions { hint: Some(aside.path().join("head.hint")), accept_rollback, ..options(4) };
    let store = filled(dir.path(), hinted(false), 5).await;
    let snapshot = taken(&store, &filter(&[]), NOW).await.expect("offered");
    store.close().await.expect("closes");
    let copy = std::fs::read(dir.path().join("sync.db")).expect("a copy");
    let store = Store::open(dir.path(), hinted(false)).await.expect("opens");
    assert!(store.sync().snapshot_view(&snapshot.id).is_ok());
    write_one(&store, 0).await;
    store.close().await.expect("closes");
    std::fs::write(dir.path().join("sync.db"), copy).expect("put back");
    let store = Store::open(dir.path(), hinted(true)).await.expect("opens");
    assert!(matches!(store.sync().snapshot_view(&snapshot.id), Err(Error::NotFound(_))));
    assert_eq!(files(dir.path()).len(), 0);
    let fresh = taken(&store, &filter(&[]), NOW).await.expect("offered");
    assert_eq!((fresh.epoch, fresh.rows), (store.sync().epoch(), 10));
    assert_ne!(fresh.epoch, snapshot.epoch);
    store.close().await.expect("closes");
}
