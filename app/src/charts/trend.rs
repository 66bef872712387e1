//! A trend: one metric over a range, with its limit, the range before, and hatching where nothing was reported.

use charming::Chart;
use charming::component::{Axis, Grid};
use charming::datatype::{CompositeValue, DataPoint};
use charming::element::{
    AreaStyle, AxisLabel as Labels, AxisLine, AxisTick, AxisType, Emphasis, ItemStyle, Label, LabelPosition, LineStyle,
    LineStyleType, MarkLine, MarkLineData, MarkLineVariant, SplitLine, Symbol, TextStyle, Tooltip, Trigger,
};
use charming::series::Line;
use serde_json::{Value, json};
use tidewatch_domain::fleet::{Figure, Metric, Point, Series};
use tidewatch_domain::time::TimeRange;

use super::{Drawn, axis_labels, segments};
use crate::format::{clock_short, day, decimal, metric};

/// Lines of one chart, in this order of tokens.
const LINES: [&str; 2] = ["var(--data-1)", "var(--data-4)"];

/// Draws a figure's trend.
#[must_use]
pub fn trend(figure: &Figure, range: TimeRange) -> Drawn {
    let (divisor, unit) = metric::scale(figure.metric, top(figure));
    let points = figure.series.first().map(|series| series.points.as_slice()).unwrap_or_default();
    let (from, to) = match (points.first(), points.last()) {
        (Some(first), Some(last)) => (first.at, last.at.plus(range.step_ms())),
        _ => Default::default(),
    };
    Drawn {
        title: title(figure.metric).to_owned(),
        note: figure.value.map_or_else(|| "no data".to_owned(), |value| metric::text(figure.metric, value)),
        lines: lines(figure),
        finding: finding(figure, range),
        option: option(figure, range, divisor).to_string(),
        columns: columns(figure, unit),
        rows: rows(figure, divisor),
        segments: segments(range),
        labels: axis_labels(range, from, to),
    }
}

/// The legend: only where there is more than one line.
fn lines(figure: &Figure) -> Vec<(String, &'static str)> {
    let names = figure.series.iter().zip(["data-1", "data-4"]).map(|(series, token)| (series.name.to_owned(), token));
    if figure.series.len() > 1 { names.collect() } else { Vec::new() }
}

/// A chart shows every line of its metric, so its title does not name one percentile.
const fn title(metric: Metric) -> &'static str {
    match metric {
        Metric::SyncLatency => "Sync latency",
        other => other.label(),
    }
}

fn top(figure: &Figure) -> f64 {
    let series = figure.series.iter().chain(&figure.previous);
    series.flat_map(|series| &series.points).filter_map(|point| point.value).chain(figure.slo).fold(0.0, f64::max)
}

fn known(points: &[Point]) -> impl DoubleEndedIterator<Item = f64> {
    points.iter().filter_map(|point| point.value)
}

/// One sentence: from where to where, between what, and the verdict.
fn finding(figure: &Figure, range: TimeRange) -> String {
    let (label, span) = (figure.metric.label(), words(range));
    let points = figure.series.first().map(|series| series.points.as_slice()).unwrap_or_default();
    let (Some(first), Some(last)) = (known(points).next(), known(points).next_back()) else {
        return format!("{label}: no data in the last {span}.");
    };
    let (low, high) = (known(points).fold(f64::INFINITY, f64::min), known(points).fold(f64::NEG_INFINITY, f64::max));
    let text = |value| metric::text(figure.metric, value);
    let gaps = points.iter().filter(|point| point.value.is_none()).count();
    let gaps = if gaps == 0 { String::new() } else { format!(" Nothing was reported in {gaps} of {} steps.", points.len()) };
    format!(
        "{label} went from {} to {} in the last {span}, between {} and {}: {}.{gaps}",
        text(first),
        text(last),
        text(low),
        text(high),
        figure.verdict
    )
}

/// A range in words.
const fn words(range: TimeRange) -> &'static str {
    match range {
        TimeRange::Hour => "hour",
        TimeRange::SixHours => "6 hours",
        TimeRange::Day => "24 hours",
        TimeRange::Week => "7 days",
        TimeRange::Month => "30 days",
    }
}

