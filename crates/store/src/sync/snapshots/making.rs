//! Makes one snapshot, in a task of its own: reads the state in stretches inside one read transaction, on a connection of its own, and
//! hands each stretch to a thread that compresses and writes. The writer is not involved until the rows that name the files.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tidewatch_domain::ids::Seq;
use tidewatch_domain::sync::{Snapshot, SnapshotFilter, SnapshotPart};
use tidewatch_domain::time::Millis;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::files::{Sink, Written};
use super::keeping::rows_drop;
use super::statements::{SNAPSHOT_ADD, SNAPSHOT_HEAD, SNAPSHOT_PARTS_ADD};
use super::{REFUSED_MS, RowWriter, Snapshots};
use crate::sync::Shared;
use crate::sync::checkpoint::LongRead;
use crate::sync::feed::{RowReaders, StateScan, blocking};
use crate::sync::queue::Weight;
use crate::sync::writer::{Answer, Job, Reply, Writer, answer};
use crate::{Error, Result};

/// Records that are read at once; fewer when a part has fewer.
const STRETCH: usize = 256;
/// Making one may take so long; the write-ahead log grows meanwhile.
const TIME_MAX: Duration = Duration::from_secs(300);

/// What the writer is asked to do about snapshots.
#[derive(Debug)]
pub(crate) enum SnapshotWork {
    /// Write the rows of one whose files are on the disk.
    Put { snapshot: Arc<Snapshot>, reply: Reply<()> },
    /// Delete the rows of some.
    Drop { ids: Vec<String>, reply: Reply<()> },
}

/// What making needs.
#[derive(Debug)]
pub(super) struct Maker {
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) shared: Arc<Shared>,
    /// What opens a connection of its own.
    pub(super) readers: Arc<RowReaders>,
}

impl Maker {
    /// Makes a snapshot and keeps it; when that fails, it is not tried again for a while. `held` is its place, and what tells those who
    /// wait that it has ended.
    pub(super) async fn make(
        self,
        filter: SnapshotFilter,
        row_write: RowWriter,
        now: Millis,
        held: (OwnedSemaphorePermit, watch::Sender<()>),
    ) {
        let writing = Arc::clone(&self.snapshots.gate).read_owned().await;
        let made = tokio::time::timeout(TIME_MAX, self.snapshot(&filter, row_write, now)).await;
        let done = made.unwrap_or_else(|_| Err(Error::Io(std::io::Error::other("it takes too long"))));
        self.ended(filter, done, now);
        // Not before it is among those that are kept: whoever sweeps looks there.
        drop(writing);
        if let Err(error) = self.snapshots.tidy(&self.shared, now).await {
            tracing::warn!(%error, "snapshots were not tidied: {error}");
        }
        drop(held);
    }

    fn ended(&self, filter: SnapshotFilter, done: Result<Arc<Snapshot>>, now: Millis) {
        let mut state = self.snapshots.state();
        state.making.remove(&filter.scope);
        match done {
            Ok(snapshot) => {
                tracing::info!(
                    snapshot = snapshot.id,
                    rows = snapshot.rows,
                    bytes = snapshot.bytes,
                    "a snapshot of {} is there",
                    filter.scope
                );
                state.kept.retain(|known| known.id != snapshot.id);
                state.kept.push(snapshot);
            }
            Err(Error::Closed) => {}
            Err(error) => {
                tracing::warn!(%error, "no snapshot of {} was made: {error}", filter.scope);
                state.refused.insert(filter, now.plus(REFUSED_MS));
            }
        }
    }

    async fn snapshot(&self, filter: &SnapshotFilter, row_write: RowWriter, now: Millis) -> Result<Arc<Snapshot>> {
        let dir = self.snapshots.dir.clone();
        let making = self.snapshots.making_last.fetch_add(1, Ordering::Relaxed);
        let limits = self.snapshots.limits;
        let sink = blocking(move || {
            crate::store::folder_make(&dir)?;
            Ok(Sink::new(dir, making, limits, row_write))
        });
        let (at, steps_rev, written) = self.parts_write(filter, sink.await?).await?;
        let snapshot = Arc::new(Snapshot {
            id: id_of(self.shared.epoch.to_string().as_str(), filter, (at, steps_rev), &written),
            epoch: self.shared.epoch,
            filter: filter.clone(),
            at,
            steps_rev,
            rows: written.rows,
            bytes: written.bytes,
            sha256: written.sha256,
            created: now,
            parts: written.parts,
        });
        let (reply, answer) = oneshot::channel();
        let work = SnapshotWork::Put { snapshot: Arc::clone(&snapshot), reply };
        self.shared.queue.push(Weight::COMMAND, Job::Snapshot(Box::new(work)))?;
        answer.await.map_err(|_| Error::Closed)??;
        Ok(snapshot)
    }

