//! Within one start of its process a device's cursor never goes back, every row of a page lies behind the cursor it was asked
//! with and not beyond the one it answers, and rows come in the order of the log.

use super::Observed;

/// Names pages that break the order.
#[must_use]
pub fn check(observed: &Observed) -> Vec<String> {
    let mut faults = Vec::new();
    for device in &observed.devices {
        let mut last: Option<(u64, bool, i64)> = None;
        for page in &device.pages {
            let (pulled, name) = (&page.pulled, &device.name);
            let Some(to) = position(&pulled.cursor) else {
                faults.push(format!("{name} got an unreadable cursor {}", pulled.cursor));
                continue;
            };
            let from = pulled.since.as_deref().and_then(position).unwrap_or(0);
            if to < from {
                faults.push(format!("{name} was sent back from {from} to {to}"));
            }
            // A scan starts over at the beginning; only what follows within it has to move on.
            if last.is_some_and(|(start, scan, before)| start == page.start && scan == pulled.scan && from != 0 && from < before)
            {
                faults.push(format!("{name} went back to {from}"));
            }
            last = Some((page.start, pulled.scan, to));
            if !pulled.seqs.is_sorted() {
                faults.push(format!("{name} got rows out of order: {:?}", pulled.seqs));
            }
            if let Some(outside) = pulled.seqs.iter().find(|seq| **seq <= from || **seq > to) {
                faults.push(format!("{name} asked from {from} to {to} and got row {outside}"));
            }
        }
    }
    faults
}

/// Position in a cursor: readable for operators, and for this checker; a device never looks.
fn position(cursor: &str) -> Option<i64> {
    if cursor == "0" {
        return Some(0);
    }
    let position = cursor.split('.').nth(2)?;
    position.split('c').next()?.parse().ok()
}
