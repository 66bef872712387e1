//! Everything of a client that outlives a crash, and the events that change it.
//!
//! The journal holds events; the state is what they add up to. The live machine and the start after a crash go through
//! the same [`State::apply`], so what was acted on and what is remembered can not differ.

mod compacted;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::sync::{Body, MutationOp};

use crate::clock::Hlc;
use crate::control::{Commands, Drained, PinnedKey, Taken};
use crate::intent::{Intent, LocalBase, merge_fields};
use crate::mesh::Mesh;
use crate::outbox::Outbox;
use crate::replica::{Answered, Effect, Image, Key, Replica};
use crate::wire::{Failure, Row};

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

/// Something that changed the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Event {
    /// The id this installation will register under, before the first try to.
    Named {
        /// The id.
        client_id: String,
    },
    /// Registered, or tokens renewed.
    Account(Account),
    /// An intent entered the outbox, in its frozen form.
    Queued {
        /// Wire form.
        intent: Box<str>,
        /// Own operations that must be answered first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        depends_on: Vec<String>,
    },
    /// An entry can not succeed by retrying.
    Poisoned {
        /// Which.
        operation_id: String,
        /// Why.
        error: Failure,
    },
    /// An entry got its final answer and leaves the outbox.
    Settled {
        /// Which.
        operation_id: String,
        /// Position of the change, if it is in the log.
        seq: Option<i64>,
        /// Version of the record after it.
        version: Option<i64>,
        /// Full post-image, if the answer had one.
        record: Option<Body>,
        /// Whether the store took the intent as it was.
        as_sent: bool,
    },
    /// A person holds an entry, in a compacted journal.
    Held {
        /// Which.
        operation_id: String,
    },
    /// Keys of the control channel that are trusted from here on.
    Pinned {
        /// All of them.
        keys: Vec<PinnedKey>,
    },
    /// A command was verified and taken.
    Commanded {
        /// The command.
        taken: Taken,
    },
    /// The server's configuration is in force here.
    Policy {
        /// Its revision.
        collections_revision: Option<i64>,
    },
    /// What was unsent is in escrow: it leaves the outbox, and the replica goes.
    ReplicaDropped {
        /// By which command.
        command: String,
        /// What was in the way.
        operations: Vec<String>,
    },
    /// A command was carried out: what it changed, and the last word about it.
    Finished {
        /// Which.
        command: String,
        /// What became of entries.
        drained: Vec<Drained>,
        /// How the mesh is used from here on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mesh: Option<Mesh>,
        /// To send until the server has it.
        report: serde_json::Value,
    },
    /// How the mesh is used from here on.
    Meshed {
        /// Mode, interval and key.
        mesh: Mesh,
    },
    /// The server has the last word about a command.
    Ended {
        /// Which.
        command: String,
    },
    /// The control channel, in a compacted journal.
    Control {
        /// Everything about it.
        commands: Commands,
    },
    /// Acknowledged intents go out again: the store lost its tail.
    Replayed {
        /// Above this position; all without.
        above_seq: Option<i64>,
    },
    /// A scan of the whole state begins.
    ScanBegun,
    /// Rows of a snapshot, or of a scan of one scope: a head start for the scan.
    ScanRows {
        /// Rows.
        rows: Vec<Row>,
    },
    /// The scan goes on from this position; everything before it is here.
    ScanSeeded {
        /// Position.
        since: i64,
        /// Incarnation of the store that it belongs to.
        epoch: String,
    },
    /// A page: its rows and its cursor.
    Page {
        /// Rows.
        rows: Vec<Row>,
        /// Where the next page starts.
        cursor: String,
        /// Part of a scan, and whether it is its last.
        scan: Option<bool>,
    },
    /// Images, in a compacted journal.
    Images {
        /// Collection, record, image.
        images: Vec<(Key, Image)>,
    },
    /// The rest of the state, in a compacted journal.
    Marks {
        /// Position of the last intent.
        client_seq: i64,
        /// Last stamp of the hybrid clock.
        stamp: Option<String>,
        /// Cursor of the feed.
        cursor: Option<String>,
        /// Acknowledged intents, with their positions.
        acknowledged: Vec<(Option<i64>, Box<str>)>,
    },
}

impl Event {
    /// Whether it counts only once it is on the disk: what could not be learnt again from the store.
    #[must_use]
    pub fn must_be_durable(&self) -> bool {
        matches!(
            self,
            Self::Named { .. }
                | Self::Account(_)
                | Self::Queued { .. }
                | Self::Replayed { .. }
                | Self::Pinned { .. }
                | Self::Commanded { .. }
                | Self::ReplicaDropped { .. }
                | Self::Finished { .. }
                | Self::Meshed { .. }
        )
    }
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
