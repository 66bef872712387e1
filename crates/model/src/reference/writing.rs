//! What a decision leaves: rows of the log, records, stamps, anchors, entries.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidewatch_domain::sync::{Body, Mutation};

use super::{Anchor, COLLECTIONS_SCOPE, Key, Record, Reference, Row};
use crate::rules::{CLOCKED, Clock, Deletion, Held, Kind, Stamp, joined, stated};

impl Reference {
    /// A row that changes no record.
    pub(super) fn say(&mut self, op: &'static str, key: Key, scope: &str, device: &str, operation: &str, entry: Option<i64>) {
        let version = self.records.get(&key).map_or(0, |record| record.version);
        let row = Row {
            seq: self.head() + 1,
            op,
            key,
            scope: scope.to_owned(),
            version,
            before: 0,
            device: device.to_owned(),
            operation: operation.to_owned(),
            carried: None,
            body: None,
            entry,
            clock: None,
        };
        self.log.push(row);
    }

    /// A collection has another policy.
    pub fn policy(&mut self, at: i64, name: &str, kind: Kind, deletion: Deletion) {
        self.now = self.now.max(at);
        self.collections.insert(name.to_owned(), (kind, deletion));
        self.say("schema", (name.to_owned(), String::new()), COLLECTIONS_SCOPE, "", "", None);
    }

    /// A scope is open to a device from now on, or closed.
    pub fn permission(&mut self, at: i64, device: &str, scope: &str, open: bool) {
        self.now = self.now.max(at);
        self.say(if open { "grant" } else { "revoke" }, (String::new(), String::new()), scope, device, "", None);
    }

    /// A device has another rank from now on.
    pub fn rank_set(&mut self, device: &str, rank: i64) {
        self.ranks.insert(device.to_owned(), rank);
    }

    /// The rank of a device.
    #[must_use]
    pub fn rank(&self, device: &str) -> i64 {
        self.ranks.get(device).copied().unwrap_or(0)
    }

    /// What the feed carries of a row.
    pub(super) fn carried(&self, key: &Key, op: &str, body: Option<&Body>, intent: &Mutation) -> Option<Body> {
        let body = body?;
        match op {
            "crdt" => Some(intent.fields.clone()),
            "update" => {
                let none = Body::new();
                let before = self.records.get(key).map_or(&none, |record| &record.held.body);
                let names: BTreeSet<&String> = before.keys().chain(body.keys()).collect();
                let touched = names.into_iter().filter(|name| before.get(*name) != body.get(*name));
                let unset = serde_json::json!({"$unset": true});
                Some(touched.map(|name| (name.clone(), body.get(name).unwrap_or(&unset).clone())).collect())
            }
            _ => Some(body.clone()),
        }
    }

    pub(super) fn append(
        &mut self,
        device: &str,
        key: &Key,
        op: &'static str,
        body: Option<Body>,
        carried: Option<Body>,
        intent: &Mutation,
    ) -> (i64, i64) {
        let scope = intent.scope.to_string();
        let clock = self.noted(key, &scope, intent);
        if let Some(from) = self.records.get(key).map(|record| record.scope.clone()).filter(|from| *from != scope) {
            self.say("evict", key.clone(), &from, device, intent.operation_id.as_str(), None);
            self.standoffs_move(key, &scope);
        }
        let seq = self.head() + 1;
        let record = self.records.entry(key.clone()).or_insert_with(|| Record {
            scope: intent.scope.to_string(),
            version: 0,
            seq: 0,
            held: Held::default(),
            last: (device.to_owned(), intent.operation_id.to_string()),
            past: BTreeMap::new(),
            clock: Clock::new(),
        });
        record.scope = scope;
        let row = Row {
            seq,
            op,
            key: key.clone(),
            scope: record.scope.clone(),
            version: record.version + 1,
            before: record.seq,
            device: device.to_owned(),
            operation: intent.operation_id.to_string(),
            carried,
            body: body.clone(),
            entry: None,
            clock: clock.clone(),
        };
        record.clock = joined(&record.clock, &clock.unwrap_or_default());
        record.past.insert(row.version, body.clone());
        (record.seq, record.version, record.held.deleted) = (seq, row.version, body.is_none());
        if let Some(body) = body {
            record.held.body = body;
        }
        let place = (seq, row.version);
        self.log.push(row);
        place
    }

    /// What a row says of clocks: what its write says, or a step of the server's own; and all of it when the record moves, for nobody there
    /// has seen anything.
    fn noted(&self, key: &Key, scope: &str, intent: &Mutation) -> Option<Clock> {
        if !CLOCKED.contains(&key.0.as_str()) {
            return None;
        }
        let none = Clock::new();
        let record = self.records.get(key);
        let known = record.map_or(&none, |record| &record.clock);
        let own = || Clock::from([("srv".to_owned(), known.get("srv").unwrap_or(&0) + 1)]);
        let noted = stated(intent).cloned().unwrap_or_else(own);
        Some(if record.is_some_and(|record| record.scope != scope) { joined(&noted, known) } else { noted })
    }

    /// An operation on a field that merges by itself makes the rest of a record neither newer nor somebody else's.
    pub(super) fn stamp_keep(&mut self, key: &Key, op: &str, stamp: Stamp, stamped: Option<BTreeSet<String>>) {
        let record = self.records.get_mut(key).expect("it was written");
        match stamped {
            Some(names) => record.held.fields.extend(names.into_iter().map(|name| (name, stamp.clone()))),
            None => record.held.fields.clear(),
        }
        if op != "crdt" || record.version == 1 {
            record.last = (stamp.3.clone(), stamp.4.clone());
            record.held.stamp = stamp;
        }
    }

    pub(super) fn anchor(&mut self, key: &Key, intent: &Mutation) {
        let parts = intent.fields.get("number").cloned().zip(intent.fields.get("duration").and_then(Value::as_i64));
        if let Some((number, duration)) = parts {
            self.anchors.push(Anchor { scope: intent.scope.to_string(), number, duration, key: key.clone() });
        }
    }

    pub(super) fn entry(&mut self) -> String {
        self.entries += 1;
        format!("cf_{}", self.entries)
    }
}
