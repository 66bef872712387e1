//! Entry by entry, across devices: worst and oldest first, by filter, with keyset pages and an export.

use http::StatusCode;
use leptos::prelude::*;
use tidewatch_domain::fleet::{OutboxFigures, OutboxRow};
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::time::Millis;

use super::keeping::KeepingNote;
use super::pick::{Pick, PickForm};
use super::{Entries, KEYS, Overall, Way};
use crate::context::{Console, console};
use crate::error::answer_status;
use crate::format::{count, id_short, integer, span};
use crate::icon::{Icon, IconName};
use crate::pages::device::outbox::{failure, pending_words, state_label, state_sign};
use crate::pages::list::{RefusedFilter, filtered, range_words, suggestions};
use crate::pages::loaded;
use crate::pages::params::{ListState, Params};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, FilterBar, Glyph, Id, Pager, Table};

/// All entries.
#[component]
pub fn OutboxEntriesPage() -> impl IntoView {
    let params = Params::here();
    loaded(async move {
        let query = ListState::parse(&params)?;
        if params.is_untidy() {
            leptos_axum::redirect(&format!("{}{}", paths::OUTBOX_ENTRIES, query.print()));
        }
        let Console { service, cx, .. } = console();
        let figures = service.outbox_figures(&cx).await?;
        let list = filtered(service.outbox_list(&cx, None, &query.filter, &query.position, query.rows).await)?;
        if list.is_err() {
            answer_status(StatusCode::BAD_REQUEST);
        }
        let as_of = list.is_ok().then_some(cx.now);
        let fields = service.payload_fields(&cx).await?;
        let back = format!("{}{}", paths::OUTBOX_ENTRIES, query.print());
        let pick = Pick { signature: None, role: cx.actor.role(), back, problem: params.one("problem").map(str::to_owned) };
        Ok(view! {
            <Frame title="Outbox entries" section=Section::Outbox as_of><EntriesView figures query list fields pick now=cx.now/></Frame>
        })
    })
}

/// The page inside its frame.
#[component]
pub fn EntriesView(
    /// Counted at one instant.
    figures: std::sync::Arc<OutboxFigures>,
    /// State of the URL.
    query: ListState,
    /// The page, or what is wrong with the filter.
    list: Entries,
    /// Fields of payloads that can be looked for.
    fields: Vec<String>,
    /// How its entries are picked.
    #[prop(optional)]
    pick: Pick,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let problem = list.as_ref().err().cloned();
    view! {
        <Overall figures way=Way::Entries now/>
        <Toolbar path=paths::OUTBOX_ENTRIES.to_owned() group=None query=query.clone() problem fields/>
        <section class="panel" aria-label="Entries"><EntryTable path=paths::OUTBOX_ENTRIES.to_owned() query list pick alike=false now/></section>
    }
    .into_any()
}

/// Filter and exports.
#[component]
pub fn Toolbar(
    /// Address of the list.
    path: String,
    /// Group that the list is of.
    group: Option<String>,
    /// State of the URL.
    query: ListState,
    /// What is wrong with the filter.
    problem: Option<String>,
    /// Fields of payloads that can be looked for.
    fields: Vec<String>,
) -> impl IntoView {
    let words = suggestions(KEYS).into_iter().chain(fields.into_iter().map(|field| format!("{field}:"))).collect();
    let (state, readable, here) = (query.clone(), problem.is_none(), path.clone());
    let export = query.print_export();
    let export = match group {
        Some(id) => format!("{export}{}group={id}", if export.is_empty() { '?' } else { '&' }),
        None => export,
    };
    view! {
        <div class="toolbar">
            <FilterBar
                action=path filter=query.filter.clone() problem keep=query.kept()
                href=Callback::new(move |filter: String| format!("{here}{}", state.with_filter(filter).print()))
                placeholder="record:INS-40217, device:\"LOW-TAB-0412\", payload.reading.pressure_kpa:412, age:>=1h" suggestions=words
            />
            {readable.then(|| view! {
                <a class="btn" href=paths::export("outbox", "csv", &export) download="" title="All matching entries as CSV"><Icon name=IconName::Download/>"CSV"</a>
                <a class="btn" href=paths::export("outbox", "ndjson", &export) download="" title="All matching entries, one JSON object a line">"NDJSON"</a>
            })}
        </div>
    }
    .into_any()
}

/// The rows, or why there are none.
#[component]
pub fn EntryTable(
    /// Address of the list.
    path: String,
    /// State of the URL.
    query: ListState,
    /// The page, or what is wrong with the filter.
    list: Entries,
    /// How its entries are picked.
    pick: Pick,
    /// Whether all of them failed in the same way, so that no row needs to say how.
    alike: bool,
    /// As of.
    now: Millis,
) -> impl IntoView {
    match list {
        Err(_) => view! { <RefusedFilter noun="entry" keys=KEYS clear=path/> }.into_any(),
        Ok(page) if page.rows.is_empty() => match page.next {
            None => nothing(&path, &query),
            Some(next) => further(&path, &query, next),
        },
        Ok(page) => {
            let states = page.rows.iter().map(|row| row.entry.state).collect();
            let (filter, total) = (query.filter.clone(), page.total);
            view! { <PickForm pick filter total states><Rows path query page alike now/></PickForm> }.into_any()
        }
    }
}

