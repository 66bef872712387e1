//! Prebuilt snapshots (`protocol.md` 2.5): the state of one scope at one position, in files that never change. They are made on demand,
//! in the background, from one read transaction; kept for a while; and can all be made again.
//!
//! Invariants: a row names only files that are whole and on the disk; a file goes only when no row names it; nothing of another epoch
//! is given. `docs/adr/0016-prebuilt-snapshots.md` has the reasons.

mod files;
mod keeping;
mod making;
pub(crate) mod statements;
mod verify;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tidewatch_domain::ids::Scope;
use tidewatch_domain::sync::{FeedRowRef, Snapshot, SnapshotFilter};
use tidewatch_domain::time::{DAY_MS, MINUTE_MS, Millis};
use tokio::sync::{RwLock, Semaphore, watch};
use tokio::task::JoinSet;

pub(crate) use self::keeping::open;
use self::making::Maker;
pub(crate) use self::making::SnapshotWork;
use super::Sync;
use super::live::{Configured, Live};
use crate::{Error, Result};

/// Snapshots that are made at a time.
const MAKING_MAX: usize = 2;
/// How long after making one failed the same is not tried again.
const REFUSED_MS: i64 = 10 * MINUTE_MS;

/// Writes a row as a line of JSON; the wire is not known here.
pub type RowWriter = fn(FeedRowRef<'_>, &mut Vec<u8>);

/// Bounds of snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotLimits {
    /// Fewer records are read faster by a scan: no snapshot is made of them.
    pub rows_min: u64,
    /// A part is full at so many records.
    pub part_rows: u64,
    /// A part is full once its lines have so many bytes.
    pub part_bytes: u64,
    /// Most parts of one snapshot.
    pub parts_max: usize,
    /// Most compressed bytes of one snapshot.
    pub bytes_max: u64,
    /// Kept of the same filter.
    pub same_max: usize,
    /// Kept in all.
    pub kept_max: usize,
    /// Compressed bytes of all that are kept.
    pub disk_bytes_max: u64,
    /// Kept so long, milliseconds.
    pub kept_ms: i64,
}

impl SnapshotLimits {
    /// From 10,000 records on; parts of 20,000 records or 8 MiB of lines; at most 1,000 parts and 1 GiB; three of a filter and 64 in
    /// all, up to 4 GiB, for a day.
    pub const STANDARD: Self = Self {
        rows_min: 10_000,
        part_rows: 20_000,
        part_bytes: 8 << 20,
        parts_max: 1_000,
        bytes_max: 1 << 30,
        same_max: 3,
        kept_max: 64,
        disk_bytes_max: 4 << 30,
        kept_ms: DAY_MS,
    };
}

/// The answer to the wish for a snapshot.
#[derive(Debug)]
pub enum SnapshotTaken {
    /// There is one.
    Ready(Arc<Snapshot>),
    /// It is being made, or will be once there is a place.
    Making(SnapshotWait),
    /// None is made of this: too few records, too many, or it has just failed. A scan does as well.
    NotOffered,
}

/// Waits for a snapshot that is being made.
#[derive(Clone, Debug)]
pub struct SnapshotWait(Option<watch::Receiver<()>>);

impl SnapshotWait {
    /// Returns when it is done, or given up. When there is no place to make it, never.
    pub async fn done(&mut self) {
        match &mut self.0 {
            Some(receiver) => {
                // The sender says nothing; it goes when the work ends, and that is an error here.
                let _ = receiver.changed().await;
            }
            None => std::future::pending().await,
        }
    }
}

/// What is there, what is being made, and what cannot be.
#[derive(Debug, Default)]
struct State {
    kept: Vec<Arc<Snapshot>>,
    making: HashMap<Scope, watch::Receiver<()>>,
    refused: HashMap<SnapshotFilter, Millis>,
}

/// The snapshots of a store.
#[derive(Debug)]
pub(crate) struct Snapshots {
    dir: PathBuf,
    limits: SnapshotLimits,
    state: Mutex<State>,
    /// Shared by those who write or read files for long; alone for the one who removes some.
    gate: Arc<RwLock<()>>,
    places: Arc<Semaphore>,
    tasks: Mutex<JoinSet<()>>,
    /// Numbers the files that are being written.
    making_last: AtomicU64,
    closing: AtomicBool,
}

