//! What the forms of the commands tab do: read what they sent, ask the service, and say where to go on.

use tidewatch_domain::control::{COMMAND_TTL_MS, CommandKind, Order, ResyncMode, WalWanted};
use tidewatch_domain::ids::ClientId;
use tidewatch_service::control::CommandOrder;
use tidewatch_service::{Error, Result};

use crate::context::Console;
use crate::pages::outbox::deeds::back_with;
use crate::pages::outbox::notice::notice;
use crate::paths;

/// Urgency of what a person sends: after the first, before what can wait.
const PRIORITY: i64 = 2;

/// What a kind means when a person sends it from here; none for those that start elsewhere.
fn order(kind: CommandKind) -> Option<Order> {
    match kind {
        CommandKind::UploadWal => Some(Order::UploadWal { wanted: WalWanted::All, redact: false }),
        CommandKind::Resync => Some(Order::Resync { scopes: Vec::new(), mode: ResyncMode::Escrow }),
        CommandKind::RefreshPolicy => Some(Order::RefreshPolicy),
        CommandKind::Drain | CommandKind::Mesh | CommandKind::UploadLogs => None,
    }
}

/// Sends a command.
///
/// # Errors
/// When the fault is ours, or nobody is signed in.
pub async fn send(console: &Console, client: &str, kind: &str, reason: &str) -> Result<String> {
    let Ok(client_id) = ClientId::parse(client) else { return Ok(back_with(paths::DEVICES, "gone")) };
    let back = paths::Query::new().with("kind", kind).with("reason", reason).on(&paths::device_commands(&client_id));
    let done = paths::device_commands(&client_id);
    let Some(order) = CommandKind::parse(kind).and_then(order) else { return Ok(back_with(&back, "kind")) };
    let order = CommandOrder { client_id, order, priority: PRIORITY, ttl_ms: COMMAND_TTL_MS, supersede_key: None };
    led(console.service.command_issue(&console.cx, order, reason).await.map(|_| ()), &done, &back)
}

/// Calls a command back.
///
/// # Errors
/// When the fault is ours, or nobody is signed in.
pub async fn cancel(console: &Console, id: &str, client: &str, force: bool, reason: &str) -> Result<String> {
    let back = ClientId::parse(client).map_or_else(|_| paths::DEVICES.to_owned(), |client_id| paths::device_commands(&client_id));
    led(console.service.command_cancel(&console.cx, id, force, reason).await.map(|_| ()), &back, &back)
}

/// On when it was done, back with a word and what was written when it was not.
fn led(result: Result<()>, done: &str, back: &str) -> Result<String> {
    match result {
        Ok(()) => Ok(done.to_owned()),
        Err(error @ (Error::Internal(_) | Error::Unauthenticated)) => Err(error),
        Err(error) => Ok(back_with(back, notice(&error))),
    }
}
