//! Reads a batch: the envelope as a whole, each intent on its own.

use serde_json::Value;
use serde_json::value::RawValue;
use tidewatch_domain::ids::{ClientId, CollectionName, GroupName, IdempotencyKey, OperationId, RecordId, Scope};
use tidewatch_domain::sync::{Body, Intent, IntentProblem, IntentSignature, Mutation, Push};

use super::terms::{author_read, base_read, batch_terms, payload_read, signature_read, split_groups_refuse};
use crate::checksum::{intent_bytes, intent_checksum};
use crate::headers::PROTOCOL_VERSION;
use crate::limits::{INTEGER_MAX, MUTATIONS_MAX, RECORD_BYTES_MAX, REPORTS_MAX};
use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::strict::{self, JsonFault};
use crate::v1::raw::{Envelope, member, text_member};
use crate::v1::telemetry::{ReportRead, report_read};

/// Priority of an intent that names none.
const PRIORITY_DEFAULT: i64 = 3;

/// A batch as read.
#[derive(Clone, Debug, PartialEq)]
pub struct PushRead {
    /// The intents.
    pub push: Push,
    /// Names the batch in logs.
    pub batch_id: Option<String>,
    /// Telemetry that rides along.
    pub reports: Vec<ReportRead>,
}

/// Reads the body of `POST /mutations`; `body_bytes` is what it weighs on the writer queue.
///
/// # Errors
/// `json_invalid`, `envelope_invalid`, `protocol_unsupported` or `batch_too_large`, naming the member.
pub fn push_read(body: &[u8]) -> Result<PushRead, Problem> {
    let envelope = Envelope::read(body, &["mutations", "reports"])?;
    let invalid = |error: FieldError| Problem::new(Code::EnvelopeInvalid).field(error);
    let members = Members::of(&envelope.members, "").map_err(invalid)?;
    let schema_version = envelope_check(&members)?;
    let mut terms = batch_terms(&members).map_err(invalid)?;
    let client_id = members.text_required("client_id", 64).map_err(invalid)?;
    let client_id = ClientId::parse(client_id).map_err(|error| invalid(members.fault("client_id", error.to_string())))?;
    let items = envelope.items("mutations", MUTATIONS_MAX)?.ok_or_else(|| invalid(members.missing("mutations")))?;
    let around = Around { client_id: &client_id, schema_version, relays: !terms.atomic && !terms.strict };
    let mut signatures = Vec::new();
    let intent = |(at, raw): (usize, &RawValue)| intent_read(raw.get(), at, &around, &mut signatures);
    let mut intents = items.into_iter().enumerate().map(intent).collect::<Result<Vec<_>, _>>().map_err(invalid)?;
    terms.signatures = signatures;
    if intents.iter().any(|intent| intent.group().is_some()) {
        split_groups_refuse(&mut intents);
    }
    let reports = envelope.items("reports", REPORTS_MAX)?.unwrap_or_default();
    Ok(PushRead {
        push: Push { client_id, sent_at: members.instant("sent_at").map_err(invalid)?, intents, body_bytes: body.len(), terms },
        batch_id: members.text_owned("batch_id", 64).map_err(invalid)?,
        reports: reports.into_iter().map(|raw| report_read(raw.get())).collect(),
    })
}

/// Reads an intent that was kept as it came, given the schema version of the device that made it.
///
/// # Errors
/// When it has no readable id; such an intent is never kept.
pub fn intent_kept_read(client_id: &ClientId, schema_version: i64, raw: &str) -> Result<Intent, FieldError> {
    intent_read(raw, 0, &Around { client_id, schema_version, relays: true }, &mut Vec::new())
}

/// Checks the members that govern the whole batch and answers its schema version. What is not served is refused by name.
fn envelope_check(members: &Members<'_>) -> Result<i64, Problem> {
    let invalid = |error: FieldError| Problem::new(Code::EnvelopeInvalid).field(error);
    let version = members.integer("protocol", 0..=INTEGER_MAX).map_err(invalid)?.unwrap_or(PROTOCOL_VERSION.into());
    if version != i64::from(PROTOCOL_VERSION) {
        return Err(Problem::new(Code::ProtocolUnsupported).field(members.fault("protocol", "must be 1")));
    }
    Ok(members.integer("schema_version", 0..=INTEGER_MAX).map_err(invalid)?.unwrap_or(1))
}

/// What an intent inherits from its batch.
struct Around<'a> {
    client_id: &'a ClientId,
    schema_version: i64,
    /// Whether intents of other devices may be in it.
    relays: bool,
}

/// Reads an intent of this device that is not of a batch of version 1.
///
/// # Panics
/// When it has no valid operation id.
pub(crate) fn intent_of(raw: &str, client_id: &ClientId, schema_version: i64) -> Intent {
    let around = Around { client_id, schema_version, relays: false };
    intent_read(raw, 0, &around, &mut Vec::new()).expect("its operation id was checked")
}

