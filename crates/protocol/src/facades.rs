//! Protocols of other apps, translated into one batch of intents and back: pure, without a store and without a clock.
//!
//! An app that has a sync queue already keeps it. What it sends becomes intents of version 1, item by item; what comes of them is
//! told in its own words. Two rules hold in every translation. An item that cannot be translated is answered by its own id and does not
//! fail its neighbours; it is kept as a dead letter, in the members of version 1 as far as they could be read. And the same item is
//! the same operation, however often and in whatever company it is sent: where the app has no id for it, one is derived from it.

pub mod arxos;
pub mod asyncstorage;
pub mod posalpro;
pub mod prism;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};
use tidewatch_domain::hlc::{Hlc, Ticks};
use tidewatch_domain::ids::{ClientId, IdError, OperationId, RecordId, Scope};
use tidewatch_domain::sync::{BatchTerms, Intent, Push};
use tidewatch_domain::time::Millis;

use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::strict::{self, JsonFault};
use crate::timestamp::Timestamp;
use crate::v1::mutations::{MutationResult, MutationStatus, intent_of};
use crate::v1::raw::{Envelope, text_member};

type Read<T> = Result<T, FieldError>;

/// Name space of derived operation ids. It must never change: a derived id that changes is applied twice.
const NAME_SPACE: [u8; 16] = [0x74, 0x69, 0x64, 0x65, 0x77, 0x61, 0x74, 0x63, 0x88, 0x00, 0xfa, 0xca, 0xde, 0x00, 0x00, 0x01];
/// Latest instant that an app can state: the end of the year 9999.
const INSTANT_MAX: i64 = 253_402_300_799_999;
/// Longest text that names an item, a record or a kind of thing.
const NAME_BYTES_MAX: usize = 256;

/// One item of a queue, as an intent.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// As the app names it: its answer says so, too.
    pub id: String,
    /// Operation that it is.
    pub operation_id: OperationId,
    /// The members of version 1, as far as the item could be read.
    pub intent: Map<String, Value>,
    /// The member at fault, by its name in the app.
    pub fault: Option<FieldError>,
}

impl Item {
    /// An item of which nothing more is known.
    fn new(id: impl Into<String>, operation_id: OperationId) -> Self {
        let intent = Map::from_iter([("operation_id".to_owned(), operation_id.as_str().into())]);
        Self { id: id.into(), operation_id, intent, fault: None }
    }

    /// A text member of the intent; empty when it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.intent.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.intent.insert(name.to_owned(), value.into());
    }

    fn set_maybe(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Notes the first fault.
    fn filled(mut self, fill: impl FnOnce(&mut Self) -> Read<()>) -> Self {
        if self.fault.is_none() {
            self.fault = fill(&mut self).err();
        }
        self
    }

    fn rename(&mut self, operation_id: OperationId) {
        self.set("operation_id", operation_id.as_str());
        self.operation_id = operation_id;
    }

    /// The intent for the engine.
    fn intent(&self, client_id: &ClientId, schema_version: i64) -> Intent {
        let raw = Value::Object(self.intent.clone()).to_string();
        match &self.fault {
            None => intent_of(&raw, client_id, schema_version),
            Some(fault) => Intent::Invalid {
                operation_id: self.operation_id.clone(),
                problem: fault_code(fault).intent(fault.to_string()),
                group: None,
                client_seq: None,
                raw,
            },
        }
    }
}

fn fault_code(fault: &FieldError) -> Code {
    if fault.detail == JsonFault::NumberOutOfRange.to_string() { Code::NumberOutOfRange } else { Code::SchemaInvalid }
}

/// A batch of these items; `body_bytes` is what it weighs on the writer queue.
#[must_use]
pub fn push_of<'a>(
    items: impl IntoIterator<Item = &'a Item>,
    client_id: &ClientId,
    schema_version: i64,
    body_bytes: usize,
) -> Push {
    Push {
        client_id: client_id.clone(),
        sent_at: None,
        intents: items.into_iter().map(|item| item.intent(client_id, schema_version)).collect(),
        body_bytes,
        terms: BatchTerms::default(),
    }
}

/// What an app does with an item after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NextStep {
    /// Take it off the queue.
    Remove,
    /// Leave it in the queue and send it again; that was no failed attempt.
    Keep,
    /// Put it with the dead letters: it is refused for good.
    DeadLetter,
}

