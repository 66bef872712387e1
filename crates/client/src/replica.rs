//! The confirmed half of the local database: records exactly as the store had them at the cursor, and the cursor.
//!
//! Pending intents are not in here: what people see is this image with the device's own intents laid over it
//! ([`crate::state::State::visible`]). So a row of the feed never overwrites an unsent edit, and an answer that lost needs
//! no repair. A page's rows and its cursor are applied together.

mod fills;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidewatch_domain::digest::{content_hash, record_hash};
use tidewatch_domain::ids::Version;
use tidewatch_domain::sync::Body;

use crate::intent::{canonical, merge_fields};
use crate::wire::{Row, RowOp};

/// Collection and record.
pub type Key = (String, String);

/// The store's state of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Scope.
    pub scope: String,
    /// Version; 0 when only its content is known, so that anything newer replaces it.
    pub version: i64,
    /// Body as canonical JSON; `None` while the store's deletion has been acknowledged but not yet seen in the feed.
    pub body: Option<Box<str>>,
}

impl Image {
    fn live(scope: &str, version: i64, body: Body) -> Self {
        let text = String::from_utf8(canonical(&Value::Object(body))).expect("canonical JSON is UTF-8");
        Self { scope: scope.to_owned(), version, body: Some(text.into()) }
    }

    /// The body.
    #[must_use]
    pub fn read(&self) -> Option<Body> {
        Some(serde_json::from_str(self.body.as_deref()?).expect("an image holds a JSON object"))
    }
}

/// Rows and digest of one collection in one scope (`protocol.md` 2.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeDigest {
    /// Live records.
    pub rows: i64,
    /// Sum of their hashes.
    pub digest: u64,
}

/// A scan of the whole state under way.
#[derive(Clone, Debug, Default)]
struct Scan {
    /// What it has met so far.
    met: BTreeMap<Key, Image>,
    /// Its own cursor; `None` while it is at the beginning.
    cursor: Option<String>,
    /// The epoch that goes with a cursor that is a bare position.
    epoch: Option<String>,
}

/// The confirmed records and where the feed stands.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    records: BTreeMap<Key, Image>,
    digests: BTreeMap<(String, String), ScopeDigest>,
    cursor: Option<String>,
    /// A scan of the whole state under way.
    scan: Option<Scan>,
    gap: bool,
    /// A scope was opened while a scan was under way: it takes another one.
    granted: bool,
    /// Fields of a new column that came before the feed has brought their record to the version that has them.
    fills: fills::Fills,
    /// What waits beside records, as far as the feed has said so.
    conflicts: BTreeMap<Key, BTreeSet<String>>,
}

impl Scan {
    /// Takes rows; answers whether a scope was opened, so that there is more than this scan meets.
    fn rows_meet(&mut self, rows: Vec<Row>) -> bool {
        let (met, mut granted) = (&mut self.met, false);
        for row in rows {
            match row.op {
                RowOp::Put { body } => drop(met.insert(row.key, Image::live(&row.scope, row.version, body))),
                RowOp::Patch { changed, fields } => {
                    if let Some(image) = met.get_mut(&row.key) {
                        let mut body = image.read().expect("a scan meets live records");
                        patch(&mut body, &changed, fields);
                        *image = Image::live(&row.scope, row.version, body);
                    }
                }
                RowOp::Delete | RowOp::Evict => drop(met.remove(&row.key)),
                RowOp::Revoke => met.retain(|_, image| image.scope != row.scope),
                RowOp::Grant => granted = true,
                RowOp::Conflict { .. } | RowOp::Resolved { .. } | RowOp::Nothing => {}
            }
        }
        granted
    }
}

impl Replica {
    /// Cursor of the feed; `None` before the first complete scan.
    #[must_use]
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Whether a scan is under way, and its cursor.
    #[must_use]
    pub fn scan_cursor(&self) -> Option<Option<&str>> {
        self.scan.as_ref().map(|scan| scan.cursor.as_deref())
    }

