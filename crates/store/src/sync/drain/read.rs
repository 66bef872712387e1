//! Reading jobs: lists, items, what they are waiting for. Read-only connections; nothing here waits for the writer.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use tidewatch_domain::control::CommandState;
use tidewatch_domain::drain::{ArchiveState, ItemOutcome};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{Page, Position, Total};
use tidewatch_domain::time::Millis;

use super::job_statements::{
    COMMANDS_STATES, ITEMS_AT, ITEMS_DEVICES, ITEMS_ELSEWHERE, ITEMS_OUTCOMES, ITEMS_TOGETHER, ITEMS_TRIED, ITEMS_WAITING,
    JOB_EVENTS, JOB_LAST, JOB_MINUTES, JOB_VIEW, JOBS_ABOVE, JOBS_BELOW, JOBS_OPEN, JOBS_WAITING, LETTER_COPY, LETTER_ORIGINAL,
    LETTER_VIEW,
};
use super::jobs::JobRow;
use crate::sync::Sync;
use crate::vault::Vault;
use crate::{Error, Result};

/// An item that waits, with what is needed to prepare it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct WaitingItem {
    /// Place in the set.
    pub n: i64,
    /// Device, by its short name.
    pub client: i64,
    /// Operation.
    pub operation_id: String,
    /// It waits behind a selected one.
    pub behind: bool,
    /// Its group, when it is decided with others of it.
    pub together: Option<i64>,
    /// It was not selected, and belongs to the group of one that was.
    pub along: bool,
    /// What became of it: waiting, except of an item that was read because of its group.
    pub outcome: i64,
    /// The intent as it came, when it is here and was asked for.
    pub mutation: Option<String>,
    /// Where it stands in the archive, when it is here.
    pub state: Option<i64>,
    sealed: Option<Vec<u8>>,
}

impl WaitingItem {
    fn opened(mut self, vault: &Vault) -> Result<Self> {
        if let Some(sealed) = self.sealed.take() {
            self.mutation = Some(vault.open(self.client, &self.operation_id, &sealed)?);
        }
        Ok(self)
    }
}

/// What was begun and not left alone: an item, or a group that is decided as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub struct TriedUnit {
    /// Device, by its short name.
    pub client: i64,
    /// It failed.
    pub failed: bool,
    /// It is under way.
    pub sent: bool,
}

/// Failed and skipped items of one reason.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize, Deserialize)]
pub struct ReasonRow {
    /// Code.
    pub code: String,
    /// Words of the last of them.
    pub detail: String,
    /// Wordings that the code has among them.
    pub wordings: i64,
    /// Items that are tried again with those that failed: they, and what failed of their groups for another code.
    pub again: i64,
    /// Failed, or skipped.
    pub outcome: i64,
    /// Items.
    pub entries: i64,
    /// Devices.
    pub devices: i64,
    /// Last of them.
    pub last_ms: i64,
    /// Reasons in all, with those that are not among the rows.
    pub reasons: i64,
    /// Of those, reasons for failing.
    pub reasons_failed: i64,
}

/// What is seen of a command in passing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLook {
    /// Where it stands.
    pub state: CommandState,
    /// Done and total, as the device last said.
    pub progress: Option<(u64, u64)>,
    /// In this state since.
    pub changed: Millis,
}

/// A row of the archive.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
#[expect(missing_docs, reason = "the columns are described where the table is made")]
pub struct LetterRow {
    pub id: i64,
    pub client: i64,
    pub operation_id: String,
    pub code: String,
    pub detail: Option<String>,
    pub mutation: String,
    pub origin: i64,
    pub state: i64,
    pub home: i64,
    pub passes: bool,
    pub reason: Option<String>,
    pub actor: Option<String>,
    pub job: Option<i64>,
    pub successor: Option<String>,
    pub at_ms: i64,
    pub changed_ms: i64,
    pub restore_until_ms: Option<i64>,
    pub purge: Option<i64>,
    pub together: Option<i64>,
    sealed: Option<Vec<u8>>,
}

impl LetterRow {
    /// Where it stands.
    #[must_use]
    pub fn archive_state(&self) -> ArchiveState {
        if self.purge.is_some() {
            return ArchiveState::Purged;
        }
        ArchiveState::of_number(self.state).expect("a checked column")
    }
}

