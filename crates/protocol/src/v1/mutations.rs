//! `POST /mutations`: a batch of intents in, one status per intent out.
//!
//! An intent that breaks a rule is answered by its own id ([`Intent::Invalid`]); only an envelope that cannot be read, or
//! an intent without a readable id, refuses the batch. The text of each intent is kept as it came.

mod answer;
mod read;
mod terms;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidewatch_domain::sync::{Base, Body, IntentProblem, IntentResult, IntentStatus, Resolution};

use crate::timestamp::Timestamp;

pub use answer::answer_text;
pub(crate) use read::intent_of;
pub use read::{PushRead, intent_kept_read, push_read};
pub use terms::conflict_read;

/// One intent, as a device sends it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Mutation {
    /// Frozen id: at most 64 characters of `A-Z a-z 0-9 . _ : -`.
    pub operation_id: String,
    /// What a retry repeats; the operation id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Counts the intents of the device, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_seq: Option<i64>,
    /// Collection.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope: `global` or `type:id`.
    pub scope: String,
    /// `create`, `update`, `put`, `delete`, `crdt` or `command`.
    pub op: String,
    /// Version of the record it was based on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_version: Option<i64>,
    /// Earlier intent of the same device it was based on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_operation_id: Option<String>,
    /// Content it was based on: `sha256:` and the hex digest of the canonical JSON of the whole body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_checksum: Option<String>,
    /// The body it was based on, for a merge when the server's history does not reach back so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub base: Option<Body>,
    /// Payload; `{"$unset": true}` as a value removes the field. Absent for `delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub fields: Option<Body>,
    /// Payload of an `update` in place of `fields`: operations of RFC 6902, at most 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub json_patch: Option<Vec<serde_json::Value>>,
    /// Payload of a `command`: `name`, as the policy of the collection has it, and the fields that the command takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub args: Option<Body>,
    /// Operations of the same device that must stand before, at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Consecutive intents of one group commit or fail together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Operation on a field that merges by itself, e.g. `{"type": "counter", "field": "qty", "delta": 3}`. Only with `crdt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub crdt: Option<Body>,
    /// Branches that the intent merges into the record, beside its base: both parents are named. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merges: Vec<String>,
    /// Conflicts that the intent settles: `conflict_id`s of answers, at most 32. It must be based on the record as it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolves: Vec<String>,
    /// How many writes of each device the intent has seen, its own included; for collections that detect conflicts by it. At most 64 entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub vector_clock: Option<Body>,
    /// Hybrid logical clock of the device: `<12 hex ms><4 hex counter>-<node>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logical_timestamp: Option<String>,
    /// Queued at the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Timestamp>,
    /// 1 (first) to 5; 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Not to be applied after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline: Option<Timestamp>,
    /// Schema version; that of the batch when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<i64>,
    /// `sha256:` and hex, over the canonical JSON of the intent without `checksum`, `sig`, `relayed_by` and `hops`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// The device that made it, when the device of the batch relays it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Ed25519 signature of the device that made it, over the same bytes as `checksum`, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig: Option<String>,
}

impl Mutation {
    /// States the base in the wire's members.
    pub fn base_set(&mut self, base: &Base) {
        (self.base_version, self.base_operation_id, self.base_checksum) = match base {
            Base::Unknown => (None, None, None),
            Base::Version(version) => (Some(version.0), None, None),
            Base::Operation(operation) => (None, Some(operation.as_str().to_owned()), None),
            Base::Checksum(hash) => (None, None, Some(crate::checksum::written(hash))),
        };
    }

    /// The intent as frozen text, with its check sum: what a device keeps in its write-ahead log and sends unchanged.
    #[must_use]
    pub fn frozen(mut self) -> Box<RawValue> {
        self.checksum = None;
        let value = serde_json::to_value(&self).expect("an intent is JSON");
        let members = value.as_object().expect("an intent is an object");
        self.checksum = Some(crate::checksum::intent_checksum(members));
        serde_json::value::to_raw_value(&self).expect("an intent is JSON")
    }
}

/// A batch of intents of one device. Intents are frozen text, so that a retry sends the same bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PushRequest {
    /// 1.
    pub protocol: u32,
    /// The acting device.
    pub client_id: String,
    /// Names the batch in logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<String>,
    /// Schema version of the device's database; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<i64>,
    /// Device clock now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sent_at: Option<Timestamp>,
    /// `relaxed` (when absent) or `strict`: `client_seq` has no gaps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequencing: Option<String>,
    /// The device has stored the final answers to all intents up to this `client_seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_floor: Option<i64>,
    /// All or nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub atomic: bool,
    /// With `atomic`: no record of the batch has changed after this cursor, or after this number together with `epoch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub since: Option<serde_json::Value>,
    /// Incarnation of the store that a number in `since` belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// At most 1,000.
    #[schema(value_type = Vec<Mutation>)]
    pub mutations: Vec<Box<RawValue>>,
    /// Telemetry reports that ride along; they never change the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<crate::v1::telemetry::Report>)]
    pub reports: Vec<Box<RawValue>>,
}

