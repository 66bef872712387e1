//! One entry of one device: what the mirror holds of it, its attempts, what waits behind it, and what it waits for.

use serde_json::json;
use sqlx::{QueryBuilder, Sqlite};
use tidewatch_domain::fleet::{Attempt, EntryRow, OutboxEntryView};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::report::EntryState;
use tidewatch_domain::signature::signature_id;
use tidewatch_domain::time::Millis;

use super::super::Telemetry;
use super::list::{COLUMNS, EntryRead};
use crate::{Error, Result};

/// Entries that wait behind it, or before which it waits, and are listed.
const NEIGHBOURS_MAX: i64 = 20;

/// What the list does not show.
#[derive(sqlx::FromRow)]
struct Rest {
    signature: Option<String>,
    refused_ms: Option<i64>,
    seen_ms: i64,
    history: String,
    job: Option<i64>,
    sort_age: i64,
    skew_ms: Option<i64>,
}

impl Telemetry {
    /// One entry.
    ///
    /// # Errors
    /// Not found: the mirror has no such entry.
    pub async fn outbox_entry(&self, client_id: &ClientId, operation_id: &str) -> Result<OutboxEntryView> {
        const REST: &str = r"
            select o.signature, o.refused_ms, o.seen_ms, o.history, o.job, o.sort_age, d.skew_ms
            from outbox o cross join devices d on d.id = o.device where o.device = ?1 and o.operation_id = ?2";
        let readers = &self.database.readers;
        let mut query = entries(" join devices d on d.id = o.device where d.client_id = ");
        query.push_bind(client_id.as_str()).push(" and o.operation_id = ").push_bind(operation_id);
        let found: Option<EntryRead> = query.build_query_as().fetch_optional(readers).await?;
        let found = found.ok_or(Error::NotFound("entry"))?;
        let rest: Option<Rest> = sqlx::query_as(REST).bind(found.device).bind(operation_id).fetch_optional(readers).await?;
        // Gone between the two reads: as if it had never been asked for in time.
        let rest = rest.ok_or(Error::NotFound("entry"))?;
        let blocks = self.blocks(std::slice::from_ref(&found)).await?.first().copied().unwrap_or_default();
        let device = found.device;
        let row = found.read(blocks)?;
        let blocked = self.blocked(device, &row.entry, rest.sort_age).await?;
        let waits_for = self.waits_for(device, &row.entry, rest.sort_age).await?;
        Ok(OutboxEntryView {
            pending: row.pending,
            row,
            group: rest.signature.as_deref().map(signature_id),
            refused: rest.refused_ms.map(Millis),
            seen: Millis(rest.seen_ms),
            attempts: attempts(&rest.history)?,
            blocked,
            waits_for,
            job: rest.job.map(|number| format!("J{number}")),
            clock_ahead_ms: rest.skew_ms,
            // The archive knows them, not the mirror.
            copy: None,
            original: None,
            untold: None,
        })
    }

    /// What waits behind an entry, oldest first.
    async fn blocked(&self, device: i64, entry: &EntryRow, age: i64) -> Result<Vec<EntryRow>> {
        let mut query = entries(" join devices d on d.id = o.device where o.device = ");
        query.push_bind(device).push(" and o.operation_id <> ").push_bind(entry.operation_id.clone());
        query.push(
            " and (o.state = 3 or o.state = 0 and o.error_code = 'dependency_failed') and (o.state = 3 and o.collection = ",
        );
        query.push_bind(entry.collection.clone());
        query.push(" and o.record_id = ").push_bind(entry.record_id.clone());
        query.push(" and o.sort_age >= ").push_bind(age);
        query.push(" or exists (select 1 from json_each(o.depends_on) as j where j.value = ");
        query
            .push_bind(entry.operation_id.clone())
            .push(")) order by o.sort_age, o.operation_id limit ")
            .push_bind(NEIGHBOURS_MAX);
        self.neighbours(query).await
    }

    /// What an entry waits for, oldest first: what it names, and what is before it on its record and still to be sent.
    async fn waits_for(&self, device: i64, entry: &EntryRow, age: i64) -> Result<Vec<EntryRow>> {
        if entry.state != EntryState::Waiting && entry.depends_on.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = entries(" join devices d on d.id = o.device where o.state <= 5 and o.device = ");
        query.push_bind(device).push(" and o.operation_id <> ").push_bind(entry.operation_id.clone());
        query.push(" and (o.operation_id in (select value from json_each(").push_bind(json!(entry.depends_on).to_string());
        query.push(")) or o.state < 3 and o.collection = ").push_bind(entry.collection.clone());
        query.push(" and o.record_id = ").push_bind(entry.record_id.clone()).push(" and o.sort_age <= ").push_bind(age);
        query.push(") order by o.sort_age, o.operation_id limit ").push_bind(NEIGHBOURS_MAX);
        self.neighbours(query).await
    }

    async fn neighbours(&self, mut query: QueryBuilder<Sqlite>) -> Result<Vec<EntryRow>> {
        let found: Vec<EntryRead> = query.build_query_as().fetch_all(&self.database.readers).await?;
        found.into_iter().map(|row| row.read(0).map(|row| row.entry)).collect()
    }
}

fn entries(rest: &str) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("select ");
    query.push(COLUMNS).push(" from outbox o").push(rest);
    query
}

/// An attempt as the column keeps it: `[at, code, message, app version]`. Older ones end after the code.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Kept {
    Whole(i64, Option<String>, Option<String>, Option<String>),
    Short(i64, Option<String>),
}

impl Kept {
    fn read(self) -> Attempt {
        let (at, code, message, app_version) = match self {
            Self::Whole(at, code, message, app_version) => (at, code, message, app_version),
            Self::Short(at, code) => (at, code, None, None),
        };
        Attempt { at: Millis(at), code, message, app_version }
    }
}

/// Attempts as the column keeps them, newest last; newest first.
pub(super) fn attempts(history: &str) -> Result<Vec<Attempt>> {
    let rows: Vec<Kept> = serde_json::from_str(history).map_err(|e| Error::Corrupt(format!("attempts of an entry: {e}")))?;
    Ok(rows.into_iter().rev().map(Kept::read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_from_before_messages_were_kept_are_read() {
        let kept = r#"[[1,"network"],[2,null],[3,"schema_invalid","qty: expected a number","4.2.1"],[4,null,null,null]]"#;
        let attempt = |at, code: Option<&str>, message: Option<&str>, version: Option<&str>| Attempt {
            at: Millis(at),
            code: code.map(str::to_owned),
            message: message.map(str::to_owned),
            app_version: version.map(str::to_owned),
        };
        let wanted = [
            attempt(4, None, None, None),
            attempt(3, Some("schema_invalid"), Some("qty: expected a number"), Some("4.2.1")),
            attempt(2, None, None, None),
            attempt(1, Some("network"), None, None),
        ];
        assert_eq!(attempts(kept).expect("read"), wanted);
        assert!(attempts(r#"[["x"]]"#).is_err());
    }
}
