//! `POST /control/escrow`: intents that the device hands over, a line each. Read as it comes, kept in chunks: whatever was kept when the
//! connection broke is a duplicate when it comes again.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use futures::StreamExt as _;
use tidewatch_protocol::limits::{ESCROW_BYTES_MAX, ESCROW_INTENT_BYTES_MAX, ESCROW_LINES_MAX};
use tidewatch_protocol::v1::control::escrow_line_read;
use tidewatch_protocol::v1::{EscrowAnswered, EscrowRefused};
use tidewatch_protocol::{Code, Problem};
use tidewatch_service::fleet::Contact;
use tidewatch_store::sync::EscrowLine;

use crate::api::error::{Answer, Refusal};
use crate::api::query::Params;
use crate::gate::Device;
use crate::state::App;

/// Lines, and bytes, that are kept at once.
const CHUNK_LINES: usize = 200;
const CHUNK_BYTES: usize = 1_024 * 1_024;
/// Longest line: an intent, and what the device says of it.
const LINE_BYTES_MAX: usize = ESCROW_INTENT_BYTES_MAX + 8 * 1_024;
/// An upload that says nothing for so long gives its place away.
const PATIENCE: Duration = Duration::from_secs(30);
/// Refusals that are spelled out; beyond them the upload ends.
const REFUSED_MAX: usize = 1_000;

/// Keeps intents without applying them.
#[utoipa::path(post, path = "/control/escrow", tag = "control", security(("device" = [])),
    params(("command" = Option<String>, Query, description = "The command under which they come")),
    request_body(content = String, content_type = "application/x-ndjson",
        description = "A line each: `{\"intent\": {…}, \"state\": \"poisoned\", \"error\": {\"code\", \"message\"}}`; at most 64 MiB and 20,000 lines, an intent at most 4 MiB, not compressed"),
    responses((status = 200, body = EscrowAnswered), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn escrow_put(State(app): State<App>, device: Device, request: Request) -> Answer<Json<EscrowAnswered>> {
    let mut params = Params::of(request.uri())?;
    let command = params.take("command");
    params.done()?;
    headers_check(request.headers())?;
    app.service().contact_note(&device.client_id, device.cx.now, Contact::Seen);
    let _place = app.streams().escrow_places.clone().try_acquire_owned().map_err(|_| {
        Refusal::from(Problem::new(Code::RateLimited).detail("too many devices upload; try again").retry_after_ms(5_000))
    })?;
    let (waiting, answer) = (Vec::new(), EscrowAnswered::default());
    let upload = Upload { app, device, command, line: 0, waiting, bytes: 0, last: None, answer };
    upload.read(request.into_body()).await.map(Json)
}

fn headers_check(headers: &HeaderMap) -> Answer<()> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/x-ndjson" {
        return Err(Refusal::new(Code::MediaTypeUnsupported, "send application/x-ndjson"));
    }
    if !matches!(text(header::CONTENT_ENCODING), "" | "identity") {
        return Err(Refusal::new(Code::EncodingUnsupported, "send the body as it is"));
    }
    let announced = text(header::CONTENT_LENGTH).parse::<usize>().unwrap_or(0);
    if announced > ESCROW_BYTES_MAX { Err(too_large()) } else { Ok(()) }
}

fn too_large() -> Refusal {
    let detail = format!("an upload has at most {ESCROW_BYTES_MAX} bytes; what came before is kept, send the rest by itself");
    Refusal::new(Code::BodyTooLarge, detail)
}

/// An upload under way.
struct Upload {
    app: App,
    device: Device,
    command: Option<String>,
    /// Lines so far.
    line: u64,
    /// Read, and not kept yet.
    waiting: Vec<(u64, EscrowLine)>,
    bytes: usize,
    /// The last line that was kept, when it belongs to a group: that may go on.
    last: Option<EscrowLine>,
    answer: EscrowAnswered,
}

