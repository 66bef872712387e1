//! An intent that the store fails on, and those that were only near it.

use sqlx::Connection as _;

use super::*;
use crate::Error;

async fn run(dir: &Path, statement: &'static str) {
    let url = format!("sqlite://{}", dir.join("sync.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("opens");
    sqlx::query(statement).execute(&mut connection).await.expect("runs");
    connection.close().await.expect("closes");
}

fn create(n: usize, id: &str) -> Mutation {
    intent(id, MutationOp::Create, "assets", &format!("a-{n}"), json!({"n": n}))
}

#[tokio::test]
async fn an_intent_that_cannot_be_written_is_poisoned_the_third_time_and_its_neighbours_are_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    run(
        dir.path(),
        "create trigger broken before insert on changes when new.operation_id = 'bad' begin select raise(abort, 'broken'); end",
    )
    .await;
    let intents = || vec![create(1, "op-1"), create(2, "bad"), create(3, "op-3")];
    for _ in 0..2 {
        let failed = store.sync().mutations_push(batch(1, intents()), NOW).await;
        assert!(matches!(failed, Err(Error::CommitFailed(_))), "{failed:?}");
    }
    let results = push(&store, 1, intents()).await;
    use IntentStatus::{Applied, Rejected};
    assert_eq!(results.iter().map(|result| result.status).collect::<Vec<_>>(), [Applied, Rejected, Applied]);
    assert_eq!(results[1].problem.as_ref().map(|problem| (problem.code, problem.retryable)), Some(("poisoned", false)));
    let next = push(&store, 1, vec![create(4, "op-4")]).await;
    assert_eq!(next[0].status, Applied, "the queue goes on");
    run(dir.path(), "drop trigger broken").await;
    assert!(store.verify().await.expect("verified").is_sound());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_batch_that_fails_now_and_then_loses_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    run(dir.path(), "create trigger broken before insert on changes begin select raise(abort, 'broken'); end").await;
    let intents = || vec![create(1, "op-1"), create(2, "op-2")];
    for _ in 0..2 {
        assert!(store.sync().mutations_push(batch(1, intents()), NOW).await.is_err());
    }
    run(dir.path(), "drop trigger broken").await;
    let results = push(&store, 1, intents()).await;
    assert!(results.iter().all(|result| result.status == IntentStatus::Applied));
    store.close().await.expect("closes");
}
