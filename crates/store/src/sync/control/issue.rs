//! Giving commands out, handing them over, and every end that is not the device's own.

use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::control::{COMMANDS_OPEN_MAX, CommandKind, CommandState, NewCommand, Stays, Step, step};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use super::jobs::{By, Done};
use crate::sync::bulk::write_all;
use crate::sync::statements::control::{
    COMMAND_ADD, COMMAND_BY_ID, COMMAND_END, COMMAND_EVENT_ADD, COMMAND_HELD, COMMANDS_ENDING, COMMANDS_HAND_OVER,
    COMMANDS_HANDED_EVENTS, COMMANDS_ISSUED_EVENTS, COMMANDS_OF_JOB_QUEUED, COMMANDS_OF_KEY, COMMANDS_OPEN_OF,
};
use crate::sync::writer::Writer;
use crate::{Error, Result};

/// Commands that one turn of the writer ends.
const ENDING_AT_ONCE: i64 = 500;

/// An open command that is about to end.
type Open = (i64, String, i64, i64);

/// Place of a state in SQL.
pub(super) fn state_number(state: CommandState) -> i64 {
    CommandState::ALL.into_iter().zip(0..).find(|(known, _)| *known == state).map_or(0, |(_, number)| number)
}

/// Reads what [`state_number`] writes.
pub(super) fn state_read(number: i64) -> Result<CommandState> {
    let state = usize::try_from(number).ok().and_then(|number| CommandState::ALL.get(number).copied());
    state.ok_or_else(|| Error::Corrupt("a command has an unknown state".to_owned()))
}

/// A fresh id: time first, so that ids sort as they were made.
fn command_id(now: Millis) -> String {
    let mut random = [0; 10];
    random.copy_from_slice(&uuid::Uuid::new_v4().as_bytes()[6..]);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.0).unwrap_or(0), &random).into_uuid().to_string()
}

impl Writer {
    /// Gives commands out inside the running transaction, without audit rows: those are the caller's. Answers their ids, in order.
    ///
    /// # Errors
    /// Not found for a device that is not registered; as the database. Either ends the transaction.
    pub(crate) async fn commands_issue(&mut self, commands: Vec<NewCommand>, now: Millis) -> Result<Vec<String>> {
        let mut ids = Vec::with_capacity(commands.len());
        // What takes the place of another may take that of one before it in this list, so it comes in a statement of its own.
        for some in commands.chunk_by(|one, next| one.supersede_key.is_none() && next.supersede_key.is_none()) {
            ids.extend(self.commands_add(some, now).await?);
        }
        Ok(ids)
    }

    async fn commands_add(&mut self, commands: &[NewCommand], now: Millis) -> Result<Vec<String>> {
        let mut rows = Vec::with_capacity(commands.len());
        for command in commands {
            let client = self.client_key(&command.client_id)?;
            if let Some(key) = &command.supersede_key {
                self.commands_supersede(client, key, &command.actor, now).await?;
            }
            self.command_counted(client, 1);
            rows.push((command_id(now), client, command));
        }
        write_all(&mut self.connection, &COMMAND_ADD, &rows, |query, (id, client, command)| {
            let kind = CommandKind::ALL.into_iter().position(|kind| kind == command.kind);
            query
                .bind(id.clone())
                .bind(client.0)
                .bind(kind.and_then(|kind| i64::try_from(kind).ok()))
                .bind(command.args.to_string())
                .bind(command.priority)
                .bind(command.supersede_key.clone())
                .bind(command.job.clone())
                .bind(command.actor.clone())
                .bind(command.reason.clone())
                .bind(now.0)
                .bind(command.expires_at.0)
                .bind(now.0)
                .bind(command.expires_at.0)
        })
        .await?;
        let ids: Vec<String> = rows.into_iter().map(|(id, ..)| id).collect();
        let list = serde_json::json!(ids).to_string();
        sqlx::query(COMMANDS_ISSUED_EVENTS).bind(list).bind(now.0).execute(&mut self.connection).await?;
        Ok(ids)
    }

