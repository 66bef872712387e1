//! `GET /snapshots`: prebuilt snapshots of one scope, in parts of compressed lines.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tidewatch_domain::ids::{CollectionName, Scope};
use tidewatch_domain::sync::{FeedRowRef, Snapshot, SnapshotFilter};

use crate::headers::PROTOCOL_VERSION;
use crate::timestamp::Timestamp;
use crate::v1::changes::row_line;

/// A prebuilt snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SnapshotManifest {
    /// 1.
    pub protocol: u32,
    /// Its id.
    pub id: String,
    /// Incarnation of the store.
    pub epoch: String,
    /// Scope.
    pub scope: String,
    /// Only these; empty means all.
    pub collections: Vec<String>,
    /// Position at which the state holds.
    pub seq: i64,
    /// Where a feed over the same scope and collections goes on: `since` of the next request for changes.
    pub cursor: String,
    /// Records.
    pub rows: u64,
    /// Bytes of all parts, compressed.
    pub bytes: u64,
    /// SHA-256 of all parts, one behind the other, in hex.
    pub sha256: String,
    /// Asked for at.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Its parts, in order.
    pub parts: Vec<SnapshotPartEntry>,
}

/// A part of a snapshot: records in the order of their last change, one `put` a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SnapshotPartEntry {
    /// 1, 2, …
    pub n: u64,
    /// Path of its bytes.
    pub href: String,
    /// Records.
    pub rows: u64,
    /// Bytes, compressed.
    pub bytes: u64,
    /// Bytes, decompressed.
    pub raw_bytes: u64,
    /// SHA-256 of the compressed bytes, in hex.
    pub sha256: String,
}

/// A snapshot is being made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SnapshotPending {
    /// 1.
    pub protocol: u32,
    /// `making`.
    #[schema(value_type = String)]
    pub state: Cow<'static, str>,
    /// When to ask again, as `Retry-After` does.
    pub retry_after_ms: i64,
}

impl SnapshotManifest {
    /// The manifest of a snapshot whose parts lie below this path.
    #[must_use]
    pub fn new(snapshot: &Snapshot, path: &str) -> Self {
        let SnapshotFilter { scope, collections } = snapshot.filter.clone();
        let parts = snapshot.parts.iter().zip(1..).map(|(part, n)| SnapshotPartEntry {
            n,
            href: format!("{path}/{}/parts/{n}", snapshot.id),
            rows: part.rows,
            bytes: part.bytes,
            raw_bytes: part.raw_bytes,
            sha256: hex::encode(part.sha256),
        });
        Self {
            protocol: PROTOCOL_VERSION,
            id: snapshot.id.clone(),
            epoch: snapshot.epoch.to_string(),
            scope: Scope::into_string(scope),
            collections: collections.into_iter().map(CollectionName::into_string).collect(),
            seq: snapshot.at.0,
            cursor: snapshot.cursor().to_string(),
            rows: snapshot.rows,
            bytes: snapshot.bytes,
            sha256: hex::encode(snapshot.sha256),
            created_at: Timestamp(snapshot.created),
            parts: parts.collect(),
        }
    }
}

impl SnapshotPending {
    /// One that is to be asked for again after this pause.
    #[must_use]
    pub const fn new(retry_after_ms: i64) -> Self {
        Self { protocol: PROTOCOL_VERSION, state: Cow::Borrowed("making"), retry_after_ms }
    }
}

/// Writes a row as a line of a part.
pub fn line_write(row: FeedRowRef<'_>, out: &mut Vec<u8>) {
    row_line(out, &row);
}
