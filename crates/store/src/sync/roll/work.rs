//! Items on their way to a file, one step at a time: a job that is due, its file, then its items go. What a step needs is in the store and
//! on the disk, so a process that was killed goes on where it stopped.

use std::fs;
use std::path::Path;

use serde_json::json;
use tidewatch_domain::drain::ItemRetention;
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::time::Millis;

use super::line::RolledItem;
use super::statements::{ROLL_ITEMS, ROLL_LEFT, ROLL_OPEN, ROLLS_ENDED};
use super::{CHUNK, RollWork};
use crate::sync::Sync;
use crate::sync::drain::{DrainWork, JobRow};
use crate::sync::queue::Weight;
use crate::sync::row_file::{self, RowFile, Written, rows_read};
use crate::sync::writer::{Job, Reply};
use crate::{Error, Result};

/// The folder of the files, under the folder of the store.
pub(super) const FOLDER: &str = "rolled";
/// Items, or jobs, that are read at once.
const READ_ROWS: usize = if cfg!(test) { 2 } else { 5_000 };
/// Transactions of one step that remove items.
const CHUNKS_AT_ONCE: usize = if cfg!(test) { 2 } else { 40 };

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollStep {
    /// No file is named whose items are still here.
    Idle,
    /// Something was done; there may be more.
    Done,
}

/// A job in the order in which they are looked at: by when they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollPlace {
    finished_ms: i64,
    /// The job.
    pub job: i64,
}

impl RollPlace {
    /// Before the first.
    pub const START: Self = Self { finished_ms: i64::MIN, job: 0 };
}

impl Default for RollPlace {
    fn default() -> Self {
        Self::START
    }
}

/// The name of the file of a job that has ended then, under the folder of the store.
pub(crate) fn name_of(job: i64, finished: Millis) -> String {
    row_file::name_of(FOLDER, &format!("J{job}"), finished)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let ended = |error| Error::Corrupt(format!("the work on a file of items ended: {error}"));
    tokio::task::spawn_blocking(work).await.map_err(ended)?
}

impl Sync {
    async fn ask_roll<T>(&self, intents: usize, work: impl FnOnce(Reply<T>) -> RollWork) -> Result<T> {
        let weight = Weight { intents, ..Weight::COMMAND };
        self.ask(weight, |reply| Job::Drain(Box::new(DrainWork::Roll(Box::new(work(reply)))))).await
    }

    /// The next job after a place whose retention is over, that cannot be taken back any more, and that no device has to hear of. Whether
    /// something of it could still be tried again is not known here.
    ///
    /// # Errors
    /// As the database.
    pub async fn roll_next(&self, retention: ItemRetention, now: Millis, after: RollPlace) -> Result<Option<RollPlace>> {
        let Some(keeps) = retention.keeps_ms() else { return Ok(None) };
        let mut after = after;
        loop {
            let ended: Vec<(i64, i64, bool, Option<i64>)> = sqlx::query_as(ROLLS_ENDED)
                .bind(now.plus(-keeps).0)
                .bind(after.finished_ms)
                .bind(after.job)
                .bind(READ_ROWS as i64)
                .fetch_all(&self.readers)
                .await?;
            for (job, finished, acknowledged, promised) in &ended {
                after = RollPlace { finished_ms: *finished, job: *job };
                let due = retention.due(Millis(*finished), *acknowledged, promised.map(Millis));
                if due.is_some_and(|due| due <= now) {
                    return Ok(Some(after));
                }
            }
            if ended.len() < READ_ROWS {
                return Ok(None);
            }
        }
    }

    /// Writes the items of a job to its file, reads that back, and names it on the job. Answers whether it was named: not when something
    /// has become of the job meanwhile.
    ///
    /// # Errors
    /// As the database and the file system; corrupt when an item is missing. Then nothing has changed.
    pub async fn roll_write(&self, job: i64, now: Millis) -> Result<bool> {
        let row = self.job_view(job).await?.filter(|row| row.rolled == 0);
        let Some((row, finished)) = row.and_then(|row| row.finished_ms.map(|at| (row, Millis(at)))) else { return Ok(false) };
        let figures = self.figures_count(&row).await?.text()?;
        let written = self.roll_file(&row, finished, now).await?;
        if written.manifest.count != row.entries.cast_unsigned() {
            return Err(Error::Corrupt(format!(
                "job J{job} is of {} entries and has {} items",
                row.entries, written.manifest.count
            )));
        }
        let file = written.file.clone();
        let named = self.roll_named(job, finished, written, figures, now).await?;
        if !named {
            let path = self.folder().join(file);
            blocking(move || Ok(fs::remove_file(path)?)).await?;
        }
        Ok(named)
    }

