//! Pushes through the real writer: answers, replays, bounds and what survives a restart.

use sqlx::{Connection as _, Row as _, SqliteConnection};
use tidewatch_domain::sync::IntentProblem;

use super::*;
use crate::{Durability, Error};

fn on(version: i64, mutation: Mutation) -> Mutation {
    Mutation { base: Base::Version(Version(version)), ..mutation }
}

#[tokio::test]
async fn a_repeated_intent_gets_the_first_answer_again_and_changes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 2, vec![intent("x-1", MutationOp::Create, "orders", "o-1", json!({"a": 1, "b": 1}))]).await;
    let intents = vec![
        intent("op-1", MutationOp::Create, "assets", "a-1", json!({"name": "pump", "n": 1})),
        on(1, intent("op-2", MutationOp::Update, "assets", "a-1", json!({"n": 2}))),
        intent("op-3", MutationOp::Update, "assets", "a-9", json!({"n": 2})),
        intent("op-4", MutationOp::Update, "orders", "o-1", json!({"a": 2})),
        on(2, intent("op-5", MutationOp::Update, "assets", "a-1", json!({"n": 2}))),
        intent("op-6", MutationOp::Create, "approvals", "p-1", json!({"state": "draft"})),
        intent("op-7", MutationOp::Update, "approvals", "p-1", json!({"state": "done"})),
    ];
    let first = push(&store, 1, intents.clone()).await;
    use IntentStatus::{Applied, Conflict, Merged, Rejected};
    assert_eq!(
        first.iter().map(|r| r.status).collect::<Vec<_>>(),
        [Applied, Applied, Rejected, Merged, Applied, Applied, Conflict]
    );
    assert_eq!((first[1].seq, first[1].version), (Some(Seq(4)), Some(Version(2))));
    assert!(first[4].noop);
    let (head, dump) = (store.sync().head(), dump(dir.path()).await);
    let again = push(&store, 1, intents.clone()).await;
    assert!(again.iter().all(|result| result.replayed));
    let plain: Vec<IntentResult> = again.into_iter().map(|result| IntentResult { replayed: false, ..result }).collect();
    assert_eq!(plain, first);
    for order in [[3, 1, 6], [6, 6, 0]] {
        let some = push(&store, 1, order.iter().map(|at| intents[*at].clone()).collect()).await;
        assert_eq!(
            some.iter().map(|result| &result.operation_id).collect::<Vec<_>>(),
            order.iter().map(|at| &first[*at].operation_id).collect::<Vec<_>>()
        );
        assert!(some.iter().all(|result| result.replayed));
    }
    assert_eq!(store.sync().head(), head);
    assert_eq!(self::dump(dir.path()).await, dump);
    let asked: Vec<OperationId> = first.iter().map(|result| result.operation_id.clone()).collect();
    assert_eq!(store.sync().mutations_status(&client(1), &asked).await.expect("status"), first);
    let unknown = store.sync().mutations_status(&client(2), &asked[..1]).await.expect("status");
    assert_eq!(unknown[0].status, IntentStatus::Unknown);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_key_with_another_meaning_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 1, vec![intent("op-1", MutationOp::Create, "assets", "a-1", json!({"n": 1}))]).await;
    let other = push(&store, 1, vec![intent("op-1", MutationOp::Create, "assets", "a-1", json!({"n": 2}))]).await;
    assert!(matches!(&other[0].problem, Some(IntentProblem { code: "idempotency_key_reused", status: 422, .. })));
    let elsewhere = push(&store, 2, vec![intent("op-1", MutationOp::Create, "assets", "a-2", json!({"n": 2}))]).await;
    assert_eq!(elsewhere[0].status, IntentStatus::Applied);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_stale_edit_is_merged_with_a_base_from_far_back_in_the_history() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 1, vec![intent("op-0", MutationOp::Create, "orders", "o-1", json!({"a": 0, "b": 0, "qty": 10}))]).await;
    for n in 1..=20 {
        push(
            &store,
            1,
            vec![on(n, intent(&format!("op-{n}"), MutationOp::Update, "orders", "o-1", json!({"a": n, "qty": 10 + n})))],
        )
        .await;
    }
    let merged =
        push(&store, 2, vec![on(1, intent("late", MutationOp::Update, "orders", "o-1", json!({"b": 7, "qty": 5})))]).await;
    assert_eq!((merged[0].status, merged[0].version), (IntentStatus::Merged, Some(Version(22))));
    assert_eq!(serde_json::Value::from(merged[0].record.clone().expect("a record")), json!({"a": 20, "b": 7, "qty": 25}));
    assert_eq!(merged[0].conflict_id, None);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn an_unknown_device_is_refused_and_a_known_one_goes_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let stranger =
        store.sync().mutations_push(batch(9, vec![intent("op-1", MutationOp::Create, "assets", "a-1", json!({}))]), NOW).await;
    assert!(matches!(stranger, Err(Error::NotFound("device"))));
    assert_eq!(
        push(&store, 1, vec![intent("op-1", MutationOp::Create, "assets", "a-1", json!({}))]).await[0].status,
        IntentStatus::Applied
    );
    store.close().await.expect("closes");
    assert!(matches!(store.sync().mutations_push(batch(1, Vec::new()), NOW).await, Err(Error::Closed)));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_when_the_store_is_opened_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = store(dir.path()).await;
    let answer = push(&first, 1, vec![intent("op-1", MutationOp::Create, "orders", "a-1", json!({"name": "pump"}))]).await;
    let digest =
        first.sync().scope_digest(&scope("site:a"), &CollectionName::parse("orders").expect("a name")).expect("a digest");
    // Not closed: whoever opens the file next finds what a process that was killed had left.
    let second = store(dir.path()).await;
    assert_eq!(second.sync().head(), answer[0].seq.expect("a position"));
    assert_eq!(second.sync().epoch(), first.sync().epoch());
    assert_eq!(second.sync().scope_digest(&scope("site:a"), &CollectionName::parse("orders").expect("a name")), Some(digest));
    let rows = page(&second, None, 10, false).await.rows.to_vec();
    assert_eq!(
        rows.iter().map(|row| (row.seq, row.operation_id.as_str(), row.fields.as_deref())).collect::<Vec<_>>(),
        [(Seq(2), "op-1", Some(r#"{"name":"pump"}"#)),]
    );
    assert!(
        push(&second, 1, vec![intent("op-1", MutationOp::Create, "orders", "a-1", json!({"name": "pump"}))]).await[0].replayed
    );
    assert!(second.verify().await.expect("verified").is_sound());
    second.close().await.expect("closes");
    first.close().await.expect("closes");
}

/// Every row of every table, as text.
async fn dump(dir: &Path) -> Vec<String> {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", dir.join("sync.db").display())).await.expect("opens");
    let tables: Vec<(String,)> =
        sqlx::query_as("select name from sqlite_schema where type = 'table' and name <> 'escrow_keys' and name not like '\\_sqlx%' escape '\\' and name not like 'sqlite%' order by name")
            .fetch_all(&mut connection)
            .await
            .expect("tables");
    let mut out = Vec::new();
    for (table,) in tables {
        let columns: Vec<(String,)> = sqlx::query_as("select name from pragma_table_info(?1)")
            .bind(table.clone())
            .fetch_all(&mut connection)
            .await
            .expect("columns");
        let list: Vec<String> = columns.iter().map(|(name,)| format!("quote({name})")).collect();
        let text = format!("select concat_ws('|', {}) from {table} order by 1", list.join(", "));
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(&mut connection).await.expect("rows");
        out.extend(rows.iter().map(|row| format!("{table}: {}", row.get::<String, _>(0))));
    }
    connection.close().await.expect("closes");
    out
}

/// A batch of the script: from whom, when, and what.
fn scripted(step: u64) -> (u32, Millis, Vec<Mutation>) {
    let mut random = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |n: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % n
    };
    let from = u32::try_from(next(4)).expect("small") + 1;
    let now = NOW.plus(i64::try_from(step * 37 + next(50)).expect("small"));
    let intents = (0..=next(5)).map(|at| {
        let collection = ["assets", "orders", "readings", "approvals", "settings"][usize::try_from(next(5)).expect("small")];
        let op = MutationOp::ALL[usize::try_from(next(4)).expect("small")];
        let record = format!("r-{}", next(9));
        let mut mutation = intent(
            &format!("s{}-{at}", step % 40),
            op,
            collection,
            &record,
            json!({"reading": next(7), "qty": next(9), "a": next(3)}),
        );
        mutation.scope = scope(if record.as_str() < "r-5" { "site:a" } else { "site:b" });
        mutation.base = match next(4) {
            0 => Base::Unknown,
            1 => Base::Operation(OperationId::parse(format!("s{}-0", next(40))).expect("an id")),
            _ => Base::Version(Version(i64::try_from(next(6)).expect("small") + 1)),
        };
        let skew = i64::try_from(next(1_000_000)).expect("small") - 500_000;
        mutation.logical_timestamp = (next(3) > 0).then(|| format!("{:012x}0000-d{from}", now.plus(skew).0));
        mutation
    });
    (from, now, intents.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_engines_fed_the_same_batches_agree_byte_for_byte_however_they_are_grouped() {
    let dirs = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let one = store(dirs[0].path()).await;
    let mut answers = Vec::new();
    for step in 0..150 {
        let (from, now, intents) = scripted(step);
        answers.push(one.sync().mutations_push(batch(from, intents), now).await.expect("pushed").results);
    }
    let two = store(dirs[1].path()).await;
    for chunk in (0..150).collect::<Vec<u64>>().chunks(10) {
        // Queued without waiting in between, so that the writer takes several at once. One lane keeps their order.
        let waiting: Vec<_> = chunk
            .iter()
            .map(|step| {
                let (from, now, intents) = scripted(*step);
                Box::pin(two.sync().mutations_push(batch(from, intents), now))
            })
            .collect();
        let mut waiting = waiting;
        let mut polled = Vec::new();
        for future in &mut waiting {
            polled.push(std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await);
        }
        for ((step, future), polled) in chunk.iter().zip(waiting).zip(polled) {
            let answer = match polled {
                std::task::Poll::Ready(answer) => answer,
                std::task::Poll::Pending => future.await,
            };
            assert_eq!(answer.expect("pushed").results, answers[usize::try_from(*step).expect("small")], "step {step}");
        }
    }
    let statuses: std::collections::HashSet<&str> = answers.iter().flatten().map(|result| result.status.as_str()).collect();
    assert_eq!(statuses, ["applied", "merged", "superseded", "conflict", "rejected"].into(), "the script meets every status");
    let (first, second) = (one.verify().await.expect("verified"), two.verify().await.expect("verified"));
    assert_eq!(first.findings, Vec::<String>::new());
    assert_eq!(first, second);
    one.close().await.expect("closes");
    two.close().await.expect("closes");
    assert_eq!(dump(dirs[0].path()).await, dump(dirs[1].path()).await);
}

#[tokio::test]
async fn keys_are_forgotten_only_after_the_window_and_then_not_applied_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let day = tidewatch_domain::time::DAY_MS;
    let make = |id: &str, at: Millis| Mutation {
        created_at: Some(at),
        ..intent(id, MutationOp::Put, "readings", id, json!({"reading": 1}))
    };
    let send = async |days: i64, mutation: Mutation| {
        store.sync().mutations_push(batch(1, vec![mutation]), NOW.plus(days * day)).await.expect("pushed").results.remove(0)
    };
    let old = make("old", NOW);
    assert_eq!(send(0, old.clone()).await.status, IntentStatus::Applied);
    send(46, make("mid", NOW.plus(46 * day))).await;
    assert!(send(47, old.clone()).await.replayed, "the older half still knows it");
    send(92, make("new", NOW.plus(92 * day))).await;
    let late = send(93, old).await;
    assert!(matches!(&late.problem, Some(IntentProblem { code: "dedupe_horizon_passed", .. })));
    assert!(send(93, make("mid", NOW.plus(46 * day))).await.replayed);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_log_that_was_put_back_from_a_copy_is_refused_until_it_gets_a_new_epoch() {
    let (dir, aside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let options = |accept_rollback| StoreOptions {
        durability: Durability::Normal,
        hint: Some(aside.path().join("head.hint")),
        accept_rollback,
        ..StoreOptions::new(NOW, 7)
    };
    store(dir.path()).await.close().await.expect("closes");
    let copy = std::fs::read(dir.path().join("sync.db")).expect("a copy");
    let live = Store::open(dir.path(), options(false)).await.expect("opens");
    push(&live, 1, vec![intent("op-1", MutationOp::Put, "readings", "r-1", json!({"reading": 1}))]).await;
    let (epoch, cursor) = (live.sync().epoch(), live.sync().cursor_at(live.sync().head()));
    live.close().await.expect("closes");
    std::fs::write(dir.path().join("sync.db"), copy).expect("put back");
    let refused = Store::open(dir.path(), options(false)).await;
    assert!(matches!(refused, Err(Error::RolledBack { head: 1, hint: 2 })), "{refused:?}");
    let restored = Store::open(dir.path(), options(true)).await.expect("opens");
    assert_ne!(restored.sync().epoch(), epoch);
    let lost = restored.sync().changes_page(&query(Some(&cursor), 10, false), &[scope("site:a")]).await;
    assert!(
        matches!(lost, Err(Error::Cursor(tidewatch_domain::sync::CursorRefusal::EpochMismatch { fork_seq: Some(Seq(1)) }))),
        "{lost:?}"
    );
    let kept = FeedQuery { epoch: Some(epoch), ..query(Some("1"), 10, false) };
    assert!(restored.sync().changes_page(&kept, &[scope("site:a")]).await.is_ok(), "what both lineages share is served");
    restored.close().await.expect("closes");
    Store::open(dir.path(), options(false)).await.expect("opens").close().await.expect("closes");
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let mut waiting: Vec<_> = (0..300)
        .map(|n| {
            Box::pin(store.sync().mutations_push(
                batch(1, vec![intent(&format!("op-{n}"), MutationOp::Put, "readings", &format!("r-{n}"), json!({"reading": n}))]),
                NOW,
            ))
        })
        .collect();
    // The writer runs on this same thread, so nothing is taken while the futures are only polled.
    let mut refused = 0;
    let mut queued = Vec::new();
    for mut future in waiting.drain(..) {
        match std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await {
            std::task::Poll::Ready(Err(Error::Busy { retry_after_ms: 100.. })) => refused += 1,
            std::task::Poll::Ready(other) => panic!("{other:?}"),
            std::task::Poll::Pending => queued.push(future),
        }
    }
    assert_eq!((queued.len(), refused), (204, 96), "the last fifth of 256 is for the first lane");
    for future in queued {
        assert_eq!(future.await.expect("pushed").results[0].status, IntentStatus::Applied);
    }
    assert_eq!(store.sync().head(), Seq(205));
    store.close().await.expect("closes");
}
