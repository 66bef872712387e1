//! The one task that writes telemetry: drains two bounded queues (reports, which are answered after the commit, and notes, which
//! nobody waits for) into groups, and commits each group in one transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::{Connection, SqliteConnection};
use tidewatch_domain::contact::Contact;
use tidewatch_domain::control::LogsHeld;
use tidewatch_domain::report::Report;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::group::Group;
use super::logs::{PackedLogs, logs_write};
use super::mirror::mirror_write;
use super::persist::{self, Cohorts};
use super::raw::RawLog;
use super::roll_apply::{self, RollWork};
use super::sync_facts::SyncFacts;
use super::verdicts;
use crate::{Error, Result};

/// Requests with reports that may wait.
pub(crate) const REPORT_QUEUE: usize = 512;
/// Notes that may wait.
pub(crate) const NOTE_QUEUE: usize = 65_536;
/// Reports or notes that one commit takes.
const GROUP_MAX: usize = 1_000;
/// Groups of notes alone begin at least so far apart while more are coming: a device that is at work is then read and written once for
/// several of its requests. Who waits for an answer, or for everything to be written, does not wait for this.
const NOTES_EVERY: Duration = Duration::from_millis(20);
/// Pages of the write-ahead file after which it is folded in.
const CHECKPOINT_PAGES: &str = "pragma wal_autocheckpoint = 4000";

/// What became of the reports of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Stored.
    pub accepted: u32,
    /// Already there.
    pub duplicates: u32,
}

/// Work that is answered.
#[derive(Debug)]
pub(crate) enum Work {
    /// Reports of one device.
    Reports { client_id: String, reports: Vec<Report>, received: i64, reply: oneshot::Sender<Result<Ingested>> },
    /// Log lines that a command asked for: the kept ones, and whether they were there before.
    Logs { packed: Box<PackedLogs>, reply: oneshot::Sender<Result<(LogsHeld, bool)>> },
    /// What the roller found.
    Roll { work: Box<RollWork>, reply: oneshot::Sender<Result<()>> },
    /// Ends the task, which gives its connection back.
    Close { reply: oneshot::Sender<(SqliteConnection, Result<()>)> },
}

/// Something the server saw.
#[derive(Debug)]
pub(crate) struct Note {
    pub client_id: String,
    pub at: i64,
    pub contact: Contact,
}

/// What the task and the rest of the telemetry share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Notes that found the queue full.
    pub notes_dropped: AtomicU64,
    /// Groups that could not be written.
    pub groups_failed: AtomicU64,
    /// Counts commits.
    pub commits: watch::Sender<u64>,
    /// Somebody waits for all notes to be written.
    pub hurry: Notify,
}

pub(crate) struct Writer {
    pub connection: SqliteConnection,
    pub facts: SyncFacts,
    pub raw: RawLog,
    pub cohorts: Cohorts,
    pub next_id: i64,
    pub heads: Arc<HashMap<String, i64>>,
    pub shared: Arc<Shared>,
}

impl Writer {
    pub(crate) async fn new(
        mut connection: SqliteConnection,
        facts: SyncFacts,
        raw: RawLog,
        shared: Arc<Shared>,
    ) -> Result<Self> {
        sqlx::query(CHECKPOINT_PAGES).execute(&mut connection).await?;
        let cohorts = persist::cohorts_load(&mut connection).await?;
        let next_id: i64 = sqlx::query_scalar("select coalesce(max(id), 0) + 1 from devices").fetch_one(&mut connection).await?;
        Ok(Self { connection, facts, raw, cohorts, next_id, heads: Arc::default(), shared })
    }

