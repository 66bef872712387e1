//! A server-sent event stream, read event by event.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use futures::StreamExt as _;
use http::StatusCode;
use serde_json::Value;

/// Nothing in a test takes this long; whoever waits longer waits for something that does not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its id, empty when it has none.
    pub id: String,
    /// Its data.
    pub data: Value,
}

/// An open stream.
#[derive(Debug)]
pub struct Events {
    /// Status of the answer.
    pub status: StatusCode,
    body: BodyDataStream,
    buffer: String,
}

impl Events {
    pub(crate) fn new(response: Response<Body>) -> Self {
        Self { status: response.status(), body: response.into_body().into_data_stream(), buffer: String::new() }
    }

    /// The next event; `None` when the stream has ended.
    ///
    /// # Panics
    /// When nothing comes for ten seconds.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let text: String = self.buffer.drain(..end + 2).collect();
                if let Some(event) = read(&text) {
                    return Some(event);
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("an event comes in time")?;
            self.buffer.push_str(&String::from_utf8_lossy(&chunk.expect("the stream is whole")));
        }
    }
}

fn read(text: &str) -> Option<Event> {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim_start)).unwrap_or_default()
    };
    let name = field("event");
    let data = serde_json::from_str(field("data")).unwrap_or(Value::Null);
    (!name.is_empty()).then(|| Event { name: name.to_owned(), id: field("id").to_owned(), data })
}
