//! Resilience score as tanks: each as wide as its weight and as full as its score, so the area of water is the score.

use leptos::prelude::*;
use tidewatch_domain::fleet::{Score, Scores};

use super::pct;
use crate::format::decimal;

/// The target line of every tank.
const TARGET: f64 = 80.0;

/// Four tanks, weights 3 : 3 : 2 : 2.
#[component]
pub fn Tanks(
    /// Scores by group.
    scores: Scores,
) -> impl IntoView {
    let tanks = [
        ("Connectivity", 30.0, scores.connectivity),
        ("Offline", 30.0, scores.offline_resilience),
        ("Battery", 20.0, scores.battery),
        ("User", 20.0, scores.user_experience),
    ];
    view! { <div class="tanks">{tanks.map(|(name, weight, score)| view! { <Tank name weight score/> }).into_iter().collect_view()}</div> }
}

#[component]
fn Tank(name: &'static str, weight: f64, score: Score) -> impl IntoView {
    let tone = score.value.filter(|value| *value < TARGET - 10.0).map(|_| "watch");
    let level = match score.value {
        Some(value) => view! {
            <span class="tank-water" data-pct=pct(value).to_string()></span>
            <span class="tank-target"></span>
            <b>{decimal(value, 0)}</b>
        }
        .into_any(),
        None => view! { <span class="tank-unknown"></span><i>"not enough data"</i> }.into_any(),
    };
    let note = match score.value {
        Some(value) => format!("{} of {}", decimal(value * weight / 100.0, 1), decimal(weight, 0)),
        None => format!("of {}", decimal(weight, 0)),
    };
    view! {
        <div class="tank" data-tone=tone title=format!("{} % of the inputs reported", decimal(score.coverage * 100.0, 0))>
            <span class="tank-box">{level}</span>
            <span class="tank-name">{name}</span>
            <span class="tank-note">{note}</span>
        </div>
    }
}
