//! `sync.db`: the log, its projections, the audit log. One writer task, read-only readers, a checkpointer.
//!
//! Invariants: an acknowledgement is given after the commit; a position is allocated inside the transaction that commits it,
//! so positions appear in commit order and without holes; what readers see in memory is one consistent state at one head.

mod audit;
mod backfill;
pub(crate) mod bulk;
mod capturing;
mod checkpoint;
mod clients;
pub mod collections;
mod commands;
mod control;
mod controls;
pub mod drain;
mod explore;
mod feed;
mod flush;
mod handed;
mod live;
mod memory;
mod nonces;
mod opening;
mod packed;
mod poison;
mod prefetch;
pub mod purge;
mod queue;
mod records;
pub mod roll;
mod row_file;
pub(crate) mod sealing;
mod sequences;
mod snapshots;
pub mod standing;
pub(crate) mod statements;
mod telling;
mod trace;
mod untold;
mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};

use sqlx::{Connection, SqliteConnection, SqlitePool};
use tidewatch_domain::cursor::{Cursor, CursorGround, CursorPosition, Since, since_read};
use tidewatch_domain::ids::{CollectionName, Epoch, Scope, Seq};
use tidewatch_domain::sync::{CollectionInfo, Push, PushAnswer, SinceAsked};
use tidewatch_domain::time::Millis;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use self::capturing::CapturedGroup;
pub use self::clients::ClientFacts;
pub use self::collections::CollectionDefinition;
pub use self::control::{By, ControlKey, EscrowLine, Escrowed, ReportRefusal};
pub use self::explore::Place;
use self::live::Live;
pub use self::nonces::NonceRow;
use self::queue::{Queue, Weight, lane};
pub use self::snapshots::{RowWriter, SnapshotLimits, SnapshotTaken, SnapshotWait};
pub use self::trace::{ChangeFact, ConflictFact, DeadLetterFact, OperationFacts};
pub use self::verify::VerifyReport;
use self::writer::{Job, Reply, Writer};
use crate::vault::Vault;
use crate::{Error, Result, StoreOptions};

/// What the tasks and the callers share.
#[derive(Debug)]
pub(crate) struct Shared {
    queue: Queue<Job>,
    live: RwLock<Live>,
    head: watch::Sender<Seq>,
    /// Counts the commits that changed an entry of the archive or a job.
    drained: watch::Sender<u64>,
    /// Counts all commits: what a drain, a command or an audit row writes leaves the head where it is.
    commits: AtomicU64,
    /// Counts the commits that handed commands over, and how often something to be said again fell due.
    told: watch::Sender<u64>,
    epoch: Epoch,
    /// Older epochs of this store, with the position at which each ended.
    ancestors: Vec<(Epoch, Seq)>,
    path: PathBuf,
    hint: Option<PathBuf>,
    /// Who wants to see what decides each group.
    capture: Mutex<Option<mpsc::Sender<CapturedGroup>>>,
    /// Who waits for commands.
    listeners: control::Listeners,
    /// Opens and seals payloads in escrow.
    vault: Arc<Vault>,
    /// Readers that hold their view of the file for long.
    long_reads: AtomicUsize,
}

impl Shared {
    fn live(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().expect("no holder of this lock panics")
    }
}

/// The log part of the store.
#[derive(Debug)]
pub struct Sync {
    shared: Arc<Shared>,
    readers: SqlitePool,
    /// Those of the rows of the feed.
    row_readers: Arc<feed::RowReaders>,
    /// Those of the control channel, so that it works while the others are busy.
    control_readers: SqlitePool,
    started: Millis,
    failures: poison::Failures,
    snapshots: Arc<snapshots::Snapshots>,
    tasks: Mutex<Option<Tasks>>,
}

