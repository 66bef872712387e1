//! A device as the protocol asks for one: frozen intents, a copy of its scopes, a cursor that moves after the rows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidewatch_domain::engine::ControlOp;
use tidewatch_domain::ids::OperationId;
use tidewatch_domain::sync::{Body, ControlRow, FeedPage, FeedRowRef, Mutation};

use crate::reference::{Answer, Key, group_of};
use crate::rules::{Clock, current, joined, laid_over, merged};

/// A record as a device holds it; no body is a deletion that it knows of.
pub type Copy = (i64, Option<Body>, String);

/// A device.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// Scopes that it may read and write.
    pub scopes: BTreeSet<String>,
    /// Schema version of its database; 0 reads as the current one.
    pub schema: i64,
    /// How far its clock is off.
    pub skew: i64,
    /// Intents without a final answer, the oldest first.
    pub outbox: Vec<Mutation>,
    /// Every intent it ever queued.
    pub queued: Vec<Mutation>,
    /// Intents that were ever sent, in the order of their first sending.
    pub sent: Vec<Mutation>,
    /// Final answers that it got, in order.
    pub answers: Vec<(String, Answer)>,
    /// Its copy.
    pub copy: BTreeMap<Key, Copy>,
    /// What it has seen of records whose collections go by that, its own writes included.
    pub clocks: BTreeMap<Key, Clock>,
    /// Where it goes on reading.
    pub cursor: Option<String>,
    /// While it scans from the beginning: what the scan has mentioned.
    pub mentioned: Option<BTreeSet<Key>>,
    /// A scope was opened to it: it has to scan.
    pub must_scan: bool,
    /// Scopes that were closed meanwhile, which it is still to be told: rows of them may be missing.
    pub doubtful: BTreeSet<String>,
    /// What it found that must not be.
    pub faults: Vec<String>,
    /// Why intents of it were put off.
    pub put_off: BTreeSet<&'static str>,
    /// Stamps so far, so that no two are the same.
    pub stamps: u64,
    /// Rows up to here are applied, whatever the cursor says: what a start at an older cursor leaves behind.
    pub ahead: i64,
}

impl Device {
    /// Applies a page and keeps its cursor.
    pub fn apply(&mut self, page: &FeedPage, keep_cursor: bool) {
        let (scan, told_before) = (page.snapshot_complete.is_some(), self.must_scan);
        // The scan begins that it was told to make.
        self.must_scan &= !(scan && self.cursor.is_none());
        if scan && self.cursor.is_none() {
            // What an earlier scan has mentioned that was not carried on may be deleted by now: this one does not speak of it.
            self.mentioned = Some(BTreeSet::new());
        }
        let mut said = page.controls.iter().peekable();
        for row in page.rows.iter() {
            while let Some(control) = said.next_if(|control| control.seq < row.seq) {
                self.told(control);
            }
            self.row(row);
        }
        said.for_each(|control| self.told(control));
        self.must_scan |= told_before && !keep_cursor;
        if self.must_scan {
            (self.cursor, self.mentioned) = (None, None);
        } else if keep_cursor {
            self.cursor = Some(page.cursor.clone());
            if page.snapshot_complete != Some(false) {
                self.scanned();
            }
        }
    }

    /// What left its scope is dropped, unless it is known to be in another one by now; so is everything of a scope that was
    /// closed. What lies in a scope that was opened is behind the cursor.
    fn told(&mut self, row: &ControlRow) {
        let scope = row.scope.to_string();
        if row.op == ControlOp::Revoke && self.scopes.remove(&scope) {
            self.copy.retain(|_, held| held.2 != scope);
        }
        if row.op == ControlOp::Grant && self.scopes.insert(scope) {
            self.must_scan = true;
        }
        let (ControlOp::Evict, Some(collection), Some(record)) = (row.op, &row.collection, &row.record_id) else { return };
        let key = (collection.to_string(), record.to_string());
        if self.copy.get(&key).is_some_and(|held| held.2 == row.scope.as_str()) {
            self.copy.remove(&key);
        }
    }

    /// After a whole scan from the beginning, what it did not mention is not there.
    fn scanned(&mut self) {
        if let Some(mentioned) = self.mentioned.take() {
            self.copy.retain(|key, _| mentioned.contains(key));
        }
    }

