//! How a device uses its mesh, and the command that changes it.

use serde_json::{Map, Value, json};

use super::order::{OrderError, fault};
use crate::time::{HOUR_MS, SECOND_MS};

/// Shortest time between two broadcasts: radio and battery have to rest.
pub const MESH_INTERVAL_MS_MIN: i64 = SECOND_MS;
/// Longest time between two broadcasts: beyond it neighbours count as gone.
pub const MESH_INTERVAL_MS_MAX: i64 = HOUR_MS;
/// Time between two broadcasts of a device that was never told one.
pub const MESH_INTERVAL_MS_DEFAULT: i64 = 30 * SECOND_MS;

/// How a device uses its mesh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MeshMode {
    /// It passes on what comes from others.
    MultiHop,
    /// It speaks with its neighbours alone.
    SingleHop,
    /// Not at all.
    #[default]
    Off,
}

impl MeshMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::MultiHop, Self::SingleHop, Self::Off];

    /// As the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MultiHop => "multi_hop",
            Self::SingleHop => "single_hop",
            Self::Off => "off",
        }
    }

    /// Reads what [`MeshMode::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// What a `mesh` command wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeshOrder {
    /// The mode that the device is to report.
    pub mode: MeshMode,
    /// Time between two broadcasts, [`MESH_INTERVAL_MS_MIN`] to [`MESH_INTERVAL_MS_MAX`]; the device keeps its own without it.
    pub broadcast_interval_ms: Option<i64>,
    /// Whether it is to make itself a new key.
    pub rotate_keys: bool,
}

impl MeshOrder {
    pub(super) fn read(args: &Map<String, Value>) -> Result<Self, OrderError> {
        let mode = args.get("mode").and_then(Value::as_str).and_then(MeshMode::parse);
        let mode = mode.ok_or_else(|| fault("args.mode", "must be multi_hop, single_hop or off"))?;
        let bounds = MESH_INTERVAL_MS_MIN..=MESH_INTERVAL_MS_MAX;
        let broadcast_interval_ms = match args.get("broadcast_interval_ms").filter(|value| !value.is_null()) {
            None => None,
            Some(value) => Some(value.as_i64().filter(|ms| bounds.contains(ms)).ok_or_else(|| {
                let detail = format!("must be an integer within {MESH_INTERVAL_MS_MIN} and {MESH_INTERVAL_MS_MAX}");
                fault("args.broadcast_interval_ms", detail)
            })?),
        };
        let rotate_keys = match args.get("rotate_keys").filter(|value| !value.is_null()) {
            None => false,
            Some(value) => value.as_bool().ok_or_else(|| fault("args.rotate_keys", "must be true or false"))?,
        };
        Ok(Self { mode, broadcast_interval_ms, rotate_keys })
    }

    pub(super) fn args(self) -> Value {
        let mut args = json!({ "mode": self.mode.as_str(), "rotate_keys": self.rotate_keys });
        if let Some(ms) = self.broadcast_interval_ms {
            args["broadcast_interval_ms"] = json!(ms);
        }
        args
    }
}
