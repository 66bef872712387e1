//! Outbox tab: the entries a device still has to send, as it last reported them, worst first. A digest that is cut says how much of
//! it is shown.

use leptos::prelude::*;
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::fleet::{DeviceView, EntryRow, OutboxRow, Tone};
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::report::EntryState;
use tidewatch_domain::time::Millis;

use super::query::OutboxQuery;
use crate::format::{When, ago, bytes, count, id_short, integer, span};
use crate::pages::devices::words::is_last_known;
use crate::pages::list::range_words;
use crate::paths;
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Glyph, Id, Pager, Panel, Segment, Segmented, Sign, Table};

/// Entries in each state.
pub type Tallies = Vec<(EntryState, u64)>;

/// The tab.
#[component]
pub fn OutboxTab(
    /// The device.
    view: DeviceView,
    /// State of the URL.
    query: OutboxQuery,
    /// The page.
    page: Page<OutboxRow>,
    /// Entries in each state.
    tallies: Tallies,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let path = paths::device_outbox(&view.row.client_id);
    let note = digest_note(&view, &tallies, now);
    let segments = segments(&path, &query, &tallies);
    let body =
        if page.rows.is_empty() { nothing(&view, &path, &query) } else { view! { <Entries path query page now/> }.into_any() };
    view! {
        <Panel id="h-outbox" title="Outbox" note end=move || view! { <Segmented label="Entries by state" segments small=true/> }>{body}</Panel>
    }
    .into_any()
}

/// What the mirror holds against what the device says it has.
fn digest_note(view: &DeviceView, tallies: &Tallies, now: Millis) -> String {
    let shown = total(tallies);
    let known = if is_last_known(view.row.contact) {
        view.row.last_contact.map(|at| format!(", last known {}", ago(at, now)))
    } else {
        None
    }
    .unwrap_or_default();
    match view.row.queue_depth.and_then(|depth| u64::try_from(depth).ok()) {
        None => "the device has not reported its depth".to_owned(),
        Some(depth) if depth > shown => format!("showing the {} worst of {}{known}", count(shown), count(depth)),
        Some(depth) => format!("{} in all{known}", count(depth)),
    }
}

/// Entries that are still to be sent.
fn total(tallies: &Tallies) -> u64 {
    tallies.iter().filter(|(state, _)| !state.is_drained()).map(|(_, entries)| entries).sum()
}

fn segments(path: &str, query: &OutboxQuery, tallies: &Tallies) -> Vec<Segment> {
    let segment = |label: String, state: Option<EntryState>| Segment {
        label,
        href: format!("{path}{}", query.with_state(state).print()),
        current: query.state == state,
    };
    let all = segment(format!("All {}", count(total(tallies))), None);
    let states = tallies
        .iter()
        .filter(|(state, entries)| *entries > 0 || query.state == Some(*state))
        .map(|(state, entries)| segment(format!("{} {}", state_label(*state), count(*entries)), Some(*state)));
    [all].into_iter().chain(states).collect()
}

/// State in words.
#[must_use]
pub(crate) const fn state_label(state: EntryState) -> &'static str {
    match state {
        EntryState::Queued => "Queued",
        EntryState::Sending => "Sending",
        EntryState::Retrying => "Retrying",
        EntryState::Waiting => "Waiting",
        EntryState::Poisoned => "Poisoned",
        EntryState::Held => "Held",
        EntryState::Escrowed => "Escrowed",
        EntryState::Quarantined => "Quarantined",
        EntryState::Skipped => "Skipped",
        EntryState::Discarded => "Discarded",
        EntryState::Done => "Done",
    }
}

/// An action on its way to the device, in words.
#[must_use]
pub(crate) fn pending_words(action: DrainAction) -> String {
    format!("{} on its way", action.as_str().replace('_', " "))
}

pub(crate) const fn state_sign(state: EntryState) -> (Tone, Sign) {
    match state {
        EntryState::Poisoned => (Tone::Act, Sign::Stuck),
        EntryState::Retrying => (Tone::Watch, Sign::Stalling),
        EntryState::Sending => (Tone::Run, Sign::CatchingUp),
        EntryState::Held => (Tone::Idle, Sign::Held),
        EntryState::Queued | EntryState::Waiting => (Tone::Idle, Sign::Unknown),
        EntryState::Done => (Tone::Good, Sign::Converged),
        EntryState::Escrowed | EntryState::Quarantined | EntryState::Skipped | EntryState::Discarded => (Tone::Idle, Sign::Held),
    }
}

#[component]
fn Entries(path: String, query: OutboxQuery, page: Page<OutboxRow>, now: Millis) -> impl IntoView {
    let link = |position: Position| format!("{path}{}", query.with_position(position).print());
    let previous = page.previous.clone().map(Position::Before).map(link);
    let next = page.next.clone().map(Position::After).map(link);
    let foot = format!("{} · worst first", range_words(&page, &query.list.position));
    let columns = vec![
        Column::text("State"),
        Column::text("Operation"),
        Column::text("Record"),
        Column::text("Error"),
        Column::number("Tries"),
        Column::number("Age"),
        Column::text("Next try"),
        Column::text("Waits for"),
        Column::number("Size"),
    ];
    view! {
        <Table caption="Entries of this device's outbox, worst first" columns class="entries">
            {page.rows.into_iter().map(|row| view! { <Entry row now/> }).collect_view()}
        </Table>
        <Pager summary=foot previous next keys=true/>
    }
    .into_any()
}

