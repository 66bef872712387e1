//! I-20: of records that are the same thing there is one, the first in the order of the log.

use serde_json::Value;
use tidewatch_domain::sync::Body;

use crate::world::Seen;

/// Names records that should have become one.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    let mut made: Vec<(String, Value, i64, String)> = Vec::new();
    for row in seen.log.iter().filter(|row| row.collection.as_str() == "calls" && row.version.0 == 1) {
        let body: Body = row.fields.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let parts = body.get("number").cloned().zip(body.get("duration").and_then(Value::as_i64));
        let Some((number, duration)) = parts else { continue };
        let scope = row.scope.to_string();
        if let Some(first) = made.iter().find(|made| made.0 == scope && made.1 == number && (made.2 - duration).abs() <= 1) {
            faults.push(format!("{} is the same thing as {}, which was there before", row.record_id, first.3));
        }
        made.push((scope, number, duration, row.record_id.to_string()));
    }
    faults
}