    /// Runs until it is told to close or every sender is gone.
    pub(crate) async fn run(mut self, mut works: mpsc::Receiver<Work>, mut notes: mpsc::Receiver<Note>) {
        let mut began = None::<Instant>;
        loop {
            let (mut group_works, mut group_notes) = (Vec::new(), Vec::new());
            tokio::select! {
                biased;
                work = works.recv() => match work {
                    Some(work) => group_works.push(work),
                    None => return,
                },
                note = notes.recv() => match note {
                    Some(note) => group_notes.push(note),
                    None => return,
                },
            }
            if group_works.is_empty() {
                tokio::select! {
                    biased;
                    work = works.recv() => group_works.extend(work),
                    () = self.shared.hurry.notified() => {}
                    () = tokio::time::sleep_until(began.map_or_else(Instant::now, |began| began + NOTES_EVERY)) => {}
                }
                began = Some(Instant::now());
            }
            let mut taken = reports_in(&group_works);
            while taken < GROUP_MAX && !matches!(group_works.last(), Some(Work::Close { .. } | Work::Roll { .. })) {
                let Ok(work) = works.try_recv() else { break };
                group_works.push(work);
                taken = reports_in(&group_works);
            }
            while group_notes.len() < GROUP_MAX
                && let Ok(note) = notes.try_recv()
            {
                group_notes.push(note);
            }
            if let Some(reply) = self.group(group_works, group_notes).await {
                while let Ok(note) = notes.try_recv() {
                    let mut rest = vec![note];
                    while rest.len() < GROUP_MAX
                        && let Ok(note) = notes.try_recv()
                    {
                        rest.push(note);
                    }
                    self.group(Vec::new(), rest).await;
                }
                self.finish(reply).await;
                return;
            }
        }
    }

    async fn finish(mut self, reply: oneshot::Sender<(SqliteConnection, Result<()>)>) {
        let closed = self.raw.close().await;
        // Nobody waits only when the store itself is being dropped.
        drop(reply.send((self.connection, closed)));
    }

