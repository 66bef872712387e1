//! What the pages of the log need of devices: their names, and how many of a scope have pulled past a position.

use std::collections::HashMap;

use serde_json::json;
use tidewatch_domain::ids::{ClientId, Seq};

use super::Telemetry;
use crate::Result;

impl Telemetry {
    /// Names of these devices; one that is not known, or has reported no name, is left out.
    ///
    /// # Errors
    /// As the database.
    pub async fn device_names(&self, ids: &[ClientId]) -> Result<HashMap<ClientId, String>> {
        const TEXT: &str = "select d.client_id, d.name from json_each(?1) as wanted join devices d on d.client_id = wanted.value";
        let wanted: Vec<&str> = ids.iter().map(ClientId::as_str).collect();
        let rows: Vec<(String, String)> =
            sqlx::query_as(TEXT).bind(json!(wanted).to_string()).fetch_all(&self.database.readers).await?;
        Ok(rows.into_iter().filter_map(|(id, name)| Some((ClientId::parse(id).ok()?, name))).collect())
    }

    /// Devices that follow a scope and have pulled past a position, and all that follow it.
    ///
    /// # Errors
    /// As the database.
    pub async fn scope_pulled(&self, scope: &str, seq: Seq) -> Result<(u64, u64)> {
        const TEXT: &str = "select coalesce(sum(pulled >= ?2), 0), count(*) from device_scopes where scope = ?1";
        let (past, all): (i64, i64) = sqlx::query_as(TEXT).bind(scope).bind(seq.0).fetch_one(&self.database.readers).await?;
        Ok((past.cast_unsigned(), all.cast_unsigned()))
    }
}