    fn row(&mut self, row: FeedRowRef<'_>) {
        let key = (row.collection.to_string(), row.record_id.to_string());
        if !self.scopes.contains(row.scope.as_str()) || self.must_scan {
            // Opened already, and not told yet, or just told: it comes again with the scan.
            return;
        }
        if let Some(mentioned) = &mut self.mentioned {
            mentioned.insert(key.clone());
        }
        let (held, none) = (self.copy.get(&key), Body::new());
        let version = held.map_or(0, |held| held.0);
        if row.version.0 <= version {
            return;
        }
        let before = held.and_then(|held| held.1.as_ref());
        let read = |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Body>(text).ok()).unwrap_or_default();
        let patch = matches!(row.op, "update" | "crdt") && !(row.op == "crdt" && row.version.0 == 1);
        // A record that it has applied this to before may have left since.
        let left = held.is_none() && row.seq.0 <= self.ahead;
        let sure = !left && !self.doubtful.contains(row.scope.as_str());
        if patch && sure && (before.is_none() || row.version.0 != version + 1) {
            self.faults.push(format!("{} got a patch to version {} of {key:?} and holds {version}", self.id, row.version));
        }
        if let Some(seen) = row.vector.and_then(|text| serde_json::from_str::<Clock>(text).ok()) {
            let known = self.clocks.entry(key.clone()).or_default();
            *known = joined(known, &seen);
        }
        let before = before.unwrap_or(&none);
        let after = match row.op {
            "delete" => None,
            "update" => Some(laid_over(before, &read(row.fields))),
            "crdt" => Some(merged(before, &read(row.crdt), row.operation_id)),
            _ => Some(read(row.fields)),
        };
        self.copy.insert(key, (row.version.0, after, row.scope.to_string()));
    }

    /// So many of its intents without a final answer, from a place on; no group is taken apart.
    #[must_use]
    pub fn waiting(&self, from: usize, count: usize) -> Vec<Mutation> {
        let tied = |at: usize| {
            let pair = (at > 0).then(|| self.outbox.get(at - 1)).flatten().zip(self.outbox.get(at));
            pair.is_some_and(|(one, next)| group_of(one).is_some() && group_of(one) == group_of(next))
        };
        let (mut from, mut to) = (from.min(self.outbox.len()), from.saturating_add(count).min(self.outbox.len()));
        while tied(from) {
            from -= 1;
        }
        while tied(to) {
            to += 1;
        }
        self.outbox[from..to].to_vec()
    }

    /// Up to which of its counters it has stored every answer.
    #[must_use]
    pub fn floor(&self) -> i64 {
        self.outbox.iter().filter_map(|intent| intent.client_seq).min().map_or(self.queued.len() as i64, |next| next - 1)
    }

    /// Notes intents that it has sent.
    pub fn note_sent(&mut self, intents: &[Mutation]) {
        for intent in intents {
            if !self.sent.iter().any(|sent| sent.operation_id == intent.operation_id) {
                self.sent.push(intent.clone());
            }
        }
    }

    /// Takes answers to intents that it sent. What is final leaves the outbox.
    pub fn settle(&mut self, intents: &[Mutation], answers: &[Answer]) {
        for (intent, answer) in intents.iter().zip(answers) {
            if !["deferred", "unknown"].contains(&answer.status) {
                self.outbox.retain(|waiting| waiting.operation_id != intent.operation_id);
                self.answers.push((intent.operation_id.to_string(), answer.clone()));
                if is_forgotten(answer) {
                    self.release(&intent.operation_id);
                }
            } else if answer.status == "deferred" {
                self.put_off.extend(answer.code);
            }
        }
    }

    /// An operation that nobody will remember is decided anew under another id: what depends on it does not wait for it.
    fn release(&mut self, operation: &OperationId) {
        for waiting in &mut self.outbox {
            if let Some(terms) = &mut waiting.terms {
                terms.depends_on.retain(|parent| parent != operation);
            }
        }
    }

    /// Live records of its copy in a scope, in the current names.
    #[must_use]
    pub fn visible(&self, scope: &str) -> BTreeMap<Key, (i64, Body)> {
        let live = self.copy.iter().filter(|(_, held)| held.2 == scope);
        live.filter_map(|(key, held)| Some((key.clone(), (held.0, current(&key.0, held.1.as_ref()?))))).collect()
    }

    /// A number of a body that it holds.
    #[must_use]
    pub fn held(&self, key: &Key) -> Option<(i64, &Body)> {
        let held = self.copy.get(key)?;
        Some((held.0, held.1.as_ref()?))
    }
}

/// Whether an answer is one that the store does not keep: the device is to decide, or its decision was none.
fn is_forgotten(answer: &Answer) -> bool {
    is_given_back(answer) || ["conflict_resolved", "not_found"].contains(&answer.code.unwrap_or_default())
}

/// Whether the device is to decide: nobody remembers such an answer, and an intent that arrives again is decided as things are then.
#[must_use]
pub fn is_given_back(answer: &Answer) -> bool {
    answer.status == "conflict" && answer.entry.is_none()
}

/// A set as a body holds it: values with the tags that a device has seen.
#[must_use]
pub fn tags(body: &Body, value: &str) -> Vec<Value> {
    let entries = body.get("tags").and_then(|set| set["$set"].as_array()).into_iter().flatten();
    entries.filter(|entry| entry[0] == value).flat_map(|entry| entry[1].as_array().cloned().unwrap_or_default()).collect()
}
