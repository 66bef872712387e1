//! The pages of the log: its rows, and the trace of one operation.

use super::Tone;
use crate::ids::{ClientId, Seq};
use crate::time::Millis;

/// One row of the change log, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRow {
    /// Position.
    pub seq: Seq,
    /// Committed at.
    pub committed: Millis,
    /// Collection; empty for control rows.
    pub collection: String,
    /// Record.
    pub record_id: String,
    /// Scope.
    pub scope: String,
    /// `create`, `update`, `put`, `delete`, `genesis`, …
    pub op: &'static str,
    /// Version of the record.
    pub version: i64,
    /// Names of the fields it touched.
    pub changed: Vec<String>,
    /// Who.
    pub client_id: Option<ClientId>,
    /// Name of the device, when it has one.
    pub device_name: Option<String>,
    /// Operation.
    pub operation_id: String,
    /// How it was decided: `applied`, `merged`, …
    pub decision: &'static str,
    /// Effective clock, `ms-counter-node`.
    pub hlc: String,
    /// Clock as claimed, when the skew clamp changed it.
    pub hlc_claimed: Option<String>,
}

/// Everything the store knows of one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Operation.
    pub operation_id: String,
    /// Device that made it.
    pub client_id: Option<ClientId>,
    /// Name of that device.
    pub device_name: Option<String>,
    /// Collection and record.
    pub subject: Option<(String, String)>,
    /// Scope.
    pub scope: Option<String>,
    /// Stages, oldest first.
    pub stages: Vec<TraceStage>,
    /// Final answer, e.g. `applied`; `None` while there is none.
    pub status: Option<String>,
    /// Body after the change with every value replaced by its type, JSON text.
    pub shape: Option<String>,
    /// Devices subscribed to its scope that have pulled past it, of all that are.
    pub pulled: Option<(u64, u64)>,
}

/// One stage of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceStage {
    /// When; `None` when only the order is known.
    pub at: Option<Millis>,
    /// `enqueued`, `attempt`, `received`, `deduplicated`, `validated`, `decided`, `committed`, `pulled`.
    pub stage: &'static str,
    /// Tone.
    pub tone: Tone,
    /// What happened.
    pub title: String,
    /// With what result.
    pub detail: String,
}
