//! Audit log: what people, tokens and the console itself did, newest first, by filter, with keyset pages and an export.
//! A refused filter answers 400 at its field.

pub mod table;
#[cfg(test)]
mod tests;

use http::StatusCode;
use leptos::prelude::*;
use tidewatch_domain::audit::AuditEvent;
use tidewatch_domain::filter::keys;
use tidewatch_domain::page::Page;
use tidewatch_domain::time::Millis;

use super::list::{Filtered, filtered, suggestions};
use super::loaded;
use super::params::{ListState, Params};
use crate::context::{Console, console};
use crate::error::answer_status;
use crate::icon::{Icon, IconName};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::FilterBar;
use crate::ui::pager::total_words;
use table::AuditTable;

/// The audit log.
#[component]
pub fn AuditPage() -> impl IntoView {
    let params = Params::here();
    loaded(async move {
        let query = ListState::parse(&params)?;
        if params.is_untidy() {
            leptos_axum::redirect(&address(&query));
        }
        let Console { service, cx, .. } = console();
        let list = filtered(service.audit_list(&cx, &query.filter, &query.position, query.rows).await)?;
        if list.is_err() {
            answer_status(StatusCode::BAD_REQUEST);
        }
        let as_of = list.is_ok().then_some(cx.now);
        Ok(view! { <Frame title="Audit" section=Section::Audit as_of><AuditView query list now=cx.now/></Frame> })
    })
}

/// Address of the audit log in this state.
pub(crate) fn address(query: &ListState) -> String {
    format!("{}{}", paths::AUDIT, query.print())
}

/// The page inside its frame.
#[component]
pub fn AuditView(
    /// State of the URL.
    query: ListState,
    /// The page, or what is wrong with the filter.
    list: Filtered<Page<AuditEvent>>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let sentence = match &list {
        Ok(page) if query.filter.is_empty() => {
            format!(
                "{}, newest first. Each row is chained to the one before it, so a missing one shows.",
                total_words(page.total, "action", "actions")
            )
        }
        Ok(page) => format!("{} match.", total_words(page.total, "action", "actions")),
        Err(_) => "What people, tokens and the console itself did.".to_owned(),
    };
    let problem = list.as_ref().err().cloned();
    let (state, export, readable) = (query.clone(), query.print_export(), problem.is_none());
    view! {
        <div class="page-head"><div><h1>"Audit"</h1><p>{sentence}</p></div></div>
        <div class="toolbar">
            <FilterBar
                action=paths::AUDIT filter=query.filter.clone() problem keep=query.kept()
                href=Callback::new(move |filter: String| address(&state.with_filter(filter)))
                placeholder="actor:user:maya, action:session_*, -actor:system" suggestions=suggestions(keys::AUDIT)
            />
            {readable.then(|| view! {
                <a class="btn" href=paths::export("audit", "csv", &export) download="" title="All matching actions as CSV"><Icon name=IconName::Download/>"CSV"</a>
                <a class="btn" href=paths::export("audit", "ndjson", &export) download="" title="All matching actions, one JSON object a line">"NDJSON"</a>
            })}
        </div>
        <AuditTable query list now/>
    }
    .into_any()
}
