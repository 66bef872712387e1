//! Problems (RFC 9457): one list of codes, with the status, the title and the advice that go with each.
//!
//! The same codes stand in problem answers and, per intent, in the results of a batch.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tidewatch_domain::sync::{BatchRefusal, IntentProblem};

/// Content type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $retryable:literal, $title:literal;)*) => {
        /// What went wrong, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As the wire writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// HTTP status it stands for.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whether the same request may be sent again.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)* }
            }

            /// In words, for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The body is JSON, but not what this route takes.
    EnvelopeInvalid = "envelope_invalid", 400, false, "The request has the wrong shape";
    /// The body is not JSON.
    JsonInvalid = "json_invalid", 400, false, "The body is not valid JSON";
    /// A query parameter is unknown or has a bad value.
    QueryInvalid = "query_invalid", 400, false, "A query parameter is unknown or has a bad value";
    /// A header is missing or has a bad value.
    HeaderInvalid = "header_invalid", 400, false, "A header is missing or has a bad value";
    /// Shape or check sum of a cursor.
    CursorMalformed = "cursor_malformed", 400, false, "The cursor is malformed";
    /// No credential, or one of another kind.
    CredentialRequired = "credential_required", 401, false, "This route needs another credential";
    /// The token is unknown or revoked.
    TokenInvalid = "token_invalid", 401, false, "The token is not known here";
    /// The token has ended.
    TokenExpired = "token_expired", 401, true, "The token has expired";
    /// The signature is missing, malformed or wrong.
    SignatureInvalid = "signature_invalid", 401, false, "The signature does not hold";
    /// Signed too long ago, or in the future.
    SignatureExpired = "signature_expired", 401, true, "The signature is too old";
    /// The nonce was used before.
    NonceReplayed = "nonce_replayed", 401, true, "The request was sent before";
    /// Known, but not allowed.
    Forbidden = "forbidden", 403, false, "Not allowed";
    /// The request did not come from a page of this console.
    CrossSite = "cross_site_refused", 403, false, "The request did not come from this console";
    /// The device is blocked.
    ClientBlocked = "client_blocked", 403, false, "This device is blocked";
    /// The device may not read or write that scope.
    ScopeForbidden = "scope_forbidden", 403, false, "The scope is not open to this device";
    /// No such thing.
    NotFound = "not_found", 404, false, "Not found";
    /// No snapshot is made of this.
    SnapshotNotOffered = "snapshot_not_offered", 404, false, "No snapshot is offered of this; scan it";
    /// No such collection.
    CollectionUnknown = "collection_unknown", 404, false, "The collection is not configured";
    /// The path is there, the method is not.
    MethodNotAllowed = "method_not_allowed", 405, false, "The path does not take this method";
    /// No coding or type that the client accepts.
    NotAcceptable = "not_acceptable", 406, false, "Nothing that the client accepts is served here";
    /// Opened with another filter.
    CursorFilterMismatch = "cursor_filter_mismatch", 409, false, "The cursor belongs to another filter";
    /// The base is not the current version.
    VersionConflict = "version_conflict", 409, false, "The record has changed";
    /// Somebody has decided before.
    ConflictResolved = "conflict_resolved", 409, false, "The conflict is resolved already";
    /// A command that has ended cannot be taken back.
    CommandEnded = "command_ended", 409, false, "The command has ended";
    /// The device is at it.
    CommandUnderWay = "command_under_way", 409, false, "The device is at it";
    /// A push of the same device is under way.
    InFlight = "in_flight", 409, true, "A request of this device is under way";
    /// What a drain names is not what was frozen.
    SetChanged = "set_changed", 409, false, "The set is not what was confirmed";
    /// The thing is not in a state for this.
    StateConflict = "state_conflict", 409, false, "Not possible in this state";
    /// Of another incarnation of the store.
    CursorEpochMismatch = "cursor_epoch_mismatch", 410, false, "The cursor belongs to another epoch";
    /// Beyond the head.
    CursorAhead = "cursor_ahead", 410, false, "The cursor is ahead of the log";
    /// Below the horizon.
    CursorExpired = "cursor_expired", 410, false, "The cursor is older than the log";
    /// Too many intents or reports.
    BatchTooLarge = "batch_too_large", 413, false, "The batch is too large";
    /// The record has not the version that the request names.
    PreconditionFailed = "precondition_failed", 412, false, "The record has another version";
    /// Too many bytes.
    BodyTooLarge = "body_too_large", 413, false, "The body is too large";
    /// Too many bytes in one intent.
    RecordTooLarge = "record_too_large", 413, false, "The record is too large";
    /// Too many bytes after decompression, or too many for each compressed byte.
    DecompressionLimit = "decompression_limit", 413, false, "The body grows too large when decompressed";
    /// No byte of the part lies in the range.
    RangeNotSatisfiable = "range_not_satisfiable", 416, false, "The range lies outside";
    /// Unknown `Content-Encoding`.
    EncodingUnsupported = "encoding_unsupported", 415, false, "The content coding is not supported";
    /// Not `application/json`.
    MediaTypeUnsupported = "media_type_unsupported", 415, false, "The content type is not supported";
    /// The check sum does not fit the intent.
    ChecksumMismatch = "checksum_mismatch", 422, false, "The check sum does not fit";
    /// The key was used for another intent.
    IdempotencyKeyReused = "idempotency_key_reused", 422, false, "The idempotency key was used for something else";
    /// The intent or the report has a bad member.
    SchemaInvalid = "schema_invalid", 422, false, "A member is missing or has a bad value";
    /// Not within ±(2^53 − 1).
    NumberOutOfRange = "number_out_of_range", 422, false, "A number is out of range";
    /// A guard of the collection is against it.
    GuardFailed = "guard_failed", 422, false, "A rule of the collection forbids this";
    /// `logical_timestamp` is none.
    ClockInvalid = "clock_invalid", 422, false, "The clock of the intent cannot be read";
    /// The record stands in another scope, and does not move.
    ScopeMismatch = "scope_mismatch", 422, false, "The record belongs to another scope";
    /// Past at commit.
    DeadlineExpired = "deadline_expired", 422, false, "The deadline has passed";
    /// Too old to tell whether it was applied.
    DedupeHorizonPassed = "dedupe_horizon_passed", 422, false, "The operation is too old to be told from a repeat";
    /// An operation that it depends on was refused.
    DependencyFailed = "dependency_failed", 422, false, "Something that it depends on failed";
    /// The store has failed on it three times.
    Poisoned = "poisoned", 422, false, "The store fails on it";
    /// An operation that it depends on is not answered yet.
    DependencyMissing = "dependency_missing", 424, true, "Something that it depends on is missing";
    /// An intent before it in the device's counter is missing.
    OutOfOrder = "out_of_order", 424, true, "The counter of the device has a gap";
    /// Another version of the protocol.
    ProtocolUnsupported = "protocol_unsupported", 426, true, "This version of the protocol is not supported";
    /// An older schema than is still served.
    SchemaUnsupported = "schema_unsupported", 426, true, "This schema version is no longer served";
    /// Too many requests.
    RateLimited = "rate_limited", 429, true, "Too many requests";
    /// Our fault.
    Internal = "internal", 500, true, "Internal error";
    /// The writer queue is full.
    WriterOverloaded = "writer_overloaded", 503, true, "The server is busy";
    /// The server is stopping or starting.
    Maintenance = "maintenance", 503, true, "The server is not ready";
    /// The disk of the server takes nothing.
    StorageFull = "storage_full", 507, true, "The server cannot store anything";
}

