//! A trend: one metric over a range, with its limit, the range before, and hatching where nothing was reported.
//!
//! The library draws lines and axes. What lies over them travels beside its own members and is laid by `style/js/charts.ts` as
//! plain elements: `gaps`, `limit`, `unit`.

use charming::Chart;
use charming::component::{Axis, Grid};
use charming::datatype::{CompositeValue, DataPoint};
use charming::element::{
    AreaStyle, AxisLabel as Labels, AxisLine, AxisTick, AxisType, ItemStyle, LineStyle, LineStyleType, SplitLine, Symbol,
};
use charming::series::Line;
use serde_json::{Value, json};
use tidewatch_domain::fleet::{Figure, Metric, Point, Series};
use tidewatch_domain::time::TimeRange;

use super::{Drawn, axis_labels, segments};
use crate::format::{clock_short, day, decimal, metric};

/// Room above a limit for its words.
const LIMIT_ROOM: f64 = 1.1;

/// Lines of one chart, in this order of tokens.
const LINES: [&str; 2] = ["var(--data-1)", "var(--data-4)"];

/// Points of the line that matters; a figure without a series has none, and its chart says so.
fn main_points(figure: &Figure) -> &[Point] {
    figure.series.first().map_or(&[], |series| series.points.as_slice())
}

/// Draws a figure's trend.
#[must_use]
pub fn trend(figure: &Figure, range: TimeRange) -> Drawn {
    let (divisor, unit) = metric::scale(figure.metric, top(figure));
    let points = main_points(figure);
    let (from, to) = match (points.first(), points.last()) {
        (Some(first), Some(last)) => (first.at, last.at.plus(range.step_ms())),
        _ => Default::default(),
    };
    Drawn {
        title: title(figure.metric).to_owned(),
        note: figure.value.map_or_else(|| "no data".to_owned(), |value| metric::text(figure.metric, value)),
        lines: lines(figure),
        finding: finding(figure, range),
        option: option(figure, range, divisor, unit).to_string(),
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
    let points = main_points(figure);
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
    let places = metric::places(figure.metric);
    let Some(first) = lines.first() else {
        return Vec::new();
    };
    let cell = |line: &&Series, at: usize| {
        line.points
            .get(at)
            .and_then(|point| point.value)
            .map_or_else(|| "no data".to_owned(), |value| decimal(value / divisor, places))
    };
    let row =
        |(at, point): (usize, &Point)| std::iter::once(stamp(point)).chain(lines.iter().map(|line| cell(line, at))).collect();
    first.points.iter().enumerate().map(row).collect()
}

fn stamp(point: &Point) -> String {
    format!("{} {}", day(point.at), clock_short(point.at))
}

/// The option object: built by the library, then given what it has no field for.
fn option(figure: &Figure, range: TimeRange, divisor: f64, unit: &str) -> Value {
    let (points, places) = (main_points(figure), metric::places(figure.metric));
    let mut chart = Chart::new()
        .animation(false)
        .grid(Grid::new().left(44).right(12).top(10).bottom(1))
        .x_axis(x_axis(points))
        .y_axis(y_axis(figure, divisor));
    let last = figure.series.len().saturating_sub(1);
    if let Some(previous) = &figure.previous {
        chart = chart.series(
            line(previous, divisor, places, LINES[1])
                .line_style(LineStyle::new().width(1.25).type_(LineStyleType::Dashed).color(LINES[1])),
        );
    }
    for (at, series) in figure.series.iter().enumerate().rev() {
        let colour = LINES[at.min(LINES.len() - 1)];
        let mut drawn = line(series, divisor, places, colour).line_style(LineStyle::new().width(1.5).color(colour));
        if last == 0 && from_zero(figure.metric) {
            drawn = drawn.area_style(AreaStyle::new().color(colour).opacity(0.14));
        }
        chart = chart.series(drawn);
    }
    let mut option = serde_json::to_value(&chart).expect("numbers and texts are JSON");
    dots(&mut option);
    option["gaps"] = json!(gaps(points));
    option["limit"] = limit(figure, divisor);
    option["unit"] = json!(unit);
    option["stepMs"] = json!(range.step_ms());
    option
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
    let (from, to, step) = if from_zero(figure.metric) {
        // The limit stays in sight even when every value is far from it.
        let limit = figure.slo.map_or(0.0, |slo| slo * LIMIT_ROOM);
        let (top, step) = steps(top(figure).max(limit) / divisor);
        (0.0, top, step)
    } else {
        let (span, step) = steps(100.0 - bottom(figure));
        (100.0 - span, 100.0, step)
    };
    axis.min(from).max(to).interval(step)
}

/// The lowest value it shows, its limit included; of percentages and scores.
fn bottom(figure: &Figure) -> f64 {
    let series = figure.series.iter().chain(&figure.previous);
    series.flat_map(|series| &series.points).filter_map(|point| point.value).chain(figure.slo).fold(100.0, f64::min).max(0.0)
}

fn axis_text(metric: Metric) -> &'static str {
    match metric {
        Metric::SyncSuccess | Metric::ConflictRate => "{value} %",
        _ => "{value}",
    }
}

