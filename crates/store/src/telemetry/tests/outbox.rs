//! The mirror across devices: groups, lists both ways, what blocks what, and figures that add up.

use sqlx::Connection as _;
use tidewatch_domain::fleet::OutboxRow;

use super::*;

pub(super) fn outbox_filter(text: &str) -> Filter {
    Filter::parse(keys::OUTBOX, text).expect("a filter")
}

pub(super) fn failing(mut entry: OutboxEntry, code: &str, message: &str) -> OutboxEntry {
    entry.error = Some(ReportedError { code: code.into(), status: Some(422), message: Some(message.into()) });
    entry
}

/// Twelve devices: each has two poisoned, one retrying, two waiting and one queued entry; odd ones write orders.
pub(super) async fn filled(dir: &Path) -> Store {
    let store = store(dir).await;
    for n in 0..12 {
        let mut told = report("r1", NOW);
        told.device.name = Some(format!("Tablet {n:02}"));
        told.device.app_version = Some(if n < 4 { "4.18.0" } else { "4.17.2" }.to_owned());
        let made = NOW.plus(-i64::from(n) * HOUR_MS);
        let mut entries = vec![
            failing(
                entry("bad-a", EntryState::Poisoned, made),
                "schema_invalid",
                &format!("reading is \"{n}\", expected a number"),
            ),
            failing(entry("bad-b", EntryState::Poisoned, made), "schema_invalid", "reading is \"x\", expected a number"),
            failing(entry("slow", EntryState::Retrying, made), "upstream_away", "the store is away"),
            OutboxEntry {
                depends_on: vec!["bad-a".into()],
                record_id: "INS-9".into(),
                ..entry("next-a", EntryState::Waiting, made)
            },
            OutboxEntry { record_id: "INS-2".into(), ..entry("next-b", EntryState::Waiting, made.plus(9)) },
            entry("new", EntryState::Queued, made),
        ];
        entries[1].record_id = "INS-2".into();
        for (at, entry) in entries.iter_mut().enumerate() {
            entry.operation_id = format!("{}-{n:02}", entry.operation_id);
            if at == 3 {
                entry.depends_on = vec![format!("bad-a-{n:02}")];
            }
            if n % 2 == 1 {
                entry.collection = "orders".into();
            }
        }
        told.outbox = outbox(false, 6, entries);
        told.offline_resilience.queued_operations_count = Some(6);
        store.telemetry().reports_ingest(&client(n), vec![told], NOW.plus(i64::from(n))).await.expect("stored");
    }
    store
}