/// The answer to a batch; it exists only after the commit is durable.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PushAnswered {
    /// 1.
    pub protocol: u32,
    /// Incarnation of the store.
    pub epoch: String,
    /// As sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<String>,
    /// Server clock.
    #[schema(value_type = String, format = DateTime)]
    pub server_time: Timestamp,
    /// Server clock as a hybrid logical clock.
    pub server_hlc: String,
    /// Cursor at the position of the log after the commit.
    pub committed: String,
    /// When to push again; 0 is at once.
    pub poll_after_ms: i64,
    /// In the order of the batch.
    pub results: Vec<MutationResult>,
}

/// Status of one intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MutationStatus {
    /// In the log, or without effect (`noop`).
    Applied,
    /// In the log after a merge.
    Merged,
    /// Lost against a newer write; kept in the conflicts log.
    Superseded,
    /// Needs a decision; kept in the conflicts log.
    Conflict,
    /// Refused for good.
    Rejected,
    /// Not decided; send it again.
    Deferred,
    /// Never seen (only in answers to `/mutations/status`).
    Unknown,
    /// A status of a later version: stop and ask for an upgrade, never take it for success.
    #[serde(other, skip_serializing)]
    NeedsUpgrade,
}

impl From<IntentStatus> for MutationStatus {
    fn from(status: IntentStatus) -> Self {
        match status {
            IntentStatus::Applied => Self::Applied,
            IntentStatus::Merged => Self::Merged,
            IntentStatus::Superseded => Self::Superseded,
            IntentStatus::Conflict => Self::Conflict,
            IntentStatus::Rejected => Self::Rejected,
            IntentStatus::Deferred => Self::Deferred,
            IntentStatus::Unknown => Self::Unknown,
        }
    }
}

/// The answer to one intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MutationResult {
    /// Which.
    pub operation_id: String,
    /// Status.
    pub status: MutationStatus,
    /// Nothing changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub noop: bool,
    /// The stored answer of an earlier send.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// Position of the change (of the winner, when superseded).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
    /// Version of the record after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Effective clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hlc: Option<String>,
    /// The whole record whenever it differs from base + intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub record: Option<Body>,
    /// The record that the intent came to, when that is another one than it named: later intents on the old id go there, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_id: Option<String>,
    /// The branch that the intent became, e.g. `7b` beside version 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How a merge came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<ResolutionEntry>,
    /// Entry of the conflicts log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict_id: Option<String>,
    /// `clock_skew`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub warnings: Vec<Cow<'static, str>>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<MutationProblem>,
}

impl From<IntentResult> for MutationResult {
    fn from(result: IntentResult) -> Self {
        Self {
            operation_id: result.operation_id.into_string(),
            status: result.status.into(),
            noop: result.noop,
            replayed: result.replayed,
            seq: result.seq.map(|seq| seq.0),
            version: result.version.map(|version| version.0),
            hlc: result.hlc,
            record: result.record,
            record_id: result.record_id.map(tidewatch_domain::ids::RecordId::into_string),
            branch: result.branch,
            resolution: result.resolution.map(ResolutionEntry::from),
            conflict_id: result.conflict_id,
            warnings: result.warnings.into_iter().map(Cow::Borrowed).collect(),
            problem: result.problem.map(MutationProblem::from),
        }
    }
}

/// How a merge came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ResolutionEntry {
    /// Policy kind.
    pub policy: String,
    /// Its revision.
    pub policy_rev: i64,
    /// Fields of the intent that stand.
    pub kept: Vec<String>,
    /// Fields of the intent that gave way.
    pub lost: Vec<String>,
}

impl From<Resolution> for ResolutionEntry {
    fn from(resolution: Resolution) -> Self {
        let Resolution { policy, policy_rev, kept, lost } = resolution;
        Self { policy, policy_rev, kept, lost }
    }
}

/// Why one intent was refused, deferred or conflicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MutationProblem {
    /// For programs, e.g. `schema_invalid`.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// HTTP status that the code stands for.
    pub status: u16,
    /// Whether the same intent may be sent again.
    pub retryable: bool,
    /// When to, milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<i64>,
    /// In words.
    #[serde(default)]
    pub detail: String,
}

impl From<IntentProblem> for MutationProblem {
    fn from(problem: IntentProblem) -> Self {
        Self {
            code: Cow::Borrowed(problem.code),
            status: problem.status,
            retryable: problem.retryable,
            retry_after_ms: problem.retry_after_ms,
            detail: problem.detail,
        }
    }
}

#[cfg(test)]
mod tests;
