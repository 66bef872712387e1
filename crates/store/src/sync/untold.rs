//! What devices have not been told yet. An entry whose payload is here is settled when it is decided, and its device keeps its own copy, and
//! holds up what waits behind it, until it hears of that. So each word to a device is written down with the outcome that it is about, in
//! the transaction of that outcome, and goes with the device's answer, with a complete list of its outbox that leaves the entry out, or
//! when another word takes its place (`docs/adr/0022-what-a-device-has-not-been-told.md`).
//!
//! Invariant: a row names an open command, or the moment from which on it is to be said again. Which devices have rows, and when the
//! first of them is due, is known from memory, so that a poll of a device that has none costs nothing.

mod withdraw;

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use sqlx::SqliteConnection;
use tidewatch_domain::control::{
    COMMAND_TTL_MS, CommandKind, CommandState, DRAIN_ENTRIES_MAX, EntryAnswer, EntryOutcome, NewCommand,
};
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::fleet::Untold as Told;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::{HOUR_MS, Millis};
use tokio::sync::watch;

pub(crate) use self::withdraw::operation_of;
use super::Sync;
use super::bulk::write_all;
use super::control::ControlJob;
use super::drain::WORDS_PRIORITY;
use super::statements::untold::{
    UNTOLD_ADD, UNTOLD_AGAIN, UNTOLD_ALL, UNTOLD_ANSWERED, UNTOLD_CLIENTS, UNTOLD_DROP, UNTOLD_DUE, UNTOLD_ENDED, UNTOLD_LATER,
    UNTOLD_OF_CLIENT, UNTOLD_OF_ENTRY, UNTOLD_OF_JOB, UNTOLD_UNTIL,
};
use super::writer::Writer;
use crate::Result;

/// Devices with something to be told, each with the moment from which on the first of it is to be said again.
pub(crate) type Untold = HashMap<ClientKey, Option<Millis>>;

/// Entries that one turn of the writer tells again: a poll fetches the rest with the next one.
const AGAIN_AT_ONCE: i64 = DRAIN_ENTRIES_MAX as i64;

/// A word for a device about one of its entries.
#[derive(Clone, Debug)]
pub(crate) struct NewUntold {
    pub(crate) client: ClientKey,
    pub(crate) operation_id: String,
    pub(crate) job: i64,
    pub(crate) n: i64,
    pub(crate) word: DrainAction,
    pub(crate) command: String,
}

#[derive(sqlx::FromRow)]
struct Due {
    operation_id: String,
    job: i64,
    n: i64,
    word: String,
    actor: String,
    reason: String,
    holds: bool,
}

/// Every device with something to be told.
pub(crate) async fn untold_load(connection: &mut SqliteConnection) -> Result<Untold> {
    let rows: Vec<(i64, Option<i64>)> = sqlx::query_as(UNTOLD_ALL).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(client, due)| (ClientKey(client), due.map(Millis))).collect())
}

impl Sync {
    /// Whether a device is to be told something again by now, from memory.
    pub(super) fn untold_is_due(&self, client_id: &ClientId, now: Millis) -> bool {
        let live = self.shared.live();
        let due = live.clients.get(client_id).and_then(|client| live.untold.get(&client.key).copied()).flatten();
        due.is_some_and(|due| due <= now)
    }

    /// Wakes those who wait for commands of devices to which something is to be said again since a moment, until another, and whoever
    /// watches what devices are told: from memory.
    pub fn untold_wake(&self, since: Millis, until: Millis) {
        let falls_due = |due: &Option<Millis>| due.is_some_and(|due| due > since && due <= until);
        let live = self.shared.live();
        let due = live.untold.iter().filter(|(_, due)| falls_due(due)).map(|(client, _)| *client);
        let due: Vec<ClientKey> = due.collect();
        drop(live);
        if due.is_empty() {
            return;
        }
        self.shared.listeners.wake(due);
        self.shared.told.send_modify(|times| *times += 1);
    }

    /// Wakes after each commit that handed commands over, and when something to be said again falls due.
    #[must_use]
    pub fn told_watch(&self) -> watch::Receiver<u64> {
        self.shared.told.subscribe()
    }

    /// Whether there is anything that a device has not been told yet, from memory.
    #[must_use]
    pub fn untold_any(&self, client_id: &ClientId) -> bool {
        let live = self.shared.live();
        live.clients.get(client_id).is_some_and(|client| live.untold.contains_key(&client.key))
    }