/// Reads one intent. `Err` only when it has no readable id, so that nothing could be answered.
fn intent_read(raw: &str, at: usize, around: &Around<'_>, signatures: &mut Vec<IntentSignature>) -> Result<Intent, FieldError> {
    let no_id = || FieldError::new(format!("mutations[{at}].operation_id"), "is required, as a string that follows its rule");
    let read = strict::parse(raw);
    let id_text = match &read {
        Ok(Value::Object(members)) => members.get("operation_id").and_then(Value::as_str).map(str::to_owned),
        Ok(_) => return Err(FieldError::new(format!("mutations[{at}]"), "must be an object")),
        Err(_) => text_member(raw, "operation_id"),
    };
    let operation_id = OperationId::parse(id_text.ok_or_else(no_id)?).map_err(|_| no_id())?;
    let decided = match read {
        Ok(value) => mutation_read(value, raw, operation_id.clone(), around).inspect(|(_, signed)| {
            signatures.extend(signed.clone().map(|(message, signature)| IntentSignature { at, message, signature }));
        }),
        Err(JsonFault::NumberOutOfRange) => Err(Code::NumberOutOfRange.intent(JsonFault::NumberOutOfRange.to_string())),
        Err(fault) => Err(Code::SchemaInvalid.intent(fault.to_string())),
    };
    Ok(match decided {
        Ok((mutation, _)) => Intent::Valid(Box::new(mutation)),
        Err(problem) => invalid_intent(operation_id, problem, raw),
    })
}

/// An intent that is only good to be answered: what others may hang on is read as far as it goes.
fn invalid_intent(operation_id: OperationId, problem: IntentProblem, raw: &str) -> Intent {
    Intent::Invalid {
        operation_id,
        problem,
        group: text_member(raw, "group").and_then(|text| GroupName::parse(text).ok()),
        client_seq: member(raw, "client_seq").filter(|seq| *seq > 0),
        raw: raw.to_owned(),
    }
}

type ReadMutation = (Mutation, Option<(Vec<u8>, [u8; 64])>);

fn mutation_read(
    mut value: Value,
    raw: &str,
    operation_id: OperationId,
    around: &Around<'_>,
) -> Result<ReadMutation, IntentProblem> {
    if raw.len() > RECORD_BYTES_MAX {
        return Err(Code::RecordTooLarge.intent(format!("an intent has at most {RECORD_BYTES_MAX} bytes")));
    }
    let schema = |error: FieldError| Code::SchemaInvalid.intent(error.to_string());
    let members = Members::of(&value, "").map_err(schema)?;
    checksum_verify(&members, &value)?;
    let signature = signature_read(&members).map_err(schema)?;
    let author = author_read(&members, around.client_id).map_err(schema)?;
    let (mut mutation, carried) = mutation_members(&members, raw, operation_id, around.schema_version).map_err(schema)?;
    if author.is_some() {
        if !around.relays {
            return Err(schema(
                members.fault("client_id", "an intent of another device does not go in an atomic or strict batch"),
            ));
        }
        if signature.is_none() {
            return Err(Code::SignatureInvalid.intent("sig: an intent of another device must be signed by it"));
        }
        mutation.terms.get_or_insert_default().author = author;
    }
    let object = value.as_object_mut().expect("members are of an object");
    let signed = signature.map(|signature| (intent_bytes(object), signature));
    // Moved, not copied: it is most of an intent.
    if let Some(Value::Object(fields)) = carried.and_then(|name| object.remove(name)) {
        mutation.fields = fields;
    }
    Ok((mutation, signed))
}

fn checksum_verify(members: &Members<'_>, value: &Value) -> Result<(), IntentProblem> {
    let Some(claimed) = members.text("checksum", 128).map_err(|error| Code::SchemaInvalid.intent(error.to_string()))? else {
        return Ok(());
    };
    let object = value.as_object().expect("members are of an object");
    if intent_checksum(object) == claimed {
        Ok(())
    } else {
        Err(Code::ChecksumMismatch.intent("checksum: does not fit the intent"))
    }
}

/// The mutation without its payload, and the member that has it.
fn mutation_members(
    members: &Members<'_>,
    raw: &str,
    operation_id: OperationId,
    schema_version: i64,
) -> Result<(Mutation, Option<&'static str>), FieldError> {
    let (op, carried, terms) = payload_read(members)?;
    let id = |name: &'static str| members.text_required(name, 256).map(|text| (name, text.to_owned()));
    let broken = |name: &str| {
        let path = members.path(name);
        move |error: tidewatch_domain::ids::IdError| FieldError::new(path, error.to_string())
    };
    let (collection, record_id, scope) = (id("collection")?.1, id("record_id")?.1, id("scope")?.1);
    let key = members.text("idempotency_key", 256)?.unwrap_or(operation_id.as_str());
    let priority = members.integer("priority", 1..=5)?.unwrap_or(PRIORITY_DEFAULT);
    let mutation = Mutation {
        idempotency_key: IdempotencyKey::parse(key).map_err(broken("idempotency_key"))?,
        client_seq: members.integer("client_seq", 1..=INTEGER_MAX)?,
        collection: CollectionName::parse(collection).map_err(broken("collection"))?,
        record_id: RecordId::parse(record_id).map_err(broken("record_id"))?,
        scope: Scope::parse(scope).map_err(broken("scope"))?,
        op,
        base: base_read(members)?,
        fields: Body::new(),
        logical_timestamp: members.text_owned("logical_timestamp", 128)?,
        created_at: members.instant("created_at")?,
        priority: u8::try_from(priority).expect("1 to 5"),
        deadline: members.instant("deadline")?,
        schema_version: members.integer("schema_version", 0..=INTEGER_MAX)?.unwrap_or(schema_version),
        terms,
        raw: raw.to_owned(),
        operation_id,
    };
    Ok((mutation, carried))
}
