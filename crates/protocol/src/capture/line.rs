//! The shape of a line that holds a group.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::v1::mutations::{MutationProblem, MutationResult};

/// A group of batches.
#[derive(Serialize, Deserialize)]
pub(super) struct GroupLine {
    pub(super) before: LogLine,
    pub(super) after: LogLine,
    pub(super) collections: Vec<CollectionLine>,
    pub(super) records: Vec<RecordLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) history: Vec<PastLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) memory: Vec<MemoryLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) outcomes: Vec<OutcomeLine>,
    /// Collection, id, record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) aliases: Vec<(i64, String, String)>,
    /// Collection, hash in hex, the part that may differ, position, record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) anchors: Vec<(i64, String, i64, i64, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) standoffs: Vec<StandoffLine>,
    pub(super) batches: Vec<BatchLine>,
}

/// The running state of the log.
#[derive(Serialize, Deserialize)]
pub(super) struct LogLine {
    pub(super) head: i64,
    pub(super) chain: String,
    pub(super) clock: u64,
    pub(super) conflict_id: i64,
    pub(super) committed: i64,
}

/// A collection, and the revision that decided.
#[derive(Serialize, Deserialize)]
pub(super) struct CollectionLine {
    pub(super) key: i64,
    pub(super) name: String,
    pub(super) rev: i64,
}

/// A record.
#[derive(Serialize, Deserialize)]
pub(super) struct RecordLine {
    pub(super) collection: i64,
    pub(super) record_id: String,
    pub(super) scope: i64,
    pub(super) version: i64,
    pub(super) last_seq: i64,
    pub(super) ticks: u64,
    pub(super) node: String,
    pub(super) conflicted: bool,
    pub(super) client: i64,
    pub(super) client_id: String,
    pub(super) operation_id: String,
    /// Absent on a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) meta: Option<String>,
}

/// An older version of a record.
#[derive(Serialize, Deserialize)]
pub(super) struct PastLine {
    pub(super) collection: i64,
    pub(super) record_id: String,
    pub(super) version: i64,
    pub(super) body: Option<String>,
}

/// A remembered answer.
#[derive(Serialize, Deserialize)]
pub(super) struct MemoryLine {
    pub(super) client: i64,
    pub(super) key: String,
    pub(super) digest: String,
    pub(super) operation_id: String,
    pub(super) status: String,
    pub(super) seq: Option<i64>,
    pub(super) version: Option<i64>,
    pub(super) hlc: Option<String>,
    pub(super) extra: Option<String>,
    pub(super) record: Option<Value>,
}

/// A batch with its answers.
#[derive(Serialize, Deserialize)]
pub(super) struct BatchLine {
    pub(super) client: i64,
    pub(super) client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<String>,
    #[serde(default)]
    pub(super) role_rank: i64,
    /// Names and short names.
    pub(super) scopes: Vec<(String, i64)>,
    pub(super) now: i64,
    /// Of intents that name none.
    pub(super) schema_version: i64,
    pub(super) intents: Vec<Box<RawValue>>,
    /// Those that never came to a decision, by their place, with their problem.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) invalid: Vec<(usize, MutationProblem)>,
    #[serde(default, skip_serializing_if = "RulesLine::is_plain")]
    pub(super) rules: RulesLine,
    pub(super) results: Vec<MutationResult>,
    /// The code by which the batch was refused as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
}

/// What a batch asked for as a whole.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RulesLine {
    #[serde(default)]
    pub(super) atomic: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unchanged_since: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) if_match: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sequence: Option<i64>,
    #[serde(default)]
    pub(super) ack_floor: i64,
}

impl RulesLine {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// What waits beside a record, or did.
#[derive(Serialize, Deserialize)]
pub(super) struct StandoffLine {
    pub(super) collection: i64,
    pub(super) record_id: String,
    pub(super) conflict: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) branch: Option<String>,
    pub(super) open: bool,
    /// Who asked for approval, with the rank.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asked: Option<(i64, i64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fields: Option<Vec<String>>,
}

/// What became of an operation that others depend on.
#[derive(Serialize, Deserialize)]
pub(super) struct OutcomeLine {
    pub(super) client: i64,
    pub(super) operation_id: String,
    pub(super) stands: bool,
}
