//! The change feed in domain terms: what is asked for, the rows of a page, and why a cursor is refused.

use crate::engine::{ControlFacts, ControlOp};
use crate::hlc::Hlc;
use crate::ids::{ClientId, CollectionName, Epoch, RecordId, Scope, Seq, Version};
use crate::sync::FeedRows;
use crate::time::Millis;

/// How much of each change a page carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeedInclude {
    /// The whole record where it is new, the touched fields of an update.
    #[default]
    Fields,
    /// The whole record after every change.
    Full,
    /// No payload at all.
    Meta,
}

impl FeedInclude {
    /// Every way, with its name on the wire.
    pub const NAMES: [(&'static str, Self); 3] = [("fields", Self::Fields), ("full", Self::Full), ("meta", Self::Meta)];

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, include)| include)
    }

    /// As the wire writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.into_iter().find(|(_, include)| *include == self).map_or("", |(name, _)| name)
    }
}

/// Which rows of the log, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedQuery {
    /// The cursor as sent; `None` or `0` is the beginning, `now` the head.
    pub since: Option<String>,
    /// Epoch that goes with a bare number.
    pub epoch: Option<Epoch>,
    /// At most so many rows (1 to 5,000).
    pub limit: u32,
    /// Chasing scan of the state instead of the log.
    pub compact: bool,
    /// Only these scopes; empty means every scope the principal may read.
    pub scopes: Vec<Scope>,
    /// Only these collections; empty means all.
    pub collections: Vec<CollectionName>,
    /// Part of the filter: the fields that are made of the whole records of this scan. Empty for a feed.
    pub fields: Vec<String>,
    /// How much of each change.
    pub include: FeedInclude,
    /// Leave out what the reader did itself; the cursor still moves.
    pub exclude_self: bool,
    /// Schema version of the reader's database; an older one gets its own names of fields back.
    pub schema: Option<i64>,
    /// Who reads: grants and revocations of others are not for it.
    pub reader: Option<ClientId>,
}

/// One row of a feed page by itself. In a page it is a [`FeedRowRef`](crate::sync::FeedRowRef).
#[derive(Clone, Debug, PartialEq)]
pub struct FeedRow {
    /// Position.
    pub seq: Seq,
    /// `create`, `update`, `put`, `delete`, `crdt`.
    pub op: &'static str,
    /// Collection.
    pub collection: CollectionName,
    /// Record.
    pub record_id: RecordId,
    /// Scope.
    pub scope: Scope,
    /// Version of the record.
    pub version: Version,
    /// Position of the record's change before this one.
    pub prev_seq: Option<Seq>,
    /// Effective clock.
    pub hlc: Hlc,
    /// Who made it.
    pub client_id: Option<ClientId>,
    /// Operation.
    pub operation_id: String,
    /// Schema version it was made with.
    pub schema_version: i64,
    /// Names of the fields it touched; `None` on a full image.
    pub changed: Option<Vec<String>>,
    /// JSON text of the fields: the full body on `create` and `put`, the touched ones on `update`; `None` on `delete` and `crdt`,
    /// unless the full body was asked for.
    pub fields: Option<String>,
    /// JSON text of the operation on a field that merges by itself; only on `crdt`.
    pub crdt: Option<String>,
    /// JSON text of what is known of the record's vector clock, where its collection goes by that.
    pub vector: Option<String>,
    /// Committed at.
    pub committed: Millis,
}

/// A row of a feed page that changes no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRow {
    /// Position.
    pub seq: Seq,
    /// What it says.
    pub op: ControlOp,
    /// Collection, of a row about a record or a collection.
    pub collection: Option<CollectionName>,
    /// Record, of a row about one.
    pub record_id: Option<RecordId>,
    /// Scope that it is about.
    pub scope: Scope,
    /// Version of the record at that time.
    pub version: Option<Version>,
    /// Operation that caused it.
    pub operation_id: String,
    /// What it says beside that.
    pub facts: ControlFacts,
    /// Committed at.
    pub committed: Millis,
}

/// One page of the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedPage {
    /// Where the next page starts, printed.
    pub cursor: String,
    /// More rows are there now.
    pub has_more: bool,
    /// The reader has seen everything at the time of the answer.
    pub up_to_date: bool,
    /// On a compact scan: whether the state is complete.
    pub snapshot_complete: Option<bool>,
    /// Changes of records, in the order of `seq`.
    pub rows: FeedRows,
    /// Rows that change no record, in the order of `seq`. Both lists together are the page.
    pub controls: Vec<ControlRow>,
    /// Identifies the page: `<epoch>.<since>-<last>.<fhash>.<mode>.<limit>`.
    pub etag: String,
    /// The page is full, so its bytes can never change.
    pub immutable: bool,
}

/// Why a feed request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorRefusal {
    /// Shape or check sum wrong.
    #[error("cursor_malformed")]
    Malformed,
    /// Not of this store.
    #[error("cursor_epoch_mismatch")]
    EpochMismatch {
        /// Where the lineages parted, if known.
        fork_seq: Option<Seq>,
    },
    /// Beyond the head.
    #[error("cursor_ahead")]
    Ahead,
    /// Below the horizon.
    #[error("cursor_expired")]
    Expired {
        /// First position that is still there.
        horizon: Seq,
    },
    /// Made with another filter.
    #[error("cursor_filter_mismatch")]
    FilterMismatch,
}
