//! An id that can be copied. Shown cut in the middle; whole in its title and in the clipboard.

use leptos::prelude::*;

use super::{Icon, IconName};
use crate::format::id_short;

/// An id with its copy button. The button needs JavaScript and is absent without it.
#[component]
pub fn Id(
    /// Whole id.
    #[prop(into)]
    id: String,
    /// Where the id itself leads, if anywhere.
    #[prop(optional_no_strip)]
    href: Option<String>,
) -> impl IntoView {
    let short = id_short(&id);
    let text = match href {
        Some(href) => view! { <a href=href title=id.clone()>{short.clone()}</a> }.into_any(),
        None => view! { <span title=id.clone()>{short.clone()}</span> }.into_any(),
    };
    view! {
        <span class="id">
            {text}
            <button type="button" class="js-only" data-copy=id aria-label=format!("Copy {short}")><Icon name=IconName::Copy/></button>
        </span>
    }
}
