//! The reference store: a log in a list, what follows from it in maps, and one way through both. No database, no groups, no
//! prefetching, no caches: whatever those add to the real store must not be seen.

mod answer;
mod pages;
mod writing;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidewatch_domain::sync::{Base, Body, Mutation, MutationOp};

use crate::rules::{Deletion, Held, Kind, Knew, Ruling, Stamp, merged, ruled};

pub use self::answer::Answer;
use self::answer::{expected, refused};

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
}

/// What makes two intents the same.
type Meaning = (String, String, MutationOp, Base, Body);

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
    turned: i64,
    anchors: Vec<Anchor>,
    aliases: BTreeMap<Key, String>,
    clock: u64,
    now: i64,
    entries: i64,
}

impl Reference {
    /// An empty store, opened at this time.
    #[must_use]
    pub fn new(now: i64, collections: BTreeMap<String, (Kind, Deletion)>) -> Self {
        Self { collections, turned: now, ..Self::default() }
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

    /// Decides a batch of a device that may write these scopes.
    pub fn push(&mut self, device: &str, scopes: &BTreeSet<String>, at: i64, batch: &[Mutation]) -> Vec<Answer> {
        if at - self.turned >= HORIZON {
            self.memory.swap(0, 1);
            self.memory[0].clear();
            self.turned = at;
        }
        self.now = self.now.max(at);
        batch.iter().map(|intent| self.intent(device, scopes, intent)).collect()
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

    fn intent(&mut self, device: &str, scopes: &BTreeSet<String>, intent: &Mutation) -> Answer {
        let meaning: Meaning =
            (intent.collection.to_string(), intent.record_id.to_string(), intent.op, intent.base.clone(), intent.fields.clone());
        if let Some((known, answer)) = self.remembered(device, intent.operation_id.as_str()) {
            return if *known == meaning {
                Answer { replayed: true, ..answer.clone() }
            } else {
                refused("idempotency_key_reused")
            };
        }
        let answer = self.fresh(device, scopes, intent);
        // The device is to decide, and asks again under another id: nothing to remember.
        if !(answer.status == "conflict" && answer.entry.is_none()) {
            let key = (device.to_owned(), intent.operation_id.to_string());
            self.memory[0].insert(key, (meaning, answer.clone()));
        }
        answer
    }

    fn fresh(&mut self, device: &str, scopes: &BTreeSet<String>, intent: &Mutation) -> Answer {
        let (scope, collection) = (intent.scope.to_string(), intent.collection.to_string());
        let (kind, deletion) = self.collections[&collection];
        if !scopes.contains(&scope) {
            return refused("scope_forbidden");
        }
        if intent.created_at.is_some_and(|at| self.now - at.0 > HORIZON) {
            return refused("dedupe_horizon_passed");
        }
        if kind == Kind::Merging
            && intent.op != MutationOp::Crdt
            && ["count", "tags"].iter().any(|name| intent.fields.contains_key(*name))
        {
            return refused("schema_invalid");
        }
        let named = (collection.clone(), intent.record_id.to_string());
        let target = self.aliases.get(&named).cloned().unwrap_or_else(|| named.1.clone());
        let key = (collection, target);
        let leaves = self.records.get(&key).map(|record| record.scope.clone()).filter(|from| *from != scope);
        let moves = kind != Kind::Append && matches!(intent.op, MutationOp::Update | MutationOp::Put);
        if leaves.as_ref().is_some_and(|from| !moves || !scopes.contains(from)) {
            return refused("scope_mismatch");
        }
        let stamp = self.stamp(device, kind, &key, intent);
        if let Some(first) = self.same_thing(kind, &key, &scope, intent) {
            // The clock is asked once for each record that was looked at.
            self.stamp(device, kind, &first, intent);
            return self.again(device, kind, &first, intent);
        }
        let knew = self.knew(device, &key, kind, &intent.base);
        let held = self.records.get(&key).map(|record| &record.held);
        let ruling = if intent.op == MutationOp::Crdt {
            self.merging(kind, held, intent)
        } else {
            ruled(kind, deletion, held, intent.op, &intent.fields, &stamp, &knew)
        };
        let ruling = if leaves.is_some() { self.moved(kind, &key, ruling) } else { ruling };
        self.settle(device, key, stamp, &knew, intent, ruling)
    }

    /// A move is a change even when nothing else changes, and the log has the record whole.
    fn moved(&self, kind: Kind, key: &Key, ruling: Ruling) -> Ruling {
        let record = &self.records[key];
        match ruling {
            Ruling::Becomes { body: Some(body), merged, entry, stamped, .. } => {
                Ruling::Becomes { op: "put", body: Some(body), merged, entry, stamped }
            }
            Ruling::Nothing if !record.held.deleted => {
                let stamped = (kind == Kind::NewestField).then(BTreeSet::new);
                Ruling::Becomes { op: "put", body: Some(record.held.body.clone()), merged: false, entry: false, stamped }
            }
            other => other,
        }
    }

    fn merging(&self, kind: Kind, held: Option<&Held>, intent: &Mutation) -> Ruling {
        if kind != Kind::Merging {
            return Ruling::Refused("schema_invalid");
        }
        if held.is_some_and(|held| held.deleted) {
            return Ruling::Lost;
        }
        let none = Body::new();
        let body = held.map_or(&none, |held| &held.body);
        let after = merged(body, &intent.fields, intent.operation_id.as_str());
        if held.is_some() && after == *body {
            return Ruling::Nothing;
        }
        Ruling::Becomes { op: "crdt", body: Some(after), merged: false, entry: false, stamped: None }
    }

    /// The stamp that counts: the device's, unless arrival counts or it is far ahead; after what the writer knew.
    fn stamp(&mut self, device: &str, kind: Kind, key: &Key, intent: &Mutation) -> Stamp {
        let (ticks, node) =
            intent.logical_timestamp.as_deref().and_then(|text| text.split_once('-')).expect("the commands stamp");
        let claimed = u64::from_str_radix(ticks, 16).expect("sixteen digits");
        let ms = |at: i64| u64::try_from(at).unwrap_or(0) << 16;
        let believed = claimed <= ms(self.now + AHEAD) | 0xffff && kind != Kind::Newest { arrival: true };
        let (mut ticks, node) = if believed {
            (claimed, node.to_owned())
        } else {
            self.clock = ms(self.now).max(self.clock + 1);
            (self.clock, "srv".to_owned())
        };
        let known = self.knew(device, key, kind, &intent.base) == Knew::All;
        if let Some(record) = self.records.get(key).filter(|_| known) {
            let last = record.held.newest().0.max(record.held.stamp.0);
            if last >= ticks {
                ticks = last + 1;
            }
        }
        self.clock = self.clock.max(ticks);
        (ticks, node, device.to_owned(), intent.operation_id.to_string())
    }

    fn knew(&self, device: &str, key: &Key, kind: Kind, base: &Base) -> Knew {
        let Some(record) = self.records.get(key) else { return Knew::Nothing };
        let version = match base {
            Base::Version(version) => Some(version.0),
            Base::Operation(operation) if record.last == (device.to_owned(), operation.to_string()) => Some(record.version),
            Base::Operation(operation) => {
                let answer = self.remembered(device, operation.as_str()).map(|(_, answer)| answer);
                answer.filter(|answer| ["applied", "merged"].contains(&answer.status)).and_then(|answer| answer.version)
            }
            Base::Unknown | Base::Checksum(_) => None,
        };
        match version {
            Some(version) if version == record.version => Knew::All,
            Some(version) if kind == Kind::Merge => {
                record.past.get(&version).map_or(Knew::Nothing, |body| Knew::Older(body.clone().unwrap_or_default()))
            }
            _ => Knew::Nothing,
        }
    }

    /// The record that already is what a new one would be.
    fn same_thing(&self, kind: Kind, key: &Key, scope: &str, intent: &Mutation) -> Option<Key> {
        let makes = matches!(intent.op, MutationOp::Create | MutationOp::Put);
        if kind != Kind::Append || !makes || self.records.contains_key(key) {
            return None;
        }
        let (number, duration) = (intent.fields.get("number")?, intent.fields.get("duration")?.as_i64()?);
        let near =
            |anchor: &&Anchor| anchor.scope == scope && anchor.number == *number && (anchor.duration - duration).abs() <= 1;
        self.anchors.iter().find(near).map(|anchor| anchor.key.clone())
    }

    /// The same thing under another id: the record stays, the id leads to it, and the log says so.
    fn again(&mut self, device: &str, kind: Kind, key: &Key, intent: &Mutation) -> Answer {
        let knew = self.knew(device, key, kind, &intent.base);
        let record = &self.records[key];
        let lost = intent.fields.iter().any(|(name, value)| record.held.deleted || record.held.body.get(name) != Some(value));
        let (op, body) = if record.held.deleted { ("delete", None) } else { ("update", Some(record.held.body.clone())) };
        let entry = lost.then(|| self.entry());
        let carried = body.as_ref().map(|_| Body::new());
        let (seq, version) = self.append(device, key, op, body.clone(), carried, intent);
        self.aliases.insert((key.0.clone(), intent.record_id.to_string()), key.1.clone());
        let differs = body.filter(|body| !expected(&knew, intent, body));
        let elsewhere = Some(key.1.clone());
        Answer {
            status: "merged",
            seq: Some(seq),
            version: Some(version),
            record: differs,
            elsewhere,
            entry,
            ..Answer::default()
        }
    }

    fn settle(&mut self, device: &str, key: Key, stamp: Stamp, knew: &Knew, intent: &Mutation, ruling: Ruling) -> Answer {
        let elsewhere = (key.1 != intent.record_id.as_str()).then(|| key.1.clone());
        let stays = |store: &Self| {
            let record = store.records.get(&key);
            let body = record.filter(|record| !record.held.deleted).map(|record| record.held.body.clone());
            let place = record.map(|record| (record.seq, record.version));
            let elsewhere = elsewhere.clone().filter(|_| record.is_some());
            Answer {
                seq: place.map(|place| place.0),
                version: place.map(|place| place.1),
                record: body,
                elsewhere,
                ..Answer::default()
            }
        };
        match ruling {
            Ruling::Refused(code) => refused(code),
            Ruling::Nothing => {
                let answer = Answer { status: "applied", noop: true, ..stays(self) };
                if *knew == Knew::All { Answer { record: None, ..answer } } else { answer }
            }
            Ruling::Lost => {
                let entry = Some(self.entry());
                Answer { status: "superseded", entry, ..stays(self) }
            }
            Ruling::Person => {
                let entry = Some(self.entry());
                let scope = self.records.get(&key).map_or_else(|| intent.scope.to_string(), |record| record.scope.clone());
                self.say("conflict", key.clone(), &scope, device, intent.operation_id.as_str());
                Answer { status: "conflict", entry, code: Some("version_conflict"), ..stays(self) }
            }
            Ruling::Back => Answer { status: "conflict", code: Some("version_conflict"), ..stays(self) },
            Ruling::Becomes { op, body, merged, entry, stamped } => {
                let entry = entry.then(|| self.entry());
                let carried = self.carried(&key, op, body.as_ref(), intent);
                let made = self.collections[&key.0].0 == Kind::Append && !self.records.contains_key(&key);
                let (seq, version) = self.append(device, &key, op, body.clone(), carried, intent);
                if made {
                    self.anchor(&key, intent);
                }
                self.stamp_keep(&key, op, stamp, stamped);
                let record = body.filter(|body| !expected(knew, intent, body));
                let status = if merged { "merged" } else { "applied" };
                Answer { status, seq: Some(seq), version: Some(version), record, elsewhere, entry, ..Answer::default() }
            }
        }
    }
}
