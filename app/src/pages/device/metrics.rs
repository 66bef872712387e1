//! Metrics tab: the six figures of the overview for this device alone, each with its trend and its table, over a range of the URL.

use leptos::prelude::*;
use tidewatch_domain::fleet::{DeviceView, Figure};
use tidewatch_domain::time::TimeRange;

use super::query::MetricsQuery;
use crate::charts;
use crate::paths;
use crate::ui::{FleetChart, Panel, Segment, Segmented, Verdict};

/// The tab.
#[component]
pub fn MetricsTab(
    /// The device.
    view: DeviceView,
    /// State of the URL.
    query: MetricsQuery,
    /// Its figures.
    figures: Vec<Figure>,
) -> impl IntoView {
    let path = paths::device_metrics(&view.row.client_id);
    let segments = TimeRange::ALL
        .into_iter()
        .map(|range| Segment {
            label: range.as_str().to_owned(),
            href: format!("{path}{}", MetricsQuery { range }.print()),
            current: query.range == range,
        })
        .collect::<Vec<_>>();
    let charts = figures.into_iter().map(|figure| view! { <FigureChart figure range=query.range/> }).collect_view();
    view! {
        <Panel id="h-metrics" title="Metrics" note="this device alone; hatched where nothing was reported" end=move || view! { <Segmented label="Time range" segments small=true/> }>
            <div class="panel-body trend-grid">{charts}</div>
        </Panel>
    }
    .into_any()
}

#[component]
fn FigureChart(figure: Figure, range: TimeRange) -> impl IntoView {
    let id = format!("metric-{}", figure.metric.as_str());
    let drawn = charts::trend(&figure, range);
    view! {
        <div class="metric">
            <FleetChart id drawn group="device"/>
            <p class="metric-note"><Verdict tone=figure.tone text=figure.verdict/>" " {figure.note}</p>
        </div>
    }
    .into_any()
}
