//! Views and tabs: links in a row, the current one marked. Counts are part of the label.

use leptos::prelude::*;
use tidewatch_domain::fleet::Tone;

use crate::format::count;

/// One view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewTab {
    /// Label.
    pub label: String,
    /// How many are behind it.
    pub count: Option<u64>,
    /// Tone of the count.
    pub tone: Option<Tone>,
    /// Address.
    pub href: String,
    /// Whether it is the one shown.
    pub current: bool,
}

/// Views in a row.
#[component]
pub fn Views(
    /// What they are views of, for assistive technology.
    #[prop(into)]
    label: String,
    /// Views.
    tabs: Vec<ViewTab>,
) -> impl IntoView {
    view! {
        <nav class="views" aria-label=label>
            {tabs
                .into_iter()
                .map(|tab| {
                    view! {
                        <a href=tab.href aria-current=tab.current.then_some("page")>
                            {tab.label}
                            {tab.count.map(|n| view! { " " <small data-tone=tab.tone.map(Tone::as_str)>{count(n)}</small> })}
                        </a>
                    }
                })
                .collect_view()}
        </nav>
    }
    .into_any()
}
