//! What a server writes down with `--capture`, `tidewatch replay` decides the same way.

use serde_json::json;
use tidewatch_server::capture;
use tidewatch_testkit::{TestApp, intent};

#[tokio::test]
async fn a_captured_log_is_decided_again_the_same_way_and_under_another_policy_another_way() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("one").await, app.device("two").await);
    one.push(&[intent("before", "n-1", "create", json!({"text": "a", "mark": 1}))]).await.ok(200);
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("capture.ndjson");
    let writing = capture::start(app.state(), &file).await.expect("begins");
    assert!(capture::start(app.state(), &file).await.is_err(), "no file is written over");
    one.push(&[intent("op-1", "n-1", "update", json!({"text": "b"})), intent("op-2", "n-2", "create", json!({"text": "c"}))])
        .await
        .ok(200);
    two.push(&[intent("op-3", "n-1", "update", json!({"text": "z", "mark": 2})), intent("op-4", "n-9", "update", json!({}))])
        .await
        .ok(200);
    two.push(&[intent("op-3", "n-1", "update", json!({"text": "z", "mark": 2}))]).await.ok(200);
    let lww = r#"[{"name":"notes","policy":{"kind":"manual_review","always":true}}]"#;
    app.service().collections_import(&app.state().system_cx(), lww).await.expect("imported");
    two.push(&[intent("op-5", "n-1", "update", json!({"mark": 3}))]).await.ok(200);
    // Somebody else watches from now on, so this capture has seen everything it will see.
    drop(app.service().capture());
    writing.await.expect("no panic").expect("written");
    let same = capture::replay(&file, None).expect("a capture");
    assert_eq!((same.groups, same.intents, same.differences.as_slice(), same.other_logs), (4, 6, [].as_slice(), 0));
    let other = capture::replay(&file, Some(2)).expect("a capture");
    let ids: Vec<&str> = other.differences.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(ids, ["op-1", "op-3"], "{:#?}", other.differences);
    assert!(other.differences[0].contains("-> conflict (version_conflict)"), "{}", other.differences[0]);
}
