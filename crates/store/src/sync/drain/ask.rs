//! What others ask the writer about jobs.

use tidewatch_domain::drain::JobState;
use tidewatch_domain::time::Millis;

use super::DrainWork;
use super::chunk::ChunkItem;
use super::jobs::{JobMove, NewJob, Submission, SystemMove};
use crate::Result;
use crate::sync::Sync;
use crate::sync::queue::Weight;
use crate::sync::writer::{Job, Reply};

impl Sync {
    async fn ask_drain<T>(&self, intents: usize, work: impl FnOnce(Reply<T>) -> DrainWork) -> Result<T> {
        let weight = Weight { intents: intents.max(1), ..Weight::COMMAND };
        self.ask(weight, |reply| Job::Drain(Box::new(work(reply)))).await
    }

    /// Submits a frozen set as a job.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn job_submit(&self, job: NewJob) -> Result<Submission> {
        let job = Box::new(job);
        self.ask_drain(1, |reply| DrainWork::Submit { job, reply }).await
    }

    /// Moves a job as somebody asks; answers the state it is in when that does not allow it.
    ///
    /// # Errors
    /// Not found; busy, or the commit failed.
    pub async fn job_change(&self, job: i64, by: JobMove) -> Result<std::result::Result<(), JobState>> {
        let by = Box::new(by);
        self.ask_drain(1, |reply| DrainWork::Change { job, by, reply }).await
    }

    /// Moves a job by itself, unless it has moved otherwise meanwhile.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn job_moved(&self, job: i64, moved: SystemMove, now: Millis) -> Result<()> {
        self.ask_drain(1, |reply| DrainWork::Moved { job, moved, now, reply }).await
    }

    /// Takes the next stretch of items for their job.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn job_claim(&self, job: i64, now: Millis) -> Result<()> {
        self.ask_drain(1_000, |reply| DrainWork::Claim { job, now, reply }).await
    }

    /// Works off a chunk; answers whether all of it was worked off and the job goes on.
    ///
    /// # Errors
    /// Busy, or the commit failed; then nothing of the chunk was kept.
    pub async fn job_chunk(&self, job: i64, items: Vec<ChunkItem>, now: Millis) -> Result<bool> {
        self.ask_drain(items.len(), |reply| DrainWork::Chunk { job, items, now, reply }).await
    }

    /// Sweeps the next stretch of a job that was cancelled, refused or taken back.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn job_sweep(&self, job: i64, now: Millis) -> Result<()> {
        self.ask_drain(500, |reply| DrainWork::Sweep { job, now, reply }).await
    }
}
