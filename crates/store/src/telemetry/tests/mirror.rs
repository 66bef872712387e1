//! The mirror of a device's outbox follows its digests.

use super::*;

pub(super) async fn listed(telemetry: &Telemetry, n: u32) -> Vec<(String, EntryState)> {
    let page = telemetry.device_outbox(&client(n), None, &Position::Start, 500).await.expect("known");
    page.rows.into_iter().map(|row| (row.entry.operation_id, row.entry.state)).collect()
}

pub(super) async fn told(telemetry: &Telemetry, id: &str, at: Millis, outbox: Option<OutboxDigest>) {
    let mut report = report(id, at);
    report.outbox = outbox;
    telemetry.reports_ingest(&client(1), vec![report], at).await.expect("stored");
}

#[tokio::test]
async fn a_complete_digest_removes_what_it_leaves_out_and_a_truncated_one_does_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    let entries = |ids: &[&str]| ids.iter().map(|id| entry(id, EntryState::Queued, NOW)).collect::<Vec<_>>();
    let names = |list: Vec<(String, EntryState)>| list.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    told(telemetry, "1", NOW, outbox(false, 3, entries(&["a", "b", "c"]))).await;
    assert_eq!(names(listed(telemetry, 1).await), ["a", "b", "c"]);
    told(telemetry, "2", NOW.plus(1_000), outbox(true, 9, entries(&["c", "d"]))).await;
    assert_eq!(names(listed(telemetry, 1).await), ["a", "b", "c", "d"]);
    told(telemetry, "3", NOW.plus(2_000), outbox(false, 1, entries(&["d"]))).await;
    assert_eq!(names(listed(telemetry, 1).await), ["d"]);
    // A digest that comes late says nothing of now.
    told(telemetry, "0", NOW.plus(-1_000), outbox(false, 1, entries(&["z"]))).await;
    assert_eq!(names(listed(telemetry, 1).await), ["d"]);
    told(telemetry, "4", NOW.plus(3_000), outbox(false, 0, Vec::new())).await;
    assert!(listed(telemetry, 1).await.is_empty());
    let view = telemetry.device_view(&client(1), NOW.plus(3_000)).await.expect("known");
    assert_eq!((view.row.queue_depth, view.row.poisoned), (Some(0), 0));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn states_add_up_to_what_is_listed_and_worst_comes_first() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    let entries: Vec<OutboxEntry> = EntryState::reported()
        .iter()
        .rev()
        .enumerate()
        .map(|(n, state)| entry(&format!("op-{n}"), *state, NOW.plus(-(n as i64))))
        .collect();
    told(telemetry, "1", NOW, outbox(true, 40, entries)).await;
    let list = listed(telemetry, 1).await;
    assert_eq!(list.iter().map(|(_, state)| *state).collect::<Vec<_>>(), EntryState::reported());
    for state in EntryState::reported() {
        let page = telemetry.device_outbox(&client(1), Some(*state), &Position::Start, 10).await.expect("known");
        assert_eq!(page.total, Total::Exact(1), "{state:?}");
    }
    let view = telemetry.device_view(&client(1), NOW).await.expect("known");
    assert_eq!((view.row.queue_depth, view.row.poisoned, view.row.condition), (Some(40), 1, Condition::Stuck));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn attempts_that_were_seen_are_remembered() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    for attempt in 1..=30 {
        let mut failing = entry("op-1", EntryState::Retrying, NOW);
        failing.attempts = attempt;
        failing.last_attempt_at = Some(NOW.plus(attempt * 1_000));
        failing.error = Some(ReportedError {
            code: "network".to_owned(),
            status: None,
            message: Some("No answer from \"10.0.0.7\" in 30 s".into()),
        });
        told(telemetry, &attempt.to_string(), NOW.plus(attempt * 1_000), outbox(false, 1, vec![failing])).await;
    }
    let history: String =
        sqlx::query_scalar("select history from outbox").fetch_one(&telemetry.database.readers).await.expect("one row");
    type Kept = (i64, String, Option<String>, Option<String>);
    let history: Vec<Kept> = serde_json::from_str(&history).expect("attempts");
    let plain = || Some("no answer from \"…\" in # s".to_owned());
    let wanted: Vec<Kept> = (11..=30).map(|n| (NOW.plus(n * 1_000).0, "network".to_owned(), plain(), None)).collect();
    assert_eq!(history, wanted);
    let client_id = client(1);
    let found = telemetry.outbox_past(&[(&client_id, "op-2"), (&client_id, "op-1")]).await.expect("read");
    let counted: Vec<(usize, Option<i64>)> = found.iter().map(|(attempts, job)| (attempts.len(), *job)).collect();
    assert_eq!((counted, found[1].0[0].at), (vec![(0, None), (20, None)], NOW.plus(30_000)));
    store.close().await.expect("closes");
}