    /// Takes a complete list of the outbox of a device, as it was at a moment: what was decided before and is not in it is nothing that
    /// the device has to hear of. Answers how much that is; the writer is asked only when there is some.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn untold_listed(&self, client_id: &ClientId, at: Millis, listed: &HashSet<String>) -> Result<u64> {
        let Some(client) = self.key_of(client_id) else { return Ok(0) };
        let rows: Vec<(String,)> =
            sqlx::query_as(UNTOLD_UNTIL).bind(client.0).bind(at.0).fetch_all(&self.control_readers).await?;
        let operations: Vec<String> = rows.into_iter().map(|(operation,)| operation).filter(|id| !listed.contains(id)).collect();
        if operations.is_empty() {
            return Ok(0);
        }
        self.control(|reply| ControlJob::Unlisted { client, at, operations, reply }).await
    }

    /// Entries of a job that their devices have not been told of yet.
    ///
    /// # Errors
    /// As the database.
    pub async fn untold_of_job(&self, job: i64) -> Result<u64> {
        let count: i64 = sqlx::query_scalar(UNTOLD_OF_JOB).bind(job).fetch_one(&self.readers).await?;
        Ok(count.unsigned_abs())
    }

    /// What its device has not been told yet of an entry.
    ///
    /// # Errors
    /// As the database.
    pub async fn untold_of_entry(&self, client_id: &ClientId, operation_id: &str) -> Result<Option<Told>> {
        let Some(client) = self.key_of(client_id) else { return Ok(None) };
        let query = sqlx::query_as(UNTOLD_OF_ENTRY).bind(client.0).bind(operation_id.to_owned());
        let row: Option<(String, String, i64, i64, Option<i64>)> = query.fetch_optional(&self.readers).await?;
        Ok(row.and_then(|(word, command, since, times, again)| {
            Some(Told {
                action: DrainAction::parse(&word)?,
                command,
                since: Millis(since),
                times: u32::try_from(times).unwrap_or(u32::MAX),
                again: again.map(Millis),
            })
        }))
    }
}

impl Writer {
    /// Writes down what devices are told now.
    pub(crate) async fn untold_add(&mut self, rows: &[NewUntold], now: Millis) -> Result<()> {
        self.untold_touch(rows.iter().map(|row| row.client));
        write_all(&mut self.connection, &UNTOLD_ADD, rows, |query, row| {
            query
                .bind(row.client.0)
                .bind(row.operation_id.clone())
                .bind(row.job)
                .bind(row.n)
                .bind(row.word.as_str())
                .bind(row.command.clone())
                .bind(now.0)
        })
        .await
    }

    /// A device has answered entries of a command. What it has refused it is told again.
    pub(crate) async fn untold_answered(&mut self, client: ClientKey, command: &str, answers: &[EntryAnswer]) -> Result<()> {
        if answers.is_empty() || !self.untold_has(client) {
            return Ok(());
        }
        let heard = answers.iter().filter(|answer| answer.outcome != EntryOutcome::Refused);
        let heard: Vec<&str> = heard.map(|answer| answer.operation_id.as_str()).collect();
        let query = sqlx::query(UNTOLD_ANSWERED).bind(client.0).bind(command.to_owned()).bind(json!(heard).to_string());
        query.execute(&mut self.connection).await?;
        self.untold_touch([client]);
        Ok(())
    }

    /// A command has ended: what it was to say and nobody has answered is said again, at once when the device was only away.
    pub(crate) async fn untold_ended(
        &mut self,
        client: ClientKey,
        command: &str,
        state: CommandState,
        now: Millis,
    ) -> Result<()> {
        if state.is_open() || !self.untold_has(client) {
            return Ok(());
        }
        let query = sqlx::query(UNTOLD_ENDED).bind(client.0).bind(command.to_owned()).bind(now.0);
        query.bind(state == CommandState::Expired).execute(&mut self.connection).await?;
        self.untold_touch([client]);
        Ok(())
    }

    /// There is nothing to tell of these entries any more.
    pub(crate) async fn untold_drop(&mut self, entries: &[(ClientKey, String)]) -> Result<()> {
        let known: Vec<&(ClientKey, String)> = entries.iter().filter(|(client, _)| self.untold_has(*client)).collect();
        if known.is_empty() {
            return Ok(());
        }
        let list: Vec<Value> = known.iter().map(|(client, operation)| json!([client.0, operation])).collect();
        self.untold_touch(known.into_iter().map(|(client, _)| *client).collect::<Vec<_>>());
        sqlx::query(UNTOLD_DROP).bind(Value::from(list).to_string()).execute(&mut self.connection).await?;
        Ok(())
    }

