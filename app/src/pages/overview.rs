//! Overview: is the fleet healthy, what is worst, what breaks next. Every number leads to the list it counts.

pub mod board;
pub mod query;
pub mod score;
pub mod trends;
pub mod work;

use leptos::prelude::*;
use tidewatch_domain::fleet::{ConsoleFacts, DiskSpace, DiskState, Figure, Metric, Overview, Tone};
use tidewatch_domain::time::{Millis, TimeRange};

use super::first_run::FirstRun;
use super::loaded;
use super::params::Params;
use crate::context::console;
use crate::format::metric::parts;
use crate::format::{When, bytes, integer, span};
use crate::paths;
use crate::shell::{Frame, Section, rail::role_word};
use crate::ui::id::Id;
use crate::ui::tag::Tag;
use crate::ui::{Kpi, Panel, Segment, Segmented};
use board::BoardPanel;
use query::State;
use score::ScorePanel;
use trends::TrendsPanel;
use work::{AdvicePanels, RiskPanel, WorkPanel};

/// Work items beside which two panels have room.
const WORK_LONG: usize = 5;

/// Fleet health on one page; how to connect a device when there is none.
#[component]
pub fn OverviewPage() -> impl IntoView {
    let params = Params::here();
    loaded(async move {
        let state = State::parse(&params)?;
        let console = console();
        let overview = console.service.overview(&console.cx, state.range, state.compare).await?;
        let as_of = overview.as_of;
        let body = if overview.counts.devices == 0 {
            view! { <FirstRun/> }.into_any()
        } else {
            view! { <Health overview state/> }.into_any()
        };
        Ok(view! { <Frame title="Overview" section=Section::Overview as_of=Some(as_of)>{body}</Frame> })
    })
}

/// The page of a fleet that has devices.
#[component]
pub fn Health(
    /// What is known.
    overview: Overview,
    /// What the URL asks for.
    state: State,
) -> impl IntoView {
    let Overview { as_of, headline, score, figures, work, risks, recommended, opportunities, board, console, .. } = overview;
    // What to do stands beside the work. What comes next stands there too where there is room, else beside the board.
    let advised = !(recommended.is_empty() && opportunities.is_empty());
    let roomy = !advised || work.len() >= WORK_LONG;
    let panel = view! { <RiskPanel risks now=as_of/> }.into_any();
    let (above, below) = if roomy { (Some(panel), None) } else { (None, Some(panel)) };
    view! {
        <div class="page-head">
            <div><h1>"Fleet health"</h1><p>{headline}</p></div>
            <Controls state/>
        </div>
        <div class="cols cols-score cols-stretch">
            <ScorePanel score range=state.range/>
            <section class="panel kpis" aria-label=format!("Key figures, last {}", state.range_words())>
                {figures.iter().map(|figure| view! { <MetricCell figure=figure.clone()/> }).collect_view()}
            </section>
        </div>
        <div class="cols cols-main-side cols-stretch">
            <WorkPanel work now=as_of/>
            <div class="stack"><AdvicePanels recommended opportunities/>{above}</div>
        </div>
        <TrendsPanel figures state now=as_of/>
        <div class="cols cols-main-side cols-stretch">
            <BoardPanel board now=as_of/>
            <div class="stack">{below}<ConsolePanel facts=console now=as_of/></div>
        </div>
    }
    .into_any()
}

#[component]
fn Controls(state: State) -> impl IntoView {
    let segments = TimeRange::ALL
        .map(|range| Segment {
            label: query::range_label(range).to_owned(),
            href: paths::overview(range, state.compare),
            current: range == state.range,
        })
        .into_iter()
        .collect();
    view! {
        <div class="page-actions">
            <Segmented label="Time range" segments/>
            <a class="check check-link" href=paths::overview(state.range, !state.compare) aria-current=state.compare.then_some("true")>
                <i class="check-box" aria-hidden="true"></i>
                <span>{format!("Compare with the {} before", state.range_words())}<span class="sr-only">{if state.compare { ", on" } else { ", off" }}</span></span>
            </a>
        </div>
    }
    .into_any()
}

/// Where the number of a metric leads.
fn metric_href(metric: Metric) -> String {
    match metric {
        Metric::QueueDepth => paths::devices("queue:>0"),
        Metric::SyncSuccess => paths::devices("health:failing"),
        Metric::DriftAge => paths::devices("drift:>0s"),
        Metric::ConflictRate => paths::devices("conflicts:>0"),
        Metric::SyncLatency | Metric::BatteryScore => format!("#trend-{}", metric.as_str()),
    }
}

#[component]
fn MetricCell(figure: Figure) -> impl IntoView {
    // A figure without a series has no trend to show.
    let values = figure.series.first().map_or_else(Vec::new, |series| series.points.iter().map(|point| point.value).collect());
    view! {
        <Kpi
            href=metric_href(figure.metric) label=figure.metric.label() tone=figure.tone verdict=figure.verdict
            figure=figure.value.map(|value| parts(figure.metric, value)) note=figure.note values
        />
    }
}

fn disk_tone(disk: DiskSpace) -> Tone {
    match disk.state() {
        DiskState::Enough => Tone::Idle,
        DiskState::Low => Tone::Watch,
        DiskState::Scarce => Tone::Act,
    }
}

#[component]
fn ConsolePanel(facts: ConsoleFacts, now: Millis) -> impl IntoView {
    let role = role_word(facts.role);
    view! {
        <div id="console">
            <Panel id="h-console" title="This console" end=move || view! { <Tag tone=Tone::Good text=role/> }>
                <div class="panel-body">
                    <dl class="facts facts-small">
                        <dt>"Log"</dt>
                        <dd>"head at seq " <a href=paths::CHANGES>{integer(facts.head.0)}</a></dd>
                        <dt>"Epoch"</dt>
                        <dd><Id id=facts.epoch/></dd>
                        <dt>"On disk"</dt>
                        <dd>
                            {bytes(facts.store_bytes)} ", log and projections; "
                            <span class="tone" data-tone=disk_tone(facts.disk).as_str()>{bytes(facts.disk.free)} " free"</span> " of "
                            {bytes(facts.disk.total)}
                        </dd>
                        <dt>"Started"</dt>
                        <dd><When at=facts.started now/> ", up for " {span(now.since(facts.started))}</dd>
                    </dl>
                </div>
            </Panel>
        </div>
    }
}

#[cfg(test)]
mod tests;