    /// Reads the state inside one transaction, and writes it into parts. Answers the position at which it holds, and under which
    /// revisions fields are called as they are.
    async fn parts_write(&self, filter: &SnapshotFilter, mut sink: Sink) -> Result<(Seq, i64, Written)> {
        let (readers, _reading) = (Arc::clone(&self.readers), LongRead::begin(&self.shared));
        let begun = blocking(move || {
            let connection = readers.open()?;
            connection.execute_batch("begin")?;
            let at: i64 = connection.query_row(SNAPSHOT_HEAD, [], |row| row.get(0))?;
            Ok((connection, at))
        });
        let (mut connection, at) = begun.await?;
        // What is committed is in memory a moment later: names of scopes and collections, and a head that a cursor may name.
        let mut head = self.shared.head.subscribe();
        head.wait_for(|head| head.0 >= at).await.map_err(|_| Error::Closed)?;
        let steps_rev = super::steps_rev(&self.shared.live(), filter);
        let scan = Arc::new(StateScan::new(&self.shared, filter, Seq(at))?);
        let stretch = STRETCH.min(usize::try_from(self.snapshots.limits.part_rows).unwrap_or(STRETCH));
        let mut from = Some(Seq(0));
        while let Some(above) = from {
            if self.snapshots.closing.load(Ordering::Acquire) {
                return Err(Error::Closed);
            }
            let scan = Arc::clone(&scan);
            let done = blocking(move || {
                let (rows, next) = scan.stretch(&connection, above, stretch)?;
                sink.write(&rows)?;
                Ok((connection, sink, next))
            });
            (connection, sink, from) = done.await?;
        }
        drop(connection);
        if super::steps_rev(&self.shared.live(), filter) != steps_rev {
            return Err(Error::Io(std::io::Error::other("its collections were configured anew meanwhile")));
        }
        Ok((Seq(at), steps_rev, blocking(move || sink.finish()).await?))
    }
}

/// The id of a snapshot: the same for the same state at the same position.
fn id_of(epoch: &str, filter: &SnapshotFilter, (at, steps_rev): (Seq, i64), written: &Written) -> String {
    let names: Vec<&str> = filter.collections.iter().map(|name| name.as_str()).collect();
    let text = format!("{epoch}|{at}|{steps_rev}|{}|{}|{}", filter.scope, names.join(","), hex::encode(written.sha256));
    hex::encode(&Sha256::digest(text)[..16])
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Writer {
    /// Does one piece of work inside the transaction.
    pub(crate) async fn snapshot(&mut self, work: SnapshotWork) -> Result<Answer> {
        match work {
            SnapshotWork::Put { snapshot, reply } => {
                self.snapshot_put(&snapshot).await?;
                Ok(answer(reply, Ok(())))
            }
            SnapshotWork::Drop { ids, reply } => {
                rows_drop(&mut self.connection, &ids).await?;
                Ok(answer(reply, Ok(())))
            }
        }
    }

    async fn snapshot_put(&mut self, snapshot: &Snapshot) -> Result<()> {
        let scope = self.shared.live().scopes.get(&snapshot.filter.scope).copied();
        let scope = scope.ok_or_else(|| Error::Corrupt("a snapshot is of an unknown scope".to_owned()))?;
        let names: Vec<&str> = snapshot.filter.collections.iter().map(|name| name.as_str()).collect();
        sqlx::query(SNAPSHOT_ADD)
            .bind(snapshot.id.clone())
            .bind(snapshot.epoch.to_string())
            .bind(scope.0)
            .bind(serde_json::json!(names).to_string())
            .bind(snapshot.at.0)
            .bind(signed(snapshot.rows))
            .bind(signed(snapshot.bytes))
            .bind(snapshot.sha256.to_vec())
            .bind(snapshot.created.0)
            .bind(snapshot.steps_rev)
            .execute(&mut self.connection)
            .await?;
        let part = |part: &SnapshotPart| serde_json::json!([part.rows, part.bytes, part.raw_bytes, hex::encode(part.sha256)]);
        let parts: Vec<serde_json::Value> = snapshot.parts.iter().map(part).collect();
        let query = sqlx::query(SNAPSHOT_PARTS_ADD).bind(snapshot.id.clone()).bind(serde_json::Value::from(parts).to_string());
        query.execute(&mut self.connection).await?;
        Ok(())
    }
}
