//! The table itself: heads that sort, rows, its three kinds of empty, and the foot.

use leptos::prelude::*;
use tidewatch_domain::filter::keys;
use tidewatch_domain::fleet::{DeviceList, DeviceRow, DeviceSort, FleetCounts};
use tidewatch_domain::page::Position;
use tidewatch_domain::time::Millis;

use super::address;
use super::cell::cell;
use super::query::{Column, DevicesQuery};
use super::words::sort_words;
use crate::format::counted;
use crate::pages::list::{Filtered, RefusedFilter, range_words};
use crate::ui::empty::Reason;
use crate::ui::table::{Column as Head, SortState};
use crate::ui::{Empty, Pager, Table};

/// The panel below the toolbar.
#[component]
pub fn DeviceTable(
    /// State of the URL.
    query: DevicesQuery,
    /// Of the whole fleet.
    counts: FleetCounts,
    /// The page, or what is wrong with the filter.
    list: Filtered<DeviceList>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let body = match list {
        Err(_) => view! { <RefusedFilter noun="device" keys=keys::DEVICES clear=address(&query.with_filter(""))/> }.into_any(),
        Ok(list) if list.page.rows.is_empty() => view! { <NoDevices query counts/> }.into_any(),
        Ok(list) => view! { <Rows query list now/> }.into_any(),
    };
    view! { <section class="panel" aria-label="Devices">{body}</section> }.into_any()
}

#[component]
fn Rows(query: DevicesQuery, list: DeviceList, now: Millis) -> impl IntoView {
    let foot = format!("{} · {}", range_words(&list.page, &query.list.position), sort_words(query.sort));
    let link = |position: Position| address(&query.with_position(position));
    let previous = list.page.previous.clone().map(Position::Before).map(link);
    let next = list.page.next.clone().map(Position::After).map(link);
    let columns = query.columns.clone();
    view! {
        <Table caption=caption(&query) columns=heads(&query) class="devices">
            {list.page.rows.iter().map(|row| view! { <Row columns=columns.clone() row=row.clone() now/> }).collect_view()}
        </Table>
        <Pager summary=foot previous next keys=true/>
    }
    .into_any()
}

#[component]
fn Row(columns: Vec<Column>, row: DeviceRow, now: Millis) -> impl IntoView {
    view! { <tr role="row" id=format!("dev-{}", row.client_id)>{columns.into_iter().map(|column| cell(column, &row, now)).collect_view()}</tr> }.into_any()
}

fn caption(query: &DevicesQuery) -> String {
    let order = sort_words(query.sort);
    match query.list.filter.as_str() {
        "" => format!("All devices, {order}"),
        filter => format!("Devices matching {filter}, {order}"),
    }
}

fn heads(query: &DevicesQuery) -> Vec<Head> {
    query
        .columns
        .iter()
        .map(|column| {
            let head = if column.is_number() { Head::number(column.label()) } else { Head::text(column.label()) };
            match column.sort() {
                Some(sort) => head.sortable(address(&query.with_sort(sort)), (query.sort == sort).then_some(direction(sort))),
                None => head,
            }
        })
        .collect()
}

/// Names and scores go up, everything else comes down.
const fn direction(sort: DeviceSort) -> SortState {
    match sort {
        DeviceSort::Name | DeviceSort::Score => SortState::Ascending,
        _ => SortState::Descending,
    }
}

/// Nothing to list: none yet, none because all is well, none that match, or a page whose rows have moved on.
#[component]
fn NoDevices(query: DevicesQuery, counts: FleetCounts) -> impl IntoView {
    if counts.devices == 0 {
        return view! {
            <Empty reason=Reason::NoneYet title="No devices yet" text="A device appears here as soon as it registers with an enrolment token. To see a simulated fleet instead, start tidewatch demo."/>
        }
        .into_any();
    }
    if query.list.position != Position::Start {
        let first = address(&query.with_position(Position::Start));
        return view! {
            <Empty reason=Reason::NoMatch title="Nothing on this page" text="The devices it held have moved since the link was made."
                action=move || view! { <a class="btn btn-small" href=first>"Go to the first page"</a> }/>
        }
        .into_any();
    }
    let everyone = counted(counts.devices, "device", "devices");
    let clear = address(&query.with_filter(""));
    match trouble(&query.list.filter) {
        Some(word) => view! {
            <Empty reason=Reason::Healthy title=format!("No device is {word}") text=format!("None of {everyone}.")
                action=move || view! { <a href=clear>"See all devices"</a> }/>
        }
        .into_any(),
        None => view! {
            <Empty reason=Reason::NoMatch title=format!("None of {everyone} match") text=format!("{} matches nothing.", query.list.filter)
                action=move || view! { <a class="btn btn-small" href=clear>"Clear filters"</a> }/>
        }
        .into_any(),
    }
}

/// The trouble that a filter asks for, if it asks for nothing else: an empty list of it is good news.
fn trouble(filter: &str) -> Option<&'static str> {
    match filter {
        "condition:stuck" => Some("stuck"),
        "condition:diverged" => Some("diverged"),
        "condition:stalling" => Some("stalling"),
        "health:failing" => Some("failing"),
        "health:degraded" => Some("degraded"),
        "contact:overdue" => Some("overdue"),
        "contact:lost" => Some("lost"),
        "contact:late" => Some("late"),
        _ => None,
    }
}
