//! The text of a page is that of its wire type, as one object and line by line.

use proptest::prelude::*;
use tidewatch_domain::engine::{ControlFacts, ControlOp};
use tidewatch_domain::hlc::{Hlc, Ticks};
use tidewatch_domain::ids::{ClientId, Scope, Version};
use tidewatch_domain::json::value_text;

use super::*;

fn row(seq: i64, op: &'static str, changed: Option<&[&str]>, fields: Option<&str>, operation_id: &str) -> FeedRow {
    FeedRow {
        seq: Seq(seq),
        op,
        collection: CollectionName::parse("assets").expect("a name"),
        record_id: RecordId::parse(format!("eq-{seq}")).expect("an id"),
        scope: Scope::parse("site:1").expect("a scope"),
        version: Version(seq % 3 + 1),
        prev_seq: (seq > 2).then_some(Seq(seq - 1)),
        hlc: Hlc::parse("0199a3c2f1b00003-dev1").expect("a stamp"),
        client_id: (seq != 3).then(|| ClientId::parse("0192f0c1-7b1e-7c3a-9d2e-000000000001").expect("an id")),
        operation_id: operation_id.to_owned(),
        schema_version: 2,
        changed: changed.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
        fields: fields.map(str::to_owned),
        crdt: (op == "crdt").then(|| r#"{"type":"counter","field":"n","delta":1}"#.to_owned()),
        vector: (seq == 2).then(|| r#"{"d-1":3,"srv":1}"#.to_owned()),
        committed: Millis(1_795_000_000_000 + seq / 2),
    }
}

fn page(rows: Vec<FeedRow>, snapshot_complete: Option<bool>) -> FeedPage {
    FeedPage {
        cursor: "v1.9f3c1ab27d405e61.4.00000000.5d1c9b02".to_owned(),
        has_more: false,
        up_to_date: true,
        snapshot_complete,
        rows: rows.into_iter().collect(),
        controls: Vec::new(),
        etag: String::new(),
        immutable: false,
    }
}

fn control(seq: i64, op: ControlOp) -> ControlRow {
    ControlRow {
        seq: Seq(seq),
        op,
        collection: None,
        record_id: None,
        scope: Scope::parse("site:1").expect("a scope"),
        version: None,
        operation_id: String::new(),
        facts: ControlFacts { conflict: Some(seq), schema: Some((1, 2, seq)), ..ControlFacts::default() },
        committed: Millis(1_795_000_000_000),
    }
}

#[test]
fn the_text_of_a_page_is_that_of_its_wire_type() {
    let rows = vec![
        row(1, "create", None, Some(r#"{"a":1,"b":"\u001f\"é"}"#), "op-1"),
        row(2, "update", Some(&["a", "b\"c"]), Some(r#"{"a":2}"#), "op-2"),
        row(3, "delete", None, None, "genesis"),
        row(5, "crdt", Some(&["n"]), None, "op-5"),
        row(4, "put", Some(&[]), Some("{}"), "odd \"id\" \\ with \u{1} inside"),
    ];
    let told = [(2, ControlOp::Evict), (4, ControlOp::Conflict), (9, ControlOp::Revoke)].map(|(at, op)| control(at * 10, op));
    let mut spread = rows.clone();
    spread.iter_mut().for_each(|row| row.seq = Seq(row.seq.0 * 10 + 1));
    spread.sort_by_key(|row| row.seq);
    let mixed = FeedPage { controls: told.to_vec(), ..page(spread, None) };
    let mut rows = rows;
    rows.sort_by_key(|row| row.seq);
    for page in [page(rows, None), page(Vec::new(), Some(true)), mixed] {
        check(page);
    }
}

/// Both forms of a page are what its wire type would be.
fn check(page: FeedPage) {
    let (at, epoch) = (Timestamp(Millis(1_795_000_000_123)), "9f3c1ab27d405e61");
    let (lines, text) = (page_lines(&page, epoch, at, 30_000), page_text(&page, epoch, at, 30_000));
    let mut alone = Vec::new();
    page.rows.iter().for_each(|row| row_line(&mut alone, &row));
    let rows: String =
        page.rows.to_vec().into_iter().map(|row| serde_json::to_string(&Change::from(row)).expect("JSON") + "\n").collect();
    assert_eq!(String::from_utf8(alone).expect("text"), rows);
    let wire = ChangesPage::new(page, epoch.to_owned(), at, 30_000);
    assert_eq!(String::from_utf8(text).expect("text"), serde_json::to_string(&wire).expect("JSON"));
    let lines = String::from_utf8(lines).expect("text");
    let wanted: Vec<String> = wire.changes.iter().map(|change| serde_json::to_string(change).expect("JSON")).collect();
    let mut lines: Vec<&str> = lines.split_terminator('\n').collect();
    let end: PageEnd = serde_json::from_str(lines.pop().expect("a last line")).expect("JSON");
    assert_eq!((end.control.as_ref(), end.cursor), ("page_end", wire.cursor));
    assert_eq!(lines, wanted.iter().map(String::as_str).collect::<Vec<_>>());
}

fn any_row() -> impl Strategy<Value = FeedRow> {
    let ids = (0..4_u8, 0..3_u8, proptest::option::of(0..3_u8));
    let numbers = (any::<u64>(), 1..i64::MAX, proptest::option::of(1..i64::MAX), 0..9_i64, 0..4_102_444_800_000_i64);
    let words = (".{0,8}", ".{0,12}", proptest::option::of(proptest::collection::vec(".{0,6}", 0..3)));
    let texts = (proptest::option::of(".*"), proptest::option::of(any::<f64>().prop_filter("finite", |x| x.is_finite())));
    (ids, numbers, words, texts).prop_map(|((scope, record, client), numbers, (node, operation_id, changed), (text, number))| {
        let (ticks, version, prev_seq, schema_version, committed) = numbers;
        FeedRow {
            seq: Seq(0),
            op: ["create", "update", "put", "delete", "crdt"][usize::from(record + scope) % 5],
            collection: CollectionName::parse(["assets", "orders"][usize::from(record % 2)]).expect("a name"),
            record_id: RecordId::parse(format!("eq-{record}")).expect("an id"),
            scope: Scope::parse(format!("site:{scope}")).expect("a scope"),
            version: Version(version),
            prev_seq: prev_seq.map(Seq),
            hlc: Hlc { ticks: Ticks(ticks), node },
            client_id: client.map(|n| ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{n:012x}")).expect("an id")),
            operation_id,
            schema_version,
            changed,
            fields: text.map(|text| value_text(&serde_json::json!({ "text": text, "of": [null, {"n": number}] }))),
            crdt: number.map(|number| value_text(&serde_json::json!({ "delta": number }))),
            vector: client.map(|n| format!("{{\"d-{n}\":{n}}}")),
            committed: Millis(committed),
        }
    })
}

proptest! {
    #[test]
    fn the_text_of_any_page_is_that_of_its_wire_type(
        mut rows in proptest::collection::vec(any_row(), 0..12),
        told in proptest::collection::vec(0..24_i64, 0..3),
    ) {
        rows.iter_mut().zip(0..).for_each(|(row, at)| row.seq = Seq(2 * at));
        let mut controls: Vec<ControlRow> = told.into_iter().map(|at| control(2 * at + 1, ControlOp::Evict)).collect();
        controls.sort_by_key(|row| row.seq);
        controls.dedup_by_key(|row| row.seq);
        check(FeedPage { controls, ..page(rows, None) });
    }
}
