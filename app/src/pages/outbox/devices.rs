//! By device: what each still has to send, the worst first. The filter is that of the device table.

use http::StatusCode;
use leptos::prelude::*;
use tidewatch_domain::filter::keys;
use tidewatch_domain::fleet::{OutboxDevice, OutboxFigures};
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::report::{EntryState, STATES_REPORTED};
use tidewatch_domain::time::Millis;

use super::{Overall, Way};
use crate::context::{Console, console};
use crate::error::answer_status;
use crate::format::{count, integer, span};
use crate::icon::{Icon, IconName};
use crate::pages::device::outbox::{state_label, state_sign};
use crate::pages::devices::words::is_last_known;
use crate::pages::list::{Filtered, RefusedFilter, filtered, range_words, suggestions};
use crate::pages::loaded;
use crate::pages::params::{ListState, Params};
use crate::paths::{self, Query};
use crate::shell::{Frame, Section};
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, FilterBar, Glyph, Pager, Table};

/// Devices, or what is wrong with the filter.
type Devices = Filtered<Page<OutboxDevice>>;

/// By device.
#[component]
pub fn OutboxDevicesPage() -> impl IntoView {
    let params = Params::here();
    loaded(async move {
        let query = ListState::parse(&params)?;
        if params.is_untidy() {
            leptos_axum::redirect(&address(&query));
        }
        let Console { service, cx, .. } = console();
        let figures = service.outbox_figures(&cx).await?;
        let list = filtered(service.outbox_devices(&cx, &query.filter, &query.position, query.rows).await)?;
        if list.is_err() {
            answer_status(StatusCode::BAD_REQUEST);
        }
        let as_of = list.is_ok().then_some(cx.now);
        Ok(view! {
            <Frame title="Outbox by device" section=Section::Outbox as_of><DevicesView figures query list now=cx.now/></Frame>
        })
    })
}

fn address(query: &ListState) -> String {
    format!("{}{}", paths::OUTBOX_DEVICES, query.print())
}

/// The page inside its frame.
#[component]
pub fn DevicesView(
    /// Counted at one instant.
    figures: std::sync::Arc<OutboxFigures>,
    /// State of the URL.
    query: ListState,
    /// The page, or what is wrong with the filter.
    list: Devices,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let problem = list.as_ref().err().cloned();
    let state = query.clone();
    let body = match list {
        Err(_) => view! { <RefusedFilter noun="device" keys=keys::DEVICES clear=paths::OUTBOX_DEVICES.to_owned()/> }.into_any(),
        Ok(page) if page.rows.is_empty() => nothing(&query),
        Ok(page) => view! { <Rows query page now/> }.into_any(),
    };
    view! {
        <Overall figures way=Way::Devices now/>
        <Toolbar query=state problem/>
        <section class="panel" aria-label="Devices">{body}</section>
    }
    .into_any()
}

#[component]
fn Toolbar(query: ListState, problem: Option<String>) -> impl IntoView {
    let (state, readable, export) = (query.clone(), problem.is_none(), query.print_export());
    view! {
        <div class="toolbar">
            <FilterBar
                action=paths::OUTBOX_DEVICES.to_owned() filter=query.filter.clone() problem keep=query.kept()
                href=Callback::new(move |filter: String| address(&state.with_filter(filter)))
                placeholder="platform:ios, poisoned:>0, version:4.18.*, pending:>=1h" suggestions=suggestions(keys::DEVICES)
            />
            {readable.then(|| view! {
                <a class="btn" href=paths::export("outbox-devices", "csv", &export) download="" title="All matching devices as CSV"><Icon name=IconName::Download/>"CSV"</a>
                <a class="btn" href=paths::export("outbox-devices", "ndjson", &export) download="" title="All matching devices, one JSON object a line">"NDJSON"</a>
            })}
        </div>
    }
    .into_any()
}

