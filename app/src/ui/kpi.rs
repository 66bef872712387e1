//! One cell of the key figures: label and verdict, figure and spark, one note. The whole cell is a link.

use leptos::prelude::*;
use tidewatch_domain::fleet::Tone;

use super::spark::Spark;
use super::tag::Verdict;

/// A key figure.
#[component]
pub fn Kpi(
    /// Where the number leads.
    href: String,
    /// What it is.
    #[prop(into)]
    label: String,
    /// Tone of the verdict and, when it is a warning, of the spark.
    tone: Tone,
    /// Verdict.
    #[prop(into)]
    verdict: String,
    /// Number and unit; `None` is *no data in this range*.
    figure: Option<(String, String)>,
    /// What relates it to traffic, to normal or to its SLO.
    #[prop(into)]
    note: String,
    /// Trend.
    values: Vec<Option<f64>>,
) -> impl IntoView {
    let figure = match figure {
        Some((number, unit)) => view! { <span class="figure">{number}<small>{unit}</small></span> }.into_any(),
        None => view! { <span class="figure figure-none"><span class="unsure">"no data"</span></span> }.into_any(),
    };
    view! {
        <a class="kpi" href=href>
            <span class="kpi-label">{label}<Verdict tone text=verdict/></span>
            {figure}
            <Spark values tone=Some(tone)/>
            <span class="kpi-note">{note}</span>
        </a>
    }
    .into_any()
}
