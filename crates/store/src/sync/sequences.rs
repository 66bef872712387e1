//! The counters of devices: gapless sequences of strict batches, and the floor below which a device has stored every answer.
//!
//! Invariant: a group reads a device's counters once, each batch of it continues where the one before ended, and they are
//! written in the commit that they belong to. Batches that use neither cost nothing here.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::SqliteConnection;
use tidewatch_domain::engine::{Batch, ClientKey, Rules};
use tidewatch_domain::ids::{ClientId, Seq};
use tidewatch_domain::sync::{Intent, Push};
use tidewatch_domain::time::Millis;

use super::live::{Client, Live, Sequence};
use super::statements::{MEMORY_PRUNE, SEQUENCE_LAST, SEQUENCE_PUT};
use super::writer::Writer;
use crate::Result;

/// Devices whose stored answers one commit forgets.
const PRUNED_CLIENTS_MAX: usize = 8;
/// The oldest keys of a device that one commit looks at.
const PRUNED_KEYS_MAX: i64 = 1_000;

/// A batch on its way through a group.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) client: Arc<Client>,
    /// The devices whose intents it relays.
    pub(crate) authors: HashMap<ClientId, Arc<Client>>,
    pub(crate) push: Arc<Push>,
    pub(crate) since: Option<Seq>,
    pub(crate) now: Millis,
}

impl Pushed {
    /// A batch with what is known of its sender and of those whose intents it relays; `None` when the sender is not registered.
    pub(crate) fn of(live: &Live, push: Arc<Push>, since: Option<Seq>, now: Millis) -> Option<Self> {
        let client = Arc::clone(live.clients.get(&push.client_id)?);
        let relayed = push.intents.iter().filter_map(Intent::author);
        let authors = relayed.filter_map(|author| Some((author.clone(), Arc::clone(live.clients.get(author)?)))).collect();
        Some(Self { client, authors, push, since, now })
    }

    /// Whether the counters of its device matter.
    fn counts(&self) -> bool {
        self.push.terms.strict || self.push.terms.ack_floor.is_some()
    }

    /// Its intents by the device that made them, in order: one part, unless it relays intents of others.
    pub(crate) fn parts(&self) -> Vec<(&Arc<Client>, &[Intent])> {
        let made_by = |intent: &Intent| intent.author().and_then(|author| self.authors.get(author)).unwrap_or(&self.client).key;
        let mut parts: Vec<(&Arc<Client>, &[Intent])> = Vec::with_capacity(1);
        if self.authors.is_empty() {
            parts.push((&self.client, &self.push.intents));
            return parts;
        }
        for part in self.push.intents.chunk_by(|one, next| made_by(one) == made_by(next)) {
            let author = part.first().and_then(Intent::author).and_then(|author| self.authors.get(author));
            parts.push((author.unwrap_or(&self.client), part));
        }
        parts
    }

    /// A part of the batch as the engine takes it.
    pub(crate) fn batch<'a>(&'a self, client: &'a Client, intents: &'a [Intent], sequences: &Sequences) -> Batch<'a> {
        let terms = &self.push.terms;
        let sequence = sequences.of(client.key);
        let own = client.key == self.client.key;
        Batch {
            client: client.key,
            client_id: &client.client_id,
            role: client.role.as_deref(),
            role_rank: client.role_rank,
            scopes: &client.grants,
            now: self.now,
            intents,
            rules: Rules {
                atomic: terms.atomic,
                unchanged_since: self.since,
                if_match: terms.if_match,
                sequence: terms.strict.then_some(sequence.last),
                ack_floor: sequence.floor.max(terms.ack_floor.filter(|_| own).unwrap_or(0)),
            },
        }
    }
}

/// The counters of the devices of a group.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    before: HashMap<ClientKey, Sequence>,
    now: HashMap<ClientKey, Sequence>,
}

impl Sequences {
    fn of(&self, client: ClientKey) -> Sequence {
        self.now.get(&client).copied().unwrap_or_default()
    }

    /// Notes what a batch came to; `None` when it was not strict or not kept.
    pub(crate) fn advance(&mut self, pushed: &Pushed, last: Option<i64>) {
        let floor = pushed.push.terms.ack_floor.unwrap_or(0);
        if !pushed.counts() {
            return;
        }
        let known = self.now.entry(pushed.client.key).or_default();
        known.last = known.last.max(last.unwrap_or(0));
        known.floor = known.floor.max(floor);
    }

    /// What has changed, in the order of the devices.
    fn changed(&self) -> Vec<(ClientKey, Sequence)> {
        let differs = |(client, now): (&ClientKey, &Sequence)| {
            (self.before.get(client).copied().unwrap_or_default() != *now).then_some((*client, *now))
        };
        let mut changed: Vec<_> = self.now.iter().filter_map(differs).collect();
        changed.sort_unstable_by_key(|(client, _)| *client);
        changed
    }

    pub(crate) fn into_changed(self) -> Vec<(ClientKey, Sequence)> {
        self.changed()
    }

    /// Writes what has changed, and forgets what devices have stored.
    pub(crate) async fn write(&self, connection: &mut SqliteConnection) -> Result<()> {
        let changed = self.changed();
        if changed.is_empty() {
            return Ok(());
        }
        let rows: Vec<String> =
            changed.iter().map(|(client, row)| format!("[{},{},{}]", client.0, row.last, row.floor)).collect();
        sqlx::query(SEQUENCE_PUT).bind(format!("[{}]", rows.join(","))).execute(&mut *connection).await?;
        let floor_before = |client: &ClientKey| self.before.get(client).map_or(0, |before| before.floor);
        let raised = changed.iter().filter(|(client, row)| row.floor > floor_before(client));
        for (client, row) in raised.take(PRUNED_CLIENTS_MAX) {
            sqlx::query(MEMORY_PRUNE).bind(client.0).bind(row.floor).bind(PRUNED_KEYS_MAX).execute(&mut *connection).await?;
        }
        Ok(())
    }
}

impl Writer {
    /// The counters of the devices of a group. The first strict batch of a device goes on where its other batches have ended.
    pub(crate) async fn sequences(&mut self, group: &[Pushed]) -> Result<Sequences> {
        let mut found = Sequences::default();
        {
            let live = self.shared.live();
            for pushed in group {
                for client in std::iter::once(&pushed.client).chain(pushed.authors.values()) {
                    if let Some(known) = live.sequences.get(&client.key) {
                        found.before.insert(client.key, *known);
                    }
                }
            }
        }
        found.now.clone_from(&found.before);
        for pushed in group.iter().filter(|pushed| pushed.push.terms.strict) {
            let client = pushed.client.key;
            let known = found.of(client);
            if known.last == 0 {
                let (last,): (i64,) = sqlx::query_as(SEQUENCE_LAST).bind(client.0).fetch_one(&mut self.connection).await?;
                found.now.insert(client, Sequence { last: last.max(known.floor), ..known });
            }
        }
        Ok(found)
    }
}
