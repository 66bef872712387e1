//! What devices are told: one command a device and chunk, with every entry of it, in the transaction of the chunk.

use serde_json::{Value, json};
use tidewatch_domain::control::{COMMAND_TTL_MS, CommandKind, NewCommand};
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use super::chunk::ChunkItem;
use super::jobs::JobRow;
use crate::Result;
use crate::sync::untold::NewUntold;
use crate::sync::writer::Writer;

/// Priority of what a drain tells: before what the console does by itself.
pub(crate) const WORDS_PRIORITY: i64 = 2;

/// A word for a device about one of its entries.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Place among the outcomes of the chunk.
    pub(super) at: usize,
    pub(super) client: ClientKey,
    pub(super) client_id: ClientId,
    pub(super) operation_id: String,
    /// Place in the set.
    pub(super) n: i64,
    pub(super) word: DrainAction,
    /// The entry is settled already, so nobody waits for the answer, and it is said until the device has heard it.
    pub(super) settled: bool,
}

impl Told {
    pub(super) fn of(at: usize, item: &ChunkItem, word: DrainAction, settled: bool) -> Self {
        let (client_id, operation_id) = (item.client_id.clone(), item.operation_id.clone());
        Self { at, client: item.client, client_id, operation_id, n: item.n, word, settled }
    }

    fn entry(&self, patch: Option<&Value>) -> Value {
        let mut entry = json!({"operation_id": self.operation_id, "action": self.word.as_str()});
        if let Some(patch) = patch.filter(|_| self.word == DrainAction::Patch) {
            entry["patch"] = patch.clone();
        }
        entry
    }

    fn untold(&self, job: i64, command: &str) -> NewUntold {
        NewUntold {
            client: self.client,
            operation_id: self.operation_id.clone(),
            job,
            n: self.n,
            word: self.word,
            command: command.to_owned(),
        }
    }
}

impl Writer {
    /// Issues the commands of a chunk, for whoever asked for its job. Answers, by place among the outcomes, which command tells of it.
    pub(super) async fn devices_tell(&mut self, job: &JobRow, told: &[Told], now: Millis) -> Result<Vec<(usize, String)>> {
        self.devices_tell_for(job, (&job.created_by, &job.reason), told, now).await
    }

    /// The same for somebody else, with a reason of theirs.
    pub(super) async fn devices_tell_for(
        &mut self,
        job: &JobRow,
        (actor, reason): (&str, &str),
        told: &[Told],
        now: Millis,
    ) -> Result<Vec<(usize, String)>> {
        let patch: Option<Value> = job.patch.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let groups: Vec<&[Told]> = told.chunk_by(|one, next| one.client_id == next.client_id).collect();
        let commands = groups.iter().map(|group| NewCommand {
            client_id: group[0].client_id.clone(),
            kind: CommandKind::Drain,
            args: json!({"entries": group.iter().map(|told| told.entry(patch.as_ref())).collect::<Vec<_>>()}),
            priority: WORDS_PRIORITY,
            expires_at: now.plus(COMMAND_TTL_MS),
            supersede_key: None,
            job: Some(job.name()),
            actor: actor.to_owned(),
            reason: reason.to_owned(),
        });
        let ids = self.commands_issue(commands.collect(), now).await?;
        let (mut untold, mut awaited, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (group, id) in groups.into_iter().zip(ids) {
            if job.holds {
                self.command_counted_if_held(&id, group[0].client).await?;
            }
            for told in group {
                if told.settled {
                    untold.push(told.untold(job.id, &id));
                } else {
                    awaited.push((told.client, told.operation_id.clone()));
                }
                places.push((told.at, id.clone()));
            }
        }
        self.untold_add(&untold, now).await?;
        // Whether they are done is for their devices to say: what these were to be told before counts no more.
        self.untold_drop(&awaited).await?;
        Ok(places)
    }
}
