//! Single records and the conflicts beside them, as devices look at them.

use crate::decide::DisputeKind;
use crate::ids::{ClientId, CollectionName, RecordId, Scope, Seq, Version};
use crate::sync::VectorClock;
use crate::time::Millis;

/// One version of a record: a row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordVersion {
    /// Position.
    pub seq: Seq,
    /// `create`, `update`, `put`, `delete`, `crdt`.
    pub op: &'static str,
    /// Version.
    pub version: Version,
    /// Scope that it stood in.
    pub scope: Scope,
    /// Effective clock.
    pub hlc: String,
    /// Who made it.
    pub client_id: Option<ClientId>,
    /// Operation.
    pub operation_id: String,
    /// Schema version it was made with.
    pub schema_version: i64,
    /// Names of the fields it touched; `None` on a full image.
    pub changed: Option<Vec<String>>,
    /// JSON text of the whole body; `None` on a tombstone.
    pub fields: Option<String>,
    /// What the write had seen, device by device, where its collection goes by that; of a record as it stands all that it has seen.
    pub vector: VectorClock,
    /// Committed at.
    pub committed: Millis,
}

/// A record as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordView {
    /// Collection.
    pub collection: CollectionName,
    /// Record.
    pub record_id: RecordId,
    /// Something waits beside it.
    pub conflicted: bool,
    /// Its last version.
    pub last: RecordVersion,
}

/// Versions of a record, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordHistory {
    /// The versions.
    pub versions: Vec<RecordVersion>,
    /// Where the next page begins.
    pub next: Option<Seq>,
}

/// An entry of the conflicts log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictView {
    /// Number.
    pub id: i64,
    /// Collection.
    pub collection: CollectionName,
    /// Record.
    pub record_id: RecordId,
    /// Scope that the record stands in.
    pub scope: Scope,
    /// Why.
    pub kind: DisputeKind,
    /// Revision of the policy that decided.
    pub policy_rev: i64,
    /// What the decision read, JSON text.
    pub inputs: String,
    /// Body that the write was based on, JSON text.
    pub base: Option<String>,
    /// The device's value, JSON text.
    pub local: String,
    /// The store's value at that time, JSON text.
    pub server: String,
    /// Device.
    pub client_id: Option<ClientId>,
    /// Operation.
    pub operation_id: String,
    /// Waits for a person.
    pub open: bool,
    /// Name of the branch that the device's value is.
    pub branch: Option<String>,
    /// Opened at.
    pub at: Millis,
    /// The record as it stands; `None` when there is none.
    pub record: Option<(Version, Option<String>)>,
}

/// Digests of scopes at one position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Integrity {
    /// Cursor of a feed over the same filter that has come as far.
    pub cursor: String,
    /// The digests.
    pub items: Vec<IntegrityItem>,
    /// Collections that have records in these scopes and no digest: what is stored of them is not what devices hold, for their fields have
    /// had other names.
    pub left_out: Vec<CollectionName>,
}

/// State digest of a collection in a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrityItem {
    /// Scope.
    pub scope: Scope,
    /// Collection.
    pub collection: CollectionName,
    /// Live records.
    pub rows: i64,
    /// Sum of their hashes.
    pub digest: u64,
}
