//! What the reference store lets devices read: the log, or the state in the order of its last changes, between two positions.

use std::collections::BTreeSet;

use super::{Reference, Row};

impl Reference {
    /// The log above `from` and up to `to`, as a device is shown it: rows about collections are for every device, those about
    /// permission for the one that they are about.
    #[must_use]
    pub fn between(&self, scopes: &BTreeSet<String>, reader: Option<&str>, from: i64, to: i64) -> Vec<Row> {
        let shown = |row: &&Row| match row.op {
            "grant" | "revoke" => reader == Some(row.device.as_str()),
            "schema" => reader.is_some(),
            _ => scopes.contains(&row.scope),
        };
        self.log.iter().filter(|row| row.seq > from && row.seq <= to).filter(shown).cloned().collect()
    }

    /// The state above `from` and up to `to`, deletions from before `start` left out, and what was said of scopes and collections
    /// since the scan began.
    #[must_use]
    pub fn scanned(&self, scopes: &BTreeSet<String>, reader: Option<&str>, from: i64, start: i64, to: i64) -> Vec<Row> {
        let said = self.between(scopes, reader, from.max(start), to).into_iter();
        let said = said.filter(|row| ["evict", "schema", "grant", "revoke"].contains(&row.op));
        let mut rows: Vec<Row> = said.collect();
        let there = |record: &&super::Record| record.seq > from && record.seq <= to && scopes.contains(&record.scope);
        for record in self.records.values().filter(there) {
            let last = self.log.iter().find(|row| row.seq == record.seq).expect("a record is in the log");
            let op = if record.held.deleted { "delete" } else { "put" };
            if op != "delete" || record.seq > start {
                let clock = (!record.clock.is_empty()).then(|| record.clock.clone());
                rows.push(Row { op, carried: last.body.clone(), clock, ..last.clone() });
            }
        }
        rows.sort_by_key(|row| row.seq);
        rows
    }
}
