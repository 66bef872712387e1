//! A captured log as text: one JSON object a line. The first line names the collections with every revision of their policies;
//! each further line is one group of batches, with everything that decided it and the answers that were given.
//!
//! Intents stand there as they came and are read by the same reader as those of devices. Bodies are canonical text, as the
//! store keeps them.

mod again;
mod group;
mod line;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidewatch_domain::ids::CollectionName;
use tidewatch_domain::policy::Policy;

pub use self::again::{Again, Difference, again};
pub use self::group::{Given, group_line, group_read};

/// Version of the format.
const FORMAT: u32 = 1;

/// A capture that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CaptureFault(pub String);

fn fault(error: impl std::fmt::Display) -> CaptureFault {
    CaptureFault(error.to_string())
}

/// A collection with every revision of its policy, as JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureCollection {
    /// Name.
    pub name: CollectionName,
    /// Revisions and their policies.
    pub revisions: Vec<(i64, String)>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    capture: u32,
    collections: Vec<HeadCollection>,
}

#[derive(Serialize, Deserialize)]
struct HeadCollection {
    name: String,
    revisions: Vec<HeadRevision>,
}

#[derive(Serialize, Deserialize)]
struct HeadRevision {
    rev: i64,
    policy: Value,
}

/// The first line of a capture.
#[must_use]
pub fn head_line(collections: &[CaptureCollection]) -> String {
    let revision = |(rev, policy): &(i64, String)| HeadRevision {
        rev: *rev,
        policy: serde_json::from_str(policy).expect("the store holds policies that were read"),
    };
    let collection = |known: &CaptureCollection| HeadCollection {
        name: known.name.to_string(),
        revisions: known.revisions.iter().map(revision).collect(),
    };
    let head = Head { capture: FORMAT, collections: collections.iter().map(collection).collect() };
    serde_json::to_string(&head).expect("a head is JSON")
}

/// Every revision of every collection that a capture knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revisions(HashMap<CollectionName, Vec<(i64, Policy)>>);

impl Revisions {
    /// Whether a line names collections, rather than being a group.
    #[must_use]
    pub fn is_head(line: &str) -> bool {
        line.starts_with("{\"capture\":")
    }

    /// Adds what a line that names collections says. The first line is one; another follows whenever a policy changes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&mut self, line: &str) -> Result<(), CaptureFault> {
        let head: Head = serde_json::from_str(line).map_err(|error| CaptureFault(format!("is no capture: {error}")))?;
        if head.capture != FORMAT {
            return Err(CaptureFault(format!("is a capture of format {}, and {FORMAT} is read here", head.capture)));
        }
        for collection in head.collections {
            let name = CollectionName::parse(collection.name).map_err(fault)?;
            let read = |revision: HeadRevision| {
                let policy = Policy::parse(&revision.policy.to_string()).map_err(fault)?;
                Ok((revision.rev, policy))
            };
            self.0.insert(name, collection.revisions.into_iter().map(read).collect::<Result<_, CaptureFault>>()?);
        }
        Ok(())
    }

    /// The policies of one revision; collections that have no such revision are left out.
    #[must_use]
    pub fn of(&self, rev: i64) -> HashMap<CollectionName, (i64, Policy)> {
        let found = self.0.iter().filter_map(|(name, revisions)| {
            let (rev, policy) = revisions.iter().find(|(known, _)| *known == rev)?;
            Some((name.clone(), (*rev, policy.clone())))
        });
        found.collect()
    }
}
