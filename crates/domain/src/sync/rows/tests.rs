//! Rows as places in texts.

use super::*;

fn row(seq: i64, fields: Option<&str>) -> FeedRow {
    FeedRow {
        seq: Seq(seq),
        op: "update",
        collection: CollectionName::parse("assets").expect("a name"),
        record_id: RecordId::parse(format!("eq-{seq}")).expect("an id"),
        scope: Scope::parse(format!("site:{}", seq % 2)).expect("a scope"),
        version: Version(2),
        prev_seq: Some(Seq(1)),
        hlc: Hlc { ticks: Ticks(7), node: "dev".to_owned() },
        client_id: (seq > 1).then(|| ClientId::parse("0192f0c1-7b1e-7c3a-9d2e-000000000001").expect("an id")),
        operation_id: format!("op-{seq}"),
        schema_version: 1,
        changed: Some(vec!["a\"é".to_owned()]),
        fields: fields.map(str::to_owned),
        crdt: (seq == 3).then(|| "{}".to_owned()),
        vector: (seq != 2).then(|| format!("{{\"d\":{seq}}}")),
        committed: Millis(5),
    }
}

#[test]
fn rows_come_back_as_they_went_in_and_in_the_order_they_are_brought_into() {
    let all = [row(3, None), row(1, Some(r#"{"a":"é"}"#)), row(2, Some("{}"))];
    let mut page: FeedRows = all.iter().cloned().collect();
    assert_eq!(page.to_vec(), all);
    assert_eq!(page.fields_bytes().collect::<Vec<_>>(), [0, 10, 2]);
    page.sort_from(1);
    assert_eq!(page.seqs().collect::<Vec<_>>(), [Seq(3), Seq(1), Seq(2)]);
    page.sort_from(0);
    assert_eq!(page.to_vec(), [all[1].clone(), all[2].clone(), all[0].clone()]);
    page.retain(|row| row.scope.as_str() == "site:1");
    assert_eq!(page.to_vec(), [all[1].clone(), all[0].clone()]);
    page.truncate(1);
    assert_eq!((page.len(), page.is_empty()), (1, false));
    assert_eq!(page, all[1..2].iter().cloned().collect());
    assert_ne!(page, FeedRows::default());
}

#[test]
fn what_was_made_for_a_page_stands_beside_what_was_read() {
    let mut page = FeedRows::default();
    let (collection, word) = (page.collection_add(row(1, None).collection), page.make(|out| out.push_str("{\"b\":1}")));
    let text = "eq-1devop-1";
    page.push(FeedSlot {
        seq: Seq(1),
        op: "create",
        collection,
        client: None,
        version: Version(1),
        prev_seq: None,
        ticks: Ticks(0),
        schema_version: 1,
        committed: Millis(0),
        record_id: Span::new(0..4),
        node: Span::new(4..7),
        operation_id: Span::new(7..11),
        changed: None,
        fields: Some(word),
        crdt: None,
    });
    page.text_keep(Scope::parse("site:1").expect("a scope"), text.to_owned());
    let read = page.iter().next().expect("a row");
    assert_eq!((read.record_id, read.node, read.operation_id, read.fields), ("eq-1", "dev", "op-1", Some("{\"b\":1}")));
}
