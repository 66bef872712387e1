//! Taking words back that no device has heard: an entry that is where it was before leaves the command that nobody has fetched, and what
//! is left of that is given out anew in the same transaction.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};
use tidewatch_domain::control::{COMMAND_TTL_MS, CommandKind, NewCommand};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::time::Millis;

use crate::sync::control::By;
use crate::sync::statements::control::COMMAND_BY_ID;
use crate::sync::statements::untold::{COMMAND_QUEUED, ITEMS_REISSUED, UNTOLD_QUEUED, UNTOLD_REISSUED, UNTOLD_UNHEARD};
use crate::sync::writer::Writer;
use crate::{Error, Result};

/// A command that no device has fetched.
#[derive(sqlx::FromRow)]
struct Queued {
    client: i64,
    args: String,
    job: Option<String>,
    actor: String,
    reason: String,
    priority: i64,
}

impl Writer {
    /// Nobody is to tell of these entries any more, since they are where they were before: they leave commands that nobody has fetched.
    pub(crate) async fn words_withdraw(&mut self, entries: &[(ClientKey, String)], by: &By, now: Millis) -> Result<()> {
        let mut gone: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (at, command) in self.words_queued(entries).await? {
            gone.entry(command).or_default().insert(entries[at].1.clone());
        }
        for (command, operations) in gone {
            self.command_trim(&command, &operations, by, now).await?;
        }
        self.untold_drop(entries).await
    }

    /// Of these entries, the places of those that a command tells of which nobody has fetched, with that command.
    async fn words_queued(&mut self, entries: &[(ClientKey, String)]) -> Result<Vec<(usize, String)>> {
        if !entries.iter().any(|(client, _)| self.untold_has(*client)) {
            return Ok(Vec::new());
        }
        let list: Vec<Value> = entries.iter().map(|(client, operation)| json!([client.0, operation])).collect();
        let query = sqlx::query_as(UNTOLD_QUEUED).bind(Value::from(list).to_string());
        let rows: Vec<(i64, String)> = query.fetch_all(&mut self.connection).await?;
        Ok(rows.into_iter().map(|(at, command)| (usize::try_from(at).expect("an index of the array"), command)).collect())
    }

    /// Which of these entries their devices have certainly not heard of: nobody has fetched a command that tells of them.
    pub(crate) async fn untold_unheard(&mut self, entries: &[(ClientKey, String)]) -> Result<HashSet<(ClientKey, String)>> {
        if !entries.iter().any(|(client, _)| self.untold_has(*client)) {
            return Ok(HashSet::new());
        }
        let list: Vec<Value> = entries.iter().map(|(client, operation)| json!([client.0, operation])).collect();
        let query = sqlx::query_as(UNTOLD_UNHEARD).bind(Value::from(list).to_string());
        let rows: Vec<(i64,)> = query.fetch_all(&mut self.connection).await?;
        let entry = |(at,): (i64,)| entries[usize::try_from(at).expect("an index of the array")].clone();
        Ok(rows.into_iter().map(entry).collect())
    }

    /// Takes entries out of a command that nobody has fetched: it is taken back, and what is left of it is given out anew.
    pub(crate) async fn command_trim(&mut self, id: &str, gone: &BTreeSet<String>, by: &By, now: Millis) -> Result<()> {
        let found: Option<Queued> =
            sqlx::query_as(COMMAND_QUEUED).bind(id.to_owned()).fetch_optional(&mut self.connection).await?;
        let Some(queued) = found else { return Ok(()) };
        let args: Value = serde_json::from_str(&queued.args).map_err(|error| Error::Corrupt(error.to_string()))?;
        let told = args.get("entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let stay: Vec<&Value> = told.iter().filter(|entry| !gone.contains(operation_of(entry))).collect();
        if stay.len() == told.len() {
            return Ok(());
        }
        if !stay.is_empty() {
            self.command_reissue(id, &queued, &stay, now).await?;
        }
        let taken = self.command_cancelled(id, false, by, now).await??;
        assert!(taken.is_ok(), "nobody has fetched it in this transaction");
        Ok(())
    }

    /// Gives out anew what stays of a command, before that is taken back: items and words are the new one's.
    async fn command_reissue(&mut self, id: &str, queued: &Queued, stay: &[&Value], now: Millis) -> Result<()> {
        let client = ClientKey(queued.client);
        let client_id = self.shared.live().client_ids.get(&client).cloned();
        let again = NewCommand {
            client_id: client_id.ok_or(Error::NotFound("device"))?,
            kind: CommandKind::Drain,
            args: json!({ "entries": stay }),
            priority: queued.priority,
            expires_at: now.plus(COMMAND_TTL_MS),
            supersede_key: None,
            job: queued.job.clone(),
            actor: queued.actor.clone(),
            reason: queued.reason.clone(),
        };
        let new = self.commands_issue(vec![again], now).await?.remove(0);
        self.command_counted_if_held(&new, client).await?;
        let operations: Vec<&str> = stay.iter().map(|entry| operation_of(entry)).collect();
        let operations = json!(operations).to_string();
        let query = sqlx::query(ITEMS_REISSUED).bind(id.to_owned()).bind(new.clone()).bind(operations.clone());
        query.execute(&mut self.connection).await?;
        let query = sqlx::query(UNTOLD_REISSUED).bind(client.0).bind(id.to_owned()).bind(new).bind(operations);
        query.execute(&mut self.connection).await?;
        self.untold_touch([client]);
        Ok(())
    }

    /// What its job holds back is not handed over before that lets go of it, and is counted then.
    pub(crate) async fn command_counted_if_held(&mut self, id: &str, client: ClientKey) -> Result<()> {
        let found: Option<(i64, String, i64, i64)> =
            sqlx::query_as(COMMAND_BY_ID).bind(id.to_owned()).fetch_optional(&mut self.connection).await?;
        if let Some((n, ..)) = found
            && self.command_held(n).await?
        {
            self.command_counted(client, -1);
        }
        Ok(())
    }
}

/// The operation that an entry of a command is about.
pub(crate) fn operation_of(entry: &Value) -> &str {
    entry.get("operation_id").and_then(Value::as_str).unwrap_or_default()
}