    /// The epoch that goes with the cursor of the scan, when that is a bare position.
    #[must_use]
    pub fn scan_epoch(&self) -> Option<&str> {
        self.scan.as_ref()?.epoch.as_deref()
    }

    /// Whether a scan that is at its beginning has met something already: it was given a head start.
    #[must_use]
    pub fn scan_is_seeded(&self) -> bool {
        self.scan.as_ref().is_some_and(|scan| scan.cursor.is_none() && !scan.met.is_empty())
    }

    /// Whether a row did not fit what is here: only a scan can tell what is missing.
    #[must_use]
    pub fn has_gap(&self) -> bool {
        self.gap
    }

    /// The entries of the conflicts log that wait beside a record, as far as the feed has said so.
    pub fn conflicts(&self, key: &Key) -> impl Iterator<Item = &str> {
        self.conflicts.get(key).into_iter().flatten().map(String::as_str)
    }

    fn conflict_note(&mut self, key: Key, conflict_id: String, open: bool) {
        if open {
            self.conflicts.entry(key).or_default().insert(conflict_id);
        } else if let Some(known) = self.conflicts.get_mut(&key) {
            known.remove(&conflict_id);
            if known.is_empty() {
                self.conflicts.remove(&key);
            }
        }
    }

    /// One record as the store had it.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Image> {
        self.records.get(key)
    }

    /// Live records.
    pub fn live(&self) -> impl Iterator<Item = (&Key, &Image)> {
        self.records.iter().filter(|(_, image)| image.body.is_some())
    }

    /// Everything kept, deletions not yet seen in the feed included.
    pub fn images(&self) -> impl Iterator<Item = (&Key, &Image)> {
        self.records.iter()
    }

    /// Digests by scope and collection.
    pub fn digests(&self) -> impl Iterator<Item = (&(String, String), &ScopeDigest)> {
        self.digests.iter()
    }

    /// Starts a scan from nothing; what is here stays in sight until the scan is complete.
    pub fn scan_begin(&mut self) {
        self.scan = Some(Scan::default());
    }

    /// Gives the scan a head start.
    pub fn scan_rows(&mut self, rows: Vec<Row>) {
        let mut scan = self.scan.take().unwrap_or_default();
        self.granted |= scan.rows_meet(rows);
        self.scan = Some(scan);
    }

    /// The scan goes on from this position: all that is older it has met.
    pub fn scan_seeded(&mut self, since: i64, epoch: String) {
        let scan = self.scan.get_or_insert_default();
        (scan.cursor, scan.epoch) = (Some(since.to_string()), Some(epoch));
    }

    /// Puts an image in place, whatever was there.
    pub fn set(&mut self, key: Key, image: Option<Image>) {
        if let Some(old) = self.records.remove(&key) {
            self.count(&key, &old, -1);
        }
        if let Some(new) = self.filled(&key, image) {
            self.count(&key, &new, 1);
            self.records.insert(key, new);
        }
    }

    /// Restores the position, from a compacted journal.
    pub fn set_cursor(&mut self, cursor: Option<String>) {
        self.cursor = cursor;
    }

    fn count(&mut self, key: &Key, image: &Image, sign: i64) {
        let Some(body) = image.body.as_deref() else { return };
        let at = (image.scope.clone(), key.0.clone());
        let digest = self.digests.entry(at.clone()).or_default();
        digest.rows += sign;
        let hash = record_hash(&key.1, Version(image.version), &content_hash(Some(body)));
        digest.digest = if sign > 0 { digest.digest.wrapping_add(hash) } else { digest.digest.wrapping_sub(hash) };
        if digest.rows == 0 {
            self.digests.remove(&at);
        }
    }

    /// Applies a page of the feed: rows and cursor together.
    pub fn page_apply(&mut self, rows: Vec<Row>, cursor: String) {
        for row in rows {
            self.row_apply(row);
        }
        self.cursor = Some(cursor);
    }

    fn row_apply(&mut self, row: Row) {
        let known = self.records.get(&row.key).map(|image| image.version);
        let newer = known.is_none_or(|version| row.version > version);
        match row.op {
            RowOp::Put { body } if newer => self.set(row.key, Some(Image::live(&row.scope, row.version, body))),
            RowOp::Patch { changed, fields } if newer => match self.records.get(&row.key) {
                Some(image) if image.version + 1 == row.version && image.body.is_some() => {
                    let mut body = image.read().expect("a live image has a body");
                    patch(&mut body, &changed, fields);
                    self.set(row.key, Some(Image::live(&row.scope, row.version, body)));
                }
                _ => self.gap = true,
            },
            RowOp::Delete if known.is_some_and(|version| row.version >= version) => self.set(row.key, None),
            RowOp::Evict => self.set(row.key, None),
            RowOp::Revoke => self.scope_drop(&row.scope),
            // What is in the scope lies behind the cursor, and only a scan brings it.
            RowOp::Grant => self.gap = true,
            RowOp::Conflict { conflict_id } => self.conflict_note(row.key, conflict_id, true),
            RowOp::Resolved { conflict_id } => self.conflict_note(row.key, conflict_id, false),
            RowOp::Put { .. } | RowOp::Patch { .. } | RowOp::Delete | RowOp::Nothing => {}
        }
    }

    fn scope_drop(&mut self, scope: &str) {
        let gone: Vec<Key> = self.records.iter().filter(|(_, image)| image.scope == scope).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.set(key, None);
        }
    }

    /// Applies a page of a scan. When it completes the scan, what the scan did not meet goes, except records that
    /// `pending` names: their content stays, and the next word of the store about them wins.
    pub fn scan_apply(&mut self, rows: Vec<Row>, cursor: String, complete: bool, pending: &dyn Fn(&Key) -> bool) {
        let mut scan = self.scan.take().unwrap_or_default();
        self.granted |= scan.rows_meet(rows);
        if !complete {
            self.scan = Some(Scan { cursor: Some(cursor), epoch: None, ..scan });
            return;
        }
        let met = scan.met;
        let old = std::mem::take(&mut self.records);
        self.digests.clear();
        for (key, image) in met {
            self.set(key, Some(image));
        }
        for (key, image) in old {
            if !self.records.contains_key(&key) && pending(&key) {
                self.set(key, Some(Image { version: 0, ..image }));
            }
        }
        self.cursor = Some(cursor);
        self.gap = std::mem::take(&mut self.granted);
    }

    /// Takes the answer to an own intent: its full record if it came with one, otherwise the intent over what is here.
    pub fn answer_apply(&mut self, key: &Key, scope: &str, answer: Answered) {
        let known = self.records.get(key).map(|image| image.version);
        if known.is_some_and(|version| answer.version <= version) {
            return;
        }
        let image = match answer.effect {
            Effect::Record(body) | Effect::Whole(body) => Some(Image::live(scope, answer.version, body)),
            Effect::Deleted => Some(Image { scope: scope.to_owned(), version: answer.version, body: None }),
            Effect::Merge(fields) => match self.records.get(key) {
                Some(image) if image.version + 1 == answer.version && image.body.is_some() => {
                    let mut body = image.read().expect("a live image has a body");
                    merge_fields(&mut body, fields);
                    Some(Image::live(scope, answer.version, body))
                }
                // Rows of others lie between: the feed brings them, and then this one.
                _ => return,
            },
            Effect::None => return,
        };
        self.set(key.clone(), image);
    }
}

/// What an answer says of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// Version of the record after it.
    pub version: i64,
    /// What it did.
    pub effect: Effect,
}

/// What an answered intent did.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The answer carried the full record.
    Record(Body),
    /// The intent was the full record.
    Whole(Body),
    /// The intent's fields went over the version before.
    Merge(Body),
    /// The record was deleted.
    Deleted,
    /// Nothing is known of the record.
    None,
}

fn patch(body: &mut Body, changed: &[String], mut fields: Body) {
    for name in changed {
        if !fields.contains_key(name) {
            body.remove(name);
        }
    }
    fields.retain(|name, _| changed.is_empty() || changed.contains(name));
    merge_fields(body, fields);
}

#[cfg(test)]
mod tests;
