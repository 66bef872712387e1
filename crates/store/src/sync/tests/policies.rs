//! What policies keep survives groups, restarts and verification.

use super::*;

fn at(millis: i64, mutation: Mutation) -> Mutation {
    let ticks = tidewatch_domain::hlc::Ticks::at(NOW.plus(millis));
    let stamp = tidewatch_domain::hlc::Hlc { ticks, node: "dev".to_owned() };
    Mutation { logical_timestamp: Some(stamp.to_string()), ..mutation }
}

fn on(version: i64, mutation: Mutation) -> Mutation {
    Mutation { base: Base::Version(Version(version)), ..mutation }
}

async fn opened(dir: &Path) -> Store {
    Store::open(dir, StoreOptions { durability: crate::Durability::Normal, ..StoreOptions::new(NOW, 7) }).await.expect("opens")
}

async fn sound(store: &Store) {
    let report = store.verify().await.expect("verified");
    assert_eq!(report.findings, Vec::<String>::new());
}

#[tokio::test]
async fn stamps_of_fields_and_ranks_of_writers_are_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = store(dir.path()).await;
    first.sync().client_role_set(client(1), Some("senior".to_owned()), 9).await.expect("set");
    push(&first, 1, vec![at(0, intent("p-0", MutationOp::Create, "profiles", "p", json!({"a": 0, "b": 0})))]).await;
    push(&first, 1, vec![at(50, intent("p-1", MutationOp::Update, "profiles", "p", json!({"a": 1})))]).await;
    push(&first, 1, vec![at(0, intent("r-0", MutationOp::Create, "reviews", "r", json!({"v": 0})))]).await;
    first.close().await.expect("closes");
    let second = opened(dir.path()).await;
    let late = push(&second, 2, vec![at(20, intent("p-2", MutationOp::Update, "profiles", "p", json!({"a": 2, "b": 2})))]).await;
    assert_eq!(late[0].status, IntentStatus::Merged);
    assert_eq!(late[0].record.clone().map(serde_json::Value::Object), Some(json!({"a": 1, "b": 2})));
    let lower = push(&second, 2, vec![at(90, intent("r-1", MutationOp::Update, "reviews", "r", json!({"v": 1})))]).await;
    assert_eq!(lower[0].status, IntentStatus::Superseded);
    second.sync().client_role_set(client(2), Some("trainee".to_owned()), 99).await.expect("set");
    let waits = push(&second, 2, vec![on(1, intent("r-2", MutationOp::Update, "reviews", "r", json!({"v": 2})))]).await;
    assert_eq!(waits[0].status, IntentStatus::Conflict);
    second.sync().client_role_set(client(2), Some("chief".to_owned()), 99).await.expect("set");
    let higher = push(&second, 2, vec![intent("r-3", MutationOp::Update, "reviews", "r", json!({"v": 3}))]).await;
    assert_eq!(higher[0].status, IntentStatus::Applied);
    sound(&second).await;
    second.close().await.expect("closes");
}

#[tokio::test]
async fn the_same_thing_is_found_in_a_later_group_and_its_other_id_leads_to_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = store(dir.path()).await;
    let call = |id: &str, record: &str, duration: i64| {
        intent(id, MutationOp::Create, "calls", record, json!({"number": "1", "duration": duration}))
    };
    push(&first, 1, vec![call("c-0", "one", 10)]).await;
    let twin = push(&first, 2, vec![call("c-1", "two", 11), call("c-2", "three", 12), call("c-3", "four", 11)]).await;
    let ids: Vec<Option<&str>> = twin.iter().map(|result| result.record_id.as_ref().map(RecordId::as_str)).collect();
    assert_eq!(ids, [Some("one"), None, Some("one")]);
    let again = push(&first, 2, vec![call("c-1", "two", 11)]).await;
    assert!(again[0].replayed && again[0].record_id == twin[0].record_id && again[0].record == twin[0].record);
    first.close().await.expect("closes");
    let second = opened(dir.path()).await;
    let later =
        push(&second, 2, vec![intent("c-4", MutationOp::Put, "calls", "two", json!({"number": "1", "duration": 10}))]).await;
    assert_eq!((later[0].noop, later[0].record_id.as_ref().map(RecordId::as_str)), (true, Some("one")));
    sound(&second).await;
    let rows = page(&second, None, 50, false).await.rows.to_vec();
    assert_eq!(rows.iter().map(|row| row.record_id.as_str()).collect::<Vec<_>>(), ["one", "one", "three", "one"]);
    second.close().await.expect("closes");
}

#[tokio::test]
async fn branches_are_counted_over_groups() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    push(&store, 1, vec![intent("a-0", MutationOp::Create, "articles", "x", json!({"t": 0}))]).await;
    let mut names = Vec::new();
    for n in 1..4 {
        let answer = push(&store, 2, vec![intent(&format!("a-{n}"), MutationOp::Update, "articles", "x", json!({"t": n}))]).await;
        names.extend(answer[0].branch.clone());
        let again = push(&store, 2, vec![intent(&format!("a-{n}"), MutationOp::Update, "articles", "x", json!({"t": n}))]).await;
        assert!(again[0].replayed && again[0].branch == answer[0].branch);
    }
    assert_eq!(names, ["1b", "1c", "1d"]);
    let terms = tidewatch_domain::sync::Terms { merges: names, ..Default::default() };
    let all =
        Mutation { terms: Some(Box::new(terms)), ..on(1, intent("all", MutationOp::Update, "articles", "x", json!({"t": 9}))) };
    assert_eq!(push(&store, 3, vec![all.clone()]).await[0].status, IntentStatus::Merged);
    assert!(push(&store, 3, vec![all]).await[0].replayed);
    sound(&store).await;
    store.close().await.expect("closes");
}

