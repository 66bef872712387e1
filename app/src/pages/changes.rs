//! Log explorer: every change, newest first, by filter, with keyset pages and an export. A refused filter answers 400 at its field.

pub mod table;
#[cfg(test)]
mod tests;

use http::StatusCode;
use leptos::prelude::*;
use tidewatch_domain::filter::keys;
use tidewatch_domain::fleet::ChangeRow;
use tidewatch_domain::page::Page;
use tidewatch_domain::time::Millis;

use super::list::{Filtered, filtered, suggestions};
use super::loaded;
use super::params::{ListState, Params};
use crate::context::{Console, console};
use crate::error::answer_status;
use crate::icon::{Icon, IconName};
use crate::pages::trace::OperationSearch;
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::FilterBar;
use crate::ui::pager::total_words;
use table::ChangeTable;

/// The log explorer.
#[component]
pub fn ChangesPage() -> impl IntoView {
    let params = Params::here();
    loaded(async move {
        let query = ListState::parse(&params)?;
        if params.is_untidy() {
            leptos_axum::redirect(&address(&query));
        }
        let Console { service, cx, .. } = console();
        let list = filtered(service.changes_list(&cx, &query.filter, &query.position, query.rows).await)?;
        if list.is_err() {
            answer_status(StatusCode::BAD_REQUEST);
        }
        let as_of = list.is_ok().then_some(cx.now);
        Ok(view! { <Frame title="Changes" section=Section::Changes as_of><ChangesView query list now=cx.now/></Frame> })
    })
}

/// Address of the log explorer in this state.
pub(crate) fn address(query: &ListState) -> String {
    format!("{}{}", paths::CHANGES, query.print())
}

/// The page inside its frame.
#[component]
pub fn ChangesView(
    /// State of the URL.
    query: ListState,
    /// The page, or what is wrong with the filter.
    list: Filtered<Page<ChangeRow>>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let sentence = match &list {
        Ok(page) if query.filter.is_empty() => format!(
            "{}, newest first: what the store has committed, and who sent it.",
            total_words(page.total, "change", "changes")
        ),
        Ok(page) => format!("{} match.", total_words(page.total, "change", "changes")),
        Err(_) => "What the store has committed, and who sent it.".to_owned(),
    };
    view! {
        <div class="page-head"><div><h1>"Changes"</h1><p>{sentence}</p></div><div class="page-actions"><OperationSearch typed=String::new()/></div></div>
        <Toolbar query=query.clone() problem=list.as_ref().err().cloned()/>
        <ChangeTable query list now/>
    }
    .into_any()
}

#[component]
fn Toolbar(query: ListState, problem: Option<String>) -> impl IntoView {
    let (state, export, readable) = (query.clone(), query.print_export(), problem.is_none());
    view! {
        <div class="toolbar">
            <FilterBar
                action=paths::CHANGES filter=query.filter.clone() problem keep=query.kept()
                href=Callback::new(move |filter: String| address(&state.with_filter(filter)))
                placeholder="collection:inspections, -op:delete, scope:building:42, seq:>=1000" suggestions=suggestions(keys::CHANGES)
            />
            {readable.then(|| view! {
                <a class="btn" href=paths::export("changes", "csv", &export) download="" title="All matching changes as CSV"><Icon name=IconName::Download/>"CSV"</a>
                <a class="btn" href=paths::export("changes", "ndjson", &export) download="" title="All matching changes, one JSON object a line">"NDJSON"</a>
            })}
        </div>
    }
    .into_any()
}
