//! Prebuilt snapshots as the server sends them. Nothing of them is believed: sizes are bounded, and a part counts only when it is what
//! the manifest says.

use std::io::Read as _;

use serde_json::Value;

use super::{Row, RowOp, read_row};

/// Parts of a snapshot that are taken at most, bytes of each, and what those may grow to.
const PARTS_MAX: usize = 10_000;
const PART_BYTES_MAX: u64 = 16 << 20;
const PART_RAW_BYTES_MAX: u64 = 64 << 20;

/// A prebuilt snapshot of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its id, in a URL-safe alphabet.
    pub id: String,
    /// Incarnation of the store.
    pub epoch: String,
    /// Position at which the state holds.
    pub seq: i64,
    /// Its parts, in order.
    pub parts: Vec<ManifestPart>,
}

/// A part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestPart {
    /// Records.
    pub rows: u64,
    /// Bytes, compressed.
    pub bytes: u64,
    /// Bytes, decompressed.
    pub raw_bytes: u64,
    /// SHA-256 of the compressed bytes, in hex.
    pub sha256: String,
}

/// Reads the manifest of a snapshot; `None` when it is none, or larger than is taken.
#[must_use]
pub fn read_manifest(body: &Value) -> Option<Manifest> {
    let plain = |text: &&str| !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let text = |value: &Value, name: &str| value.get(name)?.as_str().filter(plain).map(str::to_owned);
    let part = |part: &Value| {
        let number = |name: &str, most: u64| part.get(name).and_then(Value::as_u64).filter(|number| *number <= most);
        Some(ManifestPart {
            rows: number("rows", PART_BYTES_MAX)?,
            bytes: number("bytes", PART_BYTES_MAX)?,
            raw_bytes: number("raw_bytes", PART_RAW_BYTES_MAX)?,
            sha256: text(part, "sha256")?,
        })
    };
    let parts = body.get("parts")?.as_array().filter(|parts| parts.len() <= PARTS_MAX)?;
    Some(Manifest {
        id: text(body, "id")?,
        epoch: text(body, "epoch")?,
        seq: body.get("seq")?.as_i64().filter(|seq| *seq > 0)?,
        parts: parts.iter().map(part).collect::<Option<_>>()?,
    })
}

/// Reads the rows of a part; `None` when there are not as many as there should be, or one is no record.
#[must_use]
pub fn read_lines(bytes: &[u8], raw_bytes: u64, rows: u64) -> Option<Vec<Row>> {
    let (mut text, limit) = (String::new(), raw_bytes.min(PART_RAW_BYTES_MAX));
    zstd::Decoder::new(bytes).ok()?.take(limit + 1).read_to_string(&mut text).ok()?;
    let read = |line: &str| read_row(&serde_json::from_str(line).ok()?).ok().filter(|row| matches!(row.op, RowOp::Put { .. }));
    let found: Vec<Row> = text.lines().map(read).collect::<Option<_>>()?;
    (text.len() as u64 == raw_bytes && found.len() as u64 == rows).then_some(found)
}
