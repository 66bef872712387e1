//! What the writer tells devices through the log itself: which scopes are open to them, and that a collection is configured anew.
//!
//! Devices find it in scopes that nobody has to ask for: that of their principal, and one that all share. So a change costs one row,
//! however many scopes hold the collection.

use std::sync::Arc;

use tidewatch_domain::engine::{Control, ControlFacts, ControlOp};
use tidewatch_domain::ids::{ClientId, Scope, Version};
use tidewatch_domain::time::Millis;

use super::bulk::write_all;
use super::flush::bind_control;
use super::live::{Client, Configured};
use super::statements::CHANGE_ADD;
use super::writer::{Pending, Writer};
use crate::Result;

impl Writer {
    /// Opens a scope to a device, or closes it. Answers whether anything changed; `None` for a device that is not registered.
    pub(super) async fn client_scope(
        &mut self,
        client_id: &ClientId,
        scope: &Scope,
        open: bool,
        now: Millis,
        pending: &mut Pending,
    ) -> Result<Option<bool>> {
        let Some(known) = self.client_known(client_id, pending) else { return Ok(None) };
        let mut wanted: Vec<Scope> = known.scopes.iter().filter(|other| *other != scope).cloned().collect();
        if open {
            wanted.push(scope.clone());
        }
        if wanted.len() == known.scopes.len() {
            return Ok(Some(false));
        }
        let (grants, scopes) = self.grants(&wanted, pending).await?;
        let client = Client { grants, scopes, ..known.clone() };
        self.client_write(&client).await?;
        self.scopes_tell(&known, &client, now, pending).await?;
        pending.clients.push(client);
        Ok(Some(true))
    }

    /// Tells a device which scopes it has lost and which are new.
    pub(super) async fn scopes_tell(
        &mut self,
        before: &Client,
        after: &Client,
        now: Millis,
        pending: &mut Pending,
    ) -> Result<()> {
        let (old, new) = (&before.scopes, &after.scopes);
        let lost = old.iter().filter(|scope| !new.contains(scope)).map(|scope| (ControlOp::Revoke, scope.clone()));
        let found = new.iter().filter(|scope| !old.contains(scope)).map(|scope| (ControlOp::Grant, scope.clone()));
        for (op, scope) in lost.chain(found) {
            let place = Scope::of_principal(&after.principal);
            let control = Control {
                op,
                collection: None,
                record_id: None,
                version: Version(0),
                scope: (self.scope_key(&place, pending).await?, place),
                client: Some((after.key, after.client_id.clone())),
                operation_id: String::new(),
                facts: ControlFacts::of_scope(scope),
            };
            self.control_write(control, now, pending).await?;
        }
        Ok(())
    }

    /// Tells every device that a collection has another policy or another schema.
    pub(super) async fn schema_tell(&mut self, configured: &Configured, now: Millis, pending: &mut Pending) -> Result<()> {
        let (info, place) = (&configured.info, Scope::of_collections());
        let schema = Some((info.schema_min, info.schema_current, info.policy_rev));
        let control = Control {
            op: ControlOp::Schema,
            collection: Some(Arc::clone(&configured.engine)),
            record_id: None,
            version: Version(0),
            scope: (self.scope_key(&place, pending).await?, place),
            client: None,
            operation_id: String::new(),
            facts: ControlFacts { schema, ..ControlFacts::default() },
        };
        self.control_write(control, now, pending).await
    }

    async fn control_write(&mut self, control: Control, now: Millis, pending: &mut Pending) -> Result<()> {
        let row = self.state.log.control(control, now);
        write_all(&mut self.connection, &CHANGE_ADD, std::slice::from_ref(&row), bind_control).await?;
        pending.controls.push((row.control.scope.0, row.seq));
        Ok(())
    }
}
