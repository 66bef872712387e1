//! Proof that nothing was purged that is not in a file: each run's file is whole and holds as many entries as the run says, what it
//! has removed adds up to the rows that name it, and those rows hold nothing of a payload.

use sqlx::SqliteConnection;
use tidewatch_domain::drain::PurgeState;

use super::statements::{VERIFY_PURGED, VERIFY_PURGED_ALL, VERIFY_PURGED_LEFT, VERIFY_PURGES};
use super::{PurgeRow, file};
use crate::sync::{Sync, VerifyReport};
use crate::{Error, Result};

/// Runs that are read at once.
const STRETCH: i64 = 100;

impl Sync {
    /// Verifies the runs of purges.
    pub(crate) async fn verify_purges(&self, connection: &mut SqliteConnection, report: &mut VerifyReport) -> Result<()> {
        let (mut last, mut told) = (0, 0);
        loop {
            let runs: Vec<PurgeRow> = sqlx::query_as(VERIFY_PURGES).bind(last).bind(STRETCH).fetch_all(&mut *connection).await?;
            let Some(end) = runs.last().map(|run| run.id) else { break };
            last = end;
            for run in runs {
                told += run.removed;
                let found: i64 = sqlx::query_scalar(VERIFY_PURGED).bind(run.id).fetch_one(&mut *connection).await?;
                if found != run.removed {
                    report.find(format!("run P{} says that it has purged {} entries; {found} name it", run.id, run.removed));
                }
                if let Some(words) = self.file_wrong(&run)? {
                    report.find(format!("run P{}: {words}", run.id));
                }
            }
        }
        let all: i64 = sqlx::query_scalar(VERIFY_PURGED_ALL).fetch_one(&mut *connection).await?;
        if all != told {
            report.find(format!("{all} entries were purged, the runs say {told}"));
        }
        let left: Vec<(i64,)> = sqlx::query_as(VERIFY_PURGED_LEFT).fetch_all(connection).await?;
        for (id,) in left {
            report.find(format!("row {id} of the archive was purged and still holds something of its payload"));
        }
        report.purged = all.cast_unsigned();
        Ok(())
    }

    /// What is wrong with the file of a run. One that has removed nothing needs none.
    fn file_wrong(&self, run: &PurgeRow) -> Result<Option<String>> {
        let Some(name) = run.file.as_deref().filter(|_| run.removed > 0 || run.state() == PurgeState::Done) else {
            return Ok((run.removed > 0).then(|| "it has removed payloads and names no file".to_owned()));
        };
        match file::read(&self.folder(), name) {
            Ok((_, manifest)) => {
                let same = Some(&manifest.sha256) == run.sha256.as_ref() && manifest.count == run.entries.cast_unsigned();
                Ok((!same).then(|| format!("{name} is not the file that was written")))
            }
            Err(Error::Corrupt(words)) => Ok(Some(words)),
            Err(other) => Err(other),
        }
    }
}
