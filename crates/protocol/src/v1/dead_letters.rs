//! `POST /dead-letters`: a device mirrors what it has given up on, so that people see it and can act on it.
//!
//! Each entry is read on its own. Its intent is kept as it came: it may well be one that no reader takes, which is why it is here.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tidewatch_domain::ids::{ClientId, OperationId};
use tidewatch_domain::report::ReportedError;
use tidewatch_domain::sync::ReportedLetter;
use tidewatch_domain::time::Millis;

use crate::limits::{DEAD_LETTERS_MAX, INTEGER_MAX, RECORD_BYTES_MAX};
use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::strict;
use crate::timestamp::Timestamp;
use crate::v1::mutations::Mutation;
use crate::v1::raw::{Envelope, text_member};

/// Longest message of an error.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// Reports dead letters of the acting device.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeadLettersRequest {
    /// The acting device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// At most 500.
    #[schema(value_type = Vec<DeadLetterEntry>)]
    pub entries: Vec<Box<RawValue>>,
}

/// One dead letter.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeadLetterEntry {
    /// Operation.
    pub operation_id: String,
    /// The intent, as it lies in the device's queue.
    #[schema(value_type = Mutation)]
    pub mutation: Box<RawValue>,
    /// Why the device gave up.
    pub error: DeadLetterError,
    /// How often it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i64>,
    /// When it was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub failed_at: Option<Timestamp>,
}

/// Why a device gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeadLetterError {
    /// Code of the answer, or the app's own.
    pub code: String,
    /// HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i64>,
    /// In words, without values of the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The answer to a report of dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeadLettersAnswered {
    /// Kept now.
    pub accepted: u32,
    /// Kept before; what was kept stays as it is.
    pub duplicates: u32,
    /// Not kept, because they came through: `POST /mutations/status` has their answers.
    pub settled: Vec<String>,
    /// Not kept, each with the member at fault.
    pub rejected: Vec<DeadLetterRefused>,
}

/// A dead letter that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeadLetterRefused {
    /// Its operation; absent when it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
    /// `schema_invalid`, `number_out_of_range` or `record_too_large`.
    pub code: String,
    /// The member at fault, and why.
    pub detail: String,
}

/// A request as read.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLettersRead {
    /// The device it names, if it does.
    pub client_id: Option<String>,
    /// What can be kept.
    pub letters: Vec<ReportedLetter>,
    /// What cannot.
    pub rejected: Vec<DeadLetterRefused>,
}

/// Reads a report of dead letters.
///
/// # Errors
/// `json_invalid`, `envelope_invalid` or `batch_too_large`, naming the member. An entry at fault is not among them.
pub fn dead_letters_read(body: &[u8]) -> Result<DeadLettersRead, Problem> {
    let envelope = Envelope::read(body, &["entries"])?;
    let invalid = |error: FieldError| Problem::new(Code::EnvelopeInvalid).field(error);
    let members = Members::of(&envelope.members, "").map_err(invalid)?;
    let client_id = members.text_owned("client_id", 64).map_err(invalid)?;
    client_id
        .as_deref()
        .map(ClientId::parse)
        .transpose()
        .map_err(|error| invalid(members.fault("client_id", error.to_string())))?;
    let items = envelope.items("entries", DEAD_LETTERS_MAX)?.ok_or_else(|| invalid(members.missing("entries")))?;
    let mut read = DeadLettersRead { client_id, letters: Vec::with_capacity(items.len()), rejected: Vec::new() };
    for (at, raw) in items.into_iter().enumerate() {
        match entry_read(raw.get(), &format!("entries[{at}]")) {
            Ok(letter) => read.letters.push(letter),
            Err((code, error)) => read.rejected.push(DeadLetterRefused {
                operation_id: text_member(raw.get(), "operation_id").filter(|id| id.len() <= 64),
                code: code.as_str().to_owned(),
                detail: error.to_string(),
            }),
        }
    }
    Ok(read)
}

type Entry<T> = Result<T, (Code, FieldError)>;

fn entry_read(raw: &str, path: &str) -> Entry<ReportedLetter> {
    let schema = |error: FieldError| (Code::SchemaInvalid, error);
    // The intent may break any rule of its own: the entry is read around it.
    let envelope = Envelope::read(raw.as_bytes(), &["mutation"]).map_err(|problem| {
        let inner = problem.errors.into_iter().next().unwrap_or_else(|| FieldError::new("$", "must be an object"));
        let field = if inner.field == "$" { path.to_owned() } else { format!("{path}.{}", inner.field) };
        schema(FieldError::new(field, inner.detail))
    })?;
    let members = Members::of(&envelope.members, path).map_err(schema)?;
    let operation_id = members.text_required("operation_id", 64).map_err(schema)?;
    let operation_id =
        OperationId::parse(operation_id).map_err(|error| schema(members.fault("operation_id", error.to_string())))?;
    let mutation = envelope.raw_member("mutation").ok_or_else(|| schema(members.missing("mutation")))?;
    intent_check(mutation, &members, &operation_id)?;
    Ok(ReportedLetter {
        operation_id,
        mutation: mutation.to_owned(),
        error: error_read(&members).map_err(schema)?,
        attempts: members.integer("attempts", 0..=INTEGER_MAX).map_err(schema)?,
        failed_at: members.instant("failed_at").map_err(schema)?,
    })
}

pub(crate) fn error_read(members: &Members<'_>) -> Result<ReportedError, FieldError> {
    let error = members.object("error")?.ok_or_else(|| members.missing("error"))?;
    Ok(ReportedError {
        code: error.text_required("code", 64)?.to_owned(),
        status: error.integer("status", 100..=599)?,
        message: error.text_owned("message", MESSAGE_BYTES_MAX)?,
    })
}

/// The intent has to be an object of bounded size that says nothing else about its id.
fn intent_check(mutation: &str, members: &Members<'_>, operation_id: &OperationId) -> Entry<()> {
    if mutation.len() > RECORD_BYTES_MAX {
        return Err((Code::RecordTooLarge, members.fault("mutation", format!("must have at most {RECORD_BYTES_MAX} bytes"))));
    }
    if !mutation.starts_with('{') {
        return Err((Code::SchemaInvalid, members.fault("mutation", "must be an object")));
    }
    let own = match strict::parse(mutation) {
        Ok(value) => value.get("operation_id").and_then(Value::as_str).map(str::to_owned),
        Err(_) => text_member(mutation, "operation_id"),
    };
    match own {
        Some(own) if own != operation_id.as_str() => {
            Err((Code::SchemaInvalid, members.fault("mutation.operation_id", "is another operation than that of the entry")))
        }
        _ => Ok(()),
    }
}

/// When a device gave up on an entry: not after it has been reported.
#[must_use]
pub fn failed_at(letter: &ReportedLetter, now: Millis) -> Millis {
    letter.failed_at.map_or(now, |at| at.min(now))
}

#[cfg(test)]
mod tests;
