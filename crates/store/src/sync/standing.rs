//! Records as they stand, by their ids; and the position of the log at a time. For requests that do not say themselves what they
//! are about.

use std::collections::HashMap;
use std::fmt::Write as _;

use tidewatch_domain::ids::{CollectionName, RecordId, Seq};
use tidewatch_domain::sync::RecordStanding;
use tidewatch_domain::time::{Millis, SECOND_MS};

use super::Sync;
use super::packed;
use super::prefetch::record_read;
use super::statements::{RECORD_FIND, TIME_FIND};
use crate::{Error, Result};

/// A record by its name.
pub type RecordName = (CollectionName, RecordId);

impl Sync {
    /// These records as they stand; one that was never there is left out. One statement for all of them, so callers bound them.
    ///
    /// # Errors
    /// As the database.
    pub async fn records_standing(&self, names: &[RecordName]) -> Result<HashMap<RecordName, RecordStanding>> {
        let mut keys = String::from("[");
        {
            let live = self.shared.live();
            for (collection, record_id) in names {
                // Ids have alphabets that need no escape.
                if let Some(known) = live.catalogue.get(collection) {
                    let comma = if keys.len() > 1 { "," } else { "" };
                    write!(keys, "{comma}[{},\"{record_id}\"]", known.key.0).expect("a string takes any text");
                }
            }
        }
        if keys.len() == 1 {
            return Ok(HashMap::new());
        }
        keys.push(']');
        let (packed,): (Option<String>,) = sqlx::query_as(RECORD_FIND).bind(keys).fetch_one(&self.readers).await?;
        let live = self.shared.live();
        let mut standing = HashMap::new();
        for mut row in packed::rows(packed.as_deref()) {
            let ((collection, record_id), record) = record_read(&mut row, &live)?;
            let lost = || Error::Corrupt(format!("record {record_id} is of an unknown collection or scope"));
            let collection = live.collection_name(collection).ok_or_else(lost)?.clone();
            let scope = live.scope_names.get(&record.scope).ok_or_else(lost)?.clone();
            let body = record.body.as_deref().map(serde_json::from_str).transpose();
            let body = body.map_err(|error| Error::Corrupt(format!("record {record_id} has no body: {error}")))?;
            let found = RecordStanding { scope, version: record.version, ticks: record.hlc.ticks, body };
            standing.insert((collection, record_id), found);
        }
        Ok(standing)
    }

    /// The position of the last commit that was surely there before an instant; 0 when there was none.
    ///
    /// # Errors
    /// As the database.
    pub async fn position_before(&self, at: Millis) -> Result<Seq> {
        // A second is known by its last commit: the one that the instant is in does not count.
        let second = at.0.div_euclid(SECOND_MS) - 1;
        let found: Option<(i64,)> = sqlx::query_as(TIME_FIND).bind(second).fetch_optional(&self.readers).await?;
        Ok(found.map_or(Seq(0), |(seq,)| Seq(seq)))
    }
}