    /// A device is gone for good.
    pub(crate) async fn untold_close(&mut self, client: ClientKey) -> Result<()> {
        sqlx::query(UNTOLD_OF_CLIENT).bind(client.0).execute(&mut self.connection).await?;
        self.untold_touch([client]);
        Ok(())
    }

    /// Tells a device again what is due, one command a job, each for whoever had it told before. What its job holds back waits.
    pub(crate) async fn untold_again(&mut self, client_id: &ClientId, now: Millis) -> Result<u64> {
        let Some(client) = self.shared.live().clients.get(client_id).map(|client| client.key) else { return Ok(0) };
        let query = sqlx::query_as(UNTOLD_DUE).bind(client.0).bind(now.0).bind(AGAIN_AT_ONCE);
        let mut due: Vec<Due> = query.fetch_all(&mut self.connection).await?;
        self.untold_touch([client]);
        due.sort_by(|one, other| {
            (one.job, &one.actor, &one.reason, one.n).cmp(&(other.job, &other.actor, &other.reason, other.n))
        });
        let same = |one: &Due, next: &Due| (one.job, &one.actor, &one.reason) == (next.job, &next.actor, &next.reason);
        let mut told = 0;
        for of_job in due.chunk_by(same) {
            let operations: Vec<&str> = of_job.iter().map(|due| due.operation_id.as_str()).collect();
            let operations = json!(operations).to_string();
            if of_job[0].holds {
                let query = sqlx::query(UNTOLD_LATER).bind(client.0).bind(operations).bind(now.plus(HOUR_MS).0);
                query.execute(&mut self.connection).await?;
                continue;
            }
            let command = self.commands_issue(vec![command_again(client_id, of_job, now)], now).await?.remove(0);
            let query = sqlx::query(UNTOLD_AGAIN).bind(client.0).bind(operations).bind(command);
            query.execute(&mut self.connection).await?;
            told += of_job.len() as u64;
        }
        Ok(told)
    }

    /// What a complete list of the outbox of a device leaves out.
    pub(crate) async fn untold_unlisted(&mut self, client: ClientKey, at: Millis, operations: &[String]) -> Result<u64> {
        // What was decided since is not spoken of.
        let rows: Vec<(String,)> = sqlx::query_as(UNTOLD_UNTIL).bind(client.0).bind(at.0).fetch_all(&mut self.connection).await?;
        let named: HashSet<&str> = operations.iter().map(String::as_str).collect();
        let gone = rows.into_iter().filter(|(operation,)| named.contains(operation.as_str()));
        let gone: Vec<(ClientKey, String)> = gone.map(|(operation,)| (client, operation)).collect();
        self.untold_drop(&gone).await?;
        Ok(gone.len() as u64)
    }

    /// Whether a device may have something to be told: as memory says, or since what the group under way has done.
    fn untold_has(&self, client: ClientKey) -> bool {
        self.untold_touched.contains(&client) || self.shared.live().untold.contains_key(&client)
    }

    fn untold_touch(&mut self, clients: impl IntoIterator<Item = ClientKey>) {
        self.untold_touched.extend(clients);
    }

    /// How memory is to be after the commit for the devices that the group has touched: none when there is nothing left to tell.
    pub(crate) async fn untold_summed(&mut self) -> Result<Vec<(ClientKey, Option<Option<Millis>>)>> {
        if self.untold_touched.is_empty() {
            return Ok(Vec::new());
        }
        let clients: Vec<i64> = self.untold_touched.drain().map(|client| client.0).collect();
        let query = sqlx::query_as(UNTOLD_CLIENTS).bind(json!(clients).to_string());
        let rows: Vec<(i64, bool, Option<i64>)> = query.fetch_all(&mut self.connection).await?;
        Ok(rows.into_iter().map(|(client, some, due)| (ClientKey(client), some.then_some(due.map(Millis)))).collect())
    }
}

fn command_again(client_id: &ClientId, of_job: &[Due], now: Millis) -> NewCommand {
    let entries: Vec<Value> = of_job.iter().map(|due| json!({ "operation_id": due.operation_id, "action": due.word })).collect();
    NewCommand {
        client_id: client_id.clone(),
        kind: CommandKind::Drain,
        args: json!({ "entries": entries }),
        priority: WORDS_PRIORITY,
        expires_at: now.plus(COMMAND_TTL_MS),
        supersede_key: None,
        job: Some(format!("J{}", of_job[0].job)),
        actor: of_job[0].actor.clone(),
        reason: of_job[0].reason.clone(),
    }
}
