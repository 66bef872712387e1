//! `telemetry.db`: reports of devices and what is made of them. Never touches the log, and cannot slow it: reads of `sync.db` go
//! through read-only connections of its own, and nothing in here waits for the writer of the log.
//!
//! One task writes ([`writer`]); it drains bounded queues in groups. What depends on time alone moves on with
//! [`Telemetry::roll`], which takes the instant, so a test needs no clock.

mod bystanders;
mod columns;
mod device;
mod follow;
mod group;
mod hours;
mod list;
mod logs;
mod mirror;
mod outbox;
mod persist;
mod raw;
mod read;
mod regroup;
mod roll_apply;
mod roller;
mod rollup;
mod sealed;
mod snapshot;
mod story;
mod sync_facts;
mod terms;
mod trend;
mod verdicts;
mod verify;
mod view;
mod work;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::migrate::Migrator;
use tidewatch_domain::contact::Contact;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::report::Report;
use tidewatch_domain::time::Millis;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

pub use self::logs::LogUpload;
pub use self::outbox::{Behind, DeviceLook, Member, MemberDevice, MemberNames, Selecting, Words};
use self::raw::RawLog;
use self::roller::Roller;
use self::snapshot::Snapshots;
pub use self::snapshot::{FleetSnapshot, OverviewKey, ScoreSpread};
use self::sync_facts::SyncFacts;
pub use self::trend::{BoardHour, DeviceTrend, TrendPoint};
pub use self::work::{FleetFacts, TrendRisk, Trouble};
pub use self::writer::Ingested;
use self::writer::{NOTE_QUEUE, Note, REPORT_QUEUE, Shared, Work, Writer};
use crate::database::{CacheSize, Database, Durability, database_open};
use crate::vault::Vault;
use crate::{Error, Result, StoreOptions};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/telemetry");
/// A filter reads the rows of all devices, 40 MB for a hundred thousand, and finds them in the cache of the system: to hold them whole in
/// each reader takes more memory than the time is worth (ADR 15). A group of the writer touches a few thousand pages.
const CACHE: CacheSize = CacheSize { writer: 16 * 1024, reader: 6 * 1024 };

/// When to come back after the queue was full.
const RETRY_AFTER_MS: i64 = 2_000;
/// Pages are woken at most once in this time.
const WAKE_EVERY: Duration = Duration::from_secs(1);

/// The telemetry part of the store.
#[derive(Debug)]
pub struct Telemetry {
    database: Database,
    facts: SyncFacts,
    works: mpsc::Sender<Work>,
    notes: mpsc::Sender<Note>,
    shared: Arc<Shared>,
    roller: Mutex<Roller>,
    snapshots: Snapshots,
    renewed: watch::Sender<u64>,
    wakes: watch::Receiver<u64>,
}

impl Telemetry {
    pub(crate) async fn open(dir: &Path, options: &StoreOptions, vault: Arc<Vault>) -> Result<Self> {
        let database =
            database_open(dir.join("telemetry.db"), Durability::Normal, options.readers.div_ceil(2), CACHE, &MIGRATIONS).await?;
        let mut connection = database.writer.lock().await.take().expect("a database opens with its writer");
        regroup::regroup(&mut connection).await?;
        let facts = SyncFacts::open(dir, vault);
        let (commits, committed) = watch::channel(0);
        let (notes_dropped, groups_failed, hurry) = Default::default();
        let shared = Arc::new(Shared { notes_dropped, groups_failed, commits, hurry });
        let writer = Writer::new(connection, facts.clone(), RawLog::new(dir), Arc::clone(&shared)).await?;
        let (works, work_queue) = mpsc::channel(REPORT_QUEUE);
        let (notes, note_queue) = mpsc::channel(NOTE_QUEUE);
        tokio::spawn(writer.run(work_queue, note_queue));
        let (wake, wakes) = watch::channel(0);
        let (renewed, renewals) = watch::channel(0);
        tokio::spawn(wake_slowly(committed, renewals, wake));
        Ok(Self {
            database,
            facts,
            works,
            notes,
            shared,
            roller: Mutex::default(),
            snapshots: Snapshots::default(),
            renewed,
            wakes,
        })
    }

