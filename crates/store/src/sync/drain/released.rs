//! What waited behind the entries of a set and was let go with it: written down when the set is frozen, looked up in the log since.

use tidewatch_domain::engine::ClientKey;

use super::statements::{BEHIND_ADD, BEHIND_FATES};
use crate::Result;
use crate::sync::Sync;
use crate::sync::bulk::write_all;
use crate::sync::writer::Writer;

/// Entries behind a set that are known by name, at most: each look at its job asks the log for all of them.
pub const BEHIND_MAX: usize = 10_000;

/// What became of an entry that waited behind another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BehindFate {
    /// It is in the log.
    Applied,
    /// It stands as a conflict.
    Conflict,
    /// It was refused, or given up by its device.
    Refused,
    /// It was drained itself.
    Drained,
    /// The log has not seen it.
    Unseen,
}

impl BehindFate {
    /// Every fate, as [`BEHIND_FATES`] numbers them.
    const ALL: [Self; 5] = [Self::Applied, Self::Conflict, Self::Refused, Self::Drained, Self::Unseen];
}

impl Sync {
    /// What became of the entries that waited behind a set, by the second in which the log took them: fate, seconds since 1970, entries.
    ///
    /// # Errors
    /// As the database.
    pub async fn set_behind_fates(&self, set: i64) -> Result<Vec<(BehindFate, Option<i64>, u64)>> {
        let rows: Vec<(i64, Option<i64>, i64)> = sqlx::query_as(BEHIND_FATES).bind(set).fetch_all(&self.readers).await?;
        let read = |(fate, second, entries): (i64, Option<i64>, i64)| {
            let fate = usize::try_from(fate).ok().and_then(|fate| BehindFate::ALL.get(fate)).copied()?;
            Some((fate, second, entries.cast_unsigned()))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

impl Writer {
    pub(super) async fn behind_add(&mut self, set: i64, behind: &[(ClientKey, String)]) -> Result<()> {
        write_all(&mut self.connection, &BEHIND_ADD, behind, |query, (client, operation)| {
            query.bind(set).bind(client.0).bind(operation.clone())
        })
        .await
    }
}
