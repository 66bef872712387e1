//! Commands tab: what a device was told to do, on a channel of its own that a jammed queue cannot hold up. Open ones as lifelines, ended
//! ones as a table, and the form that sends another.

use leptos::prelude::*;
use tidewatch_domain::control::{CommandKind, CommandState};
use tidewatch_domain::drain::{REASON_CHARS_MAX, REASON_CHARS_MIN};
use tidewatch_domain::fleet::{CommandRow, DeviceView, Tone};
use tidewatch_domain::page::{Page, Position};
use tidewatch_domain::role::{Role, command_action};
use tidewatch_domain::time::Millis;

use super::send::{CommandDraft, SendForm};
use crate::format::{When, ago, count, when};
use crate::pages::list::range_words;
use crate::pages::may::{Deed, refusal, who};
use crate::pages::outbox::notice;
use crate::pages::params::ListState;
use crate::paths;
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Banner, Empty, Glyph, Id, Lifeline, Pager, Panel, Sign, Stage, StageState, Table};

/// A kind in words.
#[must_use]
pub const fn kind_label(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Drain => "Drain entries",
        CommandKind::UploadWal => "Upload payloads",
        CommandKind::Resync => "Resync",
        CommandKind::RefreshPolicy => "Refresh policy",
        CommandKind::Mesh => "Change mesh",
        CommandKind::UploadLogs => "Upload logs",
    }
}

/// The tab.
#[component]
pub fn CommandsTab(
    /// The device.
    view: DeviceView,
    /// State of the URL.
    query: ListState,
    /// The page, newest first.
    page: Page<CommandRow>,
    /// Role of the reader.
    role: Option<Role>,
    /// Why a form led back.
    problem: Option<String>,
    /// What was written when it did.
    #[prop(optional)]
    draft: CommandDraft,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let (open, ended): (Vec<_>, Vec<_>) = page.rows.iter().cloned().partition(|row| row.state.is_open());
    let banner = problem.as_deref().and_then(notice::words).map(|(tone, title, text)| view! { <Banner tone title text/> });
    let next = view.next_expected;
    let path = paths::device_commands(&view.row.client_id);
    let link = |position: Position| format!("{path}{}", query.with_position(position).print());
    let previous = page.previous.clone().map(Position::Before).map(link);
    let older = page.next.clone().map(Position::After).map(link);
    let summary = range_words(&page, &query.position);
    view! {
        {banner}
        <div class="cols cols-main-side">
            <div class="stack">
                <Open open role next now/>
                <Ended ended now/>
                {(!page.rows.is_empty()).then(|| view! { <section class="panel" aria-label="Pages of commands"><Pager summary previous next=older back="Newer" on="Older"/></section> })}
            </div>
            <aside class="stack" aria-label="Send a command"><SendForm view role draft wrong=problem/></aside>
        </div>
    }
    .into_any()
}

#[component]
fn Open(open: Vec<CommandRow>, role: Option<Role>, next: Option<Millis>, now: Millis) -> impl IntoView {
    let body = if open.is_empty() {
        view! { <Empty reason=Reason::Healthy title="Nothing is on its way" text="No command waits for this device, and it is at none."/> }.into_any()
    } else {
        view! { <ul class="commands">{open.into_iter().map(|row| view! { <OpenRow row role next now/> }).collect_view()}</ul> }
            .into_any()
    };
    view! { <Panel id="h-flight" title="Commands in flight" note="signed, on their own channel; a jammed queue cannot hold them up">{body}</Panel> }.into_any()
}

#[component]
fn OpenRow(row: CommandRow, role: Option<Role>, next: Option<Millis>, now: Millis) -> impl IntoView {
    let refused = refusal(role, command_action(row.kind));
    let stages = stages(&row, next, now);
    let id = format!("command-{}", row.id);
    let cancel = view! { <CancelForm row=row.clone() refused/> };
    let page = paths::command(&row.id);
    let from = row.job.clone().map(|job| view! { <a class="small" href=paths::drain_job(&job)>{format!("from {job}")}</a> });
    view! {
        <li id=id>
            <div><b><a href=page>{kind_label(row.kind)}</a></b><small class="faint"><Id id=row.id.clone()/></small><small class="faint">{who(&row.actor).to_owned()} ", for “" {row.reason.clone()} "”"</small>{from}</div>
            <Lifeline stages/>
            {cancel}
        </li>
    }
    .into_any()
}

/// Calling back: one step while the device has not begun, and by force after that.
#[component]
pub fn CancelForm(
    /// The command.
    row: CommandRow,
    /// Why the reader may not.
    refused: Option<String>,
    /// Whether it leads back to the page of the command.
    #[prop(optional)]
    at_home: bool,
) -> impl IntoView {
    let force = row.state == CommandState::Running;
    let label = if force { "Force cancel" } else { "Cancel" };
    if refused.is_some() {
        return view! { <form method="post" action=paths::COMMAND_CANCEL><Deed label refused class="btn-small"/></form> }
            .into_any();
    }
    let words = if force {
        "The device is at it: what it has done stays done, and it is not asked to undo anything."
    } else {
        "The device is not told to do it. If it has fetched the command already, it may have begun."
    };
    view! {
        <details class="menu step" id=format!("cancel-{}", row.id)>
            <summary class="btn btn-small">{label}</summary>
            <form class="menu-sheet step-sheet" method="post" action=paths::COMMAND_CANCEL>
                <input type="hidden" name="id" value=row.id.clone()/>
                <input type="hidden" name="client" value=row.client_id.to_string()/>
                {force.then(|| view! { <input type="hidden" name="force" value="1"/> })}
                {at_home.then(|| view! { <input type="hidden" name="back" value="command"/> })}
                <p>{words}</p>
                <label class="field">
                    <span>"Reason, kept in the audit log"</span>
                    <input class="input" name="reason" required minlength=REASON_CHARS_MIN.to_string() maxlength=REASON_CHARS_MAX.to_string() autocomplete="off"/>
                </label>
                <Deed label refused=None class="btn-small btn-warn"/>
            </form>
        </details>
    }
    .into_any()
}