impl Code {
    /// Reads what [`Code::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// What a program should do, where there is one answer.
    #[must_use]
    pub const fn action(self) -> Option<&'static str> {
        match self {
            Self::CursorEpochMismatch | Self::CursorAhead | Self::CursorExpired => Some("resnapshot"),
            Self::CursorFilterMismatch => Some("resubscribe"),
            Self::SnapshotNotOffered => Some("scan"),
            Self::TokenExpired => Some("refresh_token"),
            Self::SignatureExpired | Self::NonceReplayed => Some("sign_again"),
            Self::BatchTooLarge | Self::BodyTooLarge | Self::DecompressionLimit => Some("halve_batch"),
            Self::ProtocolUnsupported | Self::SchemaUnsupported => Some("upgrade"),
            Self::ClientBlocked => Some("stop"),
            _ => None,
        }
    }

    /// The problem of one intent.
    #[must_use]
    pub fn intent(self, detail: impl Into<String>) -> IntentProblem {
        IntentProblem {
            code: self.as_str(),
            status: self.status(),
            retryable: self.retryable(),
            retry_after_ms: None,
            detail: detail.into(),
        }
    }
}

/// A member, a parameter or a header at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, utoipa::ToSchema)]
#[error("{field}: {detail}")]
pub struct FieldError {
    /// Its path, e.g. `mutations[3].operation_id`.
    pub field: String,
    /// What is wrong with it, without its value.
    pub detail: String,
}

