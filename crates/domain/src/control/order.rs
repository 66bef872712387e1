//! The arguments of a command as both sides read them: whoever gives it, and the client that obeys.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{CommandKind, DRAIN_ENTRIES_MAX, MeshOrder};
use crate::drain::DrainAction;
use crate::ids::{OperationId, Scope};
use crate::time::Millis;

/// Most operations, and most scopes, that one command names.
const NAMED_MAX: usize = 1_000;
/// Most bytes of a patch of one entry.
pub const PATCH_BYTES_MAX: usize = 64 * 1024;

/// A member of the arguments at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct OrderError {
    /// Its path, e.g. `args.entries[2].action`.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

pub(super) fn fault(field: impl Into<String>, detail: impl Into<String>) -> OrderError {
    OrderError { field: field.into(), detail: detail.into() }
}

/// What to do with one entry.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryOrder {
    /// Which.
    pub operation_id: OperationId,
    /// What.
    pub action: DrainAction,
    /// Of [`DrainAction::Patch`]: operations over its fields ([`crate::patch::corrected`]).
    pub patch: Option<Value>,
}

/// Which payloads are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalWanted {
    /// All of them.
    All,
    /// Of these operations.
    Operations(Vec<OperationId>),
}

/// What becomes of what a device has not sent when it takes a fresh copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResyncMode {
    /// It is uploaded first and kept here.
    Escrow,
    /// The device refuses while anything waits.
    RefuseIfPending,
}

impl ResyncMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Escrow, Self::RefuseIfPending];

    /// As the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Escrow => "escrow",
            Self::RefuseIfPending => "refuse_if_pending",
        }
    }
}

/// A command's arguments, read.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Take entries out of the way.
    Drain(Vec<EntryOrder>),
    /// Send payloads; `redact` asks for the names of fields without their values.
    UploadWal {
        /// Which.
        wanted: WalWanted,
        /// Without values.
        redact: bool,
    },
    /// Take a fresh copy.
    Resync {
        /// Scopes; all of the device when there are none.
        scopes: Vec<Scope>,
        /// What becomes of what waits.
        mode: ResyncMode,
    },
    /// Fetch what the server has configured.
    RefreshPolicy,
    /// Use the mesh another way.
    Mesh(MeshOrder),
    /// Send the lines of its log.
    UploadLogs {
        /// From when on; all that it has without it.
        since: Option<Millis>,
    },
}

