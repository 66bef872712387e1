//! What an undo of a job would take back now: counted where the sweep looks, part by part, from indexes that hold nothing else.

use sqlx::SqliteConnection;
use tidewatch_domain::drain::{ArchiveState, Dependants, DrainAction, Undoable};

use super::job_statements::{UNDO_CALLED_BACK, UNDO_HELD, UNDO_LETTERS};
use super::jobs::JobRow;
use crate::Result;
use crate::sync::Sync;
use crate::sync::writer::Writer;

/// In place of a state that a job puts nothing into.
const NO_STATE: i64 = -1;

impl Sync {
    /// What an undo of a job would take back now. Whether there is time for one, and whether something of it was purged, is not looked at.
    ///
    /// # Errors
    /// As the database.
    pub async fn job_undoable(&self, job: &JobRow) -> Result<Undoable> {
        undoable(&mut *self.readers.acquire().await?, job).await
    }
}

impl Writer {
    /// Whether an undo of a job finds anything. Once its items are in a file there is nothing to go through.
    pub(super) async fn can_undo(&mut self, job: &JobRow) -> Result<bool> {
        Ok(job.rolled == 0 && undoable(&mut self.connection, job).await?.total() > 0)
    }
}

async fn undoable(connection: &mut SqliteConnection, job: &JobRow) -> Result<Undoable> {
    let action = DrainAction::parse(&job.action);
    let (holds, behind) = (action == Some(DrainAction::Hold), job.dependants == Dependants::Hold.as_str());
    // What a device hands over to become a conflict is not decided after an undo.
    let stays = holds || action == Some(DrainAction::ToConflict);
    let mut found =
        Undoable { left: if job.job_state().is_final() { 0 } else { job.waiting.cast_unsigned() }, ..Undoable::default() };
    let moved = action.and_then(ArchiveState::after).filter(|state| state.allows(DrainAction::Restore));
    let held = behind.then_some(ArchiveState::Held);
    if job.ok > 0 && (moved.is_some() || held.is_some()) {
        let [moved, held] = [moved, held].map(|state| state.map_or(NO_STATE, ArchiveState::number));
        let query = sqlx::query_scalar(UNDO_LETTERS).bind(job.id).bind(moved).bind(held);
        found.put_back = query.fetch_one(&mut *connection).await.map(i64::cast_unsigned)?;
    }
    if job.ok > 0 && (holds || behind) {
        let query = sqlx::query_scalar(UNDO_HELD).bind(job.set_id).bind(holds);
        found.put_back += query.fetch_one(&mut *connection).await.map(i64::cast_unsigned)?;
    }
    if job.sent > 0 {
        let query = sqlx::query_scalar(UNDO_CALLED_BACK).bind(job.set_id).bind(stays).bind(behind);
        found.called_back = query.fetch_one(connection).await.map(i64::cast_unsigned)?;
    }
    Ok(found)
}
