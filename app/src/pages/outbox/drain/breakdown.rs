//! What is in a frozen set: by device, by signature, by collection, and five of its entries.

use leptos::prelude::*;
use tidewatch_domain::fleet::{Breakdown, DrainPreview, SampleEntry};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use crate::format::{count, counted, span};
use crate::pages::device::outbox::{state_label, state_sign};
use crate::paths;
use crate::ui::table::Column;
use crate::ui::{Glyph, Id, Panel, Table};

/// The panels beside the dialog.
#[component]
pub fn Breakdowns(
    /// The frozen set.
    preview: DrainPreview,
) -> impl IntoView {
    let device = |row: &Breakdown| {
        let id = row.id.clone().and_then(|id| ClientId::parse(id).ok());
        id.map(|id| paths::device_outbox(&id))
    };
    let group = |row: &Breakdown| row.id.as_deref().map(paths::outbox_group);
    let devices = preview.by_device.len() as u64;
    let note = if preview.devices > devices {
        format!("the {} with the most of {}", count(devices), count(preview.devices))
    } else {
        String::new()
    };
    view! {
        <Parts id="h-by-device" title="By device" note rows=preview.by_device.iter().map(|row| (row.clone(), device(row))).collect()/>
        <Parts id="h-by-signature" title="By signature" note=String::new() rows=preview.by_signature.iter().map(|row| (row.clone(), group(row))).collect()/>
        <Parts id="h-by-collection" title="By collection" note=String::new() rows=preview.by_collection.iter().map(|row| (row.clone(), None)).collect()/>
    }
    .into_any()
}

#[component]
fn Parts(id: &'static str, title: &'static str, note: String, rows: Vec<(Breakdown, Option<String>)>) -> impl IntoView {
    if rows.is_empty() {
        return ().into_any();
    }
    let line = |(row, href): (Breakdown, Option<String>)| {
        let label = if row.label.is_empty() { "not named".to_owned() } else { row.label };
        let name = match href {
            Some(href) => view! { <a class="break" href=href>{label}</a> }.into_any(),
            None => view! { <span class="break">{label}</span> }.into_any(),
        };
        view! { <li>{name}<b class="num">{count(row.entries)}</b></li> }
    };
    view! { <Panel id title note><ul class="breakdown">{rows.into_iter().map(line).collect_view()}</ul></Panel> }.into_any()
}

/// Five of its entries.
#[component]
pub fn Sample(
    /// The frozen set.
    preview: DrainPreview,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let columns = vec![
        Column::text("Entry"),
        Column::text("State"),
        Column::text("Device"),
        Column::text("Record"),
        Column::number("Age"),
        Column::text("Payload"),
    ];
    let shown = format!("{} of {} shown", count(preview.sample.len() as u64), count(preview.entries));
    let all = format!("All {} of the set", counted(preview.entries, "entry", "entries"));
    view! {
        <Panel id="h-sample" title="Some of them">
            <Table caption="Some entries of the set" columns class="fleet-entries">
                {preview.sample.into_iter().map(|sample| view! { <SampleRow sample now/> }).collect_view()}
            </Table>
            <div class="panel-foot"><span>{shown}</span><a href=paths::drain_set_items(&preview.set)>{all}</a></div>
        </Panel>
    }
    .into_any()
}

#[component]
fn SampleRow(sample: SampleEntry, now: Millis) -> impl IntoView {
    let SampleEntry { row, payload_known } = sample;
    let (tone, sign) = state_sign(row.entry.state);
    let age = row.entry.created_at.map_or_else(|| "unknown".to_owned(), |at| span(now.since(at).max(0)));
    let href = paths::outbox_entry(&row.entry.client_id, &row.entry.operation_id);
    view! {
        <tr role="row">
            <th role="rowheader" scope="row"><Id id=row.entry.operation_id.clone() href=Some(href)/></th>
            <td role="cell" data-label="State"><span class="status" data-tone=tone.as_str()><Glyph sign/><b>{state_label(row.entry.state)}</b></span></td>
            <td role="cell" data-label="Device"><a href=paths::device_outbox(&row.entry.client_id)>{row.device_name}</a></td>
            <td role="cell" data-label="Record"><span class="mono">{row.entry.collection.clone()} "/" {row.entry.record_id.clone()}</span><small>{row.entry.op.clone()}</small></td>
            <td role="cell" data-label="Age" class="num">{age}</td>
            <td role="cell" data-label="Payload">{if payload_known { "here" } else { "on the device" }}</td>
        </tr>
    }
    .into_any()
}
