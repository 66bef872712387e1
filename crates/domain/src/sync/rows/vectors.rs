//! Vector clocks beside the rows of a page: looked up for the collections that go by them, and no cost to any other.

use super::{FeedRows, Span};
use crate::ids::{CollectionName, Seq};

impl FeedRows {
    /// Adds the vector clock of a row, as JSON text.
    pub fn vector_add(&mut self, seq: Seq, text: &str) {
        let span = self.word(|out| out.push_str(text));
        self.vectors.insert(seq, span);
    }

    /// The collections of these rows.
    #[must_use]
    pub fn collections(&self) -> &[CollectionName] {
        &self.collections
    }

    /// Positions of the rows of these collections, in their order.
    #[must_use]
    pub fn seqs_of(&self, collections: &[CollectionName]) -> Vec<Seq> {
        self.iter().filter(|row| collections.contains(row.collection)).map(|row| row.seq).collect()
    }

    pub(super) fn vector(&self, seq: Seq) -> Option<&str> {
        self.vectors.get(&seq).map(|span: &Span| span.of(&self.text))
    }
}
