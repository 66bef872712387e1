//! Captured logs, one JSON object a line: whatever stands in one is decided again or refused with words, and twice the same.

use std::collections::HashMap;

use tidewatch_protocol::capture::{Revisions, again};

/// More lines than that only repeat.
const LINES_MAX: usize = 16;

pub(crate) fn feed(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut revisions = Revisions::default();
    for line in text.lines().take(LINES_MAX) {
        if Revisions::is_head(line) {
            let before = revisions.clone();
            if revisions.read(line).is_err() {
                revisions = before;
            }
            continue;
        }
        let first = again(line, &revisions, &HashMap::new());
        assert_eq!(again(line, &revisions, &HashMap::new()), first, "the same group is decided the same way");
        let _ = again(line, &revisions, &revisions.of(2));
    }
}