/// Queued, delivered, running, done: what is behind it, where it is, and when the next is expected.
fn stages(row: &CommandRow, next: Option<Millis>, now: Millis) -> Vec<Stage> {
    let at = match row.state {
        CommandState::Queued => 0,
        CommandState::Delivered => 1,
        _ => 2,
    };
    let expected = match next {
        Some(next) if next > now => format!("expected {}", ago(next, now)),
        Some(_) => "overdue".to_owned(),
        None => "rhythm not known".to_owned(),
    };
    let progress = row.progress.map(|(done, total)| format!("{} of {}", count(done), count(total))).unwrap_or_default();
    let expires = format!("expires {}", when(row.expires, now));
    let notes = [
        when(row.created, now),
        if at == 0 {
            expected
        } else if at == 1 {
            when(row.changed, now)
        } else {
            String::new()
        },
        if at == 2 { format!("{} {progress}", when(row.changed, now)).trim().to_owned() } else { String::new() },
        expires,
    ];
    let names = ["Queued", "Delivered", "Running", "Done"];
    names
        .into_iter()
        .zip(notes)
        .enumerate()
        .map(|(n, (name, note))| {
            let state = match n {
                n if n < at => StageState::Done,
                0 => StageState::Wait,
                n if n == at => StageState::Now,
                _ => StageState::Ahead,
            };
            Stage { name: name.to_owned(), note, state }
        })
        .collect()
}

/// Word, tone and sign of a command that is done on the word of its device.
pub const UNVERIFIED: (&str, Tone, Sign) = ("Done, not verified", Tone::Watch, Sign::Check);

/// Word, tone and sign of a command that has ended.
#[must_use]
pub const fn ended_look(state: CommandState) -> (&'static str, Tone, Sign) {
    match state {
        CommandState::Done => ("Done", Tone::Good, Sign::Converged),
        CommandState::Failed => ("Failed", Tone::Act, Sign::Stuck),
        CommandState::Expired => ("Expired", Tone::Watch, Sign::Stalling),
        CommandState::Superseded => ("Superseded", Tone::Idle, Sign::Check),
        CommandState::Cancelled => ("Cancelled", Tone::Idle, Sign::Held),
        CommandState::Queued => ("Queued", Tone::Idle, Sign::Unknown),
        CommandState::Delivered | CommandState::Running => ("Running", Tone::Run, Sign::CatchingUp),
    }
}

#[component]
fn Ended(ended: Vec<CommandRow>, now: Millis) -> impl IntoView {
    if ended.is_empty() {
        return view! {
            <Panel id="h-ended" title="Ended"><Empty reason=Reason::NoneYet title="No command has ended yet" text="Every command ends: done, failed, expired, superseded or cancelled."/></Panel>
        }
        .into_any();
    }
    let columns = vec![
        Column::text("Command"),
        Column::text("State"),
        Column::text("Asked for by"),
        Column::text("Asked"),
        Column::text("Ended"),
    ];
    view! {
        <Panel id="h-ended" title="Ended" note="newest first">
            <Table caption="Commands that ended, newest first" columns class="ended">
                {ended.into_iter().map(|row| view! { <EndedRow row now/> }).collect_view()}
            </Table>
        </Panel>
    }
    .into_any()
}

#[component]
fn EndedRow(row: CommandRow, now: Millis) -> impl IntoView {
    let (word, tone, sign) = if row.is_unverified() { UNVERIFIED } else { ended_look(row.state) };
    let failure = row.error.map(|(code, words)| view! { <small><span class="mono">{code}</span> " " {words}</small> });
    let from = row.job.map(|job| view! { " · " <a href=paths::drain_job(&job)>{job.clone()}</a> });
    view! {
        <tr role="row" id=format!("command-{}", row.id)>
            <th role="rowheader" scope="row" class="cell-wide"><a href=paths::command(&row.id)>{kind_label(row.kind)}</a><small><Id id=row.id.clone()/></small></th>
            <td role="cell" data-label="State"><span class="status" data-tone=tone.as_str()><Glyph sign/><b>{word}</b></span>{failure}</td>
            <td role="cell" data-label="Asked for by">{who(&row.actor).to_owned()}<small>{row.reason}{from}</small></td>
            <td role="cell" data-label="Asked" class="nowrap"><When at=row.created now/></td>
            <td role="cell" data-label="Ended" class="nowrap"><When at=row.changed now/></td>
        </tr>
    }
    .into_any()
}
