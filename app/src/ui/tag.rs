//! Small labels: tag, dot, and the one-word verdict with its glyph.

use leptos::prelude::*;
use tidewatch_domain::fleet::Tone;

use super::glyph::Glyph;

/// A label in a box.
#[component]
pub fn Tag(
    /// Tone.
    tone: Tone,
    /// Text.
    #[prop(into)]
    text: String,
) -> impl IntoView {
    view! { <span class="tag" data-tone=tone.as_str()>{text}</span> }
}

/// A dot; decoration beside a word.
#[component]
pub fn Dot(
    /// Tone.
    tone: Tone,
) -> impl IntoView {
    view! { <span class="dot" data-tone=tone.as_str()></span> }
}

/// A one-word judgement: "Within SLO", "Rising".
#[component]
pub fn Verdict(
    /// Tone.
    tone: Tone,
    /// Word.
    #[prop(into)]
    text: String,
) -> impl IntoView {
    view! { <span class="verdict" data-tone=tone.as_str()><Glyph sign=tone/>{text}</span> }
}
