//! Answers to `POST /records/backfill`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidewatch_domain::sync::Body;

/// What one version of a record has of the fields that were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fill {
    /// Record.
    pub record_id: String,
    /// The version that has these values.
    pub version: i64,
    /// Those that it has.
    pub fields: Body,
}

/// One page of them.
#[derive(Clone, Debug, PartialEq)]
pub struct FillPage {
    /// Where the next one starts.
    pub cursor: String,
    /// More rows are there now.
    pub has_more: bool,
    /// Rows.
    pub rows: Vec<Fill>,
}

/// Reads a page; `None` when it is none.
#[must_use]
pub fn read_fills(body: &Value) -> Option<FillPage> {
    let row = |row: &Value| {
        Some(Fill {
            record_id: row.get("record_id")?.as_str()?.to_owned(),
            version: row.get("version")?.as_i64()?,
            fields: row.get("fields")?.as_object()?.clone(),
        })
    };
    Some(FillPage {
        cursor: body.get("cursor")?.as_str()?.to_owned(),
        has_more: body.get("has_more")?.as_bool()?,
        rows: body.get("rows")?.as_array()?.iter().map(row).collect::<Option<_>>()?,
    })
}
