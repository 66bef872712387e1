//! Sluice: drift age as four gates. Water runs up to the gate that is shut; after it the bed is dry.

use leptos::prelude::*;
use tidewatch_domain::fleet::{Drift, Gate};

use crate::format::span;

/// The four gates of drift.
#[component]
pub fn Sluice(
    /// Drift of a device.
    drift: Drift,
) -> impl IntoView {
    let shut = drift.cause.and_then(|cause| drift.gates.iter().position(|gate| gate.cause == cause));
    view! {
        <ol class="sluice">
            {drift.gates.into_iter().enumerate().map(|(at, gate)| view! { <GateView gate state=gate_state(at, shut)/> }).collect_view()}
        </ol>
    }
}

fn gate_state(at: usize, shut: Option<usize>) -> Option<&'static str> {
    match shut {
        Some(shut) if at == shut => Some("blocked"),
        Some(shut) if at > shut => Some("dry"),
        _ => None,
    }
}

#[component]
fn GateView(gate: Gate, state: Option<&'static str>) -> impl IntoView {
    let figure = match gate.shut_ms {
        Some(0) => view! { <b>"0:00"</b> }.into_any(),
        Some(ms) => view! { <b>{span(ms)}</b> }.into_any(),
        None => view! { <b><span class="unsure unsure-left">"unknown"</span></b> }.into_any(),
    };
    view! {
        <li class="gate" data-state=state>
            <div class="gate-bar"></div>
            <span>{gate.cause.label()}</span>
            {figure}
            <small>{gate.note}</small>
        </li>
    }
}
