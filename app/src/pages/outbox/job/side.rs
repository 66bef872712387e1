//! Beside a drain: how it is taken back, when the sleeping devices are expected, what happened.

use leptos::prelude::*;
use tidewatch_domain::drain::{Dependants, JobState, Rolled};
use tidewatch_domain::fleet::{DrainJobView, Forecast, JobEvent, Tone};
use tidewatch_domain::time::Millis;

use super::super::drain::words;
use super::Reader;
use super::head::{called_back, undo_words};
use super::progress::put_back;
use crate::format::{When, count, counted};
use crate::icon::{Icon, IconName};
use crate::pages::may::who;
use crate::paths;
use crate::ui::{Glyph, Panel};

/// The column.
#[component]
pub fn Side(
    /// The job.
    view: DrainJobView,
    /// Who looks.
    reader: Reader,
    /// As of.
    now: Millis,
    /// What is in its set, while that is to be decided on.
    children: Children,
) -> impl IntoView {
    let asleep = view.forecast.devices > 0;
    let mine = reader.name == view.row.created_by;
    view! {
        <aside class="stack" aria-label="Facts about the drain">
            <Undo view=view.clone() now/>
            {asleep.then(|| view! { <Asleep forecast=view.forecast.clone()/> })}
            <Facts view=view.clone() mine now/>
            {children()}
            <Panel id="h-history" title="History"><ol class="timeline timeline-side">{view.events.into_iter().enumerate().map(|(at, event)| view! { <Event event newest=at == 0 now/> }).collect_view()}</ol></Panel>
        </aside>
    }
    .into_any()
}

#[component]
fn Undo(view: DrainJobView, now: Millis) -> impl IntoView {
    let tally = view.row.tally;
    let main = match (view.undoable.total(), view.undo_until) {
        (0, _) if view.row.state == JobState::Undone => view! { <p>{taken_back(&view)}</p> }.into_any(),
        (0, _) => view! { <p>{if tally.settled() == 0 { "Nothing has been done yet." } else { "Nothing of it can be taken back from here." }}</p> }.into_any(),
        (_, Some(until)) => view! { <p>"Open until " <b><When at=until now/></b> ". " {undo_words(&view)}</p> }.into_any(),
        (_, None) => view! { <p>{undo_words(&view)}</p> }.into_any(),
    };
    let stop = (!view.row.state.is_final()).then(|| {
        let left = format!("Stop leaves {} as they are and {} where they were.", count(tally.ok), count(tally.waiting));
        format!("{left}{}", called_back(&view))
    });
    view! {
        <Panel id="h-undo" title="Undo">
            <div class="panel-body grid">{main}{stop.map(|words| view! { <p class="small faint">{words}</p> })}</div>
        </Panel>
    }
    .into_any()
}

/// What became of each entry of a drain that was taken back.
fn taken_back(view: &DrainJobView) -> String {
    let (tally, back) = (view.row.tally, put_back(view));
    let be = |n: u64| if n == 1 { "is" } else { "are" };
    let mut words =
        vec![format!("{} {} back in their old place under their own ids", counted(back, "entry", "entries"), be(back))];
    let left = tally.skipped - back;
    let rest = [
        (left, "left where they were"),
        (tally.ok, "had moved on since and stay as they are"),
        (tally.failed, "failed"),
        (tally.sent + tally.asleep, "still with their device"),
    ];
    words.extend(rest.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(n))));
    format!("{}. That is all {}.", words.join(", "), count(tally.all()))
}

#[component]
fn Asleep(forecast: Forecast) -> impl IntoView {
    let title = format!("{} asleep", counted(forecast.devices, "device", "devices"));
    let unknown = match forecast.unknown {
        0 => "From each device’s own rhythm of contact.".to_owned(),
        n => format!("From each device’s own rhythm of contact; {} have none to tell from.", count(n)),
    };
    view! {
        <Panel id="h-asleep" title note="pick-up forecast">
            <div class="panel-body grid"><ForecastBars forecast/><p class="small faint">{unknown}</p></div>
        </Panel>
    }
    .into_any()
}

