//! Following the log: what became of entries there is written to the mirror, in the order of the journal and from where the mirror
//! itself says it has come to. A kill in between loses nothing and counts nothing twice.

use tidewatch_domain::time::Millis;

use super::Telemetry;
use super::mirror::follow::MARK;
use super::roll_apply::RollWork;
use super::roller::mark;
use crate::Result;

/// Words of the journal that one commit takes.
const CHUNK: i64 = if cfg!(test) { 3 } else { 2_000 };
/// Commits of one call: then somebody else has a turn.
const CHUNKS_MAX: usize = 25;

impl Telemetry {
    /// Brings the mirror up to what the log says became of entries, in bounded steps; answers whether there is more to follow.
    ///
    /// # Errors
    /// As the database.
    pub async fn entries_follow(&self, now: Millis) -> Result<bool> {
        let turn = self.roller.lock().await;
        let followed = self.entries_follow_on(now).await;
        drop(turn);
        followed
    }

    /// The same for whoever has the turn.
    pub(super) async fn entries_follow_on(&self, now: Millis) -> Result<bool> {
        for _ in 0..CHUNKS_MAX {
            let through = mark(&self.database.readers, MARK).await?.unwrap_or(0);
            let followed = self.facts.entry_events_after(through, CHUNK).await?;
            let full = followed.len() as i64 == CHUNK;
            let to = match followed.last() {
                Some(last) => last.id,
                // A log that was restored to before is followed from its beginning: what is told again changes nothing.
                None if self.facts.entry_events_head().await? < through => 0,
                None => return Ok(false),
            };
            self.roll_write(RollWork { now: now.0, followed, marks: vec![(MARK, to)], ..RollWork::default() }).await?;
            if !full && to != 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
