//! By collection: how much of each waits, and in what state.

use leptos::prelude::*;
use tidewatch_domain::fleet::{CollectionTally, OutboxFigures};
use tidewatch_domain::report::EntryState;
use tidewatch_domain::time::Millis;

use super::{KEYS, Overall, Way};
use crate::context::{Console, console};
use crate::format::{count, span};
use crate::pages::list::with_term;
use crate::pages::loaded;
use crate::paths::{self, Query};
use crate::shell::{Frame, Section};
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Panel, Table};

/// By collection.
#[component]
pub fn OutboxCollectionsPage() -> impl IntoView {
    loaded(async move {
        let Console { service, cx, .. } = console();
        let figures = service.outbox_figures(&cx).await?;
        Ok(view! {
            <Frame title="Outbox by collection" section=Section::Outbox as_of=Some(figures.as_of)><CollectionsView figures now=cx.now/></Frame>
        })
    })
}

/// The page inside its frame.
#[component]
pub fn CollectionsView(
    /// Counted at one instant.
    figures: std::sync::Arc<OutboxFigures>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let body = if figures.collections.is_empty() {
        view! { <Empty reason=Reason::Healthy title="Nothing waits" text="No device has reported an entry that is not finally answered."/> }.into_any()
    } else {
        view! { <Collections collections=figures.collections.clone() now/> }.into_any()
    };
    view! {
        <Overall figures=figures.clone() way=Way::Collections now/>
        <Panel id="h-collections" title="By collection" note="most entries first">{body}</Panel>
    }
    .into_any()
}

#[component]
fn Collections(collections: Vec<CollectionTally>, now: Millis) -> impl IntoView {
    let columns = vec![
        Column::text("Collection"),
        Column::number("Entries"),
        Column::number("Poisoned"),
        Column::number("Retrying"),
        Column::number("Waiting"),
        Column::number("Drained"),
        Column::number("Devices"),
        Column::number("Oldest"),
    ];
    view! {
        <Table caption="Collections with entries, most entries first" columns class="collections">
            {collections.into_iter().map(|tally| view! { <Collection tally now/> }).collect_view()}
        </Table>
    }
    .into_any()
}

/// The entries of a collection, in one state or in all.
fn entries(collection: &str, state: Option<EntryState>) -> String {
    let filter = with_term(KEYS, "", "collection", collection);
    let filter = state.map_or(filter.clone(), |state| with_term(KEYS, &filter, "state", state.as_str()));
    Query::new().with("filter", &filter).on(paths::OUTBOX_ENTRIES)
}

/// The entries of a collection that were drained.
fn drained_entries(collection: &str) -> String {
    let states: Vec<&str> = EntryState::ALL.into_iter().filter(|state| state.is_drained()).map(EntryState::as_str).collect();
    let filter = format!("{} state:{}", with_term(KEYS, "", "collection", collection), states.join(","));
    Query::new().with("filter", &filter).on(paths::OUTBOX_ENTRIES)
}

#[component]
fn Collection(tally: CollectionTally, now: Millis) -> impl IntoView {
    let cell = |label: &'static str, state: EntryState| {
        let at = EntryState::ALL.iter().position(|known| *known == state).expect("every state is listed");
        let figure = match tally.states[at] {
            0 => view! { <span class="faint">"0"</span> }.into_any(),
            n => view! { <a href=entries(&tally.collection, Some(state))>{count(n)}</a> }.into_any(),
        };
        view! { <td role="cell" data-label=label class="num">{figure}</td> }
    };
    let name = if tally.collection.is_empty() { "not named".to_owned() } else { tally.collection.clone() };
    let drained = match tally.drained() {
        0 => view! { <span class="faint">"0"</span> }.into_any(),
        n => view! { <a href=drained_entries(&tally.collection)>{count(n)}</a> }.into_any(),
    };
    let oldest = tally.oldest.map_or_else(|| "none".to_owned(), |at| span(now.since(at).max(0)));
    view! {
        <tr role="row" id=format!("collection-{name}")>
            <th role="rowheader" scope="row" class="mono"><a href=entries(&tally.collection, None)>{name.clone()}</a></th>
            <td role="cell" data-label="Entries" class="num">{count(tally.entries())}</td>
            {cell("Poisoned", EntryState::Poisoned)}
            {cell("Retrying", EntryState::Retrying)}
            {cell("Waiting", EntryState::Waiting)}
            <td role="cell" data-label="Drained" class="num">{drained}</td>
            <td role="cell" data-label="Devices" class="num">{count(tally.devices)}</td>
            <td role="cell" data-label="Oldest" class="num">{oldest}</td>
        </tr>
    }
    .into_any()
}
