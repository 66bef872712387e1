//! Nonces of signed requests, as far as they outlive the process. Memory is what refuses a repeat; the table only fills it again.

use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::{Millis, SECOND_MS};

use super::Sync;
use super::queue::Weight;
use super::statements::{NONCE_ADD, NONCE_DROP, NONCE_LIST};
use super::writer::{Job, Writer};
use crate::Result;

/// A nonce that a device has used, and the second up to which it must not come again.
pub type NonceRow = (ClientId, String, i64);

impl Sync {
    /// Keeps nonces that were used, and drops those that have ended.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn nonces_put(&self, nonces: Vec<NonceRow>, now: Millis) -> Result<()> {
        self.ask(Weight::COMMAND, |reply| Job::NoncesPut { nonces, now, reply }).await
    }

    /// The nonces that may not come again, at most so many; those that last longest first.
    ///
    /// # Errors
    /// As the database.
    pub async fn nonces_list(&self, now: Millis, max: u32) -> Result<Vec<NonceRow>> {
        let query = sqlx::query_as(NONCE_LIST).bind(now.0.div_euclid(SECOND_MS)).bind(i64::from(max));
        let rows: Vec<(i64, String, i64)> = query.fetch_all(&self.readers).await?;
        let live = self.shared.live();
        let named = |(client, nonce, end)| Some((live.client_ids.get(&ClientKey(client))?.clone(), nonce, end));
        Ok(rows.into_iter().filter_map(named).collect())
    }
}

impl Writer {
    pub(super) async fn nonces_put(&mut self, nonces: &[NonceRow], now: Millis) -> Result<()> {
        let rows: Vec<serde_json::Value> = {
            let live = self.shared.live();
            let row = |(client, nonce, end): &NonceRow| Some(serde_json::json!([live.clients.get(client)?.key.0, nonce, end]));
            nonces.iter().filter_map(row).collect()
        };
        sqlx::query(NONCE_ADD).bind(serde_json::Value::from(rows).to_string()).execute(&mut self.connection).await?;
        sqlx::query(NONCE_DROP).bind(now.0.div_euclid(SECOND_MS)).execute(&mut self.connection).await?;
        Ok(())
    }
}
