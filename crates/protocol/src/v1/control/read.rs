//! Reads what comes in on the control channel; every fault names its member.

use serde_json::Value;
use tidewatch_domain::control::{
    COMMAND_TTL_MS, COMMAND_TTL_MS_MAX, CommandKind, CommandReport, DRAIN_ENTRIES_MAX, EntryAnswer, EntryOutcome, Order, Reported,
};
use tidewatch_domain::ids::{OperationId, RecordId};
use tidewatch_domain::time::{MINUTE_MS, SECOND_MS};

use crate::limits::{COMMAND_RESULT_BYTES_MAX, ESCROW_INTENT_BYTES_MAX, INTEGER_MAX};
use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::strict;
use crate::v1::raw::{self, Envelope};

/// Characters of codes and words that a device sends.
const WORDS_MAX: usize = 500;

fn invalid(error: FieldError) -> Problem {
    Problem::new(Code::EnvelopeInvalid).field(error)
}

/// Reads what a device says of a command.
///
/// # Errors
/// `json_invalid` or `envelope_invalid`, naming the member.
pub fn status_report_read(body: &[u8]) -> Result<CommandReport, Problem> {
    let envelope = Envelope::read(body, &[])?;
    let members = Members::of(&envelope.members, "").map_err(invalid)?;
    report(&members).map_err(invalid)
}

fn report(members: &Members<'_>) -> Result<CommandReport, FieldError> {
    let state = members.text_required("state", 32)?;
    let reported = Reported::parse(state).ok_or_else(|| members.fault("state", "must be running, done or failed"))?;
    let progress = match members.object("progress")? {
        None => None,
        Some(progress) => {
            let count = |name: &str| {
                progress.integer(name, 0..=INTEGER_MAX)?.map(i64::unsigned_abs).ok_or_else(|| progress.missing(name))
            };
            let (done, total) = (count("done")?, count("total")?);
            if done > total {
                return Err(progress.fault("done", "must not be more than `total`"));
            }
            Some((done, total))
        }
    };
    let error = match members.object("error")? {
        None if reported == Reported::Failed => return Err(members.missing("error")),
        None => None,
        Some(error) => {
            Some((error.text_required("code", 64)?.to_owned(), error.text_owned("message", WORDS_MAX)?.unwrap_or_default()))
        }
    };
    let entries = match members.object("result")? {
        None => Vec::new(),
        Some(result) => {
            let items = result.list("entries", DRAIN_ENTRIES_MAX)?.unwrap_or_default();
            items
                .iter()
                .enumerate()
                .map(|(at, item)| entry(item, &result.path(&format!("entries[{at}]"))))
                .collect::<Result<_, _>>()?
        }
    };
    let result = members.value("result").map(Value::to_string);
    if result.as_ref().is_some_and(|result| result.len() > COMMAND_RESULT_BYTES_MAX) {
        return Err(members.fault("result", format!("must have at most {COMMAND_RESULT_BYTES_MAX} bytes")));
    }
    Ok(CommandReport { reported, progress, result, error, entries })
}

fn entry(item: &Value, path: &str) -> Result<EntryAnswer, FieldError> {
    let members = Members::of(item, path)?;
    let operation_id = members.text_required("operation_id", 64)?.to_owned();
    let outcome = EntryOutcome::parse(members.text_required("outcome", 32)?)
        .ok_or_else(|| members.fault("outcome", "must be ok, not_found or refused"))?;
    let code = members.text_owned("code", 64)?;
    if outcome == EntryOutcome::Refused && code.is_none() {
        return Err(members.missing("code"));
    }
    Ok(EntryAnswer { operation_id, outcome, code, detail: members.text_owned("detail", WORDS_MAX)? })
}

/// A command that staff gives, as read.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandRequestRead {
    /// What.
    pub order: Order,
    /// 1 (first) to 5.
    pub priority: i64,
    /// How long it waits for its device.
    pub ttl_ms: i64,
    /// What makes it take the place of an older one.
    pub supersede_key: Option<String>,
    /// Why.
    pub reason: String,
}

