//! Fields of records that a reader has already: what it asks for after it has learned of a new column.

use crate::ids::{CollectionName, RecordId, Scope, Seq, Version};

/// Which fields of which records, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillQuery {
    /// Collection.
    pub collection: CollectionName,
    /// Names of fields, as the reader's schema has them.
    pub fields: Vec<String>,
    /// Only these scopes; empty means every scope the reader may read.
    pub scopes: Vec<Scope>,
    /// Cursor of the page before; `None` or `0` is the beginning.
    pub cursor: Option<String>,
    /// At most so many rows (1 to 5,000).
    pub limit: u32,
    /// Schema version of the reader's database.
    pub schema: Option<i64>,
}

/// What one live record has of the fields that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillRow {
    /// Record.
    pub record_id: RecordId,
    /// Scope.
    pub scope: Scope,
    /// The version that has them.
    pub version: Version,
    /// Position of that version.
    pub seq: Seq,
    /// JSON text of an object of those that are there.
    pub fields: String,
}

/// One page of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillPage {
    /// Where the next page starts, printed.
    pub cursor: String,
    /// More rows are there now.
    pub has_more: bool,
    /// In the order of `seq`.
    pub rows: Vec<BackfillRow>,
}