impl NextStep {
    /// What follows from a status.
    #[must_use]
    pub const fn of(status: MutationStatus) -> Self {
        match status {
            MutationStatus::Applied | MutationStatus::Merged | MutationStatus::Superseded | MutationStatus::Conflict => {
                Self::Remove
            }
            MutationStatus::Rejected => Self::DeadLetter,
            MutationStatus::Deferred | MutationStatus::Unknown | MutationStatus::NeedsUpgrade => Self::Keep,
        }
    }
}

/// The answer to a batch of an adapter.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AdapterAnswered {
    /// Server clock.
    #[schema(value_type = String, format = DateTime)]
    pub server_time: Timestamp,
    /// Cursor at the position of the log after the commit.
    pub committed: String,
    /// In the order of the batch.
    pub results: Vec<AdapterResult>,
}

/// The answer to one item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AdapterResult {
    /// The item, by its own id.
    pub id: String,
    /// What to do with it.
    pub next: NextStep,
    /// What became of it.
    #[serde(flatten)]
    pub result: MutationResult,
}

/// The answers to items, in their order. `words` are the names that the app has for members of version 1.
#[must_use]
pub fn results_of(items: &[Item], results: Vec<MutationResult>, words: Words) -> Vec<AdapterResult> {
    let told = |(item, mut result): (&Item, MutationResult)| {
        in_words(&mut result, words);
        AdapterResult { id: item.id.clone(), next: NextStep::of(result.status), result }
    };
    items.iter().zip(results).map(told).collect()
}

/// Members of version 1 and what an app calls them.
pub type Words = &'static [(&'static str, &'static str)];

/// Says a problem in the words of the app: the member that it names first is the app's.
fn in_words(result: &mut MutationResult, words: Words) {
    let Some(problem) = &mut result.problem else { return };
    let end = problem.detail.find([':', '.', ' ', '[']).unwrap_or(problem.detail.len());
    if let Some((_, word)) = words.iter().find(|(name, _)| *name == &problem.detail[..end]) {
        problem.detail.replace_range(..end, word);
    }
}

/// The items of a body, each on its own: `read` makes one of an object.
fn items_read<'b>(
    body: &'b [u8],
    member: &'static str,
    max: usize,
    mut read: impl FnMut(usize, &'b RawValue, &Map<String, Value>) -> Result<Item, FieldError>,
) -> Result<(Vec<Item>, Value), Problem> {
    let envelope = Envelope::read(body, &[member])?;
    let invalid = |error: FieldError| Problem::new(Code::EnvelopeInvalid).field(error);
    let items = envelope.items(member, max)?.ok_or_else(|| invalid(FieldError::new(member, "is required")))?;
    let around = envelope.members.as_object().cloned().unwrap_or_default();
    let items = items.into_iter().enumerate().map(|(at, raw)| read(at, raw, &around)).collect::<Result<_, _>>();
    Ok((items.map_err(invalid)?, envelope.members))
}

/// An item of an app that names its items: its value when it can be read, and the item as far as its id goes.
fn named_item(raw: &RawValue, path: &str) -> Read<(Item, Option<Value>)> {
    let no_id = || FieldError::new(format!("{path}.id"), "is required, as a text of at most 256 bytes");
    let read = strict::parse(raw.get());
    let id = match &read {
        Ok(Value::Object(members)) => members.get("id").and_then(Value::as_str).map(str::to_owned),
        Ok(_) => return Err(FieldError::new(path, "must be an object")),
        Err(_) => text_member(raw.get(), "id"),
    };
    let id = id.filter(|id| !id.is_empty() && id.len() <= NAME_BYTES_MAX).ok_or_else(no_id)?;
    let operation_id = named_operation(&id);
    let mut item = Item::new(id, operation_id);
    match read {
        Ok(value) => Ok((item, Some(value))),
        Err(fault) => {
            item.fault = Some(FieldError::new(path, fault.to_string()));
            Ok((item, None))
        }
    }
}

/// The operation that an app's own id stands for: the id itself when it follows our rule, else one that is derived from it.
fn named_operation(id: &str) -> OperationId {
    OperationId::parse(id).unwrap_or_else(|_| derived(&["id", id]))
}

