//! Metrics tab: the six figures of the overview for this device alone, over a range of the URL.

use leptos::prelude::*;
use tidewatch_domain::fleet::{DeviceView, Figure, Metric};
use tidewatch_domain::time::TimeRange;

use super::query::MetricsQuery;
use crate::format::{decimal, integer, millis, percent, span};
use crate::paths;
use crate::ui::{Panel, Segment, Segmented, Spark, Verdict};

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
    let rows = figures.into_iter().map(|figure| view! { <FigureRow figure/> }).collect_view();
    view! {
        <Panel id="h-metrics" title="Metrics" note="this device alone" end=move || view! { <Segmented label="Time range" segments small=true/> }>
            <ul class="rows">{rows}</ul>
        </Panel>
    }
    .into_any()
}

#[component]
fn FigureRow(figure: Figure) -> impl IntoView {
    let values = figure.series.first().map(|series| series.points.iter().map(|point| point.value).collect()).unwrap_or_default();
    let value = match figure.value {
        Some(value) => in_unit(figure.metric, value).into_any(),
        None => view! { <span class="unsure">"no data"</span> }.into_any(),
    };
    view! {
        <li>
            <Spark values tone=Some(figure.tone)/>
            <div><b>{figure.metric.label()} ": " {value}</b><p>{figure.note}</p></div>
            <Verdict tone=figure.tone text=figure.verdict/>
        </li>
    }
    .into_any()
}

/// A value in the unit of its metric.
#[expect(clippy::cast_possible_truncation, reason = "depths and ages are far below what an i64 holds")]
fn in_unit(metric: Metric, value: f64) -> String {
    match metric {
        Metric::QueueDepth => integer(value.round() as i64),
        Metric::SyncSuccess | Metric::ConflictRate => percent(value),
        Metric::DriftAge => span(value.round() as i64),
        Metric::SyncLatency => millis(value),
        Metric::BatteryScore => decimal(value, 0),
    }
}
