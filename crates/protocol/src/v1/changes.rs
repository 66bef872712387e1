//! `GET /changes`: pages of the feed. Bodies of records pass through as the JSON text the store holds.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidewatch_domain::ids::{CollectionName, RecordId, Seq};
use tidewatch_domain::sync::{ControlRow, FeedPage, FeedRow, FeedRowRef};
use tidewatch_domain::time::Millis;

use crate::headers::PROTOCOL_VERSION;
use crate::timestamp::Timestamp;
use crate::v1::written::{hlc_member, id_member, number_write, text_member};

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
    /// `create`, `update`, `put`, `delete`, `crdt`: the record changes. `evict`: drop the local copy, it is no deletion. `conflict`,
    /// `resolved`: something waits beside the record, or is settled. `grant`, `revoke`: the scope is open to this device, or not any
    /// more; then drop everything of it. `schema`: the collection is configured anew. Treat an unknown one as "needs upgrade".
    #[schema(value_type = String)]
    pub op: Cow<'static, str>,
    /// Collection; absent on rows about a scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// Record; absent on rows about a scope or a collection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_id: Option<String>,
    /// Scope.
    pub scope: String,
    /// Version of the record; ignore a change that is not newer than the local one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Position of the record's change before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev_seq: Option<i64>,
    /// Effective clock of a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hlc: Option<String>,
    /// Device that made the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Operation that made the change, or caused the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
    /// Schema version that the change was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<i64>,
    /// Fields it touched; absent on a full image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Vec<String>>,
    /// The whole record on `create` and `put`, the fields it touched on `update`, absent on `delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub fields: Option<Box<RawValue>>,
    /// The operation on a field that merges by itself, as its device sent it; only on `crdt`. A scan has the field's state instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub crdt: Option<Box<RawValue>>,
    /// What is known here of the record's vector clock, where its collection goes by that: the union with what is known already is that of
    /// the record. What the write had seen, itself included; all of the record's in a scan, and when the record comes from another scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, i64>>)]
    pub vector_clock: Option<Box<RawValue>>,
    /// Why the record was evicted: `moved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Entry of the conflicts log; on `conflict` and `resolved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict_id: Option<String>,
    /// How the collection is configured now; on `schema`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaEntry>,
    /// Committed at.
    #[schema(value_type = String, format = DateTime)]
    pub committed_at: Timestamp,
}

/// How a collection is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SchemaEntry {
    /// Oldest schema version that is served.
    pub min: i64,
    /// Current one.
    pub current: i64,
    /// Revision of the policy.
    pub policy_rev: i64,
}

impl From<FeedRow> for Change {
    fn from(row: FeedRow) -> Self {
        Self {
            seq: row.seq.0,
            op: Cow::Borrowed(row.op),
            collection: Some(row.collection.into_string()),
            record_id: Some(row.record_id.into_string()),
            scope: row.scope.into_string(),
            version: Some(row.version.0),
            prev_seq: row.prev_seq.map(|seq| seq.0),
            hlc: Some(row.hlc.to_string()),
            client_id: row.client_id.map(tidewatch_domain::ids::ClientId::into_string),
            operation_id: Some(row.operation_id),
            schema_version: Some(row.schema_version),
            changed: row.changed,
            fields: row.fields.map(|text| RawValue::from_string(text).expect("stored fields are JSON")),
            crdt: row.crdt.map(|text| RawValue::from_string(text).expect("stored operations are JSON")),
            vector_clock: row.vector.map(|text| RawValue::from_string(text).expect("stored clocks are JSON")),
            reason: None,
            conflict_id: None,
            schema: None,
            committed_at: Timestamp(row.committed),
        }
    }
}

