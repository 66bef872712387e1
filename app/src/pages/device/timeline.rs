//! Timeline tab: what happened, newest first, under a heading per day; beside it what is true now.

use leptos::prelude::*;
use tidewatch_domain::fleet::{DeviceView, TimelineEvent, TimelineKind};
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::time::Millis;

use super::query::{TIMELINE_KINDS, TimelineQuery};
use super::side::DeviceSide;
use crate::paths;
use crate::ui::empty::Reason;
use crate::ui::timeline::TimelineItem;
use crate::ui::{Empty, Pager, Panel, Segment, Segmented, Timeline};

/// Events and the side column.
#[component]
pub fn TimelineTab(
    /// The device.
    view: DeviceView,
    /// State of the URL.
    query: TimelineQuery,
    /// The page.
    page: Page<TimelineEvent>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let path = paths::device(&view.row.client_id);
    view! {
        <div class="cols cols-main-side">
            <div class="stack"><Events path query page now/></div>
            <DeviceSide view now/>
        </div>
    }
    .into_any()
}

#[component]
fn Events(path: String, query: TimelineQuery, page: Page<TimelineEvent>, now: Millis) -> impl IntoView {
    let segments = segments(&path, &query);
    let link = |position: Position| format!("{path}{}", query.with_position(position).print());
    let previous = page.previous.clone().map(Position::Before).map(link);
    let next = page.next.clone().map(Position::After).map(link);
    let body = if page.rows.is_empty() {
        nothing(&path, &query)
    } else {
        let items = page.rows.into_iter().map(item).collect();
        view! { <Timeline items now/> }.into_any()
    };
    view! {
        <Panel id="h-timeline" title="Timeline" end=move || view! { <Segmented label="Kinds of events" segments small=true/> }>
            {body}
            <Pager summary="Times in UTC." previous next back="Newer" on="Earlier"/>
        </Panel>
    }
    .into_any()
}

fn segments(path: &str, query: &TimelineQuery) -> Vec<Segment> {
    [None]
        .into_iter()
        .chain(TIMELINE_KINDS.map(Some))
        .map(|kind| Segment {
            label: kind_label(kind).to_owned(),
            href: format!("{path}{}", query.with_kind(kind).print()),
            current: query.kind == kind,
        })
        .collect()
}

const fn kind_label(kind: Option<TimelineKind>) -> &'static str {
    match kind {
        None => "All",
        Some(TimelineKind::Sync) => "Sync",
        Some(TimelineKind::Conflict) => "Conflicts",
        Some(TimelineKind::People) => "People",
    }
}

fn item(event: TimelineEvent) -> TimelineItem {
    let link = event.operation_id.map(|id| (crate::format::id_short(&id), paths::trace(&id)));
    TimelineItem { at: Some(event.at), tone: event.tone, title: event.title, detail: event.detail, link }
}

fn nothing(path: &str, query: &TimelineQuery) -> AnyView {
    let all = path.to_owned();
    match query.kind {
        None if query.list.position == Position::Start => view! {
            <Empty reason=Reason::NoneYet title="Nothing has happened yet" text="Its first check-in, push or pull will show here."/>
        }
        .into_any(),
        Some(TimelineKind::Conflict) if query.list.position == Position::Start => view! {
            <Empty reason=Reason::Healthy title="No conflicts" text="Nothing this device wrote met another write."
                action=move || view! { <a href=all>"See all events"</a> }/>
        }
        .into_any(),
        _ => view! {
            <Empty reason=Reason::NoMatch title="Nothing here" text="There are no events of this kind in this part of the timeline."
                action=move || view! { <a class="btn btn-small" href=all>"See all events"</a> }/>
        }
        .into_any(),
    }
}
