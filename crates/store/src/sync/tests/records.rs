//! Single records, their history, conflicts and digests, as devices look at them.

use tidewatch_domain::sync::Integrity;

use super::*;

fn name(text: &str) -> CollectionName {
    CollectionName::parse(text).expect("a name")
}

fn record(text: &str) -> RecordId {
    RecordId::parse(text).expect("an id")
}

#[tokio::test]
async fn a_record_is_read_as_it_stands_and_its_history_in_pages() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for n in 0..5 {
        push(&store, 1, vec![intent(&format!("op-{n}"), MutationOp::Put, "assets", "a-1", json!({"n": n}))]).await;
    }
    let moving = intent("op-5", MutationOp::Put, "assets", "a-1", json!({"n": 5}));
    push(&store, 2, vec![Mutation { scope: scope("site:b"), ..moving }]).await;
    let found = store.sync().record_view(&name("assets"), &record("a-1")).await.expect("read").expect("a record");
    assert_eq!((found.last.version, found.last.scope.as_str(), found.conflicted), (Version(6), "site:b", false));
    assert_eq!(found.last.fields.as_deref(), Some(r#"{"n":5}"#));
    assert_eq!(found.last.client_id, Some(client(2)));
    let history = |from, limit| {
        let store = store.clone();
        async move { store.sync().record_history(&name("assets"), &record("a-1"), from, limit).await.expect("read") }
    };
    let (mut from, mut seen) = (Some(found.last.seq), Vec::new());
    while let Some(at) = from {
        let page = history(at, 4).await;
        seen.extend(page.versions.iter().map(|version| (version.version.0, version.scope.to_string())));
        from = page.next;
    }
    let wanted: Vec<(i64, String)> =
        (1..=6).rev().map(|version| (version, if version == 6 { "site:b" } else { "site:a" }.to_owned())).collect();
    assert_eq!(seen, wanted, "over the move");
    assert!(history(Seq(1), 4).await.versions.is_empty(), "a position of another record is none of this one");
    assert!(store.sync().record_view(&name("assets"), &record("a-9")).await.expect("read").is_none());
    assert!(store.sync().record_view(&name("nothing"), &record("a-1")).await.is_err());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn an_alias_leads_to_its_record() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for (n, id) in ["c-1", "c-2"].into_iter().enumerate() {
        let fields = json!({"number": "1", "duration": 5});
        push(&store, 1, vec![intent(&format!("op-{n}"), MutationOp::Create, "calls", id, fields)]).await;
    }
    let found = store.sync().record_view(&name("calls"), &record("c-2")).await.expect("read").expect("a record");
    assert_eq!((found.record_id.as_str(), found.last.version), ("c-1", Version(2)));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn open_conflicts_are_listed_by_device_and_by_scope_until_they_are_settled() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for n in 1..=3 {
        push(&store, 1, vec![intent(&format!("op-{n}"), MutationOp::Create, "approvals", &format!("a-{n}"), json!({"n": 0}))])
            .await;
        let from = if n == 3 { 3 } else { 2 };
        push(
            &store,
            from,
            vec![intent(&format!("op-{n}x"), MutationOp::Update, "approvals", &format!("a-{n}"), json!({"n": n}))],
        )
        .await;
    }
    let ids = |n: u32, place: Option<&'static str>, after, limit| {
        let store = store.clone();
        async move {
            let place = place.map(scope);
            let found = store.sync().conflicts_open(&client(n), place.as_ref(), after, limit).await.expect("read");
            found.iter().map(|conflict| conflict.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(ids(2, None, 0, 10).await, [1, 2]);
    assert_eq!(ids(2, None, 1, 10).await, [2]);
    assert_eq!(ids(2, None, 0, 1).await, [1]);
    assert_eq!(ids(1, None, 0, 10).await, Vec::<i64>::new());
    assert_eq!(ids(1, Some("site:a"), 0, 10).await, [1, 2, 3]);
    assert_eq!(ids(1, Some("site:b"), 0, 10).await, Vec::<i64>::new());
    let one = store.sync().conflict_view(2).await.expect("read").expect("a conflict");
    assert_eq!((one.local.as_str(), one.server.as_str(), one.open), (r#"{"n":2}"#, r#"{"n":0}"#, true));
    assert_eq!(one.record, Some((Version(1), Some(r#"{"n":0}"#.to_owned()))));
    assert!(store.sync().conflict_view(9).await.expect("read").is_none());
    let terms = tidewatch_domain::sync::Terms { resolves: vec![2], ..Default::default() };
    let keep = intent("op-keep", MutationOp::Update, "approvals", "a-2", json!({}));
    let keep = Mutation { base: Base::Version(Version(1)), terms: Some(Box::new(terms)), ..keep };
    let kept = push(&store, 4, vec![keep]).await.remove(0);
    assert_eq!((kept.status, kept.noop), (IntentStatus::Applied, true));
    assert_eq!(ids(1, Some("site:a"), 0, 10).await, [1, 3]);
    let there = intent("op-there", MutationOp::Update, "approvals", "a-3", json!({}));
    let there = Mutation { base: Base::Version(Version(1)), scope: scope("site:b"), ..there };
    assert_eq!(push(&store, 1, vec![there]).await.remove(0).status, IntentStatus::Applied);
    assert_eq!((ids(1, Some("site:a"), 0, 10).await, ids(1, Some("site:b"), 0, 10).await), (vec![1], vec![3]), "it goes along");
    assert!(store.verify().await.expect("verified").is_sound());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn digests_are_those_of_one_head_under_the_cursor_of_the_same_filter() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 1, vec![intent("op-1", MutationOp::Create, "assets", "a-1", json!({"n": 1}))]).await;
    push(&store, 1, vec![intent("op-2", MutationOp::Create, "orders", "o-1", json!({"n": 1}))]).await;
    let scopes = [scope("site:a")];
    let filtered = FeedQuery { scopes: scopes.to_vec(), ..query(None, 10, false) };
    let page = store.sync().changes_page(&filtered, &scopes).await.expect("a page");
    let Integrity { cursor, items, left_out } = store.sync().integrity((&scopes, &[]), &scopes, 10);
    assert!(left_out.is_empty());
    assert_eq!(cursor, page.cursor, "a copy at this cursor may be compared");
    let seen: Vec<(&str, i64)> = items.iter().map(|item| (item.collection.as_str(), item.rows)).collect();
    assert_eq!(seen, [("assets", 1), ("orders", 1)]);
    let fields = page.rows.iter().next().and_then(|row| row.fields);
    let hash = tidewatch_domain::digest::record_hash("a-1", Version(1), &tidewatch_domain::digest::content_hash(fields));
    assert_eq!(items[0].digest, hash);
    let some = store.sync().integrity((&[], &[name("orders")]), &scopes, 10);
    assert_eq!(some.items.len(), 1);
    assert_eq!(store.sync().integrity((&[], &[]), &scopes, 1).items.len(), 1);
    store.close().await.expect("closes");
}