    pub(crate) async fn roll_named(
        &self,
        job: i64,
        finished: Millis,
        written: Written,
        figures: String,
        now: Millis,
    ) -> Result<bool> {
        self.ask_roll(1, |reply| RollWork::Name { job, finished, written, figures, now, reply }).await
    }

    pub(crate) async fn roll_file(&self, row: &JobRow, finished: Millis, now: Millis) -> Result<Written> {
        let dir = self.folder();
        let mut writing = blocking(move || RowFile::begin(&dir, FOLDER)).await?;
        let mut after = 0;
        loop {
            let query = sqlx::query_as(ROLL_ITEMS).bind(row.set_id).bind(after).bind(READ_ROWS as i64);
            let items: Vec<RolledItem> = query.fetch_all(&self.readers).await?;
            let Some(last) = items.last() else { break };
            after = last.n;
            let text = self.roll_lines(row, &items)?;
            writing = blocking(move || writing.add(&text, items.len() as u64).map(|()| writing)).await?;
        }
        let told = json!({
            "job": row.name(), "set": format!("S{}", row.set_id), "set_hash": row.hash, "action": row.action, "written_at": now.to_string(),
            "ok": row.ok, "skipped": row.skipped, "failed": row.failed,
        });
        let name = name_of(row.id, finished);
        blocking(move || writing.end(name, &told)).await
    }

    fn roll_lines(&self, row: &JobRow, items: &[RolledItem]) -> Result<String> {
        let mut text = String::new();
        for item in items {
            let known = self.client_id_of(ClientKey(item.client));
            let client_id = known.ok_or_else(|| Error::Corrupt(format!("item {} of {} is of no device", item.n, row.name())))?;
            text.push_str(&item.line(&client_id));
        }
        Ok(text)
    }

    /// Goes on with a job whose file is named: removes items that are in it. Idle when there is none.
    ///
    /// # Errors
    /// As the database and the file system. Then the step is done again the next time.
    pub async fn roll_step(&self, now: Millis) -> Result<RollStep> {
        let open: Option<i64> = sqlx::query_scalar(ROLL_OPEN).fetch_optional(&self.readers).await?;
        let Some(row) = self.roll_row(open).await? else { return Ok(RollStep::Idle) };
        let (dir, told) = (self.folder(), row.clone());
        match blocking(move || file_check(&dir, &told)).await {
            Ok(()) => self.roll_remove_some(row.id, now).await?,
            Err(Error::Corrupt(words)) => self.roll_lost(&row, words, now).await?,
            Err(other) => return Err(other),
        }
        Ok(RollStep::Done)
    }

    async fn roll_row(&self, job: Option<i64>) -> Result<Option<JobRow>> {
        match job {
            Some(job) => self.job_view(job).await,
            None => Ok(None),
        }
    }

    /// A stretch of what is in the file of a job, a chunk a transaction; others have their turn in between.
    async fn roll_remove_some(&self, job: i64, now: Millis) -> Result<()> {
        for _ in 0..CHUNKS_AT_ONCE {
            if !self.roll_remove(job, now).await? {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    pub(crate) async fn roll_remove(&self, job: i64, now: Millis) -> Result<bool> {
        self.ask_roll(CHUNK, |reply| RollWork::Remove { job, now, reply }).await
    }

    /// The file of a job is not the one that was written: it is written again, as long as every item is here.
    async fn roll_lost(&self, row: &JobRow, detail: String, now: Millis) -> Result<()> {
        let left: i64 = sqlx::query_scalar(ROLL_LEFT).bind(row.set_id).fetch_one(&self.readers).await?;
        let (job, whole) = (row.id, left == row.entries);
        self.ask_roll(1, |reply| RollWork::Lost { job, whole, detail, now, reply }).await
    }
}

/// Corrupt unless the file of a job is the one that was named.
fn file_check(dir: &Path, row: &JobRow) -> Result<()> {
    let named = row.rolled_items().ok_or_else(|| Error::Corrupt(format!("job {} names no file", row.name())))?;
    let manifest = rows_read(dir, &named.file, |_| Ok(()))?;
    if manifest.sha256 == named.sha256 && manifest.count == named.entries {
        return Ok(());
    }
    Err(Error::Corrupt(format!("{} is not the file that was written", named.file)))
}
