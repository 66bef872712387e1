//! What crosses the network, and how answers are read: tolerant of unknown members, strict about unknown meanings.
//!
//! Requests carry JSON text, because an intent travels in the very bytes it was frozen in. An unknown status or feed
//! operation is read as unknown, and whoever reads it must stop: it is never taken for success (`protocol.md` 2.1).

mod fill;
mod snapshot;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidewatch_domain::sync::Body;
use tidewatch_domain::time::Millis;

pub use self::fill::{Fill, FillPage, read_fills};
pub use self::snapshot::{Manifest, ManifestPart, read_lines, read_manifest};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// `POST /clients`.
    Register,
    /// A new pair of tokens.
    Refresh,
    /// `POST /mutations`.
    Push,
    /// `GET /changes`.
    Pull,
    /// `GET /snapshots`: a prebuilt snapshot of a scope.
    Snapshot,
    /// A part of one: compressed lines.
    SnapshotPart,
    /// `GET /changes`, of one scope only.
    ScopeScan,
    /// `POST /records/backfill`.
    Backfill,
    /// `POST /telemetry`.
    Report,
    /// `GET /control/keys`.
    ControlKeys,
    /// `GET /control/commands`.
    Commands,
    /// `POST /control/commands/{id}/status`.
    CommandStatus,
    /// `POST /control/escrow`.
    Escrow,
    /// `POST /control/logs`.
    Logs,
}

impl Purpose {
    /// Whether it belongs to the control channel, which knows nothing of the state of the sync.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::ControlKeys | Self::Commands | Self::CommandStatus | Self::Escrow | Self::Logs)
    }

    /// Whether its body is lines of JSON.
    #[must_use]
    pub const fn is_lines(self) -> bool {
        matches!(self, Self::Escrow | Self::Logs)
    }
}

/// A request to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What for.
    pub purpose: Purpose,
    /// Path and query; every value in it is in a URL-safe alphabet.
    pub path: String,
    /// Bearer token, if any.
    pub bearer: Option<String>,
    /// Who asks, once it knows.
    pub client_id: Option<String>,
    /// Schema version of the local database.
    pub schema_version: i64,
    /// JSON text to POST, lines of it for [`Purpose::Escrow`] and [`Purpose::Logs`]; without it the request is a GET.
    pub body: Option<String>,
    /// From which byte on, and the digest of the whole that the bytes before belong to; only for [`Purpose::SnapshotPart`].
    pub range: Option<(u64, String)>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// An answer, complete.
    Answer {
        /// HTTP status.
        status: u16,
        /// The JSON body; null when there was none, or when it was no JSON.
        body: Value,
        /// `Retry-After`.
        retry_after_ms: Option<i64>,
        /// Round trip.
        took_ms: f64,
    },
    /// Bytes of a part of a snapshot, as they were sent; perhaps not all of them.
    Bytes {
        /// HTTP status: 200, or 206 when they are the rest that was asked for.
        status: u16,
        /// As far as they came.
        bytes: Vec<u8>,
        /// Round trip.
        took_ms: f64,
    },
    /// No answer, or half of one. The request may have been carried out.
    Lost {
        /// What was seen of the failure.
        detail: String,
    },
}

/// A failure as reports show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Problem code.
    pub code: String,
    /// HTTP status.
    pub status: Option<u16>,
    /// Words, at most 200 characters.
    pub message: String,
}

impl Failure {
    /// Of a problem document; a body that is none is named by its status.
    #[must_use]
    pub fn of_problem(body: &Value, status: Option<u16>) -> Self {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let own = body.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        let code = text("code").map_or_else(|| format!("http_{}", status.unwrap_or(0)), str::to_owned);
        let message = text("detail").or(text("title")).unwrap_or("no detail given").chars().take(200).collect();
        Self { code, status: own.or(status), message }
    }

    /// Of a request that got no answer.
    #[must_use]
    pub fn of_network(detail: &str) -> Self {
        Self { code: "network".into(), status: None, message: detail.chars().take(200).collect() }
    }
}

/// Meaning of a result's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultStatus {
    /// In the log.
    Applied,
    /// In the log after a merge.
    Merged,
    /// Lost against a newer write.
    Superseded,
    /// Needs a decision; final for this operation.
    Conflict,
    /// Refused for good.
    Rejected,
    /// Not decided yet: `deferred`, and a replica's `queued`.
    Deferred,
    /// A word this client does not know.
    Unknown(String),
}

impl ResultStatus {
    fn read(text: &str) -> Self {
        match text {
            "applied" => Self::Applied,
            "merged" => Self::Merged,
            "superseded" => Self::Superseded,
            "conflict" => Self::Conflict,
            "rejected" => Self::Rejected,
            "deferred" | "queued" => Self::Deferred,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// As the wire writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Applied => "applied",
            Self::Merged => "merged",
            Self::Superseded => "superseded",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Deferred => "deferred",
            Self::Unknown(word) => word,
        }
    }
}

/// The answer to one intent.
#[derive(Clone, Debug, PartialEq)]
pub struct PushResult {
    /// Which.
    pub operation_id: String,
    /// What became of it.
    pub status: ResultStatus,
    /// The stored answer of an earlier send.
    pub replayed: bool,
    /// Nothing changed, so the log has no row of it.
    pub noop: bool,
    /// Position.
    pub seq: Option<i64>,
    /// Version of the record.
    pub version: Option<i64>,
    /// Full post-image.
    pub record: Option<Body>,
    /// Names of the fields that gave way.
    pub lost: Vec<String>,
    /// Entry of the conflicts log.
    pub conflict_id: Option<String>,
    /// Why not.
    pub problem: Option<Failure>,
    /// When to send it again.
    pub retry_after_ms: Option<i64>,
}

