//! What the engine would answer now. Reads a snapshot, decides in memory, writes nothing.

use tidewatch_domain::engine::{Batch, Effects, Rules, batch_apply};
use tidewatch_domain::ids::{ClientId, IdempotencyKey};
use tidewatch_domain::sync::{Intent, IntentResult, IntentStatus};
use tidewatch_domain::time::Millis;

use crate::sync::Sync;
use crate::sync::opening::writer_state;
use crate::sync::prefetch::{Sent, working_set};
use crate::{Error, Result};

impl Sync {
    /// The answers to intents of devices, in order, as if none of them had been refused before. Each is decided on what those before it
    /// would leave, those of a group that stand next to each other as a group; an intent of a device that is not registered has none.
    ///
    /// # Errors
    /// As the database.
    pub async fn dry_run(&self, intents: &[(ClientId, Intent)], now: Millis) -> Result<Vec<Option<IntentResult>>> {
        let catalogue = std::sync::Arc::clone(&self.shared.live().catalogue);
        let clients: Vec<_> = intents.iter().map(|(client_id, _)| self.shared.live().clients.get(client_id).cloned()).collect();
        let group: Vec<Sent<'_>> = clients
            .iter()
            .zip(intents)
            .filter_map(|(client, (_, intent))| Some((client.as_ref()?.key, std::slice::from_ref(intent))))
            .collect();
        let mut reader = self.readers.acquire().await?;
        let mut log = writer_state(&mut reader).await?.log;
        let mut set = working_set(&mut reader, &catalogue, &self.shared.live, &group).await?;
        drop(reader);
        let mut answers = Vec::with_capacity(intents.len());
        let one_group = |(one, intent): &(ClientId, Intent), (other, next): &(ClientId, Intent)| {
            one == other && intent.group().is_some() && intent.group() == next.group()
        };
        for unit in intents.chunk_by(one_group) {
            let Some(client) = &clients[answers.len()] else {
                answers.extend(unit.iter().map(|_| None));
                continue;
            };
            let intents: Vec<Intent> = unit.iter().map(|(_, intent)| intent.clone()).collect();
            for intent in &intents {
                let Intent::Valid(mutation) = intent else { continue };
                let key: (_, IdempotencyKey) = (client.key, mutation.idempotency_key.clone());
                if set.memory.get(&key).is_some_and(|memory| memory.answer.status == IntentStatus::Rejected) {
                    set.memory.remove(&key);
                }
            }
            let batch = Batch {
                client: client.key,
                client_id: &client.client_id,
                role: client.role.as_deref(),
                role_rank: client.role_rank,
                scopes: &client.grants,
                now,
                intents: &intents,
                rules: Rules::default(),
            };
            let done = batch_apply(&mut log, &mut set, &catalogue, &batch, &mut Effects::default());
            let done = done.map_err(|refusal| Error::Refused(Box::new(refusal)))?;
            answers.extend(done.results.into_iter().map(Some));
        }
        Ok(answers)
    }
}
