//! Fields that merge by themselves: each operation in the log is applied again to the record before it, and must come to the
//! record after it.

use serde_json::Value;
use sqlx::SqliteConnection;
use tidewatch_domain::crdt::{self, CrdtType};
use tidewatch_domain::decide::Detail;
use tidewatch_domain::json::body_text;
use tidewatch_domain::sync::Body;

use super::VerifyReport;
use crate::Result;
use crate::sync::statements::VERIFY_MERGES;

/// Rows that are read at once: each brings two bodies.
const STRETCH: i64 = 200;

/// Position, operation, detail, body after, body before.
type Row = (i64, String, Option<String>, Option<String>, Option<String>);

pub(super) async fn verify(connection: &mut SqliteConnection, report: &mut VerifyReport) -> Result<()> {
    let mut last = 0;
    loop {
        let rows: Vec<Row> = sqlx::query_as(VERIFY_MERGES).bind(last).bind(STRETCH).fetch_all(&mut *connection).await?;
        let Some(end) = rows.last() else { return Ok(()) };
        last = end.0;
        for (seq, operation_id, detail, after, before) in &rows {
            let again = merged(operation_id, detail.as_deref(), before.as_deref());
            if again.is_none() || again != *after {
                report.find(format!("the fields that merge by themselves do not come to change {seq}"));
            }
        }
    }
}

/// The body after an operation.
fn merged(operation_id: &str, detail: Option<&str>, before: Option<&str>) -> Option<String> {
    let op = Detail::read(detail).crdt?;
    let mut body: Body = before.map_or(Some(Body::new()), |before| serde_json::from_str(before).ok())?;
    let named = op.get("type").and_then(Value::as_str)?;
    let kind = CrdtType::NAMES.into_iter().find(|(name, _)| *name == named)?.1;
    let field = op.get("field").and_then(Value::as_str)?.to_owned();
    let value = crdt::applied(kind, body.get(&field), &op, operation_id).ok()?;
    body.insert(field, value);
    Some(body_text(&body))
}