/// Expected share by hour.
#[component]
pub fn ForecastBars(
    /// The forecast.
    forecast: Forecast,
) -> impl IntoView {
    let line = |(hours, share): (u32, u8)| {
        view! {
            <li><span>{format!("{hours}\u{a0}h")}</span><span class="reach-track reach-small"><i data-pct=share.min(100).to_string()></i></span><b class="num">{format!("{share}\u{a0}%")}</b></li>
        }
    };
    view! { <ul class="forecast" aria-label="Expected to have picked it up">{forecast.shares.into_iter().map(line).collect_view()}</ul> }.into_any()
}

#[component]
fn Facts(view: DrainJobView, mine: bool, now: Millis) -> impl IntoView {
    let behind = match view.dependants {
        Dependants::TakeAlong => "taken along",
        Dependants::Hold => "held",
        Dependants::Cut => "let go",
    };
    let rate = view.rate_per_s.map_or_else(
        || "as fast as it goes".to_owned(),
        |rate| format!("at most {} a second", counted(rate.into(), "entry", "entries")),
    );
    let canary = if view.canary == 0 { "none".to_owned() } else { counted(view.canary.into(), "entry", "entries") };
    view! {
        <Panel id="h-job-facts" title="Order">
            <div class="panel-body">
                <dl class="facts facts-small">
                    <dt>"Selected"</dt>
                    <dd>{words::selection(&view.selection)}</dd>
                    <dt>"Frozen as"</dt>
                    <dd><a href=paths::drain_set(&view.set)>{view.set.clone()}</a></dd>
                    <dt>"Waits behind"</dt>
                    <dd>{behind}</dd>
                    <dt>"Pace"</dt>
                    <dd>{rate}</dd>
                    <dt>"Canary"</dt>
                    <dd>{canary}</dd>
                    <dt>"Stops itself"</dt>
                    <dd>{format!("when {}\u{a0}% of the latest fail", view.stop_percent)}</dd>
                    <dt>"New since"</dt>
                    <dd>{match view.newer { 0 => "none that match".to_owned(), n => format!("{} match and are not in the set", count(n)) }}</dd>
                    {view.row.rolled.clone().map(|rolled| view! { <Entries rolled now/> })}
                    {mine.then(|| view! { <dt>"Yours"</dt><dd>"you asked for it"</dd> })}
                </dl>
                {view.patch.as_ref().map(|patch| view! { <pre class="payload">{super::super::drain::patch_text(Some(patch))}</pre> })}
            </div>
        </Panel>
    }
    .into_any()
}

/// Where the entries of an old drain are, one by one.
#[component]
fn Entries(rolled: Rolled, now: Millis) -> impl IntoView {
    view! {
        <dt>"Entries"</dt>
        <dd class="mono break">{rolled.file}<small>{format!("{} under the folder of the store since ", counted(rolled.entries, "line", "lines"))}<When at=rolled.at now/></small></dd>
        <dt>"SHA-256"</dt>
        <dd class="mono break">{rolled.sha256}<small>"of its rows"</small></dd>
    }
    .into_any()
}

#[component]
fn Event(event: JobEvent, newest: bool, now: Millis) -> impl IntoView {
    let (word, tone, sign) = words::job_state(event.state);
    let node = if newest { view! { <Glyph sign/> }.into_any() } else { view! { <Icon name=IconName::Check/> }.into_any() };
    let word = if event.state == JobState::Requested { "Asked for" } else { word };
    let tone = (newest && tone != Tone::Idle).then(|| tone.as_str());
    view! {
        <li data-tone=tone>
            <When at=event.at now/>
            <span class="tl-node">{node}</span>
            <div><b>{word}</b><p>"by " {who(&event.actor).to_owned()}{event.detail.map(|detail| format!(": “{detail}”"))}</p></div>
        </li>
    }
}
