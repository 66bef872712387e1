//! I-5: cursors only move on, pages of any size join to the whole log, and no row at or below a cursor comes after it: what is
//! behind a cursor was either in a page before it or is not for this device.

use std::collections::BTreeSet;

use tidewatch_fleet_sim::checks::cursor_monotonic;

use crate::world::Seen;

/// Names pages that break the order, and rows that a device went past without seeing them.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = cursor_monotonic::check(&seen.fleet());
    let all: Vec<i64> = seen.log.iter().map(|row| row.seq.0).collect();
    for (size, seqs) in seen.paged.iter().filter(|(_, seqs)| **seqs != all) {
        faults.push(format!("pages of {size} join to {seqs:?} and not to {all:?}"));
    }
    for page in seen.pages.iter().filter(|page| !page.scan) {
        let at = |cursor: Option<&str>| cursor.and_then(|text| text.split('.').nth(2)?.split('c').next()?.parse::<i64>().ok());
        let (from, to) = (at(page.since.as_deref()).unwrap_or(0), at(Some(&page.cursor)).unwrap_or(0));
        let scopes = &page.open;
        let between = |seq: i64, scope: &str| seq > from && seq <= to && scopes.contains(scope);
        let due: BTreeSet<i64> =
            seen.log.iter().filter(|row| between(row.seq.0, row.scope.as_str())).map(|row| row.seq.0).collect();
        let got: BTreeSet<i64> = page.rows.iter().map(|(seq, _)| *seq).collect();
        for missed in due.difference(&got) {
            faults.push(format!("d{} read from {from} to {to} and was not given row {missed}", page.device));
        }
    }
    faults
}
