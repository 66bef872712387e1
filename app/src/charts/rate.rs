//! The rate of a job: entries settled in each step of time, and entries released behind them, a step without any as the zero that it was
//! measured to be; over it the moments at which somebody stopped it or let it go on.

use charming::Chart;
use charming::component::{Axis, Grid};
use charming::element::{AreaStyle, AxisLabel as Labels, AxisLine, AxisTick, AxisType, ItemStyle, LineStyle, SplitLine, Symbol};
use charming::series::Line;
use serde_json::{Value, json};
use tidewatch_domain::time::{MINUTE_MS, Millis, SECOND_MS};

use super::trend::{dots, steps};
use super::{AxisLabel, Drawn};
use crate::format::{clock, clock_short, count, counted};

/// Steps that a chart shows at most.
const STEPS_MAX: i64 = 60;
/// How long a step may be: the shortest that shows all of it is taken, or else the newest part of it in minutes.
const STEPS_MS: [i64; 5] = [SECOND_MS, 5 * SECOND_MS, 10 * SECOND_MS, 30 * SECOND_MS, MINUTE_MS];
/// Labels under the neatline at most.
const LABELS_MAX: usize = 5;
/// Moments that are marked at most, the newest.
const MARKS_MAX: usize = 8;

/// What is drawn of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateOf {
    /// Entries settled at, oldest first.
    pub settled: Vec<(Millis, u32)>,
    /// Entries released behind them at, oldest first.
    pub released: Vec<(Millis, u32)>,
    /// What happened at, oldest first.
    pub marks: Vec<(Millis, String)>,
    /// The finest step that these are known in, milliseconds.
    pub finest_ms: i64,
    /// What the job may settle in a second.
    pub limit: Option<u32>,
    /// Whether it stands still.
    pub ended: bool,
}

/// The steps that are drawn: the start of each, and both counts.
struct Steps {
    ms: i64,
    points: Vec<(Millis, u32, u32)>,
}

/// Draws the job, of which something is settled, up to now while it is at work.
#[must_use]
pub fn rate(of: &RateOf, now: Millis) -> Drawn {
    let steps = filled(of, now);
    let marks = marks(of, &steps);
    let two = !of.released.is_empty();
    let mut columns = vec![if steps.ms < MINUTE_MS { "Time, UTC" } else { "Minute, UTC" }.to_owned(), "Settled".to_owned()];
    columns.extend(two.then(|| "Released behind them".to_owned()));
    columns.extend((!marks.is_empty()).then(|| "What happened".to_owned()));
    Drawn {
        title: "Rate".to_owned(),
        note: note(of, &steps),
        finding: finding(&steps, two, &marks),
        option: option(&steps, two, &marks),
        rows: rows(&steps, two, &marks),
        columns,
        segments: 12,
        lines: if two {
            vec![("settled".to_owned(), "data-1"), ("released behind them".to_owned(), "data-4")]
        } else {
            Vec::new()
        },
        labels: labels(&steps),
    }
}

fn stamp(at: Millis, step_ms: i64) -> String {
    if step_ms < MINUTE_MS { clock(at) } else { clock_short(at) }
}

/// `a minute`, `in 5 s`.
fn unit(step_ms: i64) -> String {
    if step_ms < MINUTE_MS { format!("in {}\u{a0}s", step_ms / SECOND_MS) } else { "a minute".to_owned() }
}

fn note(of: &RateOf, steps: &Steps) -> String {
    let present = steps.points.last().filter(|_| !of.ended).map_or(0, |(_, settled, _)| *settled);
    let now = if of.ended { String::new() } else { format!(": {} in this one", count(present.into())) };
    let limit = of.limit.map(|limit| i64::from(limit) * steps.ms / SECOND_MS).map(i64::cast_unsigned);
    let limit = limit.map(|limit| format!(", limit {}", count(limit))).unwrap_or_default();
    format!("entries {}{now}{limit}", unit(steps.ms))
}

