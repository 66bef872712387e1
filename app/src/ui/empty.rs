//! Empty: a panel with nothing in it says which kind of nothing, and what comes next.

use leptos::prelude::*;
use tidewatch_domain::fleet::Tone;

use super::glyph::{Glyph, Sign};
use super::{Icon, IconName};

/// Why a panel is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// None yet; the next step follows.
    NoneYet,
    /// None match the filter.
    NoMatch,
    /// None, because all is well.
    Healthy,
}

/// The words of an empty panel.
#[component]
pub fn Empty(
    /// Why.
    reason: Reason,
    /// In words.
    #[prop(into)]
    title: String,
    /// What it means, one sentence.
    #[prop(optional, into)]
    text: String,
    /// The one next step.
    #[prop(optional, into)]
    action: ViewFnOnce,
) -> impl IntoView {
    let (tone, sign) = match reason {
        Reason::NoneYet => (Tone::Idle, view! { <Glyph sign=Sign::Unknown/> }.into_any()),
        Reason::NoMatch => (Tone::Idle, view! { <Icon name=IconName::Filter/> }.into_any()),
        Reason::Healthy => (Tone::Good, view! { <Glyph sign=Sign::Converged/> }.into_any()),
    };
    view! {
        <div class="empty">
            <span data-tone=tone.as_str()>{sign}</span>
            <b>{title}</b>
            <p>{text}</p>
            {action.run()}
        </div>
    }
}
