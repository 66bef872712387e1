//! How fast a drain goes, who stopped it and let it go on, and what became of what waited behind it.

use leptos::prelude::*;
use tidewatch_domain::drain::JobState;
use tidewatch_domain::fleet::{DrainJobView, JobEvent, Released};
use tidewatch_domain::time::{MINUTE_MS, Millis, SECOND_MS};

use crate::charts::{self, RateOf};
use crate::format::{count, counted};
use crate::pages::may::who;
use crate::ui::empty::Reason;
use crate::ui::{Empty, FleetChart, Panel};

/// The curve, and the sum of what was released.
#[component]
pub fn Rate(
    /// The job.
    view: DrainJobView,
    /// As of.
    now: Millis,
) -> impl IntoView {
    if view.minutes.is_empty() {
        return view! {
            <Panel id="h-rate" title="Rate">
                <Empty reason=Reason::NoneYet title="Nothing is settled yet" text="The rate is drawn from the first entry on."/>
            </Panel>
        }
        .into_any();
    }
    let drawn = charts::rate(&rate_of(&view), now);
    let released = view.released.as_ref().map(|released| released_words(released, view.behind));
    view! {
        <section class="panel" aria-label="Rate">
            <div class="panel-body grid">
                <FleetChart id="job-rate".to_owned() drawn group="job"/>
                {released.map(|words| view! { <p class="small" id="job-released">{words}</p> })}
            </div>
        </section>
    }
    .into_any()
}

fn rate_of(view: &DrainJobView) -> RateOf {
    let by_second = !view.seconds.is_empty();
    RateOf {
        settled: if by_second { view.seconds.clone() } else { worked(view) },
        released: view.released.as_ref().map(|released| released.at.clone()).unwrap_or_default(),
        marks: marks(&view.events),
        finest_ms: if by_second { SECOND_MS } else { MINUTE_MS },
        limit: view.rate_per_s,
        ended: view.row.state.is_final(),
    }
}

/// The minutes that it did its work in: what is put back is settled once more, and is no part of how fast it went.
fn worked(view: &DrainJobView) -> Vec<(Millis, u32)> {
    let undone = view.events.iter().find(|event| event.state == JobState::Undone).map(|event| event.at.0.div_euclid(MINUTE_MS));
    let before: Vec<_> = match undone {
        Some(undone) => view.minutes.iter().filter(|(at, _)| at.0.div_euclid(MINUTE_MS) < undone).copied().collect(),
        None => Vec::new(),
    };
    if before.is_empty() { view.minutes.clone() } else { before }
}

/// When it was stopped and when it was let go on, oldest first; the events come newest first.
fn marks(events: &[JobEvent]) -> Vec<(Millis, String)> {
    let after_pause = |event: &JobEvent, before: Option<&JobEvent>| {
        matches!(event.state, JobState::Canary | JobState::Running)
            && before.is_some_and(|before| before.state == JobState::Paused)
    };
    let word = |at: usize, event: &JobEvent| match event.state {
        JobState::Paused if event.actor == "system" => Some("paused by itself".to_owned()),
        JobState::Paused => Some(format!("paused by {}", who(&event.actor))),
        JobState::Cancelled => Some(format!("stopped by {}", who(&event.actor))),
        JobState::Undone => Some(format!("taken back by {}", who(&event.actor))),
        _ if after_pause(event, events.get(at + 1)) => Some(format!("resumed by {}", who(&event.actor))),
        _ => None,
    };
    let mut marks: Vec<(Millis, String)> =
        events.iter().enumerate().filter_map(|(at, event)| Some((event.at, word(at, event)?))).collect();
    marks.reverse();
    marks
}

/// `Of 412 that waited behind them 380 are in the log by now, 4 stand as conflicts, 1 was refused, 27 are not in the log.`
fn released_words(released: &Released, behind: u64) -> String {
    let all = released.all();
    let which = if all < behind {
        format!("Of the {} oldest of {}", count(all), counted(behind, "entry", "entries"))
    } else {
        format!("Of {}", counted(all, "entry", "entries"))
    };
    let be = |n: u64| if n == 1 { "is" } else { "are" };
    let was = |n: u64| if n == 1 { "was" } else { "were" };
    let parts = [
        (released.applied, format!("{} in the log by now", be(released.applied))),
        (released.conflicts, if released.conflicts == 1 { "stands as a conflict".into() } else { "stand as conflicts".into() }),
        (released.refused, format!("{} refused", was(released.refused))),
        (released.drained, format!("{} drained", was(released.drained))),
        (released.unseen, format!("{} not in the log", be(released.unseen))),
    ];
    let parts = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{} {words}", count(n)));
    format!("{which} that waited behind them {}.", parts.collect::<Vec<_>>().join(", "))
}
