//! Rows that change no record: whoever reads, from wherever, with pages of any size, holds what the store holds.

use std::collections::{BTreeMap, BTreeSet};

use tidewatch_domain::engine::ControlOp;
use tidewatch_domain::sync::FeedInclude;

use super::*;

fn to(place: &str, mutation: Mutation) -> Mutation {
    Mutation { scope: scope(place), ..mutation }
}

async fn read(store: &Store, query: FeedQuery, scopes: &[&str]) -> FeedPage {
    let scopes: Vec<Scope> = scopes.iter().map(|text| scope(text)).collect();
    store.sync().changes_page(&query, &scopes).await.expect("a page")
}

/// Both kinds of rows of a page, in order, in words.
fn words(page: &FeedPage) -> Vec<String> {
    let rows = page.rows.iter().map(|row| (row.seq, format!("{} {} {}", row.op, row.record_id, row.scope)));
    let controls = page.controls.iter().map(|row| {
        let record = row.record_id.as_ref().map_or("-", RecordId::as_str);
        (row.seq, format!("{} {record} {}", row.op.as_str(), row.scope))
    });
    let mut all: Vec<(Seq, String)> = rows.chain(controls).collect();
    all.sort();
    all.into_iter().map(|(_, words)| words).collect()
}

#[tokio::test]
async fn a_move_is_an_eviction_for_one_reader_and_a_whole_record_for_the_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 1, vec![intent("op-1", MutationOp::Create, "assets", "a-1", json!({"n": 1, "m": 1}))]).await;
    let moving =
        Mutation { base: Base::Version(Version(1)), ..intent("op-2", MutationOp::Update, "assets", "a-1", json!({"n": 2})) };
    let answer = push(&store, 1, vec![to("site:b", moving)]).await.remove(0);
    assert_eq!((answer.status, answer.version), (IntentStatus::Applied, Some(Version(2))));
    let a = read(&store, query(None, 10, false), &["site:a"]).await;
    assert_eq!(words(&a), ["create a-1 site:a", "evict a-1 site:a"]);
    assert_eq!(a.controls[0].facts.reason.as_deref(), Some("moved"));
    let b = read(&store, query(None, 10, false), &["site:b"]).await;
    assert_eq!(words(&b), ["put a-1 site:b"]);
    assert_eq!(b.rows.iter().next().and_then(|row| row.fields), Some(r#"{"m":1,"n":2}"#));
    let both = read(&store, query(None, 10, false), &["site:a", "site:b"]).await;
    assert_eq!(words(&both), ["create a-1 site:a", "evict a-1 site:a", "put a-1 site:b"]);
    let scanned = read(&store, query(None, 10, true), &["site:a", "site:b"]).await;
    assert_eq!(words(&scanned), ["put a-1 site:b"], "what was said before a scan began is no news");
    let digests = |place: &str| {
        let collection = CollectionName::parse("assets").expect("a name");
        store.sync().scope_digest(&scope(place), &collection).map(|(rows, digest, _)| (rows, digest == 0))
    };
    assert_eq!((digests("site:a"), digests("site:b")), (Some((0, true)), Some((1, false))));
    assert!(store.verify().await.expect("verified").is_sound());
    store.close().await.expect("closes");
    let store = Store::open(dir.path(), StoreOptions::new(NOW, 7)).await.expect("opens");
    assert_eq!(words(&read(&store, query(None, 10, false), &["site:a"]).await).len(), 2, "heads are known again after a start");
    store.close().await.expect("closes");
}

/// What a device holds: scope, version and body by record.
pub(super) type Copy = BTreeMap<String, (String, i64, String)>;

/// Applies a page as a device does, row by row in the order of the log.
pub(super) fn apply(copy: &mut Copy, page: &FeedPage) {
    let mut all: Vec<(Seq, Result<tidewatch_domain::sync::FeedRowRef<'_>, String>)> =
        page.rows.iter().map(|row| (row.seq, Ok(row))).collect();
    let gone = page.controls.iter().filter(|row| row.op == ControlOp::Evict);
    all.extend(gone.map(|row| (row.seq, Err(row.record_id.as_ref().expect("a record").to_string()))));
    all.sort_by_key(|(seq, _)| *seq);
    for (_, row) in all {
        let row = match row {
            Ok(row) => row,
            Err(record) => {
                copy.remove(&record);
                continue;
            }
        };
        let key = row.record_id.to_string();
        if copy.get(&key).is_some_and(|(_, version, _)| *version >= row.version.0) {
            continue;
        }
        let body = match (row.op, row.fields) {
            ("delete", _) => {
                copy.remove(&key);
                continue;
            }
            ("update", Some(fields)) => {
                let (_, _, before) = copy.get(&key).unwrap_or_else(|| panic!("an update of {key} follows the record"));
                let read = |text: &str| serde_json::from_str::<tidewatch_domain::sync::Body>(text).expect("JSON");
                tidewatch_domain::json::body_text(&tidewatch_domain::decide::applied(&read(before), &read(fields)))
            }
            (_, Some(fields)) => fields.to_owned(),
            (op, None) => panic!("{op} without a body"),
        };
        copy.insert(key, (row.scope.to_string(), row.version.0, body));
    }
}

/// Pulls to the head, writing `between` something after each page; answers the cursor.
async fn pull(
    store: &Store,
    copy: &mut Copy,
    (since, limit, compact): (Option<String>, u32, bool),
    scopes: &[&str],
    between: &mut impl AsyncFnMut(),
) -> String {
    let fresh = since.is_none();
    let (mut since, mut compact, mut met) = (since, compact, BTreeSet::new());
    loop {
        let page = read(store, query(since.as_deref(), limit, compact), scopes).await;
        assert!(page.rows.len() + page.controls.len() <= limit as usize);
        apply(copy, &page);
        met.extend(page.rows.iter().map(|row| row.record_id.to_string()));
        if page.snapshot_complete == Some(true) {
            compact = false;
            if fresh {
                copy.retain(|record, _| met.contains(record));
            }
        }
        since = Some(page.cursor.clone());
        if !page.has_more && !compact {
            return page.cursor;
        }
        between().await;
    }
}

/// Random work on a few records that live in two scopes and move between them.
pub(super) async fn work(store: &Store, random: &mut u64) {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let (dice, record, place) = ((*random >> 33) % 10, (*random >> 40) % 6, (*random >> 50) % 2);
    let op = match dice {
        0 => MutationOp::Delete,
        1..6 => MutationOp::Update,
        _ => MutationOp::Put,
    };
    let place = if place == 0 { "site:a" } else { "site:b" };
    let mutation = intent(&format!("op-{random:x}"), op, "readings", &format!("r-{record}"), json!({"reading": *random >> 44}));
    push(store, 1, vec![to(place, mutation)]).await;
}

#[tokio::test]
async fn records_that_move_come_to_the_same_state_by_every_way_of_reading() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let (mut random, mut evicted) = (11, 0);
    for round in 0..4 {
        for _ in 0..15 {
            work(&store, &mut random).await;
        }
        for scopes in [&["site:a"][..], &["site:b"], &["site:a", "site:b"]] {
            let mut stale = Copy::new();
            let old = pull(&store, &mut stale, (None, 500, false), scopes, &mut async || {}).await;
            for limit in [1, 2, 7, 500] {
                let mut left = 12;
                let mut between = async || {
                    if left > 0 {
                        left -= 1;
                        work(&store, &mut random).await;
                    }
                };
                let (mut compact, mut rebased, mut whole) = (Copy::new(), stale.clone(), Copy::new());
                let at = pull(&store, &mut compact, (None, limit, true), scopes, &mut between).await;
                let onward = pull(&store, &mut rebased, (Some(old.clone()), limit, true), scopes, &mut between).await;
                pull(&store, &mut whole, (None, 3, false), scopes, &mut async || {}).await;
                pull(&store, &mut compact, (Some(at), limit, false), scopes, &mut async || {}).await;
                pull(&store, &mut rebased, (Some(onward), limit, false), scopes, &mut async || {}).await;
                assert_eq!(compact, whole, "round {round}, {scopes:?}, limit {limit}: from nothing");
                assert_eq!(rebased, whole, "round {round}, {scopes:?}, limit {limit}: from an old cursor");
            }
            evicted += read(&store, query(None, 5_000, false), scopes).await.controls.len();
        }
    }
    assert!(evicted > 20, "the work moves records about: {evicted}");
    assert!(store.verify().await.expect("verified").is_sound());
    store.close().await.expect("closes");
}

/// A record that is written while the last page of a scan is read must not be missed by it: what follows says only what changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_beside_a_busy_writer_meets_every_record() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = std::sync::Arc::new(store(dir.path()).await);
    for n in 0..8 {
        push(
            &store,
            1,
            vec![intent(&format!("op-{n}"), MutationOp::Create, "readings", &format!("r-{n}"), json!({"reading": n, "of": n}))],
        )
        .await;
    }
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (writing, stop) = (std::sync::Arc::clone(&store), std::sync::Arc::clone(&over));
    let writer = tokio::spawn(async move {
        let mut n = 8;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) && n < 20_000 {
            let edit = intent(&format!("op-{n}"), MutationOp::Update, "readings", &format!("r-{}", n % 8), json!({"reading": n}));
            push(&writing, 1, vec![edit]).await;
            n += 1;
        }
    });
    for _ in 0..150 {
        let mut copy = Copy::new();
        let at = pull(&store, &mut copy, (None, 500, true), &["site:a"], &mut async || {}).await;
        // An update of a record that was not met ends the test.
        apply(&mut copy, &read(&store, query(Some(&at), 500, false), &["site:a"]).await);
        assert_eq!(copy.len(), 8);
        assert!(copy.values().all(|(_, _, body)| body.contains("\"of\"")), "{copy:?}");
    }
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.await.expect("written");
    std::sync::Arc::into_inner(store).expect("nobody else has it").close().await.expect("closes");
}