pub(super) mod refusals {
    use serde_json::json;
    use tidewatch_domain::ids::{CollectionName, IdempotencyKey, OperationId, RecordId};
    use tidewatch_domain::sync::{Base, ClientRegistration, Intent, IntentStatus, Mutation, MutationOp, Push};

    use super::*;

    pub(crate) fn intent(operation: &str, reading: &serde_json::Value) -> Intent {
        let raw = json!({"operation_id": operation, "collection": "readings", "record_id": "R-1", "scope": "site:a", "op": "put", "priority": 1});
        Intent::Valid(Box::new(Mutation {
            operation_id: OperationId::parse(operation).expect("an id"),
            idempotency_key: IdempotencyKey::parse(operation).expect("a key"),
            client_seq: None,
            collection: CollectionName::parse("readings").expect("a name"),
            record_id: RecordId::parse("R-1").expect("an id"),
            scope: Scope::parse("site:a").expect("a scope"),
            op: MutationOp::Put,
            base: Base::Unknown,
            fields: json!({"reading": reading}).as_object().expect("an object").clone(),
            logical_timestamp: None,
            created_at: Some(NOW),
            priority: 1,
            deadline: None,
            schema_version: 1,
            terms: None,
            raw: raw.to_string(),
        }))
    }

    /// Pushes through the real log, and notes the answer as the API does.
    pub(crate) async fn push(store: &Store, at: Millis, intents: Vec<Intent>) -> Vec<IntentStatus> {
        let push = Push {
            client_id: client(1),
            sent_at: Some(at),
            intents,
            body_bytes: 100,
            terms: tidewatch_domain::sync::BatchTerms::default(),
        };
        let answer = store.sync().mutations_push(push, at).await.expect("answered");
        let found = answer.results.iter().map(|result| result.status).collect();
        store.telemetry().contact_note(&client(1), at, Contact::PushStarted { intents: 1, skew_ms: None });
        store.telemetry().contact_note(&client(1), at, Contact::PushAnswered { results: answer.results, took_ms: 2.0 });
        store.telemetry().settle().await.expect("written");
        found
    }

    pub(crate) async fn ready(dir: &Path) -> Store {
        let store = store(dir).await;
        let readings = CollectionDefinition {
            name: CollectionName::parse("readings").expect("a name"),
            schema_min: 1,
            schema_current: 1,
            priority: "normal",
            policy: r#"{"kind":"lww","clock":"server","fields":{"reading":"number"}}"#.to_owned(),
        };
        store.sync().collections_put(vec![readings], "system", NOW).await.expect("configured");
        let registration = ClientRegistration {
            client_id: None,
            principal: "maya".to_owned(),
            platform: None,
            app_version: None,
            schema_version: Some(1),
            scopes: vec![Scope::parse("site:a").expect("a scope")],
            simulated: false,
            public_key: None,
        };
        store.sync().client_register(registration, client(1), NOW).await.expect("registered");
        store
    }