#[component]
fn Rows(query: ListState, page: Page<OutboxDevice>, now: Millis) -> impl IntoView {
    let link = |position: Position| address(&query.with_position(position));
    let previous = page.previous.clone().map(Position::Before).map(link);
    let next = page.next.clone().map(Position::After).map(link);
    let foot = format!("{} · worst first", range_words(&page, &query.position));
    let columns = vec![
        Column::text("Device"),
        Column::text("Worst"),
        Column::number("Entries"),
        Column::number("Poisoned"),
        Column::number("Retrying"),
        Column::number("Waiting"),
        Column::number("Drained"),
        Column::number("Oldest"),
    ];
    view! {
        <Table caption="Devices that still have something to send, worst first" columns class="fleet-outboxes">
            {page.rows.into_iter().map(|device| view! { <Row device now/> }).collect_view()}
        </Table>
        <Pager summary=foot previous next keys=true/>
    }
    .into_any()
}

/// The outbox of a device, in one state.
fn of_state(device: &OutboxDevice, state: EntryState) -> String {
    Query::new().with("state", state.as_str()).on(&paths::device_outbox(&device.row.client_id))
}

#[component]
fn Row(device: OutboxDevice, now: Millis) -> impl IntoView {
    let cell = |label: &'static str, state: EntryState| {
        let at = EntryState::ALL.iter().position(|known| *known == state).expect("every state is listed");
        let figure = match device.states[at] {
            0 => view! { <span class="faint">"0"</span> }.into_any(),
            n => view! { <a href=of_state(&device, state)>{count(n)}</a> }.into_any(),
        };
        view! { <td role="cell" data-label=label class="num">{figure}</td> }
    };
    let row = &device.row;
    let known = is_last_known(row.contact).then(|| view! { <small>"last known"</small> });
    let app = row.app_version.clone().map(|version| view! { <small>"app " {version}</small> });
    view! {
        <tr role="row" id=format!("outbox-{}", row.client_id)>
            <th role="rowheader" scope="row"><a href=paths::device_outbox(&row.client_id)>{row.name.clone()}</a>{app}</th>
            <td role="cell" data-label="Worst">{worst(&device)}</td>
            <td role="cell" data-label="Entries" class="num">{row.queue_depth.map_or_else(|| "unknown".to_owned(), integer)}{known}</td>
            {cell("Poisoned", EntryState::Poisoned)}
            {cell("Retrying", EntryState::Retrying)}
            {cell("Waiting", EntryState::Waiting)}
            <td role="cell" data-label="Drained" class="num">{drained(&device)}</td>
            <td role="cell" data-label="Oldest" class="num">{row.oldest_pending.map_or_else(|| "unknown".to_owned(), |at| span(now.since(at).max(0)))}</td>
        </tr>
    }
    .into_any()
}

/// Its worst state; a device that says how many and not which has none that is known.
fn worst(device: &OutboxDevice) -> AnyView {
    match device.worst().filter(|state| !state.is_drained()) {
        Some(state) => {
            let (tone, sign) = state_sign(state);
            view! { <span class="status" data-tone=tone.as_str()><Glyph sign/><b>{state_label(state)}</b></span> }.into_any()
        }
        None => view! { <span class="unsure" title="It has not said which">"not listed"</span> }.into_any(),
    }
}

fn drained(device: &OutboxDevice) -> AnyView {
    let states = EntryState::ALL.into_iter().zip(device.states).skip(STATES_REPORTED);
    let most = states.filter(|(_, entries)| *entries > 0).max_by_key(|(_, entries)| *entries);
    match most {
        None => view! { <span class="faint">"0"</span> }.into_any(),
        Some((state, _)) => view! { <a href=of_state(device, state)>{count(device.drained())}</a> }.into_any(),
    }
}

fn nothing(query: &ListState) -> AnyView {
    let clear = paths::OUTBOX_DEVICES.to_owned();
    if query.position != Position::Start {
        return view! {
            <Empty reason=Reason::NoMatch title="Nothing on this page" text="The devices it held have sent everything since the link was made."
                action=move || view! { <a class="btn btn-small" href=clear>"Go to the first page"</a> }/>
        }
        .into_any();
    }
    if query.filter.is_empty() {
        return view! { <Empty reason=Reason::Healthy title="Nothing waits" text="No device has reported an entry that is not finally answered."/> }.into_any();
    }
    view! {
        <Empty reason=Reason::NoMatch title="No device matches" text=format!("No device with a queue matches {}.", query.filter)
            action=move || view! { <a class="btn btn-small" href=clear>"Clear filters"</a> }/>
    }
    .into_any()
}
