//! The lines of a device's log that a command brought: time, level, source, message. Whoever may not read messages sees a name in the
//! place of each; whoever may sees what looks like a secret masked.

use leptos::prelude::*;
use tidewatch_domain::control::{LOG_UPLOADS_KEPT, LogLevel, LogLine, LogsHeld};
use tidewatch_domain::fleet::{CommandLogs, CommandView, Tone};
use tidewatch_domain::page::Position;
use tidewatch_domain::role::{Action, Role};
use tidewatch_domain::time::Millis;

use crate::format::{When, bytes, counted, when};
use crate::icon::{Icon, IconName};
use crate::pages::list::range_words;
use crate::pages::may::refusal;
use crate::pages::params::ListState;
use crate::paths;
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Pager, Panel, Table, Tag};

/// The panel.
#[component]
pub fn LogsPanel(
    /// The command.
    view: CommandView,
    /// A page of its lines.
    #[prop(optional_no_strip)]
    lines: Option<CommandLogs>,
    /// Where the list stands.
    list: ListState,
    /// Role of the reader.
    #[prop(optional_no_strip)]
    role: Option<Role>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let Some(lines) = lines else {
        let (reason, title, text) = absent(&view);
        return view! { <Panel id="h-lines" title="Lines"><Empty reason title text/></Panel> }.into_any();
    };
    let id = view.row.id.clone();
    let note = format!("{}, {}", counted(lines.held.lines, "line", "lines"), bytes(lines.held.bytes));
    let export = paths::command_logs_export(&id);
    let end = move || {
        view! { <a class="btn btn-small" href=export download="" title="All lines as they are shown here, one JSON object a line"><Icon name=IconName::Download/>"NDJSON"</a> }
    };
    let about = view! { <p class="small faint">{reach(&lines.held, now)} " " {privacy(&lines, role)}</p> };
    let body = if lines.page.rows.is_empty() {
        view! { <Empty reason=Reason::Healthy title="No line is that new" text="The log of the device holds nothing since the time that was asked for."/> }.into_any()
    } else {
        view! { <Lines id lines list now/> }.into_any()
    };
    view! { <Panel id="h-lines" title="Lines" note end><div class="panel-body">{about}</div>{body}</Panel> }.into_any()
}

/// Why there are no lines.
fn absent(view: &CommandView) -> (Reason, &'static str, String) {
    if view.row.state.is_open() {
        return (Reason::NoneYet, "Nothing uploaded yet", "The lines are here as soon as the device has sent them.".to_owned());
    }
    if view.result.is_some() && view.row.error.is_none() {
        let text = format!("The last {LOG_UPLOADS_KEPT} uploads of a device are kept, and newer ones took the place of these.");
        return (Reason::NoMatch, "The lines are gone", text);
    }
    (Reason::NoMatch, "It brought no lines", "Its history says how it ended.".to_owned())
}

/// How far back the log of the device goes.
fn reach(held: &LogsHeld, now: Millis) -> String {
    let begins =
        held.begins.map(|at| format!("The log of the device begins at {}: what was before is lost to a restart.", when(at, now)));
    let dropped = (held.dropped > 0)
        .then(|| format!(" {} made room for newer ones since.", counted(held.dropped, "older line", "older lines")));
    format!("{}{} Times are by its own clock.", begins.unwrap_or_default(), dropped.unwrap_or_default())
}

/// What of the messages is shown, and why.
fn privacy(lines: &CommandLogs, role: Option<Role>) -> String {
    if lines.readable {
        return "What looks like a secret has a name in its place. That you read them is in the audit log.".to_owned();
    }
    let why = refusal(role, Action::RevealPayload).unwrap_or_default();
    format!("Each message has a name in its place; the same words have the same name. To read them: {}.", lower_first(&why))
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[component]
fn Lines(id: String, lines: CommandLogs, list: ListState, now: Millis) -> impl IntoView {
    let link = |position: Position| format!("{}{}#h-lines", paths::command(&id), list.with_position(position).print());
    let previous = lines.page.previous.clone().map(Position::Before).map(link);
    let next = lines.page.next.clone().map(Position::After).map(link);
    let foot = range_words(&lines.page, &list.position);
    let columns = vec![Column::text("At"), Column::text("Level"), Column::text("Source"), Column::text("Message")];
    view! {
        <Table caption="Lines of the log, oldest first" columns class="loglines">
            {lines.page.rows.into_iter().map(|line| view! { <Line line now/> }).collect_view()}
        </Table>
        <Pager summary=foot previous next back="Older" on="Newer"/>
    }
    .into_any()
}

const fn tone(level: LogLevel) -> Tone {
    match level {
        LogLevel::Error => Tone::Act,
        LogLevel::Warn => Tone::Watch,
        LogLevel::Info | LogLevel::Debug | LogLevel::Trace => Tone::Idle,
    }
}

#[component]
fn Line(line: LogLine, now: Millis) -> impl IntoView {
    view! {
        <tr role="row">
            <td role="cell" data-label="At" class="nowrap"><When at=line.at now/></td>
            <td role="cell" data-label="Level"><Tag tone=tone(line.level) text=line.level.as_str()/></td>
            <td role="cell" data-label="Source" class="mono break">{line.target}</td>
            <td role="cell" data-label="Message" class="mono break">{line.message}</td>
        </tr>
    }
    .into_any()
}
