//! Needs a person, worst first; beside it what is foreseen and what is worth doing.

use leptos::prelude::*;
use tidewatch_domain::fleet::{Recommendation, Risk, Tone, Urgency, WorkItem};
use tidewatch_domain::time::Millis;

use crate::format::{When, ago, counted};
use crate::paths;
use crate::ui::{Empty, Glyph, Icon, IconName, Panel, PanelFoot, empty::Reason};

/// What to do, and what could be better though nothing is wrong.
#[component]
pub fn AdvicePanels(
    /// Worst first.
    recommended: Vec<Recommendation>,
    /// What could be better.
    opportunities: Vec<Recommendation>,
) -> impl IntoView {
    let advice = [
        ("h-recommended", "Recommended", "what would help most", recommended),
        ("h-opportunities", "Could be better", "nothing is wrong here", opportunities),
    ];
    advice
        .into_iter()
        .filter(|(.., items)| !items.is_empty())
        .map(|(id, title, note, items)| view! { <Panel id title note><Advice items/></Panel> })
        .collect_view()
}

/// Needs a person, worst first.
#[component]
pub fn WorkPanel(
    /// Worst first.
    work: Vec<WorkItem>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    if work.is_empty() {
        return view! {
            <Panel id="h-work" title="Needs a person">
                <Empty reason=Reason::Healthy title="Nothing waits for a person" text="No device is stuck or diverged, and none is overdue with entries at risk."/>
            </Panel>
        }
        .into_any();
    }
    view! {
        <Panel id="h-work" title="Needs a person" note="worst first, by devices × time × data at risk">
            <ol class="worklist">
                {work.into_iter().enumerate().map(|(at, item)| view! { <Work item first=at == 0 now/> }).collect_view()}
            </ol>
            <PanelFoot><span>"Nothing else waits for a person."</span></PanelFoot>
        </Panel>
    }
    .into_any()
}

const fn urgency_tone(urgency: Urgency) -> Tone {
    match urgency {
        Urgency::Now => Tone::Act,
        Urgency::Today => Tone::Watch,
        Urgency::ThisWeek => Tone::Idle,
    }
}

#[component]
fn Work(item: WorkItem, first: bool, now: Millis) -> impl IntoView {
    let href = paths::target(&item.target);
    view! {
        <li class="work" data-tone=urgency_tone(item.urgency).as_str()>
            <span class="work-when">{item.urgency.label()}</span>
            <div><h3><a href=href.clone()>{item.title.clone()}</a></h3><p>{item.detail}</p></div>
            <div class="work-meta">
                {item.since.map(|at| view! { "since " <When at now/> })}
                {(item.devices > 0).then(|| view! { <small>{counted(item.devices, "device", "devices")}</small> })}
            </div>
            <a class="btn btn-small" class:btn-primary=first href=href>{item.verb}<span class="sr-only">": " {item.title}</span></a>
        </li>
    }
}

/// What trends lead to.
#[component]
pub fn RiskPanel(
    /// Soonest first.
    risks: Vec<Risk>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    if risks.is_empty() {
        return view! {
            <Panel id="h-risks" title="Risks ahead">
                <Empty reason=Reason::Healthy title="No trend leads to a limit" text="Queues and storage are read against their limits all the time."/>
            </Panel>
        }
        .into_any();
    }
    let risk = move |risk: Risk| {
        view! {
            <li data-tone="watch">
                <Glyph sign=Tone::Watch/>
                <div><a class="medium" href=paths::target(&risk.target)>{risk.title}</a><p>{ago(risk.due, now)} " at this rate. " {risk.basis}</p></div>
            </li>
        }
    };
    view! { <Panel id="h-risks" title="Risks ahead" note="from trends"><ul class="rows">{risks.into_iter().map(risk).collect_view()}</ul></Panel> }.into_any()
}

#[component]
fn Advice(items: Vec<Recommendation>) -> impl IntoView {
    let line = |item: Recommendation| {
        view! {
            <li><Icon name=IconName::Arrow/><div><a class="medium" href=paths::target(&item.target)>{item.title}</a><p>{item.detail}</p></div></li>
        }
    };
    view! { <ol class="rows">{items.into_iter().map(line).collect_view()}</ol> }
}
