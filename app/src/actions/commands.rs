//! Commands to one device: sending and calling back. Plain form posts that answer with a redirect.

#![expect(missing_docs, reason = "the macro makes a type of the arguments, without documentation")]

use leptos::prelude::*;

/// Sends a command.
///
/// # Errors
/// When the fault is ours.
#[server(name = CommandSend, prefix = "/console", endpoint = "commands/send")]
pub async fn command_send(
    client: String,
    #[server(default)] kind: String,
    #[server(default)] mode: String,
    #[server(default)] interval: String,
    #[server(default)] rotate: String,
    #[server(default)] since: String,
    #[server(default)] reason: String,
) -> Result<(), ServerFnError> {
    let reason = reason.trim().to_owned();
    let draft = crate::pages::device::send::CommandDraft { kind, mode, interval, rotate, since, reason };
    crate::error::led_to(crate::pages::device::deeds::send(&crate::context::console(), &client, draft).await)
}

/// Calls a command back; one that a device is at only by force.
///
/// # Errors
/// When the fault is ours.
#[server(name = CommandCancel, prefix = "/console", endpoint = "commands/cancel")]
pub async fn command_cancel(
    id: String,
    client: String,
    #[server(default)] back: String,
    #[server(default)] force: String,
    #[server(default)] reason: String,
) -> Result<(), ServerFnError> {
    let force = !force.is_empty();
    let back = crate::pages::device::deeds::home(&id, &client, &back);
    crate::error::led_to(crate::pages::device::deeds::cancel(&crate::context::console(), &id, &back, force, reason.trim()).await)
}
