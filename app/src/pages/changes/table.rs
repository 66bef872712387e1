//! Rows of the log explorer. A collection, scope or device leads to the same list narrowed to it; an operation to its trace.

use leptos::prelude::*;
use tidewatch_domain::filter::keys;
use tidewatch_domain::fleet::{ChangeRow, Tone};
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::time::Millis;

use super::address;
use crate::format::{When, id_short, integer};
use crate::pages::list::{Filtered, RefusedFilter, range_words, with_term};
use crate::pages::params::ListState;
use crate::paths;
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Id, Pager, Table, Tag};

/// Field names shown before "and n more".
const FIELDS_SHOWN: usize = 4;

/// The panel below the toolbar.
#[component]
pub fn ChangeTable(
    /// State of the URL.
    query: ListState,
    /// The page, or what is wrong with the filter.
    list: Filtered<Page<ChangeRow>>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let body = match list {
        Err(_) => view! { <RefusedFilter noun="change" keys=keys::CHANGES clear=address(&query.with_filter(""))/> }.into_any(),
        Ok(page) if page.rows.is_empty() => nothing(&query),
        Ok(page) => view! { <Rows query page now/> }.into_any(),
    };
    view! { <section class="panel" aria-label="Changes">{body}</section> }.into_any()
}

#[component]
fn Rows(query: ListState, page: Page<ChangeRow>, now: Millis) -> impl IntoView {
    let link = |position: Position| address(&query.with_position(position));
    let previous = page.previous.clone().map(Position::Before).map(link);
    let next = page.next.clone().map(Position::After).map(link);
    let foot = format!("{} · newest first · times in UTC", range_words(&page, &query.position));
    let columns = vec![
        Column::number("Seq"),
        Column::text("Committed"),
        Column::text("Record"),
        Column::text("Op"),
        Column::text("Changed fields"),
        Column::text("Scope"),
        Column::text("Device"),
        Column::text("Operation"),
        Column::text("Decision"),
    ];
    view! {
        <Table caption="Changes, newest first" columns class="changes">
            {page.rows.into_iter().map(|row| view! { <Row query=query.clone() row now/> }).collect_view()}
        </Table>
        <Pager summary=foot previous next back="Newer" on="Older"/>
    }
    .into_any()
}

#[component]
fn Row(query: ListState, row: ChangeRow, now: Millis) -> impl IntoView {
    let narrowed = |key: &str, value: &str| address(&query.with_filter(with_term(keys::CHANGES, &query.filter, key, value)));
    view! {
        <tr role="row" id=format!("seq-{}", row.seq)>
            <td role="cell" class="num mono" data-label="Seq">{integer(row.seq.0)}</td>
            <td role="cell" class="nowrap" data-label="Committed"><When at=row.committed now/>{skew(&row)}</td>
            <th role="rowheader" scope="row" class="mono">{record(&row, narrowed("collection", &row.collection))}</th>
            <td role="cell" data-label="Op">{row.op}{(row.version > 0).then(|| view! { <small>{format!("to v{}", row.version)}</small> })}</td>
            <td role="cell" data-label="Changed fields" class="cell-fields">{fields(&row)}</td>
            <td role="cell" data-label="Scope" class="mono">{scope(&row, narrowed("scope", &row.scope))}</td>
            <td role="cell" data-label="Device">{device(&row)}</td>
            <td role="cell" data-label="Operation">{operation(&row)}</td>
            <td role="cell" data-label="Decision"><Tag tone=decision_tone(row.decision) text=row.decision/></td>
        </tr>
    }
    .into_any()
}

fn record(row: &ChangeRow, narrowed: String) -> AnyView {
    if row.collection.is_empty() {
        return view! { <span class="faint">"control row"</span> }.into_any();
    }
    view! { <a href=narrowed title="Only this collection">{row.collection.clone()}</a><small>{row.record_id.clone()}</small> }
        .into_any()
}

fn scope(row: &ChangeRow, narrowed: String) -> AnyView {
    if row.scope.is_empty() {
        none()
    } else {
        view! { <a href=narrowed title="Only this scope">{row.scope.clone()}</a> }.into_any()
    }
}

fn fields(row: &ChangeRow) -> AnyView {
    let changed = &row.changed;
    if changed.is_empty() {
        // A create or a put holds the whole record: no field of it was one before.
        return match row.op {
            "create" | "put" => view! { <span class="faint">"whole record"</span> }.into_any(),
            _ => none(),
        };
    }
    let shown = changed.iter().take(FIELDS_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = changed.len().saturating_sub(FIELDS_SHOWN);
    view! { <span class="mono" title=changed.join(", ")>{shown}</span>{(more > 0).then(|| view! { <small>{format!("and {more} more")}</small> })} }.into_any()
}

fn device(row: &ChangeRow) -> AnyView {
    let Some(client_id) = &row.client_id else { return view! { <span class="faint">"this console"</span> }.into_any() };
    let name = row.device_name.clone().unwrap_or_else(|| id_short(client_id.as_str()));
    view! { <a href=paths::device(client_id)>{name}</a> }.into_any()
}

fn operation(row: &ChangeRow) -> AnyView {
    if row.operation_id.is_empty() {
        return none();
    }
    view! { <Id id=row.operation_id.clone() href=Some(paths::trace(&row.operation_id))/> }.into_any()
}

/// A device clock so far ahead of the one that was used is a wrong clock, not the way of the request.
const CLOCK_AHEAD_MS: i64 = 60_000;

/// The mark of a clock that was too far ahead to be believed. A collection that goes by the store's own clock replaces every
/// claim; that is its policy, and the trace says so.
fn skew(row: &ChangeRow) -> Option<AnyView> {
    let claimed = row.hlc_claimed.as_ref()?;
    let ms = |clock: &str| clock.split('-').next().and_then(|ms| ms.parse::<i64>().ok());
    ms(claimed).zip(ms(&row.hlc)).filter(|(claimed, used)| claimed - used >= CLOCK_AHEAD_MS)?;
    let title = format!("The device claimed {claimed}; the store used {}", row.hlc);
    Some(view! { <small data-tone="watch" title=title>"clock corrected"</small> }.into_any())
}

/// Tone of a decision: only what lost or waits for a person asks to be looked at.
pub(crate) fn decision_tone(decision: &str) -> Tone {
    match decision {
        "conflict" => Tone::Act,
        "superseded" | "merged" => Tone::Watch,
        _ => Tone::Idle,
    }
}

fn none() -> AnyView {
    view! { <span class="faint">"none"</span> }.into_any()
}

fn nothing(query: &ListState) -> AnyView {
    let first = address(&query.with_position(Position::Start));
    let clear = address(&query.with_filter(""));
    if query.position != Position::Start {
        return view! {
            <Empty reason=Reason::NoMatch title="Nothing on this page" text="There are no changes beyond this position."
                action=move || view! { <a class="btn btn-small" href=first>"Go to the newest"</a> }/>
        }
        .into_any();
    }
    if query.filter.is_empty() {
        return view! { <Empty reason=Reason::NoneYet title="No changes yet" text="The first accepted write of a device will be the first row."/> }.into_any();
    }
    view! {
        <Empty reason=Reason::NoMatch title="No change matches" text=format!("{} matches nothing in the log.", query.filter)
            action=move || view! { <a class="btn btn-small" href=clear>"Clear filters"</a> }/>
    }
    .into_any()
}
