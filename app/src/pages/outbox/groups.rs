//! By error: entries that failed in the same way are one row. What needs a person comes first.

use leptos::prelude::*;
use tidewatch_domain::fleet::{FailureGroup, OutboxFigures, Tone};
use tidewatch_domain::signature::signature_op;
use tidewatch_domain::time::Millis;

use super::{Overall, Way, error_words};
use crate::context::{Console, console};
use crate::format::{When, count, counted};
use crate::pages::loaded;
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Glyph, Panel, Sign, Spark, Table};

/// By error.
#[component]
pub fn OutboxPage() -> impl IntoView {
    loaded(async move {
        let Console { service, cx, .. } = console();
        let figures = service.outbox_figures(&cx).await?;
        Ok(
            view! { <Frame title="Outbox" section=Section::Outbox as_of=Some(figures.as_of)><GroupsView figures now=cx.now/></Frame> },
        )
    })
}

/// The page inside its frame.
#[component]
pub fn GroupsView(
    /// Counted at one instant.
    figures: std::sync::Arc<OutboxFigures>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let body = if figures.groups.is_empty() {
        view! { <Empty reason=Reason::Healthy title="Nothing has failed" text="No entry of any device carries an error. What is queued goes out at the next sync."/> }
            .into_any()
    } else {
        view! { <Groups groups=figures.groups.clone() now/> }.into_any()
    };
    view! {
        <Overall figures=figures.clone() way=Way::Groups now/>
        <Panel id="h-groups" title="Failures by error signature" note=note(&figures)>{body}</Panel>
    }
    .into_any()
}

fn note(figures: &OutboxFigures) -> String {
    let shown = figures.groups.len() as u64;
    let entries: u64 = figures.groups.iter().map(|group| group.entries).sum();
    match figures.groups_all {
        0 => String::new(),
        all if all > shown => format!("the {} largest of {} groups", count(shown), count(all)),
        all => format!("{}, {}", counted(all, "group", "groups"), counted(entries, "entry", "entries")),
    }
}

#[component]
fn Groups(groups: Vec<FailureGroup>, now: Millis) -> impl IntoView {
    let columns = vec![
        Column::text("Signature"),
        Column::number("Entries"),
        Column::number("Devices"),
        Column::text("First, newest"),
        Column::text("Last 24 h"),
    ];
    view! {
        <Table caption="Groups of failures, what needs a person first, then by devices" columns class="groups">
            {groups.into_iter().map(|group| view! { <Group group now/> }).collect_view()}
        </Table>
    }
    .into_any()
}

/// Poisoned entries need a person; the others go on by themselves.
pub(super) const fn tone(group: &FailureGroup) -> (Tone, Sign) {
    if group.poisoned > 0 { (Tone::Act, Sign::Stuck) } else { (Tone::Watch, Sign::Stalling) }
}

#[component]
fn Group(group: FailureGroup, now: Millis) -> impl IntoView {
    let (tone, sign) = tone(&group);
    let hours: Vec<Option<f64>> = group.hours.iter().map(|n| Some(f64::from(*n))).collect();
    let what = match signature_op(&group.signature) {
        Some(op) => format!("{}, {op}", group.collection),
        None => group.collection.clone(),
    };
    let subject = group.message.as_ref().map_or_else(|| what.clone(), |message| format!("{what}: {message}"));
    view! {
        <tr role="row" id=format!("group-{}", group.id)>
            <th role="rowheader" scope="row" class="cell-wide">
                <span class="sig" data-tone=tone.as_str()>
                    <Glyph sign/>
                    <span><a href=paths::outbox_group(&group.id) class="mono">{error_words(&group)}</a><small>{subject}</small></span>
                </span>
            </th>
            <td role="cell" data-label="Entries" class="num">{count(group.entries)}<small>{state_words(&group)}</small></td>
            <td role="cell" data-label="Devices" class="num">{count(group.devices)}<small>{version_words(&group)}</small></td>
            <td role="cell" data-label="First, newest" class="nowrap"><When at=group.since now/><small><When at=group.newest now/></small></td>
            <td role="cell" data-label="Last 24 h"><span class="sr-only">{counted(hours.iter().flatten().map(|n| *n as u64).sum(), "new entry", "new entries")}</span><Spark values=hours tone=Some(tone) width=72 height=24/></td>
        </tr>
    }
    .into_any()
}

/// What it may hold up, or that it goes on by itself: all that waits on its devices, whatever it waits for.
pub(super) fn state_words(group: &FailureGroup) -> String {
    match (group.waiting, group.poisoned) {
        (0, 0) => "will be sent again".to_owned(),
        (0, _) => "nothing waits behind".to_owned(),
        (1, _) => "1 waits on its devices".to_owned(),
        (n, _) => format!("{} wait on its devices", count(n)),
    }
}

/// Which apps it comes from: the sharpest hint at a bad release.
pub(super) fn version_words(group: &FailureGroup) -> String {
    match group.versions.as_slice() {
        [] => "app not reported".to_owned(),
        [(only, n)] if *n == group.devices => format!("app {only} only"),
        [(first, _)] => format!("app {first} and unknown"),
        [(first, _), rest @ ..] => format!("app {first} and {} more", rest.len()),
    }
}
