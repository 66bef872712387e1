//! Pager of keyset pages: back, on, and how many there are in all. Totals are exact or say that they are not.

use leptos::prelude::*;
use tidewatch_domain::page::Total;

use super::{Icon, IconName};
use crate::format::count;

/// A total in words: `318 devices`, `more than 10,000 changes`.
#[must_use]
pub fn total_words(total: Total, one: &str, many: &str) -> String {
    match total {
        Total::Exact(1) => format!("1 {one}"),
        Total::Exact(n) => format!("{} {many}", count(n)),
        Total::AtLeast(n) => format!("more than {} {many}", count(n)),
        Total::Among { found, looked, .. } => format!("{} {many} in the newest {}", count(found), count(looked)),
    }
}

#[component]
fn KeyHint(ticks: bool) -> impl IntoView {
    let tick = ticks.then(|| view! { <kbd>"x"</kbd> " tick, " });
    view! { <span class="js-only wide-only">" · " <kbd>"j"</kbd> " " <kbd>"k"</kbd> " move, " {tick} <kbd>"Enter"</kbd> " open"</span> }
}

/// Foot of a list.
#[component]
pub fn Pager(
    /// What the list holds in all, e.g. from [`total_words`].
    #[prop(into)]
    summary: String,
    /// Address of the page before.
    previous: Option<String>,
    /// Address of the page after.
    next: Option<String>,
    /// Label of the link back: `Newer`, `Previous`.
    #[prop(default = "Previous")]
    back: &'static str,
    /// Label of the link on: `Older`, `Next`.
    #[prop(default = "Next")]
    on: &'static str,
    /// Whether the list has rows that the keys move through and open; the hint shows where the script is.
    #[prop(optional)]
    keys: bool,
    /// Whether its rows can be ticked by key.
    #[prop(optional)]
    ticks: bool,
) -> impl IntoView {
    let any = previous.is_some() || next.is_some();
    view! {
        <div class="panel-foot">
            <span>{summary}{keys.then(|| view! { <KeyHint ticks/> })}</span>
            {any.then(|| view! {
                <nav class="pager" aria-label="Pages">
                    {previous.map(|href| view! { <a class="btn btn-small" rel="prev" href=href><Icon name=IconName::Left/>{back}</a> })}
                    {next.map(|href| view! { <a class="btn btn-small" rel="next" href=href>{on}<Icon name=IconName::Right/></a> })}
                </nav>
            })}
        </div>
    }
}
