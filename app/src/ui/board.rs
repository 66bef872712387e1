//! Board: hour × day, five depths, hatched where nothing is known, outlined now.

use leptos::prelude::*;
use tidewatch_domain::fleet::{Board, BoardCell};
use tidewatch_domain::time::{HOUR_MS, Millis};

use crate::format::{clock_short, day, decimal};

/// Below this share of expected devices an hour that usually has more gets the red foot, percent.
const LOW: f64 = 50.0;
/// An hour of the day that has less than this on most days is quiet by nature, percent.
const USUAL: f64 = 60.0;
/// Fewer expected devices than this say nothing about an hour.
const EXPECTED_MIN: u32 = 5;

/// Share of expected devices that synced, percent; `None` when nothing is known or nobody was expected.
#[must_use]
pub fn share(cell: &BoardCell) -> Option<f64> {
    let expected = cell.expected?;
    (expected > 0).then(|| (f64::from(cell.synced) / f64::from(expected) * 100.0).min(100.0))
}

fn depth(cell: &BoardCell) -> &'static str {
    match (cell.expected, share(cell)) {
        (None, _) => "x",
        (Some(_), None) => "0",
        (_, Some(share)) if share < 20.0 => "0",
        (_, Some(share)) if share < 45.0 => "1",
        (_, Some(share)) if share < 70.0 => "2",
        (_, Some(share)) if share < 90.0 => "3",
        _ => "4",
    }
}

fn words(cell: &BoardCell, now: Millis) -> String {
    let when = format!("{}, {}", day(cell.at), clock_short(cell.at));
    match (cell.expected, share(cell)) {
        (None, _) if cell.at > now => format!("{when}: not yet"),
        (None, _) => format!("{when}: nothing recorded"),
        (Some(_), None) => format!("{when}: no device was expected"),
        (Some(expected), Some(share)) => format!("{when}: {} % of {expected} expected devices synced", decimal(share, 0)),
    }
}

/// The share that most days have in each hour of the day: the median of the days.
fn usual(board: &Board) -> [Option<f64>; 24] {
    std::array::from_fn(|hour| {
        let mut shares: Vec<f64> = board.days.iter().filter_map(|cells| share(cells.get(hour)?)).collect();
        shares.sort_by(f64::total_cmp);
        shares.get(shares.len() / 2).copied()
    })
}

/// Whether an hour is low though it usually is not.
fn is_low(cell: &BoardCell, usual: Option<f64>) -> bool {
    cell.expected.is_some_and(|expected| expected >= EXPECTED_MIN)
        && usual.is_some_and(|usual| usual >= USUAL)
        && share(cell).is_some_and(|share| share < LOW)
}

/// The grid. Its table is beside it in the page.
#[component]
pub fn BoardGrid(
    /// Seven days.
    board: Board,
    /// As of.
    now: Millis,
    /// The finding, one sentence.
    label: String,
) -> impl IntoView {
    let usual = usual(&board);
    view! {
        <div class="board" role="img" aria-label=label>
            <span></span>
            {(0..24).map(|hour| view! { <span class="board-hour">{(hour % 3 == 0).then(|| format!("{hour:02}"))}</span> }).collect_view()}
            {board.days.into_iter().map(|cells| view! { <Row cells usual now/> }).collect_view()}
        </div>
    }
    .into_any()
}

#[component]
fn Row(cells: Vec<BoardCell>, usual: [Option<f64>; 24], now: Millis) -> impl IntoView {
    let name = cells.first().map_or_else(String::new, |cell| day(cell.at));
    let name = name.rsplit_once(' ').map_or(name.clone(), |(head, _)| head.to_owned());
    view! {
        <span>{name}</span>
        {cells.into_iter().zip(usual).map(|(cell, usual)| view! { <Cell cell usual now/> }).collect_view()}
    }
}

#[component]
fn Cell(cell: BoardCell, usual: Option<f64>, now: Millis) -> impl IntoView {
    let current = (0..HOUR_MS).contains(&now.since(cell.at));
    let low = !current && is_low(&cell, usual);
    view! { <i class="board-cell" data-v=depth(&cell) data-now=current.then_some("") data-bad=low.then_some("") title=words(&cell, now)></i> }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(expected: Option<u32>, synced: u32) -> BoardCell {
        BoardCell { at: Millis(0), expected, synced }
    }

    #[test]
    fn unknown_hours_are_hatched_and_empty_ones_are_pale() {
        assert_eq!(depth(&cell(None, 0)), "x");
        assert_eq!(depth(&cell(Some(0), 0)), "0");
        assert_eq!(depth(&cell(Some(100), 19)), "0");
        assert_eq!(depth(&cell(Some(100), 20)), "1");
        assert_eq!(depth(&cell(Some(100), 89)), "3");
        assert_eq!(depth(&cell(Some(100), 90)), "4");
    }

    #[test]
    fn only_an_hour_that_is_usually_better_is_marked_as_low() {
        let busy = cell(Some(100), 49);
        assert!(is_low(&busy, Some(60.0)) && !is_low(&cell(Some(100), 50), Some(60.0)));
        assert!(!is_low(&busy, Some(59.9)), "a night is quiet by nature");
        assert!(!is_low(&cell(Some(4), 0), Some(90.0)), "too few to say");
        assert!(!is_low(&busy, None));
        let days = [80, 90, 20].map(|synced| vec![cell(Some(100), synced)]).to_vec();
        assert_eq!(super::usual(&Board { days, today_percent: None })[..2], [Some(80.0), None]);
    }

    #[test]
    fn more_than_expected_is_all_of_them() {
        assert_eq!(share(&cell(Some(10), 12)), Some(100.0));
        assert_eq!(share(&cell(Some(0), 3)), None);
    }

    #[test]
    fn an_hour_to_come_is_not_a_failure() {
        assert_eq!(words(&cell(None, 0), Millis(-1)), "Thu 1 Jan, 00:00: not yet");
        assert_eq!(words(&cell(None, 0), Millis(HOUR_MS)), "Thu 1 Jan, 00:00: nothing recorded");
    }
}