fn columns(figure: &Figure, unit: &str) -> Vec<String> {
    let names = figure.series.iter().map(|series| format!("{}, {unit}", series.name));
    let before = figure.previous.iter().map(|series| format!("{}, {unit}", series.name));
    std::iter::once("Time, UTC".to_owned()).chain(names).chain(before).collect()
}

fn rows(figure: &Figure, divisor: f64) -> Vec<Vec<String>> {
    let lines: Vec<&Series> = figure.series.iter().chain(&figure.previous).collect();
    let Some(first) = lines.first() else {
        return Vec::new();
    };
    let cell = |line: &&Series, at: usize| {
        line.points.get(at).and_then(|point| point.value).map_or_else(|| "no data".to_owned(), |value| shown(value, divisor))
    };
    let row =
        |(at, point): (usize, &Point)| std::iter::once(stamp(point)).chain(lines.iter().map(|line| cell(line, at))).collect();
    first.points.iter().enumerate().map(row).collect()
}

fn stamp(point: &Point) -> String {
    format!("{} {}", day(point.at), clock_short(point.at))
}

fn shown(value: f64, divisor: f64) -> String {
    decimal(value / divisor, 2)
}

/// The option object: built by the library, then given the two things that it has no field for.
fn option(figure: &Figure, range: TimeRange, divisor: f64) -> Value {
    let points = figure.series.first().map(|series| series.points.as_slice()).unwrap_or_default();
    let mut chart = Chart::new()
        .animation(false)
        .grid(Grid::new().left(44).right(12).top(10).bottom(1))
        .tooltip(Tooltip::new().trigger(Trigger::Axis))
        .x_axis(x_axis(points))
        .y_axis(y_axis(figure, divisor));
    let last = figure.series.len().saturating_sub(1);
    if let Some(previous) = &figure.previous {
        chart = chart.series(
            line(previous, divisor, LINES[1])
                .line_style(LineStyle::new().width(1.25).type_(LineStyleType::Dashed).color(LINES[1])),
        );
    }
    for (at, series) in figure.series.iter().enumerate().rev() {
        let colour = LINES[at.min(LINES.len() - 1)];
        let mut drawn = line(series, divisor, colour).line_style(LineStyle::new().width(1.5).color(colour));
        if last == 0 && from_zero(figure.metric) {
            drawn = drawn.area_style(AreaStyle::new().color(colour).opacity(0.14));
        }
        if at == 0 {
            drawn = drawn.mark_line(limit(figure, divisor));
        }
        chart = chart.series(drawn);
    }
    finish(serde_json::to_value(&chart).unwrap_or_default(), points, range)
}

const fn from_zero(metric: Metric) -> bool {
    !matches!(metric, Metric::SyncSuccess | Metric::BatteryScore)
}

fn x_axis(points: &[Point]) -> Axis {
    Axis::new()
        .type_(AxisType::Category)
        .boundary_gap(false)
        .data(points.iter().map(stamp).collect())
        .axis_label(Labels::new().show(false))
        .axis_tick(AxisTick::new().show(false))
        .axis_line(AxisLine::new().show(false))
}

fn y_axis(figure: &Figure, divisor: f64) -> Axis {
    let labels = Labels::new()
        .color("var(--text-3)")
        .font_size(11)
        .font_family("Inter, system-ui, sans-serif")
        .formatter(axis_text(figure.metric));
    let axis = Axis::new()
        .type_(AxisType::Value)
        .split_number(3)
        .axis_label(labels)
        .axis_line(AxisLine::new().show(false))
        .axis_tick(AxisTick::new().show(false))
        .split_line(SplitLine::new().line_style(LineStyle::new().color("var(--line)")));
    match figure.slo {
        // The limit stays in sight even when every value is far from it.
        Some(slo) if from_zero(figure.metric) => axis.min(0).max(round_up((top(figure).max(slo) / divisor) * 1.05)),
        _ if from_zero(figure.metric) => axis.min(0),
        _ => axis.scale(true).max(100),
    }
}

fn axis_text(metric: Metric) -> &'static str {
    match metric {
        Metric::SyncSuccess | Metric::ConflictRate => "{value} %",
        _ => "{value}",
    }
}

