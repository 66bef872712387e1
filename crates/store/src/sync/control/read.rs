//! Commands, read: for the device that is to obey them, and for people.

use tidewatch_domain::control::{Command, CommandKind, HAND_OVER_AGAIN_MS, RUNNING_AGAIN_MS};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::fleet::{CommandEvent, CommandRow, CommandView};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{Page, Total};
use tidewatch_domain::time::Millis;

use super::issue::state_read;
use crate::sync::Sync;
use crate::sync::explore::Place;
use crate::sync::statements::control::{
    COMMAND_EVENTS_OF, COMMAND_VIEW, COMMANDS_COUNT, COMMANDS_DUE, COMMANDS_NEWER, COMMANDS_OLDER, COMMANDS_OVER, ESCROWED_OPEN,
};
use crate::{Error, Result};

#[derive(sqlx::FromRow)]
struct DueRow {
    n: i64,
    id: String,
    kind: i64,
    args: String,
    priority: i64,
    supersede_key: Option<String>,
    reason: String,
    created_ms: i64,
    expires_ms: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    n: i64,
    id: String,
    client: i64,
    kind: i64,
    args: String,
    priority: i64,
    state: i64,
    job: Option<String>,
    actor: String,
    reason: String,
    created_ms: i64,
    expires_ms: i64,
    changed_ms: i64,
    deliveries: i64,
    done: Option<i64>,
    total: Option<i64>,
    result: Option<String>,
    error_code: Option<String>,
    error_detail: Option<String>,
}

fn kind_read(number: i64) -> Result<CommandKind> {
    let kind = usize::try_from(number).ok().and_then(|number| CommandKind::ALL.get(number).copied());
    kind.ok_or_else(|| Error::Corrupt("a command has an unknown kind".to_owned()))
}

/// Whether a result could be compared whole, when it says so.
fn verified(result: &str) -> Option<bool> {
    let result: serde_json::Value = serde_json::from_str(result).ok()?;
    result.get("verified")?.as_bool()
}

impl DueRow {
    fn read(self) -> Result<(i64, Command)> {
        let command = Command {
            id: self.id,
            kind: kind_read(self.kind)?,
            args: self.args,
            priority: self.priority,
            created: Millis(self.created_ms),
            expires: Millis(self.expires_ms),
            supersede_key: self.supersede_key,
            reason: self.reason,
        };
        Ok((self.n, command))
    }
}

impl Row {
    fn read(&self, client_id: ClientId) -> Result<CommandRow> {
        let progress = self.done.zip(self.total).map(|(done, total)| (done.unsigned_abs(), total.unsigned_abs()));
        Ok(CommandRow {
            id: self.id.clone(),
            client_id,
            kind: kind_read(self.kind)?,
            state: state_read(self.state)?,
            progress,
            priority: self.priority,
            actor: self.actor.clone(),
            reason: self.reason.clone(),
            job: self.job.clone(),
            created: Millis(self.created_ms),
            changed: Millis(self.changed_ms),
            expires: Millis(self.expires_ms),
            error: self.error_code.clone().zip(self.error_detail.clone()),
            verified: self.result.as_deref().and_then(verified),
        })
    }
}

impl Sync {
    pub(super) async fn commands_due(&self, client_id: &ClientId, now: Millis, max: u32) -> Result<Vec<(i64, Command)>> {
        let key = self.client_key(client_id)?;
        let rows: Vec<DueRow> = sqlx::query_as(COMMANDS_DUE)
            .bind(key.0)
            .bind(now.0)
            .bind(now.plus(-HAND_OVER_AGAIN_MS).0)
            .bind(now.plus(-RUNNING_AGAIN_MS).0)
            .bind(i64::from(max))
            .fetch_all(&self.control_readers)
            .await?;
        rows.into_iter().map(DueRow::read).collect()
    }

    pub(super) async fn commands_ending(&self, now: Millis) -> Result<bool> {
        let over: Option<(i64,)> = sqlx::query_as(COMMANDS_OVER).bind(now.0).fetch_optional(&self.control_readers).await?;
        Ok(over.is_some())
    }

    fn client_key(&self, client_id: &ClientId) -> Result<ClientKey> {
        self.shared.live().clients.get(client_id).map(|client| client.key).ok_or(Error::NotFound("device"))
    }

    /// Commands of a device, newest first.
    ///
    /// # Errors
    /// Not found; as the database.
    pub async fn commands_list(&self, client_id: &ClientId, place: Place, rows: u32) -> Result<Page<CommandRow>> {
        let key = self.client_key(client_id)?;
        let (text, at) = match place {
            Place::Newest => (COMMANDS_OLDER, i64::MAX),
            Place::Below(at) => (COMMANDS_OLDER, at),
            Place::Above(at) => (COMMANDS_NEWER, at),
        };
        let query = sqlx::query_as(text).bind(key.0).bind(at).bind(i64::from(rows) + 1);
        let mut found: Vec<Row> = query.fetch_all(&self.readers).await?;
        let more = found.len() > rows as usize;
        found.truncate(rows as usize);
        let rising = matches!(place, Place::Above(_));
        if rising {
            found.reverse();
        }
        let (count,): (i64,) = sqlx::query_as(COMMANDS_COUNT).bind(key.0).fetch_one(&self.readers).await?;
        let (first, last) = (found.first().map(|row| row.n.to_string()), found.last().map(|row| row.n.to_string()));
        Ok(Page {
            next: last.filter(|_| more || rising),
            previous: first.filter(|_| if rising { more } else { !matches!(place, Place::Newest) }),
            total: Total::Exact(count.unsigned_abs()),
            rows: found.iter().map(|row| row.read(client_id.clone())).collect::<Result<_>>()?,
        })
    }

    /// How many intents are in escrow of a device and wait for a decision.
    ///
    /// # Errors
    /// Not found; as the database.
    pub async fn escrowed_open(&self, client_id: &ClientId) -> Result<u64> {
        let key = self.client_key(client_id)?;
        let count: i64 = sqlx::query_scalar(ESCROWED_OPEN).bind(key.0).fetch_one(&self.readers).await?;
        Ok(count.unsigned_abs())
    }

    /// One command, without a forecast.
    ///
    /// # Errors
    /// Not found; as the database.
    pub async fn command_view(&self, id: &str) -> Result<CommandView> {
        // One snapshot: a command that moves between two reads would not be in the state that its history ends with.
        let mut snapshot = self.readers.begin().await?;
        let found: Option<Row> = sqlx::query_as(COMMAND_VIEW).bind(id.to_owned()).fetch_optional(&mut *snapshot).await?;
        let row = found.ok_or(Error::NotFound("command"))?;
        let client_id = self.shared.live().client_ids.get(&ClientKey(row.client)).cloned();
        let client_id = client_id.ok_or_else(|| Error::Corrupt("a command is for no device".to_owned()))?;
        let events: Vec<(i64, i64, String, Option<String>)> =
            sqlx::query_as(COMMAND_EVENTS_OF).bind(row.n).fetch_all(&mut *snapshot).await?;
        snapshot.rollback().await?;
        let event = |(state, at, actor, detail)| Ok(CommandEvent { state: state_read(state)?, at: Millis(at), actor, detail });
        let history = events.into_iter().map(event).collect::<Result<_>>()?;
        Ok(CommandView {
            row: row.read(client_id)?,
            args: row.args,
            result: row.result,
            deliveries: row.deliveries.unsigned_abs(),
            forecast: None,
            history,
            logs: None,
        })
    }
}
