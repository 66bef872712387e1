//! What is kept, and for how long: at start, after each snapshot, and once in a while.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::SqliteConnection;
use tidewatch_domain::digest::Hash;
use tidewatch_domain::engine::ScopeKey;
use tidewatch_domain::ids::{CollectionName, Epoch, Scope, Seq};
use tidewatch_domain::sync::{Snapshot, SnapshotFilter, SnapshotPart};
use tidewatch_domain::time::Millis;

use super::statements::{SNAPSHOT_DROP, SNAPSHOT_LIST, SNAPSHOT_PART_LIST, SNAPSHOT_PARTS_DROP};
use super::{SnapshotLimits, SnapshotWork, Snapshots, files};
use crate::sync::queue::Weight;
use crate::sync::writer::Job;
use crate::sync::{Shared, Sync};
use crate::{Error, Result};

/// Folder of the files, beside the database.
const FOLDER: &str = "snapshots";

type ScopeNames = HashMap<ScopeKey, Scope>;

#[derive(sqlx::FromRow)]
pub(super) struct SnapshotRow {
    id: String,
    epoch: String,
    scope: i64,
    collections: String,
    at_seq: i64,
    steps_rev: i64,
    rows: i64,
    bytes: i64,
    sha256: Vec<u8>,
    created_ms: i64,
}

