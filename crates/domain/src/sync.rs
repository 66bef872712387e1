//! The sync protocol's questions and answers in domain terms (`protocol.md` 2.3 to 2.6). The wire forms are in `tidewatch-protocol`.

mod backfill;
mod feed;
mod letters;
mod record;
mod rows;
mod snapshot;
mod standing;
mod terms;

use crate::digest::Hash;
use crate::ids::{ClientId, CollectionName, GroupName, IdempotencyKey, OperationId, RecordId, Scope, Seq, Version};
use crate::time::Millis;

pub use self::backfill::{BackfillPage, BackfillQuery, BackfillRow};
pub use self::feed::{ControlRow, CursorRefusal, FeedInclude, FeedPage, FeedQuery, FeedRow};
pub use self::letters::{ReportedLetter, ReportedLetters};
pub use self::record::{ConflictView, Integrity, IntegrityItem, RecordHistory, RecordVersion, RecordView};
pub use self::rows::{FeedRowRef, FeedRows, FeedSlot, Span};
pub use self::snapshot::{Snapshot, SnapshotFilter, SnapshotPart};
pub use self::standing::RecordStanding;
pub use self::terms::{
    BatchRefusal, BatchTerms, Command, DEPENDS_ON_MAX, IntentSignature, MERGES_MAX, PATCH_OPS_MAX, PublicKey, RESOLVES_MAX,
    SinceAsked, Terms, VECTOR_MAX, VectorClock,
};

/// The body of a record: a JSON object.
pub type Body = serde_json::Map<String, serde_json::Value>;

/// Registers an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRegistration {
    /// Chosen by the device, or made by the server.
    pub client_id: Option<ClientId>,
    /// Who it belongs to.
    pub principal: String,
    /// Platform.
    pub platform: Option<String>,
    /// App version.
    pub app_version: Option<String>,
    /// Schema version of its database.
    pub schema_version: Option<i64>,
    /// Scopes it may read and write.
    pub scopes: Vec<Scope>,
    /// Made by the simulator.
    pub simulated: bool,
    /// Key that it signs with.
    pub public_key: Option<PublicKey>,
}

/// What an intent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MutationOp {
    /// A new record.
    Create,
    /// Merges fields into a record.
    Update,
    /// Replaces a record.
    Put,
    /// Deletes a record.
    Delete,
    /// Changes a field that merges by itself.
    Crdt,
}

impl MutationOp {
    /// Every operation.
    pub const ALL: [Self; 5] = [Self::Create, Self::Update, Self::Put, Self::Delete, Self::Crdt];

    /// As the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Crdt => "crdt",
        }
    }

    /// Reads what [`MutationOp::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str() == text)
    }
}

/// What an intent was based on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// Unknown: on an existing record the policy decides.
    Unknown,
    /// A version of the record.
    Version(Version),
    /// An earlier intent of the same device, acknowledged or not.
    Operation(OperationId),
    /// Whatever version has this content: SHA-256 of the canonical body.
    Checksum(Hash),
}

/// One intent, valid in itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    /// Frozen id.
    pub operation_id: OperationId,
    /// What a retry repeats.
    pub idempotency_key: IdempotencyKey,
    /// Counts the intents of the device.
    pub client_seq: Option<i64>,
    /// Collection.
    pub collection: CollectionName,
    /// Record.
    pub record_id: RecordId,
    /// Scope.
    pub scope: Scope,
    /// What it does.
    pub op: MutationOp,
    /// On what base.
    pub base: Base,
    /// Payload; empty for a delete; of a crdt operation its members. `{"$unset": true}` as a value removes the field.
    pub fields: Body,
    /// Hybrid logical clock, as claimed.
    pub logical_timestamp: Option<String>,
    /// Queued at the device.
    pub created_at: Option<Millis>,
    /// 1 (first) to 5.
    pub priority: u8,
    /// Not to be applied after.
    pub deadline: Option<Millis>,
    /// Schema version of the device.
    pub schema_version: i64,
    /// What few intents ask for.
    pub terms: Option<Box<Terms>>,
    /// The intent as it came, JSON text: what a dead letter keeps.
    pub raw: String,
}

