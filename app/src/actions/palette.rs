//! What the palette finds for what was typed: devices, and the trace of an operation id.

#![expect(missing_docs, reason = "the macro makes a type of the arguments, without documentation")]

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaletteHit {
    /// Group it stands under.
    pub group: String,
    /// Sprite name of its icon.
    pub icon: String,
    /// Tone of the icon; empty for none.
    pub tone: String,
    /// Name.
    pub label: String,
    /// What is the matter with it.
    pub note: String,
    /// Where it leads.
    pub href: String,
}

/// Looks for devices by name, and offers the trace when the text can be an operation id.
///
/// # Errors
/// When nobody is signed in, or the store does not answer.
#[server(name = PaletteSearch, prefix = "/console", endpoint = "palette/search")]
pub async fn palette_search(typed: String) -> Result<Vec<PaletteHit>, ServerFnError> {
    let console = crate::context::console();
    crate::pages::palette::hits(&console, &typed).await.map_err(|error| {
        crate::error::answer_status(crate::error::status(&error));
        ServerFnError::new(crate::error::words(&error).0)
    })
}
