//! Sessions of the console, as the session layer of the server keeps them: opaque data with an end.

use tidewatch_domain::time::Millis;
pub use tidewatch_store::console::SessionRow;

use crate::{Result, Service};

impl Service {
    /// Adds a session; answers `false` when the id is taken.
    ///
    /// # Errors
    /// As the store.
    pub async fn session_create(&self, session: &SessionRow) -> Result<bool> {
        Ok(self.store.console().session_insert(session).await?)
    }

    /// Adds or replaces a session.
    ///
    /// # Errors
    /// As the store.
    pub async fn session_save(&self, session: &SessionRow) -> Result<()> {
        Ok(self.store.console().session_save(session).await?)
    }

    /// A session that has not ended.
    ///
    /// # Errors
    /// As the store.
    pub async fn session_view(&self, now: Millis, id: &str) -> Result<Option<SessionRow>> {
        Ok(self.store.console().session_view(id, now).await?)
    }

    /// Ends a session.
    ///
    /// # Errors
    /// As the store.
    pub async fn session_delete(&self, id: &str) -> Result<()> {
        Ok(self.store.console().session_delete(id).await?)
    }
}