/// Every step from the one before the first to the last, or to the present one; the newest of them when they are too many. What is
/// released long after the job has ended is not waited for.
fn filled(of: &RateOf, now: Millis) -> Steps {
    let all = || of.settled.iter().chain(&of.released);
    let (Some(first), Some(last)) = (all().map(|(at, _)| at.0).min(), all().map(|(at, _)| at.0).max()) else {
        return Steps { ms: MINUTE_MS, points: Vec::new() };
    };
    let end = if of.ended { last } else { now.0.max(last) };
    let worked = of.settled.iter().map(|(at, _)| at.0).max().unwrap_or(first);
    let fits = |ms: &&i64| **ms >= of.finest_ms && end.div_euclid(**ms) - first.div_euclid(**ms) < STEPS_MAX - 2;
    let ms = STEPS_MS.iter().find(fits).copied().unwrap_or(MINUTE_MS);
    let step = |at: i64| at.div_euclid(ms);
    let end = step(end) + i64::from(of.ended);
    let start = (step(first) - 1).max(if of.ended { step(worked) } else { end } - STEPS_MAX + 1);
    let end = end.min(start + STEPS_MAX - 1);
    let places = usize::try_from(end - start + 1).expect("the end is not before the start");
    let mut points: Vec<(Millis, u32, u32)> = (start..=end).map(|at| (Millis(at * ms), 0, 0)).collect();
    let place = |at: Millis| usize::try_from(step(at.0) - start).ok().filter(|at| *at < places);
    of.settled.iter().filter_map(|(at, n)| Some((place(*at)?, n))).for_each(|(at, n)| points[at].1 += n);
    of.released.iter().filter_map(|(at, n)| Some((place(*at)?, n))).for_each(|(at, n)| points[at].2 += n);
    Steps { ms, points }
}

/// What happened while the steps went by: how many steps after their start, and words.
fn marks(of: &RateOf, steps: &Steps) -> Vec<(f64, String)> {
    let Some((start, ..)) = steps.points.first() else { return Vec::new() };
    let last = (steps.points.len() - 1) as f64;
    let place = |(at, words): &(Millis, String)| (at.since(*start) as f64 / steps.ms as f64, words.clone());
    let marks: Vec<(f64, String)> = of.marks.iter().map(place).filter(|(at, _)| (0.0..=last).contains(at)).collect();
    marks[marks.len().saturating_sub(MARKS_MAX)..].to_vec()
}

fn finding(steps: &Steps, two: bool, marks: &[(f64, String)]) -> String {
    let sum = |of: fn(&(Millis, u32, u32)) -> u32| steps.points.iter().map(|point| u64::from(of(point))).sum::<u64>();
    let (Some(first), Some(last)) = (steps.points.first(), steps.points.last()) else {
        return "Rate: nothing is settled yet.".to_owned();
    };
    let top = steps.points.iter().map(|(_, settled, _)| *settled).max().unwrap_or(0);
    let released = if two { format!(", {} released behind them", count(sum(|point| point.2))) } else { String::new() };
    let happened = if marks.is_empty() {
        String::new()
    } else {
        format!(" It was {}.", marks.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(", then "))
    };
    format!(
        "Rate: {} settled from {} to {}{released}, {} {} at most.{happened}",
        counted(sum(|point| point.1), "entry", "entries"),
        stamp(first.0, steps.ms),
        stamp(last.0.plus(steps.ms), steps.ms),
        count(top.into()),
        unit(steps.ms),
    )
}

fn rows(steps: &Steps, two: bool, marks: &[(f64, String)]) -> Vec<Vec<String>> {
    let happened = |at: usize| {
        let here = marks.iter().filter(|(place, _)| *place as usize == at);
        here.map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(", then ")
    };
    let row = |(at, (when, settled, released)): (usize, &(Millis, u32, u32))| {
        let mut row = vec![stamp(*when, steps.ms), count((*settled).into())];
        row.extend(two.then(|| count((*released).into())));
        row.extend((!marks.is_empty()).then(|| happened(at)));
        row
    };
    steps.points.iter().enumerate().map(row).collect()
}

