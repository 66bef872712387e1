//! The state of a scope, read for a prebuilt snapshot.

use std::sync::Arc;

use rusqlite::Connection;
use tidewatch_domain::ids::Seq;
use tidewatch_domain::sync::{FeedInclude, FeedQuery, FeedRows, SnapshotFilter};

use super::reading::Reading;
use super::{Plan, vectors};
use crate::Result;
use crate::sync::Shared;

/// The state of one scope at one position, read in stretches by one transaction that sees no further. Its rows are those of a compact
/// scan from the beginning, without what was deleted.
#[derive(Debug)]
pub(crate) struct StateScan {
    /// Of one scope; of none when nothing was ever written in it.
    plan: Plan,
    shared: Arc<Shared>,
    at: Seq,
}

impl StateScan {
    /// A scan of the state at `at`.
    ///
    /// # Errors
    /// None in fact: a scan from the beginning has no cursor that could be refused.
    pub(crate) fn new(shared: &Arc<Shared>, filter: &SnapshotFilter, at: Seq) -> Result<Self> {
        let SnapshotFilter { scope, collections } = filter.clone();
        let scopes = [scope];
        let query = FeedQuery { compact: true, scopes: scopes.to_vec(), collections, ..FeedQuery::default() };
        let plan = Plan::new(shared, &query, &scopes)?;
        Ok(Self { plan, shared: Arc::clone(shared), at })
    }

    /// The records whose last change lies above a position, so many at most; and where the next stretch begins, if there is more.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn stretch(&self, connection: &Connection, above: Seq, most: usize) -> Result<(FeedRows, Option<Seq>)> {
        let include = (FeedInclude::Full, true);
        let mut reading = Reading::new(Arc::clone(&self.shared), include, self.plan.renamed.clone(), (most, most));
        let is_last = self.plan.merge(connection, &mut reading, above, self.at)?;
        let next = reading.last().filter(|_| !is_last);
        let mut rows = reading.rows;
        let wanted = vectors::wanted(&rows, &self.shared.live());
        vectors::add(&mut rows, wanted, true, connection)?;
        rows.retain(|row| row.op != "delete");
        Ok((rows, next))
    }
}
