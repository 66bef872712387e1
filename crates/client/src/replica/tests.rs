//! The confirmed records: feed, scan, answers.

use serde_json::json;

use super::*;

fn body(value: Value) -> Body {
    value.as_object().expect("an object").clone()
}

fn key(record: &str) -> Key {
    ("todos".into(), record.into())
}

fn row(seq: i64, record: &str, version: i64, op: RowOp) -> Row {
    Row { seq, key: key(record), scope: "site:a".into(), version, operation_id: format!("op-{seq}"), op }
}

fn put(seq: i64, record: &str, version: i64, value: Value) -> Row {
    row(seq, record, version, RowOp::Put { body: body(value) })
}

fn patch_of(seq: i64, record: &str, version: i64, changed: &[&str], value: Value) -> Row {
    let changed = changed.iter().map(|name| (*name).to_owned()).collect();
    row(seq, record, version, RowOp::Patch { changed, fields: body(value) })
}

fn read(replica: &Replica, record: &str) -> Option<Value> {
    replica.get(&key(record)).and_then(Image::read).map(Value::Object)
}

#[test]
fn rows_apply_once_however_often_they_come() {
    let mut replica = Replica::default();
    let rows = vec![put(2, "a", 1, json!({"n": 1, "m": 1})), patch_of(3, "a", 2, &["n", "m"], json!({"n": 2}))];
    replica.page_apply(rows.clone(), "c3".into());
    replica.page_apply(rows, "c3".into());
    assert_eq!(read(&replica, "a"), Some(json!({"n": 2})));
    assert!(!replica.has_gap());
}

#[test]
fn a_patch_that_does_not_follow_what_is_here_asks_for_a_scan_and_changes_nothing() {
    let mut replica = Replica::default();
    replica.page_apply(vec![put(2, "a", 1, json!({"n": 1})), patch_of(5, "a", 3, &["n"], json!({"n": 3}))], "c5".into());
    assert!(replica.has_gap());
    assert_eq!(read(&replica, "a"), Some(json!({"n": 1})));
}

#[test]
fn an_own_delete_is_not_undone_by_older_rows_that_come_later() {
    let mut replica = Replica::default();
    replica.page_apply(vec![put(2, "a", 1, json!({"n": 1}))], "c2".into());
    replica.answer_apply(&key("a"), "site:a", Answered { version: 3, effect: Effect::Deleted });
    replica.page_apply(vec![patch_of(3, "a", 2, &["n"], json!({"n": 2}))], "c3".into());
    assert_eq!(read(&replica, "a"), None);
    replica.page_apply(vec![row(4, "a", 3, RowOp::Delete)], "c4".into());
    assert_eq!(replica.get(&key("a")), None);
    assert!(!replica.has_gap());
}

#[test]
fn an_answer_that_skips_versions_of_others_waits_for_the_feed() {
    let mut replica = Replica::default();
    replica.page_apply(vec![put(2, "a", 1, json!({"n": 1, "m": 1}))], "c2".into());
    replica.answer_apply(&key("a"), "site:a", Answered { version: 3, effect: Effect::Merge(body(json!({"n": 9}))) });
    assert_eq!(replica.get(&key("a")).map(|image| image.version), Some(1));
    let rows = vec![patch_of(3, "a", 2, &["m"], json!({"m": 2})), patch_of(4, "a", 3, &["n"], json!({"n": 9}))];
    replica.page_apply(rows, "c4".into());
    assert_eq!(read(&replica, "a"), Some(json!({"n": 9, "m": 2})));
}

#[test]
fn a_complete_scan_drops_what_it_did_not_meet_except_records_with_pending_intents() {
    let mut replica = Replica::default();
    replica.page_apply(["a", "b", "c"].map(|record| put(2, record, 5, json!({"n": record}))).to_vec(), "c2".into());
    replica.scan_begin();
    replica.scan_apply(vec![put(7, "a", 1, json!({"n": "new"}))], "s7".into(), false, &|_| false);
    assert_eq!(read(&replica, "a"), Some(json!({"n": "a"})), "until the scan is complete the old data stays in sight");
    replica.scan_apply(Vec::new(), "c8".into(), true, &|key| key.1 == "b");
    assert_eq!(
        [read(&replica, "a"), read(&replica, "b"), read(&replica, "c")],
        [Some(json!({"n": "new"})), Some(json!({"n": "b"})), None]
    );
    assert_eq!(replica.cursor(), Some("c8"));
    replica.page_apply(vec![put(9, "b", 1, json!({"n": "store"}))], "c9".into());
    assert_eq!(read(&replica, "b"), Some(json!({"n": "store"})), "the next word of the store wins, whatever its version");
}

