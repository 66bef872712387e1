//! Sequences, floors, dependencies and bases by content through the real writer: what is stored, and what is found again.

use tidewatch_domain::digest::content_hash;
use tidewatch_domain::json::body_text;
use tidewatch_domain::sync::{BatchTerms, PushAnswer, Terms};

use super::*;
use crate::Error;

fn counted(seq: i64) -> Mutation {
    let made = intent(&format!("op-{seq:03}"), MutationOp::Create, "assets", &format!("a-{seq}"), json!({"n": seq}));
    Mutation { client_seq: Some(seq), ..made }
}

async fn send(store: &Store, from: u32, terms: BatchTerms, intents: Vec<Mutation>) -> crate::Result<PushAnswer> {
    store.sync().mutations_push(Push { terms, ..batch(from, intents) }, NOW).await
}

fn words(results: &[IntentResult]) -> Vec<String> {
    let word = |result: &IntentResult| {
        let code = result.problem.as_ref().map(|problem| format!(":{}", problem.code)).unwrap_or_default();
        format!("{}{code}{}", result.status.as_str(), if result.replayed { " again" } else { "" })
    };
    results.iter().map(word).collect()
}

fn strict() -> BatchTerms {
    BatchTerms { strict: true, ..BatchTerms::default() }
}

fn floor(floor: i64) -> BatchTerms {
    BatchTerms { ack_floor: Some(floor), ..BatchTerms::default() }
}

/// Keys that are remembered of device 1.
async fn remembered(dir: &Path) -> Vec<String> {
    use sqlx::Connection as _;
    let mut connection =
        sqlx::SqliteConnection::connect(&format!("sqlite://{}", dir.join("sync.db").display())).await.expect("opens");
    let rows: Vec<(String,)> = sqlx::query_as("select idem_key from dedupe where client = 1 order by idem_key")
        .fetch_all(&mut connection)
        .await
        .expect("rows");
    connection.close().await.expect("closes");
    rows.into_iter().map(|(key,)| key).collect()
}

#[tokio::test]
async fn a_sequence_goes_on_after_a_restart_and_where_relaxed_batches_ended() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = store(dir.path()).await;
    push(&first, 1, vec![counted(1), counted(3), counted(2)]).await;
    let answer = send(&first, 1, strict(), vec![counted(5), counted(4), counted(5)]).await.expect("answered");
    assert_eq!(words(&answer.results), ["deferred:out_of_order", "applied", "applied"]);
    first.close().await.expect("closes");
    let second = store(dir.path()).await;
    let answer = send(&second, 1, strict(), vec![counted(5), counted(6), counted(8)]).await.expect("answered");
    assert_eq!(words(&answer.results), ["applied again", "applied", "deferred:out_of_order"]);
    let other = send(&second, 2, strict(), vec![counted(1)]).await.expect("answered");
    assert_eq!(words(&other.results), ["applied"], "each device has its own counter");
    second.close().await.expect("closes");
}

#[tokio::test]
async fn answers_below_the_floor_are_forgotten_early_and_never_applied_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 1, (1..=6).map(counted).collect()).await;
    let noop =
        Mutation { base: Base::Version(Version(1)), ..intent("op-000", MutationOp::Update, "assets", "a-1", json!({"n": 1})) };
    push(&store, 1, vec![Mutation { client_seq: Some(7), ..noop }]).await;
    let answer = send(&store, 1, floor(7), vec![counted(8)]).await.expect("answered");
    assert_eq!(words(&answer.results), ["applied"]);
    assert_eq!(remembered(dir.path()).await, ["op-000", "op-008"], "an answer that no log holds stays");
    let head = store.sync().head();
    let repeated = push(&store, 1, (3..=8).map(counted).collect()).await;
    let past = "rejected:dedupe_horizon_passed";
    assert_eq!(words(&repeated), [past, past, past, past, past, "applied again"]);
    assert_eq!(store.sync().head(), head);
    store.close().await.expect("closes");
    let again = self::store(dir.path()).await;
    assert_eq!(words(&push(&again, 1, vec![counted(3)]).await), [past], "the floor survives a restart");
    assert!(again.verify().await.expect("verified").is_sound());
    again.close().await.expect("closes");
}

