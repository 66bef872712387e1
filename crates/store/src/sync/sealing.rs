//! What is sealed in the archive, and with which key: the keys are taken out when the store is opened, before anything is served, and
//! what stands there readable, or under an older key, is sealed then.
//!
//! Invariants: a key is on the disk, and its id in the store, before anything is sealed with it; a store whose payloads need a key that
//! is not there is not opened; of what is sealed the row shows [`left_of`] and nothing else.

use serde_json::{Map, Value};
use sqlx::{FromRow, SqliteConnection};
use tidewatch_domain::time::Millis;

use super::Sync;
use super::statements::control::{
    ESCROW_KEY_ADD, ESCROW_KEYS_NEEDED, LETTER_SEAL, LETTERS_READABLE, LETTERS_UNDER, VERIFY_READABLE, VERIFY_SEALED,
};
use super::statements::{META_LIST, META_PUT};
use super::verify::VerifyReport;
use crate::vault::{KeyFile, KeyId, Vault};
use crate::{Error, Result};

/// Whether the file is to be written anew, in `meta`.
const REWRITE_DUE: &str = "rewrite_due";
/// Rows that one transaction seals.
const CHUNK: i64 = if cfg!(test) { 2 } else { 100 };
/// Rows that are verified at once.
const STRETCH: i64 = 500;

/// A row whose payload is sealed, or is to be.
#[derive(Debug, FromRow)]
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) client: i64,
    pub(crate) operation_id: String,
    pub(crate) mutation: String,
    pub(crate) sealed: Option<Vec<u8>>,
}

impl Stored {
    /// The intent as it came.
    pub(crate) fn intent(self, vault: &Vault) -> Result<String> {
        vault.text(self.client, &self.operation_id, self.mutation, self.sealed.as_deref())
    }
}

/// An intent as a row keeps it: what stands there for everybody, and the whole, sealed.
pub(crate) fn sealed_row(vault: &Vault, client: i64, operation_id: &str, intent: &str) -> Result<(String, Vec<u8>)> {
    Ok((left_of(intent), vault.seal(client, operation_id, intent)?))
}

/// What a row shows of an intent that is sealed: what a purge leaves of one, too. Nothing that a device could have put a value into
/// goes with it.
fn left_of(intent: &str) -> String {
    const TEXTS: [&str; 6] = ["operation_id", "collection", "record_id", "scope", "op", "created_at"];
    let Ok(Value::Object(intent)) = serde_json::from_str(intent) else { return "{}".to_owned() };
    let mut left = Map::new();
    let mut take = |name: &str, fits: &dyn Fn(&Value) -> bool| {
        left.insert(name.to_owned(), intent.get(name).filter(|value| fits(value)).cloned().unwrap_or_default());
    };
    for name in TEXTS {
        take(name, &Value::is_string);
    }
    take("priority", &Value::is_i64);
    take("depends_on", &|value| value.as_array().is_some_and(|names| names.iter().all(Value::is_string)));
    Value::Object(left).to_string()
}

/// Takes the keys out, and seals with the newest what is readable or under an older one. Survives a kill: each row is either.
pub(crate) async fn vault_open(file: &KeyFile, connection: &mut SqliteConnection, now: Millis) -> Result<Vault> {
    let needed: Vec<Vec<u8>> = sqlx::query_scalar(ESCROW_KEYS_NEEDED).fetch_all(&mut *connection).await?;
    let (of, there) = (file.clone(), !needed.is_empty());
    let reading = tokio::task::spawn_blocking(move || match of.read()? {
        None if !there => of.make(),
        None => Err(of.fault("is missing; payloads in escrow were sealed with it: put it back, or name it with --escrow-key")),
        Some(keys) => Ok(keys),
    });
    let keys = reading.await.map_err(|error| Error::Corrupt(format!("the reading of a key ended: {error}")))??;
    let vault = Vault::new(&keys);
    let ids = vault.ids();
    if let Some(lacks) = needed.iter().find(|id| !ids.iter().any(|known| known[..] == id[..])) {
        let lacks = hex::encode(lacks);
        return Err(
            file.fault(format!("does not hold key {lacks}, with which payloads in escrow were sealed: put the right file back"))
        );
    }
    sqlx::query(ESCROW_KEY_ADD).bind(ids[0].to_vec()).bind(now.0).execute(&mut *connection).await?;
    let sealed = rest_seal(&vault, &needed, connection).await?;
    if sealed > 0 {
        tracing::info!(sealed, "Sealed {sealed} payloads in escrow");
    }
    rewrite(connection).await?;
    Ok(vault)
}

/// Writes the file anew after something was sealed in it that had stood readable: SQLite leaves copies of what it moves in the free
/// space of pages. When it was killed, or there was no room, the next start does it.
async fn rewrite(connection: &mut SqliteConnection) -> Result<()> {
    let meta: Vec<(String, String)> = sqlx::query_as(META_LIST).fetch_all(&mut *connection).await?;
    if !meta.iter().any(|(key, due)| key == REWRITE_DUE && due == "1") {
        return Ok(());
    }
    tracing::info!("Writing sync.db anew, so that nothing is left of what was sealed in it");
    // In memory it would be as large as the file.
    sqlx::query("pragma temp_store = file").execute(&mut *connection).await?;
    let written = sqlx::query("vacuum").execute(&mut *connection).await;
    sqlx::query("pragma temp_store = memory").execute(&mut *connection).await?;
    match written {
        Ok(_) => {
            sqlx::query(META_PUT).bind(REWRITE_DUE).bind("0").execute(&mut *connection).await?;
        }
        Err(error) => tracing::warn!(%error, "sync.db was not written anew, the next start tries again: {error}"),
    }
    sqlx::query("pragma wal_checkpoint(truncate)").execute(connection).await?;
    Ok(())
}

