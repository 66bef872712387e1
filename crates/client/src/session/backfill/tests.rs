//! A new column against scripted answers.

use serde_json::{Value, json};
use tidewatch_domain::ids::Version;

use crate::replica::Key;
use crate::session::Action;
use crate::session::tests::{Bench, page};
use crate::state::State;
use crate::wire::Purpose;

fn row(seq: i64, record: &str, version: i64, op: &str, fields: Value) -> Value {
    let changed: Vec<&String> = fields.as_object().expect("an object").keys().collect();
    let changed = (op == "update").then_some(changed);
    json!({"seq": seq, "op": op, "collection": "todos", "record_id": record, "scope": "site:a", "version": version,
        "operation_id": format!("op-{seq}"), "changed": changed, "fields": fields})
}

fn filled(cursor: &str, has_more: bool, rows: &[(&str, i64, Value)]) -> Value {
    let rows = rows.iter().map(|(record, version, fields)| json!({"record_id": record, "version": version, "fields": fields}));
    json!({"cursor": cursor, "has_more": has_more, "rows": rows.collect::<Vec<_>>()})
}

fn key(record: &str) -> Key {
    ("todos".to_owned(), record.to_owned())
}

fn body(state: &State, record: &str) -> Value {
    state.replica.get(&key(record)).and_then(|image| image.read()).map_or(Value::Null, Value::Object)
}

/// A client that has records `a`, `b` and `c` without the column `stars`.
fn bench() -> Bench {
    let mut bench = Bench::enrolled();
    bench.client.round_begin();
    bench.expect(Purpose::Pull);
    let rows = [("a", 1), ("b", 2), ("c", 3)].map(|(record, seq)| row(seq, record, 1, "create", json!({"n": seq})));
    bench.answer(200, page("c2", &rows, None));
    assert_eq!(bench.next(), Action::Idle);
    bench
}

#[test]
fn values_are_asked_for_at_the_end_of_the_feed_and_go_into_the_version_that_has_them() {
    let mut bench = bench();
    bench.client.backfill_begin("todos", &["stars"]);
    bench.expect(Purpose::Pull);
    bench.answer(200, page("c2", &[], None));
    let asked = bench.expect(Purpose::Backfill);
    assert_eq!(asked.path, "/records/backfill");
    let read = |text: Option<&str>| serde_json::from_str::<Value>(text.expect("a body")).expect("JSON");
    assert_eq!(read(asked.body.as_deref()), json!({"collection": "todos", "fields": ["stars"], "limit": 500}));
    bench.answer(
        200,
        filled("f1", true, &[("a", 1, json!({"stars": 5})), ("b", 3, json!({"stars": 7})), ("new", 1, json!({"stars": 1}))]),
    );
    assert_eq!(body(bench.client.state(), "a"), json!({"n": 1, "stars": 5}));
    assert_eq!(body(bench.client.state(), "b"), json!({"n": 2}), "a value of a version to come waits");
    assert_eq!(body(bench.client.state(), "new"), Value::Null, "what is not here comes whole");
    bench.expect(Purpose::Pull);
    let between = [row(4, "b", 2, "update", json!({"n": 20})), row(5, "b", 3, "update", json!({"m": 1}))];
    bench.answer(200, page("c3", &between, None));
    assert_eq!(body(bench.client.state(), "b"), json!({"n": 20, "m": 1, "stars": 7}));
    let asked = bench.expect(Purpose::Backfill);
    assert_eq!(read(asked.body.as_deref())["cursor"], "f1");
    bench.answer(200, filled("f2", false, &[("c", 1, json!({}))]));
    bench.expect(Purpose::Pull);
    bench.answer(200, page("c3", &[], None));
    assert_eq!(bench.next(), Action::Idle);
    assert_eq!(body(bench.client.state(), "c"), json!({"n": 3}));
    assert!(!bench.client.backfill_is_under_way());
}

#[test]
fn the_digest_is_that_of_the_record_with_its_new_column() {
    let mut bench = bench();
    bench.client.backfill_begin("todos", &["stars"]);
    bench.expect(Purpose::Pull);
    bench.answer(200, page("c2", &[], None));
    bench.expect(Purpose::Backfill);
    bench.answer(200, filled("f1", false, &[("a", 1, json!({"stars": 5}))]));
    let hash = |record: &str, body: &str| {
        tidewatch_domain::digest::record_hash(record, Version(1), &tidewatch_domain::digest::content_hash(Some(body)))
    };
    let wanted = [hash("a", r#"{"n":1,"stars":5}"#), hash("b", r#"{"n":2}"#), hash("c", r#"{"n":3}"#)];
    let digests: Vec<(i64, u64)> = bench.client.state().replica.digests().map(|(_, found)| (found.rows, found.digest)).collect();
    assert_eq!(digests, [(3, wanted.into_iter().fold(0, u64::wrapping_add))]);
}

#[test]
fn what_waits_outlives_a_compaction_and_ends_with_its_record() {
    let mut bench = bench();
    bench.client.backfill_begin("todos", &["stars"]);
    bench.expect(Purpose::Pull);
    bench.answer(200, page("c2", &[], None));
    bench.expect(Purpose::Backfill);
    bench.answer(200, filled("f1", false, &[("a", 2, json!({"stars": 5})), ("b", 2, json!({"stars": 7}))]));
    let mut again = State::new(10);
    bench.client.state().compacted().into_iter().for_each(|event| again.apply(event));
    assert_eq!(again.replica.fills_len(), 2);
    bench.expect(Purpose::Pull);
    let gone = json!({"seq": 4, "op": "delete", "collection": "todos", "record_id": "a", "scope": "site:a", "version": 2, "operation_id": "op-4"});
    bench.answer(200, page("c3", &[gone, row(5, "b", 2, "update", json!({"n": 9}))], None));
    assert_eq!(body(bench.client.state(), "b"), json!({"n": 9, "stars": 7}));
    assert!(!bench.client.backfill_is_under_way());
}

#[test]
fn a_refusal_for_good_ends_it_and_any_other_asks_again() {
    let mut bench = bench();
    for (status, code, goes_on) in
        [(503, "writer_overloaded", true), (409, "cursor_filter_mismatch", true), (404, "collection_unknown", false)]
    {
        bench.client.backfill_begin("todos", &["stars"]);
        bench.expect(Purpose::Pull);
        bench.answer(200, page("c2", &[], None));
        bench.expect(Purpose::Backfill);
        let handled = bench.answer(status, json!({"code": code}));
        assert_eq!(handled.failed.as_deref(), Some(code));
        assert_eq!(bench.client.backfill_is_under_way(), goes_on, "{code}");
        bench.later();
    }
}
