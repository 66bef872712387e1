//! Proof that no item has gone that is not in a file: the file of each job is whole and the one that was named, its rows are the members of
//! the frozen set, and what became of them adds up to the tally of the job.

use sqlx::{FromRow, SqliteConnection};
use tidewatch_domain::drain::ItemOutcome;

use super::statements::{ROLL_LEFT, VERIFY_ROLLED};
use super::{line, stage};
use crate::sync::drain::verify::members_hash;
use crate::sync::row_file::rows_read;
use crate::sync::{Sync, VerifyReport};
use crate::{Error, Result};

/// Jobs that are read at once.
const STRETCH: i64 = 100;

#[derive(FromRow)]
struct RolledJob {
    id: i64,
    set_id: i64,
    rolled: i64,
    rolled_file: Option<String>,
    rolled_rows: Option<i64>,
    rolled_sha256: Option<String>,
    waiting: i64,
    sent: i64,
    ok: i64,
    skipped: i64,
    failed: i64,
    entries: i64,
    hash: String,
}

impl Sync {
    /// Verifies jobs whose items have rolled.
    pub(crate) async fn verify_rolled(&self, connection: &mut SqliteConnection, report: &mut VerifyReport) -> Result<()> {
        let mut last = 0;
        loop {
            let jobs: Vec<RolledJob> = sqlx::query_as(VERIFY_ROLLED).bind(last).bind(STRETCH).fetch_all(&mut *connection).await?;
            let Some(end) = jobs.last().map(|job| job.id) else { return Ok(()) };
            last = end;
            for job in jobs {
                report.rolled += 1;
                let left: i64 = sqlx::query_scalar(ROLL_LEFT).bind(job.set_id).fetch_one(&mut *connection).await?;
                if job.rolled == stage::GONE && left > 0 {
                    report.find(format!("job J{} has rolled and {left} of its items are still here", job.id));
                }
                if job.rolled == stage::STOPPED {
                    report.find(format!(
                        "job J{} has lost items: its file was not the one that was written when they went",
                        job.id
                    ));
                }
                match self.rolled_wrong(&job) {
                    Ok(found) => found.into_iter().for_each(|words| report.find(format!("job J{}: {words}", job.id))),
                    Err(Error::Corrupt(words)) => report.find(format!("job J{}: {words}", job.id)),
                    Err(other) => return Err(other),
                }
            }
        }
    }

    /// What is wrong with the file of a job.
    fn rolled_wrong(&self, job: &RolledJob) -> Result<Vec<String>> {
        let name = job.rolled_file.as_deref().ok_or_else(|| Error::Corrupt("it names no file".to_owned()))?;
        let (mut members, mut found) = (Vec::new(), [0_i64; ItemOutcome::ALL.len()]);
        let manifest = rows_read(&self.folder(), name, |row| {
            let (client, operation, outcome) =
                line::read(row).ok_or_else(|| Error::Corrupt(format!("a row of {name} cannot be read")))?;
            members.push((client, operation));
            found[outcome as usize] += 1;
            Ok(())
        })?;
        let told = [job.waiting, job.sent, job.ok, job.skipped, job.failed];
        let checks = [
            (
                Some(&manifest.sha256) != job.rolled_sha256.as_ref() || Some(manifest.count.cast_signed()) != job.rolled_rows,
                format!("{name} is not the file that was written"),
            ),
            (
                manifest.count.cast_signed() != job.entries,
                format!("it is of {} entries and {name} has {}", job.entries, manifest.count),
            ),
            (told != found, format!("it counts {told:?} waiting, sent, ok, skipped, failed; {name} has {found:?}")),
            (members_hash(members) != job.hash, format!("{name} does not hold the set that was frozen")),
        ];
        Ok(checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, words)| words).collect())
    }
}
