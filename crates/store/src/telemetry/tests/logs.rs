//! Log lines that a command asked for: kept once, on the disk, and the last few of each device.

use tidewatch_domain::control::{LOG_UPLOADS_KEPT, LogLevel, LogLine, LogsHeld};

use super::*;

fn line(n: i64) -> LogLine {
    let level = LogLevel::ALL[usize::try_from(n).expect("small") % LogLevel::ALL.len()];
    LogLine { at: NOW.plus(n), level, target: "sync.push".to_owned(), message: format!("line \"{n}\" · é") }
}

fn upload(device: u32, command: &str, lines: i64) -> LogUpload {
    LogUpload {
        client_id: client(device),
        command: command.to_owned(),
        lines: (0..lines).map(line).collect(),
        begins: Some(NOW.plus(-5)),
        dropped: 3,
    }
}

#[tokio::test]
async fn lines_come_back_as_they_were_and_the_first_upload_of_a_command_stands() {
    let dir = tempfile::tempdir().expect("a folder");
    let opened = store(dir.path()).await;
    let telemetry = opened.telemetry();
    assert_eq!(telemetry.logs_held("c-1").await.expect("read"), None);
    let (held, before) = telemetry.logs_put(upload(1, "c-1", 7), NOW).await.expect("stored");
    assert_eq!(held, LogsHeld { lines: 7, bytes: held.bytes, begins: Some(NOW.plus(-5)), dropped: 3, stored: NOW });
    assert!(!before);
    let again = telemetry.logs_put(upload(1, "c-1", 2), NOW.plus(9)).await.expect("stored");
    assert_eq!(again, (held, true), "a repeat changes nothing");
    telemetry.logs_put(upload(1, "c-2", 0), NOW).await.expect("a log may be empty");
    opened.close().await.expect("closes");

    let opened = store(dir.path()).await;
    let telemetry = opened.telemetry();
    assert_eq!(telemetry.logs_lines("c-1").await.expect("read"), Some((0..7).map(line).collect()));
    assert_eq!(telemetry.logs_lines("c-2").await.expect("read"), Some(Vec::new()));
    assert_eq!(telemetry.logs_lines("c-3").await.expect("read"), None);
    opened.close().await.expect("closes");
}

#[tokio::test]
async fn an_upload_too_many_costs_its_device_the_oldest_and_no_other_device_any() {
    let dir = tempfile::tempdir().expect("a folder");
    let opened = store(dir.path()).await;
    let telemetry = opened.telemetry();
    telemetry.logs_put(upload(2, "other", 1), NOW).await.expect("stored");
    for n in 0..=LOG_UPLOADS_KEPT {
        telemetry.logs_put(upload(1, &format!("c-{n}"), 1), NOW).await.expect("stored");
    }
    let mut kept = Vec::new();
    for n in 0..=LOG_UPLOADS_KEPT {
        if telemetry.logs_held(&format!("c-{n}")).await.expect("read").is_some() {
            kept.push(n);
        }
    }
    assert_eq!(kept, (1..=LOG_UPLOADS_KEPT).collect::<Vec<_>>());
    assert!(telemetry.logs_held("other").await.expect("read").is_some());
    opened.close().await.expect("closes");
}

#[tokio::test]
async fn statements_about_logs_read_no_whole_table() {
    let dir = tempfile::tempdir().expect("a folder");
    let opened = store(dir.path()).await;
    for text in [
        super::super::logs::LOGS_ADD,
        super::super::logs::LOGS_TRIM,
        super::super::logs::LOGS_HELD,
        super::super::logs::LOGS_BODY,
    ] {
        let text = format!("explain query plan {text}");
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(text.clone()))
            .fetch_all(&opened.telemetry().database.readers)
            .await
            .expect("prepared");
        assert!(plan.iter().all(|(.., line)| !line.starts_with("SCAN")), "{text}: {plan:?}");
    }
    opened.close().await.expect("closes");
}
