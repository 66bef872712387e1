//! What pages of a job count from its items, written down when the items go: reasons of failure, and what was settled in each second.

use serde::{Deserialize, Serialize};

use super::statements::FIGURES_VIEW;
use crate::sync::Sync;
use crate::sync::drain::job_statements::{ITEMS_REASONS, ITEMS_SECONDS};
use crate::sync::drain::{JobRow, ReasonRow};
use crate::{Error, Result};

/// A job of more entries is never drawn by second.
const SECONDS_ENTRIES_MAX: i64 = 10_000;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Figures {
    reasons: Vec<ReasonRow>,
    seconds: Vec<(i64, i64)>,
}

impl Figures {
    pub(super) fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::Corrupt(format!("figures of a job cannot be written: {error}")))
    }
}

impl Sync {
    /// Counts what goes with the items of a job.
    pub(super) async fn figures_count(&self, job: &JobRow) -> Result<Figures> {
        let reasons = sqlx::query_as(ITEMS_REASONS).bind(job.set_id).fetch_all(&self.readers).await?;
        let mut seconds = Vec::new();
        if job.entries <= SECONDS_ENTRIES_MAX {
            seconds = sqlx::query_as(ITEMS_SECONDS).bind(job.set_id).fetch_all(&self.readers).await?;
        }
        Ok(Figures { reasons, seconds })
    }

    /// What was written down of a job; none while its items are here.
    async fn figures(&self, job: i64) -> Result<Option<Figures>> {
        let text: Option<String> = sqlx::query_scalar(FIGURES_VIEW).bind(job).fetch_optional(&self.readers).await?;
        let read = |text: String| serde_json::from_str(&text);
        text.map(read).transpose().map_err(|error| Error::Corrupt(format!("figures of job J{job} cannot be read: {error}")))
    }

    /// Failed and skipped items of a job by reason, most first, fifty at most; also when the items have rolled.
    ///
    /// # Errors
    /// As the database.
    pub async fn items_reasons(&self, job: &JobRow) -> Result<Vec<ReasonRow>> {
        let here = sqlx::query_as(ITEMS_REASONS).bind(job.set_id).fetch_all(&self.readers).await?;
        // Asked afterwards: figures are there before the first item goes.
        Ok(self.figures(job.id).await?.map_or(here, |figures| figures.reasons))
    }

    /// Items of a job that came to an end, by second since 1970; also when the items have rolled. Goes through all of them: for sets that
    /// are not large.
    ///
    /// # Errors
    /// As the database.
    pub async fn items_seconds(&self, job: &JobRow) -> Result<Vec<(i64, i64)>> {
        let here = sqlx::query_as(ITEMS_SECONDS).bind(job.set_id).fetch_all(&self.readers).await?;
        Ok(self.figures(job.id).await?.map_or(here, |figures| figures.seconds))
    }
}
