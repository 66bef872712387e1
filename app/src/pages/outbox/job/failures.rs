//! What a drain could not do, by reason, and the devices that it is at.

use leptos::prelude::*;
use tidewatch_domain::control::CommandState;
use tidewatch_domain::drain::ItemOutcome;
use tidewatch_domain::fleet::{DrainJobView, FailureReason, RunningDevice, Tone};
use tidewatch_domain::role::drain_action;
use tidewatch_domain::time::Millis;

use super::Reader;
use super::head::rolled_refused;
use super::progress::{CODE_UNDONE, put_back};
use crate::format::{When, count, counted, decimal};
use crate::icon::IconName;
use crate::pages::may::{Deed, refusal};
use crate::paths;
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::tag::Dot;
use crate::ui::{Empty, Glyph, Panel, Sign, Table};

/// Failures by reason, what was left alone, what runs.
#[component]
pub fn Failures(
    /// The job.
    view: DrainJobView,
    /// Who looks.
    reader: Reader,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let title = title(&view);
    let running = view.running.clone();
    let (all, open) = (view.running_all, !view.row.state.is_final());
    let begun = view.row.tally.settled() > 0;
    let body = if !begun {
        view! { <Empty reason=Reason::NoneYet title="Nothing has failed yet" text="Entries come here with the reason why they were not done."/> }.into_any()
    } else if view.reasons.is_empty() {
        view! { <Empty reason=Reason::Healthy title="Nothing failed, nothing was left alone" text="Every entry that is settled was done."/> }.into_any()
    } else {
        view! { <Reasons view=view.clone() reader now/> }.into_any()
    };
    view! {
        <Panel id="h-failed" title note="by reason; the rest carried on">{body}</Panel>
        {(open || all > 0).then(|| view! { <Running id=view.row.id.clone() running all now/> })}
    }
    .into_any()
}

/// `14 failed, 6 left alone`; what was put back is neither.
fn title(view: &DrainJobView) -> String {
    let back = put_back(view);
    let parts = [(view.row.tally.skipped - back, "left alone"), (back, "put back")];
    let failed = format!("{} failed", count(view.row.tally.failed));
    parts.into_iter().filter(|(n, _)| *n > 0).fold(failed, |title, (n, words)| format!("{title}, {} {words}", count(n)))
}

#[component]
fn Reasons(view: DrainJobView, reader: Reader, now: Millis) -> impl IntoView {
    let columns = vec![
        Column::text("Reason"),
        Column::number("Entries"),
        Column::number("Devices"),
        Column::text("Last"),
        Column { label: "Step", hidden: true, ..Column::default() },
    ];
    let (id, rolled) = (view.row.id.clone(), rolled_refused(&view));
    let more = view.reasons_all.saturating_sub(view.reasons.len() as u64);
    let tally = view.row.tally;
    let left = (tally.failed + tally.skipped).saturating_sub(view.reasons.iter().map(|reason| reason.entries).sum());
    view! {
        <Table caption="What failed or was left alone, by reason" columns class="table-middle reasons">
            {view.reasons.into_iter().map(|reason| view! { <ReasonRow id=id.clone() reason rolled=rolled.clone() reader=reader.clone() now/> }).collect_view()}
        </Table>
        {(more > 0).then(|| view! { <More id=view.row.id more left/> })}
    }
    .into_any()
}

/// What the table leaves out, with the list that has all of it.
#[component]
fn More(id: String, more: u64, left: u64) -> impl IntoView {
    let words = format!("{} for {}", counted(more, "more reason", "more reasons"), counted(left, "entry", "entries"));
    view! {
        <div class="panel-foot">
            <span>{words}</span>
            <span class="flex"><a href=paths::drain_items(&id, Some(ItemOutcome::Failed))>"All that failed"</a> <a href=paths::drain_items(&id, Some(ItemOutcome::Skipped))>"All that were left alone"</a></span>
        </div>
    }
    .into_any()
}

/// The words of the last one, and how many others there are.
fn reason_words(reason: &FailureReason) -> String {
    match reason.wordings {
        0 | 1 => reason.detail.clone(),
        n => format!("{}; the last of {} wordings", reason.detail, count(n)),
    }
}

