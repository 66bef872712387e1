//! Rows of the audit log. An actor, action or subject leads to the same list narrowed to it.

use leptos::prelude::*;
use tidewatch_domain::audit::AuditEvent;
use tidewatch_domain::filter::keys;
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::time::Millis;

use super::address;
use crate::format::{When, integer};
use crate::pages::list::{Filtered, RefusedFilter, range_words, with_term};
use crate::pages::params::ListState;
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Id, Pager, Table};

/// The panel below the toolbar.
#[component]
pub fn AuditTable(
    /// State of the URL.
    query: ListState,
    /// The page, or what is wrong with the filter.
    list: Filtered<Page<AuditEvent>>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let body = match list {
        Err(_) => view! { <RefusedFilter noun="action" keys=keys::AUDIT clear=address(&query.with_filter(""))/> }.into_any(),
        Ok(page) if page.rows.is_empty() => nothing(&query),
        Ok(page) => view! { <Rows query page now/> }.into_any(),
    };
    view! { <section class="panel" aria-label="Actions">{body}</section> }.into_any()
}

#[component]
fn Rows(query: ListState, page: Page<AuditEvent>, now: Millis) -> impl IntoView {
    let link = |position: Position| address(&query.with_position(position));
    let previous = page.previous.clone().map(Position::Before).map(link);
    let next = page.next.clone().map(Position::After).map(link);
    let foot = format!("{} · newest first · times in UTC", range_words(&page, &query.position));
    let columns = vec![
        Column::number("No."),
        Column::text("When"),
        Column::text("Who"),
        Column::text("What"),
        Column::text("On what"),
        Column::text("Before"),
        Column::text("After"),
        Column::text("Request"),
    ];
    view! {
        <Table caption="Actions, newest first" columns class="audit">
            {page.rows.into_iter().map(|event| view! { <Row query=query.clone() event now/> }).collect_view()}
        </Table>
        <Pager summary=foot previous next back="Newer" on="Older"/>
    }
    .into_any()
}

#[component]
fn Row(query: ListState, event: AuditEvent, now: Millis) -> impl IntoView {
    let narrowed = |key: &str, value: &str| address(&query.with_filter(with_term(keys::AUDIT, &query.filter, key, value)));
    let subject = event.subject.as_ref().map(|subject| {
        let href = narrowed("subject", subject);
        view! { <a href=href title="Only this subject">{subject.clone()}</a> }
    });
    view! {
        <tr role="row" id=format!("audit-{}", event.id)>
            <td role="cell" class="num mono" data-label="No.">{integer(event.id)}</td>
            <td role="cell" class="nowrap" data-label="When"><When at=event.at now/></td>
            <td role="cell" data-label="Who"><a href=narrowed("actor", &event.actor) title="Only this actor">{event.actor.clone()}</a></td>
            <th role="rowheader" scope="row" class="mono"><a href=narrowed("action", &event.action) title="Only this action">{event.action.clone()}</a></th>
            <td role="cell" data-label="On what" class="break">{subject.map_or_else(none, IntoAny::into_any)}</td>
            <td role="cell" data-label="Before" class="cell-state">{state(event.before)}</td>
            <td role="cell" data-label="After" class="cell-state">{state(event.after)}</td>
            <td role="cell" data-label="Request">{event.trace_id.map_or_else(none, |id| view! { <Id id=id/> }.into_any())}</td>
        </tr>
    }
    .into_any()
}

fn state(text: Option<String>) -> AnyView {
    text.map_or_else(none, |text| view! { <code>{text}</code> }.into_any())
}

fn none() -> AnyView {
    view! { <span class="faint">"none"</span> }.into_any()
}

fn nothing(query: &ListState) -> AnyView {
    let first = address(&query.with_position(Position::Start));
    let clear = address(&query.with_filter(""));
    if query.position != Position::Start {
        return view! {
            <Empty reason=Reason::NoMatch title="Nothing on this page" text="There are no actions beyond this position."
                action=move || view! { <a class="btn btn-small" href=first>"Go to the newest"</a> }/>
        }
        .into_any();
    }
    if query.filter.is_empty() {
        return view! { <Empty reason=Reason::NoneYet title="Nothing yet" text="The first sign-in will be the first row."/> }
            .into_any();
    }
    view! {
        <Empty reason=Reason::NoMatch title="No action matches" text=format!("{} matches nothing in the audit log.", query.filter)
            action=move || view! { <a class="btn btn-small" href=clear>"Clear filters"</a> }/>
    }
    .into_any()
}
