//! Carries requests over HTTP. Knows nothing of what they mean: a request goes out once, and what comes back is handed on.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tidewatch_domain::time::SECOND_MS;

use crate::wire::{Purpose, Reply, Request};

/// Bodies above this size are compressed.
const COMPRESS_BYTES_MIN: usize = 1_024;
/// What shrinks to less than this part goes as it is.
const RATIO_MAX: usize = 50;
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One server, over HTTP. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: reqwest::Client,
    /// For bytes that are wanted as they were sent.
    raw: reqwest::Client,
    base: String,
}

impl HttpTransport {
    /// A transport to the server at this URL, e.g. `http://127.0.0.1:4600`.
    ///
    /// # Errors
    /// When TLS can not be set up.
    pub fn new(base: &str) -> reqwest::Result<Self> {
        let builder = || reqwest::Client::builder().timeout(TIMEOUT).pool_max_idle_per_host(16);
        let (client, raw) = (builder().build()?, builder().no_zstd().no_gzip().build()?);
        Ok(Self { client, raw, base: base.trim_end_matches('/').to_owned() })
    }

    /// Carries a request out, once.
    pub async fn send(&self, request: &Request) -> Reply {
        let started = Instant::now();
        let took_ms = || started.elapsed().as_secs_f64() * 1_000.0;
        match self.exchange(request).await {
            Ok(Came { status: status @ (200 | 206), bytes, .. }) if request.purpose == Purpose::SnapshotPart => {
                Reply::Bytes { status, bytes, took_ms: took_ms() }
            }
            Ok(Came { status, bytes, retry_after_ms }) => {
                // What was not read to its end is no JSON: whoever reads it takes it for no answer.
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                Reply::Answer { status, body, retry_after_ms, took_ms: took_ms() }
            }
            // The URL of an error can hold a cursor; the kind of failure is enough.
            Err(error) => Reply::Lost { detail: error.without_url().to_string() },
        }
    }

    async fn exchange(&self, request: &Request) -> reqwest::Result<Came> {
        let url = format!("{}{}", self.base, request.path);
        let mut outgoing = match &request.body {
            None if request.purpose == Purpose::SnapshotPart => part_of(self.raw.get(url), request),
            None => self.client.get(url),
            Some(body) if request.purpose == Purpose::Escrow => {
                self.client.post(url).header("content-type", "application/x-ndjson").body(body.clone())
            }
            Some(body) => {
                let kind = if request.purpose.is_lines() { "application/x-ndjson" } else { "application/json" };
                with_body(self.client.post(url).header("content-type", kind), body)
            }
        };
        outgoing = outgoing.header("sync-protocol", "1").header("sync-schema", request.schema_version);
        if let Some(client_id) = &request.client_id {
            outgoing = outgoing.header("sync-client", client_id);
        }
        if let Some(token) = &request.bearer {
            outgoing = outgoing.bearer_auth(token);
        }
        let mut incoming = outgoing.send().await?;
        let status = incoming.status().as_u16();
        let retry_after_ms = incoming.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
        let mut bytes = Vec::new();
        loop {
            match incoming.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                // What has come of a part is not asked for again.
                Err(_) if request.purpose == Purpose::SnapshotPart => break,
                Err(error) => return Err(error),
            }
            if bytes.len() > ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok(Came { status, bytes, retry_after_ms: retry_after_ms.map(|seconds| seconds.saturating_mul(SECOND_MS)) })
    }
}

/// What came back.
struct Came {
    status: u16,
    bytes: Vec<u8>,
    retry_after_ms: Option<i64>,
}

/// Asks for compressed bytes as they are, from where the last answer broke off.
fn part_of(outgoing: reqwest::RequestBuilder, request: &Request) -> reqwest::RequestBuilder {
    let outgoing = outgoing.header("accept-encoding", "zstd");
    match &request.range {
        Some((from, sha256)) => outgoing.header("range", format!("bytes={from}-")).header("if-range", format!("\"{sha256}\"")),
        None => outgoing,
    }
}

fn with_body(outgoing: reqwest::RequestBuilder, body: &str) -> reqwest::RequestBuilder {
    if body.len() <= COMPRESS_BYTES_MIN {
        return outgoing.body(body.to_owned());
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(body.as_bytes()).and_then(|()| encoder.finish());
    match packed {
        // A server takes what grows to more than a hundred times its size for a bomb.
        Ok(packed) if body.len() / packed.len().max(1) < RATIO_MAX => outgoing.header("content-encoding", "gzip").body(packed),
        _ => outgoing.body(body.to_owned()),
    }
}

#[cfg(test)]
mod tests;
