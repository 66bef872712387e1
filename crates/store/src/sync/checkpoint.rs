//! Folding the write-ahead log into the file, on a connection of its own so that the writer never waits for it; and the
//! hint: a small file elsewhere that says how far the log once reached, so that a silent restore is noticed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tidewatch_domain::ids::Seq;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;

use super::Shared;
use crate::Result;

/// How often the log is looked at.
const TICK: Duration = Duration::from_millis(250);
/// Ticks between two checkpoints of a busy log.
const PASSIVE_TICKS: u32 = 4;
/// Ticks without a commit after which the file counts as idle.
const IDLE_TICKS: u32 = 40;
/// Frames that are in use at which the writer has to wait until it can begin again at the front of the file: 128 MiB of pages.
const RESTART_FRAMES: i64 = 32 * 1024;

/// A reader that holds its view of the file for long. As long as there is one, the log is folded as far as that goes and is not begun
/// again: whoever waits for a reader to end keeps the writer waiting, too.
#[derive(Debug)]
pub(crate) struct LongRead<'a>(&'a Shared);

impl<'a> LongRead<'a> {
    pub(crate) fn begin(shared: &'a Shared) -> Self {
        shared.long_reads.fetch_add(1, Ordering::AcqRel);
        Self(shared)
    }
}

impl Drop for LongRead<'_> {
    fn drop(&mut self) {
        self.0.long_reads.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What one look at the log leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing.
    Nothing,
    /// Fold what can be folded, without making anybody wait.
    Fold,
    /// Fold everything and give the space back.
    GiveBack,
}

/// When to do what.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// Ticks since the last checkpoint.
    since: u32,
    /// Ticks since the last commit.
    quiet: u32,
    commits: u64,
}

impl Pace {
    /// One look: how many commits there were, and how many bytes the file of the log has.
    fn tick(&mut self, commits: u64, bytes: u64) -> Step {
        self.quiet = if commits == self.commits { self.quiet.saturating_add(1) } else { 0 };
        self.commits = commits;
        self.since = self.since.saturating_add(1);
        match self.quiet {
            _ if bytes == 0 => Step::Nothing,
            IDLE_TICKS => Step::GiveBack,
            quiet if quiet <= PASSIVE_TICKS && self.since >= PASSIVE_TICKS => Step::Fold,
            _ => Step::Nothing,
        }
    }
}

