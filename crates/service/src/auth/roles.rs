//! Roles of devices: what guards of policies ask for, and what `higher_role_wins` compares.

use serde_json::json;
use tidewatch_domain::ids::ClientId;

use crate::{Actor, Cx, Error, Result, Service};

/// Longest name of a role, bytes.
const ROLE_BYTES_MAX: usize = 64;
/// Highest rank.
const RANK_MAX: i64 = 1_000_000;

impl Service {
    /// Gives a device a role with its rank, or takes it away. It counts from the next batch on; what was decided stays decided.
    ///
    /// # Errors
    /// Forbidden unless the console itself acts; invalid, naming the field; not found.
    pub async fn device_role_set(&self, cx: &Cx, client_id: &ClientId, role: Option<String>, rank: i64) -> Result<()> {
        if cx.actor != Actor::System {
            return Err(Error::Forbidden);
        }
        if role.as_ref().is_some_and(|role| role.is_empty() || role.len() > ROLE_BYTES_MAX || role.contains(char::is_control)) {
            return Err(Error::Invalid { field: "role", detail: format!("must have 1 to {ROLE_BYTES_MAX} bytes of plain text") });
        }
        if !(0..=RANK_MAX).contains(&rank) {
            return Err(Error::Invalid { field: "rank", detail: format!("must be within 0 and {RANK_MAX}") });
        }
        let known = self.store.sync().client(client_id).ok_or(Error::NotFound("device"))?;
        self.store.sync().client_role_set(client_id.clone(), role.clone(), rank).await?;
        let before = json!({"role": known.role, "rank": known.role_rank});
        let mut entry = cx.audit("device_role_set", format!("device:{client_id}"), Some(json!({"role": role, "rank": rank})));
        entry.before = Some(before.to_string());
        self.audit_append(entry).await?;
        Ok(())
    }
}
