//! Writing the log: repeats, and what is there after a restart.

use super::*;

#[tokio::test]
async fn a_repeated_intent_gets_the_first_answer_again_and_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let intents = vec![
        intent("op-1", MutationOp::Create, "assets", "a-1", json!({"name": "pump", "n": 1})),
        Mutation { base: Base::Version(Version(1)), ..intent("op-2", MutationOp::Update, "assets", "a-1", json!({"n": 2})) },
        intent("op-3", MutationOp::Update, "assets", "a-9", json!({"n": 2})),
    ];
    let first = push(&store, 1, intents.clone()).await;
    assert_eq!(first.iter().map(|r| r.status).collect::<Vec<_>>(), [IntentStatus::Applied, IntentStatus::Applied, IntentStatus::Rejected]);
    assert_eq!((first[1].seq, first[1].version), (Some(Seq(3)), Some(Version(2))));
    let head = store.sync().head();
    let again = push(&store, 1, intents).await;
    assert!(again.iter().all(|result| result.replayed));
    let plain: Vec<IntentResult> = again.into_iter().map(|result| IntentResult { replayed: false, ..result }).collect();
    assert_eq!(plain, first);
    assert_eq!(store.sync().head(), head);
    let status = store.sync().mutations_status(&client(1), &[first[1].operation_id.clone()]).await.expect("status");
    assert_eq!(status, [first[1].clone()]);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn an_acknowledged_intent_is_there_after_the_store_was_opened_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = store(dir.path()).await;
    let answer = push(&first, 1, vec![intent("op-1", MutationOp::Create, "assets", "a-1", json!({"name": "pump"}))]).await;
    first.close().await.expect("closes");
    let second = store(dir.path()).await;
    assert_eq!(second.sync().head(), answer[0].seq.expect("a position"));
    let rows = page(&second, None, 10, false).await.rows;
    assert_eq!(rows.iter().map(|row| (row.seq, row.operation_id.as_str(), row.fields.as_deref())).collect::<Vec<_>>(), [
        (Seq(2), "op-1", Some(r#"{"name":"pump"}"#)),
    ]);
    second.close().await.expect("closes");
}