#[test]
fn the_digest_depends_on_the_content_and_not_on_the_way_there() {
    let mut by_feed = Replica::default();
    by_feed.page_apply(
        vec![
            put(2, "a", 1, json!({"n": 1})),
            put(3, "b", 1, json!({"n": 1})),
            patch_of(4, "a", 2, &["n"], json!({"n": 2})),
            row(5, "b", 2, RowOp::Delete),
        ],
        "c5".into(),
    );
    let mut by_scan = Replica::default();
    by_scan.scan_begin();
    by_scan.scan_apply(vec![put(4, "a", 2, json!({"n": 2}))], "c5".into(), true, &|_| false);
    let digests = |replica: &Replica| replica.digests().map(|(at, digest)| (at.clone(), *digest)).collect::<Vec<_>>();
    assert_eq!(digests(&by_feed), digests(&by_scan));
    assert_eq!(digests(&by_feed).len(), 1);
    by_scan.page_apply(vec![patch_of(6, "a", 3, &["n"], json!({"n": 1}))], "c6".into());
    assert_ne!(digests(&by_feed), digests(&by_scan));
}

#[test]
fn a_revoked_scope_leaves_nothing_behind() {
    let mut replica = Replica::default();
    replica.page_apply(vec![put(2, "a", 1, json!({"n": 1}))], "c2".into());
    let revoke = Row { key: (String::new(), String::new()), ..row(3, "", 0, RowOp::Revoke) };
    replica.page_apply(vec![revoke], "c3".into());
    assert_eq!((replica.live().count(), replica.digests().count()), (0, 0));
}

#[test]
fn a_record_that_moves_is_dropped_and_taken_again_where_it_went() {
    let mut replica = Replica::default();
    replica.page_apply(vec![put(2, "a", 1, json!({"n": 1}))], "c2".into());
    let moved = Row { scope: "site:b".into(), ..put(4, "a", 2, json!({"n": 1})) };
    let rows = vec![row(3, "a", 1, RowOp::Evict), moved];
    for _ in 0..2 {
        replica.page_apply(rows.clone(), "c4".into());
        assert_eq!(replica.get(&key("a")).map(|image| (image.scope.as_str(), image.version)), Some(("site:b", 2)));
        let scopes: Vec<&str> = replica.digests().map(|((scope, _), _)| scope.as_str()).collect();
        assert_eq!(scopes, ["site:b"]);
    }
}

#[test]
fn a_scope_that_is_closed_goes_and_one_that_is_opened_asks_for_a_scan() {
    let mut replica = Replica::default();
    let other = Row { scope: "site:b".into(), ..put(3, "b", 1, json!({"n": 1})) };
    replica.page_apply(vec![put(2, "a", 1, json!({"n": 1})), other], "c3".into());
    let about = |seq, scope: &str, op| Row { scope: scope.into(), key: (String::new(), String::new()), ..row(seq, "", 0, op) };
    replica.page_apply(vec![about(4, "site:b", RowOp::Revoke)], "c4".into());
    assert_eq!((read(&replica, "a"), read(&replica, "b")), (Some(json!({"n": 1})), None));
    assert!(!replica.has_gap());
    replica.page_apply(vec![about(5, "site:c", RowOp::Grant)], "c5".into());
    assert!(replica.has_gap());
    replica.scan_begin();
    replica.scan_apply(vec![put(2, "a", 1, json!({"n": 1})), about(6, "site:d", RowOp::Grant)], "s6".into(), true, &|_| false);
    assert!(replica.has_gap(), "opened while the scan was under way: it takes another one");
    replica.scan_begin();
    replica.scan_apply(vec![put(2, "a", 1, json!({"n": 1}))], "s7".into(), true, &|_| false);
    assert!(!replica.has_gap());
}

#[test]
fn what_waits_beside_a_record_is_known_until_it_is_settled() {
    let mut replica = Replica::default();
    let open = |seq, id: &str| row(seq, "a", 1, RowOp::Conflict { conflict_id: id.into() });
    replica.page_apply(vec![open(3, "cf_1"), open(4, "cf_2"), open(4, "cf_2")], "c4".into());
    assert_eq!(replica.conflicts(&key("a")).collect::<Vec<_>>(), ["cf_1", "cf_2"]);
    replica.page_apply(vec![row(5, "a", 1, RowOp::Resolved { conflict_id: "cf_1".into() })], "c5".into());
    assert_eq!(replica.conflicts(&key("a")).collect::<Vec<_>>(), ["cf_2"]);
}
