//! The end of a chasing scan. Its statements see each what is committed when they run, and the head is that of before them: a record that is written
//! in between leaves the range of the page before it is read.

use tidewatch_domain::cursor::{Cursor, CursorPosition};
use tidewatch_domain::sync::FeedPage;

use super::Plan;
use crate::Result;
use crate::sync::Sync;
use crate::sync::statements::feed::FEED_ABOVE;

impl Sync {
    /// Whether something was written in the scopes of a scan since its last page began. A record that was still to be met may be missing
    /// in it, and what follows would only say what changed of it; so the scan goes on, once the new head is known. The log is asked and not
    /// the state: of a record that has left a scope the state of that scope says nothing.
    pub(super) async fn is_overtaken(&self, plan: &Plan) -> Result<bool> {
        let query = sqlx::query_as(FEED_ABOVE).bind(plan.scope_list()).bind(plan.head.0);
        let (above,): (bool,) = query.fetch_one(&self.readers).await?;
        if !above {
            return Ok(false);
        }
        // Readers see a commit a moment before the head in memory does. When there is no writer any more, nothing follows either.
        let _ = self.head_watch().wait_for(|head| *head > plan.head).await;
        Ok(true)
    }
}

impl Plan {
    /// What looked like the last page of a scan, with more behind it.
    pub(super) fn unfinished(&self, page: FeedPage) -> FeedPage {
        let CursorPosition::Scan { start, .. } = self.position else { return page };
        let position = CursorPosition::Scan { pos: self.head, start };
        let cursor = Cursor { epoch: self.epoch, position, filter: self.filter }.to_string();
        FeedPage { cursor, has_more: true, up_to_date: false, snapshot_complete: Some(false), ..page }
    }
}