/// Reads the results of a push; `None` when the body has none.
#[must_use]
pub fn read_results(body: &Value) -> Option<Vec<PushResult>> {
    body.get("results")?.as_array()?.iter().map(read_result).collect()
}

fn read_result(result: &Value) -> Option<PushResult> {
    let text = |name: &str| result.get(name).and_then(Value::as_str).map(str::to_owned);
    let problem = result.get("problem").filter(|problem| !problem.is_null());
    Some(PushResult {
        operation_id: text("operation_id")?,
        status: ResultStatus::read(result.get("status")?.as_str()?),
        replayed: result.get("replayed").and_then(Value::as_bool).unwrap_or(false),
        noop: result.get("noop").and_then(Value::as_bool).unwrap_or(false),
        seq: result.get("seq").and_then(Value::as_i64),
        version: result.get("version").and_then(Value::as_i64),
        record: result.get("record").and_then(Value::as_object).cloned(),
        lost: names(result.pointer("/resolution/lost")),
        conflict_id: text("conflict_id"),
        problem: problem.map(|problem| Failure::of_problem(problem, None)),
        retry_after_ms: problem.and_then(|problem| problem.get("retry_after_ms")).and_then(Value::as_i64),
    })
}

fn names(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What a feed row does to the local database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum RowOp {
    /// The full body, replaced.
    Put {
        /// The body.
        body: Body,
    },
    /// Fields over what is there.
    Patch {
        /// Names of all touched fields; one without a value was removed.
        changed: Vec<String>,
        /// Their values.
        fields: Body,
    },
    /// The record is deleted.
    Delete,
    /// The local copy goes; the record lives on elsewhere.
    Evict,
    /// Everything of the scope goes.
    Revoke,
    /// The scope is open from now on: what is in it lies behind the cursor.
    Grant,
    /// Something waits beside the record.
    Conflict {
        /// Entry of the conflicts log.
        conflict_id: String,
    },
    /// It is settled.
    Resolved {
        /// Entry of the conflicts log.
        conflict_id: String,
    },
    /// Known, and without effect on the local database.
    Nothing,
}

/// One row of the feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Position.
    pub seq: i64,
    /// Collection and record; empty for rows about a scope.
    pub key: (String, String),
    /// Scope.
    pub scope: String,
    /// Version of the record.
    pub version: i64,
    /// Operation that made it.
    pub operation_id: String,
    /// What it does.
    #[serde(flatten)]
    pub op: RowOp,
}

/// One page of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Where the next one starts.
    pub cursor: String,
    /// More rows are there now.
    pub has_more: bool,
    /// Whether a compact scan is complete.
    pub complete: bool,
    /// Rows, by position.
    pub rows: Vec<Row>,
}

/// Why a page was not readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageError {
    /// Not a page at all: as good as no answer.
    Broken,
    /// A feed operation this client does not know.
    UnknownOp(String),
}

/// Reads a page.
///
/// # Errors
/// See [`PageError`].
pub fn read_page(body: &Value) -> Result<Page, PageError> {
    let rows = body.get("changes").and_then(Value::as_array).ok_or(PageError::Broken)?;
    let cursor = body.get("cursor").and_then(Value::as_str).ok_or(PageError::Broken)?.to_owned();
    let has_more = body.get("has_more").and_then(Value::as_bool).ok_or(PageError::Broken)?;
    // A scan that begins at the head is a normal page already.
    let complete = body.pointer("/snapshot/complete").and_then(Value::as_bool).unwrap_or(!has_more);
    Ok(Page { cursor, has_more, complete, rows: rows.iter().map(read_row).collect::<Result<_, _>>()? })
}

fn read_row(row: &Value) -> Result<Row, PageError> {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let seq = row.get("seq").and_then(Value::as_i64).ok_or(PageError::Broken)?;
    let fields = || row.get("fields").and_then(Value::as_object).cloned().ok_or(PageError::Broken);
    let op = match row.get("op").and_then(Value::as_str).ok_or(PageError::Broken)? {
        "create" | "put" => RowOp::Put { body: fields()? },
        "update" => match row.get("changed").filter(|changed| changed.is_array()) {
            Some(changed) => RowOp::Patch { changed: names(Some(changed)), fields: fields()? },
            None => RowOp::Put { body: fields()? },
        },
        "delete" => RowOp::Delete,
        "evict" => RowOp::Evict,
        "revoke" => RowOp::Revoke,
        "grant" => RowOp::Grant,
        "conflict" => RowOp::Conflict { conflict_id: text("conflict_id") },
        "resolved" => RowOp::Resolved { conflict_id: text("conflict_id") },
        "schema" => RowOp::Nothing,
        other => return Err(PageError::UnknownOp(other.to_owned())),
    };
    let version = row.get("version").and_then(Value::as_i64).unwrap_or(0);
    Ok(Row {
        seq,
        key: (text("collection"), text("record_id")),
        scope: text("scope"),
        version,
        operation_id: text("operation_id"),
        op,
    })
}

/// The server's clock in an answer.
#[must_use]
pub fn server_time(body: &Value) -> Option<Millis> {
    Millis::parse_rfc3339(body.get("server_time")?.as_str()?)
}
