//! Panel: a ruled sheet with a head of title, one-line note and actions.

use leptos::prelude::*;

/// A panel. Its title names it for assistive technology too.
#[component]
pub fn Panel(
    /// Id of the heading, unique on the page.
    id: &'static str,
    /// Title.
    #[prop(into)]
    title: String,
    /// One-line note beside the title.
    #[prop(optional, into)]
    note: String,
    /// No rule under the head.
    #[prop(optional)]
    plain: bool,
    /// What stands at the end of the head: a link, a legend, a tag.
    #[prop(optional, into)]
    end: ViewFnOnce,
    /// Body, with its own `panel-body` where it wants padding.
    children: Children,
) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby=id>
            <div class="panel-head" class:panel-head-plain=plain>
                <h2 id=id>{title}</h2>
                {(!note.is_empty()).then(|| view! { <p>{note}</p> })}
                {end.run()}
            </div>
            {children()}
        </section>
    }
    .into_any()
}

/// Foot of a panel: a sentence at the start, links or a pager at the end.
#[component]
pub fn PanelFoot(
    /// Content.
    children: Children,
) -> impl IntoView {
    view! { <div class="panel-foot">{children()}</div> }
}