impl Order {
    /// Reads the arguments of a command.
    ///
    /// # Errors
    /// The member at fault.
    pub fn read(kind: CommandKind, args: &Value) -> Result<Self, OrderError> {
        let args = args.as_object().ok_or_else(|| fault("args", "must be an object"))?;
        let known: &[&str] = match kind {
            CommandKind::Drain => &["entries"],
            CommandKind::UploadWal => &["operation_ids", "redact"],
            CommandKind::Resync => &["scopes", "mode"],
            CommandKind::RefreshPolicy => &[],
            CommandKind::Mesh => &["mode", "broadcast_interval_ms", "rotate_keys"],
            CommandKind::UploadLogs => &["since"],
        };
        if let Some(unknown) = args.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(fault(format!("args.{unknown}"), format!("is no argument of `{}`", kind.as_str())));
        }
        match kind {
            CommandKind::Drain => entries_read(args).map(Self::Drain),
            CommandKind::UploadWal => Ok(Self::UploadWal { wanted: wanted_read(args)?, redact: redact_read(args)? }),
            CommandKind::Resync => Ok(Self::Resync { scopes: scopes_read(args)?, mode: mode_read(args)? }),
            CommandKind::RefreshPolicy => Ok(Self::RefreshPolicy),
            CommandKind::Mesh => MeshOrder::read(args).map(Self::Mesh),
            CommandKind::UploadLogs => Ok(Self::UploadLogs { since: since_read(args)? }),
        }
    }

    /// Which kind it is of.
    #[must_use]
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::Drain(_) => CommandKind::Drain,
            Self::UploadWal { .. } => CommandKind::UploadWal,
            Self::Resync { .. } => CommandKind::Resync,
            Self::RefreshPolicy => CommandKind::RefreshPolicy,
            Self::Mesh(_) => CommandKind::Mesh,
            Self::UploadLogs { .. } => CommandKind::UploadLogs,
        }
    }

    /// Under which key a newer order takes the place of an older one: its kind, and with it what it names, as one list does not stand for
    /// another. None for a drain, which stands for no other.
    #[must_use]
    pub fn supersede_key(&self) -> Option<String> {
        let kind = self.kind();
        match self {
            Self::Drain(_) => None,
            Self::UploadWal { wanted: WalWanted::All, redact: false } => Some(kind.as_str().to_owned()),
            Self::UploadWal { wanted: WalWanted::All, redact: true } => Some(told_apart(kind, "shapes")),
            Self::UploadWal { wanted: WalWanted::Operations(ids), redact } => {
                let mut ids: Vec<&str> = ids.iter().map(OperationId::as_str).collect();
                ids.sort_unstable();
                Some(told_apart(kind, &format!("{redact} {}", ids.join(" "))))
            }
            Self::Resync { scopes, .. } if !scopes.is_empty() => {
                let mut scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
                scopes.sort_unstable();
                Some(told_apart(kind, &scopes.join(" ")))
            }
            Self::UploadLogs { since: Some(since) } => Some(told_apart(kind, &since.to_string())),
            Self::Resync { .. } | Self::RefreshPolicy | Self::Mesh(_) | Self::UploadLogs { since: None } => {
                Some(kind.as_str().to_owned())
            }
        }
    }

    /// The arguments as the wire has them.
    #[must_use]
    pub fn args(&self) -> Value {
        match self {
            Self::Drain(entries) => json!({ "entries": entries.iter().map(entry_written).collect::<Vec<_>>() }),
            Self::UploadWal { wanted: WalWanted::All, redact } => json!({ "operation_ids": "all", "redact": redact }),
            Self::UploadWal { wanted: WalWanted::Operations(ids), redact } => {
                json!({ "operation_ids": ids.iter().map(OperationId::as_str).collect::<Vec<_>>(), "redact": redact })
            }
            Self::Resync { scopes, mode } if scopes.is_empty() => json!({ "scopes": "all", "mode": mode.as_str() }),
            Self::Resync { scopes, mode } => {
                json!({ "scopes": scopes.iter().map(Scope::as_str).collect::<Vec<_>>(), "mode": mode.as_str() })
            }
            Self::RefreshPolicy | Self::UploadLogs { since: None } => json!({}),
            Self::Mesh(order) => order.args(),
            Self::UploadLogs { since: Some(since) } => json!({ "since": since.to_string() }),
        }
    }
}

/// Eight hex digits of what sets an order apart from others of its kind.
fn told_apart(kind: CommandKind, by: &str) -> String {
    format!("{}:{}", kind.as_str(), hex::encode(&Sha256::digest(by.as_bytes())[..4]))
}

fn entry_written(entry: &EntryOrder) -> Value {
    let mut written = json!({ "operation_id": entry.operation_id.as_str(), "action": entry.action.as_str() });
    if let Some(patch) = &entry.patch {
        written["patch"] = json!({ "json_patch": patch });
    }
    written
}