impl FieldError {
    /// A fault of a field.
    #[must_use]
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:sync:problem:<code>`.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// In words; the same for every problem of this code.
    pub title: Cow<'static, str>,
    /// HTTP status.
    pub status: u16,
    /// What is wrong this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// For programs.
    pub code: Cow<'static, str>,
    /// Whether the same request may be sent again.
    pub retryable: bool,
    /// When to, milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<i64>,
    /// What a program should do: `resnapshot`, `refresh_token`, `halve_batch`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Cow<'static, str>>,
    /// Request id, to find it in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Fields at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// With `cursor_epoch_mismatch`: where the lineages parted, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_seq: Option<i64>,
    /// With `cursor_expired`: first position that is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon: Option<i64>,
    /// With `schema_unsupported`: oldest schema version that is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// With `schema_unsupported`: current schema version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// With `version_conflict` and `precondition_failed` of a single write: what it met.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub met: Option<Box<Met>>,
    /// With `set_changed`: the frozen set in comparison with what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_change: Option<Box<SetDifference>>,
}

/// A frozen set in comparison with what a submission named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SetDifference {
    /// Entries of the frozen set.
    pub frozen: u64,
    /// Entries that match what was sent.
    pub now: u64,
    /// Match and are not in the set.
    pub added: u64,
    /// In the set and match no more.
    pub removed: u64,
}

/// What a single write met that did not come through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Met {
    /// The row as it stands.
    #[serde(rename = "serverVersion", default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub server_version: Option<serde_json::Value>,
    /// Entry of the conflicts log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict_id: Option<String>,
}

impl Problem {
    /// A problem of this code, without a detail.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self {
            type_uri: format!("urn:sync:problem:{}", code.as_str()),
            title: Cow::Borrowed(code.title()),
            status: code.status(),
            detail: None,
            code: Cow::Borrowed(code.as_str()),
            retryable: code.retryable(),
            retry_after_ms: None,
            action: code.action().map(Cow::Borrowed),
            trace_id: None,
            errors: Vec::new(),
            fork_seq: None,
            horizon: None,
            min: None,
            max: None,
            met: None,
            drain_change: None,
        }
    }

    /// The problem of a batch that was refused as a whole: that of its first intent at fault, and which ones are.
    #[must_use]
    pub fn batch(refusal: &BatchRefusal) -> Self {
        let IntentProblem { code, status, retryable, retry_after_ms, detail } = &refusal.problem;
        let known = Self::new(Code::parse(code).unwrap_or(Code::SchemaInvalid));
        let at_fault = |(at, problem): &(usize, IntentProblem)| {
            FieldError::new(format!("mutations[{at}]"), format!("{}: {}", problem.code, problem.detail))
        };
        Self {
            type_uri: format!("urn:sync:problem:{code}"),
            status: *status,
            code: Cow::Borrowed(code),
            retryable: *retryable,
            retry_after_ms: *retry_after_ms,
            detail: Some(detail.clone()),
            errors: refusal.intents.iter().map(at_fault).collect(),
            ..known
        }
    }

    /// The problem of a request that was one intent.
    #[must_use]
    pub fn intent(problem: &crate::v1::mutations::MutationProblem) -> Self {
        let known = Self::new(Code::parse(&problem.code).unwrap_or(Code::SchemaInvalid));
        Self {
            type_uri: format!("urn:sync:problem:{}", problem.code),
            status: problem.status,
            code: problem.code.clone(),
            retryable: problem.retryable,
            retry_after_ms: problem.retry_after_ms,
            detail: Some(problem.detail.clone()),
            ..known
        }
    }

    /// Says what is wrong this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Names a field at fault; the first one is the detail, too.
    #[must_use]
    pub fn field(mut self, error: FieldError) -> Self {
        if self.detail.is_none() {
            self.detail = Some(error.to_string());
        }
        self.errors.push(error);
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: i64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }
}

#[cfg(test)]
mod tests {
    use tidewatch_domain::engine::CODES;

    use super::*;

    #[test]
    fn every_code_that_an_intent_may_be_answered_with_is_listed() {
        let missing: Vec<&str> = CODES.into_iter().filter(|code| Code::parse(code).is_none()).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