    /// Writes one group and answers those who wait. Hands back the reply of a close.
    async fn group(&mut self, works: Vec<Work>, notes: Vec<Note>) -> Option<oneshot::Sender<(SqliteConnection, Result<()>)>> {
        let mut close = None;
        let (mut batches, mut replies, mut rolls, mut roll_replies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for work in works {
            match work {
                Work::Reports { client_id, reports, received, reply } => {
                    batches.push((client_id, reports, received));
                    replies.push(reply);
                }
                Work::Logs { packed, reply } => drop(reply.send(logs_write(&mut self.connection, &packed).await)),
                Work::Roll { work, reply } => {
                    rolls.push(*work);
                    roll_replies.push(reply);
                }
                Work::Close { reply } => close = Some(reply),
            }
        }
        if batches.is_empty() && rolls.is_empty() && notes.is_empty() {
            return close;
        }
        match self.commit(batches, rolls, notes).await {
            Ok(answers) => {
                self.shared.commits.send_modify(|commits| *commits += 1);
                replies.into_iter().zip(answers).for_each(|(reply, answer)| drop(reply.send(Ok(answer))));
                roll_replies.into_iter().for_each(|reply| drop(reply.send(Ok(()))));
            }
            Err(error) => {
                self.shared.groups_failed.fetch_add(1, Ordering::Relaxed);
                // What was rolled back may have named new cohorts.
                if let Ok(cohorts) = persist::cohorts_load(&mut self.connection).await {
                    self.cohorts = cohorts;
                }
                tracing::error!(%error, "a group of telemetry could not be written");
                let text = error.to_string();
                replies.into_iter().for_each(|reply| drop(reply.send(Err(Error::Corrupt(text.clone())))));
                roll_replies.into_iter().for_each(|reply| drop(reply.send(Err(Error::Corrupt(text.clone())))));
            }
        }
        close
    }

    async fn commit(
        &mut self,
        batches: Vec<(String, Vec<Report>, i64)>,
        rolls: Vec<RollWork>,
        notes: Vec<Note>,
    ) -> Result<Vec<Ingested>> {
        let mut transaction = self.connection.begin_with("begin immediate").await?;
        let connection = &mut *transaction;
        let mut group = Group { heads: Arc::clone(&self.heads), ..Group::default() };
        group.now = batches
            .iter()
            .map(|batch| batch.2)
            .chain(notes.iter().map(|note| note.at))
            .chain(rolls.iter().map(|roll| roll.now))
            .max()
            .unwrap_or(0);
        let ids: HashSet<&str> =
            batches.iter().map(|batch| batch.0.as_str()).chain(notes.iter().map(|note| note.client_id.as_str())).collect();
        let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        group.devices = persist::devices_load(connection, &ids).await?;
        let mut next_id = self.next_id;
        for client_id in ids {
            group.devices.entry(client_id).or_insert_with(|| {
                next_id += 1;
                persist::touched(next_id - 1, super::device::DeviceDoc::default(), true)
            });
        }
        let forgets = rolls.iter().any(|roll| roll.forget.is_some());
        for roll in rolls {
            roll_apply::roll_apply(connection, &mut group, roll, &mut next_id).await?;
        }
        let answers = reports_take(connection, &mut group, batches).await?;
        for note in notes {
            group.contact_apply(&note.client_id, note.at, &note.contact);
        }
        // Reports as they came lie in a file of their own, which is written meanwhile.
        let raw = std::mem::take(&mut group.raw);
        let (written, appended) =
            tokio::join!(group_write(connection, &self.facts, &mut self.cohorts, &mut group), self.raw.append(&raw));
        written?;
        appended?;
        transaction.commit().await?;
        if forgets {
            self.raw.drop_old(group.now).await?;
        }
        self.next_id = next_id;
        self.heads = group.heads;
        Ok(answers)
    }
}

/// Writes what a group makes, but for the reports as they came.
async fn group_write(
    connection: &mut SqliteConnection,
    facts: &SyncFacts,
    cohorts: &mut Cohorts,
    group: &mut Group,
) -> Result<()> {
    verdicts::compare(facts, group).await?;
    mirror_write(connection, facts, group).await?;
    verdicts::conditions_tell(group);
    persist::rollups_write(connection, cohorts, &group.rollups).await?;
    persist::hours_write(connection, &group.hours).await?;
    persist::events_write(connection, group).await?;
    persist::devices_write(connection, group).await?;
    persist::scopes_write(connection, group).await
}

fn reports_in(works: &[Work]) -> usize {
    works.iter().map(|work| if let Work::Reports { reports, .. } = work { reports.len().max(1) } else { 1 }).sum()
}

/// 64 bits of a hash: what remembers a report.
fn report_key(client_id: &str, report_id: &str) -> i64 {
    let digest = Sha256::new().chain_update(client_id).chain_update([0]).chain_update(report_id).finalize();
    i64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

async fn reports_take(
    connection: &mut SqliteConnection,
    group: &mut Group,
    batches: Vec<(String, Vec<Report>, i64)>,
) -> Result<Vec<Ingested>> {
    const EVEN: &str = r"
        insert or ignore into report_keys_even (key)
        select value from json_each(?1) where value not in (select key from report_keys_odd) returning key";
    const ODD: &str = r"
        insert or ignore into report_keys_odd (key)
        select value from json_each(?1) where value not in (select key from report_keys_even) returning key";
    let keys: Vec<i64> =
        batches.iter().flat_map(|(client, reports, _)| reports.iter().map(|r| report_key(client, &r.report_id))).collect();
    if keys.is_empty() {
        return Ok(vec![Ingested::default(); batches.len()]);
    }
    let even: Option<i64> =
        sqlx::query_scalar("select v from marks where k = 'key_generation'").fetch_optional(&mut *connection).await?;
    let text = if even.unwrap_or(0) % 2 == 0 { EVEN } else { ODD };
    let fresh: Vec<i64> = sqlx::query_scalar(text).bind(serde_json::json!(keys).to_string()).fetch_all(&mut *connection).await?;
    let mut fresh: HashSet<i64> = fresh.into_iter().collect();
    let mut answers = Vec::with_capacity(batches.len());
    for (client_id, reports, received) in batches {
        let new: Vec<bool> = reports.iter().map(|report| fresh.remove(&report_key(&client_id, &report.report_id))).collect();
        let accepted = new.iter().filter(|new| **new).count() as u32;
        answers.push(Ingested { accepted, duplicates: new.len() as u32 - accepted });
        group.reports_apply(&client_id, reports, &new, received);
    }
    Ok(answers)
}
