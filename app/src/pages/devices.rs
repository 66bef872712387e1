//! Device table: counts as views, filter, columns, export, keyset pages. Its state is its URL ([`query`]); it reads one list and
//! one set of counts, and shows a refused filter at its field with the answer 400.

mod cell;
pub mod columns;
pub mod query;
pub mod table;
#[cfg(test)]
mod tests;
pub mod words;

use http::StatusCode;
use leptos::prelude::*;
use tidewatch_domain::filter::keys;
use tidewatch_domain::fleet::{Condition, Contact, DeviceList, FleetCounts, Tone};
use tidewatch_domain::time::Millis;
use tidewatch_service::Result;

use super::list::{Filtered, filtered, suggestions};
use super::loaded;
use super::params::Params;
use crate::context::{Console, console};
use crate::error::answer_status;
use crate::format::count;
use crate::icon::{Icon, IconName};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::status::{condition_tone, contact_tone};
use crate::ui::{FilterBar, ViewTab, Views};
use columns::ColumnMenu;
use query::DevicesQuery;
use table::DeviceTable;

/// Everything the page shows.
pub struct Model {
    /// State of the URL.
    pub query: DevicesQuery,
    /// Of the whole fleet.
    pub counts: FleetCounts,
    /// The page of devices, or what is wrong with the filter.
    pub list: Filtered<DeviceList>,
    /// As of.
    pub now: Millis,
}

/// The device table.
#[component]
pub fn DevicesPage() -> impl IntoView {
    let params = Params::here();
    loaded(async move {
        let query = DevicesQuery::parse(&params)?;
        if params.is_untidy() {
            leptos_axum::redirect(&format!("{}{}", paths::DEVICES, query.print()));
        }
        let model = load(&console(), query).await?;
        if model.list.is_err() {
            answer_status(StatusCode::BAD_REQUEST);
        }
        let as_of = model.list.as_ref().ok().map(|list| list.as_of);
        Ok(view! { <Frame title="Devices" section=Section::Devices as_of><DevicesView model/></Frame> })
    })
}

async fn load(console: &Console, query: DevicesQuery) -> Result<Model> {
    let Console { service, cx, .. } = console;
    let list = filtered(service.devices_list(cx, &query.list.filter, query.sort, &query.list.position, query.list.rows).await)?;
    let counts = match &list {
        Ok(list) => list.counts.clone(),
        Err(_) => service.fleet_counts(cx).await?,
    };
    Ok(Model { query, counts, list, now: cx.now })
}

/// The page inside its frame.
#[component]
pub fn DevicesView(
    /// Everything it shows.
    model: Model,
) -> impl IntoView {
    let Model { query, counts, list, now } = model;
    view! {
        <div class="page-head"><div><h1>"Devices"</h1><p>{words::fleet_sentence(&counts)}</p></div></div>
        <Views label="Devices by state" tabs=tabs(&counts, &query)/>
        <Toolbar query=query.clone() list=list.clone()/>
        <DeviceTable query counts list now/>
    }
    .into_any()
}

/// Views by condition, then by contact. Each is a filter, nothing more.
fn tabs(counts: &FleetCounts, query: &DevicesQuery) -> Vec<ViewTab> {
    let conditions = [Condition::Stuck, Condition::Diverged, Condition::Stalling, Condition::CatchingUp];
    let contacts = [Contact::Overdue, Contact::Lost, Contact::Never];
    let all = ViewTab {
        label: "All".into(),
        count: Some(counts.devices),
        tone: None,
        href: address(&query.with_filter("")),
        current: query.list.filter.is_empty(),
    };
    let tab = |label: &str, n: u64, tone: Option<Tone>, filter: String| ViewTab {
        label: label.to_owned(),
        count: Some(n),
        tone: tone.filter(|tone| n > 0 && matches!(tone, Tone::Act | Tone::Watch)),
        href: address(&query.with_filter(filter.clone())),
        current: query.list.filter == filter,
    };
    let conditions = conditions.map(|condition| {
        let filter = format!("condition:{}", condition.as_str());
        tab(condition.label(), words::of_condition(counts, condition), Some(condition_tone(condition)), filter)
    });
    let contacts = contacts.map(|contact| {
        let filter = format!("contact:{}", contact.as_str());
        tab(words::contact_view(contact), words::of_contact(counts, contact), contact_tone(contact), filter)
    });
    [all].into_iter().chain(conditions).chain(contacts).collect()
}

/// Address of the table in this state.
pub(crate) fn address(query: &DevicesQuery) -> String {
    format!("{}{}", paths::DEVICES, query.print())
}

#[component]
fn Toolbar(query: DevicesQuery, list: Filtered<DeviceList>) -> impl IntoView {
    let problem = list.as_ref().err().cloned();
    let total = list.ok().map(|list| match list.page.total {
        tidewatch_domain::page::Total::Exact(total) => count(total),
        tidewatch_domain::page::Total::AtLeast(total) | tidewatch_domain::page::Total::Among { found: total, .. } => {
            format!("{}+", count(total))
        }
    });
    let state = query.clone();
    let export = query.print_export();
    view! {
        <div class="toolbar">
            <FilterBar
                action=paths::DEVICES filter=query.list.filter.clone() problem keep=query.kept()
                href=Callback::new(move |filter: String| address(&state.with_filter(filter)))
                placeholder="platform:ios, -version:<4.2, queue:>=50, or a name" suggestions=suggestions(keys::DEVICES)
            />
            <ColumnMenu query=query.clone()/>
            {total.map(|total| view! {
                <a class="btn" href=paths::export("devices", "csv", &export) download="" title=format!("All {total} matching rows, these columns, as CSV")>
                    <Icon name=IconName::Download/>"CSV " <span class="faint">{total.clone()}</span>
                </a>
                <a class="btn" href=paths::export("devices", "json", &export) download="" title=format!("All {total} matching rows, these columns, as JSON")>"JSON"</a>
            })}
        </div>
    }
    .into_any()
}