    pub(crate) async fn close(&self) -> Result<()> {
        let (reply, closed) = oneshot::channel();
        if self.works.send(Work::Close { reply }).await.is_ok()
            && let Ok((connection, raw)) = closed.await
        {
            raw?;
            *self.database.writer.lock().await = Some(connection);
        }
        self.facts.close().await;
        self.database.close().await
    }

    /// Stores reports of one device; written when it returns, so they survive `kill -9`.
    ///
    /// # Errors
    /// Busy when too many requests wait; as the database.
    pub async fn reports_ingest(&self, client_id: &ClientId, reports: Vec<Report>, received: Millis) -> Result<Ingested> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Reports { client_id: client_id.as_str().to_owned(), reports, received: received.0, reply };
        self.works.try_send(work).map_err(|_| Error::Busy { retry_after_ms: RETRY_AFTER_MS })?;
        answer.await.map_err(|_| Error::Corrupt("the telemetry writer has stopped".into()))?
    }

    /// Notes something the server saw. Never waits: when the queue is full, the note is counted as dropped.
    pub fn contact_note(&self, client_id: &ClientId, at: Millis, contact: Contact) {
        let note = Note { client_id: client_id.as_str().to_owned(), at: at.0, contact };
        if self.notes.try_send(note).is_err() {
            self.shared.notes_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes that found the queue full since the start.
    #[must_use]
    pub fn notes_dropped(&self) -> u64 {
        self.shared.notes_dropped.load(Ordering::Relaxed)
    }

    /// Wakes, at most once a second, when something was written.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.wakes.clone()
    }

    /// Moves on what depends on time or on the writes of others, and renews the figures that pages share. Answers whether the mirror has
    /// more of the log to follow.
    ///
    /// # Errors
    /// As the database.
    pub async fn roll(&self, now: Millis) -> Result<bool> {
        let mut roller = self.roller.lock().await;
        let behind = self.entries_follow_on(now).await?;
        let work = roller.look(&self.database.readers, &self.facts, now.0).await?;
        if !work.is_empty() {
            self.roll_write(work).await?;
        }
        self.snapshots.renew(self, now).await?;
        Ok(behind)
    }

    async fn roll_write(&self, work: roll_apply::RollWork) -> Result<()> {
        let (reply, done) = oneshot::channel();
        let sent = self.works.send(Work::Roll { work: Box::new(work), reply }).await;
        sent.map_err(|_| Error::Corrupt("the telemetry writer has stopped".into()))?;
        done.await.map_err(|_| Error::Corrupt("the telemetry writer has stopped".into()))?
    }

    /// Waits until everything that was queued before is written: for tests and for a clean stop.
    ///
    /// # Errors
    /// As the database.
    pub async fn settle(&self) -> Result<()> {
        while self.notes.capacity() < NOTE_QUEUE {
            self.shared.hurry.notify_one();
            tokio::task::yield_now().await;
        }
        self.roll_write(roll_apply::RollWork::default()).await
    }
}

/// Passes commits on, and figures that were made anew after them; one wake in [`WAKE_EVERY`].
async fn wake_slowly(mut committed: watch::Receiver<u64>, mut renewed: watch::Receiver<u64>, wake: watch::Sender<u64>) {
    loop {
        let moved = tokio::select! {
            moved = committed.changed() => moved,
            moved = renewed.changed() => moved,
        };
        if moved.is_err() {
            return;
        }
        let (commits, renewals) = (*committed.borrow_and_update(), *renewed.borrow_and_update());
        wake.send_replace(commits + renewals);
        tokio::time::sleep(WAKE_EVERY).await;
    }
}

#[cfg(test)]
mod tests;