#[component]
fn ReasonRow(
    id: String,
    reason: FailureReason,
    #[prop(optional_no_strip)] rolled: Option<String>,
    reader: Reader,
    now: Millis,
) -> impl IntoView {
    let (row, words) = (format!("reason-{}-{}", reason.outcome.as_str(), reason.code), reason_words(&reason));
    let failed = reason.outcome == ItemOutcome::Failed;
    let (tone, sign) = if failed { (Tone::Act, Sign::Stuck) } else { (Tone::Idle, Sign::Held) };
    let prefix = (!failed && reason.code != CODE_UNDONE).then_some("left alone: ");
    let again = failed.then(|| {
        let refused = rolled.or_else(|| refusal(reader.role, drain_action(reason.again)));
        let beside = reason.again.saturating_sub(reason.entries);
        let beside =
            (beside > 0).then(|| format!("{} of the same groups among them, which failed for another reason", count(beside)));
        view! {
            <form method="post" action=paths::DRAIN_AGAIN>
                <input type="hidden" name="job" value=id.clone()/>
                <input type="hidden" name="code" value=reason.code.clone()/>
                <Deed label=format!("Freeze and retry {}", count(reason.again)) refused icon=IconName::Retry class="btn-small"/>
                {beside.map(|words| view! { <small class="faint">{words}</small> })}
            </form>
        }
    });
    view! {
        <tr role="row" id=row>
            <th role="rowheader" scope="row" class="cell-wide"><span class="sig" data-tone=tone.as_str()><Glyph sign/><span><span class="mono">{reason.code.clone()}</span><small>{prefix}{words}</small></span></span></th>
            <td role="cell" data-label="Entries" class="num"><a href=paths::drain_reason(&id, reason.outcome, &reason.code)>{count(reason.entries)}</a></td>
            <td role="cell" data-label="Devices" class="num">{count(reason.devices)}</td>
            <td role="cell" data-label="Last" class="nowrap"><When at=reason.last now/></td>
            <td role="cell" class="right">{again}</td>
        </tr>
    }
    .into_any()
}

#[component]
fn Running(id: String, running: Vec<RunningDevice>, all: u64, now: Millis) -> impl IntoView {
    if running.is_empty() {
        return view! {
            <Panel id="h-running" title="Running now">
                <Empty reason=Reason::NoneYet title="No device is at it" text="What is here is done without one. A device shows here once a command is on its way to it."/>
            </Panel>
        }
        .into_any();
    }
    let shown = running.len() as u64;
    let columns = vec![
        Column::text("Device"),
        Column::number("Entries"),
        Column::text("Stage"),
        Column::text("Since"),
        Column::number("Battery"),
    ];
    view! {
        <Panel id="h-running" title="Running now" note=counted(all, "device", "devices")>
            <Table caption="Devices that the drain is at" columns class="table-tight table-middle">
                {running.into_iter().map(|device| view! { <Device device now/> }).collect_view()}
            </Table>
            <div class="panel-foot"><span>{format!("{} of {} shown", count(shown), count(all))}</span><a href=paths::drain_items(&id, Some(ItemOutcome::Sent))>"All entries on their way"</a></div>
        </Panel>
    }
    .into_any()
}

#[component]
fn Device(device: RunningDevice, now: Millis) -> impl IntoView {
    let battery = device.battery.map_or_else(
        || view! { <span class="faint">"not reported"</span> }.into_any(),
        |n| format!("{}\u{a0}%", decimal(n, 0)).into_any(),
    );
    view! {
        <tr role="row" id=format!("running-{}", device.client_id)>
            <th role="rowheader" scope="row"><a href=paths::device_commands(&device.client_id)>{device.name}</a></th>
            <td role="cell" data-label="Entries" class="num">{count(device.entries)}</td>
            <td role="cell" data-label="Stage"><span class="flex" data-tone="run"><Dot tone=Tone::Run/>{stage(device.state, device.progress)}</span></td>
            <td role="cell" data-label="Since" class="nowrap"><When at=device.since now/></td>
            <td role="cell" data-label="Battery" class="num">{battery}</td>
        </tr>
    }
    .into_any()
}

/// Where a command stands, with how far the device says it is.
pub(crate) fn stage(state: CommandState, progress: Option<(u64, u64)>) -> String {
    match (state, progress) {
        (CommandState::Running, Some((done, total))) => format!("running, {} of {}", count(done), count(total)),
        (state, _) => state.as_str().to_owned(),
    }
}