/// Reads a command that staff gives a device.
///
/// # Errors
/// `json_invalid` or `envelope_invalid`, naming the member.
pub fn command_request_read(body: &[u8]) -> Result<CommandRequestRead, Problem> {
    let envelope = Envelope::read(body, &[])?;
    let members = Members::of(&envelope.members, "").map_err(invalid)?;
    command_request(&members).map_err(invalid)
}

fn command_request(members: &Members<'_>) -> Result<CommandRequestRead, FieldError> {
    const KNOWN: [&str; 6] = ["kind", "args", "priority", "ttl_s", "supersede_key", "reason"];
    if let Some(unknown) = members.names().find(|name| !KNOWN.contains(name)) {
        return Err(members.fault(unknown, "is not known"));
    }
    let kind = CommandKind::parse(members.text_required("kind", 32)?);
    let kind = kind.ok_or_else(|| members.fault("kind", "must be upload_wal, resync, refresh_policy, mesh or upload_logs"))?;
    let none = Value::Object(serde_json::Map::new());
    let order = Order::read(kind, members.value("args").unwrap_or(&none));
    let seconds = MINUTE_MS / SECOND_MS..=COMMAND_TTL_MS_MAX / SECOND_MS;
    let ttl_s = members.integer("ttl_s", seconds)?.unwrap_or(COMMAND_TTL_MS / SECOND_MS);
    Ok(CommandRequestRead {
        order: order.map_err(|error| FieldError::new(error.field, error.detail))?,
        priority: members.integer("priority", 1..=5)?.unwrap_or(3),
        ttl_ms: ttl_s * SECOND_MS,
        supersede_key: members.text_owned("supersede_key", 128)?.filter(|key| !key.is_empty()),
        reason: members.text_required("reason", 4 * WORDS_MAX)?.to_owned(),
    })
}

/// An intent in escrow, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscrowRead {
    /// Which.
    pub operation_id: OperationId,
    /// The intent in the bytes in which it was frozen.
    pub intent: String,
    /// Why the device could not send it: code and words.
    pub error: Option<(String, String)>,
    /// Whether a person holds it on the device.
    pub held: bool,
}

/// Reads a line of an upload in escrow: `{"intent": {…}, "state": "poisoned|held|…", "error": {"code", "message"}}`.
///
/// # Errors
/// The operation as far as it could be read, the code, and the member at fault.
pub fn escrow_line_read(line: &str) -> Result<EscrowRead, (Option<String>, Code, FieldError)> {
    let intent = raw::member::<Box<serde_json::value::RawValue>>(line, "intent");
    let Some(intent) = intent else {
        let whole = strict::parse(line).err().map_or("is required".to_owned(), |fault| fault.to_string());
        return Err((None, Code::JsonInvalid, FieldError::new("intent", whole)));
    };
    let named = raw::text_member(intent.get(), "operation_id");
    let refused = |code, error| (named.clone(), code, error);
    if intent.get().len() > ESCROW_INTENT_BYTES_MAX {
        let detail = format!("must have at most {ESCROW_INTENT_BYTES_MAX} bytes");
        return Err(refused(Code::RecordTooLarge, FieldError::new("intent", detail)));
    }
    let value = strict::parse(line).map_err(|fault| refused(Code::JsonInvalid, FieldError::new("$", fault.to_string())))?;
    line_read(&value, intent.get()).map_err(|error| refused(Code::SchemaInvalid, error))
}

fn line_read(value: &Value, text: &str) -> Result<EscrowRead, FieldError> {
    let line = Members::of(value, "")?;
    let intent = line.object("intent")?.ok_or_else(|| line.missing("intent"))?;
    let operation_id = OperationId::parse(intent.text_required("operation_id", 64)?)
        .map_err(|error| intent.fault("operation_id", error.to_string()))?;
    intent.text_required("collection", 64)?;
    RecordId::parse(intent.text_required("record_id", 64)?).map_err(|error| intent.fault("record_id", error.to_string()))?;
    intent.text_required("op", 16)?;
    let error = match line.object("error")? {
        None => None,
        Some(error) => {
            Some((error.text_required("code", 64)?.to_owned(), error.text_owned("message", WORDS_MAX)?.unwrap_or_default()))
        }
    };
    let held = line.text("state", 32)? == Some("held");
    Ok(EscrowRead { operation_id, intent: text.to_owned(), error, held })
}
