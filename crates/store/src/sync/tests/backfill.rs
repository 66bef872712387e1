//! Backfills: a reader that learns of a new column holds in the end what the whole log says of it.

use std::collections::BTreeMap;

use tidewatch_domain::sync::{BackfillPage, BackfillQuery, Body, CursorRefusal};

use super::controls::{Copy, apply};
use super::*;
use crate::Error;

/// The new column.
const COLUMN: &str = "x";
/// Where the reader may read.
const SCOPES: [&str; 2] = ["site:a", "site:b"];

fn asked(cursor: Option<String>, limit: u32) -> BackfillQuery {
    let collection = CollectionName::parse("assets").expect("a name");
    BackfillQuery { collection, fields: vec![COLUMN.to_owned()], scopes: Vec::new(), cursor, limit, schema: Some(1) }
}

async fn fields(store: &Store, query: BackfillQuery) -> BackfillPage {
    store.sync().backfill_page(query, &SCOPES.map(scope)).await.expect("a page")
}

/// Random work on a few records, with and without the column, that move between two scopes.
async fn work(store: &Store, random: &mut u64) {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let (dice, record, place, n) = ((*random >> 33) % 12, (*random >> 40) % 7, (*random >> 50) % 4, *random >> 44);
    let (op, body) = match dice {
        0 => (MutationOp::Delete, json!({})),
        1..4 => (MutationOp::Put, json!({"n": n, COLUMN: n})),
        4 => (MutationOp::Put, json!({"n": n})),
        5 => (MutationOp::Update, json!({COLUMN: {"$unset": true}})),
        6..8 => (MutationOp::Update, json!({COLUMN: n})),
        _ => (MutationOp::Update, json!({"n": n})),
    };
    let mutation = intent(&format!("op-{random:x}"), op, "assets", &format!("r-{record}"), body);
    push(store, 1, vec![Mutation { scope: scope(SCOPES[usize::from(place == 0)]), ..mutation }]).await;
}

/// Pulls to the head, a row at a time; what waits for a version is put in when the record comes to it.
async fn pull(store: &Store, copy: &mut Copy, since: &mut Option<String>, waiting: &mut BTreeMap<String, (i64, String)>) {
    loop {
        let page = page(store, since.as_deref(), 1, false).await;
        apply(copy, &page);
        waiting.retain(|record, (version, fields)| !put_in(copy, record, *version, fields));
        *since = Some(page.cursor);
        if !page.has_more {
            return;
        }
    }
}

/// Puts the column into a record; answers whether there is nothing to wait for: it is done, or the record has come whole.
fn put_in(copy: &mut Copy, record: &str, version: i64, fields: &str) -> bool {
    let Some((_, local, body)) = copy.get_mut(record) else { return false };
    if *local == version {
        let read = |text: &str| serde_json::from_str::<Body>(text).expect("JSON");
        let mut whole = read(body);
        whole.remove(COLUMN);
        whole.extend(read(fields));
        *body = tidewatch_domain::json::body_text(&whole);
    }
    *local >= version
}

/// A reader that has never looked at the column.
fn without_column(copy: &mut Copy) {
    for (_, _, body) in copy.values_mut() {
        let mut read: Body = serde_json::from_str(body).expect("JSON");
        read.remove(COLUMN);
        *body = tidewatch_domain::json::body_text(&read);
    }
}

#[tokio::test]
async fn a_backfill_and_what_follows_equal_the_whole_log_whatever_is_written_between_its_pages() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let (mut random, mut filled, mut waited) = (5, 0, 0);
    for round in 0..6 {
        for _ in 0..20 {
            work(&store, &mut random).await;
        }
        for limit in [1, 2, 7, 500] {
            let (mut copy, mut since, mut waiting) = (Copy::new(), None, BTreeMap::new());
            pull(&store, &mut copy, &mut since, &mut waiting).await;
            without_column(&mut copy);
            let (mut cursor, mut left) = (None, 14);
            loop {
                for _ in 0..2_usize.min(left) {
                    left -= 1;
                    work(&store, &mut random).await;
                }
                let page = fields(&store, asked(cursor, limit)).await;
                for row in &page.rows {
                    let (record, version) = (row.record_id.to_string(), row.version.0);
                    let Some((_, local, _)) = copy.get(&record) else { continue };
                    assert!(*local <= version, "asking and pulling take turns, so that no row is old");
                    filled += 1;
                    if !put_in(&mut copy, &record, version, &row.fields) {
                        waited += 1;
                        waiting.insert(record, (version, row.fields.clone()));
                    }
                }
                pull(&store, &mut copy, &mut since, &mut waiting).await;
                cursor = Some(page.cursor);
                if !page.has_more {
                    break;
                }
            }
            for _ in 0..3 {
                work(&store, &mut random).await;
            }
            pull(&store, &mut copy, &mut since, &mut waiting).await;
            let (mut whole, mut end) = (Copy::new(), None);
            pull(&store, &mut whole, &mut end, &mut BTreeMap::new()).await;
            assert_eq!(copy, whole, "round {round}, limit {limit}");
        }
    }
    assert!(filled > 100 && waited > 20, "columns come to what is here, and wait for what is to come: {filled}, {waited}");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_row_has_the_fields_that_are_there_and_deletions_have_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for (record, op, body) in [
        ("r-1", MutationOp::Create, json!({"n": 1, "x": {"a": [1, "}"]}, "y": "é"})),
        ("r-2", MutationOp::Create, json!({"n": 1})),
        ("r-3", MutationOp::Create, json!({"x": 3})),
        ("r-3", MutationOp::Delete, json!({})),
    ] {
        push(&store, 1, vec![intent(&format!("op-{record}-{op:?}"), op, "assets", record, body)]).await;
    }
    push(&store, 1, vec![intent("op-other", MutationOp::Create, "orders", "r-1", json!({"x": 9}))]).await;
    let wanted = BackfillQuery { fields: ["y", "x", "none", "x"].map(str::to_owned).to_vec(), ..asked(None, 10) };
    let page = fields(&store, wanted.clone()).await;
    let rows: Vec<(&str, i64, i64, &str)> =
        page.rows.iter().map(|row| (row.record_id.as_str(), row.version.0, row.seq.0, row.fields.as_str())).collect();
    assert_eq!(rows, [("r-1", 1, 2, r#"{"x":{"a":[1,"}"]},"y":"é"}"#), ("r-2", 1, 3, "{}")]);
    assert!(!page.has_more);
    let on = fields(&store, BackfillQuery { cursor: Some(page.cursor.clone()), ..wanted.clone() }).await;
    assert_eq!((on.rows.len(), on.has_more), (0, false), "who has come to the head is done");
    let other = BackfillQuery { cursor: Some(page.cursor.clone()), ..asked(None, 10) };
    let feed = BackfillQuery { cursor: Some(store.sync().cursor_at(Seq(3))), ..asked(None, 10) };
    for query in [other, feed] {
        let refused = store.sync().backfill_page(query, &SCOPES.map(scope)).await;
        assert!(matches!(refused, Err(Error::Cursor(CursorRefusal::FilterMismatch))), "{refused:?}");
    }
    let as_feed = store.sync().changes_page(&query(Some(&page.cursor), 10, true), &SCOPES.map(scope)).await;
    assert!(matches!(as_feed, Err(Error::Cursor(CursorRefusal::FilterMismatch))), "no feed goes on from it");
    store.close().await.expect("closes");
}
