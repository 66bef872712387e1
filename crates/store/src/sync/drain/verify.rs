//! Proof that jobs add up and that the archive is where the journal says: tallies against items, sets against their hash, the last event
//! of each archived entry against its state.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use sqlx::{FromRow, SqliteConnection};
use tidewatch_domain::drain::ArchiveState;
use tidewatch_domain::engine::ClientKey;

use super::job_statements::{VERIFY_EVENTS, VERIFY_ITEMS, VERIFY_JOBS, VERIFY_LETTERS};
use super::statements::MEMBERS_AFTER;
use crate::Result;
use crate::sync::VerifyReport;
use crate::sync::live::Live;
use crate::sync::statements::control::VERIFY_HANDED;

/// Rows that are read at once.
const STRETCH: i64 = 5_000;

#[derive(FromRow)]
struct JobSums {
    id: i64,
    set_id: i64,
    waiting: i64,
    sent: i64,
    ok: i64,
    skipped: i64,
    failed: i64,
    #[sqlx(rename = "final")]
    over: bool,
    entries: i64,
    hash: String,
    rolled: bool,
}

/// Verifies jobs with their items, then the archive against the journal.
pub(crate) async fn verify(
    connection: &mut SqliteConnection,
    live: &std::sync::RwLock<Live>,
    report: &mut VerifyReport,
) -> Result<()> {
    let mut last = 0;
    loop {
        let jobs: Vec<JobSums> = sqlx::query_as(VERIFY_JOBS).bind(last).bind(100).fetch_all(&mut *connection).await?;
        let Some(end) = jobs.last().map(|job| job.id) else { break };
        last = end;
        // What has rolled is compared with its file.
        for job in jobs.into_iter().filter(|job| !job.rolled) {
            tally_verify(connection, &job, report).await?;
            members_verify(connection, &job, live, report).await?;
        }
    }
    handed_verify(connection, report).await?;
    archive_verify(connection, report).await
}

async fn tally_verify(connection: &mut SqliteConnection, job: &JobSums, report: &mut VerifyReport) -> Result<()> {
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(VERIFY_ITEMS).bind(job.set_id).fetch_all(connection).await?;
    let count = |outcome: i64| rows.iter().filter(|(found, ..)| *found == outcome).map(|(.., n)| n).sum::<i64>();
    let (told, found) = ([job.waiting, job.sent, job.ok, job.skipped, job.failed], [0, 1, 2, 3, 4].map(count));
    if told != found {
        report.find(format!("job J{} counts {told:?} waiting, sent, ok, skipped, failed; its items are {found:?}", job.id));
    }
    if found.iter().sum::<i64>() != job.entries {
        report.find(format!("job J{} is of {} entries and has {} items", job.id, job.entries, found.iter().sum::<i64>()));
    }
    if job.over && (job.waiting, job.sent) != (0, 0) {
        report.find(format!("job J{} is over with {} waiting and {} sent", job.id, job.waiting, job.sent));
    }
    if rows.iter().any(|(outcome, open, _)| *open == 1 && *outcome > 1) {
        report.find(format!("job J{} keeps entries that it is through with", job.id));
    }
    Ok(())
}

async fn members_verify(
    connection: &mut SqliteConnection,
    job: &JobSums,
    live: &std::sync::RwLock<Live>,
    report: &mut VerifyReport,
) -> Result<()> {
    let (mut lines, mut after) = (Vec::new(), 0);
    loop {
        let rows: Vec<(i64, i64, String)> =
            sqlx::query_as(MEMBERS_AFTER).bind(job.set_id).bind(after).bind(STRETCH).fetch_all(&mut *connection).await?;
        let Some((end, ..)) = rows.last() else { break };
        after = *end;
        let live = live.read().expect("no holder of this lock panics");
        let name = |client: i64| live.client_ids.get(&ClientKey(client)).map(ToString::to_string).unwrap_or_default();
        lines.extend(rows.into_iter().map(|(_, client, operation)| (name(client), operation)));
    }
    if members_hash(lines) != job.hash {
        report.find(format!("the set of job J{} is not the one that was frozen", job.id));
    }
    Ok(())
}

/// The hash of a set, from its members: device and operation each.
pub(crate) fn members_hash(mut members: Vec<(String, String)>) -> String {
    members.sort_unstable();
    let mut hasher = Sha256::new();
    for (client, operation) in members {
        hasher.update(client);
        hasher.update([0]);
        hasher.update(operation);
        hasher.update(b"\n");
    }
    hex::encode(hasher.finalize())
}

/// What a device has handed over and sent after all is settled.
async fn handed_verify(connection: &mut SqliteConnection, report: &mut VerifyReport) -> Result<()> {
    let rows: Vec<(i64,)> = sqlx::query_as(VERIFY_HANDED).fetch_all(connection).await?;
    for (id,) in rows {
        report.find(format!("row {id} of the archive waits for an answer, and its operation is in the log"));
    }
    Ok(())
}

/// An archived entry is where its last event with a state has put it; without one it is where it began.
async fn archive_verify(connection: &mut SqliteConnection, report: &mut VerifyReport) -> Result<()> {
    let (mut told, mut last) = (HashMap::new(), 0);
    loop {
        let rows: Vec<(i64, i64, String, i64)> =
            sqlx::query_as(VERIFY_EVENTS).bind(last).bind(STRETCH).fetch_all(&mut *connection).await?;
        let Some((end, ..)) = rows.last() else { break };
        last = *end;
        told.extend(rows.into_iter().map(|(_, client, operation, state)| ((client, operation), state)));
    }
    last = 0;
    loop {
        let rows: Vec<(i64, i64, String, i64)> =
            sqlx::query_as(VERIFY_LETTERS).bind(last).bind(STRETCH).fetch_all(&mut *connection).await?;
        let Some((end, ..)) = rows.last() else { return Ok(()) };
        last = *end;
        for (id, client, operation, state) in rows {
            let is = ArchiveState::of_number(state).map_or(-1, ArchiveState::mirror_number);
            // What nobody has moved yet is as it came in.
            let said = told.get(&(client, operation)).copied();
            if said.map_or(!matches!(state, 0 | 2 | 6), |said| said != is) {
                report.find(format!("row {id} of the archive is in state {is} of the mirror, its last event says {said:?}"));
            }
        }
    }
}