/// A round end at or above a value, and the step that divides it into three or four.
pub(super) fn steps(value: f64) -> (f64, f64) {
    if value <= 0.0 || !value.is_finite() {
        return (1.0, 0.25);
    }
    let power = 10_f64.powf((value / 4.0).log10().floor());
    let round = [1.0, 2.0, 2.5, 5.0, 10.0, 20.0].map(|step| step * power);
    let ends = round.into_iter().flat_map(|step| [3.0, 4.0].map(|n| (step * n, step)));
    let found = ends.filter(|(end, _)| *end >= value).min_by(|a, b| a.0.total_cmp(&b.0));
    found.expect("four steps of 20 powers reach beyond any value of which a quarter is below 10")
}

fn line(series: &Series, divisor: f64, places: usize, colour: &'static str) -> Line {
    let data = series.points.iter().map(|point| value_point(point.value.map(|value| value / divisor), places)).collect();
    Line::new()
        .name(series.name)
        .symbol(Symbol::None)
        .connect_nulls(false)
        .item_style(ItemStyle::new().color(colour))
        .silent(true)
        .data(data)
}

/// As fine as its table, and as the tip shows it. A dash is the library's sign for *no data*.
fn value_point(value: Option<f64>, places: usize) -> DataPoint {
    let unit = [1.0, 10.0, 100.0][places.min(2)];
    match value {
        Some(value) => DataPoint::from((value * unit).round() / unit),
        None => DataPoint::from(CompositeValue::from("-")),
    }
}

/// The limit, and on which side of it its words stand: a rate that should be high has its line above.
fn limit(figure: &Figure, divisor: f64) -> Value {
    figure.slo.map_or(Value::Null, |slo| {
        let text = format!("SLO {}", metric::text(figure.metric, slo));
        json!({ "at": slo / divisor, "text": text, "below": figure.metric == Metric::SyncSuccess })
    })
}

/// A dot on the newest point of each line, and on every point between two gaps, which no line would show.
pub(super) fn dots(option: &mut Value) {
    let lines = option["series"].as_array_mut().expect("a chart has a list of series");
    for line in lines {
        // Else only points that an axis label stands under have theirs.
        line["showAllSymbol"] = json!(true);
        let points = line["data"].as_array_mut().expect("a line has a list of points");
        let known: Vec<bool> = points.iter().map(Value::is_number).collect();
        let newest = known.iter().rposition(|known| *known);
        let alone = |at: usize| !(known.get(at + 1).copied().unwrap_or(false) || at > 0 && known[at - 1]);
        for (at, point) in points.iter_mut().enumerate().filter(|(at, _)| known[*at]) {
            if newest == Some(at) || alone(at) {
                let size = if newest == Some(at) { 6 } else { 3 };
                *point = json!({ "value": point.take(), "symbol": "circle", "symbolSize": size });
            }
        }
    }
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
    fn an_axis_ends_at_a_round_number_that_three_or_four_round_steps_reach() {
        let ends = [0.95, 1.0, 1.01, 18_406.0, 525.0, 4.6, 0.0].map(steps);
        assert_eq!(ends, [(1.0, 0.25), (1.0, 0.25), (1.5, 0.5), (20_000.0, 5_000.0), (600.0, 200.0), (6.0, 2.0), (1.0, 0.25)]);
    }

    #[test]
    fn a_point_between_two_gaps_has_a_dot_and_so_has_the_newest() {
        let mut option = json!({ "series": [{ "data": [1.0, "-", 2.0, "-", 3.0, 4.0, "-"] }] });
        dots(&mut option);
        let dotted: Vec<bool> =
            option["series"][0]["data"].as_array().expect("a list").iter().map(serde_json::Value::is_object).collect();
        assert_eq!(dotted, [true, false, true, false, false, true, false]);
    }
}
