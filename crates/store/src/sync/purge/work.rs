//! A run at work, one step at a time: begin, write the file, remove what is in it, end. What a step needs is in the store and on the
//! disk, so a process that was killed goes on where it stopped.

use serde_json::{Value, json};
use sqlx::FromRow;
use tidewatch_domain::drain::{ArchiveOrigin, ArchiveState, PurgeState, Retention};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use super::statements::{LETTERS_DUE, PURGE_OPEN};
use super::{CHUNK, Member, NewPurge, PurgeRow, PurgeWork, file};
use crate::sync::Sync;
use crate::sync::drain::DrainWork;
use crate::sync::queue::Weight;
use crate::sync::writer::{Job, Reply};
use crate::{Error, Result};

/// Entries of one file, and bytes of its rows, at most. What is due beyond that is the next run's.
const FILE_ROWS: usize = if cfg!(test) { 7 } else { 20_000 };
const FILE_BYTES: usize = 16 * 1_024 * 1_024;
/// Rows that are read at once.
const READ_ROWS: usize = if cfg!(test) { 3 } else { 500 };

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeStep {
    /// Nothing is due.
    Idle,
    /// Something was done; there may be more.
    Done,
}

/// A row that is due.
#[derive(Debug, FromRow)]
struct Due {
    id: i64,
    client: i64,
    operation_id: String,
    code: String,
    detail: Option<String>,
    mutation: String,
    origin: i64,
    state: i64,
    reason: Option<String>,
    actor: Option<String>,
    job: Option<i64>,
    successor: Option<String>,
    at_ms: i64,
    changed_ms: i64,
    sealed: Option<Vec<u8>>,
}

impl Due {
    /// Its line of the file. The intent is text, byte by byte as it came.
    fn line(&self, client_id: &ClientId) -> String {
        let state = ArchiveState::of_number(self.state).map_or("unknown", ArchiveState::as_str);
        let origin = ArchiveOrigin::of_number(self.origin).map_or("unknown", ArchiveOrigin::as_str);
        let line = json!({
            "client_id": client_id.as_str(), "operation_id": self.operation_id, "state": state, "origin": origin, "code": self.code,
            "detail": self.detail, "reason": self.reason, "actor": self.actor, "job": self.job.map(|job| format!("J{job}")),
            "successor": self.successor, "at": Millis(self.at_ms).to_string(), "changed_at": Millis(self.changed_ms).to_string(),
            "changed_ms": self.changed_ms, "mutation": self.mutation,
        });
        format!("{line}\n")
    }
}

/// The rows of a file while they are gathered.
#[derive(Debug, Default)]
struct Gathered {
    text: String,
    rows: u64,
    span: Option<(i64, i64)>,
}

impl Gathered {
    fn add(&mut self, due: &Due, client_id: &ClientId) {
        self.text.push_str(&due.line(client_id));
        self.rows += 1;
        let (from, to) = self.span.unwrap_or((due.changed_ms, due.changed_ms));
        self.span = Some((from.min(due.changed_ms), to.max(due.changed_ms)));
    }

    fn is_full(&self) -> bool {
        self.rows as usize >= FILE_ROWS || self.text.len() >= FILE_BYTES
    }
}

impl Sync {
    async fn ask_purge<T>(&self, intents: usize, work: impl FnOnce(Reply<T>) -> PurgeWork) -> Result<T> {
        let weight = Weight { intents: intents.max(1), ..Weight::COMMAND };
        self.ask(weight, |reply| Job::Drain(Box::new(DrainWork::Purge(Box::new(work(reply)))))).await
    }

