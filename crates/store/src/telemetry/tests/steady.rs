//! Lists that are read to their end, and since when entries fail.

use super::mirror::told;
use super::outbox::{failing, filled, outbox_filter, walk};
use super::*;

/// All pages by device and operation; between two of them something may happen.
async fn walk_steady(store: &Store, text: &str, rows: u32, mut between: impl AsyncFnMut()) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let filter = outbox_filter(text);
        let page =
            store.telemetry().outbox_page_steady(None, &filter, Words::All, after.as_deref(), rows, NOW).await.expect("read");
        found.extend(page.rows.into_iter().map(|row| row.entry.operation_id));
        let Some(next) = page.next else { return found };
        after = Some(next);
        between().await;
    }
}

#[tokio::test]
async fn who_reads_a_list_to_its_end_has_each_entry_once_while_entries_change_their_state() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let mut all: Vec<_> = walk(store.telemetry(), None, "", 500).await.into_iter().map(|row| row.entry.operation_id).collect();
    all.sort();
    let mut step = 0;
    // Each time one device says that what it had queued is poisoned, and that what was poisoned is queued.
    let swap = async || {
        let n = step % 12;
        let entries = [("new", EntryState::Poisoned), ("bad-a", EntryState::Queued)];
        let entries = entries.map(|(name, state)| OutboxEntry {
            operation_id: format!("{name}-{n:02}"),
            ..failing(entry(name, state, NOW), "gone_stale", "too old")
        });
        let mut report = report(&format!("swap-{step}"), NOW.plus(60_000 + i64::from(step)));
        report.outbox = outbox(true, 6, entries.to_vec());
        store.telemetry().reports_ingest(&client(n), vec![report], NOW.plus(60_000)).await.expect("stored");
        step += 1;
    };
    let mut found = walk_steady(&store, "", 4, swap).await;
    assert!(step > 12, "every device has moved: {step}");
    found.sort();
    assert_eq!(found, all);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_selection_is_read_as_it_stood_when_its_reading_began() {
    let dir = tempfile::tempdir().expect("a folder");
    filled(dir.path()).await.close().await.expect("closes");
    // One connection reads the selection, another one what is written meanwhile.
    let options = StoreOptions { durability: Durability::Normal, readers: 4, ..StoreOptions::new(NOW, 7) };
    let store = Store::open(dir.path(), options).await.expect("opens");
    let (filter, telemetry) = (outbox_filter("state:poisoned,queued"), store.telemetry());
    let (mut selecting, mut names) = (telemetry.outbox_select(None, &filter, NOW).await.expect("begun"), MemberNames::default());
    let (mut found, mut stretches) = (Vec::new(), 0);
    while let Some(stretch) = telemetry.outbox_members(&mut selecting, 5, &mut names).await.expect("read") {
        found.extend(stretch.iter().map(|member| (member.operation_id.to_string(), member.state)));
        // What was not read yet becomes poisoned, which stands before what was read.
        let mut moved = report(&format!("moved-{stretches}"), NOW.plus(60_000 + stretches));
        let entry = OutboxEntry { operation_id: "new-00".into(), ..entry("new", EntryState::Poisoned, NOW.plus(-99 * HOUR_MS)) };
        moved.outbox = outbox(true, 6, vec![failing(entry, "gone_stale", "too old")]);
        telemetry.reports_ingest(&client(0), vec![moved], NOW.plus(60_000)).await.expect("stored");
        stretches += 1;
    }
    drop(selecting);
    let of = |state| found.iter().filter(|(_, of)| *of == state).count();
    assert!(stretches > 7, "{stretches}");
    assert_eq!((found.len(), of(EntryState::Poisoned), of(EntryState::Queued)), (36, 24, 12));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn steady_pages_hold_what_the_list_holds() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let texts = [
        "",
        "state:waiting",
        "collection:orders",
        "record:ins-2",
        "operation:new-03",
        "device:\"Tablet 05\"",
        "expected",
        "code:none",
    ];
    for text in texts {
        let mut wanted: Vec<_> =
            walk(store.telemetry(), None, text, 500).await.into_iter().map(|row| row.entry.operation_id).collect();
        let mut found = walk_steady(&store, text, 3, async || ()).await;
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted, "{text}");
    }
    let wrong = store.telemetry().outbox_page_steady(None, &outbox_filter(""), Words::All, Some("x"), 3, NOW).await;
    assert!(matches!(wrong, Err(Error::NotFound("position"))), "{wrong:?}");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn whoever_may_not_see_what_a_failure_quotes_cannot_find_it_either() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let count = async |text: &str, words: Words| {
        let page =
            store.telemetry().outbox_page(None, &outbox_filter(text), words, &Position::Start, 50, NOW).await.expect("read");
        page.rows.len()
    };
    assert_eq!((count("\"is \\\"11\"", Words::All).await, count("\"is \\\"11\"", Words::Common).await), (1, 0));
    assert_eq!((count("expected", Words::All).await, count("expected", Words::Common).await), (24, 24));
    assert_eq!(count("bad-a-03", Words::Common).await, 1, "ids are found");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn an_entry_that_fails_after_it_was_seen_is_new_among_the_failed() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    let digest = |first: EntryState, second: EntryState| {
        let bad = |id: &str, state: EntryState| match state {
            EntryState::Queued => entry(id, state, NOW),
            _ => failing(entry(id, state, NOW), "gone_stale", "too old"),
        };
        outbox(false, 2, vec![bad("a", first), bad("b", second)])
    };
    let at = |minutes: i64| NOW.plus(minutes * MINUTE_MS);
    told(telemetry, "1", at(0), digest(EntryState::Poisoned, EntryState::Queued)).await;
    let newer = async |since: i64, text: &str| {
        telemetry.outbox_newer(None, &outbox_filter(text), at(since), at(999)).await.expect("counted")
    };
    assert_eq!((newer(5, "").await, newer(5, "state:poisoned").await), (0, 0));
    told(telemetry, "2", at(120), digest(EntryState::Poisoned, EntryState::Retrying)).await;
    assert_eq!((newer(5, "code:gone_stale").await, newer(121, "code:gone_stale").await), (1, 0));
    let group = telemetry.outbox_figures(at(121)).await.expect("counted").groups[0].clone();
    assert_eq!((group.entries, group.since, group.newest, group.last_hour), (2, at(0), at(120), 1));
    // It stays as old while it fails, and is new when it fails again.
    told(telemetry, "3", at(180), digest(EntryState::Poisoned, EntryState::Poisoned)).await;
    assert_eq!(newer(150, "state:poisoned").await, 0);
    told(telemetry, "4", at(240), digest(EntryState::Queued, EntryState::Poisoned)).await;
    told(telemetry, "5", at(300), digest(EntryState::Retrying, EntryState::Poisoned)).await;
    assert_eq!(newer(270, "code:gone_stale").await, 1);
    store.close().await.expect("closes");
}