impl Mutation {
    /// The id of its operation as a key, when its own key is another one.
    #[must_use]
    pub fn operation_key(&self) -> Option<IdempotencyKey> {
        let id = self.operation_id.as_str();
        if self.idempotency_key.as_str() == id { None } else { IdempotencyKey::parse(id).ok() }
    }
}

/// One element of a batch: a valid intent, or one that could be read far enough to be answered by its id.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// Valid in itself.
    Valid(Box<Mutation>),
    /// Refused before the engine.
    Invalid {
        /// Which.
        operation_id: OperationId,
        /// Why.
        problem: IntentProblem,
        /// Its group, as far as it could be read.
        group: Option<GroupName>,
        /// Its place among the intents of the device, as far as it could be read.
        client_seq: Option<i64>,
        /// As it came, JSON text.
        raw: String,
    },
}

/// A batch of intents of one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// Whose.
    pub client_id: ClientId,
    /// Device clock when it was sent.
    pub sent_at: Option<Millis>,
    /// In order.
    pub intents: Vec<Intent>,
    /// Bytes of the request body, for the bound of the writer queue.
    pub body_bytes: usize,
    /// What few batches ask for.
    pub terms: BatchTerms,
}

/// Why one intent was refused, deferred or conflicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentProblem {
    /// Problem code, e.g. `schema_invalid`.
    pub code: &'static str,
    /// HTTP status that the code stands for.
    pub status: u16,
    /// Whether the same intent may be sent again.
    pub retryable: bool,
    /// When to, if so.
    pub retry_after_ms: Option<i64>,
    /// In words, without values of the payload.
    pub detail: String,
}

/// Status of one intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntentStatus {
    /// In the log, or without effect (`noop`).
    Applied,
    /// In the log after a merge.
    Merged,
    /// Lost against a newer write; kept in the conflicts log.
    Superseded,
    /// Needs a decision; kept in the conflicts log.
    Conflict,
    /// Refused for good; kept as a dead letter.
    Rejected,
    /// Not decided; send it again.
    Deferred,
    /// Never seen (only in answers to `/mutations/status`).
    Unknown,
}

impl IntentStatus {
    /// As the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Merged => "merged",
            Self::Superseded => "superseded",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Deferred => "deferred",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a device may forget the intent after this answer.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Deferred | Self::Unknown)
    }
}

/// How a merge came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Policy kind.
    pub policy: String,
    /// Its revision.
    pub policy_rev: i64,
    /// Fields of the intent that stand.
    pub kept: Vec<String>,
    /// Fields of the intent that gave way.
    pub lost: Vec<String>,
}

/// The answer to one intent.
#[derive(Clone, Debug, PartialEq)]
pub struct IntentResult {
    /// Which.
    pub operation_id: OperationId,
    /// Status.
    pub status: IntentStatus,
    /// Nothing changed.
    pub noop: bool,
    /// The answer is the stored one of an earlier send.
    pub replayed: bool,
    /// Position of the change (of the winner, when superseded).
    pub seq: Option<Seq>,
    /// Version of the record after it.
    pub version: Option<Version>,
    /// Effective clock.
    pub hlc: Option<String>,
    /// Full post-image whenever it differs from base + intent.
    pub record: Option<Body>,
    /// The record that it came to, when that is another one than it named.
    pub record_id: Option<RecordId>,
    /// The branch that it became.
    pub branch: Option<String>,
    /// How a merge came out.
    pub resolution: Option<Resolution>,
    /// Entry of the conflicts log: `cf_<n>`.
    pub conflict_id: Option<String>,
    /// `clock_skew`, …
    pub warnings: Vec<&'static str>,
    /// Why not.
    pub problem: Option<IntentProblem>,
}

/// The answer to a batch. It exists only after the commit is durable.
#[derive(Clone, Debug, PartialEq)]
pub struct PushAnswer {
    /// Position of the log after the commit.
    pub committed: Seq,
    /// In the order of the batch.
    pub results: Vec<IntentResult>,
}

/// A configured collection, as `/clients` tells a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionInfo {
    /// Name.
    pub name: CollectionName,
    /// Oldest schema still served.
    pub schema_min: i64,
    /// Current schema.
    pub schema_current: i64,
    /// Policy, JSON text.
    pub policy: String,
    /// Revision of the policy.
    pub policy_rev: i64,
    /// `critical`, `important`, `normal`, `background`.
    pub priority: &'static str,
}
