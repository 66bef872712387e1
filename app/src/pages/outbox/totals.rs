//! What there is in all, by state: a bar whose parts add up, and its tally.

use leptos::prelude::*;
use tidewatch_domain::fleet::{OutboxFigures, StateTally, Tone};
use tidewatch_domain::report::{EntryState, STATES, STATES_REPORTED};
use tidewatch_domain::time::Millis;

use crate::format::{count, counted, span};
use crate::pages::device::outbox::state_label;
use crate::pages::list::with_term;
use crate::paths::{self, Query};
use crate::ui::{Panel, Verdict};

/// In the order of the bar: what flows first, what needs a person last.
const ORDER: [EntryState; STATES_REPORTED] =
    [EntryState::Queued, EntryState::Sending, EntryState::Retrying, EntryState::Waiting, EntryState::Held, EntryState::Poisoned];
/// What was drained and can be put back, then what is settled.
const DRAINED: [EntryState; STATES - STATES_REPORTED] =
    [EntryState::Escrowed, EntryState::Quarantined, EntryState::Skipped, EntryState::Discarded, EntryState::Done];

/// The panel.
#[component]
pub fn Totals(
    /// Counted at one instant.
    figures: std::sync::Arc<OutboxFigures>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let title = format!("{} on {}", counted(figures.depth, "entry", "entries"), counted(figures.devices, "device", "devices"));
    let tallies = ORDER.map(|state| tally(&figures, state));
    let mirror = figures.clone();
    let drained = (figures.drained() > 0).then(|| view! { <Drained figures=figures.clone()/> });
    let label = tallies.map(|tally| format!("{} {}", count(tally.entries), state_label(tally.state).to_lowercase())).join(", ");
    view! {
        <Panel id="h-totals" title note=note(&figures) plain=true>
            <div class="panel-body grid">
                <div class="bar" role="img" aria-label=label>
                    {shares(&tallies).into_iter().map(|(state, share)| view! { <i data-state=state.as_str() data-pct=share.to_string()></i> }).collect_view()}
                </div>
                <dl class="tally">{tallies.into_iter().map(|tally| view! { <Tally tally now/> }).collect_view()}</dl>
                {drained}
                {sum(&mirror)}
            </div>
        </Panel>
    }
    .into_any()
}

fn tally(figures: &OutboxFigures, state: EntryState) -> StateTally {
    let empty = StateTally { state, entries: 0, oldest: None };
    figures.states.iter().find(|tally| tally.state == state).copied().unwrap_or(empty)
}

/// What was taken out of the way: no part of what still has to be sent, and no part of the bar.
#[component]
fn Drained(figures: std::sync::Arc<OutboxFigures>) -> impl IntoView {
    let all = counted(figures.drained(), "entry was", "entries were");
    let parts = DRAINED.map(|state| tally(&figures, state)).into_iter().filter(|tally| tally.entries > 0);
    view! {
        <p class="drained">
            <b>{format!("{all} drained")}</b>
            {parts
                .map(|tally| view! { <a href=entries(tally.state)>{format!("{} {}", count(tally.entries), state_label(tally.state).to_lowercase())}</a> })
                .collect_view()}
            <span class="faint">"not counted above"</span>
        </p>
    }
    .into_any()
}

/// `0 + 0 + 0 + 0 + 0 + 3 = 3 listed; 3 + 1,300 drained = 1,303 mirrored`, in the order of the tally, beside what was counted apart.
fn sum(figures: &OutboxFigures) -> AnyView {
    let states = ORDER.map(|state| count(tally(figures, state).entries)).join(" + ");
    let (listed, drained) = (figures.listed(), figures.drained());
    let with = match drained {
        0 => String::new(),
        _ => format!(" listed; {} + {} drained = {}", count(listed), count(drained), count(listed + drained)),
    };
    let words = format!("{states} = {}{with} mirrored", count(listed));
    let verdict = if listed + drained == figures.mirrored {
        view! { <Verdict tone=Tone::Good text="adds up"/> }.into_any()
    } else {
        view! { <Verdict tone=Tone::Act text=format!("does not add up to {}", count(figures.mirrored))/> }.into_any()
    };
    view! { <p class="mirror-sum small"><span>{words}</span> " " {verdict}</p> }.into_any()
}

/// The entries in a state.
fn entries(state: EntryState) -> String {
    Query::new().with("filter", &with_term(super::KEYS, "", "state", state.as_str())).on(paths::OUTBOX_ENTRIES)
}

/// How much of it is listed, and how old it is where devices are asleep.
fn note(figures: &OutboxFigures) -> String {
    let mut parts = Vec::new();
    if figures.listed() < figures.depth {
        let (be, each) = if figures.listed() == 1 { ("is", "the worst") } else { ("are", "the worst of each device") };
        parts.push(format!("{} of them {be} listed, {each}", count(figures.listed())));
    }
    if figures.asleep > 0 {
        let (be, theirs) = if figures.asleep == 1 { ("is", "its count is") } else { ("are", "theirs are") };
        parts.push(format!("{} {be} overdue, {theirs} the last known", counted(figures.asleep, "device", "devices")));
    }
    parts.join("; ")
}

/// The share of each state that has entries, percent and at least one, so that nothing disappears.
fn shares(tallies: &[StateTally]) -> Vec<(EntryState, u64)> {
    let all: u64 = tallies.iter().map(|tally| tally.entries).sum();
    let share = |tally: &StateTally| (tally.entries * 100 + all / 2).checked_div(all).unwrap_or_default().max(1);
    tallies.iter().filter(|tally| tally.entries > 0).map(|tally| (tally.state, share(tally))).collect()
}

#[component]
fn Tally(tally: StateTally, now: Millis) -> impl IntoView {
    let href = entries(tally.state);
    let figure = match tally.entries {
        0 => view! { "0" }.into_any(),
        n => view! { <a href=href>{count(n)}</a> }.into_any(),
    };
    view! {
        <div>
            <dt><i class="swatch" data-state=tally.state.as_str()></i>{state_label(tally.state)}</dt>
            <dd>{figure}<small>{words(&tally, now)}</small></dd>
        </div>
    }
}

/// What the state means for the one who reads it.
fn words(tally: &StateTally, now: Millis) -> String {
    let oldest = tally.oldest.map(|at| format!("oldest {}", span(now.since(at).max(0)))).unwrap_or_default();
    match (tally.entries, tally.state) {
        (0, _) => "none".to_owned(),
        (_, EntryState::Sending) => "in flight".to_owned(),
        (_, EntryState::Held) => "by a person".to_owned(),
        (_, EntryState::Waiting) => "behind another".to_owned(),
        _ => oldest,
    }
}