/// The next of 1, 2, 2.5, 5 or 10 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(10.0 * power)
}

fn line(series: &Series, divisor: f64, colour: &'static str) -> Line {
    let data = series.points.iter().map(|point| value_point(point.value.map(|value| value / divisor))).collect();
    Line::new()
        .name(series.name)
        .show_symbol(false)
        .symbol(Symbol::Circle)
        .symbol_size(6)
        .connect_nulls(false)
        .item_style(ItemStyle::new().color(colour))
        .emphasis(Emphasis::new())
        .data(data)
}

/// Two decimals: what the tooltip shows as it is. A dash is the library's sign for *no data*.
fn value_point(value: Option<f64>) -> DataPoint {
    match value {
        Some(value) => DataPoint::from((value * 100.0).round() / 100.0),
        None => DataPoint::from(CompositeValue::from("-")),
    }
}

fn limit(figure: &Figure, divisor: f64) -> MarkLine {
    let style = LineStyle::new().color("var(--text-2)").width(1).type_(LineStyleType::Dashed);
    let marks = figure.slo.map(|slo| {
        let label = Label::new()
            .show(true)
            .position(LabelPosition::InsideStartTop)
            .color("var(--text-2)")
            .font_size(11)
            .formatter(format!("SLO {}", metric::text(figure.metric, slo)).as_str());
        MarkLineVariant::Simple(MarkLineData::new().y_axis(slo / divisor).label(label))
    });
    MarkLine::new().line_style(style).symbol(vec![Symbol::None, Symbol::None]).data(marks.into_iter().collect::<Vec<_>>())
}

/// Rich-text tooltips (no HTML made from names that devices send, no inline style), hatching over gaps, and the end point.
fn finish(mut option: Value, points: &[Point], range: TimeRange) -> Value {
    let text = TextStyle::new().color("var(--text)").font_size(12).font_family("Inter, system-ui, sans-serif");
    option["tooltip"]["renderMode"] = json!("richText");
    option["tooltip"]["confine"] = json!(true);
    option["tooltip"]["backgroundColor"] = json!("var(--raised)");
    option["tooltip"]["borderColor"] = json!("var(--line-strong)");
    option["tooltip"]["borderWidth"] = json!(1);
    option["tooltip"]["textStyle"] = serde_json::to_value(text).unwrap_or_default();
    option["tooltip"]["axisPointer"] = json!({ "type": "line", "lineStyle": { "color": "var(--text-3)", "type": "dashed" } });
    let gaps: Vec<Value> = gaps(points).into_iter().map(|(from, to)| json!([{ "xAxis": from }, { "xAxis": to }])).collect();
    if let Some(main) = option["series"].as_array_mut().and_then(|series| series.last_mut()) {
        main["markArea"] = json!({ "silent": true, "itemStyle": { "color": "$hatch" }, "data": gaps });
        main["markLine"]["silent"] = json!(true);
        main["markLine"]["animation"] = json!(false);
    }
    option["stepMs"] = json!(range.step_ms());
    option
}

/// Runs of missing points as the places of their neighbours.
fn gaps(points: &[Point]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let last = points.len().saturating_sub(1);
    for (at, _) in points.iter().enumerate().filter(|(_, point)| point.value.is_none()) {
        match runs.last_mut() {
            Some((_, to)) if *to >= at => *to = (at + 1).min(last),
            _ => runs.push((at.saturating_sub(1), (at + 1).min(last))),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_domain::time::Millis;

    #[test]
    fn a_gap_is_hatched_from_its_last_known_point_to_its_next() {
        let point = |value| Point { at: Millis(0), value };
        let points = [Some(1.0), None, None, Some(2.0), None].map(point);
        assert_eq!(gaps(&points), [(0, 3), (3, 4)]);
        assert_eq!(gaps(&[None, Some(1.0)].map(point)), [(0, 1)]);
        assert_eq!(gaps(&[]), []);
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        assert_eq!([0.95, 1.0, 1.01, 18_406.0, 525.0, 0.0].map(round_up), [1.0, 1.0, 1.5, 20_000.0, 600.0, 1.0]);
    }
}