    /// The same, asked for by somebody: refused unless every device is known and has room, and audited.
    pub(super) async fn commands_issue_asked(
        &mut self,
        commands: Vec<NewCommand>,
        trace_id: Option<String>,
        now: Millis,
    ) -> Done<Vec<String>> {
        for command in &commands {
            let client = match self.client_key(&command.client_id) {
                Ok(client) => client,
                Err(error) => return Ok(Err(error)),
            };
            let open = self.shared.live().commands_open.get(&client).copied().unwrap_or(0);
            if u64::from(open) + commands.len() as u64 > u64::from(COMMANDS_OPEN_MAX) {
                return Ok(Err(Error::Constraint("commands_open_max".to_owned())));
            }
        }
        let given = commands.clone();
        let ids = self.commands_issue(commands, now).await?;
        let audited: Vec<AuditEntry> =
            given.iter().zip(&ids).map(|(given, id)| issued(given, id, trace_id.clone(), now)).collect();
        self.audit_append(&audited).await?;
        Ok(Ok(ids))
    }

    /// Notes that commands go to their device now. Answers those that are still open.
    pub(super) async fn commands_hand_over(&mut self, ns: &[i64], by: &str, now: Millis) -> Result<Vec<i64>> {
        let list = serde_json::json!(ns).to_string();
        sqlx::query(COMMANDS_HANDED_EVENTS)
            .bind(list.clone())
            .bind(now.0)
            .bind(by.to_owned())
            .execute(&mut self.connection)
            .await?;
        let handed: Vec<(i64,)> =
            sqlx::query_as(COMMANDS_HAND_OVER).bind(list).bind(now.0).fetch_all(&mut self.connection).await?;
        Ok(handed.into_iter().map(|(n,)| n).collect())
    }

    async fn commands_supersede(&mut self, client: ClientKey, key: &str, by: &str, now: Millis) -> Result<()> {
        let older: Vec<Open> =
            sqlx::query_as(COMMANDS_OF_KEY).bind(client.0).bind(key.to_owned()).fetch_all(&mut self.connection).await?;
        for command in older {
            self.command_end(command, Step::Supersede, by, "a newer command took its place", now).await?;
        }
        Ok(())
    }

    pub(crate) async fn command_cancelled(
        &mut self,
        id: &str,
        force: bool,
        by: &By,
        now: Millis,
    ) -> Done<std::result::Result<CommandState, Stays>> {
        let found: Option<Open> = sqlx::query_as(COMMAND_BY_ID).bind(id.to_owned()).fetch_optional(&mut self.connection).await?;
        let Some(command) = found else { return Ok(Err(Error::NotFound("command"))) };
        let before = state_read(command.3)?;
        let after = match step(before, Step::Cancel { force }) {
            Ok(after) => after,
            Err(stays) => return Ok(Ok(Err(stays))),
        };
        let client = ClientKey(command.2);
        self.command_end(command, Step::Cancel { force }, &by.actor, &by.reason, now).await?;
        let device = self.shared.live().client_ids.get(&client).map(ToString::to_string).unwrap_or_default();
        let state = |state: CommandState| serde_json::json!({ "command": id, "state": state.as_str() });
        let mut ended = state(after);
        ended["reason"] = serde_json::json!(by.reason);
        ended["forced"] = serde_json::json!(force && before == CommandState::Running);
        let entry = AuditEntry {
            at: now,
            actor: by.actor.clone(),
            action: "command_cancel",
            subject: Some(format!("device:{device}")),
            before: Some(state(before).to_string()),
            after: Some(ended.to_string()),
            trace_id: by.trace_id.clone(),
        };
        self.audit_append(&[entry]).await?;
        Ok(Ok(Ok(after)))
    }

