//! The rate of a job: entries settled in each minute, a minute without any as the zero that it was measured to be.

use charming::Chart;
use charming::component::{Axis, Grid};
use charming::element::{AreaStyle, AxisLabel as Labels, AxisLine, AxisTick, AxisType, ItemStyle, LineStyle, SplitLine, Symbol};
use charming::series::Line;
use serde_json::json;
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS, Millis};

use super::trend::{dots, steps};
use super::{AxisLabel, Drawn};
use crate::format::{clock_short, count, counted};

/// Minutes that a chart shows at most.
const MINUTES_MAX: i64 = HOUR_MS / MINUTE_MS;
/// Labels under the neatline at most.
const LABELS_MAX: usize = 5;

/// Draws the minutes that a job has settled entries in, up to now while it is at work. `limit` is what it may settle in a second.
#[must_use]
pub fn rate(minutes: &[(Millis, u32)], limit: Option<u32>, ended: bool, now: Millis) -> Drawn {
    let points = filled(minutes, ended, now);
    let last = points.last().map_or(0, |(_, n)| *n);
    let top = points.iter().map(|(_, n)| *n).max().unwrap_or(0);
    Drawn {
        title: "Rate".to_owned(),
        note: note(limit, (!ended).then_some(last)),
        finding: finding(&points, top),
        option: option(&points, top),
        columns: vec!["Minute, UTC".to_owned(), "Settled".to_owned()],
        rows: points.iter().map(|(at, n)| vec![clock_short(*at), count((*n).into())]).collect(),
        segments: 12,
        lines: Vec::new(),
        labels: labels(&points),
    }
}

fn note(limit: Option<u32>, now: Option<u32>) -> String {
    let now = now.map(|n| format!(": {} in this one", count(n.into()))).unwrap_or_default();
    let limit = limit.map(|limit| format!(", limit {}", count(u64::from(limit) * 60))).unwrap_or_default();
    format!("entries a minute{now}{limit}")
}

/// Every minute from the first to the last, or to this one; the newest hour of them.
fn filled(minutes: &[(Millis, u32)], ended: bool, now: Millis) -> Vec<(Millis, u32)> {
    let minute = |at: Millis| at.0.div_euclid(MINUTE_MS);
    let (Some(first), Some(last)) = (minutes.first(), minutes.last()) else { return Vec::new() };
    let end = if ended { minute(last.0) } else { minute(now).max(minute(last.0)) };
    let start = minute(first.0).max(end - MINUTES_MAX + 1);
    let settled = |at: i64| minutes.iter().filter(|(when, _)| minute(*when) == at).map(|(_, n)| *n).sum();
    (start..=end).map(|at| (Millis(at * MINUTE_MS), settled(at))).collect()
}

fn finding(points: &[(Millis, u32)], top: u32) -> String {
    let all: u64 = points.iter().map(|(_, n)| u64::from(*n)).sum();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return "Rate: nothing is settled yet.".to_owned() };
    format!(
        "Rate: {} settled from {} to {}, {} a minute at most.",
        counted(all, "entry", "entries"),
        clock_short(first.0),
        clock_short(last.0.plus(MINUTE_MS)),
        count(top.into())
    )
}

fn option(points: &[(Millis, u32)], top: u32) -> String {
    let (end, step) = steps(f64::from(top));
    let plain = || Labels::new().color("var(--text-3)").font_size(11).font_family("Inter, system-ui, sans-serif");
    let x = Axis::new()
        .type_(AxisType::Category)
        .boundary_gap(false)
        .data(points.iter().map(|(at, _)| clock_short(*at)).collect())
        .axis_label(Labels::new().show(false))
        .axis_tick(AxisTick::new().show(false))
        .axis_line(AxisLine::new().show(false));
    let y = Axis::new()
        .type_(AxisType::Value)
        .split_number(3)
        .axis_label(plain())
        .axis_line(AxisLine::new().show(false))
        .axis_tick(AxisTick::new().show(false))
        .split_line(SplitLine::new().line_style(LineStyle::new().color("var(--line)")))
        .min(0.0)
        .max(end)
        .interval(step);
    let line = Line::new()
        .name("settled")
        .symbol(Symbol::None)
        .item_style(ItemStyle::new().color("var(--data-1)"))
        .line_style(LineStyle::new().width(1.5).color("var(--data-1)"))
        .area_style(AreaStyle::new().color("var(--data-1)").opacity(0.14))
        .silent(true)
        .data(points.iter().map(|(_, n)| f64::from(*n)).collect::<Vec<_>>());
    let chart =
        Chart::new().animation(false).grid(Grid::new().left(44).right(12).top(10).bottom(1)).x_axis(x).y_axis(y).series(line);
    let mut option = serde_json::to_value(&chart).expect("numbers and texts are JSON");
    dots(&mut option);
    option["gaps"] = json!([]);
    option["limit"] = json!(null);
    option["unit"] = json!("a minute");
    option["stepMs"] = json!(MINUTE_MS);
    option.to_string()
}

fn labels(points: &[(Millis, u32)]) -> Vec<AxisLabel> {
    let last = points.len().saturating_sub(1);
    if last == 0 {
        return Vec::new();
    }
    let every = points.len().div_ceil(LABELS_MAX).max(1);
    let label = |(at, (when, _)): (usize, &(Millis, u32))| {
        let pct = u8::try_from(at * 100 / last).ok()?;
        Some(AxisLabel { pct, text: clock_short(*when) })
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

    #[test]
    fn a_minute_without_an_entry_is_a_zero_and_the_present_one_is_drawn() {
        let drawn = rate(&[(at(0), 40), (at(2), 60)], Some(50), false, at(4));
        let rows: Vec<&str> = drawn.rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(rows, ["40", "0", "60", "0", "0"]);
        assert_eq!(drawn.finding.replace('\u{a0}', " "), "Rate: 100 entries settled from 14:32 to 14:37, 60 a minute at most.");
        let ended = rate(&[(at(0), 40), (at(2), 60)], None, true, at(40));
        assert_eq!(ended.rows.len(), 3, "an ended job stands still");
        assert_eq!(drawn.note, "entries a minute: 0 in this one, limit 3,000");
        assert_eq!(ended.note, "entries a minute");
    }

    #[test]
    fn a_long_job_shows_its_newest_hour() {
        let drawn = rate(&[(at(0), 1), (at(200), 2)], None, true, at(300));
        assert_eq!((drawn.rows.len(), drawn.rows[59][1].as_str()), (60, "2"));
    }

    #[test]
    fn labels_are_few_and_begin_at_the_first_minute() {
        let drawn = rate(&[(at(0), 1), (at(59), 2)], None, true, at(59));
        assert!(drawn.labels.len() <= LABELS_MAX);
        assert_eq!((drawn.labels[0].pct, drawn.labels[0].text.as_str()), (0, "14:32"));
        let two = rate(&[(at(0), 1), (at(1), 2)], None, true, at(1));
        assert_eq!(two.labels.iter().map(|label| label.pct).collect::<Vec<_>>(), [0, 100]);
        assert_eq!(rate(&[(at(0), 1)], None, true, at(0)).labels, []);
    }
}