#[derive(sqlx::FromRow)]
pub(super) struct PartRow {
    snapshot: String,
    rows: i64,
    bytes: i64,
    raw_bytes: i64,
    sha256: Vec<u8>,
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn hash(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok()
}

impl SnapshotRow {
    fn read(self, scopes: &ScopeNames, parts: Vec<SnapshotPart>) -> Option<Snapshot> {
        let names: Vec<String> = serde_json::from_str(&self.collections).ok()?;
        let names: Vec<CollectionName> =
            names.into_iter().map(CollectionName::parse).collect::<std::result::Result<_, _>>().ok()?;
        Some(Snapshot {
            id: self.id,
            epoch: Epoch::parse(&self.epoch)?,
            filter: SnapshotFilter::new(scopes.get(&ScopeKey(self.scope))?.clone(), names),
            at: Seq(self.at_seq),
            steps_rev: self.steps_rev,
            rows: count(self.rows),
            bytes: count(self.bytes),
            sha256: hash(&self.sha256)?,
            created: Millis(self.created_ms),
            parts,
        })
    }
}

/// Every row, with what can be read of it.
pub(super) async fn rows_read(connection: &mut SqliteConnection, scopes: &ScopeNames) -> Result<Vec<(String, Option<Snapshot>)>> {
    let rows: Vec<SnapshotRow> = sqlx::query_as(SNAPSHOT_LIST).fetch_all(&mut *connection).await?;
    let found: Vec<PartRow> = sqlx::query_as(SNAPSHOT_PART_LIST).fetch_all(&mut *connection).await?;
    let mut parts: HashMap<String, Vec<SnapshotPart>> = HashMap::new();
    for row in found {
        let Some(sha256) = hash(&row.sha256) else { continue };
        let part = SnapshotPart { rows: count(row.rows), bytes: count(row.bytes), raw_bytes: count(row.raw_bytes), sha256 };
        parts.entry(row.snapshot).or_default().push(part);
    }
    let read = |row: SnapshotRow| {
        let (id, parts) = (row.id.clone(), parts.remove(&row.id).unwrap_or_default());
        (id, row.read(scopes, parts))
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Reads what is there. What cannot be used goes: of another epoch, beyond the log, or with a file that is missing or of another
/// length; and every file that is of none. Only before there is a writer.
pub(crate) async fn open(
    dir: &Path,
    limits: SnapshotLimits,
    writer: &mut SqliteConnection,
    (scopes, head): (&ScopeNames, Seq),
    epoch: Epoch,
) -> Result<Snapshots> {
    let dir = dir.join(FOLDER);
    let rows = rows_read(writer, scopes).await?;
    let looked = dir.clone();
    let usable = move |snapshot: &Snapshot| {
        let whole = snapshot.parts.iter().map(|part| part.rows).sum::<u64>() == snapshot.rows;
        whole
            && snapshot.epoch == epoch
            && snapshot.at <= head
            && snapshot.parts.iter().all(|part| files::is_there(&looked, part))
    };
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for (id, snapshot) in rows {
        match snapshot.filter(&usable) {
            Some(snapshot) => kept.push(snapshot),
            None => dropped.push(id),
        }
    }
    if !dropped.is_empty() {
        tracing::warn!(count = dropped.len(), "{} snapshots cannot be used any more and are dropped", dropped.len());
        rows_drop(writer, &dropped).await?;
    }
    let snapshots = Snapshots::new(dir, limits, kept);
    files::sweep(&snapshots.dir, &snapshots.files_kept())?;
    Ok(snapshots)
}

/// Deletes the rows of snapshots.
pub(super) async fn rows_drop(connection: &mut SqliteConnection, ids: &[String]) -> Result<()> {
    let ids = serde_json::json!(ids).to_string();
    for statement in [SNAPSHOT_DROP, SNAPSHOT_PARTS_DROP] {
        sqlx::query(statement).bind(ids.clone()).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The snapshots that are too old, too many of their filter, too many in all or too large together; the oldest go first.
fn surplus(kept: &[Arc<Snapshot>], limits: &SnapshotLimits, now: Millis) -> Vec<String> {
    let mut newest: Vec<&Snapshot> = kept.iter().map(Arc::as_ref).collect();
    newest.sort_unstable_by_key(|snapshot| std::cmp::Reverse((snapshot.created, snapshot.at)));
    let mut same: HashMap<&SnapshotFilter, usize> = HashMap::new();
    let (mut number, mut bytes, mut gone) = (0, 0, Vec::new());
    for snapshot in newest {
        let alike = same.entry(&snapshot.filter).or_default();
        let fits = *alike < limits.same_max && number < limits.kept_max && bytes + snapshot.bytes <= limits.disk_bytes_max;
        if fits && now.since(snapshot.created) < limits.kept_ms {
            (*alike, number, bytes) = (*alike + 1, number + 1, bytes + snapshot.bytes);
        } else {
            gone.push(snapshot.id.clone());
        }
    }
    gone
}

impl Snapshots {
    /// Files that belong to a snapshot.
    fn files_kept(&self) -> HashSet<PathBuf> {
        let state = self.state();
        let parts = state.kept.iter().flat_map(|snapshot| &snapshot.parts);
        parts.map(|part| files::path_of(&self.dir, &part.sha256)).collect()
    }

    /// Drops these: first their rows, then they are given no more, and last their files go.
    pub(super) async fn forget(&self, shared: &Shared, ids: Vec<String>) -> Result<()> {
        let gone = ids.clone();
        let (reply, answer) = tokio::sync::oneshot::channel();
        shared.queue.push(Weight::COMMAND, Job::Snapshot(Box::new(SnapshotWork::Drop { ids, reply })))?;
        answer.await.map_err(|_| Error::Closed)??;
        self.state().kept.retain(|snapshot| !gone.contains(&snapshot.id));
        Ok(())
    }

    /// Removes what no snapshot has, unless files are being written or read now: then the next call does it.
    pub(super) async fn sweep(&self) -> Result<()> {
        let Ok(_alone) = Arc::clone(&self.gate).try_write_owned() else { return Ok(()) };
        let (dir, kept) = (self.dir.clone(), self.files_kept());
        let swept = tokio::task::spawn_blocking(move || files::sweep(&dir, &kept)).await;
        swept.map_err(|error| Error::Corrupt(format!("sweeping snapshots ended: {error}")))?.map(drop)
    }

    /// Drops what is too much.
    pub(super) async fn tidy(&self, shared: &Shared, now: Millis) -> Result<()> {
        let gone = surplus(&self.state().kept, &self.limits, now);
        if !gone.is_empty() {
            self.forget(shared, gone).await?;
        }
        self.sweep().await
    }
}

impl Sync {
    /// Drops snapshots that are too old or too many, and files that are of none.
    ///
    /// # Errors
    /// Busy, the commit failed, or the file system.
    pub async fn snapshots_tidy(&self, now: Millis) -> Result<()> {
        self.snapshots.tidy(&self.shared, now).await
    }

    pub(super) async fn snapshots_drop(&self, ids: Vec<String>) -> Result<()> {
        self.snapshots.forget(&self.shared, ids).await
    }
}

#[cfg(test)]
mod tests {
    use tidewatch_domain::time::DAY_MS;

    use super::*;

    fn kept(id: &str, scope: &str, created: i64, bytes: u64) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            id: id.to_owned(),
            epoch: Epoch(1),
            filter: SnapshotFilter::new(Scope::parse(scope).expect("a scope"), Vec::new()),
            at: Seq(created),
            steps_rev: 0,
            rows: 1,
            bytes,
            sha256: [0; 32],
            created: Millis(created),
            parts: Vec::new(),
        })
    }

    #[test]
    fn what_is_old_or_too_much_goes_and_the_newest_stay() {
        let all =
            [kept("a1", "site:a", 1, 10), kept("a2", "site:a", 2, 10), kept("a3", "site:a", 3, 10), kept("b1", "site:b", 4, 10)];
        let limits = SnapshotLimits { same_max: 2, ..SnapshotLimits::STANDARD };
        assert_eq!(surplus(&all, &limits, Millis(5)), ["a1"]);
        assert_eq!(surplus(&all, &SnapshotLimits { kept_max: 1, ..limits }, Millis(5)), ["a3", "a2", "a1"]);
        assert_eq!(surplus(&all, &SnapshotLimits { disk_bytes_max: 25, ..limits }, Millis(5)), ["a2", "a1"]);
        assert_eq!(surplus(&all, &limits, Millis(3 + DAY_MS)), ["a3", "a2", "a1"]);
    }
}
