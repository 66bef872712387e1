//! Folding the write-ahead log into the file, on a connection of its own so that the writer never waits for it; and the
//! hint: a small file elsewhere that says how far the log once reached, so that a silent restore is noticed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tidewatch_domain::ids::Seq;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;

use super::Shared;
use crate::Result;

/// How often the size of the write-ahead log is looked at.
const TICK: Duration = Duration::from_millis(250);
/// Ticks between two checkpoints of a busy log.
const PASSIVE_TICKS: u32 = 4;
/// Ticks without a change after which the log counts as idle.
const IDLE_TICKS: u32 = 40;
/// Bytes at which a checkpoint does not wait for its turn.
const PASSIVE_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes at which the writer has to wait for a checkpoint.
const TRUNCATE_BYTES: u64 = 256 * 1024 * 1024;

/// Checkpoints until told to stop.
pub(crate) async fn run(shared: Arc<Shared>, mut connection: SqliteConnection, mut stop: oneshot::Receiver<()>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut since, mut quiet, mut head, mut hinted) = (0, 0, Seq(0), Seq(0));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = &mut stop => break,
        }
        let now = *shared.head.borrow();
        quiet = if now == head { quiet + 1 } else { 0 };
        head = now;
        since += 1;
        let bytes = wal_bytes(&shared.path).await;
        let mode = match bytes {
            0 => None,
            TRUNCATE_BYTES.. => Some("pragma wal_checkpoint(truncate)"),
            _ if quiet == IDLE_TICKS => Some("pragma wal_checkpoint(truncate)"),
            _ if quiet > PASSIVE_TICKS => None,
            PASSIVE_BYTES.. => Some("pragma wal_checkpoint(passive)"),
            _ if since >= PASSIVE_TICKS => Some("pragma wal_checkpoint(passive)"),
            _ => None,
        };
        if let Some(mode) = mode {
            since = 0;
            if let Err(error) = sqlx::query(mode).execute(&mut connection).await {
                tracing::warn!(%error, "Checkpoint failed: {error}");
            }
        }
        if since == 0 && head != hinted {
            hinted = head;
            if let Err(error) = hint_write(&shared).await {
                tracing::warn!(%error, "Hint not written: {error}");
            }
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "Checkpoint connection not closed: {error}");
    }
}

/// Bytes of the write-ahead log beside a database file; 0 when there is none.
pub(crate) async fn wal_bytes(path: &Path) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    tokio::fs::metadata(PathBuf::from(name)).await.map_or(0, |meta| meta.len())
}

/// Writes how far the log has reached.
pub(crate) async fn hint_write(shared: &Shared) -> Result<()> {
    let Some(path) = &shared.hint else { return Ok(()) };
    let text = format!("{} {}\n", shared.epoch, *shared.head.borrow());
    let fresh = path.with_extension("new");
    let mut file = tokio::fs::File::create(&fresh).await?;
    file.write_all(text.as_bytes()).await?;
    // Before the new name: else the name may outlive a loss of power and the text not, and an empty hint is none.
    file.sync_all().await?;
    Ok(tokio::fs::rename(&fresh, path).await?)
}

/// Reads how far the log once reached: epoch and position. A hint that cannot be read is none.
pub(crate) async fn hint_read(path: &Path) -> Result<Option<(String, Seq)>> {
    let text = match tokio::fs::read_to_string(path).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let read = text.trim().split_once(' ').and_then(|(epoch, seq)| Some((epoch.to_owned(), Seq(seq.parse().ok()?))));
    Ok(read)
}