pub(super) async fn walk(telemetry: &Telemetry, signature: Option<&str>, text: &str, rows: u32) -> Vec<OutboxRow> {
    let (mut found, mut position) = (Vec::new(), Position::Start);
    loop {
        let page = telemetry.outbox_page(signature, &outbox_filter(text), Words::All, &position, rows, NOW).await.expect("read");
        found.extend(page.rows);
        match page.next {
            Some(next) => position = Position::After(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn figures_add_up_to_the_entries_and_tell_groups_by_signature() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let telemetry = store.telemetry();
    let figures = telemetry.outbox_figures(NOW).await.expect("counted");
    assert_eq!((figures.depth, figures.devices, figures.listed()), (72, 12, 72));
    let states: Vec<_> = figures.states.iter().map(|tally| (tally.state.as_str(), tally.entries)).collect();
    let sent = [("poisoned", 24), ("retrying", 12), ("held", 0), ("waiting", 24), ("queued", 12), ("sending", 0)];
    let drained = ["escrowed", "quarantined", "skipped", "discarded", "done"].map(|state| (state, 0));
    assert_eq!(states, [sent.as_slice(), &drained].concat());
    let groups: Vec<_> = figures
        .groups
        .iter()
        .map(|g| (g.code.as_str(), g.collection.as_str(), g.entries, g.poisoned, g.devices, g.waiting))
        .collect();
    let wanted = [
        ("schema_invalid", "inspections", 12, 12, 6, 12),
        ("schema_invalid", "orders", 12, 12, 6, 12),
        ("upstream_away", "inspections", 6, 0, 6, 12),
        ("upstream_away", "orders", 6, 0, 6, 12),
    ];
    assert_eq!(groups, wanted);
    let first = &figures.groups[0];
    assert_eq!((first.last_hour, first.hours.iter().sum::<u32>()), (12, 12));
    assert_eq!(first.versions, [("4.17.2".to_owned(), 4), ("4.18.0".to_owned(), 2)]);
    let collections: Vec<_> = figures.collections.iter().map(|c| (c.collection.as_str(), c.entries(), c.devices)).collect();
    assert_eq!(collections, [("inspections", 36, 6), ("orders", 36, 6)]);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_group_lists_its_own_entries_and_no_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let telemetry = store.telemetry();
    let figures = telemetry.outbox_figures(NOW).await.expect("counted");
    assert_eq!(telemetry.outbox_group("0000000000000000", NOW).await.expect("read"), None);
    for group in &figures.groups {
        assert_eq!(telemetry.outbox_group(&group.id, NOW).await.expect("read").as_ref(), Some(group), "counted by itself");
        // Of each device with it, one entry names the first of its failures and one is of the record of the second.
        let blocked = if group.code == "schema_invalid" { 12 } else { 0 };
        assert_eq!(
            telemetry.outbox_group_blocked(&group.signature, NOW).await.expect("counted"),
            Total::Exact(blocked),
            "{}",
            group.signature
        );
        let rows = walk(telemetry, Some(&group.signature), "", 5).await;
        assert_eq!(rows.len() as u64, group.entries, "{}", group.signature);
        for row in &rows {
            assert_eq!(row.entry.error.as_ref().map(|error| error.code.as_str()), Some(group.code.as_str()));
            assert_eq!(row.entry.collection, group.collection);
        }
        let ages: Vec<_> = rows.iter().map(|row| row.entry.created_at).collect();
        assert!(ages.is_sorted(), "oldest first");
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn pages_join_to_the_whole_list_both_ways() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let telemetry = store.telemetry();
    for text in ["", "state:waiting", "collection:orders", "age:>=3h", "version:4.18.*", "expected", "-state:queued"] {
        let whole = walk(telemetry, None, text, 500).await;
        assert!(!whole.is_empty(), "{text}");
        assert_eq!(walk(telemetry, None, text, 5).await, whole, "{text}");
        let filter = outbox_filter(text);
        let page = |position| async move {
            telemetry.outbox_page(None, &outbox_filter(text), Words::All, &position, 3, NOW).await.expect("read")
        };
        let first = telemetry.outbox_page(None, &filter, Words::All, &Position::Start, 7, NOW).await.expect("read");
        let Some(next) = first.next else { continue };
        let mut at = page(Position::After(next)).await;
        let mut back: Vec<OutboxRow> = Vec::new();
        while let Some(previous) = at.previous.take() {
            at = page(Position::Before(previous)).await;
            back.splice(0..0, at.rows.clone());
        }
        assert_eq!(back, whole[..7], "{text}");
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn filters_select_what_the_rows_say() {
    type Holds = fn(&OutboxRow) -> bool;
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let telemetry = store.telemetry();
    let all = walk(telemetry, None, "", 500).await;
    assert_eq!(all.len(), 72);
    let cases: [(&str, Holds); 12] = [
        ("state:poisoned,retrying", |row| matches!(row.entry.state, EntryState::Poisoned | EntryState::Retrying)),
        ("collection:Orders", |row| row.entry.collection == "orders"),
        ("record:ins-2", |row| row.entry.record_id == "INS-2"),
        ("operation:NEW-03", |row| row.entry.operation_id == "new-03"),
        ("operation:new-*", |row| row.entry.operation_id.starts_with("new-")),
        ("code:upstream_away", |row| row.entry.error.as_ref().is_some_and(|error| error.code == "upstream_away")),
        ("device:\"tablet 05\"", |row| row.device_name == "Tablet 05"),
        ("device:*0005", |row| row.entry.client_id == client(5)),
        ("-device:\"Tablet 05\" device:Tablet*", |row| row.device_name != "Tablet 05"),
        ("version:<4.18 state:queued", |row| {
            row.app_version.as_deref() == Some("4.17.2") && row.entry.state == EntryState::Queued
        }),
        ("age:<2h", |row| row.entry.created_at.is_some_and(|at| NOW.since(at) < 2 * HOUR_MS)),
        ("\"store is away\"", |row| row.entry.error.as_ref().and_then(|e| e.message.as_deref()) == Some("the store is away")),
    ];
    for (text, holds) in cases {
        let wanted: Vec<_> = all.iter().filter(|row| holds(row)).map(|row| row.entry.operation_id.clone()).collect();
        let mut found: Vec<_> = walk(telemetry, None, text, 4).await.into_iter().map(|row| row.entry.operation_id).collect();
        assert!(!wanted.is_empty(), "{text}");
        let total =
            telemetry.outbox_page(None, &outbox_filter(text), Words::All, &Position::Start, 1, NOW).await.expect("read").total;
        let pinned = ["state:queued", "record:", "operation:NEW", "collection:", "\"tablet 05", "*0005"]
            .iter()
            .any(|key| text.contains(key));
        match total {
            Total::Exact(found) => assert_eq!(found, wanted.len() as u64, "{text}"),
            Total::AtLeast(found) => assert!(!pinned && found <= wanted.len() as u64, "{text}: {found}"),
            Total::Among { .. } => panic!("{text} is about no payload"),
        }
        let mut sorted = wanted;
        sorted.sort();
        found.sort();
        assert_eq!(found, sorted, "{text}");
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn an_entry_knows_its_attempts_and_what_waits_behind_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let telemetry = store.telemetry();
    let named = telemetry.outbox_entry(&client(2), "bad-a-02").await.expect("known");
    let behind = |view: &tidewatch_domain::fleet::OutboxEntryView| {
        view.blocked.iter().map(|entry| entry.operation_id.clone()).collect::<Vec<_>>()
    };
    assert_eq!((named.row.blocks, behind(&named)), (1, vec!["next-a-02".to_owned()]), "it is named in depends_on");
    let record = telemetry.outbox_entry(&client(2), "bad-b-02").await.expect("known");
    assert_eq!((record.row.blocks, behind(&record)), (1, vec!["next-b-02".to_owned()]), "the same record");
    assert_eq!(record.attempts.iter().map(|attempt| attempt.code.as_deref()).collect::<Vec<_>>(), [Some("schema_invalid")]);
    let free = telemetry.outbox_entry(&client(2), "new-02").await.expect("known");
    assert_eq!((free.row.blocks, behind(&free), free.group), (0, Vec::new(), None));
    assert!(matches!(telemetry.outbox_entry(&client(3), "bad-a-02").await, Err(Error::NotFound("entry"))));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn what_was_refused_because_of_an_entry_stands_behind_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    let bad = |id: &str, message: &str| failing(entry(id, EntryState::Poisoned, NOW), "schema_invalid", message);
    let child = OutboxEntry {
        depends_on: vec!["bad-1".to_owned()],
        record_id: "INS-7".into(),
        ..failing(entry("child", EntryState::Poisoned, NOW), "dependency_failed", "what it depends on was refused")
    };
    let mut told = report("r1", NOW);
    told.outbox = outbox(false, 3, vec![bad("bad-1", "one is missing"), bad("bad-2", "another is missing"), child]);
    telemetry.reports_ingest(&client(2), vec![told], NOW).await.expect("stored");
    let view = async |operation: &str| telemetry.outbox_entry(&client(2), operation).await.expect("known");
    let (parent, other) = (view("bad-1").await, view("bad-2").await);
    assert_eq!((parent.row.blocks, parent.blocked.len(), other.row.blocks, other.blocked.len()), (1, 1, 0, 0));
    assert_eq!(parent.blocked[0].operation_id, "child");
    let list = walk(telemetry, None, "", 10).await;
    let blocks = |operation: &str| list.iter().find(|row| row.entry.operation_id == operation).map(|row| row.blocks);
    assert_eq!((blocks("bad-1"), blocks("bad-2"), blocks("child")), (Some(1), Some(0), Some(0)));
    let figures = telemetry.outbox_figures(NOW).await.expect("counted");
    for group in &figures.groups {
        let blocked = telemetry.outbox_group_blocked(&group.signature, NOW).await.expect("counted");
        assert_eq!(blocked, Total::Exact(u64::from(group.signature.contains("one is missing"))), "{}", group.signature);
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn figures_that_somebody_looks_at_follow_the_mirror_behind_the_pages() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let telemetry = store.telemetry();
    assert_eq!(telemetry.outbox_figures(NOW).await.expect("counted").listed(), 72);
    let mut empty = report("r2", NOW.plus(MINUTE_MS));
    empty.outbox = outbox(false, 0, Vec::new());
    telemetry.reports_ingest(&client(0), vec![empty], NOW.plus(MINUTE_MS)).await.expect("stored");
    let soon = NOW.plus(2_000);
    assert_eq!(telemetry.outbox_figures(soon).await.expect("kept").listed(), 72, "a page does not wait for a count");
    telemetry.outbox_figures_renew(soon).await.expect("counted");
    let later = telemetry.outbox_figures(soon).await.expect("kept");
    assert_eq!((later.as_of, later.listed(), later.devices, later.depth), (soon, 66, 11, 66));
    let mut more = report("r3", NOW.plus(2 * MINUTE_MS));
    more.outbox = outbox(false, 1, vec![entry("late", EntryState::Queued, NOW)]);
    telemetry.reports_ingest(&client(0), vec![more], NOW.plus(2 * MINUTE_MS)).await.expect("stored");
    telemetry.outbox_figures_renew(NOW.plus(5 * MINUTE_MS)).await.expect("left alone");
    let unwatched = telemetry.outbox_figures(NOW.plus(5 * MINUTE_MS)).await.expect("counted");
    assert_eq!((unwatched.as_of, unwatched.listed()), (NOW.plus(5 * MINUTE_MS), 67), "nobody looked, so the page counts");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_verification_finds_a_count_that_is_not_that_of_the_entries() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    assert_eq!(store.verify().await.expect("verified").findings, Vec::<String>::new());
    let mut telemetry =
        sqlx::SqliteConnection::connect(&format!("sqlite:{}", dir.path().join("telemetry.db").display())).await.expect("opens");
    sqlx::query("delete from outbox where operation_id = 'bad-a-03'").execute(&mut telemetry).await.expect("deleted");
    telemetry.close().await.expect("closes");
    let found = store.verify().await.expect("verified");
    assert_eq!(found.wrong, 1, "{:?}", found.findings);
    assert!(
        found.findings[0].contains(&client(3).to_string()) && found.findings[0].contains("[1,1,0,2,1,0,0,0,0,0,0]"),
        "{:?}",
        found.findings
    );
    store.close().await.expect("closes");
}
