//! `GET /records/…`, `GET /integrity`, `GET /conflicts`, `POST /conflicts/{id}/resolution`: what a device looks at one by one.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidewatch_domain::ids::{ClientId, OperationId, Version};
use tidewatch_domain::sync::{Body, ConflictView, Integrity, IntegrityItem, RecordHistory, RecordVersion, RecordView};

use crate::limits::INTEGER_MAX;
use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::timestamp::Timestamp;
use crate::v1::mutations::MutationResult;
use crate::v1::raw::Envelope;

fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).expect("the store holds JSON")
}

/// One version of a record.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecordVersionEntry {
    /// Position.
    pub seq: i64,
    /// What made it: `create`, `update`, `put`, `delete`, `crdt`.
    #[schema(value_type = String)]
    pub op: Cow<'static, str>,
    /// Version.
    pub version: i64,
    /// Scope that it stands in, or stood in.
    pub scope: String,
    /// Effective clock.
    pub hlc: String,
    /// Device that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Operation.
    pub operation_id: String,
    /// Schema version it was made with.
    pub schema_version: i64,
    /// Fields it touched; absent on a full image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Vec<String>>,
    /// The whole record; absent when it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub fields: Option<Box<RawValue>>,
    /// What the write had seen, device by device, itself included, where its collection goes by that; of a record as it stands all that it has
    /// seen.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub vector_clock: std::collections::BTreeMap<String, i64>,
    /// Committed at.
    #[schema(value_type = String, format = DateTime)]
    pub committed_at: Timestamp,
}

impl From<RecordVersion> for RecordVersionEntry {
    fn from(version: RecordVersion) -> Self {
        Self {
            seq: version.seq.0,
            op: Cow::Borrowed(version.op),
            version: version.version.0,
            scope: version.scope.into_string(),
            hlc: version.hlc,
            client_id: version.client_id.map(ClientId::into_string),
            operation_id: version.operation_id,
            schema_version: version.schema_version,
            changed: version.changed,
            fields: version.fields.map(raw),
            vector_clock: version.vector,
            committed_at: Timestamp(version.committed),
        }
    }
}

/// A record as it stands.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecordEntry {
    /// Collection.
    pub collection: String,
    /// Record: another id than was asked for, when the same thing was recorded before.
    pub record_id: String,
    /// It is deleted.
    pub deleted: bool,
    /// Something waits beside it; see `GET /conflicts`.
    pub conflicted: bool,
    /// Its last version.
    #[serde(flatten)]
    pub last: RecordVersionEntry,
}

impl From<RecordView> for RecordEntry {
    fn from(view: RecordView) -> Self {
        Self {
            collection: view.collection.into_string(),
            record_id: view.record_id.into_string(),
            deleted: view.last.fields.is_none(),
            conflicted: view.conflicted,
            last: view.last.into(),
        }
    }
}

/// Versions of a record.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecordHistoryPage {
    /// Newest first. Versions in scopes that the device may not read are left out.
    pub versions: Vec<RecordVersionEntry>,
    /// `from` of the next page; `null` at the end.
    pub next: Option<i64>,
}

impl From<RecordHistory> for RecordHistoryPage {
    fn from(history: RecordHistory) -> Self {
        let versions = history.versions.into_iter().map(RecordVersionEntry::from).collect();
        Self { versions, next: history.next.map(|seq| seq.0) }
    }
}

/// State digests at one position.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IntegrityPage {
    /// The cursor of a feed with the same filter that has come as far. Compare digests only when this is the cursor of the local copy.
    pub cursor: String,
    /// One for each collection of each scope that ever held a record.
    pub items: Vec<IntegrityEntry>,
    /// Collections that have no digest, though they have held records there. Nothing is known of whether the local copy is equal.
    pub left_out: Vec<IntegrityLeftOut>,
    /// Pause before the next look, milliseconds.
    pub poll_after_ms: i64,
}

/// A collection without a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IntegrityLeftOut {
    /// Collection.
    pub collection: String,
    /// `schema_steps`: its fields have had other names, so that what is stored is not what devices hold.
    #[schema(value_type = String)]
    pub reason: Cow<'static, str>,
}

impl IntegrityPage {
    /// Digests, and when to look again.
    #[must_use]
    pub fn new(found: Integrity, poll_after_ms: i64) -> Self {
        let left_out = found.left_out.into_iter();
        let left_out =
            left_out.map(|name| IntegrityLeftOut { collection: name.into_string(), reason: Cow::Borrowed("schema_steps") });
        Self {
            cursor: found.cursor,
            items: found.items.into_iter().map(IntegrityEntry::from).collect(),
            left_out: left_out.collect(),
            poll_after_ms,
        }
    }
}

/// State digest of a collection in a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IntegrityEntry {
    /// Scope.
    pub scope: String,
    /// Collection.
    pub collection: String,
    /// Live records.
    pub rows: i64,
    /// 16 hex digits: the sum, modulo 2^64, of the first 8 bytes of SHA-256 over `record_id "\\0" version "\\0" content_hash` of each.
    pub digest: String,
}

