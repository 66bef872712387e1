//! One checker a file, each named for its invariant of the protocol. A checker takes what a run left behind and names what broke.
//!
//! Where simulated fleets have the checker, theirs is used. Determinism (I-11) needs a second run, which every run makes of its own
//! inputs; the laws of merging (I-12) are tried on nodes in memory with what a run has written.

pub mod i01_convergence;
pub mod i02_no_lost_ack;
pub mod i03_no_phantom;
pub mod i04_replay;
pub mod i05_cursor;
pub mod i06_snapshot;
pub mod i07_fold;
pub mod i08_tombstones;
pub mod i10_versions;
pub mod i11_determinism;
pub mod i12_laws;
pub mod i13_permission;
pub mod i14_causality;
pub mod i15_liveness;
pub mod i16_fairness;
pub mod i17_horizon;
pub mod i20_natural;

use std::collections::BTreeMap;

use tidewatch_domain::engine::ControlOp;
use tidewatch_domain::sync::{Body, ControlRow, FeedRow};

use crate::reference::Key;
use crate::rules::{laid_over, merged};
use crate::world::{Seen, State};

/// A checker.
pub type Check = fn(&Seen) -> Vec<String>;

/// Every checker by the name of its invariant.
pub const CHECKS: [(&str, Check); 17] = [
    ("I-1", i01_convergence::check),
    ("I-2", i02_no_lost_ack::check),
    ("I-3", i03_no_phantom::check),
    ("I-4", i04_replay::check),
    ("I-5", i05_cursor::check),
    ("I-6", i06_snapshot::check),
    ("I-7", i07_fold::check),
    ("I-8", i08_tombstones::check),
    ("I-10", i10_versions::check),
    ("I-11", i11_determinism::check),
    ("I-12", i12_laws::check),
    ("I-13", i13_permission::check),
    ("I-14", i14_causality::check),
    ("I-15", i15_liveness::check),
    ("I-16", i16_fairness::check),
    ("I-17", i17_horizon::check),
    ("I-20", i20_natural::check),
];

/// What broke, each line with its invariant in front.
#[must_use]
pub fn faults(seen: &Seen) -> Vec<String> {
    let named = |(name, check): (&'static str, Check)| check(seen).into_iter().map(move |fault| format!("{name}: {fault}"));
    CHECKS.into_iter().flat_map(named).collect()
}

/// Record of a row.
fn key(row: &FeedRow) -> Key {
    (row.collection.to_string(), row.record_id.to_string())
}

/// Records with version and body, none for a deletion.
pub(crate) type Folded = BTreeMap<Key, (String, i64, Option<Body>)>;

/// The log up to a position, row by row.
pub(crate) fn folded(seen: &Seen, to: i64) -> Folded {
    let mut state = Folded::new();
    let mut left = seen.said.iter().filter(|row| row.op == ControlOp::Evict && row.seq.0 <= to).peekable();
    let leave = |state: &mut Folded, row: &ControlRow| {
        let named = row.collection.as_ref().zip(row.record_id.as_ref());
        named.map(|(collection, record)| state.remove(&(collection.to_string(), record.to_string())))
    };
    for row in seen.log.iter().take_while(|row| row.seq.0 <= to) {
        while let Some(control) = left.next_if(|control| control.seq < row.seq) {
            leave(&mut state, control);
        }
        let before = state.get(&key(row)).and_then(|record| record.2.clone()).unwrap_or_default();
        let read = |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let after = match row.op {
            "delete" => None,
            "update" => Some(laid_over(&before, &read(&row.fields))),
            "crdt" => Some(merged(&before, &read(&row.crdt), &row.operation_id)),
            _ => Some(read(&row.fields)),
        };
        state.insert(key(row), (row.scope.to_string(), row.version.0, after));
    }
    for control in left {
        leave(&mut state, control);
    }
    state
}

/// What is visible of it in these scopes.
pub(crate) fn visible<'s>(folded: &Folded, scopes: impl Iterator<Item = &'s String>) -> State {
    let records = |scope: &String| {
        let live = folded.iter().filter(|(_, record)| record.0 == *scope);
        live.filter_map(|(key, record)| Some((key.clone(), (record.1, record.2.clone()?)))).collect()
    };
    scopes.map(|scope| (scope.clone(), records(scope))).collect()
}
