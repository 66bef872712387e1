//! How far a drain is, in parts that add up.

use leptos::prelude::*;
use tidewatch_domain::drain::{ItemOutcome, JobState};
use tidewatch_domain::fleet::{DrainJobView, Tone};

use super::super::drain::words;
use crate::format::{NBSP, count, counted};
use crate::paths;
use crate::ui::{BarPart, Id, PartsBar, Verdict};

/// Code of an entry that was done and then put back.
pub(super) const CODE_UNDONE: &str = "undone";

/// The parts and their sum.
#[component]
pub fn Progress(
    /// The job.
    view: DrainJobView,
) -> impl IntoView {
    let tally = view.row.tally;
    let all = tally.all();
    let share = (tally.settled() * 100).checked_div(all).unwrap_or(100);
    let mark: String = view.hash.chars().take(16).collect();
    let parts = parts(&view);
    let sum = sum(&parts, all);
    view! {
        <section class="panel" aria-labelledby="h-progress">
            <div class="panel-head panel-head-plain">
                <h2 id="h-progress">{format!("{} of {} settled", count(tally.settled()), count(all))}</h2>
                <p class="flex">{format!("{share}{NBSP}% · set")} <Id id=mark/></p>
                {sum}
            </div>
            <div class="panel-body grid"><PartsBar parts large=true/>{untold(&view)}</div>
        </section>
    }
    .into_any()
}

/// `871 + 6 + 14 + 42 + 171 + 180 = 1,284`, with what comes of adding up what is shown.
fn sum(parts: &[BarPart], all: u64) -> AnyView {
    let shown: u64 = parts.iter().map(|part| part.n).sum();
    let words = format!("{} = {}", parts.iter().map(|part| count(part.n)).collect::<Vec<_>>().join(" + "), count(shown));
    let verdict = if shown == all {
        view! { <Verdict tone=Tone::Good text="adds up"/> }.into_any()
    } else {
        view! { <Verdict tone=Tone::Act text=format!("does not add up to {}", count(all))/> }.into_any()
    };
    view! { <span class="sum">{words} " " {verdict}</span> }.into_any()
}

/// Of what is done, what its devices do not know yet.
fn untold(view: &DrainJobView) -> Option<AnyView> {
    let n = view.untold;
    if n == 0 {
        return None;
    }
    let words = "A device keeps its own copy, and what waits behind it, until it has fetched its command. A command that expires, fails or is refused is given out again when the device asks next.";
    let told = format!("Device not told yet: {}.", counted(n, "entry", "entries"));
    Some(view! { <p class="small" data-tone=Tone::Watch.as_str()><b>{told}</b> " " {words}</p> }.into_any())
}

/// Of what was left alone: done at first, and put back when the job was taken back.
pub(super) fn put_back(view: &DrainJobView) -> u64 {
    let undone = view.reasons.iter().filter(|reason| reason.outcome == ItemOutcome::Skipped && reason.code == CODE_UNDONE);
    undone.map(|reason| reason.entries).sum::<u64>().min(view.row.tally.skipped)
}

fn parts(view: &DrainJobView) -> Vec<BarPart> {
    let (tally, id) = (view.row.tally, view.row.id.as_str());
    let part = |part, label, n, note: String, outcome| BarPart {
        part,
        label,
        n,
        note,
        href: Some(paths::drain_items(id, Some(outcome))),
    };
    let running = counted(view.running_all, "device", "devices");
    let undone = put_back(view);
    let taken_back = view.row.state == JobState::Undone;
    let ended_early = taken_back || view.row.state == JobState::Cancelled;
    let left = if ended_early { "not begun, called back, or changed" } else { "had changed, or was gone" };
    let mut parts = vec![part("ok", words::done(view.row.action), tally.ok, share(tally.ok, tally.all()), ItemOutcome::Ok)];
    if taken_back {
        parts.push(part("undone", "Put back", undone, "as before the drain".to_owned(), ItemOutcome::Skipped));
    }
    parts.extend([
        part("skipped", "Left alone", tally.skipped - if taken_back { undone } else { 0 }, left.to_owned(), ItemOutcome::Skipped),
        part("failed", "Failed", tally.failed, counted(view.reasons_failed, "reason", "reasons"), ItemOutcome::Failed),
        part("sent", "On the device", tally.sent, running, ItemOutcome::Sent),
        part("waiting", "Not started", tally.waiting, next(view), ItemOutcome::Waiting),
        part("asleep", "Device asleep", tally.asleep, counted(view.forecast.devices, "device", "devices"), ItemOutcome::Sent),
    ]);
    parts
}

fn share(n: u64, all: u64) -> String {
    (n * 100).checked_div(all).map_or_else(|| "of none".to_owned(), |share| format!("{share}{NBSP}% of all"))
}

fn next(view: &DrainJobView) -> String {
    match (view.row.tally.waiting, view.rate_per_s) {
        (0, _) => "none left".to_owned(),
        (_, _) if view.row.state.is_final() => "left where they were".to_owned(),
        (_, None) => "as fast as it goes".to_owned(),
        (_, Some(rate)) => format!("at most {rate} a second"),
    }
}
