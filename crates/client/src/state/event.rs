//! What changes the state of a client, as its journal keeps it.

use serde::{Deserialize, Serialize};
use tidewatch_domain::sync::Body;

use super::Account;
use crate::control::{Commands, Drained, PinnedKey, Taken};
use crate::mesh::Mesh;
use crate::replica::{Image, Key};
use crate::wire::{Failure, Fill, Row};

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
    /// Fields of records of one collection, for a column that was new here.
    Filled {
        /// Collection.
        collection: String,
        /// The fields that were asked for.
        names: Vec<String>,
        /// What records have of them.
        rows: Vec<Fill>,
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
