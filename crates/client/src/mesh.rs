//! How an installation uses its mesh: a mode, a pause between broadcasts and a key that its neighbours must know. All of it is in the
//! journal, so that a restart forgets none of it.
//!
//! The radio is the app's: it asks [`crate::state::State::mesh`] what to do. The key never leaves the device on the way to the server.

use rand::RngCore;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidewatch_domain::control::{MESH_INTERVAL_MS_DEFAULT, MeshMode, MeshOrder};
use tidewatch_protocol::keys::bytes_written;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// How an installation uses its mesh.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mesh {
    mode: String,
    /// Time between two broadcasts.
    pub broadcast_interval_ms: i64,
    /// Counts keys: 1 is the first.
    pub key_revision: u64,
    key: String,
}

impl Mesh {
    /// With a first key.
    #[must_use]
    pub fn new(mode: MeshMode, broadcast_interval_ms: Option<i64>, rng: &mut dyn RngCore) -> Self {
        let broadcast_interval_ms = broadcast_interval_ms.unwrap_or(MESH_INTERVAL_MS_DEFAULT);
        Self { mode: mode.as_str().to_owned(), broadcast_interval_ms, key_revision: 1, key: key_drawn(rng) }
    }

    /// Mode; off when the journal was written by a version that knows further ones.
    #[must_use]
    pub fn mode(&self) -> MeshMode {
        MeshMode::parse(&self.mode).unwrap_or_default()
    }

    /// The key that neighbours must know, 32 bytes in base64.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What a command makes of it.
    pub(crate) fn ordered(before: Option<&Self>, order: MeshOrder, rng: &mut dyn RngCore) -> Self {
        let Some(before) = before else { return Self::new(order.mode, order.broadcast_interval_ms, rng) };
        let mut after = Self { mode: order.mode.as_str().to_owned(), ..before.clone() };
        after.broadcast_interval_ms = order.broadcast_interval_ms.unwrap_or(before.broadcast_interval_ms);
        if order.rotate_keys {
            (after.key, after.key_revision) = (key_drawn(rng), before.key_revision + 1);
        }
        after
    }

    /// What the server is told of it: everything but the key.
    pub(crate) fn facts(&self) -> Value {
        json!({
            "mode": self.mode().as_str(), "broadcast_interval_ms": self.broadcast_interval_ms, "key_revision": self.key_revision,
        })
    }
}

/// Says nothing of the key.
impl std::fmt::Debug for Mesh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mesh({})", self.facts())
    }
}

fn key_drawn(rng: &mut dyn RngCore) -> String {
    let mut key = [0; KEY_BYTES];
    rng.fill_bytes(&mut key);
    bytes_written(&key)
}