impl From<ControlRow> for Change {
    fn from(row: ControlRow) -> Self {
        let schema = row.facts.schema.map(|(min, current, policy_rev)| SchemaEntry { min, current, policy_rev });
        Self {
            seq: row.seq.0,
            op: Cow::Borrowed(row.op.as_str()),
            collection: row.collection.map(CollectionName::into_string),
            record_id: row.record_id.map(RecordId::into_string),
            scope: row.scope.into_string(),
            version: row.version.map(|version| version.0),
            prev_seq: None,
            hlc: None,
            client_id: None,
            operation_id: Some(row.operation_id).filter(|operation| !operation.is_empty()),
            schema_version: None,
            changed: None,
            fields: None,
            crdt: None,
            vector_clock: None,
            reason: row.facts.reason,
            conflict_id: row.facts.conflict.map(|id| format!("cf_{id}")),
            schema,
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
            changes: merged(page.rows.to_vec(), page.controls),
        }
    }
}

/// Both kinds of rows of a page, in the order of `seq`.
fn merged(rows: Vec<FeedRow>, controls: Vec<ControlRow>) -> Vec<Change> {
    let mut changes: Vec<Change> = rows.into_iter().map(Change::from).chain(controls.into_iter().map(Change::from)).collect();
    changes.sort_by_key(|change| change.seq);
    changes
}

/// The last line of a page in lines: without it the connection broke, and the page does not count.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PageEnd {
    /// `page_end`.
    #[schema(value_type = String)]
    pub control: Cow<'static, str>,
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
}

/// A page in lines (`application/x-ndjson`): a change a line, then [`PageEnd`].
#[must_use]
pub fn page_lines(page: &FeedPage, epoch: &str, server_time: Timestamp, poll_after_ms: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes_about([page]));
    rows_write(&mut out, [page], b"{\"seq\":", b"\n{\"seq\":");
    if !out.is_empty() {
        out.push(b'\n');
    }
    let end = PageEnd {
        control: Cow::Borrowed("page_end"),
        protocol: PROTOCOL_VERSION,
        epoch: epoch.to_owned(),
        cursor: page.cursor.clone(),
        has_more: page.has_more,
        up_to_date: page.up_to_date,
        snapshot: page.snapshot_complete.map(|complete| SnapshotState { complete }),
        server_time,
        server_hlc: server_hlc(server_time),
        poll_after_ms,
    };
    serde_json::to_writer(&mut out, &end).expect("the end of a page is JSON");
    out.push(b'\n');
    out
}

/// Bytes that pages take, about.
pub(super) fn bytes_about<'p>(pages: impl IntoIterator<Item = &'p FeedPage>) -> usize {
    let fields = pages.into_iter().flat_map(|page| page.rows.fields_bytes());
    fields.map(|bytes| bytes + ROW_BYTES).sum::<usize>() + 2 * ROW_BYTES
}

