//! Reading what became of payloads: runs, what is due, and how long an entry is kept.

use tidewatch_domain::drain::{ArchiveState, Keeping, PurgeRun, Retention};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use super::PurgeRow;
use super::statements::{LETTERS_DUE_COUNT, LETTERS_KEPT, PURGE_LAST, PURGE_VIEW, PURGES_BELOW, SET_PURGED};
use crate::Result;
use crate::sync::Sync;

/// What is due is counted up to here.
pub const DUE_MAX: i64 = 1_000_000;

/// A row of [`LETTERS_KEPT`].
type Kept = (i64, i64, i64, Option<i64>, Option<i64>, Option<i64>);

impl Sync {
    /// One run.
    ///
    /// # Errors
    /// As the database.
    pub async fn purge_view(&self, id: i64) -> Result<Option<PurgeRun>> {
        let row: Option<PurgeRow> = sqlx::query_as(PURGE_VIEW).bind(id).fetch_optional(&self.readers).await?;
        Ok(row.map(PurgeRow::view))
    }

    /// Runs below a number, newest first, `rows` at most.
    ///
    /// # Errors
    /// As the database.
    pub async fn purges_below(&self, id: i64, rows: u32) -> Result<Vec<PurgeRun>> {
        let found: Vec<PurgeRow> = sqlx::query_as(PURGES_BELOW).bind(id).bind(rows).fetch_all(&self.readers).await?;
        Ok(found.into_iter().map(PurgeRow::view).collect())
    }

    /// How many payloads are due, counted up to [`DUE_MAX`] a state.
    ///
    /// # Errors
    /// As the database.
    pub async fn purge_due(&self, retention: Retention, now: Millis, most: i64) -> Result<u64> {
        let mut due = 0;
        for state in Retention::STATES {
            let Some(keeps) = retention.keeps_ms(state) else { continue };
            let query =
                sqlx::query_scalar(LETTERS_DUE_COUNT).bind(state.number()).bind(now.plus(-keeps).0).bind(now.0).bind(most);
            due += query.fetch_one(&self.readers).await.map(i64::cast_unsigned)?;
        }
        Ok(due)
    }

    /// What becomes of the payloads of these entries, in their order; none where the payload is not here or is kept for ever.
    ///
    /// # Errors
    /// As the database.
    pub async fn letters_kept(&self, entries: &[(&ClientId, &str)], retention: Retention) -> Result<Vec<Option<Keeping>>> {
        let wanted: Vec<_> = entries.iter().map(|(client, operation)| serde_json::json!([client.as_str(), operation])).collect();
        let wanted = serde_json::Value::from(wanted).to_string();
        let rows: Vec<Kept> = sqlx::query_as(LETTERS_KEPT).bind(wanted).fetch_all(&self.readers).await?;
        let mut kept = vec![None; entries.len()];
        for (at, state, changed, promised, run, purged) in rows {
            let until = || {
                let state = ArchiveState::of_number(state)?;
                retention.due(state, Millis(changed), promised.map(Millis)).map(Keeping::Until)
            };
            let purged = run.zip(purged).map(|(run, at)| Keeping::Purged { at: Millis(at), run: format!("P{run}") });
            kept[usize::try_from(at).expect("an index of the array")] = purged.or_else(until);
        }
        Ok(kept)
    }

    /// Whether a purge has begun at a moment or later.
    ///
    /// # Errors
    /// As the database.
    pub async fn purges_since(&self, since: Millis) -> Result<bool> {
        let last: Option<i64> = sqlx::query_scalar(PURGE_LAST).fetch_optional(&self.readers).await?;
        Ok(last.is_some_and(|last| last >= since.0))
    }

    /// How many entries of a set were purged, and by which run last.
    ///
    /// # Errors
    /// As the database.
    pub async fn set_purged(&self, set: i64) -> Result<Option<(u64, String)>> {
        let (entries, run): (i64, Option<i64>) = sqlx::query_as(SET_PURGED).bind(set).fetch_one(&self.readers).await?;
        Ok(run.map(|run| (entries.cast_unsigned(), format!("P{run}"))))
    }
}
