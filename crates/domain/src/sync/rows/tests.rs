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
fn rows_come_back_as_they_went_in() {
    let all = [row(3, None), row(1, Some(r#"{"a":"é"}"#)), row(2, Some("{}"))];
    let mut page: FeedRows = all.iter().cloned().collect();
    assert_eq!(page.to_vec(), all);
    assert_eq!(page.fields_bytes().collect::<Vec<_>>(), [0, 10, 2]);
    assert_eq!(page.seqs().collect::<Vec<_>>(), [Seq(3), Seq(1), Seq(2)]);
    page.retain(|row| row.scope.as_str() == "site:1");
    assert_eq!(page.to_vec(), [all[0].clone(), all[1].clone()]);
    page.truncate(1);
    assert_eq!((page.len(), page.is_empty()), (1, false));
    assert_eq!(page, all[..1].iter().cloned().collect());
    assert_ne!(page, FeedRows::default());
}
