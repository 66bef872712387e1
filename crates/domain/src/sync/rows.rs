//! The rows of a page of the feed: one long text, and for each row the places of its words in it. A page has thousands of rows with
//! ten words each: a text of its own for each would cost more than reading and writing them (ADR 17).

mod vectors;

use std::collections::BTreeMap;
use std::ops::Range;

use super::FeedRow;
use crate::hlc::{Hlc, Ticks};
use crate::ids::{ClientId, CollectionName, RecordId, Scope, Seq, Version};
use crate::json::{names_read, names_text};
use crate::time::Millis;

/// A place in a text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    from: u32,
    to: u32,
}

impl Span {
    /// From one byte up to another.
    ///
    /// # Panics
    /// Beyond 4 GiB: no page comes near it.
    #[must_use]
    pub fn new(range: Range<usize>) -> Self {
        let fit = |at| u32::try_from(at).expect("a page has less than 4 GiB");
        Self { from: fit(range.start), to: fit(range.end) }
    }

    fn of(self, text: &str) -> &str {
        text.get(self.from as usize..self.to as usize).unwrap_or_default()
    }

    /// How many bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        (self.to - self.from) as usize
    }
}

/// A row by the places of its words. The members are those of [`FeedRow`].
#[derive(Clone, Copy, Debug)]
pub struct FeedSlot {
    /// Position.
    pub seq: Seq,
    /// `create`, `update`, `put`, `delete`, `crdt`.
    pub op: &'static str,
    /// As [`FeedRows::scope_add`] numbered it.
    pub scope: u32,
    /// As [`FeedRows::collection_add`] numbered it.
    pub collection: u32,
    /// As [`FeedRows::client_add`] numbered it.
    pub client: Option<u32>,
    /// Version of the record.
    pub version: Version,
    /// Position of the record's change before this one.
    pub prev_seq: Option<Seq>,
    /// Effective clock.
    pub ticks: Ticks,
    /// Schema version it was made with.
    pub schema_version: i64,
    /// Committed at.
    pub committed: Millis,
    /// Record.
    pub record_id: Span,
    /// Who stamped the effective clock.
    pub node: Span,
    /// Operation.
    pub operation_id: Span,
    /// Canonical JSON array of the names of the fields it touched.
    pub changed: Option<Span>,
    /// JSON text of the fields.
    pub fields: Option<Span>,
    /// JSON text of the operation on a field that merges by itself.
    pub crdt: Option<Span>,
}

/// A row of a page, as it lies in the text of the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeedRowRef<'p> {
    /// Position.
    pub seq: Seq,
    /// `create`, `update`, `put`, `delete`, `crdt`.
    pub op: &'static str,
    /// Collection.
    pub collection: &'p CollectionName,
    /// Record.
    pub record_id: &'p str,
    /// Scope.
    pub scope: &'p Scope,
    /// Version of the record.
    pub version: Version,
    /// Position of the record's change before this one.
    pub prev_seq: Option<Seq>,
    /// Effective clock.
    pub ticks: Ticks,
    /// Who stamped it.
    pub node: &'p str,
    /// Who made it.
    pub client_id: Option<&'p ClientId>,
    /// Operation.
    pub operation_id: &'p str,
    /// Schema version it was made with.
    pub schema_version: i64,
    /// Names of the fields it touched, as canonical JSON array; `None` on a full image.
    pub changed: Option<&'p str>,
    /// JSON text of the fields, as [`FeedRow::fields`] has it.
    pub fields: Option<&'p str>,
    /// JSON text of the operation on a field that merges by itself; only on `crdt`.
    pub crdt: Option<&'p str>,
    /// JSON text of what is known of the record's vector clock, where its collection goes by that.
    pub vector: Option<&'p str>,
    /// Committed at.
    pub committed: Millis,
}

/// The rows of a page.
#[derive(Clone, Debug, Default)]
pub struct FeedRows {
    /// Their words.
    text: String,
    scopes: Vec<Scope>,
    collections: Vec<CollectionName>,
    clients: Vec<ClientId>,
    slots: Vec<FeedSlot>,
    /// Vector clocks. Few collections go by them, so no slot has room for one.
    vectors: BTreeMap<Seq, Span>,
}

/// The number of the next of so many things.
fn number(len: usize) -> u32 {
    u32::try_from(len).expect("a page has fewer than 2^32 of anything")
}