/// An empty Yjs document with one text `body` that holds `hi`, written by client 1.
const HI: &str = "AQEBAAQBBGJvZHkCaGkA";

#[tokio::test]
async fn fields_that_merge_by_themselves_are_in_no_conflict_with_the_others() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let crdt = |id: &str, fields: serde_json::Value| intent(id, MutationOp::Crdt, "boards", "b", fields);
    let count = |id: &str, delta: i64| crdt(id, json!({"type": "counter", "field": "count", "delta": delta}));
    push(&store, 1, vec![at(0, intent("b-0", MutationOp::Create, "boards", "b", json!({"name": "one"})))]).await;
    let mixed = vec![
        count("b-1", 3),
        crdt("b-2", json!({"type": "set", "field": "tags", "add": ["red"]})),
        crdt("b-3", json!({"type": "yjs1", "field": "text", "update": HI})),
        crdt("b-4", json!({"type": "opaque", "field": "doc", "value": [1, "x"]})),
    ];
    let answers = push(&store, 2, mixed.clone()).await;
    assert!(answers.iter().all(|answer| answer.status == IntentStatus::Applied && answer.conflict_id.is_none()));
    assert!(push(&store, 2, mixed).await.iter().all(|answer| answer.replayed), "a repeat counts once");
    push(&store, 3, vec![count("b-5", 4)]).await;
    let rows = page(&store, None, 50, false).await.rows.to_vec();
    let merging: Vec<(&str, Option<&str>)> = rows.iter().skip(1).map(|row| (row.op, row.crdt.as_deref())).collect();
    assert_eq!(merging[0], ("crdt", Some(r#"{"delta":3,"field":"count","type":"counter"}"#)));
    assert!(merging.iter().all(|(op, _)| *op == "crdt") && rows.iter().skip(1).all(|row| row.fields.is_none()));
    let scanned = page(&store, None, 50, true).await.rows.to_vec();
    assert_eq!((scanned.len(), scanned[0].op), (1, "put"));
    assert!(scanned[0].fields.as_deref().is_some_and(|fields| fields.contains(r#""count":7"#) && fields.contains("$yjs1")));
    let named = push(&store, 3, vec![at(9, on(1, intent("b-6", MutationOp::Put, "boards", "b", json!({"name": "two"}))))]).await;
    assert_eq!((named[0].status, named[0].conflict_id.as_ref()), (IntentStatus::Applied, Some(&"cf_1".to_owned())));
    let record = named[0].record.clone().map(serde_json::Value::Object).expect("a record");
    assert_eq!(record["count"], json!(7));
    assert_eq!(record["tags"], json!({"$set": [["red", ["b-2"]]]}));
    assert_eq!(record["text"], json!({"$yjs1": HI}));
    assert_eq!((&record["doc"], &record["name"]), (&json!({"$opaque": [[1, "x"]]}), &json!("two")));
    let plain = push(&store, 1, vec![intent("b-7", MutationOp::Update, "boards", "b", json!({"count": 0}))]).await;
    let broken = push(&store, 1, vec![crdt("b-8", json!({"type": "yjs1", "field": "text", "update": "//////8P"}))]).await;
    let elsewhere = push(&store, 1, vec![intent("b-9", MutationOp::Crdt, "assets", "a", json!({"type": "counter"}))]).await;
    for refused in [plain, broken, elsewhere] {
        assert!(matches!(&refused[0].problem, Some(problem) if problem.code == "schema_invalid"), "{refused:?}");
    }
    push(&store, 1, vec![on(7, intent("b-10", MutationOp::Delete, "boards", "b", json!({})))]).await;
    assert_eq!(push(&store, 2, vec![count("b-11", 1)]).await[0].status, IntentStatus::Superseded, "deleted is deleted");
    sound(&store).await;
    store.close().await.expect("closes");
}

#[tokio::test]
async fn what_policies_keep_is_verified() {
    let cases = [
        ("update records set meta = null where record_id = 'p'", "record p is not as the log says"),
        ("update natural_keys set tol_value = 9", "the natural keys are not those of the log"),
        ("delete from aliases", "the aliases are not those of the log"),
        (
            "drop trigger changes_never_updated; update changes set detail = null where operation_id = 'p-0'",
            "change 2 does not match its digest",
        ),
    ];
    for (tampering, wanted) in cases {
        use sqlx::Connection as _;
        let dir = tempfile::tempdir().expect("a folder");
        let filled = store(dir.path()).await;
        push(&filled, 1, vec![intent("p-0", MutationOp::Create, "profiles", "p", json!({"a": 0}))]).await;
        for n in 0..2 {
            let fields = json!({"number": "1", "duration": n});
            push(&filled, 1, vec![intent(&format!("c-{n}"), MutationOp::Create, "calls", &format!("c{n}"), fields)]).await;
        }
        sound(&filled).await;
        filled.close().await.expect("closes");
        let url = format!("sqlite://{}", dir.path().join("sync.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("opens");
        sqlx::raw_sql(tampering).execute(&mut connection).await.expect(tampering);
        connection.close().await.expect("closes");
        let store = opened(dir.path()).await;
        let report = store.verify().await.expect("verified");
        assert!(report.findings.iter().any(|finding| finding == wanted), "{tampering}: {:?}", report.findings);
        store.close().await.expect("closes");
    }
}
