//! Banner: page-level trouble, at most one per page; carries its actions.

use leptos::prelude::*;
use tidewatch_domain::fleet::Tone;

use super::glyph::Glyph;

/// A banner. Announced when it is trouble that someone must act on.
#[component]
pub fn Banner(
    /// Tone.
    tone: Tone,
    /// What is the matter.
    #[prop(into)]
    title: String,
    /// What it means and what comes next.
    #[prop(optional, into)]
    text: String,
    /// Buttons.
    #[prop(optional, into)]
    actions: ViewFnOnce,
) -> impl IntoView {
    let role = if tone == Tone::Act { "alert" } else { "status" };
    view! {
        <div class="banner" role=role data-tone=tone.as_str()>
            <Glyph sign=tone/>
            <div><b>{title}</b>{(!text.is_empty()).then(|| view! { <p>{text}</p> })}</div>
            <div class="btn-row">{actions.run()}</div>
        </div>
    }
}