impl FeedRows {
    /// None yet, with room for so many.
    #[must_use]
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), slots: Vec::with_capacity(rows), ..Self::default() }
    }

    /// Adds a row.
    pub fn push(&mut self, slot: FeedSlot) {
        self.slots.push(slot);
    }

    /// Keeps a word of the row that is added next.
    pub fn word(&mut self, write: impl FnOnce(&mut String)) -> Span {
        let from = self.text.len();
        write(&mut self.text);
        Span::new(from..self.text.len())
    }

    /// Keeps the name of a scope; answers its number.
    pub fn scope_add(&mut self, scope: Scope) -> u32 {
        self.scopes.push(scope);
        number(self.scopes.len() - 1)
    }

    /// Keeps the name of a collection; answers its number.
    pub fn collection_add(&mut self, name: CollectionName) -> u32 {
        self.collections.push(name);
        number(self.collections.len() - 1)
    }

    /// Keeps the id of a device; answers its number.
    pub fn client_add(&mut self, client_id: ClientId) -> u32 {
        self.clients.push(client_id);
        number(self.clients.len() - 1)
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The rows, in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = FeedRowRef<'_>> + ExactSizeIterator + Clone {
        self.slots.iter().map(|slot| self.row(slot))
    }

    /// Their positions, in their order.
    pub fn seqs(&self) -> impl DoubleEndedIterator<Item = Seq> + ExactSizeIterator {
        self.slots.iter().map(|slot| slot.seq)
    }

    /// Bytes of the fields of each.
    pub fn fields_bytes(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().map(|slot| slot.fields.map_or(0, Span::bytes))
    }

    /// Copies of them, each by itself.
    #[must_use]
    pub fn to_vec(&self) -> Vec<FeedRow> {
        self.iter().map(FeedRow::from).collect()
    }

    /// Keeps the first so many.
    pub fn truncate(&mut self, len: usize) {
        self.slots.truncate(len);
    }

    /// Keeps those that are wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(FeedRowRef<'_>) -> bool) {
        let slots = std::mem::take(&mut self.slots);
        self.slots = slots.into_iter().filter(|slot| wanted(self.row(slot))).collect();
    }

    fn row<'p>(&'p self, slot: &FeedSlot) -> FeedRowRef<'p> {
        let text = self.text.as_str();
        let word = |span: Span| span.of(text);
        FeedRowRef {
            seq: slot.seq,
            op: slot.op,
            collection: &self.collections[slot.collection as usize],
            record_id: slot.record_id.of(text),
            scope: &self.scopes[slot.scope as usize],
            version: slot.version,
            prev_seq: slot.prev_seq,
            ticks: slot.ticks,
            node: slot.node.of(text),
            client_id: slot.client.map(|client| &self.clients[client as usize]),
            operation_id: slot.operation_id.of(text),
            schema_version: slot.schema_version,
            changed: slot.changed.map(word),
            fields: slot.fields.map(word),
            crdt: slot.crdt.map(word),
            vector: self.vector(slot.seq),
            committed: slot.committed,
        }
    }
}

/// Pages are the same when their rows are, wherever they lie.
impl PartialEq for FeedRows {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl From<FeedRowRef<'_>> for FeedRow {
    /// # Panics
    /// When the id of the record is none: whoever makes a page has looked at it.
    fn from(row: FeedRowRef<'_>) -> Self {
        Self {
            seq: row.seq,
            op: row.op,
            collection: row.collection.clone(),
            record_id: RecordId::parse(row.record_id).expect("a row is of a record with an id"),
            scope: row.scope.clone(),
            version: row.version,
            prev_seq: row.prev_seq,
            hlc: Hlc { ticks: row.ticks, node: row.node.to_owned() },
            client_id: row.client_id.cloned(),
            operation_id: row.operation_id.to_owned(),
            schema_version: row.schema_version,
            changed: row.changed.map(names_read),
            fields: row.fields.map(str::to_owned),
            crdt: row.crdt.map(str::to_owned),
            vector: row.vector.map(str::to_owned),
            committed: row.committed,
        }
    }
}

/// Rows that exist by themselves, as a page.
impl FromIterator<FeedRow> for FeedRows {
    fn from_iter<I: IntoIterator<Item = FeedRow>>(rows: I) -> Self {
        let mut page = Self::default();
        for row in rows {
            if let Some(vector) = &row.vector {
                page.vector_add(row.seq, vector);
            }
            let mut word = |word: &str| page.word(|text| text.push_str(word));
            let (record_id, node, operation_id) = (word(row.record_id.as_str()), word(&row.hlc.node), word(&row.operation_id));
            let changed = row.changed.map(|names| word(&names_text(names.iter().map(String::as_str))));
            let (fields, crdt) = (row.fields.map(|fields| word(&fields)), row.crdt.map(|operation| word(&operation)));
            let slot = FeedSlot {
                seq: row.seq,
                op: row.op,
                scope: page.scope_add(row.scope),
                collection: page.collection_add(row.collection),
                client: row.client_id.map(|client_id| page.client_add(client_id)),
                version: row.version,
                prev_seq: row.prev_seq,
                ticks: row.hlc.ticks,
                schema_version: row.schema_version,
                committed: row.committed,
                record_id,
                node,
                operation_id,
                changed,
                fields,
                crdt,
            };
            page.push(slot);
        }
        page
    }
}

#[cfg(test)]
mod tests;
