//! I-10: versions of a record follow each other without a gap, and name exactly one content.

use std::collections::BTreeMap;

use super::key;
use crate::world::Seen;

/// Names gaps, and versions with two contents.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    let mut last = BTreeMap::new();
    for row in &seen.log {
        let before = last.insert(key(row), (row.version.0, row.seq));
        if row.version.0 != before.map_or(1, |(version, _)| version + 1) || row.prev_seq != before.map(|(_, seq)| seq) {
            faults.push(format!("row {} is version {} after {before:?}", row.seq, row.version));
        }
    }
    let mut contents = BTreeMap::new();
    for (key, content) in seen.shown.iter().flat_map(|shown| shown.state.values().flatten()) {
        let (version, body) = content;
        if let Some(other) = contents.insert((key, *version), body).filter(|other| *other != body) {
            faults.push(format!("version {version} of {key:?} is {body:?} and {other:?}"));
        }
    }
    faults
}
