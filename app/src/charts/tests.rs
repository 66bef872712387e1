//! What a chart draws and says, whole.

use tidewatch_domain::fleet::{Figure, Metric, Point, Series, Tone};
use tidewatch_domain::time::{Millis, TimeRange};

use super::*;

fn series(name: &'static str, from: Millis, range: TimeRange, values: &[Option<f64>]) -> Series {
    let at = |n: usize| from.plus(i64::try_from(n).expect("few points") * range.step_ms());
    Series { name, points: values.iter().enumerate().map(|(n, value)| Point { at: at(n), value: *value }).collect() }
}

fn latency() -> Figure {
    let from = Millis::parse_rfc3339("2026-03-12T13:32:00Z").expect("valid");
    Figure {
        metric: Metric::SyncLatency,
        value: Some(412.0),
        tone: Tone::Good,
        verdict: "Within SLO".to_owned(),
        note: "SLO 500 ms".to_owned(),
        slo: Some(500.0),
        series: vec![
            series("p95", from, TimeRange::Hour, &[Some(380.0), None, None, Some(431.257), Some(412.0)]),
            series("p50", from, TimeRange::Hour, &[Some(120.0), None, None, Some(131.0), Some(126.0)]),
        ],
        previous: Some(series("the hour before", from, TimeRange::Hour, &[Some(1.0), Some(2.0), Some(3.0), None, Some(5.0)])),
    }
}

#[test]
fn the_finding_is_one_sentence_with_its_verdict_and_its_gaps() {
    assert_eq!(
        trend(&latency(), TimeRange::Hour).finding.replace('\u{a0}', " "),
        "Sync latency p95 went from 380 ms to 412 ms in the last hour, between 380 ms and 431 ms: Within SLO. Nothing was reported in 2 of 5 steps."
    );
}

#[test]
fn a_metric_without_data_says_so() {
    let mut figure = latency();
    figure.value = None;
    figure.series = vec![series("p95", Millis(0), TimeRange::Day, &[None, None])];
    let drawn = trend(&figure, TimeRange::Day);
    assert_eq!((drawn.note.as_str(), drawn.finding.as_str()), ("no data", "Sync latency p95: no data in the last 24 hours."));
}

#[test]
fn the_table_holds_every_point_of_every_line() {
    let drawn = trend(&latency(), TimeRange::Hour);
    assert_eq!(drawn.columns, ["Time, UTC", "p95, ms", "p50, ms", "the hour before, ms"]);
    assert_eq!(drawn.rows[0], ["Thu 12 Mar 13:32", "380", "120", "1"]);
    assert_eq!(drawn.rows[1], ["Thu 12 Mar 13:33", "no data", "no data", "2"]);
    assert_eq!(drawn.rows[3], ["Thu 12 Mar 13:35", "431", "131", "no data"]);
}

#[test]
fn no_colour_and_no_code_is_in_an_option() {
    let option = trend(&latency(), TimeRange::Hour).option;
    assert!(!option.contains("rgb") && !option.contains("\"#"), "colours come from tokens: {option}");
    assert!(!option.contains("function"), "options are data: {option}");
}

#[test]
fn an_option_holds_the_gap_the_limit_and_the_comparison() {
    let option: serde_json::Value = serde_json::from_str(&trend(&latency(), TimeRange::Hour).option).expect("an option is JSON");
    let names: Vec<_> = option["series"]
        .as_array()
        .expect("series are a list")
        .iter()
        .map(|line| line["name"].as_str().expect("a line has a name"))
        .collect();
    assert_eq!(names, ["the hour before", "p50", "p95"], "the line that matters is drawn last, on top");
    let main = &option["series"][2];
    let newest = serde_json::json!({ "value": 412.0, "symbol": "circle", "symbolSize": 6 });
    assert_eq!(main["data"][4], newest);
    assert_eq!(main["data"][3], serde_json::json!(431.0));
    assert_eq!(main["data"][1], serde_json::json!("-"));
    assert_eq!(option["gaps"], serde_json::json!([[0, 3]]));
    assert_eq!(option["limit"], serde_json::json!({ "at": 500.0, "text": "SLO 500\u{a0}ms", "below": false }));
    assert_eq!((option["unit"].as_str(), option["yAxis"]["max"].as_f64()), (Some("ms"), Some(600.0)));
    assert_eq!(option["series"][0]["lineStyle"]["type"], serde_json::json!("dashed"));
}

#[test]
fn labels_stand_at_round_times_inside_the_range() {
    let from = Millis::parse_rfc3339("2026-03-11T14:32:00Z").expect("valid");
    let labels = axis_labels(TimeRange::Day, from, from.plus(TimeRange::Day.span_ms()));
    let shown: Vec<_> = labels.iter().map(|label| (label.pct, label.text.as_str())).collect();
    assert_eq!(shown[..2], [(14, "18:00"), (26, "21:00")]);
    assert_eq!(axis_labels(TimeRange::Week, from, from.plus(TimeRange::Week.span_ms()))[0].text, "12 Mar");
    assert!(axis_labels(TimeRange::Day, from, from).is_empty());
}
