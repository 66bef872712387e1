//! Trace of one operation: its stages from the device's queue to those who pulled it, its subject, and the shape of its payload.
//! Values never appear, only their types. The search form leads here; an id nobody knows is a 404 that says what it may mean.

pub mod shape;
#[cfg(test)]
mod tests;

use http::StatusCode;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use tidewatch_domain::fleet::{Tone, Trace, TraceStage};
use tidewatch_domain::time::Millis;
use tidewatch_service::Error;

use super::loaded;
use super::params::Params;
use crate::context::{Console, console};
use crate::error::answer_status;
use crate::format::{clock, count, id_short, span, when};
use crate::icon::{Icon, IconName};
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::empty::Reason;
use crate::ui::timeline::TimelineItem;
use crate::ui::{Empty, Glyph, Id, Lifeline, Panel, Sign, Stage, StageState, Timeline};
use shape::Shape;

/// The milestones of the lifeline: stage as the store names it, and its name for people.
const MILESTONES: [(&str, &str); 5] = [
    ("enqueued", "Enqueued"),
    ("received", "Received"),
    ("decided", "Decided"),
    ("committed", "Committed"),
    ("pulled", "Pulled by"),
];

/// One operation.
#[component]
pub fn TracePage() -> impl IntoView {
    let id = use_params_map().with_untracked(|map| map.get("id")).unwrap_or_default();
    loaded(async move {
        let Console { service, cx, .. } = console();
        let page = match service.operation_trace(&cx, &id).await {
            Ok(trace) => {
                let title = format!("Operation {}", id_short(&id));
                view! { <Frame title section=Section::Changes crumbs=crumbs() as_of=Some(cx.now)><TraceView trace now=cx.now/></Frame> }.into_any()
            }
            Err(Error::NotFound(_) | Error::Invalid { .. }) => {
                answer_status(StatusCode::NOT_FOUND);
                view! { <Frame title="No such operation" section=Section::Changes crumbs=crumbs()><NoTrace id/></Frame> }
                    .into_any()
            }
            Err(other) => return Err(other),
        };
        Ok(page)
    })
}

/// The search form as a page; with an id it leads to the trace.
#[component]
pub fn OperationsPage() -> impl IntoView {
    let typed = Params::here().one("id").map(str::to_owned);
    loaded(async move {
        console().cx.require(tidewatch_domain::role::Action::Look)?;
        if let Some(id) = &typed {
            leptos_axum::redirect(&paths::trace(id));
        }
        Ok(view! {
            <Frame title="Find an operation" section=Section::Changes crumbs=crumbs()>
                <div class="page-head"><div><h1>"Find an operation"</h1><p>"By its whole id, as the device or the log shows it."</p></div></div>
                <OperationSearch typed=typed.unwrap_or_default()/>
            </Frame>
        })
    })
}

fn crumbs() -> Vec<(String, String)> {
    vec![("Changes".to_owned(), paths::changes(""))]
}

/// Form that opens a trace by operation id.
#[component]
pub fn OperationSearch(
    /// What was typed.
    typed: String,
) -> impl IntoView {
    view! {
        <form class="operation-search" role="search" aria-label="Find an operation" method="get" action=paths::OPERATIONS>
            <input class="input" type="search" name="id" aria-label="Operation id" placeholder="Operation id" value=typed maxlength="64" spellcheck="false" autocomplete="off" required/>
            <button class="btn" type="submit"><Icon name=IconName::Search/>"Open trace"</button>
        </form>
    }
    .into_any()
}

#[component]
fn NoTrace(id: String) -> impl IntoView {
    let text = "The id may be cut short. The operation may still wait in the outbox of a device that has not reported it. Or it is older than what the store keeps.";
    view! {
        <div class="page-head"><div><h1>"No trace of this operation"</h1><p class="mono">{id.clone()}</p></div></div>
        <section class="panel" aria-label="What it may mean">
            <Empty reason=Reason::NoMatch title="The store has never seen this id" text=text action=move || view! { <OperationSearch typed=id/> }/>
        </section>
    }
    .into_any()
}

/// The page inside its frame.
#[component]
pub fn TraceView(
    /// The trace.
    trace: Trace,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let (tone, lead, sentence) = verdict(&trace);
    let stages = lifeline(&trace, now);
    let items = trace.stages.iter().map(item).collect();
    view! {
        <div class="page-head">
            <div>
                <h1 class="flex wrap">"Operation " <Id id=trace.operation_id.clone()/></h1>
                <p class="lede" data-tone=tone.as_str()><Glyph sign=tone_sign(tone)/><span><b>{lead}</b> " " {sentence}</span></p>
            </div>
        </div>
        <Panel id="h-life" title="Its way" note=took(&trace) plain=true><div class="panel-body"><Lifeline stages/></div></Panel>
        <div class="cols cols-main-side">
            <div class="stack">
                <Panel id="h-stages" title="Stages" note="oldest first, times in UTC"><Timeline items now/></Panel>
            </div>
            <aside class="stack" aria-label="What it is about"><Subject trace=trace.clone()/><ShapePanel shape=trace.shape/></aside>
        </div>
    }
    .into_any()
}

fn tone_sign(tone: Tone) -> Sign {
    if tone == Tone::Good { Sign::Converged } else { Sign::from(tone) }
}

