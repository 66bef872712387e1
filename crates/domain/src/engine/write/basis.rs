//! What an intent was based on, and what its record holds.

use crate::decide::Ground;
use crate::engine::{Collection, RecordKey, Turn};
use crate::ids::{IdempotencyKey, Version};
use crate::sync::{Base, Body, IntentStatus, Mutation};

/// What the intent was based on, with the body when the policy needs it.
pub(super) enum Basis {
    Current,
    Stale(Body),
    Unknown,
}

impl Basis {
    pub(super) fn ground(&self) -> Ground<'_> {
        match self {
            Self::Current => Ground::Current,
            Self::Stale(body) => Ground::Stale(body),
            Self::Unknown => Ground::Unknown,
        }
    }

    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Stale(_) => "stale",
            Self::Unknown => "unknown",
        }
    }
}

impl Turn<'_> {
    pub(super) fn basis(&self, collection: &Collection, mutation: &Mutation, key: &RecordKey) -> Basis {
        let Some(record) = self.set.records.get(key) else { return Basis::Unknown };
        let version = match &mutation.base {
            // A base by content has been turned into a version before, if any version has it.
            Base::Unknown | Base::Checksum(_) => None,
            Base::Version(version) => Some(*version),
            Base::Operation(operation)
                if record.last_operation_id == operation.as_str() && record.last_client == self.batch.client =>
            {
                Some(record.version)
            }
            Base::Operation(operation) => self.version_after(operation.as_str()),
        };
        match version {
            Some(version) if version == record.version => Basis::Current,
            Some(version) if collection.policy.needs_base() => {
                let past = self.past(key, version).map(|body| collection.policy.steps.restored(body));
                past.map_or(Basis::Unknown, Basis::Stale)
            }
            _ => Basis::Unknown,
        }
    }

    /// Version that an earlier operation of the same device left, if it stands.
    fn version_after(&self, operation: &str) -> Option<Version> {
        let key = (self.batch.client, IdempotencyKey::parse(operation).ok()?);
        let answer = &self.set.memory.get(&key)?.answer;
        matches!(answer.status, IntentStatus::Applied | IntentStatus::Merged).then_some(answer.version).flatten()
    }

    fn past(&self, key: &RecordKey, version: Version) -> Option<Body> {
        let past = self.set.history.get(key)?.iter().find(|past| past.version == version)?;
        Some(past.body.as_deref().map(body_read).unwrap_or_default())
    }

    /// The body of a record in the current names, and whether it is stored in older ones.
    pub(in crate::engine) fn body_restored(&self, collection: &Collection, key: &RecordKey) -> (Body, bool) {
        let stored = self.body(key);
        if collection.policy.steps.is_empty() {
            return (stored, false);
        }
        let body = collection.policy.steps.restored(stored.clone());
        let reshaped = body != stored;
        (body, reshaped)
    }

    fn body(&self, key: &RecordKey) -> Body {
        let Some(record) = self.set.records.get(key) else { return Body::new() };
        if let Some(text) = &record.body {
            return body_read(text);
        }
        let history = self.set.history.get(key).map(Vec::as_slice).unwrap_or_default();
        let newest = history.iter().filter(|past| past.body.is_some()).max_by_key(|past| past.version);
        newest.and_then(|past| past.body.as_deref()).map(body_read).unwrap_or_default()
    }
}

/// A body from its canonical text.
fn body_read(text: &str) -> Body {
    serde_json::from_str(text).expect("the log holds objects that the engine itself has written")
}