impl Sync {
    /// A job.
    ///
    /// # Errors
    /// As the database.
    pub async fn job_view(&self, id: i64) -> Result<Option<JobRow>> {
        Ok(sqlx::query_as(JOB_VIEW).bind(id).fetch_optional(&self.readers).await?)
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// Not found for a position that is not one; as the database.
    pub async fn jobs_page(&self, position: &Position, rows: u32) -> Result<Page<JobRow>> {
        let (last,): (i64,) = sqlx::query_as(JOB_LAST).fetch_one(&self.readers).await?;
        let number = |text: &str| text.parse::<i64>().map_err(|_| Error::NotFound("position"));
        let (statement, from, back) = match position {
            Position::Start => (JOBS_BELOW, i64::MAX, false),
            Position::After(text) => (JOBS_BELOW, number(text)?, false),
            Position::Before(text) => (JOBS_ABOVE, number(text)?, true),
        };
        let mut found: Vec<JobRow> =
            sqlx::query_as(statement).bind(from).bind(i64::from(rows) + 1).fetch_all(&self.readers).await?;
        let more = found.len() > rows as usize;
        found.truncate(rows as usize);
        if back {
            found.reverse();
        }
        let (first, end) = (found.first().map(|job| job.id.to_string()), found.last().map(|job| job.id.to_string()));
        let started = matches!(position, Position::Start);
        let next = end.filter(|_| more || back);
        let previous = first.filter(|_| if back { more } else { !started });
        Ok(Page { rows: found, next, previous, total: Total::Exact(last.cast_unsigned()) })
    }

    /// Jobs that wait for a person, newest first: requested or paused ones, and ended ones whose failures nobody has seen.
    ///
    /// # Errors
    /// As the database.
    pub async fn jobs_waiting(&self, rows: u32) -> Result<Vec<JobRow>> {
        Ok(sqlx::query_as(JOBS_WAITING).bind(i64::from(rows)).fetch_all(&self.readers).await?)
    }

    /// Numbers of jobs that are not at their end, oldest first, a hundred at most.
    ///
    /// # Errors
    /// As the database.
    pub async fn jobs_open(&self, after: i64) -> Result<Vec<i64>> {
        let rows: Vec<(i64,)> = sqlx::query_as(JOBS_OPEN).bind(after).fetch_all(&self.readers).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Items of a set that wait, after a place; with their intents when the action needs those.
    ///
    /// # Errors
    /// As the database.
    pub async fn items_waiting(&self, set: i64, after: i64, rows: u32, intents: bool) -> Result<Vec<WaitingItem>> {
        let query = sqlx::query_as(ITEMS_WAITING).bind(set).bind(after).bind(rows).bind(intents);
        let rows: Vec<WaitingItem> = query.fetch_all(&self.readers).await?;
        rows.into_iter().map(|row| row.opened(&self.shared.vault)).collect()
    }

    /// The first items of a set that wait and are of none of these devices; with their intents when the action needs those.
    ///
    /// # Errors
    /// As the database.
    pub async fn items_waiting_elsewhere(&self, set: i64, devices: &[i64], rows: u32, intents: bool) -> Result<Vec<WaitingItem>> {
        let devices = serde_json::json!(devices).to_string();
        let query = sqlx::query_as(ITEMS_ELSEWHERE).bind(set).bind(devices).bind(rows).bind(intents);
        let rows: Vec<WaitingItem> = query.fetch_all(&self.readers).await?;
        rows.into_iter().map(|row| row.opened(&self.shared.vault)).collect()
    }

    /// What was begun of a set and not left alone. Goes through all of it: for sets of which little was begun.
    ///
    /// # Errors
    /// As the database.
    pub async fn items_tried(&self, set: i64) -> Result<Vec<TriedUnit>> {
        Ok(sqlx::query_as(ITEMS_TRIED).bind(set).fetch_all(&self.readers).await?)
    }

    /// Items of a set at these places that wait; with their intents when the action needs those.
    ///
    /// # Errors
    /// As the database.
    pub async fn items_waiting_at(&self, set: i64, places: &[i64], intents: bool) -> Result<Vec<WaitingItem>> {
        let places = serde_json::json!(places).to_string();
        let query = sqlx::query_as(ITEMS_AT).bind(set).bind(places).bind(intents);
        let rows: Vec<WaitingItem> = query.fetch_all(&self.readers).await?;
        rows.into_iter().map(|row| row.opened(&self.shared.vault)).collect()
    }

    /// Items of a set that belong to these groups, whatever became of them, with their intents.
    ///
    /// # Errors
    /// As the database.
    pub async fn items_together(&self, set: i64, groups: &[i64]) -> Result<Vec<WaitingItem>> {
        let groups = serde_json::json!(groups).to_string();
        let rows: Vec<WaitingItem> = sqlx::query_as(ITEMS_TOGETHER).bind(set).bind(groups).fetch_all(&self.readers).await?;
        rows.into_iter().map(|row| row.opened(&self.shared.vault)).collect()
    }

    /// Outcomes of the items of a set at these places.
    ///
    /// # Errors
    /// As the database.
    pub async fn items_outcomes(&self, set: i64, places: &[i64]) -> Result<Vec<ItemOutcome>> {
        let places = serde_json::json!(places).to_string();
        let rows: Vec<(i64, i64)> = sqlx::query_as(ITEMS_OUTCOMES).bind(set).bind(places).fetch_all(&self.readers).await?;
        Ok(rows.into_iter().filter_map(|(_, outcome)| ItemOutcome::of_number(outcome)).collect())
    }

    /// Devices that have items of a set under way: how many, the newest command, since.
    ///
    /// # Errors
    /// As the database.
    pub async fn items_devices(&self, set: i64) -> Result<Vec<(ClientId, u64, Option<String>, Option<Millis>)>> {
        type Row = (i64, i64, Option<String>, Option<i64>);
        let rows: Vec<Row> = sqlx::query_as(ITEMS_DEVICES).bind(set).fetch_all(&self.readers).await?;
        let live = self.shared.live();
        let read = |(client, entries, command, at): Row| {
            let client_id = live.client_ids.get(&ClientKey(client)).cloned()?;
            Some((client_id, entries.cast_unsigned(), command, at.map(Millis)))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// What happened to a job, newest first: when, state, who, words.
    ///
    /// # Errors
    /// As the database.
    pub async fn job_events(&self, id: i64, rows: u32) -> Result<Vec<(i64, i64, String, Option<String>)>> {
        Ok(sqlx::query_as(JOB_EVENTS).bind(id).bind(rows).fetch_all(&self.readers).await?)
    }

    /// Items of a job that came to an end, by minute, after a minute.
    ///
    /// # Errors
    /// As the database.
    pub async fn job_minutes(&self, id: i64, after: i64) -> Result<Vec<(i64, i64)>> {
        Ok(sqlx::query_as(JOB_MINUTES).bind(id).bind(after).fetch_all(&self.readers).await?)
    }

    /// Where commands stand.
    ///
    /// # Errors
    /// As the database.
    pub async fn commands_states(&self, ids: &[&str]) -> Result<HashMap<String, CommandLook>> {
        type Row = (String, i64, Option<i64>, Option<i64>, i64);
        let ids = serde_json::json!(ids).to_string();
        let rows: Vec<Row> = sqlx::query_as(COMMANDS_STATES).bind(ids).fetch_all(&self.readers).await?;
        let read = |(id, state, done, total, changed): Row| {
            let state = usize::try_from(state).ok().and_then(|at| CommandState::ALL.get(at)).copied()?;
            let progress = done.zip(total).map(|(done, total)| (done.cast_unsigned(), total.cast_unsigned()));
            Some((id, CommandLook { state, progress, changed: Millis(changed) }))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// A row of the archive.
    ///
    /// # Errors
    /// As the database.
    pub async fn letter_view(&self, client_id: &ClientId, operation_id: &str) -> Result<Option<LetterRow>> {
        let Some(client) = self.key_of(client_id) else { return Ok(None) };
        let query = sqlx::query_as(LETTER_VIEW).bind(client.0).bind(operation_id);
        let Some(row): Option<LetterRow> = query.fetch_optional(&self.readers).await? else { return Ok(None) };
        let mutation = self.shared.vault.text(row.client, &row.operation_id, row.mutation, row.sealed.as_deref())?;
        Ok(Some(LetterRow { mutation, sealed: None, ..row }))
    }

    /// The corrected copy that took the place of an operation, and the operation whose place it took itself.
    ///
    /// # Errors
    /// As the database.
    pub async fn letter_lineage(&self, client_id: &ClientId, operation_id: &str) -> Result<(Option<String>, Option<String>)> {
        let Some(client) = self.key_of(client_id) else { return Ok((None, None)) };
        let mut snapshot = self.readers.begin().await?;
        let (mut found, statements) = ([None, None], [LETTER_COPY, LETTER_ORIGINAL]);
        for (found, statement) in found.iter_mut().zip(statements) {
            let query = sqlx::query_scalar(statement).bind(client.0).bind(operation_id.to_owned());
            *found = query.fetch_optional(&mut *snapshot).await?;
        }
        snapshot.rollback().await?;
        let [copy, original] = found;
        Ok((copy, original))
    }
}
