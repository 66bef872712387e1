//! One group of failures: what they have in common, and its entries, oldest first.

use http::StatusCode;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use tidewatch_domain::fleet::FailureGroup;
use tidewatch_domain::page::Total;
use tidewatch_domain::time::Millis;
use tidewatch_service::Error;

use super::entries::{EntryTable, Toolbar};
use super::groups::tone;
use super::pick::Pick;
use super::{Entries, error_words};
use crate::context::{Console, console};
use crate::error::answer_status;
use crate::format::{When, count, counted};
use crate::pages::list::filtered;
use crate::pages::loaded;
use crate::pages::params::{ListState, Params};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::empty::Reason;
use crate::ui::pager::total_words;
use crate::ui::{Empty, Glyph, Panel};

/// One group.
#[component]
pub fn OutboxGroupPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|map| map.get("id")).unwrap_or_default();
    let params = Params::here();
    loaded(async move {
        let query = ListState::parse(&params)?;
        let Console { service, cx, .. } = console();
        let group = match service.outbox_group(&cx, &id).await {
            Ok(group) => group,
            Err(Error::NotFound(_)) => {
                answer_status(StatusCode::NOT_FOUND);
                return Ok(
                    view! { <Frame title="No such group" section=Section::Outbox crumbs=crumbs()><NoGroup/></Frame> }.into_any()
                );
            }
            Err(other) => return Err(other),
        };
        let list = service.outbox_list(&cx, Some(&group.signature), &query.filter, &query.position, query.rows).await;
        let list = filtered(list)?;
        if list.is_err() {
            answer_status(StatusCode::BAD_REQUEST);
        }
        let blocked = service.outbox_group_blocked(&cx, &group.signature).await?;
        let title = error_words(&group);
        let fields = service.payload_fields(&cx).await?;
        let back = format!("{}{}", paths::outbox_group(&group.id), query.print());
        let problem = params.one("problem").map(str::to_owned);
        let pick = Pick { signature: Some(group.signature.clone()), role: cx.actor.role(), back, problem };
        let as_of = list.is_ok().then_some(cx.now);
        Ok(view! {
            <Frame title section=Section::Outbox crumbs=crumbs() as_of><GroupView group blocked query list fields pick now=cx.now/></Frame>
        }
        .into_any())
    })
}

fn crumbs() -> Vec<(String, String)> {
    vec![("Outbox".to_owned(), paths::OUTBOX.to_owned())]
}

#[component]
fn NoGroup() -> impl IntoView {
    let text = "Its entries have been answered or drained since the link was made, or the link is not whole.";
    view! {
        <div class="page-head"><div><h1>"No entry fails in this way"</h1></div></div>
        <section class="panel" aria-label="What it may mean">
            <Empty reason=Reason::NoMatch title="This group is empty now" text action=|| view! { <a class="btn btn-small" href=paths::OUTBOX>"See all groups"</a> }/>
        </section>
    }
    .into_any()
}

/// The page inside its frame.
#[component]
pub fn GroupView(
    /// The group.
    group: FailureGroup,
    /// Entries that wait behind its own.
    blocked: Total,
    /// State of the URL.
    query: ListState,
    /// Its entries, or what is wrong with the filter.
    list: Entries,
    /// Fields of payloads that can be looked for.
    fields: Vec<String>,
    /// How its entries are picked.
    #[prop(optional)]
    pick: Pick,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let path = paths::outbox_group(&group.id);
    let problem = list.as_ref().err().cloned();
    let (tone, sign) = tone(&group);
    let (id, common) = (group.id.clone(), group.clone());
    view! {
        <div class="page-head">
            <div>
                <h1 class="mono">{error_words(&group)}</h1>
                <p class="lede" data-tone=tone.as_str()><Glyph sign/><span>{sentence(&group, blocked)}</span></p>
            </div>
        </div>
        <Panel id="h-common" title="What they have in common"><div class="panel-body"><Facts group=common blocked now/></div></Panel>
        <Toolbar path=path.clone() group=Some(id) query=query.clone() problem fields/>
        <section class="panel" aria-label="Entries of this group"><EntryTable path query list pick alike=true now/></section>
    }
    .into_any()
}

/// What is the matter, and whether it goes away by itself.
fn sentence(group: &FailureGroup, blocked: Total) -> String {
    let behind = behind(blocked);
    let on = format!("{} on {}", counted(group.entries, "entry", "entries"), counted(group.devices, "device", "devices"));
    let retrying = group.entries - group.poisoned;
    match (group.poisoned, retrying) {
        (0, _) => format!("{on}. Each is sent again by itself."),
        (_, 0) => format!("{on}. None of them can succeed by being sent again; {behind}."),
        (poisoned, retrying) => {
            let (stuck, trying) = (count(poisoned), count(retrying));
            format!("{on}. {stuck} cannot succeed by being sent again, {trying} still try; {behind}.")
        }
    }
}

/// What waits behind its entries, and nothing else of their devices.
fn behind(blocked: Total) -> String {
    match blocked {
        Total::Exact(0) => "nothing waits behind them".to_owned(),
        Total::Exact(1) => "1 entry waits behind them".to_owned(),
        more => format!("{} wait behind them", total_words(more, "entry", "entries")),
    }
}

#[component]
fn Facts(group: FailureGroup, blocked: Total, now: Millis) -> impl IntoView {
    let versions = group.versions.iter().map(|(version, n)| format!("{version} on {}", count(*n))).collect::<Vec<_>>();
    let versions = if versions.is_empty() { "not reported".to_owned() } else { versions.join(", ") };
    view! {
        <dl class="facts">
            <dt>"Message"</dt>
            <dd>{group.message.unwrap_or_else(|| "none".to_owned())}</dd>
            <dt>"Collection"</dt>
            <dd class="mono">{group.collection}</dd>
            <dt>"Blocked behind"</dt>
            <dd>{total_words(blocked, "entry", "entries")}</dd>
            <dt>"App versions"</dt>
            <dd>{versions}</dd>
            <dt>"First of those here"</dt>
            <dd><When at=group.since now/></dd>
            <dt>"Newest"</dt>
            <dd><When at=group.newest now/> " " <span class="faint">{format!("{} in the last hour", count(group.last_hour))}</span></dd>
            <dt>"Signature"</dt>
            <dd class="mono break">{group.signature}</dd>
        </dl>
    }
    .into_any()
}