#[tokio::test]
async fn what_waits_is_said_when_it_begins_and_when_it_is_settled() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 1, vec![intent("op-1", MutationOp::Create, "approvals", "a-1", json!({"n": 1}))]).await;
    let waits = push(&store, 2, vec![intent("op-2", MutationOp::Update, "approvals", "a-1", json!({"n": 2}))]).await;
    assert_eq!(waits[0].conflict_id.as_deref(), Some("cf_1"));
    let resolving = |operation: &str, version: i64| {
        let terms = tidewatch_domain::sync::Terms { resolves: vec![1], ..Default::default() };
        let edit = intent(operation, MutationOp::Update, "approvals", "a-1", json!({"n": 2}));
        Mutation { base: Base::Version(Version(version)), terms: Some(Box::new(terms)), ..edit }
    };
    assert_eq!(push(&store, 3, vec![resolving("op-3", 1)]).await[0].status, IntentStatus::Applied);
    let late = push(&store, 4, vec![resolving("op-4", 2)]).await.remove(0);
    assert!(matches!(&late.problem, Some(problem) if problem.code == "conflict_resolved"), "{late:?}");
    let page = read(&store, query(None, 10, false), &["site:a"]).await;
    assert_eq!(words(&page), ["create a-1 site:a", "conflict a-1 site:a", "update a-1 site:a", "resolved a-1 site:a"]);
    assert!(page.controls.iter().all(|row| row.facts.conflict == Some(1)));
    let scanned = read(&store, query(Some(&page.cursor), 10, true), &["site:a"]).await;
    assert!(scanned.controls.is_empty(), "the state does not speak of conflicts");
    assert!(store.verify().await.expect("verified").is_sound());
    store.close().await.expect("closes");
}

