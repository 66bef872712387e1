//! Whether an upload of payloads is done: what was named, or what the mirror lists of the device, is here or has its final answer.

use serde_json::{Value, json};
use tidewatch_domain::control::{CommandKind, CommandReport, Order, WalWanted};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::fleet::CommandView;
use tidewatch_domain::ids::{ClientId, OperationId};
use tidewatch_domain::page::{PAGE_ROWS_MAX, Position};
use tidewatch_domain::time::Millis;

use super::converged::{failed, result_of};
use super::stands;
use crate::{Result, Service};

/// Missing payloads that are named.
const NAMED_MAX: usize = 10;
/// Operations of one device that are compared; beyond them an upload of everything is done without having been compared whole.
const COMPARED_MAX: usize = 20_000;
/// Operations that are looked up at once.
const LOOKS_AT_ONCE: usize = 1_000;

impl Service {
    /// The report of an upload of payloads, with how many of them are here; it has failed when one is neither here nor finally answered. Of
    /// a whole outbox, what its device had when it was asked is what the mirror lists of it; `verified` says whether that is all.
    pub(super) async fn payloads_counted(&self, view: &CommandView, report: CommandReport) -> Result<CommandReport> {
        let args: Value = serde_json::from_str(&view.args).unwrap_or(Value::Null);
        let Ok(Order::UploadWal { wanted, redact: false }) = Order::read(CommandKind::UploadWal, &args) else {
            return Ok(report);
        };
        let client_id = &view.row.client_id;
        let Some(client) = self.store.sync().key_of(client_id) else { return Ok(report) };
        let (ids, whole) = match wanted {
            WalWanted::Operations(ids) => (ids, None),
            WalWanted::All => {
                let (ids, whole) = self.listed(client_id, view.row.created).await?;
                (ids, Some(whole))
            }
        };
        let (mut stored, mut missing) = (0, Vec::new());
        for some in ids.chunks(LOOKS_AT_ONCE) {
            let (here, lacks) = self.looked_for(client_id, client, some).await?;
            stored += here;
            missing.extend(lacks);
        }
        let mut result = result_of(&report);
        result["stored"] = json!(stored);
        if let Some(whole) = whole {
            result["listed"] = json!(ids.len());
            result["verified"] = json!(whole && missing.is_empty());
        }
        let report = CommandReport { result: Some(result.to_string()), ..report };
        if missing.is_empty() {
            return Ok(report);
        }
        let some = missing.iter().take(NAMED_MAX).map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
        let words = format!("{} of {} payloads are not here: {some}", missing.len(), ids.len());
        Ok(failed(&report, "payloads_missing", words))
    }

    /// How many of these are in the archive, and which are neither there nor finally answered.
    async fn looked_for<'a>(
        &self,
        client_id: &ClientId,
        client: ClientKey,
        ids: &'a [OperationId],
    ) -> Result<(usize, Vec<&'a OperationId>)> {
        let sync = self.store.sync();
        let named: Vec<(ClientKey, &str)> = ids.iter().map(|id| (client, id.as_str())).collect();
        let here: Vec<bool> = sync.members_look(&named).await?.into_iter().map(|look| look.letter.is_some()).collect();
        let absent: Vec<&OperationId> = ids.iter().zip(&here).filter(|(_, here)| !**here).map(|(id, _)| id).collect();
        let asked: Vec<OperationId> = absent.iter().copied().cloned().collect();
        let answers = sync.mutations_status(client_id, &asked).await?;
        let settled = |id: &OperationId| answers.iter().any(|answer| answer.operation_id == *id && stands(answer.status));
        Ok((ids.len() - absent.len(), absent.into_iter().filter(|id| !settled(id)).collect()))
    }

    /// What the mirror lists of an outbox that was there by then, and whether it lists all that the device has said it holds. What was made
    /// since is not asked for.
    async fn listed(&self, client_id: &ClientId, by: Millis) -> Result<(Vec<OperationId>, bool)> {
        let telemetry = self.store.telemetry();
        let depth = match telemetry.device_view(client_id, by).await {
            Ok(device) => device.row.queue_depth,
            Err(tidewatch_store::Error::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(depth) = depth else { return Ok((Vec::new(), false)) };
        let (mut ids, mut seen, mut position) = (Vec::new(), 0, Position::Start);
        loop {
            let page = telemetry.device_outbox(client_id, None, &position, PAGE_ROWS_MAX).await?;
            for entry in page.rows.into_iter().map(|row| row.entry).filter(|entry| !entry.state.is_drained()) {
                seen += 1;
                if entry.created_at.is_none_or(|made| made <= by) {
                    ids.extend(OperationId::parse(entry.operation_id).ok());
                }
            }
            match page.next {
                Some(next) if ids.len() < COMPARED_MAX => position = Position::After(next),
                next => return Ok((ids, next.is_none() && seen >= depth)),
            }
        }
    }
}
