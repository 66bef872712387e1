//! Side column of a device: what to do, convergence per collection, check-ins, scores, facts.

use leptos::prelude::*;
use tidewatch_domain::fleet::{Convergence, ConvergenceVerdict, DeviceView, Recommendation, Risk, Score, Scores, Tone};
use tidewatch_domain::time::Millis;

use crate::format::{When, ago, count, decimal, integer};
use crate::pages::devices::words;
use crate::paths;
use crate::ui::status::contact_tone;
use crate::ui::{Glyph, Rhythm, Sign};

/// Facts about a device as they are now.
#[component]
pub fn DeviceSide(
    /// The device.
    view: DeviceView,
    /// As of.
    now: Millis,
) -> impl IntoView {
    view! {
        <aside class="stack" aria-label="State and facts">
            {(!view.recommended.is_empty()).then(|| view! { <ToDo items=view.recommended.clone()/> })}
            {(!view.risks.is_empty()).then(|| view! { <Risks risks=view.risks.clone() now/> })}
            <ConvergencePanel items=view.convergence.clone() now/>
            <CheckIns view=view.clone() now/>
            <ScorePanel scores=view.scores/>
            <Facts view now/>
        </aside>
    }
    .into_any()
}

#[component]
fn ToDo(items: Vec<Recommendation>) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="h-todo">
            <div class="panel-head"><h2 id="h-todo">"What to do"</h2><small>"worst first"</small></div>
            <ul class="rows rows-tight rows-plain">
                {items
                    .into_iter()
                    .map(|item| view! { <li><div><a class="medium" href=paths::target(&item.target)>{item.title}</a><p>{item.detail}</p></div></li> })
                    .collect_view()}
            </ul>
        </section>
    }
    .into_any()
}

#[component]
fn Risks(risks: Vec<Risk>, now: Millis) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="h-risks">
            <div class="panel-head"><h2 id="h-risks">"Risks"</h2><small>"at this rate"</small></div>
            <ul class="rows rows-tight">
                {risks
                    .into_iter()
                    .map(|risk| view! { <li data-tone="watch"><Glyph sign=Sign::Stalling/><div><b>{risk.title}</b><p>{risk.basis}</p></div><span class="small">{ago(risk.due, now)}</span></li> })
                    .collect_view()}
            </ul>
        </section>
    }
    .into_any()
}

#[component]
fn ConvergencePanel(items: Vec<Convergence>, now: Millis) -> impl IntoView {
    let many_scopes = items.iter().any(|item| item.scope != items[0].scope);
    let list = if items.is_empty() {
        view! { <div class="empty"><b>"No collections yet"</b><p>"It has not pulled a scope, so there is nothing to compare."</p></div> }.into_any()
    } else {
        let rows = items.into_iter().map(|item| view! { <ConvergenceRow item many_scopes now/> }).collect_view();
        view! { <ul class="rows rows-tight">{rows}</ul> }.into_any()
    };
    view! {
        <section class="panel" aria-labelledby="h-convergence">
            <div class="panel-head"><h2 id="h-convergence">"Convergence"</h2><small>"digest per collection"</small></div>
            {list}
        </section>
    }
    .into_any()
}

#[component]
fn ConvergenceRow(item: Convergence, many_scopes: bool, now: Millis) -> impl IntoView {
    let (tone, sign, word, note) = verdict(&item.verdict, now);
    // A scope that was pulled, but of which no collection was reported, has no collection to name.
    let (name, scope) = if item.collection.is_empty() {
        (item.scope, None)
    } else {
        (item.collection, many_scopes.then(|| format!("{} ", item.scope)))
    };
    view! {
        <li data-tone=tone.as_str()>
            <Glyph sign/>
            <div><b class="mono">{name}</b><p>{scope}{note}</p></div>
            <span class="small tone">{word}</span>
        </li>
    }
    .into_any()
}

fn verdict(verdict: &ConvergenceVerdict, now: Millis) -> (Tone, Sign, &'static str, String) {
    match verdict {
        ConvergenceVerdict::Identical(seq) => (Tone::Good, Sign::Converged, "Identical", format!("at seq {}", integer(seq.0))),
        ConvergenceVerdict::Behind(n) => (Tone::Run, Sign::CatchingUp, "Behind", format!("by {} changes", integer(*n))),
        ConvergenceVerdict::Diverged(Some(since)) => {
            (Tone::Act, Sign::Diverged, "Diverged", format!("first seen {}", ago(*since, now)))
        }
        ConvergenceVerdict::Diverged(None) => (Tone::Act, Sign::Diverged, "Diverged", "the digest differs".to_owned()),
        ConvergenceVerdict::Blocked(n) => (Tone::Act, Sign::Stuck, "Blocked", format!("{} entries stuck", integer(*n))),
        ConvergenceVerdict::NotReported => (Tone::Idle, Sign::Unknown, "Not reported", String::new()),
    }
}

