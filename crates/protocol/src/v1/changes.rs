//! `GET /changes`: pages of the feed. Bodies of records pass through as the JSON text the store holds.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidewatch_domain::sync::{FeedPage, FeedRow};
use tidewatch_domain::time::Millis;

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
    /// `create`, `update`, `put`, `delete`, `crdt`. Treat an unknown one as "needs upgrade".
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
    /// The operation on a field that merges by itself, as its device sent it; only on `crdt`. A scan has the field's state instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub crdt: Option<Box<RawValue>>,
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
            crdt: row.crdt.map(|text| RawValue::from_string(text).expect("stored operations are JSON")),
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

/// The text of a page, as [`ChangesPage`] would be written, without making one: a page has thousands of rows, and their bodies
/// are JSON text already.
#[must_use]
pub fn page_text(page: &FeedPage, epoch: &str, server_time: Timestamp, poll_after_ms: i64) -> Vec<u8> {
    let bodies: usize = page.rows.iter().map(|row| row.fields.as_ref().map_or(0, String::len) + ROW_BYTES).sum();
    let mut out = Vec::with_capacity(bodies + ROW_BYTES);
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
    let mut times = Times::default();
    for (at, row) in page.rows.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"seq\":" } else { b",{\"seq\":" });
        row_write(&mut out, row, &mut times);
    }
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

/// Writes a row from behind the name of its first member.
fn row_write(out: &mut Vec<u8>, row: &FeedRow, times: &mut Times) {
    number_write(out, row.seq.0);
    text_member(out, b",\"op\":", row.op);
    text_member(out, b",\"collection\":", row.collection.as_str());
    text_member(out, b",\"record_id\":", row.record_id.as_str());
    text_member(out, b",\"scope\":", row.scope.as_str());
    out.extend_from_slice(b",\"version\":");
    number_write(out, row.version.0);
    if let Some(seq) = row.prev_seq {
        out.extend_from_slice(b",\"prev_seq\":");
        number_write(out, seq.0);
    }
    text_member(out, b",\"hlc\":", &row.hlc);
    if let Some(client_id) = &row.client_id {
        text_member(out, b",\"client_id\":", client_id.as_str());
    }
    text_member(out, b",\"operation_id\":", &row.operation_id);
    out.extend_from_slice(b",\"schema_version\":");
    number_write(out, row.schema_version);
    if let Some(changed) = &row.changed {
        out.extend_from_slice(b",\"changed\":");
        serde_json::to_writer(&mut *out, changed).expect("names are JSON");
    }
    if let Some(fields) = &row.fields {
        out.extend_from_slice(b",\"fields\":");
        out.extend_from_slice(fields.as_bytes());
    }
    if let Some(crdt) = &row.crdt {
        out.extend_from_slice(b",\"crdt\":");
        out.extend_from_slice(crdt.as_bytes());
    }
    text_member(out, b",\"committed_at\":", times.text(row.committed));
    out.push(b'}');
}

fn number_write(out: &mut Vec<u8>, number: i64) {
    serde_json::to_writer(out, &number).expect("a number is JSON");
}

/// Writes a member whose value is a text. Nearly every text here is an id, and ids need no escape.
fn text_member(out: &mut Vec<u8>, name: &[u8], text: &str) {
    out.extend_from_slice(name);
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("a text is JSON");
    }
}

/// The server's clock in the form of a hybrid logical clock, for devices that learn the time from it.
#[must_use]
pub fn server_hlc(at: Timestamp) -> String {
    format!("{:012x}0000-srv", at.0.0.max(0))
}

#[cfg(test)]
mod tests {
    use tidewatch_domain::ids::{ClientId, CollectionName, RecordId, Scope, Seq, Version};

    use super::*;

    fn row(seq: i64, op: &'static str, changed: Option<&[&str]>, fields: Option<&str>, operation_id: &str) -> FeedRow {
        FeedRow {
            seq: Seq(seq),
            op,
            collection: CollectionName::parse("assets").expect("a name"),
            record_id: RecordId::parse(format!("eq-{seq}")).expect("an id"),
            scope: Scope::parse("site:1").expect("a scope"),
            version: Version(seq % 3 + 1),
            prev_seq: (seq > 2).then_some(Seq(seq - 1)),
            hlc: "0199a3c2f1b00003-dev1".to_owned(),
            client_id: (seq != 3).then(|| ClientId::parse("0192f0c1-7b1e-7c3a-9d2e-000000000001").expect("an id")),
            operation_id: operation_id.to_owned(),
            schema_version: 2,
            changed: changed.map(|names| names.iter().map(|&name| name.to_owned()).collect()),
            fields: fields.map(str::to_owned),
            crdt: (op == "crdt").then(|| r#"{"type":"counter","field":"n","delta":1}"#.to_owned()),
            committed: Millis(1_795_000_000_000 + seq / 2),
        }
    }

    fn page(rows: Vec<FeedRow>, snapshot_complete: Option<bool>) -> FeedPage {
        FeedPage {
            cursor: "v1.9f3c1ab27d405e61.4.00000000.5d1c9b02".to_owned(),
            has_more: false,
            up_to_date: true,
            snapshot_complete,
            rows,
            etag: String::new(),
            immutable: false,
        }
    }

    #[test]
    fn the_text_of_a_page_is_that_of_its_wire_type() {
        let rows = vec![
            row(1, "create", None, Some(r#"{"a":1,"b":"\u001f\"é"}"#), "op-1"),
            row(2, "update", Some(&["a", "b\"c"]), Some(r#"{"a":2}"#), "op-2"),
            row(3, "delete", None, None, "genesis"),
            row(5, "crdt", Some(&["n"]), None, "op-5"),
            row(4, "put", Some(&[]), Some("{}"), "odd \"id\" \\ with \u{1} inside"),
        ];
        for page in [page(rows, None), page(Vec::new(), Some(true))] {
            let (at, epoch) = (Timestamp(Millis(1_795_000_000_123)), "9f3c1ab27d405e61");
            let text = String::from_utf8(page_text(&page, epoch, at, 30_000)).expect("text");
            let wire = serde_json::to_string(&ChangesPage::new(page, epoch.to_owned(), at, 30_000)).expect("JSON");
            assert_eq!(text, wire);
        }
    }
}