#[derive(Debug)]
struct Tasks {
    writer: JoinHandle<SqliteConnection>,
    checkpointer: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Sync {
    pub(crate) async fn open(dir: &Path, options: &StoreOptions) -> Result<Self> {
        let opened = opening::open(dir, options).await?;
        let shared = Arc::new(Shared {
            queue: Queue::new(),
            head: watch::Sender::new(opened.live.head),
            drained: watch::Sender::new(0),
            commits: AtomicU64::new(0),
            told: watch::Sender::new(0),
            live: RwLock::new(opened.live),
            epoch: opened.epoch,
            ancestors: opened.ancestors,
            path: dir.join("sync.db"),
            hint: options.hint.clone(),
            capture: Mutex::new(None),
            listeners: control::Listeners::default(),
            vault: Arc::new(opened.vault),
            long_reads: AtomicUsize::new(0),
        });
        let writer = Writer {
            connection: opened.writer,
            shared: Arc::clone(&shared),
            state: opened.state,
            commands_moved: std::collections::HashMap::new(),
            handed: opened.handed,
            untold_touched: std::collections::HashSet::new(),
        };
        let (stop, stopped) = oneshot::channel();
        let tasks = Tasks {
            writer: tokio::spawn(writer.run()),
            checkpointer: tokio::spawn(checkpoint::run(Arc::clone(&shared), opened.checkpointer, stopped)),
            stop,
        };
        Ok(Self {
            shared,
            readers: opened.readers,
            row_readers: Arc::new(feed::RowReaders::new(dir.join("sync.db"), options.readers)),
            control_readers: opened.control_readers,
            started: options.now,
            failures: poison::Failures::default(),
            snapshots: Arc::new(opened.snapshots),
            tasks: Mutex::new(Some(tasks)),
        })
    }

    /// What opens payloads in escrow.
    pub(crate) fn vault(&self) -> Arc<Vault> {
        Arc::clone(&self.shared.vault)
    }

    /// Takes no more jobs, finishes those that wait, writes the hint and closes the file.
    pub(crate) async fn close(&self) -> Result<()> {
        let tasks = self.tasks.lock().expect("no holder of this lock panics").take();
        let Some(tasks) = tasks else { return Ok(()) };
        self.snapshots.close().await;
        self.shared.queue.close();
        let mut writer = tasks.writer.await.map_err(|error| Error::Corrupt(format!("the writer ended: {error}")))?;
        // Whoever watches has seen everything now.
        *self.shared.capture.lock().expect("no holder of this lock panics") = None;
        // The checkpointer may have ended by itself when the disk failed; then there is nobody to tell.
        let _ = tasks.stop.send(());
        tasks.checkpointer.await.map_err(|error| Error::Corrupt(format!("the checkpointer ended: {error}")))?;
        self.readers.close().await;
        self.row_readers.close().await;
        self.control_readers.close().await;
        checkpoint::hint_write(&self.shared).await?;
        // The last connection to a file folds its log into it; but telemetry still has readers of its own here, and those cannot.
        checkpoint::give_back(&mut writer).await?;
        Ok(writer.close().await?)
    }

    /// Decides a batch; answers once its commit is durable. `now` is when it arrived.
    ///
    /// # Errors
    /// Busy when the writer's queue is full, not found when the device is not registered, refused when an atomic batch or a
    /// precondition does not hold, a refused cursor, or the commit failed.
    pub async fn mutations_push(&self, push: Push, now: Millis) -> Result<PushAnswer> {
        let since = push.terms.since.as_ref().map(|since| self.position(since)).transpose()?;
        self.push_watched(push, since, now).await
    }

    async fn push_once(&self, push: Arc<Push>, since: Option<Seq>, now: Millis) -> Result<PushAnswer> {
        use tidewatch_domain::sync::Intent;
        let first = push.intents.iter().map(|intent| match intent {
            Intent::Valid(mutation) => lane(mutation.priority),
            Intent::Invalid { .. } => 2,
        });
        let lane = first.min().unwrap_or(0);
        let weight = Weight { lane, intents: push.intents.len().max(1), bytes: push.body_bytes };
        self.ask(weight, |reply| Job::Push { push, since, now, reply }).await
    }

    /// The position that a device names, whatever filter it was made with.
    fn position(&self, since: &SinceAsked) -> Result<Seq> {
        let filter = Cursor::parse(&since.text).map_or(0, |cursor| cursor.filter);
        let ground = CursorGround { epoch: self.shared.epoch, head: self.head(), horizon: Seq(0), filter };
        let ancestor = |epoch| self.shared.ancestors.iter().find(|(known, _)| *known == epoch).map(|(_, fork)| *fork);
        Ok(match since_read(Some(&since.text), since.epoch, ground, ancestor)? {
            Since::Beginning => Seq(0),
            Since::Now => ground.head,
            Since::Position(position) => position.pos(),
        })
    }

    async fn ask<T>(&self, weight: Weight, job: impl FnOnce(Reply<T>) -> Job) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.shared.queue.push(weight, job(reply))?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Position of the log now, from memory.
    #[must_use]
    pub fn head(&self) -> Seq {
        *self.shared.head.borrow()
    }

    /// Wakes after each commit that moved the head.
    #[must_use]
    pub fn head_watch(&self) -> watch::Receiver<Seq> {
        self.shared.head.subscribe()
    }

    /// Incarnation of the store.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    /// When this process opened the store.
    #[must_use]
    pub const fn started(&self) -> Millis {
        self.started
    }

    /// A cursor at a position, without a filter.
    #[must_use]
    pub fn cursor_at(&self, seq: Seq) -> String {
        Cursor { epoch: self.shared.epoch, position: CursorPosition::At(seq), filter: 0 }.to_string()
    }

    /// Heads of these scopes, from memory; 0 for a scope that is not known.
    #[must_use]
    pub fn scope_heads(&self, scopes: &[Scope]) -> Vec<Seq> {
        self.shared.live().heads(scopes)
    }

    /// The newest rows of these scopes that speak of a conflict, since this process began.
    #[must_use]
    pub fn conflict_heads(&self, scopes: &[Scope]) -> Vec<Seq> {
        let live = self.shared.live();
        let head = |scope| live.scopes.get(scope).and_then(|key| live.conflict_heads.get(key)).copied().unwrap_or_default();
        scopes.iter().map(head).collect()
    }

    /// Configured collections, in the order in which they were configured.
    #[must_use]
    pub fn collections(&self) -> Vec<CollectionInfo> {
        self.shared.live().collections.iter().map(|known| known.info.clone()).collect()
    }

    /// The first of these collections, or of all when none is named, that serves no schema as old as this; with its oldest and its
    /// current one.
    #[must_use]
    pub fn schema_refusal(&self, version: i64, names: &[CollectionName]) -> Option<(CollectionName, i64, i64)> {
        let live = self.shared.live();
        let asked = |name: &CollectionName| names.is_empty() || names.contains(name);
        let refused = live.collections.iter().find(|known| version < known.info.schema_min && asked(&known.info.name))?;
        Some((refused.info.name.clone(), refused.info.schema_min, refused.info.schema_current))
    }

    /// Live rows and digest of a scope's collection, and the head at which they hold; `None` when nothing was ever written.
    #[must_use]
    pub fn scope_digest(&self, scope: &Scope, collection: &CollectionName) -> Option<(i64, u64, Seq)> {
        let live = self.shared.live();
        let scope = live.scopes.get(scope)?;
        let collection = live.catalogue.get(collection)?.key;
        live.digests.get(&(*scope, collection)).map(|(rows, digest)| (*rows, *digest, live.head))
    }

    /// Bytes of the file and its write-ahead log.
    ///
    /// # Errors
    /// The file system.
    pub async fn bytes(&self) -> Result<u64> {
        let file = tokio::fs::metadata(&self.shared.path).await?.len();
        Ok(file + checkpoint::wal_bytes(&self.shared.path).await)
    }
}

#[cfg(test)]
mod tests;