#[component]
fn Rows(path: String, query: ListState, page: Page<OutboxRow>, alike: bool, now: Millis) -> impl IntoView {
    let link = |position: Position| format!("{path}{}", query.with_position(position).print());
    let previous = page.previous.clone().map(Position::Before).map(link);
    let next = page.next.clone().map(Position::After).map(link);
    let foot = format!("{} · worst and oldest first", range_words(&page, &query.position));
    let told = Column::text(if alike { "Type" } else { "Error" });
    let columns = [Column::check(), Column::text("Entry"), Column::text("State"), Column::text("Device"), Column::text("Record")];
    let figures = [told, Column::number("Age"), Column::number("Tries"), Column::number("Blocks")];
    let columns = columns.into_iter().chain(figures);
    view! {
        <Table caption="Entries, worst and oldest first" columns=columns.collect() class="fleet-entries">
            {page.rows.into_iter().map(|row| view! { <Row row alike now/> }).collect_view()}
        </Table>
        <Pager summary=foot previous next keys=true ticks=true/>
    }
    .into_any()
}

#[component]
fn Row(row: OutboxRow, alike: bool, now: Millis) -> impl IntoView {
    let OutboxRow { entry, device_name, blocks, pending, keeping, .. } = row;
    let keeping = keeping.map(|keeping| view! { <small class="nowrap"><KeepingNote keeping now/></small> });
    let (tone, sign) = state_sign(entry.state);
    let age = entry.created_at.map_or_else(
        || view! { <span class="unsure" title="Not reported">"unknown"</span> }.into_any(),
        |at| {
            view! { <time datetime=at.to_string() title=crate::format::exact(at)>{span(now.since(at).max(0))}</time> }.into_any()
        },
    );
    let told = if alike {
        view! { <td role="cell" data-label="Type">{entry.op.clone()}</td> }.into_any()
    } else {
        view! { <td role="cell" data-label="Error" class="cell-error">{failure(&entry)}</td> }.into_any()
    };
    view! {
        <tr role="row" id=format!("entry-{}-{}", entry.client_id, entry.operation_id)>
            <td role="cell" class="cell-check"><input type="checkbox" name="entries[]" value=paths::entry_key(&entry.client_id, &entry.operation_id) aria-label=format!("Select {} of {device_name}", id_short(&entry.operation_id))/></td>
            <th role="rowheader" scope="row"><Id id=entry.operation_id.clone() href=Some(paths::outbox_entry(&entry.client_id, &entry.operation_id))/></th>
            <td role="cell" data-label="State"><span class="status" data-tone=tone.as_str()><Glyph sign/><b>{state_label(entry.state)}</b>{pending.map(|action| view! { <small>{pending_words(action)}</small> })}</span>{keeping}</td>
            <td role="cell" data-label="Device"><a href=paths::device_outbox(&entry.client_id)>{device_name}</a></td>
            <td role="cell" data-label="Record"><span class="mono">{entry.collection.clone()} "/" {entry.record_id.clone()}</span>{(!alike).then(|| view! { <small>{entry.op.clone()}</small> })}</td>
            {told}
            <td role="cell" data-label="Age" class="num">{age}</td>
            <td role="cell" data-label="Tries" class="num">{integer(entry.attempts)}</td>
            <td role="cell" data-label="Blocks" class="num">{blocked(blocks)}</td>
        </tr>
    }
    .into_any()
}

fn blocked(blocks: u64) -> AnyView {
    if blocks == 0 { view! { <span class="faint">"0"</span> }.into_any() } else { count(blocks).into_any() }
}

/// A stretch without a match: there are more entries than one page looks at.
fn further(path: &str, query: &ListState, next: String) -> AnyView {
    let href = format!("{path}{}", query.with_position(Position::After(next)).print());
    view! {
        <Empty reason=Reason::NoMatch title="No match so far" text="A page looks at fifty thousand entries at a time. A collection, a state, a record or an operation in the filter finds its entries at once."
            action=move || view! { <a class="btn btn-small" href=href>"Look further"</a> }/>
    }
    .into_any()
}

fn nothing(path: &str, query: &ListState) -> AnyView {
    let clear = path.to_owned();
    if query.position != Position::Start {
        return view! {
            <Empty reason=Reason::NoMatch title="Nothing on this page" text="The entries it held have been answered since the link was made."
                action=move || view! { <a class="btn btn-small" href=clear>"Go to the first page"</a> }/>
        }
        .into_any();
    }
    if query.filter.is_empty() {
        return view! { <Empty reason=Reason::Healthy title="Nothing waits" text="No device has reported an entry that is not finally answered."/> }.into_any();
    }
    view! {
        <Empty reason=Reason::NoMatch title="No entry matches" text=format!("{} matches nothing in the outboxes.", query.filter)
            action=move || view! { <a class="btn btn-small" href=clear>"Clear filters"</a> }/>
    }
    .into_any()
}
