//! Drains: at work, waiting for a second person, ended. Newest first.

use leptos::prelude::*;
use tidewatch_domain::drain::JobState;
use tidewatch_domain::fleet::{DrainJobRow, Tone};
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::time::Millis;

use super::drain::words;
use crate::context::{Console, console};
use crate::format::{NBSP, When, count, span};
use crate::pages::list::range_words;
use crate::pages::loaded;
use crate::pages::may::who;
use crate::pages::params::{ListState, Params};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Glyph, Pager, Panel, Table, Tag};

/// All drains.
#[component]
pub fn OutboxJobsPage() -> impl IntoView {
    let params = Params::here();
    loaded(async move {
        let query = ListState::parse(&params)?;
        let Console { service, cx, .. } = console();
        let page = service.drain_jobs(&cx, &query.position, query.rows).await?;
        Ok(view! {
            <Frame title="Drains" section=Section::Outbox crumbs=super::drain::crumbs() as_of=Some(cx.now)><JobsView query page now=cx.now/></Frame>
        })
    })
}

/// The page inside its frame.
#[component]
pub fn JobsView(
    /// State of the URL.
    query: ListState,
    /// The page.
    page: Page<DrainJobRow>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let body = match (page.rows.is_empty(), &query.position) {
        (false, _) => view! { <Rows query page now/> }.into_any(),
        (true, Position::Start) => view! {
            <Empty reason=Reason::NoneYet title="Nothing has been drained yet" text="A drain starts from a group of failures or from ticked entries; it is then here, with who asked for it and why."
                action=|| view! { <a class="btn btn-small" href=paths::OUTBOX>"See the failures"</a> }/>
        }
        .into_any(),
        (true, _) => view! {
            <Empty reason=Reason::NoMatch title="Nothing on this page" text="There are no drains beyond this position."
                action=|| view! { <a class="btn btn-small" href=paths::OUTBOX_JOBS>"Go to the newest"</a> }/>
        }
        .into_any(),
    };
    view! {
        <div class="page-head"><div><h1>"Drains"</h1><p>"What was taken out of the way, by whom and why. A drain goes on when its page is closed, and after a restart."</p></div></div>
        <Panel id="h-jobs" title="Drains" note="newest first">{body}</Panel>
    }
    .into_any()
}

#[component]
fn Rows(query: ListState, page: Page<DrainJobRow>, now: Millis) -> impl IntoView {
    let link = |position: Position| format!("{}{}", paths::OUTBOX_JOBS, query.with_position(position).print());
    let previous = page.previous.clone().map(Position::Before).map(link);
    let next = page.next.clone().map(Position::After).map(link);
    let foot = range_words(&page, &query.position);
    let columns = vec![
        Column::text("Drain"),
        Column::text("State"),
        Column::number("Settled"),
        Column::number("Failed"),
        Column::number("Devices"),
        Column::text("Asked for by"),
        Column::text("When"),
    ];
    view! {
        <Table caption="Drains, newest first" columns class="jobs">
            {page.rows.into_iter().map(|row| view! { <Row row now/> }).collect_view()}
        </Table>
        <Pager summary=foot previous next back="Newer" on="Older" keys=true/>
    }
    .into_any()
}

#[component]
fn Row(row: DrainJobRow, now: Millis) -> impl IntoView {
    let (word, tone, sign) = words::job_state(row.state);
    let all = row.tally.all();
    let share = (row.tally.settled() * 100).checked_div(all).unwrap_or(100);
    let open = row.state.is_final() && !row.acknowledged && row.state != JobState::Refused;
    let took = row.finished.map(|at| format!("took {}", span(at.since(row.created).max(0))));
    view! {
        <tr role="row" id=format!("job-{}", row.id)>
            <th role="rowheader" scope="row" class="cell-wide"><a href=paths::drain_job(&row.id)>{words::title(row.action, all)}</a><small><span class="mono">{row.id.clone()}</span> " · " {row.reason.clone()}</small></th>
            <td role="cell" data-label="State"><span class="status" data-tone=tone.as_str()><Glyph sign/><b>{word}</b>{open.then(|| view! { <small>"not seen by anybody yet"</small> })}</span></td>
            <td role="cell" data-label="Settled" class="num">{count(row.tally.settled())}<small>{format!("{share}{NBSP}%")}</small></td>
            <td role="cell" data-label="Failed" class="num">{failed(&row)}</td>
            <td role="cell" data-label="Devices" class="num">{count(row.devices)}</td>
            <td role="cell" data-label="Asked for by">{who(&row.created_by).to_owned()}</td>
            <td role="cell" data-label="When" class="nowrap"><When at=row.created now/>{took.map(|took| view! { <small>{took}</small> })}</td>
        </tr>
    }
    .into_any()
}

fn failed(row: &DrainJobRow) -> AnyView {
    match row.tally.failed {
        0 => view! { <span class="faint">"0"</span> }.into_any(),
        n => view! { <Tag tone=Tone::Act text=count(n)/> }.into_any(),
    }
}
