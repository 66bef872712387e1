//! What devices are told: one command a device and chunk, with every entry of it, in the transaction of the chunk.

use serde_json::{Value, json};
use tidewatch_domain::control::{COMMAND_TTL_MS, CommandKind, NewCommand};
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use super::chunk::ChunkItem;
use super::jobs::JobRow;
use crate::Result;
use crate::sync::writer::Writer;

/// Priority of what a drain tells: before what the console does by itself.
pub(super) const PRIORITY: i64 = 2;

/// A word for a device about one of its entries.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Place among the outcomes of the chunk.
    at: usize,
    client_id: ClientId,
    operation_id: String,
    word: DrainAction,
}

impl Told {
    pub(super) fn of(at: usize, item: &ChunkItem, word: DrainAction) -> Self {
        Self { at, client_id: item.client_id.clone(), operation_id: item.operation_id.clone(), word }
    }

    fn entry(&self, patch: Option<&Value>) -> Value {
        let mut entry = json!({"operation_id": self.operation_id, "action": self.word.as_str()});
        if let Some(patch) = patch.filter(|_| self.word == DrainAction::Patch) {
            entry["patch"] = patch.clone();
        }
        entry
    }
}

impl Writer {
    /// Issues the commands of a chunk. Answers, by place among the outcomes, which command tells of it.
    pub(super) async fn devices_tell(&mut self, job: &JobRow, told: &[Told], now: Millis) -> Result<Vec<(usize, String)>> {
        let patch: Option<Value> = job.patch.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let groups: Vec<&[Told]> = told.chunk_by(|one, next| one.client_id == next.client_id).collect();
        let commands = groups.iter().map(|group| NewCommand {
            client_id: group[0].client_id.clone(),
            kind: CommandKind::Drain,
            args: json!({"entries": group.iter().map(|told| told.entry(patch.as_ref())).collect::<Vec<_>>()}),
            priority: PRIORITY,
            expires_at: now.plus(COMMAND_TTL_MS),
            supersede_key: None,
            job: Some(job.name()),
            actor: job.created_by.clone(),
            reason: job.reason.clone(),
        });
        let ids = self.commands_issue(commands.collect(), now).await?;
        let of = |(group, id): (&[Told], String)| group.iter().map(|told| (told.at, id.clone())).collect::<Vec<_>>();
        Ok(groups.into_iter().zip(ids).flat_map(of).collect())
    }
}