fn entries_read(args: &Map<String, Value>) -> Result<Vec<EntryOrder>, OrderError> {
    let items = args.get("entries").and_then(Value::as_array).ok_or_else(|| fault("args.entries", "must be an array"))?;
    if items.is_empty() || items.len() > DRAIN_ENTRIES_MAX {
        return Err(fault("args.entries", format!("must have 1 to {DRAIN_ENTRIES_MAX} items")));
    }
    let mut entries: Vec<EntryOrder> = Vec::with_capacity(items.len());
    let mut seen = std::collections::HashSet::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let entry = entry_read(&format!("args.entries[{at}]"), item)?;
        if !seen.insert(entry.operation_id.clone()) {
            return Err(fault(format!("args.entries[{at}].operation_id"), "stands there twice"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry_read(path: &str, item: &Value) -> Result<EntryOrder, OrderError> {
    let text =
        |name: &str| item.get(name).and_then(Value::as_str).ok_or_else(|| fault(format!("{path}.{name}"), "must be a string"));
    let operation_id =
        OperationId::parse(text("operation_id")?).map_err(|error| fault(format!("{path}.operation_id"), error.to_string()))?;
    let action = DrainAction::parse(text("action")?).filter(|action| *action != DrainAction::Restore);
    let action = action
        .ok_or_else(|| fault(format!("{path}.action"), "must be retry, hold, skip, patch, to_conflict, quarantine or discard"))?;
    let patch = item.get("patch").filter(|patch| !patch.is_null());
    let patch = match (action, patch) {
        (DrainAction::Patch, Some(patch)) => Some(patch_read(path, patch)?),
        (DrainAction::Patch, None) => return Err(fault(format!("{path}.patch"), "is required by the action `patch`")),
        (_, None) => None,
        (_, Some(_)) => return Err(fault(format!("{path}.patch"), "belongs to the action `patch`")),
    };
    Ok(EntryOrder { operation_id, action, patch })
}

fn patch_read(path: &str, patch: &Value) -> Result<Value, OrderError> {
    let field = || format!("{path}.patch.json_patch");
    let operations = patch.get("json_patch").or(Some(patch)).filter(|operations| operations.is_array());
    let operations = operations.ok_or_else(|| fault(field(), "must be an array of operations of RFC 6902"))?;
    if operations.to_string().len() > PATCH_BYTES_MAX {
        return Err(fault(field(), format!("must have at most {PATCH_BYTES_MAX} bytes")));
    }
    Ok(operations.clone())
}

fn wanted_read(args: &Map<String, Value>) -> Result<WalWanted, OrderError> {
    match args.get("operation_ids") {
        Some(Value::String(all)) if all == "all" => Ok(WalWanted::All),
        Some(Value::Array(items)) if (1..=NAMED_MAX).contains(&items.len()) => {
            let read = |(at, item): (usize, &Value)| {
                let field = || format!("args.operation_ids[{at}]");
                let text = item.as_str().ok_or_else(|| fault(field(), "must be a string"))?;
                OperationId::parse(text).map_err(|error| fault(field(), error.to_string()))
            };
            items.iter().enumerate().map(read).collect::<Result<_, _>>().map(WalWanted::Operations)
        }
        _ => Err(fault("args.operation_ids", format!("must be \"all\" or a list of 1 to {NAMED_MAX} operation ids"))),
    }
}

fn since_read(args: &Map<String, Value>) -> Result<Option<Millis>, OrderError> {
    match args.get("since") {
        None | Some(Value::Null) => Ok(None),
        Some(since) => match since.as_str().and_then(Millis::parse_rfc3339) {
            Some(since) => Ok(Some(since)),
            None => Err(fault("args.since", "must be an RFC 3339 timestamp")),
        },
    }
}

fn redact_read(args: &Map<String, Value>) -> Result<bool, OrderError> {
    match args.get("redact") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(redact)) => Ok(*redact),
        Some(_) => Err(fault("args.redact", "must be true or false")),
    }
}

fn scopes_read(args: &Map<String, Value>) -> Result<Vec<Scope>, OrderError> {
    match args.get("scopes") {
        Some(Value::String(all)) if all == "all" => Ok(Vec::new()),
        Some(Value::Array(items)) if (1..=NAMED_MAX).contains(&items.len()) => {
            let read = |(at, item): (usize, &Value)| {
                let field = || format!("args.scopes[{at}]");
                let text = item.as_str().ok_or_else(|| fault(field(), "must be a string"))?;
                Scope::parse(text).map_err(|error| fault(field(), error.to_string()))
            };
            items.iter().enumerate().map(read).collect()
        }
        _ => Err(fault("args.scopes", format!("must be \"all\" or a list of 1 to {NAMED_MAX} scopes"))),
    }
}

fn mode_read(args: &Map<String, Value>) -> Result<ResyncMode, OrderError> {
    let mode = args.get("mode").and_then(Value::as_str);
    let mode = ResyncMode::ALL.into_iter().find(|known| Some(known.as_str()) == mode);
    mode.ok_or_else(|| fault("args.mode", "must be escrow or refuse_if_pending"))
}