#[component]
fn CheckIns(view: DeviceView, now: Millis) -> impl IntoView {
    let row = view.row;
    let expects = row
        .interval_ms
        .map_or_else(|| "rhythm not known yet".to_owned(), |ms| format!("expects one {}", words::interval_words(ms)));
    let kept = view.kept_of_24.map(|(kept, of)| view! { <span class="small faint">{format!("{kept} of {of}")}</span> });
    let next = view.next_expected.map(|at| {
        if at < now { format!("Was expected {}. ", ago(at, now)) } else { format!("Next expected {}. ", ago(at, now)) }
    });
    let last = row.last_contact.map(|at| view! { "Last contact " <When at now/> "." });
    view! {
        <section class="panel" aria-labelledby="h-checkins">
            <div class="panel-head"><h2 id="h-checkins">"Check-ins"</h2><small>{expects}</small></div>
            <div class="panel-body grid">
                <div class="between"><Rhythm kept=row.rhythm tone=contact_tone(row.contact).unwrap_or(Tone::Watch)/>{kept}</div>
                <p class="small faint">{next}{last}</p>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn ScorePanel(scores: Scores) -> impl IntoView {
    let total = match scores.total.value {
        Some(value) => {
            format!("{} of 100, from {} % of its inputs", decimal(value, 0), decimal(scores.total.coverage * 100.0, 0))
        }
        None => format!("not enough data, {} % of the inputs reported", decimal(scores.total.coverage * 100.0, 0)),
    };
    let groups = [
        ("Connectivity", scores.connectivity),
        ("Offline resilience", scores.offline_resilience),
        ("Battery", scores.battery),
        ("User experience", scores.user_experience),
    ];
    view! {
        <section class="panel" aria-labelledby="h-score">
            <div class="panel-head"><h2 id="h-score">"Resilience score"</h2><small>{total}</small></div>
            <ul class="score-list">{groups.map(|(name, score)| view! { <ScoreRow name score/> }).into_iter().collect_view()}</ul>
        </section>
    }
    .into_any()
}

#[component]
fn ScoreRow(name: &'static str, score: Score) -> impl IntoView {
    let coverage = format!("{} % reported", decimal(score.coverage * 100.0, 0));
    let value = match score.value {
        Some(value) => view! { <b>{decimal(value, 0)}</b> }.into_any(),
        None => view! { <span class="unsure unsure-left">"not enough data"</span> }.into_any(),
    };
    let level = score.value.map(|value| crate::ui::pct(value).to_string());
    view! {
        <li>
            <span>{name}</span>
            <span class="score-level" data-unknown=score.value.is_none().then_some("")><i data-pct=level></i></span>
            {value}
            <small>{coverage}</small>
        </li>
    }
    .into_any()
}

#[component]
fn Facts(view: DeviceView, now: Millis) -> impl IntoView {
    let facts = view
        .facts
        .into_iter()
        .map(|(label, value)| {
            let value = match value {
                Some(value) => match Millis::parse_rfc3339(&value) {
                    Some(at) => view! { <When at now/> }.into_any(),
                    None => value.into_any(),
                },
                None => view! { <span class="faint">"not reported"</span> }.into_any(),
            };
            view! { <dt>{label}</dt><dd>{value}</dd> }
        })
        .collect_view();
    let conflicts = u64::try_from(view.row.conflicts).unwrap_or(0);
    view! {
        <section class="panel" aria-labelledby="h-facts">
            <div class="panel-head"><h2 id="h-facts">"Facts"</h2></div>
            <div class="panel-body">
                <dl class="facts">
                    {facts}
                    <dt>"Open conflicts"</dt>
                    <dd>{count(conflicts)}</dd>
                    <dt>"Enrolled"</dt>
                    <dd><When at=view.enrolled now/></dd>
                    <dt>"Its changes"</dt>
                    <dd><a href=paths::changes(&format!("device:{}", view.row.client_id))>"In the log"</a></dd>
                </dl>
            </div>
        </section>
    }
    .into_any()
}
