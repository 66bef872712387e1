//! Scopes of devices: what they may read and write. Each learns of a change from the log.

use serde_json::json;
use tidewatch_domain::ids::{ClientId, Scope};

use crate::{Actor, Cx, Error, Result, Service};

/// Most scopes of one device.
const SCOPES_MAX: usize = 1_000;

impl Service {
    /// Opens a scope to a device, or closes it. It counts from the next request on. Answers whether anything changed.
    ///
    /// # Errors
    /// Forbidden unless the console itself acts; not found; invalid, naming the field, when the device has as many as one may have.
    pub async fn device_scope_set(&self, cx: &Cx, client_id: &ClientId, scope: &Scope, open: bool) -> Result<bool> {
        if cx.actor != Actor::System {
            return Err(Error::Forbidden);
        }
        let known = self.store.sync().client(client_id).ok_or(Error::NotFound("device"))?;
        if open && known.scopes.len() >= SCOPES_MAX {
            return Err(Error::Invalid { field: "scope", detail: format!("a device has at most {SCOPES_MAX}") });
        }
        let changed = self.store.sync().client_scope_set(client_id.clone(), scope.clone(), open, cx.now).await?;
        self.auth.device_forget(client_id);
        if changed {
            let action = if open { "device_scope_grant" } else { "device_scope_revoke" };
            let after = json!({"scope": scope.as_str()});
            self.audit_append(cx.audit(action, format!("device:{client_id}"), Some(after))).await?;
        }
        Ok(changed)
    }
}
