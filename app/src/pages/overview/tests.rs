//! The page by its words and roles, from read models made by hand.

use tidewatch_domain::fleet::{
    Board, BoardCell, DiskSpace, FleetCounts, FleetScore, Point, Recommendation, Risk, Score, Scores, Series, Target, Urgency,
    WorkItem,
};
use tidewatch_domain::ids::Seq;
use tidewatch_domain::time::{DAY_MS, HOUR_MS};

use super::*;

fn now() -> Millis {
    Millis::parse_rfc3339("2026-03-12T14:32:07Z").expect("valid")
}

fn score(value: f64) -> Score {
    Score { value: Some(value), coverage: 0.9 }
}

fn wave(at: usize, low: f64, high: f64) -> f64 {
    let phase = f64::from(u32::try_from(at).expect("few points")) / 9.0;
    low + (high - low) * (phase.sin() + 1.0) / 2.0
}

fn figure(
    metric: Metric,
    value: f64,
    (tone, verdict, note): (Tone, &str, &str),
    slo: Option<f64>,
    (low, high): (f64, f64),
) -> Figure {
    let range = TimeRange::Day;
    let points = |shift: usize| {
        (0..96)
            .map(|at| Point {
                at: now().plus(-DAY_MS + i64::try_from(at).expect("few points") * range.step_ms()),
                value: (!(20..=24).contains(&at)).then(|| wave(at + shift, low, high)),
            })
            .collect()
    };
    let mut series = vec![Series { name: if metric == Metric::SyncLatency { "p95" } else { "fleet" }, points: points(0) }];
    if metric == Metric::SyncLatency {
        series.push(Series {
            name: "p50",
            points: (0..96).map(|at| Point { at: now(), value: Some(wave(at, 90.0, 130.0)) }).collect(),
        });
    }
    Figure {
        metric,
        value: Some(value),
        tone,
        verdict: verdict.into(),
        note: note.into(),
        slo,
        series,
        previous: Some(Series { name: "24 h before", points: points(30) }),
    }
}

fn item(urgency: Urgency, title: &str, detail: &str, verb: &'static str) -> WorkItem {
    WorkItem {
        urgency,
        title: title.into(),
        detail: detail.into(),
        since: Some(now().plus(-8 * HOUR_MS)),
        devices: 212,
        verb,
        target: Target::Devices("condition:stuck".into()),
        weight: 1.0,
    }
}

fn board() -> Board {
    let midnight = Millis::parse_rfc3339("2026-03-06T00:00:00Z").expect("valid");
    let cell = |day: i64, hour: i64| {
        let at = midnight.plus(day * DAY_MS + hour * HOUR_MS);
        let known = at <= now() && !(day == 3 && (hour == 2 || hour == 3));
        let share = if (7..17).contains(&hour) { 96 } else { 37 };
        BoardCell { at, expected: known.then_some(100), synced: if day == 6 && hour > 6 { 45 } else { share } }
    };
    Board { days: (0..7).map(|day| (0..24).map(|hour| cell(day, hour)).collect()).collect(), today_percent: Some(68.0) }
}

