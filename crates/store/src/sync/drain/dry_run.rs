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
    /// would leave; an intent of a device that is not registered has none.
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
        for (client, (_, intent)) in clients.iter().zip(intents) {
            let Some(client) = client else {
                answers.push(None);
                continue;
            };
            if let Intent::Valid(mutation) = intent {
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
                intents: std::slice::from_ref(intent),
                rules: Rules::default(),
            };
            let done = batch_apply(&mut log, &mut set, &catalogue, &batch, &mut Effects::default());
            let done = done.map_err(|refusal| Error::Refused(Box::new(refusal)))?;
            answers.push(done.results.into_iter().next());
        }
        Ok(answers)
    }
}
