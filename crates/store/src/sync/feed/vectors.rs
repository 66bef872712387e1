//! Vector clocks of the rows of a page. Only a page with rows of a collection that goes by them asks for any.

use rusqlite::Connection;
use tidewatch_domain::ids::{CollectionName, Seq};
use tidewatch_domain::sync::FeedRows;

use crate::Result;
use crate::sync::live::Live;
use crate::sync::packed;
use crate::sync::statements::feed::{FEED_VECTORS, SCAN_VECTORS};

/// The positions of those rows that have a clock, as a statement takes them; nothing when there are none.
pub(super) fn wanted(rows: &FeedRows, live: &Live) -> Option<String> {
    let goes_by = |name: &&CollectionName| live.catalogue.get(*name).is_some_and(|known| known.policy.vector);
    let named: Vec<CollectionName> = rows.collections().iter().filter(goes_by).cloned().collect();
    if named.is_empty() {
        return None;
    }
    let seqs = rows.seqs_of(&named);
    (!seqs.is_empty()).then(|| format!("[{}]", seqs.iter().map(Seq::to_string).collect::<Vec<_>>().join(",")))
}

/// Adds them: of each row of the log what it says, of each row of the state what its record has.
pub(super) fn add(rows: &mut FeedRows, wanted: Option<String>, compact: bool, connection: &Connection) -> Result<()> {
    let Some(seqs) = wanted else { return Ok(()) };
    let mut statement = connection.prepare_cached(if compact { SCAN_VECTORS } else { FEED_VECTORS })?;
    let packed: Option<String> = statement.query_row([seqs], |row| row.get(0))?;
    for mut row in packed::rows(packed.as_deref()) {
        let seq = Seq(row.number()?);
        if let Some(vector) = row.maybe()? {
            rows.vector_add(seq, vector);
        }
    }
    Ok(())
}