impl From<IntegrityItem> for IntegrityEntry {
    fn from(item: IntegrityItem) -> Self {
        let (scope, collection) = (item.scope.into_string(), item.collection.into_string());
        Self { scope, collection, rows: item.rows, digest: format!("{:016x}", item.digest) }
    }
}

/// The record beside a conflict, as it stands now.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConflictRecord {
    /// Version: the `base_version` of a resolution.
    pub version: i64,
    /// The whole record; absent when it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub fields: Option<Box<RawValue>>,
}

/// A conflict that waits for a decision.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConflictEntry {
    /// `cf_…`, as in answers and in the feed.
    pub conflict_id: String,
    /// Collection.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope that the record stands in.
    pub scope: String,
    /// `review`, `approval`, `branch`, `delete`, …
    #[schema(value_type = String)]
    pub kind: Cow<'static, str>,
    /// Revision of the policy that decided.
    pub policy_rev: i64,
    /// What the decision read.
    #[schema(value_type = Object)]
    pub inputs: Box<RawValue>,
    /// The body that the device's write was based on, as far as it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub base: Option<Box<RawValue>>,
    /// The device's value; `null` when it deletes.
    #[schema(value_type = Option<Object>)]
    pub local: Box<RawValue>,
    /// The store's value at that time; `null` when there was none.
    #[schema(value_type = Option<Object>)]
    pub server: Box<RawValue>,
    /// Device whose operation it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Operation.
    pub operation_id: String,
    /// The branch that the device's value is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Opened at.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// The record as it stands now; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<ConflictRecord>,
}

impl From<ConflictView> for ConflictEntry {
    fn from(view: ConflictView) -> Self {
        let record = view.record.map(|(version, body)| ConflictRecord { version: version.0, fields: body.map(raw) });
        Self {
            conflict_id: format!("cf_{}", view.id),
            collection: view.collection.into_string(),
            record_id: view.record_id.into_string(),
            scope: view.scope.into_string(),
            kind: Cow::Borrowed(view.kind.as_str()),
            policy_rev: view.policy_rev,
            inputs: raw(view.inputs),
            base: view.base.map(raw),
            local: raw(view.local),
            server: raw(view.server),
            client_id: view.client_id.map(ClientId::into_string),
            operation_id: view.operation_id,
            branch: view.branch,
            opened_at: Timestamp(view.at),
            record,
        }
    }
}

/// Conflicts that wait for a decision.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConflictsPage {
    /// Oldest first.
    pub conflicts: Vec<ConflictEntry>,
    /// `after` of the next page; `null` at the end.
    pub next: Option<String>,
    /// Pause before the next look, milliseconds; 0 when there is a next page.
    pub poll_after_ms: i64,
}

/// Settles a conflict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ResolutionRequest {
    /// `local`: the device's value. `remote`: the record as it stands. `merge`: the record as it stands, with `fields` over it. `custom`:
    /// `fields` are the record.
    pub choice: String,
    /// Goes with `merge` and `custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub fields: Option<Body>,
    /// The version of the record that was looked at. Required when there is a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_version: Option<i64>,
    /// The operation that it becomes. When absent, the same decision on the same version becomes the same operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
}

/// A resolution as read.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolutionRead {
    /// Name of the choice.
    pub choice: String,
    /// Fields.
    pub fields: Option<Body>,
    /// Version.
    pub base_version: Option<Version>,
    /// Operation.
    pub operation_id: Option<OperationId>,
}

/// Reads a resolution.
///
/// # Errors
/// `json_invalid` or `envelope_invalid`, naming the member.
pub fn resolution_read(body: &[u8]) -> Result<ResolutionRead, Problem> {
    let envelope = Envelope::read(body, &[])?;
    let invalid = |error: FieldError| Problem::new(Code::EnvelopeInvalid).field(error);
    let members = Members::of(&envelope.members, "").map_err(invalid)?;
    let read = || -> Result<ResolutionRead, FieldError> {
        let operation = members.text("operation_id", 128)?.map(OperationId::parse).transpose();
        Ok(ResolutionRead {
            choice: members.text_required("choice", 32)?.to_owned(),
            fields: members.map("fields")?.cloned(),
            base_version: members.integer("base_version", 1..=INTEGER_MAX)?.map(Version),
            operation_id: operation.map_err(|error| members.fault("operation_id", error.to_string()))?,
        })
    };
    read().map_err(invalid)
}

/// A conflict that was settled.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ResolutionAnswered {
    /// Which.
    pub conflict_id: String,
    /// The answer to the mutation that the decision became.
    pub result: MutationResult,
}

/// A ticket for one event stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TicketIssued {
    /// Goes into `GET /events?ticket=…`, once.
    pub ticket: String,
    /// It ends in.
    pub expires_in_s: u32,
}
