//! Trends: one chart a metric, on one time axis.

use leptos::prelude::*;
use tidewatch_domain::fleet::Figure;
use tidewatch_domain::time::{Millis, SECOND_MS};

use super::query::State;
use crate::charts::trend;
use crate::format::{span, when};
use crate::ui::{FleetChart, Panel};

/// All charts.
#[component]
pub fn TrendsPanel(
    /// Figures with their series.
    figures: Vec<Figure>,
    /// Range and comparison.
    state: State,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let from = now.plus(-state.range.span_ms());
    let note = format!("{} to now, UTC, steps of {}", when(from, now), span(state.range.step_ms().max(SECOND_MS)));
    let legend = move || {
        view! {
            <ul class="legend">
                <li><i class="swatch" data-line="" data-c="data-1"></i>"this range"</li>
                {state.compare.then(|| view! { <li><i class="swatch" data-dash="" data-c="data-4"></i>{format!("the {} before", state.range_words())}</li> })}
                <li><i class="swatch" data-dash="" data-c="text-2"></i>"SLO"</li>
                <li><i class="swatch" data-hatch=""></i>"no data"</li>
            </ul>
        }
    };
    view! {
        <Panel id="h-trend" title="Trends" note=note end=legend>
            <div class="panel-body trend-grid">
                {figures
                    .iter()
                    .map(|figure| view! { <FleetChart id=format!("trend-{}", figure.metric.as_str()) drawn=trend(figure, state.range) group="trends"/> })
                    .collect_view()}
            </div>
        </Panel>
    }
}