#[tokio::test]
async fn what_depends_on_an_operation_without_effect_goes_on_whatever_its_key_and_when_its_answer_is_stored() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 1, vec![counted(1)]).await;
    let noop = |id: &str, key: &str, seq| Mutation {
        base: Base::Version(Version(1)),
        idempotency_key: IdempotencyKey::parse(key).expect("a key"),
        client_seq: Some(seq),
        ..intent(id, MutationOp::Update, "assets", "a-1", json!({"n": 1}))
    };
    let sent = [noop("op-plain", "op-plain", 2), noop("op-keyed", "key-3", 3), noop("op-forced", "key-4", 4)];
    // A key of another intent that is spelled as an operation is that intent's.
    let taken = Mutation { idempotency_key: IdempotencyKey::parse("op-forced").expect("a key"), ..counted(5) };
    push(&store, 1, vec![taken]).await;
    let answers = push(&store, 1, sent.to_vec()).await;
    assert!(answers.iter().all(|answer| answer.noop), "{answers:?}");
    assert_eq!(words(&push(&store, 1, sent.to_vec()).await), ["applied again"; 3]);
    send(&store, 1, floor(5), Vec::new()).await.expect("answered");
    let after = |id: &str, parent: &str| {
        let terms = Terms { depends_on: vec![OperationId::parse(parent).expect("an id")], ..Terms::default() };
        Mutation { terms: Some(Box::new(terms)), ..intent(id, MutationOp::Create, "assets", id, json!({"n": 2})) }
    };
    let children = [after("c-1", "op-plain"), after("c-2", "op-keyed")];
    for child in children {
        assert_eq!(words(&push(&store, 1, vec![child]).await), ["applied"]);
    }
    assert!(store.verify().await.expect("verified").is_sound());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn what_depends_on_a_forgotten_or_unreadable_operation_is_still_decided() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 1, vec![counted(1)]).await;
    send(&store, 1, floor(1), Vec::new()).await.expect("answered");
    assert!(remembered(dir.path()).await.is_empty());
    let unreadable = Intent::Invalid {
        operation_id: OperationId::parse("bad-1").expect("an id"),
        problem: tidewatch_domain::sync::IntentProblem {
            code: "schema_invalid",
            status: 422,
            retryable: false,
            retry_after_ms: None,
            detail: String::new(),
        },
        group: None,
        client_seq: None,
        raw: "{}".to_owned(),
    };
    let broken = Push { intents: vec![unreadable], ..batch(1, Vec::new()) };
    store.sync().mutations_push(broken, NOW).await.expect("answered");
    let after = |id: &str, parent: &str| {
        let terms = Terms { depends_on: vec![OperationId::parse(parent).expect("an id")], ..Terms::default() };
        Mutation { terms: Some(Box::new(terms)), ..intent(id, MutationOp::Create, "assets", id, json!({})) }
    };
    let results = push(&store, 1, vec![after("c-1", "op-001"), after("c-2", "bad-1"), after("c-3", "never")]).await;
    assert_eq!(words(&results), ["applied", "rejected:dependency_failed", "deferred:dependency_missing"]);
    let results = push(&store, 2, vec![after("c-4", "op-001")]).await;
    assert_eq!(words(&results), ["deferred:dependency_missing"], "operations of another device do not count");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_refused_batch_leaves_the_file_and_later_batches_of_its_group_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 2, vec![intent("x-1", MutationOp::Create, "settings", "s-1", json!({"a": 1}))]).await;
    let cursor = store.sync().cursor_at(store.sync().head());
    push(
        &store,
        2,
        vec![Mutation {
            base: Base::Version(Version(1)),
            ..intent("x-2", MutationOp::Update, "settings", "s-1", json!({"a": 2}))
        }],
    )
    .await;
    let since = tidewatch_domain::sync::SinceAsked { text: cursor, epoch: None };
    let atomic = BatchTerms { atomic: true, since: Some(since), ..BatchTerms::default() };
    let late = vec![counted(1), intent("op-2", MutationOp::Update, "settings", "s-1", json!({"a": 3}))];
    let (refused, kept) = tokio::join!(send(&store, 1, atomic, late), send(&store, 3, BatchTerms::default(), vec![counted(9)]));
    let Err(Error::Refused(refusal)) = refused else { panic!("kept") };
    assert_eq!(
        (refusal.problem.code, refusal.intents.iter().map(|(at, _)| *at).collect::<Vec<_>>()),
        ("version_conflict", vec![1])
    );
    assert_eq!(words(&kept.expect("answered").results), ["applied"]);
    assert!(remembered(dir.path()).await.is_empty());
    assert!(store.verify().await.expect("verified").is_sound());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_base_by_content_is_found_in_the_history() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 2, vec![intent("x-0", MutationOp::Create, "orders", "o-1", json!({"a": 0, "b": 0}))]).await;
    for n in 1..=5 {
        let edit = intent(&format!("x-{n}"), MutationOp::Update, "orders", "o-1", json!({"a": n}));
        push(&store, 2, vec![Mutation { base: Base::Version(Version(n)), ..edit }]).await;
    }
    let of = |body: serde_json::Value| Base::Checksum(content_hash(Some(&body_text(body.as_object().expect("an object")))));
    let on = |id: &str, base: Base, fields| Mutation { base, ..intent(id, MutationOp::Update, "orders", "o-1", fields) };
    let results = push(&store, 1, vec![on("op-1", of(json!({"a": 2, "b": 0})), json!({"b": 1}))]).await;
    assert_eq!((words(&results), results[0].conflict_id.is_some()), (vec!["merged".to_owned()], false));
    let results = push(&store, 1, vec![on("op-2", of(json!({"a": 5, "b": 1})), json!({"b": 2}))]).await;
    assert_eq!(words(&results), ["applied"]);
    let results = push(&store, 1, vec![on("op-3", of(json!({"never": true})), json!({"a": 9}))]).await;
    assert!(results[0].conflict_id.is_some(), "a base that is nowhere goes the way of an unknown one");
    store.close().await.expect("closes");
}
