//! The feed: pages join without a gap, and a snapshot with what follows equals the whole log.

use std::collections::{BTreeMap, BTreeSet};

use tidewatch_domain::ids::Epoch;
use tidewatch_domain::sync::CursorRefusal;

use super::*;
use crate::Error;

/// Thirty replacements of seven records, three of them in `site:a`, four in `site:b`: positions 2 to 31.
async fn thirty(dir: &Path) -> Store {
    let store = store(dir).await;
    for n in 0..30 {
        push(&store, 1, vec![put(n)]).await;
    }
    store
}

fn put(n: usize) -> Mutation {
    let mut mutation = intent(
        &format!("op-{n}"),
        MutationOp::Put,
        if n.is_multiple_of(2) { "assets" } else { "orders" },
        &format!("r-{}", n % 7),
        json!({"n": n}),
    );
    mutation.scope = scope(if n % 7 < 3 { "site:a" } else { "site:b" });
    mutation
}

async fn refusal(store: &Store, query: FeedQuery) -> CursorRefusal {
    match store.sync().changes_page(&query, &[scope("site:a")]).await {
        Err(Error::Cursor(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pages_of_any_size_give_every_row_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = thirty(dir.path()).await;
    for limit in [1, 2, 7, 29, 30, 31, 500] {
        let (mut seen, mut since, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = page(&store, since.as_deref(), limit, false).await;
            assert_eq!(page.up_to_date, !page.has_more);
            assert!(page.rows.len() as u32 == limit || !page.has_more, "a page with more to come is full");
            seen.extend(page.rows.iter().map(|row| row.seq.0));
            since = Some(page.cursor);
            pages += 1;
            if !page.has_more {
                break;
            }
        }
        assert_eq!(seen, (2..=31).collect::<Vec<_>>(), "limit {limit}");
        assert_eq!(pages, 30_u32.div_ceil(limit), "limit {limit}");
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_filter_by_scope_and_collection_leaves_out_the_rest_and_still_moves_the_cursor() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = thirty(dir.path()).await;
    let filtered = FeedQuery {
        scopes: vec![scope("site:a")],
        collections: vec![CollectionName::parse("orders").expect("a name")],
        ..query(None, 100, false)
    };
    let page = store.sync().changes_page(&filtered, &[scope("site:a")]).await.expect("a page");
    let wanted: Vec<i64> = (0..30).filter(|n| n % 7 < 3 && n % 2 == 1).map(|n| n + 2).collect();
    assert_eq!(page.rows.iter().map(|row| row.seq.0).collect::<Vec<_>>(), wanted);
    let again = FeedQuery { since: Some(page.cursor.clone()), ..filtered.clone() };
    let next = store.sync().changes_page(&again, &[scope("site:a")]).await.expect("a page");
    assert_eq!((next.rows.len(), next.cursor, next.up_to_date), (0, page.cursor.clone(), true));
    let other = FeedQuery { collections: Vec::new(), ..again };
    assert_eq!(refusal(&store, other).await, CursorRefusal::FilterMismatch);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn every_bad_cursor_has_its_own_refusal() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = thirty(dir.path()).await;
    let since = |text: &str| query(Some(text), 10, false);
    assert_eq!(refusal(&store, since("nonsense")).await, CursorRefusal::Malformed);
    assert_eq!(refusal(&store, since("31")).await, CursorRefusal::Malformed);
    assert_eq!(refusal(&store, since(&store.sync().cursor_at(Seq(32)))).await, CursorRefusal::Ahead);
    let foreign = FeedQuery { epoch: Some(Epoch(1)), ..since("3") };
    assert_eq!(refusal(&store, foreign).await, CursorRefusal::EpochMismatch { fork_seq: None });
    let bare = FeedQuery { epoch: Some(store.sync().epoch()), ..since("30") };
    let page = store.sync().changes_page(&bare, &[scope("site:a"), scope("site:b")]).await.expect("a page");
    assert_eq!(page.rows.iter().map(|row| row.seq.0).collect::<Vec<_>>(), [31]);
    let now = store.sync().changes_page(&since("now"), &[scope("site:a")]).await.expect("a page");
    assert_eq!((now.rows.len(), now.cursor), (0, store.sync().cursor_at(Seq(31))));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn an_idle_feed_is_answered_from_memory_and_wakes_for_its_own_scopes_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = thirty(dir.path()).await;
    let scopes = [scope("site:a")];
    let mine = FeedQuery { scopes: scopes.to_vec(), ..query(None, 100, false) };
    let page = store.sync().changes_page(&mine, &scopes).await.expect("a page");
    let idle = FeedQuery { since: Some(page.cursor), ..mine };
    let etag = store.sync().changes_unchanged(&idle, &scopes).expect("judged").expect("idle");
    assert_eq!(store.sync().changes_page(&idle, &scopes).await.expect("a page").etag, etag);
    push(&store, 1, vec![put(31 * 7 + 5)]).await;
    assert_eq!(store.sync().changes_unchanged(&idle, &scopes).expect("judged"), Some(etag), "another scope moved");
    push(&store, 1, vec![put(70)]).await;
    assert_eq!(store.sync().changes_unchanged(&idle, &scopes).expect("judged"), None);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_full_page_keeps_its_etag_and_its_rows_when_the_log_grows() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = thirty(dir.path()).await;
    let first = page(&store, None, 7, false).await;
    assert!(first.immutable);
    let tail = page(&store, None, 30, false).await;
    assert!(!tail.immutable);
    push(&store, 1, vec![put(100)]).await;
    assert_eq!(page(&store, None, 7, false).await, first);
    assert!(page(&store, None, 30, false).await.immutable);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_page_ends_at_its_bound_of_bytes() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let heavy = "x".repeat(200_000);
    for n in 0..8 {
        push(&store, 1, vec![intent(&format!("op-{n}"), MutationOp::Put, "assets", &format!("a-{n}"), json!({"blob": heavy}))])
            .await;
    }
    let first = page(&store, None, 500, false).await;
    assert_eq!((first.rows.len(), first.has_more, first.immutable), (5, true, true));
    let second = page(&store, Some(&first.cursor), 500, false).await;
    assert_eq!(second.rows.iter().map(|row| row.seq.0).collect::<Vec<_>>(), [7, 8, 9]);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_page_over_more_scopes_than_there_are_kept_statements_is_in_order_and_has_every_row_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let scopes: Vec<Scope> = (0..90).map(|n| scope(&format!("site:{n}"))).collect();
    let registration = ClientRegistration {
        client_id: None,
        principal: "u90".to_owned(),
        platform: None,
        app_version: None,
        schema_version: Some(1),
        scopes: scopes.clone(),
        simulated: true,
        public_key: None,
    };
    store.sync().client_register(registration, client(90), NOW).await.expect("registered");
    for n in 0..270_usize {
        let mut mutation = put(n);
        mutation.record_id = RecordId::parse(format!("m-{n}")).expect("an id");
        mutation.scope = scopes[n * 7 % 90].clone();
        push(&store, 90, vec![mutation]).await;
    }
    for (compact, collections) in [(false, vec![]), (true, vec![]), (false, vec!["assets"]), (true, vec!["orders"])] {
        let wanted = |n: &i64| collections.first().is_none_or(|name| (n % 2 == 0) == (*name == "assets"));
        let all: Vec<i64> = (0..270).filter(wanted).map(|n| n + 2).collect();
        let collections = collections.iter().map(|name| CollectionName::parse(*name).expect("a name")).collect();
        let mut query = FeedQuery { limit: 100, compact, collections, ..FeedQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = store.sync().changes_page(&query, &scopes).await.expect("a page");
            seen.extend(page.rows.iter().map(|row| (row.seq.0, row.scope.clone())));
            query.since = Some(page.cursor);
            if !page.has_more {
                break;
            }
        }
        assert_eq!(seen.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), all, "{query:?}");
        assert!(seen.iter().all(|(seq, scope)| *scope == scopes[(*seq as usize - 2) * 7 % 90]), "{query:?}");
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn an_update_sends_the_fields_it_changed_and_a_removed_one_as_unset() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 1, vec![intent("op-1", MutationOp::Create, "assets", "a-1", json!({"a": 1, "b": 1, "c": 1}))]).await;
    let edit = Mutation {
        base: Base::Version(Version(1)),
        ..intent("op-2", MutationOp::Update, "assets", "a-1", json!({"a": 2, "b": {"$unset": true}, "c": 1}))
    };
    push(&store, 1, vec![edit]).await;
    let gone = Mutation { base: Base::Version(Version(2)), ..intent("op-3", MutationOp::Delete, "assets", "a-1", json!({})) };
    push(&store, 1, vec![gone]).await;
    let rows = page(&store, None, 10, false).await.rows.to_vec();
    let seen: Vec<_> = rows.iter().map(|row| (row.op, row.fields.as_deref(), row.prev_seq.map(|seq| seq.0))).collect();
    assert_eq!(
        seen,
        [
            ("create", Some(r#"{"a":1,"b":1,"c":1}"#), None),
            ("update", Some(r#"{"a":2,"b":{"$unset":true}}"#), Some(2)),
            ("delete", None, Some(3)),
        ]
    );
    assert_eq!(rows[1].changed.as_deref(), Some(["a".to_owned(), "b".to_owned()].as_slice()));
    store.close().await.expect("closes");
}

/// What a device holds.
type Replica = BTreeMap<String, (i64, String)>;

/// Applies a page as a device does: by version, so that a row that comes twice does no harm.
fn apply(replica: &mut Replica, page: &FeedPage) {
    for row in page.rows.iter() {
        let key = row.record_id.to_string();
        if replica.get(&key).is_some_and(|(version, _)| *version >= row.version.0) {
            continue;
        }
        match (row.op, row.fields) {
            ("delete", _) => {
                replica.remove(&key);
            }
            ("update", Some(fields)) => {
                let (_, before) = replica.get(&key).expect("an update follows the record");
                let mut body: serde_json::Map<String, serde_json::Value> = serde_json::from_str(before).expect("JSON");
                let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(fields).expect("JSON");
                body = tidewatch_domain::decide::applied(&body, &fields);
                replica.insert(key, (row.version.0, tidewatch_domain::json::body_text(&body)));
            }
            (_, Some(fields)) => {
                replica.insert(key, (row.version.0, fields.to_owned()));
            }
            (op, None) => panic!("{op} without a body"),
        }
    }
}

/// Pulls from a cursor to the head, writing `between` something after each page.
async fn pull(
    store: &Store,
    replica: &mut Replica,
    since: Option<String>,
    limit: u32,
    compact: bool,
    between: &mut impl AsyncFnMut(),
) -> String {
    let (mut since, mut compact, mut mentioned) = (since, compact, compact.then(BTreeSet::new));
    let fresh = since.is_none();
    loop {
        let page = page(store, since.as_deref(), limit, compact).await;
        apply(replica, &page);
        if let Some(mentioned) = &mut mentioned {
            mentioned.extend(page.rows.iter().map(|row| row.record_id.to_string()));
        }
        if page.snapshot_complete == Some(true) {
            compact = false;
            if let Some(mentioned) = mentioned.take().filter(|_| fresh) {
                replica.retain(|record, _| mentioned.contains(record));
            }
        }
        since = Some(page.cursor.clone());
        if !page.has_more && !compact {
            return page.cursor;
        }
        between().await;
    }
}

/// Random work on a few records: made, changed, deleted, made again.
async fn work(store: &Store, random: &mut u64) {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let (dice, record) = ((*random >> 33) % 10, (*random >> 40) % 12);
    let op = match dice {
        0 | 1 => MutationOp::Delete,
        2..6 => MutationOp::Update,
        _ => MutationOp::Put,
    };
    let mutation = intent(
        &format!("op-{random:x}"),
        op,
        "readings",
        &format!("r-{record}"),
        json!({"reading": *random >> 50, format!("f{dice}"): 1}),
    );
    push(store, 1, vec![Mutation { scope: scope(if record < 6 { "site:a" } else { "site:b" }), ..mutation }]).await;
}

#[tokio::test]
async fn a_snapshot_and_what_follows_equals_the_whole_log_however_writes_fall_between() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let mut random = 7;
    for round in 0..6 {
        for _ in 0..20 {
            work(&store, &mut random).await;
        }
        let mut stale = Replica::new();
        let old = pull(&store, &mut stale, None, 500, false, &mut async || {}).await;
        for limit in [1, 2, 7, 500] {
            let mut left = 25;
            let mut between = async || {
                if left > 0 {
                    left -= 1;
                    work(&store, &mut random).await;
                }
            };
            let mut compact = Replica::new();
            let at = pull(&store, &mut compact, None, limit, true, &mut between).await;
            let mut rebased = stale.clone();
            let onward = pull(&store, &mut rebased, Some(old.clone()), limit, true, &mut between).await;
            let mut whole = Replica::new();
            pull(&store, &mut whole, None, 500, false, &mut async || {}).await;
            pull(&store, &mut compact, Some(at), limit, false, &mut async || {}).await;
            pull(&store, &mut rebased, Some(onward), limit, false, &mut async || {}).await;
            assert_eq!(compact, whole, "round {round}, limit {limit}: from nothing");
            assert_eq!(rebased, whole, "round {round}, limit {limit}: from an old cursor");
        }
    }
    assert!(store.verify().await.expect("verified").is_sound());
    store.close().await.expect("closes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_that_polls_misses_nothing_while_four_devices_write() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let writers: Vec<_> = (1..=4)
        .map(|from| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0..60 {
                    let intents = (0..5).map(|i| put_of(from, n * 5 + i)).collect();
                    push(&store, from, intents).await;
                }
            })
        })
        .collect();
    let (mut seen, mut since, mut limit) = (Vec::new(), None, 1);
    while seen.len() < 1_200 {
        let page = page(&store, since.as_deref(), limit, false).await;
        seen.extend(page.rows.iter().map(|row| (row.seq.0, row.operation_id.to_owned())));
        since = Some(page.cursor);
        limit = limit % 97 + 1;
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.expect("writes");
    }
    assert_eq!(seen.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (2..=1_201).collect::<Vec<_>>());
    let operations: BTreeSet<String> = seen.into_iter().map(|(_, operation)| operation).collect();
    let wanted: BTreeSet<String> = (1..=4).flat_map(|from| (0..300).map(move |n| format!("w{from}-{n}"))).collect();
    assert_eq!(operations, wanted);
    store.close().await.expect("closes");
}

fn put_of(from: u32, n: u32) -> Mutation {
    let mutation = intent(&format!("w{from}-{n}"), MutationOp::Put, "readings", &format!("r-{from}-{n}"), json!({"reading": n}));
    Mutation { scope: scope(if n.is_multiple_of(3) { "site:a" } else { "site:b" }), ..mutation }
}
