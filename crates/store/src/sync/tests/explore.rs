//! The explorer: filters, pages and traces over a small log.

use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::filter::{Filter, keys};
use tidewatch_domain::page::Total;

use super::*;
use crate::sync::Place;

/// Ten changes: `a-0` to `a-4` created by device 1, then updated by device 2; the last in `site:b`.
async fn filled(dir: &Path) -> Store {
    let store = store(dir).await;
    for n in 0..5 {
        push(
            &store,
            1,
            vec![intent(&format!("make-{n}"), MutationOp::Create, "assets", &format!("a-{n}"), json!({"n": n, "secret": "x"}))],
        )
        .await;
    }
    for n in 0..4 {
        push(
            &store,
            2,
            vec![intent(&format!("edit-{n}"), MutationOp::Update, "assets", &format!("a-{n}"), json!({"n": n + 10}))],
        )
        .await;
    }
    let elsewhere =
        Mutation { scope: scope("site:b"), ..intent("other-0", MutationOp::Create, "orders", "o-1", json!({"qty": 1})) };
    push(&store, 2, vec![elsewhere]).await;
    store
}

async fn seqs(store: &Store, filter: &str) -> Vec<i64> {
    let filter = Filter::parse(keys::CHANGES, filter).expect("a filter");
    let page = store.sync().changes_list(&filter, Place::Newest, 50).await.expect("a page");
    assert_eq!(page.total, Total::Exact(page.rows.len() as u64));
    page.rows.iter().map(|row| row.seq.0).collect()
}

#[tokio::test]
async fn every_key_of_the_filter_finds_its_rows_and_its_negation_the_others() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let cases: [(&str, &[i64]); 16] = [
        ("collection:orders", &[11]),
        ("collection:ord*,nothing", &[11]),
        ("-collection:assets", &[11, 1]),
        ("record:a-3", &[10, 5]),
        ("record:A-3", &[]),
        ("record:a-3 op:update", &[10]),
        ("record:*-1 -collection:orders", &[8, 3]),
        ("scope:site:b", &[11]),
        ("device:*0002 -scope:site:b", &[10, 9, 8, 7]),
        ("op:create seq:<4", &[3, 2]),
        ("op:genesis", &[1]),
        ("operation:edit-1", &[8]),
        ("operation:edit-*", &[10, 9, 8, 7]),
        ("decision:merged", &[]),
        ("seq:>=10 -seq:11", &[10]),
        ("make", &[6, 5, 4, 3, 2]),
    ];
    for (filter, wanted) in cases {
        assert_eq!(seqs(&store, filter).await, wanted, "{filter}");
    }
    store.close().await.expect("closes");
}

#[tokio::test]
async fn pages_of_the_log_lead_down_and_up_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let all = Filter::default();
    let list = async |place| store.sync().changes_list(&all, place, 4).await.expect("a page");
    let (mut place, mut down) = (Place::Newest, Vec::new());
    loop {
        let page = list(place).await;
        down.push(page.rows.iter().map(|row| row.seq.0).collect::<Vec<_>>());
        assert_eq!(page.previous.is_none(), place == Place::Newest);
        let Some(next) = page.next else { break };
        place = Place::Below(next.parse().expect("a number"));
    }
    assert_eq!(down, [vec![11, 10, 9, 8], vec![7, 6, 5, 4], vec![3, 2, 1]]);
    let up = list(Place::Above(3)).await;
    assert_eq!(up.rows.iter().map(|row| row.seq.0).collect::<Vec<_>>(), [7, 6, 5, 4]);
    assert_eq!((up.previous.as_deref(), up.next.as_deref()), (Some("7"), Some("4")));
    let top = list(Place::Above(7)).await;
    assert_eq!((top.rows[0].seq.0, top.previous), (11, None));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn an_operation_is_found_by_its_id_alone_whatever_became_of_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let noop =
        Mutation { base: Base::Version(Version(2)), ..intent("noop-1", MutationOp::Update, "assets", "a-0", json!({"n": 10})) };
    let refused = intent("bad-1", MutationOp::Create, "readings", "r-1", json!({"reading": "much"}));
    push(&store, 3, vec![noop, refused]).await;
    let facts = async |id| store.sync().operation_facts(&OperationId::parse(id).expect("an id")).await.expect("facts");
    let edit = facts("edit-1").await;
    assert_eq!((edit.status(), edit.client_id), (Some(IntentStatus::Applied), Some(client(2))));
    assert_eq!(edit.change.expect("a change").seq, Seq(8));
    let noop = facts("noop-1").await;
    assert_eq!((noop.status(), noop.client_id, noop.change), (Some(IntentStatus::Applied), Some(client(3)), None));
    let bad = facts("bad-1").await;
    assert_eq!(
        (bad.status(), bad.dead_letter.expect("a letter").code.as_str()),
        (Some(IntentStatus::Rejected), "schema_invalid")
    );
    assert!(facts("never-sent").await.is_empty());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn audit_rows_are_listed_by_filter() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let entry = |actor: &str, action, subject: Option<&str>| AuditEntry {
        at: NOW,
        actor: actor.to_owned(),
        action,
        subject: subject.map(str::to_owned),
        before: None,
        after: None,
        trace_id: None,
    };
    let entries = vec![
        entry("user:maya", "session_create", None),
        entry("user:maya", "token_revoke", Some("token:ci")),
        entry("user:jon", "session_create", Some("user:jon")),
    ];
    store.sync().audit_append(entries).await.expect("appended");
    for (filter, wanted) in [
        ("", vec![3, 2, 1]),
        ("actor:user:maya", vec![2, 1]),
        ("action:session_*", vec![3, 1]),
        ("-subject:token:*", vec![3, 1]),
        ("subject:user:jon,token:ci", vec![3, 2]),
        ("revoke", vec![2]),
    ] {
        let filter = Filter::parse(keys::AUDIT, filter).expect("a filter");
        let page = store.sync().audit_list(&filter, Place::Newest, 10).await.expect("a page");
        assert_eq!(page.rows.iter().map(|row| row.id).collect::<Vec<_>>(), wanted, "{filter}");
    }
    store.close().await.expect("closes");
}
