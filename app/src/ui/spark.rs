//! Spark: a trend without axes. A gap in the data is a gap in the line.

use std::fmt::Write as _;

use leptos::prelude::*;
use tidewatch_domain::fleet::Tone;

/// The three paths of a spark over a box of `width` × `height`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Paths {
    line: String,
    area: String,
    end: Option<String>,
}

/// Points of a spark, at most: it is narrower than a trend is long.
const POINTS_MAX: usize = 48;

/// As many values as a spark shows: of neighbours the mean of those that are known, and no data where none of them is.
fn thinned(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let together = values.len().div_ceil(POINTS_MAX).max(1);
    // Whole groups from the newest on, so that the end of the line is the present.
    let (odd, whole) = values.split_at(values.len() % together);
    let mean = |group: &[Option<f64>]| {
        let known: Vec<f64> = group.iter().flatten().copied().collect();
        let count = f64::from(u32::try_from(known.len()).unwrap_or(u32::MAX));
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / count)
    };
    let odd = (!odd.is_empty()).then(|| mean(odd));
    odd.into_iter().chain(whole.chunks(together).map(mean)).collect()
}

fn paths(values: &[Option<f64>], width: f64, height: f64) -> Paths {
    let known = || values.iter().flatten().copied();
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    if !low.is_finite() || values.len() < 2 {
        return Paths::default();
    }
    let step = width / f64::from(u32::try_from(values.len() - 1).unwrap_or(u32::MAX));
    let place =
        |value: f64| if high > low { (height - 1.5) - (value - low) / (high - low) * (height - 3.0) } else { height / 2.0 };
    let mut out = Paths::default();
    let mut from: Option<f64> = None;
    let mut x = 0.0;
    let mut last = (0.0, 0.0);
    for value in values {
        match (value, from) {
            (Some(value), start) => {
                let y = place(*value);
                let pen = if start.is_some() { 'L' } else { 'M' };
                write!(out.line, "{pen}{x:.1} {y:.1}").expect("writing to a string does not fail");
                write!(out.area, "{pen}{x:.1} {y:.1}").expect("writing to a string does not fail");
                from = start.or(Some(x));
                last = (x, y);
            }
            (None, Some(start)) => {
                close(&mut out.area, last.0, start, height);
                from = None;
            }
            (None, None) => {}
        }
        x += step;
    }
    if let Some(start) = from {
        close(&mut out.area, last.0, start, height);
        out.end = Some(format!("M{:.1} {:.1}h0", last.0, last.1));
    }
    out
}

fn close(area: &mut String, to: f64, from: f64, height: f64) {
    write!(area, "L{to:.1} {height}L{from:.1} {height}Z").expect("writing to a string does not fail");
}

/// A trend as a small line. Decoration: the figure beside it says the value.
#[component]
pub fn Spark(
    /// Values, oldest first; `None` is no data.
    values: Vec<Option<f64>>,
    /// Tone of the line; sea when there is none.
    #[prop(optional_no_strip)]
    tone: Option<Tone>,
    /// Width of the drawing.
    #[prop(default = 92)]
    width: u16,
    /// Height of the drawing.
    #[prop(default = 32)]
    height: u16,
) -> impl IntoView {
    let Paths { line, area, end } = paths(&thinned(&values), f64::from(width), f64::from(height));
    let tone = tone.filter(|tone| matches!(tone, Tone::Watch | Tone::Act)).map(Tone::as_str);
    view! {
        <svg class="spark" viewBox=format!("0 0 {width} {height}") preserveAspectRatio="none" aria-hidden="true" data-tone=tone>
            <path class="spark-area" d=area></path>
            <path d=line></path>
            {end.map(|end| view! { <path class="spark-end" d=end></path> })}
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_in_the_data_is_a_gap_in_the_line() {
        let drawn = paths(&[Some(1.0), Some(2.0), None, Some(1.0), Some(2.0)], 40.0, 20.0);
        assert_eq!(drawn.line, "M0.0 18.5L10.0 1.5M30.0 18.5L40.0 1.5");
        assert_eq!(drawn.area.matches('Z').count(), 2);
        assert_eq!(drawn.end.as_deref(), Some("M40.0 1.5h0"));
    }

    #[test]
    fn a_long_trend_is_thinned_to_means_and_keeps_its_gaps_and_its_end() {
        let values: Vec<Option<f64>> = (0..97).map(|n| (!(40..=44).contains(&n)).then_some(f64::from(n))).collect();
        let thin = thinned(&values);
        assert!(thin.len() <= POINTS_MAX && thin.contains(&None), "{}", thin.len());
        assert_eq!(thin.last(), Some(&Some(95.0)), "the mean of the newest three");
        assert_eq!(thinned(&[Some(1.0), None]), [Some(1.0), None]);
    }

    #[test]
    fn nothing_known_draws_nothing() {
        assert_eq!(paths(&[None, None], 40.0, 20.0), Paths::default());
        assert_eq!(paths(&[], 40.0, 20.0), Paths::default());
    }

    #[test]
    fn a_flat_line_lies_in_the_middle() {
        assert_eq!(paths(&[Some(3.0), Some(3.0)], 10.0, 20.0).line, "M0.0 10.0L10.0 10.0");
    }

    #[test]
    fn a_line_that_ends_in_a_gap_has_no_end_point() {
        assert_eq!(paths(&[Some(1.0), Some(2.0), None], 20.0, 20.0).end, None);
    }
}
