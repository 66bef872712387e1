//! Segmented control: links of which one is current. The state is in the URL, so it needs no script.

use leptos::prelude::*;

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Label.
    pub label: String,
    /// Address.
    pub href: String,
    /// Whether it is chosen.
    pub current: bool,
}

/// Segments in a row.
#[component]
pub fn Segmented(
    /// What they choose.
    #[prop(into)]
    label: String,
    /// Segments.
    segments: Vec<Segment>,
    /// The small size, for panel heads.
    #[prop(optional)]
    small: bool,
) -> impl IntoView {
    view! {
        <nav class="segmented" class:segmented-small=small aria-label=label>
            {segments
                .into_iter()
                .map(|segment| view! { <a href=segment.href aria-current=segment.current.then_some("true")>{segment.label}</a> })
                .collect_view()}
        </nav>
    }
    .into_any()
}