fn option(steps_drawn: &Steps, two: bool, marks: &[(f64, String)]) -> String {
    let points = &steps_drawn.points;
    let top = points.iter().map(|(_, settled, released)| *settled.max(released)).max().unwrap_or(0);
    let (end, step) = steps(f64::from(top));
    let x = Axis::new()
        .type_(AxisType::Category)
        .boundary_gap(false)
        .data(points.iter().map(|(at, ..)| stamp(*at, steps_drawn.ms)).collect())
        .axis_label(Labels::new().show(false))
        .axis_tick(AxisTick::new().show(false))
        .axis_line(AxisLine::new().show(false));
    let mut chart =
        Chart::new().animation(false).grid(Grid::new().left(44).right(12).top(10).bottom(1)).x_axis(x).y_axis(y(end, step));
    if two {
        chart = chart.series(line("released", "var(--data-4)", points.iter().map(|(.., released)| *released)));
    }
    let settled = line("settled", "var(--data-1)", points.iter().map(|(_, settled, _)| *settled));
    chart = chart.series(settled.area_style(AreaStyle::new().color("var(--data-1)").opacity(0.14)));
    let mut option = serde_json::to_value(&chart).expect("numbers and texts are JSON");
    dots(&mut option);
    option["gaps"] = json!([]);
    option["limit"] = json!(null);
    option["marks"] = marks.iter().map(|(at, words)| json!({ "at": at, "text": words })).collect::<Value>();
    option["unit"] = json!(unit(steps_drawn.ms));
    option["stepMs"] = json!(steps_drawn.ms);
    option.to_string()
}

fn y(end: f64, step: f64) -> Axis {
    Axis::new()
        .type_(AxisType::Value)
        .split_number(3)
        .axis_label(Labels::new().color("var(--text-3)").font_size(11).font_family("Inter, system-ui, sans-serif"))
        .axis_line(AxisLine::new().show(false))
        .axis_tick(AxisTick::new().show(false))
        .split_line(SplitLine::new().line_style(LineStyle::new().color("var(--line)")))
        .min(0.0)
        .max(end)
        .interval(step)
}

fn line(name: &str, colour: &'static str, values: impl Iterator<Item = u32>) -> Line {
    Line::new()
        .name(name)
        .symbol(Symbol::None)
        .item_style(ItemStyle::new().color(colour))
        .line_style(LineStyle::new().width(1.5).color(colour))
        .silent(true)
        .data(values.map(f64::from).collect::<Vec<_>>())
}

