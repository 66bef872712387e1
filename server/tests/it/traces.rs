//! Traces: what a request says of the trace that it belongs to stands in the log.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tidewatch_testkit::TestApp;
use tracing_subscriber::fmt;

/// What was logged.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no holder of this lock panics").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_names_the_trace_of_a_request_and_no_text_that_is_none() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let (lines, asked) = (Lines::default(), json!({"client_id": device.client_id, "operation_ids": []}).to_string());
    let writer = lines.clone();
    let logs =
        fmt().json().flatten_event(true).with_max_level(tracing::Level::DEBUG).with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(logs);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let sent = [
        format!("00-{trace}-b7ad6b7169203331-01"),
        format!("01-{trace}-b7ad6b7169203331-01-later"),
        format!("ff-{trace}-b7ad6b7169203331-01"),
        format!("00-{trace}-0000000000000000-01"),
        "00-00000000000000000000000000000000-b7ad6b7169203331-01".to_owned(),
        format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()),
        trace.to_owned(),
    ];
    for traceparent in &sent {
        let extra = [("content-type", "application/json"), ("traceparent", traceparent.as_str())];
        device.http().post_with("/mutations/status", &extra, asked.clone().into()).await.ok(200);
    }
    drop(guard);
    let text = String::from_utf8(lines.0.lock().expect("no holder of this lock panics").clone()).expect("text");
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    let requests = text.lines().map(read).filter(|line| line["route"] == "/mutations/status");
    let traces: Vec<Option<String>> = requests.map(|line| line["trace"].as_str().map(str::to_owned)).collect();
    let named = Some(trace.to_owned());
    assert_eq!(traces, [named.clone(), named, None, None, None, None, None]);
}
