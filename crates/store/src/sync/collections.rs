//! Configuring collections.

use std::sync::Arc;

use tidewatch_domain::engine::Collection;
use tidewatch_domain::ids::{CollectionName, Scope, Seq};
use tidewatch_domain::policy::{Policy, PolicyError};
use tidewatch_domain::time::Millis;

use super::Sync;
use super::queue::Weight;
use super::writer::Job;
use crate::Result;

const PRIORITIES: [&str; 4] = ["critical", "important", "normal", "background"];

/// How a collection is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionDefinition {
    /// Name.
    pub name: CollectionName,
    /// Oldest schema still served.
    pub schema_min: i64,
    /// Current schema.
    pub schema_current: i64,
    /// Sync tier.
    pub priority: &'static str,
    /// Policy, JSON text.
    pub policy: String,
}

impl CollectionDefinition {
    /// Checks the policy.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> std::result::Result<(), PolicyError> {
        Policy::parse(&self.policy).map(|_| ())
    }
}

/// Reads a sync tier.
#[must_use]
pub fn priority_read(text: &str) -> Option<&'static str> {
    PRIORITIES.into_iter().find(|known| *known == text)
}

impl Sync {
    /// Sync tiers of these collections, of all of them when none is named.
    #[must_use]
    pub fn priorities(&self, named: &[CollectionName]) -> Vec<&'static str> {
        let live = self.shared.live();
        let known = live.collections.iter().filter(|known| named.is_empty() || named.contains(&known.info.name));
        known.map(|known| known.info.priority).collect()
    }

    /// The collections that have rows above a position of their scope, from memory; `None` when that cannot be told: a scope has moved
    /// by what belongs to no collection, or before this process began.
    #[must_use]
    pub fn collections_moved(&self, above: &[(Scope, Seq)]) -> Option<Vec<CollectionName>> {
        self.shared.live().collections_moved(above)
    }

    /// A collection whose fields have had other names; its policy has the steps.
    #[must_use]
    pub fn collection_with_steps(&self, collection: &CollectionName) -> Option<Arc<Collection>> {
        let live = self.shared.live();
        live.catalogue.get(collection).filter(|known| !known.policy.steps.is_empty()).cloned()
    }

    /// Adds collections, or changes those that are there. A changed policy becomes a new revision; old ones are kept.
    ///
    /// # Errors
    /// Corrupt when a policy cannot be read (check definitions first), or the commit failed.
    pub async fn collections_put(&self, definitions: Vec<CollectionDefinition>, by: &str, now: Millis) -> Result<()> {
        for definition in &definitions {
            definition.check().map_err(|error| crate::Error::Corrupt(error.to_string()))?;
        }
        let by = by.to_owned();
        self.ask(Weight::COMMAND, |reply| Job::CollectionsPut { definitions, by, now, reply }).await
    }
}