fn labels(steps: &Steps) -> Vec<AxisLabel> {
    let points = &steps.points;
    let last = points.len().saturating_sub(1);
    if last == 0 {
        return Vec::new();
    }
    let every = points.len().div_ceil(LABELS_MAX).max(1);
    let label = |(at, (when, ..)): (usize, &(Millis, u32, u32))| {
        let pct = u8::try_from(at * 100 / last).ok()?;
        Some(AxisLabel { pct, text: stamp(*when, steps.ms) })
    };
    points.iter().enumerate().filter(|(at, _)| at % every == 0).filter_map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Millis = Millis(1_773_325_920_000);

    fn at(minute: i64) -> Millis {
        START.plus(minute * MINUTE_MS)
    }

    fn of(settled: &[(Millis, u32)]) -> RateOf {
        RateOf { settled: settled.to_vec(), finest_ms: MINUTE_MS, ..RateOf::default() }
    }

    fn column(drawn: &Drawn, n: usize) -> Vec<&str> {
        drawn.rows.iter().map(|row| row[n].as_str()).collect()
    }

    #[test]
    fn a_minute_without_an_entry_is_a_zero_and_the_present_one_is_drawn() {
        let drawn = rate(&RateOf { limit: Some(50), ..of(&[(at(0), 40), (at(2), 60)]) }, at(4));
        assert_eq!(column(&drawn, 1), ["0", "40", "0", "60", "0", "0"]);
        assert_eq!(drawn.finding.replace('\u{a0}', " "), "Rate: 100 entries settled from 14:31 to 14:37, 60 a minute at most.");
        let ended = rate(&RateOf { ended: true, ..of(&[(at(0), 40), (at(2), 60)]) }, at(40));
        assert_eq!(column(&ended, 1), ["0", "40", "0", "60", "0"], "an ended job stands still");
        assert_eq!(drawn.note, "entries a minute: 0 in this one, limit 3,000");
        assert_eq!(ended.note, "entries a minute");
    }

    #[test]
    fn what_takes_seconds_is_drawn_in_seconds() {
        let second = |n: i64| START.plus(n * SECOND_MS);
        let quick = RateOf { ended: true, finest_ms: SECOND_MS, ..of(&[(second(0), 5), (second(2), 50)]) };
        let drawn = rate(&RateOf { limit: Some(50), ..quick.clone() }, at(9));
        assert_eq!(column(&drawn, 0), ["14:31:59", "14:32:00", "14:32:01", "14:32:02", "14:32:03"]);
        assert_eq!((column(&drawn, 1), drawn.note.as_str()), (vec!["0", "5", "0", "50", "0"], "entries in 1\u{a0}s, limit 50"));
        let longer = rate(&RateOf { released: vec![(second(200), 3)], ..quick }, at(9));
        assert_eq!((longer.rows.len(), longer.rows[1][0].as_str(), longer.rows[1][1].as_str()), (43, "14:32:00", "55"));
        assert_eq!(longer.note, "entries in 5\u{a0}s");
    }

    #[test]
    fn a_long_job_shows_its_newest_hour_and_what_is_released_later_is_not_waited_for() {
        let long = RateOf { ended: true, ..of(&[(at(0), 1), (at(200), 2)]) };
        let drawn = rate(&long, at(300));
        assert_eq!((drawn.rows.len(), drawn.rows[59][1].as_str()), (60, "2"));
        let late = rate(&RateOf { released: vec![(at(3_000), 9)], ended: true, ..of(&[(at(0), 1)]) }, at(4_000));
        assert_eq!((late.rows.len(), late.rows[1][0].as_str(), late.rows[1][1].as_str()), (60, "14:32", "1"));
        assert!(column(&late, 2).iter().all(|n| *n == "0"));
    }

    #[test]
    fn what_was_released_and_what_happened_stand_beside_what_was_settled() {
        let marks = vec![(at(1).plus(30_000), "paused by maya".to_owned()), (at(900), "stopped by maya".to_owned())];
        let drawn = rate(&RateOf { released: vec![(at(1), 7)], marks, ended: true, ..of(&[(at(0), 4), (at(2), 6)]) }, at(9));
        assert_eq!(drawn.columns, ["Minute, UTC", "Settled", "Released behind them", "What happened"]);
        assert_eq!(drawn.rows[2], ["14:33", "0", "7", "paused by maya"]);
        assert_eq!(drawn.rows[3], ["14:34", "6", "0", ""]);
        assert!(
            drawn.finding.ends_with("7 released behind them, 6 a minute at most. It was paused by maya."),
            "{}",
            drawn.finding
        );
        let option: Value = serde_json::from_str(&drawn.option).expect("an option is JSON");
        assert_eq!(option["marks"], json!([{ "at": 2.5, "text": "paused by maya" }]), "what came later is not in sight");
        assert_eq!(option["series"][1]["name"], "settled", "the line that matters is drawn last, on top");
    }

    #[test]
    fn labels_are_few_and_begin_at_the_first_step() {
        let drawn = rate(&RateOf { ended: true, ..of(&[(at(0), 1), (at(56), 2)]) }, at(59));
        assert!(drawn.labels.len() <= LABELS_MAX);
        assert_eq!((drawn.labels[0].pct, drawn.labels[0].text.as_str()), (0, "14:31"));
    }
}