/// Seals what is readable, then what is under older keys. Nothing of it is left where it was overwritten.
async fn rest_seal(vault: &Vault, needed: &[Vec<u8>], connection: &mut SqliteConnection) -> Result<u64> {
    let newest = vault.ids()[0];
    let mut sealed = 0;
    sqlx::query("pragma secure_delete = on").execute(&mut *connection).await?;
    loop {
        let rows: Vec<Stored> = sqlx::query_as(LETTERS_READABLE).bind(CHUNK).fetch_all(&mut *connection).await?;
        if rows.is_empty() {
            break;
        }
        sqlx::query(META_PUT).bind(REWRITE_DUE).bind("1").execute(&mut *connection).await?;
        sealed += chunk_seal(vault, rows, connection).await?;
    }
    for id in needed.iter().filter(|id| id[..] != newest) {
        let mut after = 0;
        loop {
            let query = sqlx::query_as(LETTERS_UNDER).bind(id.clone()).bind(after).bind(i64::MAX).bind(CHUNK);
            let mut rows: Vec<Stored> = query.fetch_all(&mut *connection).await?;
            let Some(last) = rows.last() else { break };
            after = last.id;
            // What does not open stays for a verification to find; it is no reason to serve nothing.
            rows.retain(|row| {
                row.sealed.as_deref().is_some_and(|sealed| vault.open(row.client, &row.operation_id, sealed).is_ok())
            });
            sealed += chunk_seal(vault, rows, connection).await?;
        }
    }
    sqlx::query("pragma secure_delete = off").execute(&mut *connection).await?;
    Ok(sealed)
}

async fn chunk_seal(vault: &Vault, rows: Vec<Stored>, connection: &mut SqliteConnection) -> Result<u64> {
    let sealed = rows.len() as u64;
    sqlx::query("begin immediate").execute(&mut *connection).await?;
    for row in rows {
        row_seal(vault, row, connection).await?;
    }
    sqlx::query("commit").execute(&mut *connection).await?;
    Ok(sealed)
}

/// Seals one row where it stands, inside a transaction.
pub(crate) async fn row_seal(vault: &Vault, row: Stored, connection: &mut SqliteConnection) -> Result<()> {
    let (id, client, operation_id) = (row.id, row.client, row.operation_id.clone());
    let (left, sealed) = sealed_row(vault, client, &operation_id, &row.intent(vault)?)?;
    sqlx::query(LETTER_SEAL).bind(id).bind(left).bind(sealed).execute(connection).await?;
    Ok(())
}

impl Sync {
    /// Verifies that what is sealed opens and is the operation that its row says, and that nothing stands readable that should not.
    pub(crate) async fn verify_sealed(&self, connection: &mut SqliteConnection, report: &mut VerifyReport) -> Result<()> {
        let mut after = (Vec::new(), 0);
        loop {
            let rows: Vec<Stored> = sqlx::query_as(VERIFY_SEALED)
                .bind(after.0.clone())
                .bind(after.1)
                .bind(STRETCH)
                .fetch_all(&mut *connection)
                .await?;
            let Some(last) = rows.last() else { break };
            after = (key_of(last.sealed.as_deref().unwrap_or_default()).to_vec(), last.id);
            report.sealed += rows.len() as u64;
            for row in rows {
                if let Some(words) = sealed_wrong(&self.shared.vault, row) {
                    report.find(words);
                }
            }
        }
        let readable: Vec<(i64,)> = sqlx::query_as(VERIFY_READABLE).fetch_all(connection).await?;
        for (id,) in readable {
            report.find(format!("row {id} of the archive came by escrow and is not sealed"));
        }
        Ok(())
    }
}

/// The bytes that the index has of a sealed payload.
fn key_of(sealed: &[u8]) -> &[u8] {
    let from = sealed.len().min(1);
    &sealed[from..sealed.len().min(1 + size_of::<KeyId>())]
}

/// What is wrong with a sealed row.
fn sealed_wrong(vault: &Vault, row: Stored) -> Option<String> {
    let (id, operation_id, shown) = (row.id, row.operation_id.clone(), row.mutation.clone());
    let intent = match row.intent(vault) {
        Ok(intent) => intent,
        Err(error) => return Some(format!("row {id} of the archive: {error}")),
    };
    if left_of(&intent) != shown {
        return Some(format!("row {id} of the archive shows something else than its sealed payload holds"));
    }
    let said: Value = serde_json::from_str(&intent).unwrap_or_default();
    let other = said["operation_id"].as_str().is_some_and(|said| said != operation_id);
    other.then(|| format!("row {id} of the archive is of operation {operation_id}, its sealed payload of another"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_says_which_record_and_nothing_of_a_value() {
        let intent = json!({"operation_id": "op-1", "collection": "notes", "record_id": "n-1", "scope": "site:a", "op": "put", "priority": 2,
            "created_at": "2026-01-01T00:00:00Z", "depends_on": ["op-0"], "fields": {"a": 1}, "base": {"version": 3}});
        let left: Value = serde_json::from_str(&left_of(&intent.to_string())).expect("JSON");
        let names: Vec<&str> = left.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(names.len(), 8, "{names:?}");
        assert!(names.iter().all(|name| left[*name] == intent[*name]), "{left}");
        let odd =
            left_of(r#"{"operation_id":{"a":"hidden"},"scope":["hidden"],"priority":"hidden","depends_on":[{"a":"hidden"}]}"#);
        assert!(!odd.contains("hidden"), "{odd}");
        for text in ["", "hidden", "[\"hidden\"]"] {
            assert_eq!(left_of(text), "{}");
        }
    }
}
