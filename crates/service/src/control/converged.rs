//! Whether what a device calls done is done: a fresh copy is equal to the store, as far as nothing has been written since; the mesh is in
//! the mode that was wanted; the policy is at least as new as the wish; the lines of the log are here, and so are the payloads (`payloads`).

use serde_json::{Value, json};
use tidewatch_domain::control::{CommandKind, CommandReport, MeshMode, Order, Reported};
use tidewatch_domain::cursor::{Cursor, CursorPosition};
use tidewatch_domain::ids::{ClientId, Seq};
use tidewatch_domain::time::Millis;

use super::ReportRefusal;
use crate::{Result, Service};

/// Collections that differ that are named.
const NAMED_MAX: usize = 10;

impl Service {
    /// The report as it counts: with what was compared in it, failed when it is not what was wanted, refused when it comes too early.
    pub(super) async fn converged(
        &self,
        client_id: &ClientId,
        id: &str,
        report: CommandReport,
    ) -> Result<std::result::Result<CommandReport, ReportRefusal>> {
        if report.reported != Reported::Done {
            return Ok(Ok(report));
        }
        let view = self.store.sync().command_view(id).await?;
        match view.row.kind {
            CommandKind::Resync => self.resync_compared(client_id, view.row.created, report).await.map(Ok),
            CommandKind::Mesh => Ok(Ok(mesh_compared(&view.args, report))),
            CommandKind::UploadLogs => self.logs_counted(id, report).await,
            CommandKind::UploadWal => self.payloads_counted(&view, report).await.map(Ok),
            CommandKind::RefreshPolicy => {
                let wanted = self.store.sync().policy_revision_at(view.row.created).await?;
                Ok(Ok(policy_compared(wanted, report)))
            }
            CommandKind::Drain => Ok(Ok(report)),
        }
    }

    /// The report of an upload of logs, with what of it is here.
    async fn logs_counted(&self, id: &str, report: CommandReport) -> Result<std::result::Result<CommandReport, ReportRefusal>> {
        let Some(held) = self.store.telemetry().logs_held(id).await? else {
            let detail = "the lines must be uploaded before it is done".to_owned();
            return Ok(Err(ReportRefusal { field: "state".to_owned(), detail }));
        };
        let mut result = result_of(&report);
        result["lines"] = json!(held.lines);
        result["bytes"] = json!(held.bytes);
        result["begins_at"] = json!(held.begins.map(|at| at.to_string()));
        result["dropped"] = json!(held.dropped);
        Ok(Ok(CommandReport { result: Some(result.to_string()), ..report }))
    }

    /// The report of a resync with the outcome of the comparison in it; one that is not equal has failed, and so has one whose copy is
    /// not complete, or older than the command. What is in escrow of the device and waits for a decision is counted.
    async fn resync_compared(&self, client_id: &ClientId, given: Millis, report: CommandReport) -> Result<CommandReport> {
        let result = result_of(&report);
        let failed = |code: &str, words: String| failed(&report, code, words);
        let cursor = result.get("cursor").and_then(Value::as_str).and_then(|text| Cursor::parse(text).ok());
        let Some(cursor) = cursor.filter(|cursor| cursor.epoch == self.store.sync().epoch()) else {
            return Ok(failed("cursor_missing", "it did not say where its copy stands".to_owned()));
        };
        let CursorPosition::At(at) = cursor.position else {
            return Ok(failed("copy_incomplete", "its copy is not complete: the scan is under way".to_owned()));
        };
        let least = self.store.sync().position_before(given).await?;
        if at < least {
            let words = format!("its copy stands at {}, before {} where the log stood when it was asked for", at.0, least.0);
            return Ok(failed("copy_old", words));
        }
        let (differ, whole) = self.compared(client_id, at, result.get("digests").unwrap_or(&Value::Null));
        if !differ.is_empty() {
            return Ok(failed("digest_mismatch", format!("not equal in {}", differ.join(", "))));
        }
        let mut result = result;
        result["verified"] = json!(whole);
        result["escrowed_open"] = json!(self.store.sync().escrowed_open(client_id).await?);
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

pub(super) fn failed(report: &CommandReport, code: &str, words: String) -> CommandReport {
    CommandReport { reported: Reported::Failed, error: Some((code.to_owned(), words)), ..report.clone() }
}

/// The result of a report; an object in any case.
pub(super) fn result_of(report: &CommandReport) -> Value {
    let read: Option<Value> = report.result.as_deref().and_then(|text| serde_json::from_str(text).ok());
    read.filter(Value::is_object).unwrap_or_else(|| json!({}))
}

/// The report of a device about its policy: it is done when what it has put in force is at least what stood when it was asked for.
fn policy_compared(wanted: i64, report: CommandReport) -> CommandReport {
    match result_of(&report).get("collections_revision").and_then(Value::as_i64) {
        Some(revision) if revision >= wanted => report,
        Some(revision) => failed(&report, "revision_old", format!("it reports revision {revision}, not {wanted}")),
        None => failed(&report, "revision_missing", "it did not say which revision is in force".to_owned()),
    }
}

/// The report of a device about its mesh: it is done when the mode that it reports is the wanted one.
fn mesh_compared(args: &str, report: CommandReport) -> CommandReport {
    let args: Value = serde_json::from_str(args).unwrap_or(Value::Null);
    let Ok(Order::Mesh(wanted)) = Order::read(CommandKind::Mesh, &args) else { return report };
    let result = result_of(&report);
    match result.get("mode").and_then(Value::as_str).and_then(MeshMode::parse) {
        Some(mode) if mode == wanted.mode => report,
        Some(mode) => failed(&report, "mode_mismatch", format!("it reports {}, not {}", mode.as_str(), wanted.mode.as_str())),
        None => failed(&report, "mode_missing", "it did not say which mode it uses now".to_owned()),
    }
}