/// Checkpoints until told to stop.
pub(crate) async fn run(shared: Arc<Shared>, mut connection: SqliteConnection, mut stop: oneshot::Receiver<()>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut pace, mut hinted) = (Pace::default(), Seq(0));
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = &mut stop => break,
        }
        let (head, commits) = (*shared.head.borrow(), shared.commits.load(Ordering::Relaxed));
        let step = pace.tick(commits, wal_bytes(&shared.path).await);
        if step == Step::Nothing {
            continue;
        }
        pace.since = 0;
        let alone = shared.long_reads.load(Ordering::Acquire) == 0;
        if let Err(error) = checkpoint(&mut connection, step, alone).await {
            tracing::warn!(%error, "Checkpoint failed: {error}");
        }
        if head != hinted {
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

/// Folds the log into the file. A busy log that has grown long is begun again at its front and keeps its space: pages that a file has
/// already are far cheaper to write than pages that it grows by. While somebody reads for long (not `alone`), nobody is waited for.
async fn checkpoint(connection: &mut SqliteConnection, step: Step, alone: bool) -> Result<()> {
    if step == Step::GiveBack && alone {
        return give_back(connection).await;
    }
    let (_, frames, _): (i64, i64, i64) = sqlx::query_as("pragma wal_checkpoint(passive)").fetch_one(&mut *connection).await?;
    if frames >= RESTART_FRAMES && alone {
        // Nearly everything is folded: the writer waits for the rest only.
        sqlx::query("pragma wal_checkpoint(restart)").execute(connection).await?;
    }
    Ok(())
}

/// Folds everything into the file and gives the space of the log back.
pub(crate) async fn give_back(connection: &mut SqliteConnection) -> Result<()> {
    sqlx::query("pragma wal_checkpoint(truncate)").execute(connection).await?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_log_is_folded_every_fourth_tick_and_given_back_once_it_is_idle() {
        let mut pace = Pace::default();
        let mut look = |commits: u64, bytes: u64| {
            let step = pace.tick(commits, bytes);
            if step != Step::Nothing {
                pace.since = 0;
            }
            step
        };
        let busy: Vec<Step> = (1..=8).map(|commits| look(commits, 1)).collect();
        let expected = [Step::Nothing, Step::Nothing, Step::Nothing, Step::Fold].repeat(2);
        assert_eq!(busy, expected);
        let idle: Vec<Step> = (0..100).map(|_| look(8, 1)).collect();
        let folded: Vec<usize> = (0..idle.len()).filter(|at| idle[*at] == Step::Fold).collect();
        let given_back: Vec<usize> = (0..idle.len()).filter(|at| idle[*at] == Step::GiveBack).collect();
        assert_eq!((folded, given_back), (vec![3], vec![IDLE_TICKS as usize - 1]));
    }

    #[test]
    fn an_empty_log_is_left_alone() {
        let mut pace = Pace::default();
        assert!((1..100).all(|commits| pace.tick(commits, 0) == Step::Nothing));
    }

    async fn frames(connection: &mut SqliteConnection) -> i64 {
        let passive = "pragma wal_checkpoint(passive)";
        let (_, frames, _): (i64, i64, i64) = sqlx::query_as(passive).fetch_one(connection).await.expect("asked");
        frames
    }

    #[tokio::test]
    async fn a_log_that_has_grown_long_is_begun_again_and_keeps_its_space() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log.db");
        let mut writer = crate::database::connect_again(&path, crate::Durability::Normal).await.expect("opens");
        sqlx::query("create table t (id integer primary key, body blob)").execute(&mut writer).await.expect("made");
        let fill = "insert into t (body) with recursive n (i) as (select 1 union all select i + 1 from n where i < ?1)
            select zeroblob(4000) from n";
        sqlx::query(fill).bind(RESTART_FRAMES).execute(&mut writer).await.expect("filled");
        let mut folding = crate::database::connect_again(&path, crate::Durability::Normal).await.expect("opens");
        let long = wal_bytes(&path).await;
        checkpoint(&mut folding, Step::Fold, false).await.expect("folded");
        assert!(frames(&mut folding).await >= RESTART_FRAMES, "somebody reads for long: the log is not begun again");
        checkpoint(&mut folding, Step::Fold, true).await.expect("folded");
        sqlx::query("insert into t (body) values (x'00')").execute(&mut writer).await.expect("written");
        let frames = frames(&mut folding).await;
        assert!(frames < 100, "the log still has {frames} frames");
        assert_eq!(wal_bytes(&path).await, long);
        checkpoint(&mut folding, Step::GiveBack, false).await.expect("folded");
        assert_eq!(wal_bytes(&path).await, long);
        checkpoint(&mut folding, Step::GiveBack, true).await.expect("given back");
        assert_eq!(wal_bytes(&path).await, 0);
    }

    #[tokio::test]
    async fn what_leaves_no_row_in_the_log_is_folded_too_and_a_closed_store_leaves_nothing_beside_its_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = crate::sync::tests::store(dir.path()).await;
        let shared = Arc::clone(&store.sync().shared);
        let before = (*shared.head.borrow(), shared.commits.load(Ordering::Relaxed));
        let entry = tidewatch_domain::audit::AuditEntry {
            at: crate::sync::tests::NOW,
            actor: "system".to_owned(),
            action: "store_check",
            subject: None,
            before: None,
            after: None,
            trace_id: None,
        };
        store.sync().audit_append(vec![entry]).await.expect("appended");
        assert_eq!((*shared.head.borrow(), shared.commits.load(Ordering::Relaxed)), (before.0, before.1 + 1));
        // As while the server runs: telemetry has looked into the log.
        store.telemetry().entries_follow(crate::sync::tests::NOW).await.expect("followed");
        assert!(wal_bytes(&shared.path).await > 0);
        store.close().await.expect("closes");
        assert_eq!(wal_bytes(&shared.path).await, 0);
    }
}
