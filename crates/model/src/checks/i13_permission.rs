//! I-13: a device never receives a row of a scope that is not open to it; that a scope was opened or closed it is told once, when its
//! cursor passes that; and once it was told that a scope is closed it holds nothing of it.

use std::collections::BTreeMap;

use tidewatch_domain::cursor::{Cursor, CursorPosition};

use crate::world::{PageSeen, Seen};

/// Names rows that went to the wrong device, and what a device was not told, or told twice.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for page in &seen.pages {
        for (seq, scope) in page.rows.iter().filter(|(_, scope)| !page.open.contains(scope)) {
            faults.push(format!("d{} got row {seq} of {scope}", page.device));
        }
        faults.extend(untold(seen, page));
    }
    for device in &seen.devices {
        for (key, (version, _, scope)) in device.copy.iter().filter(|(_, held)| !device.scopes.contains(&held.2)) {
            faults.push(format!("{} holds version {version} of {key:?} in {scope}, which is closed to it", device.id));
        }
    }
    faults
}

/// Rows about permission between the cursors of a page are in it, once each, and no others are. A scan from the beginning begins with what
/// is open when it begins, and says what has changed since.
fn untold(seen: &Seen, page: &PageSeen) -> Vec<String> {
    let position = |text: &str| Cursor::parse(text).ok().map(|cursor| cursor.position);
    let to = position(&page.cursor).map_or(0, |position| position.pos().0);
    let from = match page.since.as_deref().and_then(position) {
        Some(CursorPosition::Scan { pos, start }) => pos.0.max(start.0),
        Some(CursorPosition::At(pos)) => pos.0,
        None if page.scan => match position(&page.cursor) {
            Some(CursorPosition::Scan { start, .. }) => start.0,
            _ => to,
        },
        None => 0,
    };
    let mut told: BTreeMap<i64, usize> = BTreeMap::new();
    for (seq, op) in &page.said {
        *told.entry(*seq).or_default() += usize::from(["grant", "revoke"].contains(op));
    }
    told.retain(|_, times| *times > 0);
    let about = seen.permissions.iter().filter(|(device, seq)| *device == page.device && *seq > from && *seq <= to);
    let due: BTreeMap<i64, usize> = about.map(|(_, seq)| (*seq, 1)).collect();
    let fault =
        || format!("d{} reads from {from} to {to}, is told {told:?} of its scopes and has to be told {due:?}", page.device);
    if told == due { Vec::new() } else { vec![fault()] }
}
