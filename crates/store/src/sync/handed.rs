//! What devices have handed over beside their pushes, when they send it after all. An upload stays its device's, which sends it as if nobody
//! had asked; what was reported as given up, or is held, may come as well. The answer counts: what is applied is settled in the archive,
//! in the transaction that applies it, and what is refused stands there like any refusal.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::SqliteConnection;
use tidewatch_domain::drain::{ArchiveOrigin, ArchiveState};
use tidewatch_domain::engine::{ClientKey, NewDeadLetter};
use tidewatch_domain::ids::OperationId;
use tidewatch_domain::sync::{IntentResult, IntentStatus};
use tidewatch_domain::time::Millis;

use super::drain::NewEvent;
use super::statements::control::{ANSWERED_OF, HANDED_CLIENTS, HANDED_FAIL, HANDED_SETTLE};
use super::writer::Writer;
use crate::Result;

/// Devices that may have something in the archive that they can still send. It is looked for in the pushes of these only; one too many
/// costs a look.
pub(crate) async fn handed_load(connection: &mut SqliteConnection) -> Result<HashSet<ClientKey>> {
    let rows: Vec<(i64,)> = sqlx::query_as(HANDED_CLIENTS).fetch_all(connection).await?;
    Ok(rows.into_iter().map(|(client,)| ClientKey(client)).collect())
}

/// Notes the operations of a device among these answers that are final and no refusals.
pub(crate) fn answered_note(answered: &mut Vec<(ClientKey, OperationId)>, client: ClientKey, results: &[IntentResult]) {
    let settled = results.iter().filter(|result| result.status.is_final() && result.status != IntentStatus::Rejected);
    answered.extend(settled.map(|result| (client, result.operation_id.clone())));
}

impl Writer {
    /// Brings what was handed over to what a group of pushes came to. Answers whether anything has changed.
    pub(crate) async fn handed_follow(
        &mut self,
        answered: &[(ClientKey, OperationId)],
        refused: &[NewDeadLetter],
        now: Millis,
    ) -> Result<bool> {
        let mut changed = false;
        if !answered.is_empty() {
            let rows: Vec<Value> = answered.iter().map(|(client, operation)| json!([client.0, operation.as_str()])).collect();
            changed |= self.handed_change(HANDED_SETTLE, rows, ArchiveState::Done, "applied", now).await?;
        }
        let refused: Vec<Value> = refused
            .iter()
            .filter(|letter| self.handed.contains(&letter.client))
            .map(|letter| {
                let origin = ArchiveOrigin::Refused.number();
                json!([letter.client.0, letter.operation_id.as_str(), origin, letter.code, letter.detail])
            })
            .collect();
        if !refused.is_empty() {
            changed |= self.handed_change(HANDED_FAIL, refused, ArchiveState::Poisoned, "refused", now).await?;
        }
        Ok(changed)
    }

    async fn handed_change(
        &mut self,
        statement: &'static str,
        rows: Vec<Value>,
        state: ArchiveState,
        words: &str,
        now: Millis,
    ) -> Result<bool> {
        let query = sqlx::query_as(statement).bind(Value::from(rows).to_string()).bind(now.0);
        let moved: Vec<(i64, String)> = query.fetch_all(&mut self.connection).await?;
        let event = |(client, operation_id): (i64, String)| NewEvent {
            client: ClientKey(client),
            operation_id,
            state: Some(state.mirror_number()),
            pending: None,
            job: None,
            command: None,
            at: now,
            detail: Some(words.to_owned()),
        };
        // Its device has the answer now.
        let entries: Vec<(ClientKey, String)> =
            moved.iter().map(|(client, operation)| (ClientKey(*client), operation.clone())).collect();
        self.untold_drop(&entries).await?;
        let events: Vec<NewEvent> = moved.into_iter().map(event).collect();
        self.events_add(&events).await?;
        Ok(!events.is_empty())
    }

    /// Uploads among these operations that their device has given up since, `(operation, code, words)`: they are its dead letters from here
    /// on. Answers which.
    pub(crate) async fn handed_given_up(
        &mut self,
        client: ClientKey,
        letters: &[(&str, &str, Option<&str>)],
        now: Millis,
    ) -> Result<HashSet<String>> {
        let origin = ArchiveOrigin::Reported.number();
        let rows: Vec<Value> = letters.iter().map(|(id, code, words)| json!([client.0, id, origin, code, words])).collect();
        let query = sqlx::query_as(HANDED_FAIL).bind(Value::from(rows).to_string()).bind(now.0);
        let moved: Vec<(i64, String)> = query.fetch_all(&mut self.connection).await?;
        Ok(moved.into_iter().map(|(_, operation)| operation).collect())
    }

    /// The places of these operations of a device that have an answer already which is no refusal.
    pub(crate) async fn answered_of(&mut self, client: ClientKey, operations: &[&str]) -> Result<HashSet<usize>> {
        let query = sqlx::query_as(ANSWERED_OF).bind(json!(operations).to_string()).bind(client.0);
        let rows: Vec<(i64,)> = query.fetch_all(&mut self.connection).await?;
        Ok(rows.into_iter().map(|(at,)| usize::try_from(at).expect("an index of the array")).collect())
    }
}
