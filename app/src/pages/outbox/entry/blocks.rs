//! Who holds up whom: what an entry waits for, and what waits behind it, on the same device.

use leptos::prelude::*;
use tidewatch_domain::fleet::{EntryRow, OutboxEntryView};
use tidewatch_domain::report::EntryState;
use tidewatch_domain::time::Millis;

use crate::format::{When, count};
use crate::pages::device::outbox::state_label;
use crate::paths;
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Id, Panel, Table};

/// Both panels; what it waits for only where it waits or names something.
#[component]
pub fn Blocks(
    /// The entry.
    view: OutboxEntryView,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let waits = view.row.entry.state == EntryState::Waiting || !view.row.entry.depends_on.is_empty();
    let (before, blocked, all) = (view.waits_for.clone(), view.blocked.clone(), view.row.blocks);
    view! {
        {waits.then(|| view! { <Panel id="h-waits" title="Waits for" note="on the same device"><WaitsFor before now/></Panel> })}
        <Panel id="h-blocked" title="Waits behind it" note="on the same device"><Blocked blocked all now/></Panel>
    }
    .into_any()
}

#[component]
fn WaitsFor(before: Vec<EntryRow>, now: Millis) -> impl IntoView {
    if before.is_empty() {
        return view! { <Empty reason=Reason::NoMatch title="Nothing it waits for is left" text="What it named has been answered, or was not listed by the device. It goes on at the next sync."/> }
            .into_any();
    }
    view! { <Neighbours caption="Entries that it waits for, oldest first" class="waits" entries=before now/> }.into_any()
}

#[component]
fn Blocked(blocked: Vec<EntryRow>, all: u64, now: Millis) -> impl IntoView {
    if blocked.is_empty() {
        return view! { <Empty reason=Reason::Healthy title="Nothing waits behind it" text="No other entry of this device names it or changes the same record."/> }.into_any();
    }
    let more = all.saturating_sub(blocked.len() as u64);
    view! {
        <Neighbours caption="Entries that wait behind it, oldest first" class="blocked" entries=blocked now/>
        {(more > 0).then(|| view! { <div class="panel-foot"><span>{format!("and {} more", count(more))}</span></div> })}
    }
    .into_any()
}

#[component]
fn Neighbours(caption: &'static str, class: &'static str, entries: Vec<EntryRow>, now: Millis) -> impl IntoView {
    let columns = vec![Column::text("Entry"), Column::text("State"), Column::text("Record"), Column::text("Made")];
    view! {
        <Table caption columns class>
            {entries
                .into_iter()
                .map(|entry| view! {
                    <tr role="row">
                        <th role="rowheader" scope="row"><Id id=entry.operation_id.clone() href=Some(paths::outbox_entry(&entry.client_id, &entry.operation_id))/></th>
                        <td role="cell" data-label="State">{state_label(entry.state)}</td>
                        <td role="cell" data-label="Record"><span class="mono">{entry.collection.clone()} "/" {entry.record_id.clone()}</span><small>{entry.op.clone()}</small></td>
                        <td role="cell" data-label="Made">{entry.created_at.map(|at| view! { <When at now/> })}</td>
                    </tr>
                })
                .collect_view()}
        </Table>
    }
    .into_any()
}