    /// Begins a run; answers its number, or none while another is open.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn purge_begin(&self, new: NewPurge) -> Result<Option<i64>> {
        let new = Box::new(new);
        self.ask_purge(1, |reply| PurgeWork::Begin { new, reply }).await
    }

    /// Does the next step of the run that is open. Idle when none is.
    ///
    /// # Errors
    /// As the database and the file system. Then the step is done again the next time, and nothing was removed that is not in a file.
    pub async fn purge_step(&self, now: Millis) -> Result<PurgeStep> {
        let open: Option<PurgeRow> = sqlx::query_as(PURGE_OPEN).fetch_optional(&self.readers).await?;
        let Some(run) = open else { return Ok(PurgeStep::Idle) };
        if run.state() == PurgeState::Exporting {
            self.purge_export(&run, now).await?;
        } else {
            self.purge_remove_all(&run, now).await?;
        }
        Ok(PurgeStep::Done)
    }

    /// Writes the file of a run, reads it back, and says so in the store.
    async fn purge_export(&self, run: &PurgeRow, now: Millis) -> Result<()> {
        let gathered = self.purge_gather(run.retention(), now).await?;
        let Some(span) = gathered.span else {
            return self.purge_over(run.id, PurgeState::Done, None, now).await;
        };
        let (dir, id, name) = (self.folder(), run.id, file::name_of(run.id, Millis(run.created_ms)));
        let told = json!({
            "run": format!("P{id}"), "actor": run.actor, "written_at": now.to_string(), "from": Millis(span.0).to_string(),
            "to": Millis(span.1).to_string(),
        });
        let writing = tokio::task::spawn_blocking(move || file::write(&dir, name, &gathered.text, gathered.rows, &told));
        let written = writing.await.map_err(|error| Error::Corrupt(format!("the writing of a purge ended: {error}")))??;
        self.ask_purge(1, |reply| PurgeWork::Seal { run: id, written, span, reply }).await
    }

    /// What is due, oldest first in each state, up to what one file holds.
    async fn purge_gather(&self, retention: Retention, now: Millis) -> Result<Gathered> {
        let mut gathered = Gathered::default();
        for state in Retention::STATES {
            let Some(keeps) = retention.keeps_ms(state) else { continue };
            let (mut after, until) = ((i64::MIN, i64::MIN), now.plus(-keeps).0);
            while !gathered.is_full() {
                let mut due: Vec<Due> = sqlx::query_as(LETTERS_DUE)
                    .bind(state.number())
                    .bind(until)
                    .bind(now.0)
                    .bind(after.0)
                    .bind(after.1)
                    .bind(READ_ROWS as i64)
                    .fetch_all(&self.readers)
                    .await?;
                let Some(last) = due.last() else { break };
                after = (last.changed_ms, last.id);
                for row in &mut due {
                    let known = self.client_id_of(ClientKey(row.client));
                    let client_id =
                        known.ok_or_else(|| Error::Corrupt(format!("row {} of the archive is of no device", row.id)))?;
                    if !gathered.is_full() {
                        let mutation = std::mem::take(&mut row.mutation);
                        row.mutation = self.shared.vault.text(row.client, &row.operation_id, mutation, row.sealed.as_deref())?;
                        gathered.add(row, &client_id);
                    }
                }
            }
        }
        Ok(gathered)
    }

    /// Removes what is in the file of a run, a chunk a transaction; others have their turn in between.
    async fn purge_remove_all(&self, run: &PurgeRow, now: Millis) -> Result<()> {
        let members = match self.purge_members(run).await {
            Ok(members) => members,
            Err(Error::Corrupt(words)) => return self.purge_over(run.id, PurgeState::Stopped, Some(words), now).await,
            Err(other) => return Err(other),
        };
        for chunk in members.chunks(CHUNK) {
            self.purge_remove(run.id, chunk.to_vec(), now).await?;
            tokio::task::yield_now().await;
        }
        self.purge_over(run.id, PurgeState::Done, None, now).await
    }

    pub(crate) async fn purge_remove(&self, run: i64, members: Vec<Member>, now: Millis) -> Result<usize> {
        self.ask_purge(members.len(), |reply| PurgeWork::Remove { run, members, now, reply }).await
    }

    async fn purge_over(&self, run: i64, state: PurgeState, detail: Option<String>, now: Millis) -> Result<()> {
        self.ask_purge(1, |reply| PurgeWork::End { run, state, detail, now, reply }).await
    }

    /// The entries of a run, as its file has them. Corrupt when it is not the file that was written.
    pub(crate) async fn purge_members(&self, run: &PurgeRow) -> Result<Vec<Member>> {
        let named = run.file.clone().ok_or_else(|| Error::Corrupt(format!("run P{} has no file", run.id)))?;
        let (dir, file) = (self.folder(), named.clone());
        let reading = tokio::task::spawn_blocking(move || file::read(&dir, &file));
        let read = reading.await.map_err(|error| Error::Corrupt(format!("the reading of {named} ended: {error}")))?;
        let (text, manifest) = read?;
        if Some(&manifest.sha256) != run.sha256.as_ref() || manifest.count != run.entries.cast_unsigned() {
            return Err(Error::Corrupt(format!("{named} is not the file that was written")));
        }
        let broken = || Error::Corrupt(format!("a row of {named} cannot be read"));
        text.lines().map(|line| self.purge_member(line).ok_or_else(broken)).collect()
    }

    fn purge_member(&self, line: &str) -> Option<Member> {
        let row: Value = serde_json::from_str(line).ok()?;
        let client_id = ClientId::parse(row["client_id"].as_str()?).ok()?;
        let state = ArchiveState::ALL.into_iter().find(|state| Some(state.as_str()) == row["state"].as_str())?;
        Some(Member {
            client: self.key_of(&client_id)?,
            operation_id: row["operation_id"].as_str()?.to_owned(),
            state: state.number(),
            changed_ms: row["changed_ms"].as_i64()?,
        })
    }

    pub(in crate::sync) fn folder(&self) -> std::path::PathBuf {
        self.shared.path.parent().map(std::path::Path::to_path_buf).unwrap_or_default()
    }
}
