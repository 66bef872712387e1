//! Everything of a client that outlives a crash, and the events that change it.
//!
//! The journal holds events; the state is what they add up to. The live machine and the start after a crash go through
//! the same [`State::apply`], so what was acted on and what is remembered can not differ.

mod compacted;
mod event;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::sync::{Body, MutationOp};

pub use self::event::Event;
use crate::clock::Hlc;
use crate::control::{Commands, Drained};
use crate::intent::{Intent, LocalBase, merge_fields};
use crate::mesh::Mesh;
use crate::outbox::Outbox;
use crate::replica::{Answered, Effect, Image, Key, Replica};

/// Who this installation is, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The id of the device.
    pub client_id: String,
    /// Bearer token of requests.
    pub access_token: String,
    /// Device clock when it ends.
    pub access_until_ms: i64,
    /// Buys the next pair; works once.
    pub refresh_token: Option<String>,
    /// Whether the server offers prebuilt snapshots.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub snapshots: bool,
}

/// The state.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The id, chosen before the first registration and never changed.
    pub client_id: Option<String>,
    /// Account, once registered.
    pub account: Option<Account>,
    /// Operations without a final answer.
    pub outbox: Outbox,
    /// Confirmed records.
    pub replica: Replica,
    /// The control channel.
    pub commands: Commands,
    /// How it uses its mesh; none before anybody has said so.
    pub mesh: Option<Mesh>,
    /// Hybrid clock.
    pub hlc: Hlc,
    /// Position of the last intent.
    pub client_seq: i64,
    /// The latest acknowledged intents with their positions, for a store that loses its tail.
    acknowledged: VecDeque<(Option<i64>, Intent)>,
    acknowledged_limit: usize,
    last_stamp: Option<String>,
}

impl State {
    /// An empty state that remembers so many acknowledged intents.
    #[must_use]
    pub fn new(acknowledged_limit: usize) -> Self {
        Self { acknowledged_limit, ..Self::default() }
    }