/// Writes the rows of pages in the order of `seq`; `first` and `next` are what stands in front of their numbers. A row that is
/// in several pages is written once.
pub(super) fn rows_write<'p>(out: &mut Vec<u8>, pages: impl IntoIterator<Item = &'p FeedPage>, first: &[u8], next: &[u8]) {
    let (mut times, mut lead) = (Times::default(), first);
    let mut pages = pages.into_iter();
    let (page, more) = (pages.next(), pages.next());
    if let (Some(page), None) = (page, more)
        && page.controls.is_empty()
    {
        for row in page.rows.iter() {
            out.extend_from_slice(std::mem::replace(&mut lead, next));
            row_write(out, &row, &mut times);
        }
        return;
    }
    let pages: Vec<&FeedPage> = page.into_iter().chain(more).chain(pages).collect();
    let rows = pages.iter().flat_map(|page| page.rows.iter()).map(|row| (row.seq, Ok(row)));
    let controls = pages.iter().flat_map(|page| &page.controls).map(|row| (row.seq, Err(row)));
    let mut all: Vec<(Seq, Result<FeedRowRef<'_>, &ControlRow>)> = rows.chain(controls).collect();
    all.sort_by_key(|(seq, _)| *seq);
    all.dedup_by_key(|(seq, _)| *seq);
    for (_, row) in all {
        out.extend_from_slice(std::mem::replace(&mut lead, next));
        match row {
            Ok(row) => row_write(out, &row, &mut times),
            Err(row) => control_write(out, row),
        }
    }
}

/// Writes one row as a line.
pub(super) fn row_line(out: &mut Vec<u8>, row: &FeedRowRef<'_>) {
    out.extend_from_slice(b"{\"seq\":");
    row_write(out, row, &mut Times::default());
    out.push(b'\n');
}

/// Writes a row that changes no record, from behind the name of its first member. They are few.
fn control_write(out: &mut Vec<u8>, row: &ControlRow) {
    let text = serde_json::to_vec(&Change::from(row.clone())).expect("a row is JSON");
    out.extend_from_slice(&text[b"{\"seq\":".len()..]);
}

/// The text of a page, as [`ChangesPage`] would be written, without making one: a page has thousands of rows, and their bodies
/// are JSON text already.
#[must_use]
pub fn page_text(page: &FeedPage, epoch: &str, server_time: Timestamp, poll_after_ms: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes_about([page]));
    let head = ChangesPage {
        protocol: PROTOCOL_VERSION,
        epoch: epoch.to_owned(),
        cursor: page.cursor.clone(),
        has_more: page.has_more,
        up_to_date: page.up_to_date,
        snapshot: page.snapshot_complete.map(|complete| SnapshotState { complete }),
        server_time,
        server_hlc: server_hlc(server_time),
        poll_after_ms,
        changes: Vec::new(),
    };
    serde_json::to_writer(&mut out, &head).expect("a page is JSON");
    // The rows go between the brackets at the end.
    out.truncate(out.len() - 2);
    rows_write(&mut out, [page], b"{\"seq\":", b",{\"seq\":");
    out.extend_from_slice(b"]}");
    out
}

/// What a row takes beside its body, about.
const ROW_BYTES: usize = 400;

/// The text of the newest instant: rows of one commit have the same.
#[derive(Debug, Default)]
struct Times {
    last: Option<(Millis, String)>,
}

impl Times {
    fn text(&mut self, at: Millis) -> &str {
        if self.last.as_ref().is_none_or(|(known, _)| *known != at) {
            self.last = Some((at, at.to_string()));
        }
        self.last.as_ref().map_or("", |(_, text)| text)
    }
}

/// Writes a row from behind the name of its first member. What the store holds as JSON goes out as it is.
fn row_write(out: &mut Vec<u8>, row: &FeedRowRef<'_>, times: &mut Times) {
    number_write(out, row.seq.0);
    id_member(out, b",\"op\":", row.op);
    id_member(out, b",\"collection\":", row.collection.as_str());
    id_member(out, b",\"record_id\":", row.record_id);
    id_member(out, b",\"scope\":", row.scope.as_str());
    out.extend_from_slice(b",\"version\":");
    number_write(out, row.version.0);
    if let Some(seq) = row.prev_seq {
        out.extend_from_slice(b",\"prev_seq\":");
        number_write(out, seq.0);
    }
    hlc_member(out, b",\"hlc\":", row.ticks, row.node);
    if let Some(client_id) = row.client_id {
        id_member(out, b",\"client_id\":", client_id.as_str());
    }
    text_member(out, b",\"operation_id\":", row.operation_id);
    out.extend_from_slice(b",\"schema_version\":");
    number_write(out, row.schema_version);
    let texts = [
        (&b",\"changed\":"[..], row.changed),
        (b",\"fields\":", row.fields),
        (b",\"crdt\":", row.crdt),
        (b",\"vector_clock\":", row.vector),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            out.extend_from_slice(name);
            out.extend_from_slice(text.as_bytes());
        }
    }
    id_member(out, b",\"committed_at\":", times.text(row.committed));
    out.push(b'}');
}

/// The server's clock in the form of a hybrid logical clock, for devices that learn the time from it.
#[must_use]
pub fn server_hlc(at: Timestamp) -> String {
    format!("{:012x}0000-srv", at.0.0.max(0))
}

#[cfg(test)]
mod tests;
