//! One device: what is the matter, at which gate its drift stops, and three tabs that are addresses of their own:
//! timeline, outbox, metrics. An unknown id, or text that is no id, is a 404.

pub mod commands;
pub mod deeds;
pub mod head;
pub mod metrics;
pub mod outbox;
pub mod query;
pub mod send;
pub mod side;
#[cfg(test)]
mod tests;
pub mod timeline;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use tidewatch_domain::fleet::DeviceView;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::report::EntryState;
use tidewatch_service::{Error, Result};

use super::loaded;
use super::params::{ListState, Params};
use crate::context::{Console, console};
use crate::paths;
use crate::shell::{Frame, Section, WorkStyles};
use commands::CommandsTab;
use head::DeviceHead;
use metrics::MetricsTab;
use outbox::OutboxTab;
use query::{MetricsQuery, OutboxQuery, TimelineQuery};
use send::CommandDraft;
use timeline::TimelineTab;

/// The tabs of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// What happened.
    Timeline,
    /// What it still has to send.
    Outbox,
    /// What it was told to do.
    Commands,
    /// Its figures over time.
    Metrics,
}

/// Timeline: the first tab.
#[component]
pub fn DevicePage() -> impl IntoView {
    let (params, id) = (Params::here(), id_here());
    loaded(async move {
        let query = TimelineQuery::parse(&params)?;
        let Console { service, cx, .. } = console();
        let view = service.device_view(&cx, &id?).await?;
        let page = service.device_timeline(&cx, &view.row.client_id, query.kind, &query.list.position, query.list.rows).await?;
        Ok(framed(view, Tab::Timeline, move |view| view! { <TimelineTab view query page now=cx.now/> }.into_any()))
    })
}

/// Outbox.
#[component]
pub fn DeviceOutboxPage() -> impl IntoView {
    let (params, id) = (Params::here(), id_here());
    loaded(async move {
        let query = OutboxQuery::parse(&params)?;
        let console = console();
        let view = console.service.device_view(&console.cx, &id?).await?;
        let client_id = view.row.client_id.clone();
        let page =
            console.service.device_outbox(&console.cx, &client_id, query.state, &query.list.position, query.list.rows).await?;
        let tallies = EntryState::ALL.into_iter().zip(console.service.device_states(&console.cx, &client_id).await?).collect();
        Ok(framed(view, Tab::Outbox, move |view| view! { <OutboxTab view query page tallies now=console.cx.now/> }.into_any()))
    })
}

/// Commands.
#[component]
pub fn DeviceCommandsPage() -> impl IntoView {
    let (params, id) = (Params::here(), id_here());
    loaded(async move {
        let query = ListState { filter: String::new(), ..ListState::parse(&params)? };
        let problem = params.one("problem").map(str::to_owned);
        let text = |key: &str| params.one(key).unwrap_or_default().to_owned();
        let draft = problem.as_ref().map(|_| CommandDraft {
            kind: text("kind"),
            mode: text("mode"),
            interval: text("interval"),
            rotate: text("rotate"),
            since: text("since"),
            reason: text("reason"),
        });
        let draft = draft.unwrap_or_default();
        let Console { service, cx, .. } = console();
        let view = service.device_view(&cx, &id?).await?;
        let page = service.commands_list(&cx, &view.row.client_id, &query.position, query.rows).await?;
        let (role, now) = (cx.actor.role(), cx.now);
        Ok(framed(view, Tab::Commands, move |view| {
            view! { <WorkStyles/> <CommandsTab view query page role problem draft now/> }.into_any()
        }))
    })
}

/// Metrics.
#[component]
pub fn DeviceMetricsPage() -> impl IntoView {
    let (params, id) = (Params::here(), id_here());
    loaded(async move {
        let query = MetricsQuery::parse(&params)?;
        let Console { service, cx, .. } = console();
        let view = service.device_view(&cx, &id?).await?;
        let figures = service.device_metrics(&cx, &view.row.client_id, query.range).await?;
        Ok(framed(view, Tab::Metrics, move |view| view! { <MetricsTab view query figures/> }.into_any()))
    })
}

/// The id in the path. Text that breaks the rule of an id names no device, so it is not found rather than bad.
fn id_here() -> Result<ClientId> {
    let text = use_params_map().with_untracked(|map| map.get("id")).unwrap_or_default();
    ClientId::parse(text).map_err(|_| Error::NotFound("device"))
}

fn framed(view: DeviceView, tab: Tab, body: impl FnOnce(DeviceView) -> AnyView + Send + 'static) -> AnyView {
    let now = console().cx.now;
    let crumbs = vec![("Devices".to_owned(), paths::devices(""))];
    let title = view.row.name.clone();
    view! {
        <Frame title section=Section::Devices crumbs as_of=Some(now)>
            <DeviceHead view=view.clone() tab now/>
            {body(view)}
        </Frame>
    }
    .into_any()
}