    /// Applies an event.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Named { client_id } => self.client_id = Some(client_id),
            Event::Account(account) => {
                self.client_id = Some(account.client_id.clone());
                self.account = Some(account);
            }
            Event::Queued { intent, depends_on } => {
                let Some(intent) = Intent::thaw(&intent, depends_on) else { return };
                self.client_seq = self.client_seq.max(intent.client_seq);
                self.hlc.observe(&intent.stamp);
                self.last_stamp = Some(intent.stamp.clone());
                self.outbox.insert(intent);
            }
            Event::Poisoned { operation_id, error } => {
                if let Some(entry) = self.outbox.get_mut(&operation_id) {
                    entry.poisoned = true;
                    entry.error = Some(error);
                }
            }
            Event::Settled { operation_id, seq, version, record, as_sent } => {
                self.settle(&operation_id, seq, version, record, as_sent)
            }
            Event::Held { operation_id } => self.outbox.hold(&operation_id),
            Event::Pinned { keys } => self.commands.pin(keys),
            Event::Commanded { taken } => self.commands.take(taken),
            Event::Policy { collections_revision } => self.commands.collections_revision = collections_revision,
            Event::ReplicaDropped { command, operations } => self.replica_drop(&command, &operations),
            Event::Meshed { mesh } => self.mesh = Some(mesh),
            Event::Finished { command, drained, mesh, report } => {
                drained.into_iter().for_each(|one| self.drain(one));
                self.mesh = mesh.or(self.mesh.take());
                if let Some(taken) = self.commands.open_mut(&command) {
                    taken.report = Some(report);
                }
            }
            Event::Ended { command } => self.commands.end(&command),
            Event::Control { commands } => self.commands = commands,
            Event::Replayed { above_seq } => self.replay(above_seq),
            Event::ScanBegun => self.replica.scan_begin(),
            Event::ScanRows { rows } => self.replica.scan_rows(rows),
            Event::ScanSeeded { since, epoch } => self.replica.scan_seeded(since, epoch),
            Event::Page { rows, cursor, scan: None } => self.replica.page_apply(rows, cursor),
            Event::Page { rows, cursor, scan: Some(complete) } => {
                let outbox = &self.outbox;
                self.replica.scan_apply(rows, cursor, complete, &|key| outbox.of_record(key).next().is_some());
            }
            Event::Filled { collection, names, rows } => self.replica.fill(&collection, &names, rows),
            Event::Images { images } => images.into_iter().for_each(|(key, image)| self.replica.set(key, Some(image))),
            Event::Marks { client_seq, stamp, cursor, acknowledged } => {
                self.client_seq = self.client_seq.max(client_seq);
                if let Some(stamp) = &stamp {
                    self.hlc.observe(stamp);
                }
                self.last_stamp = stamp;
                self.replica.set_cursor(cursor);
                self.acknowledged =
                    acknowledged.into_iter().filter_map(|(seq, text)| Some((seq, Intent::thaw(&text, Vec::new())?))).collect();
            }
        }
    }

    fn settle(&mut self, operation_id: &str, seq: Option<i64>, version: Option<i64>, record: Option<Body>, as_sent: bool) {
        let Some(entry) = self.outbox.remove(operation_id) else { return };
        let intent = entry.intent;
        if let Some(version) = version {
            let effect = match (record, as_sent, intent.op) {
                (Some(record), _, _) => Effect::Record(record),
                (None, false, _) => Effect::None,
                (None, true, MutationOp::Create | MutationOp::Put) => Effect::Whole(intent.fields()),
                (None, true, MutationOp::Update) => Effect::Merge(intent.fields()),
                (None, true, MutationOp::Delete) => Effect::Deleted,
                (None, true, MutationOp::Crdt) => Effect::None,
            };
            self.replica.answer_apply(&intent.key, &intent.scope, Answered { version, effect });
        }
        self.acknowledged.push_back((seq, intent));
        while self.acknowledged.len() > self.acknowledged_limit {
            self.acknowledged.pop_front();
        }
    }

    /// What a command says of one entry. What leaves the outbox is in the archive of the server.
    fn drain(&mut self, drained: Drained) {
        let id = drained.operation_id.as_str();
        match drained.action.as_deref().and_then(DrainAction::parse) {
            None | Some(DrainAction::Restore) => {}
            Some(DrainAction::Retry) => self.outbox.release(id),
            Some(DrainAction::Hold) => self.outbox.hold(id),
            Some(DrainAction::Skip | DrainAction::ToConflict | DrainAction::Quarantine | DrainAction::Discard) => {
                drop(self.outbox.remove(id));
            }
            Some(DrainAction::Patch) => {
                let depends_on = self.outbox.remove(id).map(|entry| entry.intent.depends_on).unwrap_or_default();
                let successor = drained.successor.and_then(|text| Intent::thaw(&text, depends_on));
                if let Some(intent) = successor {
                    self.outbox.insert(intent);
                }
            }
        }
    }

    fn replica_drop(&mut self, command: &str, operations: &[String]) {
        for id in operations {
            self.outbox.remove(id);
        }
        self.replica = Replica::default();
        if let Some(taken) = self.commands.open_mut(command) {
            (taken.pulling, taken.escrowed) = (true, operations.len() as u64);
        }
    }

    fn replay(&mut self, above_seq: Option<i64>) {
        let lost = |seq: Option<i64>| match (seq, above_seq) {
            (Some(seq), Some(above)) => seq > above,
            _ => true,
        };
        let (again, kept): (VecDeque<_>, VecDeque<_>) = self.acknowledged.drain(..).partition(|(seq, _)| lost(*seq));
        self.acknowledged = kept;
        again.into_iter().for_each(|(_, intent)| self.outbox.insert(intent));
    }

    /// What a new intent on this record is based on.
    #[must_use]
    pub fn base_of(&self, key: &Key) -> LocalBase {
        if let Some(last) = self.outbox.of_record(key).next_back() {
            return LocalBase::Operation(last.intent.operation_id.clone());
        }
        match self.replica.get(key) {
            Some(image) if image.body.is_some() && image.version > 0 => LocalBase::Version(image.version),
            _ => LocalBase::None,
        }
    }

    /// The record as its user sees it: the confirmed image with the device's own pending intents over it.
    #[must_use]
    pub fn visible(&self, key: &Key) -> Option<Body> {
        let mut body = self.replica.get(key).and_then(Image::read);
        for entry in self.outbox.of_record(key).filter(|entry| !entry.poisoned) {
            body = match entry.intent.op {
                MutationOp::Delete => None,
                MutationOp::Crdt => body,
                MutationOp::Create | MutationOp::Put => Some(entry.intent.fields()),
                MutationOp::Update => {
                    let mut body = body.unwrap_or_default();
                    merge_fields(&mut body, entry.intent.fields());
                    Some(body)
                }
            };
        }
        body
    }
}