/// What became of it: tone, the word, and what follows from it.
fn verdict(trace: &Trace) -> (Tone, String, String) {
    let pulled = match trace.pulled {
        Some((all, of)) if all == of && of > 0 => format!("All {} devices of its scope have pulled past it.", count(of)),
        Some((_, 0)) => "No device is subscribed to its scope.".to_owned(),
        Some((some, of)) => format!("{} of {} devices of its scope have pulled past it.", count(some), count(of)),
        None => String::new(),
    };
    let (tone, lead, rest) = match trace.status.as_deref() {
        Some("applied") => (Tone::Good, "Applied.", pulled),
        Some("merged") => (Tone::Good, "Merged.", format!("It met another write, and both were kept. {pulled}")),
        Some("superseded") => {
            (Tone::Watch, "Superseded.", "A newer write won. This one is kept in the conflicts log.".to_owned())
        }
        Some("conflict") => (Tone::Act, "In conflict.", "It needs a decision and is kept in the conflicts log.".to_owned()),
        Some("rejected") => {
            (Tone::Act, "Rejected.", "It cannot succeed by being sent again. It is kept as a dead letter.".to_owned())
        }
        Some("deferred") => (Tone::Run, "Deferred.", "It was not decided, and the device sends it again.".to_owned()),
        Some(other) => (Tone::Idle, "Answered.", format!("The final answer was {other}. {pulled}")),
        None => (Tone::Run, "No final answer yet.", "The device still has it in its outbox.".to_owned()),
    };
    (tone, lead.to_owned(), rest.trim().to_owned())
}

/// Milestones in order; what never came after a refusal stays hollow.
fn lifeline(trace: &Trace, now: Millis) -> Vec<Stage> {
    let last = MILESTONES.iter().rposition(|(stage, _)| trace.stages.iter().any(|found| found.stage == *stage));
    MILESTONES
        .into_iter()
        .enumerate()
        .map(|(at, (stage, name))| {
            let found = trace.stages.iter().rev().find(|found| found.stage == stage);
            let state = match found {
                Some(found) if found.tone == Tone::Act => StageState::Failed,
                Some(_) if trace.status.is_none() && Some(at) == last => StageState::Now,
                Some(_) => StageState::Done,
                None if Some(at) < last => StageState::Unseen,
                None => StageState::Ahead,
            };
            Stage { name: stage_name(stage, name, trace), note: stage_note(stage, found, trace, now), state }
        })
        .collect()
}

fn stage_name(stage: &str, name: &str, trace: &Trace) -> String {
    match (stage, trace.status.as_deref()) {
        ("decided", Some(status)) => format!("{}{}", status[..1].to_uppercase(), &status[1..]),
        _ => name.to_owned(),
    }
}

fn stage_note(stage: &str, found: Option<&TraceStage>, trace: &Trace, now: Millis) -> String {
    match (stage, trace.pulled, found) {
        ("pulled", Some((some, of)), _) => format!("{} of {} devices", count(some), count(of)),
        (_, _, Some(TraceStage { at: Some(at), .. })) => when(*at, now),
        (_, _, Some(_)) => "time not known".to_owned(),
        (_, _, None) => String::new(),
    }
}

/// From the first instant that is known to the commit.
fn took(trace: &Trace) -> String {
    let first = trace.stages.iter().find_map(|stage| stage.at);
    let committed = trace.stages.iter().find(|stage| stage.stage == "committed").and_then(|stage| stage.at);
    match (first, committed) {
        (Some(first), Some(committed)) if committed > first => {
            format!("{} from {} to the commit", span(committed.since(first)), clock(first))
        }
        _ => String::new(),
    }
}

fn item(stage: &TraceStage) -> TimelineItem {
    TimelineItem { at: stage.at, tone: stage.tone, title: stage.title.clone(), detail: stage.detail.clone(), link: None }
}

#[component]
fn Subject(trace: Trace) -> impl IntoView {
    let record = trace.subject.map(|(collection, record)| {
        let href = paths::changes(&format!("collection:{collection} record:{record}"));
        view! { <a class="mono" href=href title="Every change of this record">{collection} "/" {record}</a> }
    });
    let device = trace.client_id.map(|id| {
        let name = trace.device_name.clone().unwrap_or_else(|| id_short(id.as_str()));
        view! { <a href=paths::device(&id)>{name}</a> " " <Id id=id.to_string()/> }
    });
    view! {
        <section class="panel" aria-labelledby="h-subject">
            <div class="panel-head"><h2 id="h-subject">"Subject"</h2></div>
            <div class="panel-body">
                <dl class="facts">
                    <dt>"Operation"</dt>
                    <dd class="mono break">{trace.operation_id}</dd>
                    <dt>"Record"</dt>
                    <dd>{record.map_or_else(not_known, IntoAny::into_any)}</dd>
                    <dt>"Scope"</dt>
                    <dd>{trace.scope.map_or_else(not_known, |scope| view! { <span class="mono">{scope}</span> }.into_any())}</dd>
                    <dt>"Made by"</dt>
                    <dd>{device.map_or_else(not_known, IntoAny::into_any)}</dd>
                    <dt>"Answer"</dt>
                    <dd>{trace.status.map_or_else(|| view! { <span class="faint">"none yet"</span> }.into_any(), IntoAny::into_any)}</dd>
                </dl>
            </div>
        </section>
    }
    .into_any()
}

fn not_known() -> AnyView {
    view! { <span class="faint">"not known"</span> }.into_any()
}

#[component]
fn ShapePanel(shape: Option<String>) -> impl IntoView {
    let body = match shape {
        Some(shape) => view! { <Shape json=shape/> }.into_any(),
        None => view! { <div class="empty"><b>"No body"</b><p>"A delete has none, and a rejected operation never made one."</p></div> }.into_any(),
    };
    view! {
        <section class="panel" aria-labelledby="h-shape">
            <div class="panel-head"><h2 id="h-shape">"Shape of the record after it"</h2><small>"types only, no values"</small></div>
            {body}
        </section>
    }
    .into_any()
}