    pub(super) async fn commands_closed(&mut self, client_id: &ClientId, by: &By, now: Millis) -> Done<u64> {
        let client = match self.client_key(client_id) {
            Ok(client) => client,
            Err(error) => return Ok(Err(error)),
        };
        let open: Vec<Open> = sqlx::query_as(COMMANDS_OPEN_OF).bind(client.0).fetch_all(&mut self.connection).await?;
        let count = open.len() as u64;
        for command in open {
            self.command_end(command, Step::Close, &by.actor, &by.reason, now).await?;
        }
        self.untold_close(client).await?;
        Ok(Ok(count))
    }

    pub(super) async fn commands_expired(&mut self, now: Millis) -> Result<u64> {
        let over: Vec<Open> =
            sqlx::query_as(COMMANDS_ENDING).bind(now.0).bind(ENDING_AT_ONCE).fetch_all(&mut self.connection).await?;
        let count = over.len() as u64;
        for command in over {
            let words = match state_read(command.3)? {
                CommandState::Queued => "the device did not ask for it in time",
                CommandState::Delivered => "the device did not begin it in time",
                _ => "the device began it and has not been heard of since",
            };
            self.command_end(command, Step::Expire, "system", words, now).await?;
        }
        Ok(count)
    }

    /// Ends a command by a step, if that step moves it.
    async fn command_end(
        &mut self,
        (n, id, client, state): Open,
        by: Step,
        actor: &str,
        detail: &str,
        now: Millis,
    ) -> Result<()> {
        let Ok(after) = step(state_read(state)?, by) else { return Ok(()) };
        // What is held back is not among what waits for the device.
        let waits = !self.command_held(n).await?;
        sqlx::query(COMMAND_END).bind(n).bind(state_number(after)).bind(now.0).execute(&mut self.connection).await?;
        self.command_event(n, after, actor, Some(detail.to_owned()), now).await?;
        self.command_counted(ClientKey(client), -i64::from(waits));
        self.drain_command_ended(&id, after, now).await?;
        self.untold_ended(ClientKey(client), &id, after, now).await
    }

    pub(super) async fn command_event(
        &mut self,
        n: i64,
        state: CommandState,
        actor: &str,
        detail: Option<String>,
        now: Millis,
    ) -> Result<()> {
        let query =
            sqlx::query(COMMAND_EVENT_ADD).bind(n).bind(now.0).bind(state_number(state)).bind(actor.to_owned()).bind(detail);
        query.execute(&mut self.connection).await?;
        Ok(())
    }

    /// Whether a job holds a command back, so that its device is not handed it.
    pub(crate) async fn command_held(&mut self, n: i64) -> Result<bool> {
        let held: Option<(i64,)> = sqlx::query_as(COMMAND_HELD).bind(n).fetch_optional(&mut self.connection).await?;
        Ok(held.is_some())
    }

    /// A job begins to hold back what no device has fetched of it, or lets go of that: then whoever waits for it is woken.
    pub(crate) async fn commands_held(&mut self, job: &str, holds: bool) -> Result<()> {
        let query = sqlx::query_as(COMMANDS_OF_JOB_QUEUED).bind(job.to_owned());
        let queued: Vec<(i64,)> = query.fetch_all(&mut self.connection).await?;
        for (client,) in queued {
            self.command_counted(ClientKey(client), if holds { -1 } else { 1 });
        }
        Ok(())
    }

    /// Counts open commands that are not held back; memory moves once the transaction is committed.
    pub(crate) fn command_counted(&mut self, client: ClientKey, by: i64) {
        *self.commands_moved.entry(client).or_default() += by;
    }
}

fn issued(given: &NewCommand, id: &str, trace_id: Option<String>, now: Millis) -> AuditEntry {
    let after = serde_json::json!({
        "command": id, "kind": given.kind.as_str(), "priority": given.priority, "expires_at": given.expires_at.to_string(),
        "reason": given.reason,
    });
    AuditEntry {
        at: now,
        actor: given.actor.clone(),
        action: "command_issue",
        subject: Some(format!("device:{}", given.client_id)),
        before: None,
        after: Some(after.to_string()),
        trace_id,
    }
}
