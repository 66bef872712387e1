//! Taking commands back that no device has fetched, when a job is over before its time. What was decided here stays decided, so a device
//! is still told of it: a command leaves only with the entries that nobody tells their device of any more, and the rest of it is given
//! out anew in the same transaction.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidewatch_domain::drain::{ArchiveState, Dependants, DrainAction, JobState};
use tidewatch_domain::time::Millis;

use super::job_statements::{COMMAND_AWAITED, COMMANDS_QUEUED, LETTERS_OF_JOB};
use super::jobs::JobRow;
use super::sweep::Swept;
use crate::sync::control::By;
use crate::sync::untold::operation_of;
use crate::sync::writer::Writer;
use crate::{Error, Result};

/// Id, device and arguments of a command.
type Queued = (String, i64, String);

impl Writer {
    /// Takes back what no device of these items has fetched of the commands of their job. A command is dealt with whole, also when some of
    /// its items come in another stretch.
    pub(super) async fn commands_take_back(&mut self, job: &JobRow, items: &[Swept], by: &By, now: Millis) -> Result<()> {
        let clients: BTreeSet<i64> = items.iter().filter(|item| item.command.is_some()).map(|item| item.client).collect();
        let queued = sqlx::query_as(COMMANDS_QUEUED).bind(json!(clients).to_string()).bind(job.name());
        let queued: Vec<Queued> = queued.fetch_all(&mut self.connection).await?;
        for command in queued {
            self.command_take_back(job, command, by, now).await?;
        }
        Ok(())
    }

    async fn command_take_back(&mut self, job: &JobRow, (id, client, args): Queued, by: &By, now: Millis) -> Result<()> {
        let args: Value = serde_json::from_str(&args).map_err(|error| Error::Corrupt(error.to_string()))?;
        let told = args.get("entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let gone = self.taken_back(job, &id, client, told).await?;
        self.command_trim(&id, &gone, by, now).await
    }

    /// Which entries of a command its device is not told of any more: those that wait for its answer, and those that are put back. It keeps
    /// the others poisoned, and does not go on, until it is told what was decided here.
    async fn taken_back(&mut self, job: &JobRow, command: &str, client: i64, told: &[Value]) -> Result<BTreeSet<String>> {
        let awaited: Vec<(String,)> =
            sqlx::query_as(COMMAND_AWAITED).bind(command.to_owned()).fetch_all(&mut self.connection).await?;
        let mut gone: BTreeSet<String> = awaited.into_iter().map(|(operation,)| operation).collect();
        if job.job_state() == JobState::Undone {
            let operations: Vec<&str> = told.iter().map(operation_of).collect();
            let query = sqlx::query_as(LETTERS_OF_JOB).bind(client).bind(json!(operations).to_string()).bind(job.id);
            let letters: Vec<(String, i64)> = query.fetch_all(&mut self.connection).await?;
            gone.extend(letters.into_iter().filter(|(_, state)| puts_back(job, *state)).map(|(operation, _)| operation));
        }
        Ok(gone)
    }
}

/// Whether an undo of the job puts back what it has brought to this state.
fn puts_back(job: &JobRow, state: i64) -> bool {
    let held = job.dependants == Dependants::Hold.as_str() && state == ArchiveState::Held.number();
    let state = ArchiveState::of_number(state).filter(|state| state.allows(DrainAction::Restore));
    state.is_some_and(|state| held || DrainAction::parse(&job.action).and_then(ArchiveState::after) == Some(state))
}
