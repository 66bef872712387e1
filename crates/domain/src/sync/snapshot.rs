//! Prebuilt snapshots: the state of one scope at one position, in parts that never change.

use crate::cursor::{Cursor, CursorPosition, filter_hash};
use crate::digest::Hash;
use crate::ids::{CollectionName, Epoch, Scope, Seq};
use crate::time::{HOUR_MS, MINUTE_MS, Millis};

/// A snapshot that is younger is given again, however much has been written since.
const YOUNG_MS: i64 = 5 * MINUTE_MS;
/// A snapshot that is older is not given again, unless nothing was written in its scope since.
const OLD_MS: i64 = HOUR_MS;

/// Which state: one scope, and some of its collections, or all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SnapshotFilter {
    /// Scope.
    pub scope: Scope,
    /// Only these, sorted; empty means all.
    pub collections: Vec<CollectionName>,
}

impl SnapshotFilter {
    /// A filter; the order of the collections does not matter.
    #[must_use]
    pub fn new(scope: Scope, mut collections: Vec<CollectionName>) -> Self {
        collections.sort_unstable();
        collections.dedup();
        Self { scope, collections }
    }
}

/// One part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPart {
    /// Records.
    pub rows: u64,
    /// Bytes, compressed.
    pub bytes: u64,
    /// Bytes, decompressed.
    pub raw_bytes: u64,
    /// SHA-256 of the compressed bytes.
    pub sha256: Hash,
}

/// A snapshot that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Which.
    pub id: String,
    /// Incarnation of the store that made it.
    pub epoch: Epoch,
    /// What is in it.
    pub filter: SnapshotFilter,
    /// The state at this position.
    pub at: Seq,
    /// Sum of the policy revisions of those of its collections that have steps between schemas: records are called as under these. 0
    /// without steps.
    pub steps_rev: i64,
    /// Records.
    pub rows: u64,
    /// Bytes of all parts, compressed.
    pub bytes: u64,
    /// SHA-256 of all parts, one behind the other.
    pub sha256: Hash,
    /// Asked for at.
    pub created: Millis,
    /// Its parts, in order.
    pub parts: Vec<SnapshotPart>,
}

impl Snapshot {
    /// The cursor of a feed over the same filter that has come as far.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        let SnapshotFilter { scope, collections } = &self.filter;
        let filter = filter_hash(std::slice::from_ref(scope), collections);
        Cursor { epoch: self.epoch, position: CursorPosition::At(self.at), filter }
    }

    /// Whether it is as good as a new one: nothing was written in its scope since, or it is young, or it is of this hour and the log
    /// has not moved by more positions than it has records, so that what is to be read behind it is less than itself.
    #[must_use]
    pub fn is_recent(&self, head: Seq, scope_head: Seq, now: Millis) -> bool {
        let age = now.since(self.created);
        let moved = u64::try_from(head.0 - self.at.0).unwrap_or(0);
        scope_head <= self.at || age < YOUNG_MS || (age < OLD_MS && moved <= self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(collections: &[&str]) -> Snapshot {
        let names = collections.iter().map(|name| CollectionName::parse(*name).expect("a name")).collect();
        Snapshot {
            id: "s".to_owned(),
            epoch: Epoch(7),
            filter: SnapshotFilter::new(Scope::parse("site:a").expect("a scope"), names),
            at: Seq(100),
            steps_rev: 0,
            rows: 50,
            bytes: 0,
            sha256: [0; 32],
            created: Millis(0),
            parts: Vec::new(),
        }
    }

    #[test]
    fn it_is_given_again_while_going_on_from_it_is_cheaper_than_a_new_one() {
        let recent = |head, scope_head, minutes| snapshot(&[]).is_recent(Seq(head), Seq(scope_head), Millis(minutes * MINUTE_MS));
        assert!(recent(900, 900, 4), "young");
        assert!(!recent(900, 900, 6), "the log has moved far");
        assert!(recent(150, 150, 59), "the log has moved a little");
        assert!(!recent(150, 150, 61), "old");
        assert!(recent(9_000, 100, 6_000), "nothing new in the scope");
    }

    #[test]
    fn its_cursor_is_that_of_a_feed_over_the_same_filter_in_any_order() {
        let (one, other) = (snapshot(&["b", "a"]), snapshot(&["a", "b", "b"]));
        assert_eq!(one.cursor(), other.cursor());
        let names = ["a", "b"].map(|name| CollectionName::parse(name).expect("a name"));
        assert_eq!(one.cursor().filter, filter_hash(&[Scope::parse("site:a").expect("a scope")], &names));
        assert_eq!(one.cursor().position, CursorPosition::At(Seq(100)));
    }
}