/// The operation that these texts stand for, as a UUID of version 5.
fn derived(texts: &[&str]) -> OperationId {
    let mut hasher = Sha1::new().chain_update(NAME_SPACE);
    for text in texts {
        // The length keeps neighbours apart: `a`, `bc` is not `ab`, `c`.
        hasher = hasher.chain_update(u64::try_from(text.len()).expect("a text fits").to_be_bytes()).chain_update(text);
    }
    let hash = hasher.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    let text = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    OperationId::parse(text).expect("a UUID follows the rule of operation ids")
}

/// An instant as apps write it: RFC 3339, or milliseconds as `Date.now()` has them.
fn instant(members: &Members<'_>, name: &str) -> Read<Option<Millis>> {
    match members.value(name) {
        Some(Value::Number(_)) => Ok(members.integer(name, 0..=INSTANT_MAX)?.map(Millis)),
        Some(Value::String(_)) => members.instant(name),
        None => Ok(None),
        Some(_) => Err(members.fault(name, "must be an RFC 3339 timestamp, or milliseconds since 1970")),
    }
}

/// The stamp of an edit: when the app says that it was made, and its place among edits of the same millisecond.
fn stamp(at: Millis, place: usize, client_id: &ClientId) -> String {
    let place = u64::try_from(place).unwrap_or(u64::MAX).min(0xffff);
    Hlc { ticks: Ticks(Ticks::at(at).0 | place), node: client_id.as_str().to_owned() }.to_string()
}

/// An object, or an object as JSON text: what a column of a local database comes back as.
fn object(members: &Members<'_>, name: &str) -> Read<Option<Map<String, Value>>> {
    match members.value(name) {
        Some(Value::String(text)) => match strict::parse(text) {
            Ok(Value::Object(map)) => Ok(Some(map)),
            Err(fault @ JsonFault::NumberOutOfRange) => Err(members.fault(name, fault.to_string())),
            _ => Err(members.fault(name, "must be an object")),
        },
        _ => Ok(members.map(name)?.cloned()),
    }
}

/// An id of a record: text, or a whole number.
fn id_text(members: &Members<'_>, name: &str) -> Read<Option<String>> {
    match members.value(name) {
        Some(Value::Number(_)) => Ok(members.integer(name, 0..=crate::limits::INTEGER_MAX)?.map(|id| id.to_string())),
        _ => members.text_owned(name, NAME_BYTES_MAX),
    }
}

/// Checks an id now, so that its fault has the app's name.
fn checked<T>(members: &Members<'_>, name: &str, read: Result<T, IdError>) -> Read<T> {
    read.map_err(|error| {
        let IdError { rule, .. } = error;
        members.fault(name, format!("must be {rule}"))
    })
}

fn record_id(members: &Members<'_>, name: &str, text: &str) -> Read<()> {
    checked(members, name, RecordId::parse(text)).map(|_| ())
}

/// A scope of this type, made of an id of the app's.
fn scope_of(members: &Members<'_>, name: &str, kind: &str, id: &str) -> Read<String> {
    checked(members, name, Scope::parse(format!("{kind}:{id}"))).map(Scope::into_string)
}

/// The scope that an item names, or the request for all its items.
fn scope_named(members: &Members<'_>, around: &Map<String, Value>) -> Read<Option<String>> {
    let own = members.text("scope", NAME_BYTES_MAX)?;
    if let Some(own) = own {
        return checked(members, "scope", Scope::parse(own)).map(|scope| Some(scope.into_string()));
    }
    let value = Value::Object(around.clone());
    let around = Members::of(&value, "")?;
    let Some(text) = around.text("scope", NAME_BYTES_MAX)? else { return Ok(None) };
    checked(&around, "scope", Scope::parse(text)).map(|scope| Some(scope.into_string()))
}

/// A collection as the app names a kind of thing: `financial-data` is `financial_data`, `CallLog` is `call_log`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for letter in name.chars() {
        match letter {
            'A'..='Z' => {
                if before.is_ascii_lowercase() || before.is_ascii_digit() {
                    out.push('_');
                }
                out.push(letter.to_ascii_lowercase());
            }
            '-' | ' ' => out.push('_'),
            _ => out.push(letter),
        }
        before = letter;
    }
    out
}

/// The payload of a record: what is an id, a base or a mark of the app's own queue is not a field.
fn payload_fields(mut payload: Map<String, Value>, drop: &[&str]) -> Value {
    for name in drop {
        payload.remove(*name);
    }
    json!(payload)
}

#[cfg(test)]
mod tests;