    #[tokio::test]
    async fn a_refusal_joins_the_list_of_a_device_that_reports_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = ready(dir.path()).await;
        let statuses = push(&store, NOW, vec![intent("bad-1", &json!("text")), intent("good-1", &json!(1))]).await;
        assert_eq!(statuses, [IntentStatus::Rejected, IntentStatus::Applied]);
        assert_eq!(listed(store.telemetry(), 1).await, [("bad-1".to_owned(), EntryState::Poisoned)]);
        let page = store.telemetry().device_outbox(&client(1), None, &Position::Start, 10).await.expect("known");
        let row = &page.rows[0].entry;
        assert_eq!((row.collection.as_str(), row.record_id.as_str(), row.op.as_str()), ("readings", "R-1", "put"));
        let facts = store.telemetry().fleet_facts(NOW).await.expect("read");
        assert_eq!(
            facts.failures.iter().map(|g| (g.entries, g.devices, g.collection.as_str())).collect::<Vec<_>>(),
            [(1, 1, "readings")]
        );
        let found = store
            .telemetry()
            .devices_page(&filter("poisoned:>0"), DeviceSort::Worst, &Position::Start, 10, NOW)
            .await
            .expect("read");
        assert_eq!(found.rows.iter().map(|row| row.condition).collect::<Vec<_>>(), [Condition::Stuck]);
        store.close().await.expect("closes");
    }

    #[tokio::test]
    async fn one_attempt_is_told_once_whoever_speaks_of_it_first() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = ready(dir.path()).await;
        let telemetry = store.telemetry();
        let told_of = |at: Millis| {
            let error = ReportedError { code: "schema_invalid".into(), status: Some(422), message: None };
            let seen = OutboxEntry { error: Some(error), last_attempt_at: Some(at), ..entry("bad-1", EntryState::Poisoned, NOW) };
            outbox(false, 1, vec![seen])
        };
        push(&store, NOW, vec![intent("bad-1", &json!("text"))]).await;
        told(telemetry, "after", NOW.plus(1_000), told_of(NOW.plus(7))).await;
        let view = telemetry.outbox_entry(&client(1), "bad-1").await.expect("known");
        assert_eq!((view.row.entry.attempts, view.attempts.len()), (1, 1), "refused, then reported");
        // The report is written before the note of the answer that it speaks of.
        let mut report = report("first", NOW.plus(9_000));
        report.outbox = outbox(
            false,
            2,
            vec![
                told_of(NOW.plus(7)).expect("a digest").entries.remove(0),
                OutboxEntry { operation_id: "bad-2".into(), ..told_of(NOW.plus(8_000)).expect("a digest").entries.remove(0) },
            ],
        );
        telemetry.reports_ingest(&client(1), vec![report], NOW.plus(9_000)).await.expect("stored");
        push(&store, NOW.plus(8_000), vec![intent("bad-2", &json!("text"))]).await;
        let view = telemetry.outbox_entry(&client(1), "bad-2").await.expect("known");
        assert_eq!((view.row.entry.attempts, view.attempts.len()), (1, 1), "reported, then refused");
        store.close().await.expect("closes");
    }

    #[tokio::test]
    async fn a_refusal_stays_until_a_later_complete_digest_leaves_it_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = ready(dir.path()).await;
        let telemetry = store.telemetry();
        push(&store, NOW, vec![intent("bad-1", &json!("text"))]).await;
        told(telemetry, "before", NOW.plus(-1), outbox(false, 0, Vec::new())).await;
        assert_eq!(listed(telemetry, 1).await.len(), 1);
        // The device may still call it queued: the answer was final.
        // And having lost the answer it speaks of its link, which is not why it was refused.
        let link = ReportedError { code: "network".into(), status: None, message: Some("the link dropped".into()) };
        let seen = OutboxEntry { error: Some(link), ..entry("bad-1", EntryState::Queued, NOW) };
        told(telemetry, "same", NOW.plus(1_000), outbox(false, 1, vec![seen])).await;
        assert_eq!(listed(telemetry, 1).await, [("bad-1".to_owned(), EntryState::Poisoned)]);
        let page = telemetry.device_outbox(&client(1), None, &Position::Start, 10).await.expect("known");
        let codes: Vec<_> =
            page.rows.iter().filter_map(|row| row.entry.error.as_ref()).map(|error| error.code.as_str()).collect();
        assert_eq!(codes, ["schema_invalid"]);
        let view = telemetry.device_view(&client(1), NOW.plus(1_000)).await.expect("known");
        assert_eq!(view.row.condition_note, "1 rejected · schema_invalid");
        told(telemetry, "after", NOW.plus(2_000), outbox(false, 0, Vec::new())).await;
        assert!(listed(telemetry, 1).await.is_empty());
        store.close().await.expect("closes");
    }

    #[tokio::test]
    async fn an_answered_operation_leaves_the_mirror_before_the_next_report() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = ready(dir.path()).await;
        let telemetry = store.telemetry();
        let entries = vec![entry("good-1", EntryState::Queued, NOW), entry("good-2", EntryState::Queued, NOW)];
        told(telemetry, "1", NOW, outbox(false, 2, entries)).await;
        push(&store, NOW.plus(1_000), vec![intent("good-1", &json!(1))]).await;
        assert_eq!(listed(telemetry, 1).await, [("good-2".to_owned(), EntryState::Queued)]);
        let view = telemetry.device_view(&client(1), NOW.plus(1_000)).await.expect("known");
        assert_eq!(view.row.queue_depth, Some(1));
        store.close().await.expect("closes");
    }

    #[tokio::test]
    async fn an_answer_that_is_written_together_with_the_digest_before_it_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = ready(dir.path()).await;
        let telemetry = store.telemetry();
        // Known, with an empty outbox.
        told(telemetry, "1", NOW, outbox(false, 0, Vec::new())).await;
        let push = Push {
            client_id: client(1),
            sent_at: None,
            intents: vec![intent("good-1", &json!(1))],
            body_bytes: 100,
            terms: tidewatch_domain::sync::BatchTerms::default(),
        };
        let answer = store.sync().mutations_push(push, NOW.plus(2_000)).await.expect("answered");
        // One thread: the writer runs when this test waits, and finds both.
        let answered = Contact::PushAnswered { results: answer.results, took_ms: 2.0 };
        telemetry.contact_note(&client(1), NOW.plus(2_000), answered);
        told(telemetry, "2", NOW.plus(1_000), outbox(false, 1, vec![entry("good-1", EntryState::Queued, NOW)])).await;
        assert_eq!(listed(telemetry, 1).await, []);
        let view = telemetry.device_view(&client(1), NOW.plus(2_000)).await.expect("known");
        assert_eq!(view.row.queue_depth, Some(0));
        store.close().await.expect("closes");
    }

    #[tokio::test]
    async fn a_device_is_behind_until_it_has_pulled_and_diverged_only_with_another_digest() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = ready(dir.path()).await;
        let telemetry = store.telemetry();
        push(&store, NOW, vec![intent("good-1", &json!(1)), intent("good-2", &json!(2))]).await;
        // The first roll makes the device known, the next one measures it.
        telemetry.roll(NOW).await.expect("rolls");
        telemetry.roll(NOW.plus(1_000)).await.expect("rolls");
        let behind = telemetry.device_view(&client(1), NOW).await.expect("known").row.behind;
        assert_eq!(behind, Some(2));
        let head = store.sync().head();
        let pulled = Contact::Pulled { scopes: vec![Scope::parse("site:a").expect("a scope")], to: head, rows: 2, took_ms: 1.0 };
        telemetry.contact_note(&client(1), NOW.plus(1_000), pulled);
        telemetry.settle().await.expect("written");
        assert_eq!(telemetry.device_view(&client(1), NOW.plus(1_000)).await.expect("known").row.behind, Some(0));

        let (rows, digest): (i64, i64) = sqlx::query_as("select rows, digest from scope_digest")
            .fetch_one(&sync_file(dir.path()).await)
            .await
            .expect("one collection");
        let verdict = async |id: &str, at: Millis, digest: String| {
            let mut told = report(id, at);
            told.sync.cursors = vec![("site:a".to_owned(), head.to_string())];
            told.sync.digests = vec![tidewatch_domain::report::ReportedDigest {
                scope: "site:a".to_owned(),
                collection: "readings".to_owned(),
                rows,
                digest,
            }];
            told.outbox = outbox(false, 0, Vec::new());
            telemetry.reports_ingest(&client(1), vec![told], at).await.expect("stored");
            let view = telemetry.device_view(&client(1), at).await.expect("known");
            (view.row.condition, view.convergence.into_iter().map(|c| c.verdict).collect::<Vec<_>>())
        };
        use tidewatch_domain::fleet::ConvergenceVerdict as V;
        let same = format!("{:016x}", digest.cast_unsigned());
        assert_eq!(verdict("d1", NOW.plus(2_000), same.clone()).await, (Condition::Converged, vec![V::Identical(head)]));
        let differs = NOW.plus(3_000);
        assert_eq!(
            verdict("d2", differs, "0000000000000000".to_owned()).await,
            (Condition::Diverged, vec![V::Diverged(Some(differs))])
        );
        assert_eq!(verdict("d3", NOW.plus(4_000), "0000000000000001".to_owned()).await.1, [V::Diverged(Some(differs))]);
        assert_eq!(verdict("d4", NOW.plus(5_000), same).await.0, Condition::Converged);
        store.close().await.expect("closes");
    }

    async fn sync_file(dir: &Path) -> sqlx::SqlitePool {
        sqlx::SqlitePool::connect(&format!("sqlite://{}?mode=ro", dir.join("sync.db").display())).await.expect("opens")
    }
}
