//! `GET /changes`: pages of the feed. Bodies of records pass through as the JSON text the store holds.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidewatch_domain::sync::{FeedPage, FeedRow};

use crate::headers::PROTOCOL_VERSION;
use crate::timestamp::Timestamp;

/// One page of the feed.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChangesPage {
    /// 1.
    pub protocol: u32,
    /// Incarnation of the store.
    pub epoch: String,
    /// Where the next page starts. Save it together with the rows, never before.
    pub cursor: String,
    /// More rows are there now.
    pub has_more: bool,
    /// Everything up to the time of the answer is in this page or before it.
    pub up_to_date: bool,
    /// Progress of a compact scan; `null` in normal mode.
    pub snapshot: Option<SnapshotState>,
    /// Server clock.
    #[schema(value_type = String, format = DateTime)]
    pub server_time: Timestamp,
    /// Server clock as a hybrid logical clock.
    pub server_hlc: String,
    /// When to poll again.
    pub poll_after_ms: i64,
    /// In the order of `seq`.
    pub changes: Vec<Change>,
}

/// Progress of a compact scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SnapshotState {
    /// The state at `cursor` is complete; go on with normal pages.
    pub complete: bool,
}

/// One row of the feed.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Change {
    /// Position.
    pub seq: i64,
    /// `create`, `update`, `put`, `delete`. Treat an unknown one as "needs upgrade".
    #[schema(value_type = String)]
    pub op: Cow<'static, str>,
    /// Collection.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope.
    pub scope: String,
    /// Version of the record; ignore a row that is not newer than the local one.
    pub version: i64,
    /// Position of the record's change before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev_seq: Option<i64>,
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
    /// The whole record on `create` and `put`, the fields it touched on `update`, absent on `delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub fields: Option<Box<RawValue>>,
    /// Committed at.
    #[schema(value_type = String, format = DateTime)]
    pub committed_at: Timestamp,
}

impl From<FeedRow> for Change {
    fn from(row: FeedRow) -> Self {
        Self {
            seq: row.seq.0,
            op: Cow::Borrowed(row.op),
            collection: row.collection.into_string(),
            record_id: row.record_id.into_string(),
            scope: row.scope.into_string(),
            version: row.version.0,
            prev_seq: row.prev_seq.map(|seq| seq.0),
            hlc: row.hlc,
            client_id: row.client_id.map(tidewatch_domain::ids::ClientId::into_string),
            operation_id: row.operation_id,
            schema_version: row.schema_version,
            changed: row.changed,
            fields: row.fields.map(|text| RawValue::from_string(text).expect("stored fields are JSON")),
            committed_at: Timestamp(row.committed),
        }
    }
}

impl ChangesPage {
    /// The page as the wire has it.
    #[must_use]
    pub fn new(page: FeedPage, epoch: String, server_time: Timestamp, poll_after_ms: i64) -> Self {
        Self {
            protocol: PROTOCOL_VERSION,
            epoch,
            cursor: page.cursor,
            has_more: page.has_more,
            up_to_date: page.up_to_date,
            snapshot: page.snapshot_complete.map(|complete| SnapshotState { complete }),
            server_time,
            server_hlc: server_hlc(server_time),
            poll_after_ms,
            changes: page.rows.into_iter().map(Change::from).collect(),
        }
    }
}

/// The server's clock in the form of a hybrid logical clock, for devices that learn the time from it.
#[must_use]
pub fn server_hlc(at: Timestamp) -> String {
    format!("{:012x}0000-srv", at.0.0.max(0))
}