fn mine(n: u32, query: FeedQuery) -> FeedQuery {
    FeedQuery { reader: Some(client(n)), ..query }
}

#[tokio::test]
async fn a_device_reads_what_is_granted_to_it_and_taken_from_it_and_nobody_else_does() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let open = |n, place: &'static str, open| store.sync().client_scope_set(client(n), scope(place), open, NOW);
    assert!(open(1, "site:c", true).await.expect("granted"));
    assert!(!open(1, "site:c", true).await.expect("nothing to do"));
    assert!(open(1, "site:b", false).await.expect("revoked"));
    assert!(!open(1, "site:x", false).await.expect("nothing to do"));
    assert!(open(9, "site:a", true).await.is_err(), "no such device");
    let known = store.sync().client(&client(1)).expect("a device");
    assert_eq!(known.scopes.iter().map(Scope::as_str).collect::<Vec<_>>(), ["site:a", "site:c"]);
    let page = read(&store, mine(1, query(None, 10, false)), &["site:a"]).await;
    assert_eq!(words(&page), ["grant - site:c", "revoke - site:b"]);
    assert_eq!(words(&read(&store, mine(2, query(None, 10, false)), &["site:a"]).await), Vec::<String>::new());
    let end = FeedQuery { since: Some(page.cursor), ..mine(1, query(None, 10, false)) };
    assert!(store.sync().changes_unchanged(&end, &[scope("site:a")]).expect("judged").is_some());
    open(1, "site:d", true).await.expect("granted");
    assert!(store.sync().changes_unchanged(&end, &[scope("site:a")]).expect("judged").is_none(), "a grant wakes its device");
    assert!(store.verify().await.expect("verified").is_sound());
    store.close().await.expect("closes");
    let store = Store::open(dir.path(), StoreOptions::new(NOW, 7)).await.expect("opens");
    assert_eq!(words(&read(&store, mine(1, query(None, 10, false)), &["site:a"]).await).len(), 3);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_device_that_registers_with_other_scopes_is_told_and_one_with_the_same_is_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let again = |scopes: &[&str]| ClientRegistration {
        client_id: None,
        principal: "u1".to_owned(),
        platform: None,
        app_version: None,
        schema_version: Some(1),
        scopes: scopes.iter().map(|text| scope(text)).collect(),
        simulated: true,
        public_key: None,
    };
    store.sync().client_register(again(&["site:b", "site:a"]), client(1), NOW).await.expect("registered");
    assert_eq!(store.sync().head(), Seq(1));
    store.sync().client_register(again(&["site:a", "site:z"]), client(1), NOW).await.expect("registered");
    let page = read(&store, mine(1, query(None, 10, false)), &["site:a"]).await;
    assert_eq!(words(&page), ["revoke - site:b", "grant - site:z"]);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_collection_that_is_configured_anew_is_said_once_to_everybody() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    store.sync().collections_put(definitions(), "system", NOW).await.expect("nothing new");
    assert_eq!(store.sync().head(), Seq(1), "the same again is no news");
    let mut changed = definitions();
    changed[0].policy = r#"{"kind":"lww_field"}"#.to_owned();
    changed[1].schema_current = 2;
    changed[2].priority = "critical";
    store.sync().collections_put(changed, "system", NOW).await.expect("configured");
    for n in [1, 4] {
        let page = read(&store, mine(n, query(None, 10, false)), &["site:a"]).await;
        let said = page.controls.iter().map(|row| (row.collection.as_ref().expect("a collection").as_str(), row.facts.schema));
        assert_eq!(said.collect::<Vec<_>>(), [("assets", Some((1, 1, 2))), ("orders", Some((1, 2, 1)))]);
        let some = FeedQuery { collections: vec![CollectionName::parse("orders").expect("a name")], ..query(None, 10, false) };
        assert_eq!(read(&store, mine(n, some), &["site:a"]).await.controls.len(), 1);
    }
    assert!(store.verify().await.expect("verified").is_sound());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_page_carries_as_much_of_each_change_as_was_asked_for_and_leaves_out_ones_own() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 1, vec![intent("op-1", MutationOp::Create, "assets", "a-1", json!({"n": 1, "m": 1}))]).await;
    let edit =
        Mutation { base: Base::Version(Version(1)), ..intent("op-2", MutationOp::Update, "assets", "a-1", json!({"n": 2})) };
    push(&store, 2, vec![edit]).await;
    let with = |include| FeedQuery { include, ..query(None, 10, false) };
    let bodies = |page: &FeedPage| page.rows.iter().map(|row| (row.op, row.fields.map(str::to_owned))).collect::<Vec<_>>();
    let whole = |text: &str| Some(text.to_owned());
    let (first, second) = (whole(r#"{"m":1,"n":1}"#), whole(r#"{"m":1,"n":2}"#));
    assert_eq!(bodies(&read(&store, with(FeedInclude::Full), &["site:a"]).await), [("create", first), ("update", second)]);
    let meta = read(&store, with(FeedInclude::Meta), &["site:a"]).await;
    assert_eq!(bodies(&meta), [("create", None), ("update", None)]);
    assert_eq!(meta.rows.to_vec()[1].changed.as_deref(), Some(["n".to_owned()].as_slice()));
    let others = FeedQuery { exclude_self: true, ..mine(2, query(None, 10, false)) };
    let page = read(&store, others, &["site:a"]).await;
    assert_eq!(page.rows.iter().map(|row| row.operation_id).collect::<Vec<_>>(), ["op-1"]);
    assert_eq!(page.cursor, store.sync().cursor_at(Seq(3)), "the cursor moves over what was left out");
    let tags: BTreeSet<String> =
        [page.etag, meta.etag, read(&store, with(FeedInclude::Fields), &["site:a"]).await.etag].into_iter().collect();
    assert_eq!(tags.len(), 3, "each form has a tag of its own");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn verification_finds_a_move_that_nobody_was_told_of() {
    use sqlx::{Connection as _, SqliteConnection};
    let cases = [
        (
            "drop trigger changes_never_updated; update changes set op = 12 where op = 6",
            "change 4 and what is said of its scope disagree",
        ),
        ("update conflicts set state = 1", "the conflict cf_1 is not as the log says"),
        (
            "drop trigger changes_never_updated; update changes set detail = '{}' where op = 7",
            "change 6 does not match its digest",
        ),
    ];
    for (tampering, wanted) in cases {
        let dir = tempfile::tempdir().expect("a folder");
        let filled = store(dir.path()).await;
        push(&filled, 1, vec![intent("op-1", MutationOp::Create, "assets", "a-1", json!({"n": 1}))]).await;
        push(&filled, 1, vec![to("site:b", intent("op-2", MutationOp::Put, "assets", "a-1", json!({"n": 1})))]).await;
        push(&filled, 1, vec![intent("op-3", MutationOp::Create, "approvals", "p-1", json!({"n": 1}))]).await;
        push(&filled, 2, vec![intent("op-4", MutationOp::Update, "approvals", "p-1", json!({"n": 2}))]).await;
        assert!(filled.verify().await.expect("verified").is_sound());
        filled.close().await.expect("closes");
        let url = format!("sqlite://{}", dir.path().join("sync.db").display());
        let mut connection = SqliteConnection::connect(&url).await.expect("opens");
        sqlx::raw_sql(tampering).execute(&mut connection).await.expect(tampering);
        connection.close().await.expect("closes");
        let store = Store::open(dir.path(), StoreOptions::new(NOW, 7)).await.expect("opens");
        let report = store.verify().await.expect("verified");
        assert!(report.findings.iter().any(|finding| finding == wanted), "{tampering}: {:?}", report.findings);
        store.close().await.expect("closes");
    }
}
