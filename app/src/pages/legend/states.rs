//! Gates of drift, states of entries, lifelines, and the kinds of absence.

use leptos::prelude::*;
use tidewatch_domain::fleet::{Drift, DriftCause, Gate, Tone};
use tidewatch_domain::report::EntryState;
use tidewatch_domain::time::HOUR_MS;

use crate::ui::tag::Tag;
use crate::ui::{Lifeline, Panel, Sluice, Stage, StageState};

/// The four gates.
#[component]
pub fn GatePanel() -> impl IntoView {
    let notes = [
        "seen on its own rhythm",
        "pulled a moment ago",
        "cursor moves at the server, not on the device",
        "cannot be told while it does not apply",
    ];
    let gate = |at: usize| Gate {
        cause: DriftCause::ALL[at],
        shut_ms: match at {
            2 => Some(8 * HOUR_MS),
            3 => None,
            _ => Some(0),
        },
        note: notes[at].to_owned(),
    };
    let drift =
        Drift { age_ms: Some(8 * HOUR_MS), cause: Some(DriftCause::NotApplying), gates: [gate(0), gate(1), gate(2), gate(3)] };
    view! {
        <Panel id="l-gates" title="Drift age" note="how long a device has not been proven equal, and at which gate the water stops">
            <div class="panel-body"><Sluice drift/></div>
        </Panel>
    }
}

/// Tone of an entry's state, and what it means.
const fn entry_words(state: EntryState) -> (Tone, &'static str, &'static str) {
    match state {
        EntryState::Poisoned => (Tone::Act, "Poisoned", "Cannot succeed by retrying: rejected, or the same fault five times"),
        EntryState::Retrying => (Tone::Watch, "Retrying", "Failed, and will be sent again by itself"),
        EntryState::Held => (Tone::Idle, "Held", "Stopped by a person"),
        EntryState::Waiting => (Tone::Idle, "Waiting", "Behind another entry that it depends on"),
        EntryState::Queued => (Tone::Run, "Queued", "Not sent yet"),
        EntryState::Sending => (Tone::Run, "Sending", "On its way"),
        EntryState::Escrowed => (Tone::Idle, "Escrowed", "Drained: handed in by the device, which has dropped its copy"),
        EntryState::Quarantined => (Tone::Idle, "Quarantined", "Drained: taken out of the queue, can be put back"),
        EntryState::Skipped => (Tone::Idle, "Skipped", "Drained: what waited behind it passed, can be put back"),
        EntryState::Discarded => (Tone::Idle, "Discarded", "Drained: given up, can be put back until retention"),
        EntryState::Done => (Tone::Good, "Done", "Drained: decided again, corrected, or a conflict stands for it"),
    }
}

/// States of entries.
#[component]
pub fn EntryPanel() -> impl IntoView {
    let row = |state: EntryState| {
        let (tone, word, means) = entry_words(state);
        view! { <tr><th scope="row"><Tag tone text=word/></th><td>{means}</td></tr> }
    };
    view! {
        <Panel id="l-entry" title="Entries" note="operations in a device’s outbox, worst first">
            <div class="table-wrap">
                <table class="table table-middle">
                    <caption>"States of entries"</caption>
                    <thead><tr><th scope="col">"State"</th><th scope="col">"Means"</th></tr></thead>
                    <tbody>{EntryState::ALL.into_iter().map(row).collect_view()}</tbody>
                </table>
            </div>
        </Panel>
    }
}

fn stage(name: &str, note: &str, state: StageState) -> Stage {
    Stage { name: name.to_owned(), note: note.to_owned(), state }
}

/// Stages of one thing.
#[component]
pub fn LifelinePanel() -> impl IntoView {
    let lines = [
        (
            "Applied, not yet pulled by all",
            vec![
                stage("Enqueued", "06:21:40", StageState::Done),
                stage("Received", "06:21:44", StageState::Done),
                stage("Committed", "seq 412", StageState::Done),
                stage("Pulled", "by 3 of 8", StageState::Now),
            ],
        ),
        (
            "Rejected",
            vec![
                stage("Enqueued", "06:21:40", StageState::Done),
                stage("Received", "06:21:44", StageState::Done),
                stage("Rejected", "schema", StageState::Failed),
                stage("Pulled", "", StageState::Ahead),
            ],
        ),
        (
            "Device asleep",
            vec![
                stage("Enqueued", "06:21:40", StageState::Done),
                stage("Received", "when it wakes", StageState::Wait),
                stage("Committed", "", StageState::Ahead),
                stage("Pulled", "", StageState::Ahead),
            ],
        ),
    ];
    view! {
        <Panel id="l-life" title="Lifelines" note="hollow is still to come, dashed is waiting for the device">
            <ul class="life-list">{lines.into_iter().map(|(name, stages)| view! { <li><b class="medium">{name}</b><Lifeline stages/></li> }).collect_view()}</ul>
        </Panel>
    }
}

/// Kinds of absence.
#[component]
pub fn AbsencePanel() -> impl IntoView {
    view! {
        <Panel id="l-blank" title="When there is no number">
            <div class="table-wrap">
                <table class="table table-middle">
                    <caption>"Kinds of absence"</caption>
                    <thead><tr><th scope="col">"Shown"</th><th scope="col">"Means"</th></tr></thead>
                    <tbody>
                        <tr><th scope="row">"0"</th><td>"Measured, and it is zero"</td></tr>
                        <tr><th scope="row"><span class="faint">"none"</span></th><td>"There is nothing of the kind"</td></tr>
                        <tr><th scope="row"><span class="faint">"—"</span></th><td>"Not supported on this device; the tooltip says why"</td></tr>
                        <tr><th scope="row"><span class="unsure unsure-left">"24"</span></th><td>"Last known, too old to trust"</td></tr>
                        <tr><th scope="row"><span class="unsure unsure-left">"unknown"</span></th><td>"Should be known, was not reported"</td></tr>
                        <tr><th scope="row"><Tag tone=Tone::Idle text="Never"/></th><td>"Has not happened yet"</td></tr>
                        <tr><th scope="row"><span class="swatch-large"></span><span class="sr-only">"Hatched"</span></th><td>"Hatched in a chart or bar: unsurveyed. Not reported, or the server was down"</td></tr>
                    </tbody>
                </table>
            </div>
        </Panel>
    }
}
