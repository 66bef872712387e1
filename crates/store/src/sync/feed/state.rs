//! The state of a scope, read for a prebuilt snapshot.

use sqlx::SqliteConnection;
use tidewatch_domain::ids::{Scope, Seq};
use tidewatch_domain::sync::{FeedInclude, FeedQuery, FeedRows, SnapshotFilter};

use super::reading::Reading;
use super::{Plan, vectors};
use crate::Result;
use crate::sync::Shared;
use crate::sync::live::Live;
use crate::sync::statements::feed::{SCAN_SCOPES, SCAN_SCOPES_SOME};

/// The state of one scope at one position, read in stretches by one transaction that sees no further. Its rows are those of a compact
/// scan from the beginning, without what was deleted.
#[derive(Debug)]
pub(crate) struct StateScan {
    plan: Plan,
    /// The scope; none when nothing was ever written in it.
    scope: Option<Scope>,
    at: Seq,
}

impl StateScan {
    /// A scan of the state at `at`.
    ///
    /// # Errors
    /// None in fact: a scan from the beginning has no cursor that could be refused.
    pub(crate) fn new(shared: &Shared, filter: &SnapshotFilter, at: Seq) -> Result<Self> {
        let SnapshotFilter { scope, collections } = filter.clone();
        let scopes = [scope];
        let query = FeedQuery { compact: true, scopes: scopes.to_vec(), collections, ..FeedQuery::default() };
        let plan = Plan::new(shared, &query, &scopes)?;
        Ok(Self { scope: plan.scopes.first().map(|(_, scope)| scope.clone()), plan, at })
    }

    /// The records whose last change lies above a position, so many at most; and where the next stretch begins, if there is more.
    ///
    /// # Errors
    /// As the database.
    pub(crate) async fn stretch(
        &self,
        transaction: &mut SqliteConnection,
        above: Seq,
        most: u32,
        live: &std::sync::RwLock<Live>,
    ) -> Result<(FeedRows, Option<Seq>)> {
        let Some(scope) = &self.scope else { return Ok((FeedRows::default(), None)) };
        let statement = if self.plan.collections.is_some() { SCAN_SCOPES_SOME } else { SCAN_SCOPES };
        let list = self.plan.scope_list();
        let mut query = sqlx::query_as(statement).bind(list).bind(above.0).bind(self.at.0).bind(i64::from(most));
        if let Some(collections) = &self.plan.collections {
            query = query.bind(collections.clone());
        }
        let (packed,): (Option<String>,) = query.fetch_one(&mut *transaction).await?;
        let (mut rows, wanted) = {
            let live = live.read().expect("no holder of this lock panics");
            let mut reading = Reading::new(FeedInclude::Full, true, self.plan.renamed.clone());
            packed.map_or(Ok(()), |packed| reading.text(packed, scope, &live))?;
            let wanted = vectors::wanted(&reading.rows, &live);
            (reading.rows, wanted)
        };
        vectors::add(&mut rows, wanted, true, transaction).await?;
        let next = rows.seqs().next_back().filter(|_| rows.len() == most as usize);
        rows.retain(|row| row.op != "delete");
        Ok((rows, next))
    }
}
