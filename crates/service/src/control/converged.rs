//! Whether a device that took a fresh copy is equal to the store: its digests are compared with those here, as far as nothing has
//! been written since.

use serde_json::{Value, json};
use tidewatch_domain::control::{CommandKind, CommandReport, Reported};
use tidewatch_domain::cursor::Cursor;
use tidewatch_domain::ids::{ClientId, Seq};

use crate::{Result, Service};

/// Collections that are named when they differ.
const NAMED_MAX: usize = 10;

impl Service {
    /// The report of a resync with the outcome of the comparison in it; one that is not equal has failed.
    pub(super) async fn converged(&self, client_id: &ClientId, id: &str, report: CommandReport) -> Result<CommandReport> {
        if report.reported != Reported::Done || self.store.sync().command_view(id).await?.row.kind != CommandKind::Resync {
            return Ok(report);
        }
        let result: Value = report.result.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
        let failed = |code: &str, words: String| CommandReport {
            reported: Reported::Failed,
            error: Some((code.to_owned(), words)),
            ..report.clone()
        };
        let cursor = result.get("cursor").and_then(Value::as_str).and_then(|text| Cursor::parse(text).ok());
        let Some(cursor) = cursor.filter(|cursor| cursor.epoch == self.store.sync().epoch()) else {
            return Ok(failed("cursor_missing", "it did not say where its copy stands".to_owned()));
        };
        let (differ, whole) = self.compared(client_id, cursor.position.pos(), result.get("digests").unwrap_or(&Value::Null));
        if !differ.is_empty() {
            return Ok(failed("digest_mismatch", format!("not equal in {}", differ.join(", "))));
        }
        let mut result = result;
        result["verified"] = json!(whole);
        Ok(CommandReport { result: Some(result.to_string()), ..report })
    }

    /// What differs, and whether every scope could be compared: one that was written to since cannot.
    fn compared(&self, client_id: &ClientId, at: Seq, digests: &Value) -> (Vec<String>, bool) {
        let sync = self.store.sync();
        let Some(client) = sync.client(client_id) else { return (Vec::new(), false) };
        let heads = sync.scope_heads(&client.scopes);
        let (mut differ, mut whole) = (Vec::new(), true);
        for (scope, head) in client.scopes.iter().zip(heads) {
            if head > at {
                whole = false;
                continue;
            }
            for collection in sync.collections() {
                let (rows, digest, now) = sync.scope_digest(scope, &collection.name).unwrap_or((0, 0, head));
                let said = digests.get(scope.as_str()).and_then(|scope| scope.get(collection.name.as_str()));
                let same = match said {
                    None => rows == 0,
                    Some(said) => {
                        said["rows"].as_i64() == Some(rows) && said["digest"].as_str() == Some(&format!("{digest:016x}"))
                    }
                };
                // Written to between the two looks.
                let moved = now > at && sync.scope_heads(std::slice::from_ref(scope)).first().is_some_and(|head| *head > at);
                whole &= !moved;
                if !same && !moved && differ.len() < NAMED_MAX {
                    differ.push(format!("{scope} {}", collection.name));
                }
            }
        }
        (differ, whole)
    }
}
