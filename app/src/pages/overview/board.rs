//! The hour × day board with its table and its finding.

use leptos::prelude::*;
use tidewatch_domain::fleet::{Board, BoardCell};
use tidewatch_domain::time::Millis;

use crate::format::{day, decimal, percent};
use crate::paths;
use crate::ui::board::{BoardGrid, share};
use crate::ui::{Panel, PanelFoot};

/// Grid, legend, table, foot.
#[component]
pub fn BoardPanel(
    /// Seven days.
    board: Board,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let finding = finding(&board);
    let rows = board.days.clone();
    view! {
        <Panel id="h-board" title="Devices that synced" note="share of those expected in that hour, UTC" end=|| view! { <Depths/> }>
            <div class="panel-body">
                <BoardGrid board now label=finding.clone()/>
                <details class="chart-table board-table" id="board-table">
                    <summary>"Table"</summary>
                    <div class="chart-table-scroll" tabindex="0" role="region" aria-labelledby="h-board"><BoardTable rows/></div>
                </details>
            </div>
            <PanelFoot><span>{finding}</span><a href=paths::devices("contact:overdue,lost")>"Those that are overdue"</a></PanelFoot>
        </Panel>
    }
}

fn finding(board: &Board) -> String {
    board.today_percent.map_or_else(
        || "Nothing is known of today yet.".to_owned(),
        |share| format!("Today so far {} of expected devices synced.", percent(share)),
    )
}

#[component]
fn Depths() -> impl IntoView {
    let swatch = |token: &'static str| view! { <li><i class="swatch" data-c=token></i></li> };
    view! {
        <ul class="legend">
            <li>"0"</li>
            {["depth-0", "depth-1", "depth-2", "depth-3", "depth-4"].map(swatch).into_iter().collect_view()}
            <li>"100\u{a0}%"</li>
            <li><i class="swatch" data-hatch=""></i>"no data"</li>
            <li><i class="swatch" data-foot="" data-c="act-mark"></i>"unusually low"</li>
        </ul>
    }
}

#[component]
fn BoardTable(rows: Vec<Vec<BoardCell>>) -> impl IntoView {
    let cell = |cell: BoardCell| match share(&cell) {
        Some(share) => decimal(share, 0),
        None if cell.expected.is_some() => "none expected".to_owned(),
        None => "no data".to_owned(),
    };
    view! {
        <table class="table table-mini">
            <caption>"Share of expected devices that synced, percent, by day and hour (UTC)"</caption>
            <thead><tr><th scope="col">"Day"</th>{(0..24).map(|hour| view! { <th scope="col" class="num">{format!("{hour:02}")}</th> }).collect_view()}</tr></thead>
            <tbody>
                {rows
                    .into_iter()
                    .map(|cells| {
                        let name = cells.first().map(|first| day(first.at));
                        view! { <tr><th scope="row">{name}</th>{cells.into_iter().map(|one| view! { <td class="num">{cell(one)}</td> }).collect_view()}</tr> }
                    })
                    .collect_view()}
            </tbody>
        </table>
    }
}