#[component]
fn Entry(row: OutboxRow, now: Millis) -> impl IntoView {
    let note = row.pending.map_or_else(|| format!("priority {}", row.entry.priority), pending_words);
    let entry = row.entry;
    let (tone, sign) = state_sign(entry.state);
    view! {
        <tr role="row" id=format!("op-{}", entry.operation_id)>
            <td role="cell" class="cell-wide"><span class="status" data-tone=tone.as_str()><Glyph sign/><b>{state_label(entry.state)}</b><small>{note}</small></span></td>
            <th role="rowheader" scope="row"><Id id=entry.operation_id.clone() href=Some(paths::outbox_entry(&entry.client_id, &entry.operation_id))/><small><a href=paths::trace(&entry.operation_id)>"trace"</a></small></th>
            <td role="cell" data-label="Record"><span class="mono">{entry.collection.clone()} "/" {entry.record_id.clone()}</span><small>{entry.op.clone()} {entry.scope.clone().map(|scope| format!(" in {scope}"))}</small></td>
            <td role="cell" data-label="Error" class="cell-error">{failure(&entry)}</td>
            <td role="cell" data-label="Tries" class="num">{integer(entry.attempts)}</td>
            <td role="cell" data-label="Age" class="num">{age(&entry, now)}</td>
            <td role="cell" data-label="Next try">{next_try(&entry, now)}</td>
            <td role="cell" data-label="Waits for">{waits_for(&entry)}</td>
            <td role="cell" data-label="Size" class="num">{size(&entry)}</td>
        </tr>
    }
    .into_any()
}

pub(crate) fn failure(entry: &EntryRow) -> AnyView {
    let Some(error) = entry.error.clone() else { return view! { <span class="faint">"none"</span> }.into_any() };
    let status = error.status.map(|status| format!("{status} "));
    view! { <span class="mono tone" data-tone="act">{status}{error.code}</span>{error.message.map(|message| view! { <small>{message}</small> })} }.into_any()
}

fn age(entry: &EntryRow, now: Millis) -> AnyView {
    match entry.created_at {
        Some(at) => {
            view! { <time datetime=at.to_string() title=crate::format::exact(at)>{span(now.since(at))}</time> }.into_any()
        }
        None => view! { <span class="unsure" title="Not reported">"unknown"</span> }.into_any(),
    }
}

fn next_try(entry: &EntryRow, now: Millis) -> AnyView {
    match (entry.next_attempt_at, entry.state) {
        (_, state) if state.is_drained() => view! { <span class="faint" title="It was drained">"none"</span> }.into_any(),
        (_, EntryState::Poisoned) => view! { <span class="faint" title="It cannot succeed by retrying">"none"</span> }.into_any(),
        (Some(at), _) if at > now => view! { <When at now/> }.into_any(),
        (Some(_), _) => view! { <span>"due"</span> }.into_any(),
        (None, _) => view! { <span class="faint">"at its next sync"</span> }.into_any(),
    }
}

fn waits_for(entry: &EntryRow) -> AnyView {
    let Some(first) = entry.depends_on.first().cloned() else { return view! { <span class="faint">"none"</span> }.into_any() };
    let more = entry.depends_on.len() - 1;
    view! {
        <a class="mono" href=paths::trace(&first) title=first.clone()>{id_short(&first)}</a>
        {(more > 0).then(|| view! { <small>{format!("and {more} more")}</small> })}
    }
    .into_any()
}

fn size(entry: &EntryRow) -> AnyView {
    match entry.bytes.and_then(|n| u64::try_from(n).ok()) {
        Some(n) => bytes(n).into_any(),
        None => view! { <span class="unsure" title="Not reported">"unknown"</span> }.into_any(),
    }
}

fn nothing(view: &DeviceView, path: &str, query: &OutboxQuery) -> AnyView {
    let all = path.to_owned();
    match (query.state, view.row.queue_depth) {
        (None, Some(0)) => view! { <Empty reason=Reason::Healthy title="The outbox is empty" text="Everything this device wrote has been answered."/> }.into_any(),
        (None, Some(depth)) => view! {
            <Empty reason=Reason::NoneYet title=format!("{} waiting, none listed", integer(depth)) text="The device reported how many entries it has, but not which."/>
        }
        .into_any(),
        (None, None) => view! { <Empty reason=Reason::NoneYet title="Not reported" text="This device has not sent a digest of its outbox."/> }.into_any(),
        (Some(EntryState::Poisoned), _) => view! {
            <Empty reason=Reason::Healthy title="Nothing is poisoned" text="Every entry can still succeed by being sent again."
                action=move || view! { <a href=all>"See all entries"</a> }/>
        }
        .into_any(),
        (Some(state), _) => view! {
            <Empty reason=Reason::NoMatch title=format!("No entry is {}", state_label(state).to_lowercase()) text="The outbox holds none in this state."
                action=move || view! { <a class="btn btn-small" href=all>"See all entries"</a> }/>
        }
        .into_any(),
    }
}