impl Snapshots {
    fn new(dir: PathBuf, limits: SnapshotLimits, kept: Vec<Snapshot>) -> Self {
        let state = State { kept: kept.into_iter().map(Arc::new).collect(), ..State::default() };
        Self {
            dir,
            limits,
            state: Mutex::new(state),
            gate: Arc::default(),
            places: Arc::new(Semaphore::new(MAKING_MAX)),
            tasks: Mutex::default(),
            making_last: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> Vec<Arc<Snapshot>> {
        self.state().kept.clone()
    }

    fn find(&self, id: &str) -> Option<Arc<Snapshot>> {
        self.state().kept.iter().find(|snapshot| snapshot.id == id).cloned()
    }

    /// Gives up what is being made, and waits until nobody writes any more.
    pub(super) async fn close(&self) {
        self.closing.store(true, Ordering::Release);
        let mut tasks = std::mem::take(&mut *self.tasks.lock().expect("no holder of this lock panics"));
        while tasks.join_next().await.is_some() {}
    }
}

/// The collections of a filter.
fn wanted<'a>(live: &'a Live, filter: &'a SnapshotFilter) -> impl Iterator<Item = &'a Configured> {
    live.collections.iter().filter(move |known| filter.collections.is_empty() || filter.collections.contains(&known.engine.name))
}

/// Sum of the policy revisions of those that have steps between schemas: they only grow, so that it is another one after every change.
fn steps_rev(live: &Live, filter: &SnapshotFilter) -> i64 {
    wanted(live, filter).filter(|known| !known.engine.policy.steps.is_empty()).map(|known| known.engine.policy_rev).sum()
}

impl Sync {
    /// From how many records on a snapshot is made.
    #[must_use]
    pub fn snapshot_rows_min(&self) -> u64 {
        self.snapshots.limits.rows_min
    }

    /// The newest snapshot of this filter when it is recent; otherwise begins to make one, unless one of this scope is being made.
    ///
    /// # Errors
    /// Closed.
    pub fn snapshot_take(&self, filter: &SnapshotFilter, row_write: RowWriter, now: Millis) -> Result<SnapshotTaken> {
        if self.snapshots.closing.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        let (records, scope_head, head) = self.extent(filter);
        let steps_rev = steps_rev(&self.shared.live(), filter);
        let limits = self.snapshots.limits;
        let rows_max = limits.part_rows.saturating_mul(limits.parts_max as u64);
        let mut state = self.snapshots.state();
        let same = |snapshot: &&Arc<Snapshot>| snapshot.filter == *filter && snapshot.steps_rev == steps_rev;
        let newest = state.kept.iter().filter(same).max_by_key(|snapshot| snapshot.at);
        if let Some(snapshot) = newest.filter(|snapshot| snapshot.is_recent(head, scope_head, now)) {
            return Ok(SnapshotTaken::Ready(Arc::clone(snapshot)));
        }
        state.refused.retain(|_, until| *until > now);
        state.making.retain(|_, under_way| under_way.has_changed().is_ok());
        if records < limits.rows_min || records > rows_max || state.refused.contains_key(filter) {
            return Ok(SnapshotTaken::NotOffered);
        }
        if let Some(under_way) = state.making.get(&filter.scope) {
            return Ok(SnapshotTaken::Making(SnapshotWait(Some(under_way.clone()))));
        }
        let Ok(place) = Arc::clone(&self.snapshots.places).try_acquire_owned() else {
            return Ok(SnapshotTaken::Making(SnapshotWait(None)));
        };
        let (done, waiting) = watch::channel(());
        state.making.insert(filter.scope.clone(), waiting.clone());
        drop(state);
        let maker = Maker {
            snapshots: Arc::clone(&self.snapshots),
            shared: Arc::clone(&self.shared),
            readers: Arc::clone(&self.row_readers),
        };
        let mut tasks = self.snapshots.tasks.lock().expect("no holder of this lock panics");
        while tasks.try_join_next().is_some() {}
        tasks.spawn(maker.make(filter.clone(), row_write, now, (place, done)));
        Ok(SnapshotTaken::Making(SnapshotWait(Some(waiting))))
    }

    /// Live records of a filter, the head of its scope, and the head of the log, from memory.
    fn extent(&self, filter: &SnapshotFilter) -> (u64, tidewatch_domain::ids::Seq, tidewatch_domain::ids::Seq) {
        let live = self.shared.live();
        let Some(key) = live.scopes.get(&filter.scope) else { return (0, live.head, live.head) };
        let rows = wanted(&live, filter)
            .filter_map(|known| live.digests.get(&(*key, known.engine.key)))
            .map(|(rows, _)| *rows)
            .sum::<i64>();
        (u64::try_from(rows).unwrap_or(0), live.scope_heads.get(key).copied().unwrap_or_default(), live.head)
    }

    /// Whether a reader with this schema version, or the current one, calls the fields of these collections as a snapshot does.
    #[must_use]
    pub fn snapshot_fits(&self, filter: &SnapshotFilter, schema: Option<i64>) -> bool {
        let live = self.shared.live();
        schema.is_none_or(|version| wanted(&live, filter).all(|known| known.engine.policy.steps.fits(version)))
    }

    /// A snapshot by its id, unless fields of its records are called otherwise by now.
    ///
    /// # Errors
    /// Not found.
    pub fn snapshot_view(&self, id: &str) -> Result<Arc<Snapshot>> {
        let found = self.snapshots.find(id);
        let current = |snapshot: &Arc<Snapshot>| snapshot.steps_rev == steps_rev(&self.shared.live(), &snapshot.filter);
        found.filter(current).ok_or(Error::NotFound("snapshot"))
    }

    /// The compressed bytes of part `n` of a snapshot, counted from 1. When its file is not what it should be, the snapshot is dropped.
    ///
    /// # Errors
    /// Not found; the file system.
    pub async fn snapshot_part(&self, id: &str, n: usize) -> Result<Vec<u8>> {
        let snapshot = self.snapshot_view(id)?;
        let part = n.checked_sub(1).and_then(|at| snapshot.parts.get(at)).cloned().ok_or(Error::NotFound("part"))?;
        let dir = self.snapshots.dir.clone();
        let read = tokio::task::spawn_blocking(move || files::read(&dir, &part)).await;
        match read.map_err(|error| Error::Corrupt(format!("reading a part ended: {error}")))? {
            Ok(bytes) => Ok(bytes),
            Err(error) => {
                tracing::error!(%error, snapshot = id, "snapshot {id} is dropped: {error}");
                self.snapshots_drop(vec![id.to_owned()]).await?;
                Err(Error::NotFound("snapshot"))
            }
        }
    }
}
