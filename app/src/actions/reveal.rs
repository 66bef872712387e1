//! Having a payload revealed: a plain form post that leads back to the entry, with or without JavaScript.

#![expect(missing_docs, reason = "the macro makes a type of the arguments, without documentation")]

use leptos::prelude::*;

/// Shows the payload of an entry to whoever asks for ten minutes. A refusal leads back with its reason, and reveals nothing.
///
/// # Errors
/// When it is our fault.
#[server(name = EntryReveal, prefix = "/console", endpoint = "outbox/reveal")]
pub async fn entry_reveal(client_id: String, operation_id: String, reason: String) -> Result<(), ServerFnError> {
    let target = match tidewatch_domain::ids::ClientId::parse(client_id) {
        Ok(client_id) => asked(&client_id, &operation_id, &reason).await?,
        Err(_) => crate::paths::OUTBOX_ENTRIES.to_owned(),
    };
    leptos_axum::redirect(&target);
    Ok(())
}

/// Where the form leads: the entry, and what was wrong.
#[cfg(feature = "ssr")]
async fn asked(client_id: &tidewatch_domain::ids::ClientId, operation_id: &str, reason: &str) -> Result<String, ServerFnError> {
    use tidewatch_service::Error;

    let console = crate::context::console();
    let notice = match console.service.entry_reveal(&console.cx, client_id, operation_id, reason).await {
        Ok(_) => "",
        Err(Error::Invalid { .. }) => "reason",
        Err(Error::Forbidden | Error::Unauthenticated) => "role",
        Err(Error::NotFound(_)) => "gone",
        Err(other) => return Err(crate::error::unanswered(other)),
    };
    let entry = crate::paths::outbox_entry(client_id, operation_id);
    Ok(format!("{}#h-payload", crate::paths::Query::new().with("notice", notice).on(&entry)))
}