impl Upload {
    async fn read(mut self, body: Body) -> Answer<EscrowAnswered> {
        let (mut stream, mut rest, mut total) = (body.into_data_stream(), Vec::new(), 0_usize);
        let ended = || Refusal::new(Code::JsonInvalid, "the body ended early; what came is kept");
        while let Some(part) = tokio::time::timeout(PATIENCE, stream.next()).await.map_err(|_| ended())? {
            let part: Bytes = part.map_err(|_| ended())?;
            total += part.len();
            if total > ESCROW_BYTES_MAX {
                self.keep().await?;
                return Err(too_large());
            }
            for piece in part.split_inclusive(|byte| *byte == b'\n') {
                // A line that is too long is cut here, and refused when its end comes.
                let room = (LINE_BYTES_MAX + 1).saturating_sub(rest.len());
                rest.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.ends_with(b"\n") {
                    self.line(&std::mem::take(&mut rest)).await?;
                }
            }
        }
        if !rest.is_empty() {
            self.line(&rest).await?;
        }
        self.keep().await?;
        Ok(self.answer)
    }

    async fn line(&mut self, bytes: &[u8]) -> Answer<()> {
        self.line += 1;
        if bytes.trim_ascii().is_empty() {
            return Ok(());
        }
        if self.line > ESCROW_LINES_MAX as u64 || self.answer.refused.len() >= REFUSED_MAX {
            self.keep().await?;
            let detail = format!("at most {ESCROW_LINES_MAX} lines, and {REFUSED_MAX} refusals; what came before is kept");
            return Err(Refusal::new(Code::BatchTooLarge, detail));
        }
        if bytes.len() > LINE_BYTES_MAX {
            self.refuse(None, Code::RecordTooLarge.as_str(), format!("a line has at most {LINE_BYTES_MAX} bytes"));
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.refuse(None, Code::JsonInvalid.as_str(), "the line is not UTF-8".to_owned());
            return Ok(());
        };
        match escrow_line_read(text.trim()) {
            Ok(read) => {
                self.bytes += read.intent.len();
                let operation_id = read.operation_id.into_string();
                let line = EscrowLine { operation_id, intent: read.intent, error: read.error, held: read.held };
                self.waiting.push((self.line, line));
            }
            Err((operation_id, code, error)) => self.refuse(operation_id, code.as_str(), error.to_string()),
        }
        if self.waiting.len() >= CHUNK_LINES || self.bytes >= CHUNK_BYTES { self.keep().await } else { Ok(()) }
    }

    fn refuse(&mut self, operation_id: Option<String>, code: &str, detail: String) {
        self.answer.refused.push(EscrowRefused { line: self.line, operation_id, code: code.to_owned(), detail });
    }

    /// Keeps what waits; durable when it returns.
    async fn keep(&mut self) -> Answer<()> {
        let (numbers, lines): (Vec<u64>, Vec<EscrowLine>) = std::mem::take(&mut self.waiting).into_iter().unzip();
        self.bytes = 0;
        if lines.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = lines.iter().map(|line| line.operation_id.clone()).collect();
        // A group may go on across stretches: the last line of the one before comes once more, and is known by then.
        let before = self.last.take();
        let again = u64::from(before.is_some());
        let last = lines.last().filter(|line| line.intent.contains("\"group\"")).cloned();
        let lines = before.into_iter().chain(lines).collect();
        let (kept, settled) = self.app.service().escrow_put(&self.device.cx, self.command.as_deref(), lines).await?;
        self.answer.stored += kept.stored;
        self.answer.duplicates += kept.duplicates.saturating_sub(again);
        let refused = |line: &EscrowLine| kept.refused.iter().any(|(operation_id, ..)| *operation_id == line.operation_id);
        self.last = last.filter(|line| !refused(line));
        self.answer.settled.extend(settled);
        for (operation_id, code, detail) in kept.refused {
            let at = ids.iter().position(|id| *id == operation_id).and_then(|at| numbers.get(at)).copied().unwrap_or(self.line);
            let operation_id = Some(operation_id);
            self.answer.refused.push(EscrowRefused { line: at, operation_id, code: code.to_owned(), detail });
        }
        Ok(())
    }
}
