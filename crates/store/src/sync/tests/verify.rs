//! Verification finds each way in which a file can be tampered with.

use sqlx::{Connection as _, SqliteConnection};

use super::*;

async fn filled(dir: &Path) -> Store {
    let store = store(dir).await;
    for n in 0..6 {
        push(&store, 1, vec![intent(&format!("op-{n}"), MutationOp::Put, "assets", &format!("a-{}", n % 4), json!({"n": n}))])
            .await;
    }
    let gone = Mutation { base: Base::Version(Version(2)), ..intent("op-del", MutationOp::Delete, "assets", "a-1", json!({})) };
    assert_eq!(push(&store, 1, vec![gone]).await[0].status, IntentStatus::Applied);
    let audit = |action| tidewatch_domain::audit::AuditEntry {
        at: NOW,
        actor: "system".to_owned(),
        action,
        subject: None,
        before: None,
        after: None,
        trace_id: None,
    };
    store.sync().audit_append(vec![audit("store_open"), audit("store_check")]).await.expect("appended");
    store
}

#[tokio::test]
async fn what_the_engine_wrote_is_sound() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = filled(dir.path()).await;
    let report = store.verify().await.expect("verified");
    assert_eq!(report.findings, Vec::<String>::new());
    assert_eq!((report.changes, report.records, report.audit_events), (8, 4, 2));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn whatever_is_changed_behind_the_engine_is_found() {
    let cases = [
        (
            "drop trigger changes_never_updated; update changes set fields = '{\"n\":9}' where seq = 3",
            "change 3 does not match its digest",
        ),
        (
            "drop trigger changes_never_updated; update changes set committed_ms = 1 where seq = 4",
            "change 4 does not match its digest",
        ),
        ("drop trigger changes_never_deleted; delete from changes where seq = 5", "positions 5 to 5 are missing from the log"),
        ("update records set version = 9 where record_id = 'a-2'", "record a-2 is not as the log says"),
        ("delete from records where record_id = 'a-2'", "the log has 4 records, the projection 3"),
        ("update records set conflicted = 1 where record_id = 'a-3'", "record a-3 and its open conflicts disagree"),
        ("update scope_digest set digest = digest + 1", "the digests of scopes are not those of their records"),
        (
            "drop trigger audit_events_never_updated; update audit_events set actor = 'user:eve' where id = 1",
            "the audit chain breaks at row 1",
        ),
        ("drop trigger audit_events_never_deleted; delete from audit_events where id = 1", "audit rows 1 to 1 are missing"),
    ];
    for (tampering, wanted) in cases {
        let dir = tempfile::tempdir().expect("a folder");
        filled(dir.path()).await.close().await.expect("closes");
        let url = format!("sqlite://{}", dir.path().join("sync.db").display());
        let mut connection = SqliteConnection::connect(&url).await.expect("opens");
        sqlx::raw_sql(tampering).execute(&mut connection).await.expect(tampering);
        connection.close().await.expect("closes");
        let store = Store::open(dir.path(), StoreOptions::new(NOW, 7)).await.expect("opens");
        let report = store.verify().await.expect("verified");
        assert!(report.findings.iter().any(|finding| finding == wanted), "{tampering}: {:?}", report.findings);
        assert!(!report.is_sound());
        store.close().await.expect("closes");
    }
}

#[tokio::test]
async fn the_log_refuses_to_be_changed() {
    let dir = tempfile::tempdir().expect("a folder");
    filled(dir.path()).await.close().await.expect("closes");
    let url = format!("sqlite://{}", dir.path().join("sync.db").display());
    let mut connection = SqliteConnection::connect(&url).await.expect("opens");
    for statement in [
        "update changes set version = 2 where seq = 2",
        "delete from changes where seq = 2",
        "update audit_events set actor = 'x'",
        "delete from audit_events",
        "update policy_revs set policy = '{}'",
        "delete from epochs",
    ] {
        let refused = sqlx::query(statement).execute(&mut connection).await.expect_err(statement).to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    connection.close().await.expect("closes");
}
