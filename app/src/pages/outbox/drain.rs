//! Draining: a frozen set with its dry run, and the correction that is written before one is frozen.

pub mod breakdown;
pub mod dialog;
pub mod diff;
pub mod field;
pub mod form;
pub mod members;
pub mod patch;
pub mod query;
#[cfg(test)]
mod tests;
pub mod words;

use http::StatusCode;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use serde_json::Value;
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::fleet::DrainPreview;
use tidewatch_domain::role::Role;
use tidewatch_domain::time::Millis;
use tidewatch_service::Error;

use crate::context::{Console, console};
use crate::error::answer_status;
use crate::pages::loaded;
use crate::pages::params::Params;
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::Empty;
use crate::ui::empty::Reason;
use breakdown::{Breakdowns, Sample};
use dialog::Dialog;
use diff::{Trial, Trials};
use query::DialogQuery;

/// A frozen set.
#[component]
pub fn DrainSetPage() -> impl IntoView {
    let set = use_params_map().with_untracked(|map| map.get("set")).unwrap_or_default();
    let query = DialogQuery::parse(&Params::here());
    loaded(async move {
        let Console { service, cx, .. } = console();
        let preview = match service.drain_preview_view(&cx, &set).await {
            Ok(preview) => preview,
            Err(Error::NotFound(_)) => {
                answer_status(StatusCode::NOT_FOUND);
                return Ok(
                    view! { <Frame title="No such set" section=Section::Outbox crumbs=crumbs()><NoSet/></Frame> }.into_any()
                );
            }
            Err(other) => return Err(other),
        };
        let trials = diff::trials(&preview).await;
        let (role, now) = (cx.actor.role(), cx.now);
        let title = format!("{}?", words::set_title(&preview));
        Ok(view! { <Frame title section=Section::Outbox crumbs=crumbs()><SetView preview query trials role now/></Frame> }
            .into_any())
    })
}

/// Crumbs of the pages of draining.
pub(super) fn crumbs() -> Vec<(String, String)> {
    vec![("Outbox".to_owned(), paths::OUTBOX.to_owned())]
}

/// A correction as a person reads and writes it; empty when there is none.
pub(super) fn patch_text(patch: Option<&Value>) -> String {
    patch.map(|patch| serde_json::to_string_pretty(patch).expect("JSON prints as JSON")).unwrap_or_default()
}

#[component]
pub(super) fn NoSet() -> impl IntoView {
    view! {
        <div class="page-head"><div><h1>"No such set"</h1></div></div>
        <section class="panel" aria-label="What it may mean">
            <Empty reason=Reason::NoMatch title="This set is not there any more" text="A frozen set waits an hour to be confirmed, and of each person only the newest ten do. Select its entries again to freeze a new one; nothing was done."
                action=|| view! { <a class="btn btn-small" href=paths::OUTBOX>"See the failures"</a> }/>
        </section>
    }
    .into_any()
}

/// The page inside its frame.
#[component]
pub fn SetView(
    /// The frozen set.
    preview: DrainPreview,
    /// State of the URL.
    query: DialogQuery,
    /// What the engine would answer to the sample.
    trials: Vec<Trial>,
    /// Role of the reader.
    role: Option<Role>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let patched = preview.action == DrainAction::Patch;
    view! {
        <div class="cols cols-main-side">
            <div class="stack">
                <Dialog preview=preview.clone() query role now/>
                {patched.then(|| view! { <Trials trials/> })}
                <Sample preview=preview.clone() now/>
            </div>
            <aside class="stack" aria-label="What is in the set"><Breakdowns preview/></aside>
        </div>
    }
    .into_any()
}
