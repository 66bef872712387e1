//! The rows of a page of the feed as they were read: a few long texts, and for each row the places of its words in them. A page has
//! thousands of rows with ten words each, and what is written of them is those very words: a copy of each would cost more than
//! reading and writing them (ADR 17).

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

    const fn bytes(self) -> usize {
        (self.to - self.from) as usize
    }
}

/// Where a word of a row lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// In the text that the row was read from.
    Read(Span),
    /// In what was made for this page, see [`FeedRows::make`].
    Made(Span),
}

impl Word {
    const fn bytes(self) -> usize {
        match self {
            Self::Read(span) | Self::Made(span) => span.bytes(),
        }
    }
}

/// A row by the places of its words. The members are those of [`FeedRow`].
#[derive(Clone, Copy, Debug)]
pub struct FeedSlot {
    /// Position.
    pub seq: Seq,
    /// `create`, `update`, `put`, `delete`, `crdt`.
    pub op: &'static str,
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
    pub changed: Option<Word>,
    /// JSON text of the fields.
    pub fields: Option<Word>,
    /// JSON text of the operation on a field that merges by itself.
    pub crdt: Option<Word>,
}

/// A row of a page, as it lies in the texts of the page.
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
    /// What the rows were read from, each with the scope of its rows.
    texts: Vec<(Scope, String)>,
    /// What no text had as it is.
    made: String,
    collections: Vec<CollectionName>,
    clients: Vec<ClientId>,
    /// Each with the number of its text.
    slots: Vec<(u32, FeedSlot)>,
    /// Vector clocks, in what was made for this page. Few collections go by them, so no slot has room for one.
    vectors: BTreeMap<Seq, Span>,
}

/// The number of the next of so many things.
fn number(len: usize) -> u32 {
    u32::try_from(len).expect("a page has fewer than 2^32 of anything")
}

impl FeedRows {
    /// Adds a row of the text that is kept next.
    pub fn push(&mut self, slot: FeedSlot) {
        self.slots.push((number(self.texts.len()), slot));
    }

    /// Keeps the text that the rows since the last one were read from.
    pub fn text_keep(&mut self, scope: Scope, text: String) {
        self.texts.push((scope, text));
    }

    /// Keeps a word that is in no text as it is.
    pub fn make(&mut self, write: impl FnOnce(&mut String)) -> Word {
        let from = self.made.len();
        write(&mut self.made);
        Word::Made(Span::new(from..self.made.len()))
    }

    /// A word of a row that was read from this text.
    #[must_use]
    pub fn word<'w>(&'w self, text: &'w str, word: Word) -> &'w str {
        match word {
            Word::Read(span) => span.of(text),
            Word::Made(span) => span.of(&self.made),
        }
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
        self.slots.iter().map(|(text, slot)| self.row(*text, slot))
    }

    /// Their positions, in their order.
    pub fn seqs(&self) -> impl DoubleEndedIterator<Item = Seq> + ExactSizeIterator {
        self.slots.iter().map(|(_, slot)| slot.seq)
    }

    /// Bytes of the fields of each.
    pub fn fields_bytes(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().map(|(_, slot)| slot.fields.map_or(0, Word::bytes))
    }

    /// Copies of them, each by itself.
    #[must_use]
    pub fn to_vec(&self) -> Vec<FeedRow> {
        self.iter().map(FeedRow::from).collect()
    }

    /// Sorts those from the given one on by position.
    pub fn sort_from(&mut self, from: usize) {
        if let Some(slots) = self.slots.get_mut(from..) {
            slots.sort_unstable_by_key(|(_, slot)| slot.seq);
        }
    }

    /// Keeps the first so many.
    pub fn truncate(&mut self, len: usize) {
        self.slots.truncate(len);
    }

    /// Keeps those that are wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(FeedRowRef<'_>) -> bool) {
        let slots = std::mem::take(&mut self.slots);
        self.slots = slots.into_iter().filter(|(text, slot)| wanted(self.row(*text, slot))).collect();
    }

    fn row<'p>(&'p self, text: u32, slot: &FeedSlot) -> FeedRowRef<'p> {
        let (scope, text) = &self.texts[text as usize];
        let word = |word: Word| self.word(text, word);
        FeedRowRef {
            seq: slot.seq,
            op: slot.op,
            collection: &self.collections[slot.collection as usize],
            record_id: slot.record_id.of(text),
            scope,
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
            let mut text = String::new();
            let mut word = |word: &str| {
                text.push_str(word);
                Span::new(text.len() - word.len()..text.len())
            };
            let slot = FeedSlot {
                seq: row.seq,
                op: row.op,
                collection: page.collection_add(row.collection),
                client: row.client_id.map(|client_id| page.client_add(client_id)),
                version: row.version,
                prev_seq: row.prev_seq,
                ticks: row.hlc.ticks,
                schema_version: row.schema_version,
                committed: row.committed,
                record_id: word(row.record_id.as_str()),
                node: word(&row.hlc.node),
                operation_id: word(&row.operation_id),
                changed: row.changed.map(|names| Word::Read(word(&names_text(names.iter().map(String::as_str))))),
                fields: row.fields.map(|fields| Word::Read(word(&fields))),
                crdt: row.crdt.map(|operation| Word::Read(word(&operation))),
            };
            page.push(slot);
            page.text_keep(row.scope, text);
        }
        page
    }
}

#[cfg(test)]
mod tests;
