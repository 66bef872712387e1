//! `GET /events`: server-sent events that carry positions, never data.

use serde::{Deserialize, Serialize};

/// First event of a stream (`event: hello`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Hello {
    /// Incarnation of the store.
    pub epoch: String,
    /// `primary` or `replica`.
    pub role: String,
    /// Seconds between heartbeats.
    pub heartbeat_s: u32,
}

/// Something the device may read has changed in these scopes (`event: invalidate`); something waits beside records of them, or is
/// settled (`event: conflict`); or they are not open to the device any more (`event: revoke`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ScopesNamed {
    /// Which.
    pub scopes: Vec<String>,
    /// Of `invalidate`: the collections that have changed there. Absent when that cannot be told: then it may be any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collections: Option<Vec<String>>,
    /// Position of the log.
    pub head: i64,
}

/// A collection is configured anew (`event: schema`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SchemaMoved {
    /// Position of the log.
    pub head: i64,
}

/// The server is about to close the stream (`event: bye`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Bye {
    /// When to come back, milliseconds.
    pub reconnect_after_ms: u64,
}
