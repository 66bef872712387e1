//! The control channel (`control.md` 4): commands to devices, what devices say of them, the keys that sign, and intents in escrow.
//!
//! A signature covers the canonical JSON (RFC 8785) of the command without `sig`, so a device checks exactly what it reads.

mod logs;
mod read;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidewatch_domain::control::Command;
use tidewatch_domain::ids::ClientId;

use crate::keys;
use crate::timestamp::Timestamp;

pub use logs::{LogLineEntry, LogsAnswered, log_lines_read, log_lines_written};
pub use read::{CommandRequestRead, EscrowRead, command_request_read, escrow_line_read, status_report_read};

/// One command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CommandEntry {
    /// Id; obey each once.
    pub id: String,
    /// The device that it is for; not to be obeyed by any other.
    pub client_id: String,
    /// `drain`, `upload_wal`, `resync`, `refresh_policy`, `mesh`, `upload_logs`. Answer `failed` with the code `unknown_kind` to any other.
    pub kind: String,
    /// Its arguments.
    #[schema(value_type = Object)]
    pub args: Value,
    /// 1 (first) to 5.
    pub priority: i64,
    /// Made at.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Not to be begun after.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// A newer command with the same key takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersede_key: Option<String>,
    /// Why.
    pub reason: String,
    /// Key that signed it, as `GET /control/keys` names it.
    pub kid: String,
    /// Ed25519 signature in base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sig: String,
}

impl CommandEntry {
    /// A command for a device, not signed yet.
    ///
    /// # Errors
    /// When its arguments are not JSON.
    pub fn unsigned(command: Command, client_id: &ClientId, kid: &str) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id: command.id,
            client_id: client_id.to_string(),
            kind: command.kind.as_str().to_owned(),
            args: serde_json::from_str(&command.args)?,
            priority: command.priority,
            created_at: Timestamp(command.created),
            expires_at: Timestamp(command.expires),
            supersede_key: command.supersede_key,
            reason: command.reason,
            kid: kid.to_owned(),
            sig: String::new(),
        })
    }

    /// The bytes that its signature covers.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let value = serde_json::to_value(self).expect("a command is JSON");
        command_bytes(&value)
    }

    /// With its signature.
    #[must_use]
    pub fn signed(mut self, signature: &[u8; 64]) -> Self {
        self.sig = keys::bytes_written(signature);
        self
    }
}

/// The bytes of a command as it came that its signature covers: members that this version does not know are among them.
#[must_use]
pub fn command_bytes(command: &Value) -> Vec<u8> {
    let mut bare = command.clone();
    if let Value::Object(members) = &mut bare {
        members.remove("sig");
    }
    tidewatch_domain::json::value_text(&bare).into_bytes()
}

/// The bytes with which one key vouches for the next.
#[must_use]
pub fn key_bytes(kid: &str, public_key: &[u8; 32], created_at: Timestamp) -> Vec<u8> {
    let next = serde_json::json!({ "kid": kid, "public_key": keys::bytes_written(public_key), "created_at": created_at });
    tidewatch_domain::json::value_text(&next).into_bytes()
}

/// What a device is to hold in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolicyEntry {
    /// Revision of the configuration of collections; it only grows.
    pub collections_revision: i64,
}

/// The answer to a poll.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CommandsAnswered {
    /// Most urgent first, at most 50.
    pub commands: Vec<CommandEntry>,
    /// What the device is to hold in force.
    pub policy: PolicyEntry,
    /// Server clock.
    #[schema(value_type = String, format = DateTime)]
    pub server_time: Timestamp,
}

/// What a device says of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CommandStatusRequest {
    /// `running`, `done`, `failed`.
    pub state: String,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressEntry>,
    /// What came of it; of `drain`: `{"entries": [{"operation_id", "outcome": "ok|not_found|refused", "code", "detail"}]}`; of `mesh`:
    /// `{"mode"}`, the mode that the device uses now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub result: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<CommandFailure>,
}

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProgressEntry {
    /// Done.
    pub done: u64,
    /// Of these.
    pub total: u64,
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CommandFailure {
    /// For programs.
    pub code: String,
    /// Words.
    pub message: String,
}

/// Where a command stands after a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CommandStatusAnswered {
    /// Which.
    pub id: String,
    /// Its state now. Anything but the reported one means: stop, it is no longer wanted.
    pub state: String,
}

/// A key that signs commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ControlKeyEntry {
    /// Its name.
    pub kid: String,
    /// `ed25519`.
    pub alg: String,
    /// The 32 bytes in base64.
    pub public_key: String,
    /// Signs since.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The key before it, which vouches for it; absent on the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// With this signature, over the canonical JSON of `kid`, `public_key` and `created_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig: Option<String>,
}

/// `GET /control/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ControlKeysAnswered {
    /// Oldest first; the last one signs.
    pub keys: Vec<ControlKeyEntry>,
}

/// An intent in escrow that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EscrowRefused {
    /// Line of the body, from 1.
    pub line: u64,
    /// Which operation, as far as it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
    /// Problem code.
    pub code: String,
    /// Words; names the member.
    pub detail: String,
}

/// The answer to an upload in escrow. Whatever is not named is kept, durably.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EscrowAnswered {
    /// Kept now.
    pub stored: u64,
    /// Were kept before, the same.
    pub duplicates: u64,
    /// Operations that have a final answer already, so that there is nothing to keep.
    pub settled: Vec<String>,
    /// Not kept: the device must not let go of them.
    pub refused: Vec<EscrowRefused>,
}

/// Commands wait for the device (`event: command`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CommandHint {
    /// How many are open.
    pub waiting: u32,
}

/// A command that staff gives a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CommandRequest {
    /// `upload_wal`, `resync`, `refresh_policy`, `mesh`, `upload_logs`; entries are drained at `/api/v1/outbox/drain`.
    pub kind: String,
    /// Its arguments; `{}` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub args: Option<Value>,
    /// 1 (first) to 5; 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// How long it waits for the device, seconds: a minute to thirty days, three days when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<i64>,
    /// Takes the place of an older command with the same key that was not handed over; when absent the
    /// kind, and what it names: one list of operations does not stand for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersede_key: Option<String>,
    /// Why, 8 to 500 characters.
    pub reason: String,
}

#[cfg(test)]
mod tests;