fn fleet() -> Overview {
    let scores = Scores {
        total: score(77.7),
        connectivity: score(88.0),
        offline_resilience: score(61.0),
        battery: score(91.0),
        user_experience: score(74.0),
    };
    Overview {
        as_of: now(),
        range: TimeRange::Day,
        counts: FleetCounts {
            devices: 2_418,
            simulated: 0,
            by_condition: [212, 3, 71, 0, 31, 40, 2_061],
            by_contact: [0, 31, 16, 284, 2_087],
        },
        headline: "212 of 2,418 devices are stuck behind one schema error.".into(),
        score: FleetScore { scores, p10: Some(42.0), p50: Some(81.0), devices: 2_390, previous: Some(87.1) },
        figures: vec![
            figure(Metric::QueueDepth, 18_406.0, (Tone::Act, "3.2× normal", "7.6 per device"), None, (4_000.0, 18_406.0)),
            figure(Metric::SyncSuccess, 98.71, (Tone::Act, "SLO missed", "SLO 99.5 %"), Some(99.5), (98.4, 99.9)),
            figure(Metric::DriftAge, 9_660_000.0, (Tone::Watch, "Rising", "0:18 h a day before"), None, (600_000.0, 9_660_000.0)),
            figure(Metric::ConflictRate, 0.62, (Tone::Good, "Within SLO", "SLO 1 %"), Some(1.0), (0.3, 0.8)),
            figure(Metric::SyncLatency, 412.0, (Tone::Good, "Within SLO", "SLO 500 ms"), Some(500.0), (300.0, 470.0)),
            figure(Metric::BatteryScore, 91.0, (Tone::Good, "Within budget", "target 80"), Some(80.0), (85.0, 95.0)),
        ],
        work: vec![
            item(
                Urgency::Now,
                "1,284 entries rejected on 212 devices: schema_invalid",
                "inspections is refused for app 4.18.0. 4,906 entries wait on its devices.",
                "Open",
            ),
            item(Urgency::Today, "3 devices diverged in assets", "Digest differs with nothing pending.", "Review"),
            item(Urgency::ThisWeek, "31 devices lost", "214 entries at risk if they do not come back.", "List"),
        ],
        risks: vec![Risk {
            title: "Storage full on 3 devices".into(),
            due: now().plus(30 * HOUR_MS),
            basis: "Linear over 24 h, error 4 %.".into(),
            target: Target::Devices("storage".into()),
        }],
        recommended: vec![Recommendation {
            title: "Hold app 4.18.0".into(),
            detail: "Stops new rejects on 919 devices.".into(),
            target: Target::Devices("version:4.18.0".into()),
        }],
        opportunities: Vec::new(),
        board: board(),
        console: ConsoleFacts {
            role: "primary",
            epoch: "9f3c1ab27d405e61".into(),
            head: Seq(8_812_406),
            store_bytes: 212_400_000,
            disk: DiskSpace { free: 38_000_000_000, total: 250_000_000_000 },
            started: now().plus(-3 * DAY_MS),
        },
    }
}

fn html(state: State) -> String {
    let owner = Owner::new();
    owner.with(|| view! { <Health overview=fleet() state/> }.to_html())
}

/// The words of a page, without its markup.
fn words(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for letter in html.chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => out.push(letter),
            _ => {}
        }
    }
    out.replace('\u{a0}', " ")
}

#[test]
fn every_figure_stands_with_its_verdict_and_its_note() {
    let text = words(&html(State::default()));
    for part in [
        "Queue depth3.2× normal18,406ops7.6 per device",
        "Sync successSLO missed98.71%",
        "Drift age p95Rising2:41h",
        "Sync latency p95Within SLO412ms",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn work_stands_worst_first_with_one_primary_button() {
    let page = html(State::default());
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text:?} is not on the page"));
    assert!(at("1,284 entries rejected") < at("3 devices diverged") && at("3 devices diverged") < at("31 devices lost"));
    assert_eq!(page.matches("btn-primary").count(), 1);
}

#[test]
fn a_fleet_without_trouble_says_so_instead_of_showing_an_empty_list() {
    let mut calm = fleet();
    calm.work.clear();
    calm.risks.clear();
    calm.recommended.clear();
    let owner = Owner::new();
    let page = owner.with(|| view! { <Health overview=calm state=State::default()/> }.to_html());
    assert!(page.contains("Nothing waits for a person") && page.contains("No trend leads to a limit"));
    assert!(!page.contains("h-recommended"));
}

#[test]
fn range_and_comparison_are_links_that_leave_defaults_out() {
    let page = html(State { range: TimeRange::Week, compare: true });
    for href in ["href=\"/?range=1h&amp;compare=1\"", "href=\"/?compare=1\"", "href=\"/?range=7d\""] {
        assert!(page.contains(href), "{href} is not on the page");
    }
}

#[test]
fn no_markup_carries_a_style_attribute() {
    assert!(!html(State::default()).contains(" style="));
}
