//! I-7: what follows from the log is what the store holds: records, digests, chains, the states of merging fields.

use std::collections::BTreeMap;

use tidewatch_domain::digest::{content_hash, record_hash};
use tidewatch_domain::ids::Version;
use tidewatch_domain::json::body_text;

use super::{folded, visible};
use crate::world::Seen;

/// Names what the store holds and the log does not say.
#[must_use]
pub fn check(seen: &Seen) -> Vec<String> {
    let mut faults = seen.report.findings.clone();
    let log = folded(seen, i64::MAX);
    if visible(&log, seen.followed.keys()) != seen.followed {
        faults.push(format!("a reader of the log holds {:?}, the log says {log:?}", seen.followed));
    }
    let mut digests: BTreeMap<(String, String), (i64, u64)> = BTreeMap::new();
    for ((collection, record), (scope, version, body)) in &log {
        let (rows, sum) = digests.entry((scope.clone(), collection.clone())).or_default();
        if let Some(body) = body {
            *rows += 1;
            *sum = sum.wrapping_add(record_hash(record, Version(*version), &content_hash(Some(&body_text(body)))));
        }
    }
    // Where nothing is left, both may have nothing or a zero.
    digests.retain(|_, digest| *digest != (0, 0));
    let held: BTreeMap<_, _> =
        seen.digests.iter().filter(|(_, digest)| **digest != (0, 0)).map(|(at, digest)| (at.clone(), *digest)).collect();
    if digests != held {
        faults.push(format!("the digests are {:?}, and the log's {digests:?}", seen.digests));
    }
    faults
}
