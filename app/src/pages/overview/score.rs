//! Resilience score: the mean of the fleet, its change, its spread.

use leptos::prelude::*;
use tidewatch_domain::fleet::{FleetScore, Tone};
use tidewatch_domain::time::TimeRange;

use super::query::range_label;
use crate::format::{counted, decimal};
use crate::paths;
use crate::ui::{Icon, IconName, Panel, Tanks};

/// Change below which the score counts as unchanged, points.
const STEADY: f64 = 0.05;

/// Score, change and tanks.
#[component]
pub fn ScorePanel(
    /// Score of the fleet.
    score: FleetScore,
    /// Range it is compared over.
    range: TimeRange,
) -> impl IntoView {
    let value = match score.scores.total.value {
        Some(total) => view! { <span class="hero">{decimal(total, 1)}</span> }.into_any(),
        None => view! { <span class="unsure unsure-left">"not enough data"</span> }.into_any(),
    };
    view! {
        <Panel id="h-score" title="Resilience score" note="water area = score" plain=true>
            <div class="panel-body score">
                <div class="score-top">{value}<span class="score-side"><Change score range/><Spread score/></span></div>
                <Tanks scores=score.scores/>
            </div>
        </Panel>
    }
}

#[component]
fn Change(score: FleetScore, range: TimeRange) -> impl IntoView {
    let before = range_label(range);
    let Some(change) = score.scores.total.value.zip(score.previous).map(|(now, then)| now - then) else {
        return ().into_any();
    };
    let (tone, icon) = if change < 0.0 { (Tone::Act, IconName::Down) } else { (Tone::Good, IconName::Up) };
    if change.abs() < STEADY {
        return view! { <span class="delta">"as " {before} " before"</span> }.into_any();
    }
    let word = if change < 0.0 { "down" } else { "up" };
    view! {
        <span class="delta" data-tone=tone.as_str()>
            <Icon name=icon/><span class="sr-only">{word} " "</span>{decimal(change.abs(), 1)} " against " {before} " before"
        </span>
    }
    .into_any()
}

#[component]
fn Spread(score: FleetScore) -> impl IntoView {
    let spread = match (score.p10, score.p50) {
        (Some(p10), Some(p50)) => format!("half below {}, a tenth below {}", decimal(p50, 0), decimal(p10, 0)),
        _ => "too few devices for a spread".to_owned(),
    };
    view! {
        <small class="faint">{spread}</small>
        <small class="faint">"mean of " <a href=paths::devices("score:>=0")>{counted(score.devices, "device", "devices")}</a></small>
    }
}
