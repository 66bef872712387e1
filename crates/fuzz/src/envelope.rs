//! Bodies of requests: each is read or refused with a client's error, twice the same, an intent in it stays the text that it was, and log
//! lines come back as they were.

use tidewatch_domain::control::LOG_LINES_MAX;
use tidewatch_domain::sync::Intent;
use tidewatch_protocol::limits::MUTATIONS_MAX;
use tidewatch_protocol::problem::Problem;
use tidewatch_protocol::strict;
use tidewatch_protocol::v1::control::{log_lines_read, log_lines_written};
use tidewatch_protocol::v1::mutations::push_read;
use tidewatch_protocol::v1::{clients, status, telemetry};

pub(crate) fn feed(bytes: &[u8]) {
    refused(status::status_read(bytes).err().as_ref());
    refused(clients::client_read(bytes).err().as_ref());
    refused(telemetry::telemetry_read(bytes).err().as_ref());
    lines(bytes);
    let read = push_read(bytes);
    refused(read.as_ref().err());
    assert_eq!(push_read(bytes), read, "the same bytes are the same batch");
    let Ok(read) = read else { return };
    assert!(read.push.intents.len() <= MUTATIONS_MAX);
    assert_eq!(read.push.body_bytes, bytes.len());
    let body = std::str::from_utf8(bytes).expect("a body that was read is text");
    for intent in &read.push.intents {
        kept(intent, body);
    }
    alone(&read.push.intents, read.push.client_id.as_str());
}

/// Lines of a log are within their limit and come back as they were.
fn lines(bytes: &[u8]) {
    let read = log_lines_read(bytes);
    refused(read.as_ref().err());
    let Ok(read) = read else { return };
    assert!(read.len() <= LOG_LINES_MAX);
    assert_eq!(log_lines_read(log_lines_written(&read).as_bytes()), Ok(read));
}

/// A refusal is the client's fault and says why.
fn refused(problem: Option<&Problem>) {
    if let Some(problem) = problem {
        assert!((400..500).contains(&problem.status), "{problem:?}");
    }
}

fn kept(intent: &Intent, body: &str) {
    let raw = match intent {
        Intent::Valid(mutation) => {
            assert!(strict::parse(&mutation.raw).is_ok(), "what is valid is strict JSON");
            assert!((1..=5).contains(&mutation.priority));
            &mutation.raw
        }
        Intent::Invalid { raw, problem, .. } => {
            assert!((400..500).contains(&problem.status), "{problem:?}");
            raw
        }
    };
    assert!(body.contains(raw.as_str()), "an intent is kept as it came");
}

/// An intent is read on its own: in a batch without the others it keeps its id.
fn alone(intents: &[Intent], client_id: &str) {
    for intent in intents.iter().take(4) {
        let (id, raw) = match intent {
            Intent::Valid(mutation) => (&mutation.operation_id, &mutation.raw),
            Intent::Invalid { operation_id, raw, .. } => (operation_id, raw),
        };
        let body = format!("{{\"protocol\":1,\"client_id\":\"{client_id}\",\"mutations\":[{raw}]}}");
        let read = push_read(body.as_bytes()).expect("a batch of one intent with a readable id");
        let ids: Vec<_> = read.push.intents.iter().map(Intent::operation_id).collect();
        assert_eq!(ids, [id]);
    }
}
