//! Records as they stand, for requests that do not say themselves what they are about.

use std::collections::HashMap;

use tidewatch_domain::ids::Seq;
use tidewatch_domain::sync::RecordStanding;
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::standing::RecordName;

use crate::{Cx, Result, Service};

impl Service {
    /// These records as they stand, as far as the acting device may read them.
    ///
    /// # Errors
    /// Forbidden unless a device; as the store.
    pub async fn records_standing(&self, cx: &Cx, names: &[RecordName]) -> Result<HashMap<RecordName, RecordStanding>> {
        let device = self.device(cx)?;
        let mut standing = self.store.sync().records_standing(names).await?;
        standing.retain(|_, record| device.scopes.contains(&record.scope));
        Ok(standing)
    }

    /// The position of the log at an instant, or a little before it.
    ///
    /// # Errors
    /// Forbidden unless a device; as the store.
    pub async fn position_before(&self, cx: &Cx, at: Millis) -> Result<Seq> {
        self.device(cx)?;
        Ok(self.store.sync().position_before(at).await?)
    }
}
