//! The reference store: a log in a list, what follows from it in maps, and one way through both. No database, no groups, no
//! prefetching, no caches: whatever those add to the real store must not be seen.

mod answer;
mod counting;
mod deciding;
mod pages;
mod settling;
mod together;
mod writing;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidewatch_domain::sync::{Base, Body, MutationOp};

use crate::rules::{Clock, Deletion, Held, Kind};

pub use self::answer::Answer;
pub use self::settling::Standoff;
pub(crate) use self::together::group_of;
pub use self::together::{Refused, Whole};

/// Where rows about collections stand; every device reads them.
pub const COLLECTIONS_SCOPE: &str = "system:collections";
/// Milliseconds of a day.
pub const DAY: i64 = 86_400_000;
/// For so long an answer is remembered, and an intent may wait.
pub const HORIZON: i64 = 45 * DAY;
/// How far ahead a device's clock is believed.
const AHEAD: i64 = 300_000;

/// Collection and record.
pub type Key = (String, String);

/// A row of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Position.
    pub seq: i64,
    /// How the feed calls it.
    pub op: &'static str,
    /// Record.
    pub key: Key,
    /// Scope.
    pub scope: String,
    /// Version after it.
    pub version: i64,
    /// The record's row before.
    pub before: i64,
    /// Device.
    pub device: String,
    /// Operation.
    pub operation: String,
    /// What the feed carries: the body, the touched fields, or the operation.
    pub carried: Option<Body>,
    /// Body after it.
    pub body: Option<Body>,
    /// Entry of the conflicts log that it speaks of.
    pub entry: Option<i64>,
    /// What the write had seen, where its collection goes by that; of the state what the record has seen.
    pub clock: Option<Clock>,
}

#[derive(Clone, Debug)]
struct Record {
    scope: String,
    version: i64,
    seq: i64,
    held: Held,
    /// Operation that wrote it last, with its device.
    last: (String, String),
    /// Bodies by version, none for a tombstone.
    past: BTreeMap<i64, Option<Body>>,
    /// What it has seen, where its collection goes by that.
    clock: Clock,
}

/// What makes two intents the same.
type Meaning = (Key, MutationOp, Base, Body, Option<String>, (Vec<i64>, Vec<String>));

#[derive(Clone, Debug)]
struct Anchor {
    scope: String,
    number: Value,
    duration: i64,
    key: Key,
}

/// The store.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// Every row after the genesis row.
    pub log: Vec<Row>,
    /// Kinds of the collections, and who wins against deletions.
    pub collections: BTreeMap<String, (Kind, Deletion)>,
    records: BTreeMap<Key, Record>,
    /// The younger and the older half of what is remembered.
    memory: [BTreeMap<(String, String), (Meaning, Answer)>; 2],
    /// Counters of what is remembered.
    counters: BTreeMap<(String, String), i64>,
    turned: i64,
    anchors: Vec<Anchor>,
    aliases: BTreeMap<Key, String>,
    clock: u64,
    now: i64,
    entries: i64,
    /// What waits beside records, and what has waited.
    standoffs: Vec<Standoff>,
    /// Ranks of devices; none is 0.
    ranks: BTreeMap<String, i64>,
    /// What is known of operations for longer than their answers: those with an entry in the conflicts log stand, refused ones do not.
    marks: BTreeMap<(String, String), bool>,
    /// What became of the intents of the batch so far: whether they stand.
    batch: BTreeMap<String, bool>,
    /// Intents of the batch that depend on each other in a circle.
    circle: BTreeSet<String>,
    /// The batch names a position: an intent without a base is based on the record as it stands.
    implied: bool,
    /// Counter of the device that was answered last, where its batch counts without gaps.
    strict: Option<i64>,
    /// The same, by device, after its last batch of that kind.
    counted: BTreeMap<String, i64>,
    /// Up to which counter devices have stored every answer.
    floors: BTreeMap<String, i64>,
    /// The step to the current schema has made another write of the intent than its device knows of.
    altered: bool,
    /// The intent waits because of a lock.
    lock_only: bool,
}

impl Reference {
    /// An empty store, opened at this time.
    #[must_use]
    pub fn new(now: i64, collections: BTreeMap<String, (Kind, Deletion)>) -> Self {
        Self { collections, now, turned: now, ..Self::default() }
    }

    /// Position of the log.
    #[must_use]
    pub fn head(&self) -> i64 {
        self.log.last().map_or(1, |row| row.seq)
    }

    /// Live records of a scope, with version and body.
    #[must_use]
    pub fn visible(&self, scope: &str) -> BTreeMap<Key, (i64, Body)> {
        let live = self.records.iter().filter(|(_, record)| record.scope == scope && !record.held.deleted);
        live.map(|(key, record)| (key.clone(), (record.version, record.held.body.clone()))).collect()
    }

    fn remembered(&self, device: &str, operation: &str) -> Option<&(Meaning, Answer)> {
        let key = (device.to_owned(), operation.to_owned());
        self.memory.iter().find_map(|half| half.get(&key))
    }

    /// What became of an operation; none when it is not remembered.
    #[must_use]
    pub fn status(&self, device: &str, operation: &str) -> Option<Answer> {
        self.remembered(device, operation).map(|(_, answer)| answer.clone())
    }
}
