//! Devices as the log knows them: who may sync, and which scopes.

use std::sync::Arc;

use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::sync::ClientRegistration;
use tidewatch_domain::time::Millis;

use super::Sync;
pub use super::live::Client as ClientFacts;
use super::queue::Weight;
use super::writer::Job;
use crate::Result;

impl Sync {
    /// Registers a device under an id, or refreshes what is known of it. Answers whether it is new.
    ///
    /// # Errors
    /// Busy, or the commit failed.
    pub async fn client_register(&self, registration: ClientRegistration, client_id: ClientId, now: Millis) -> Result<bool> {
        let registration = Box::new(registration);
        self.ask(Weight::COMMAND, |reply| Job::ClientRegister { registration, client_id, now, reply }).await
    }

    /// Lets a device sync, or not.
    ///
    /// # Errors
    /// Not found, busy, or the commit failed.
    pub async fn client_block(&self, client_id: ClientId, blocked: bool) -> Result<()> {
        self.ask(Weight::COMMAND, |reply| Job::ClientBlock { client_id, blocked, reply }).await
    }

    /// Gives a device a role that guards ask for, with its rank, or takes it away.
    ///
    /// # Errors
    /// Not found, busy, or the commit failed.
    pub async fn client_role_set(&self, client_id: ClientId, role: Option<String>, rank: i64) -> Result<()> {
        self.ask(Weight::COMMAND, |reply| Job::ClientRole { client_id, role, rank, reply }).await
    }

    /// Opens a scope to a device, or closes it, and tells it so in the log. Answers whether anything changed.
    ///
    /// # Errors
    /// Not found, busy, or the commit failed.
    pub async fn client_scope_set(&self, client_id: ClientId, scope: Scope, open: bool, now: Millis) -> Result<bool> {
        self.ask(Weight::COMMAND, |reply| Job::ClientScope { client_id, scope, open, now, reply }).await
    }

    /// A device, from memory.
    #[must_use]
    pub fn client(&self, client_id: &ClientId) -> Option<Arc<ClientFacts>> {
        self.shared.live().clients.get(client_id).cloned()
    }

    /// Every device, from memory, in no order.
    #[must_use]
    pub fn clients(&self) -> Vec<Arc<ClientFacts>> {
        self.shared.live().clients.values().cloned().collect()
    }

    /// How many devices may read a scope.
    #[must_use]
    pub fn scope_clients(&self, scope: &Scope) -> Vec<ClientId> {
        let live = self.shared.live();
        live.clients.values().filter(|client| client.grants.contains_key(scope)).map(|client| client.client_id.clone()).collect()
    }
}
