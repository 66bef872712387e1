//! How a command came to where it stands: one sentence, the stages in order, and the book of its states.

use leptos::prelude::*;
use tidewatch_domain::control::{CommandKind, CommandState};
use tidewatch_domain::fleet::{CommandEvent, CommandView, Tone};
use tidewatch_domain::time::Millis;

use crate::format::{When, ago, count, when};
use crate::icon::{Icon, IconName};
use crate::pages::device::commands::{UNVERIFIED, ended_look};
use crate::pages::may::who;
use crate::ui::{Glyph, Panel, Sign, Stage, StageState};

/// A state in a word, with its tone and sign.
#[must_use]
pub const fn look(state: CommandState) -> (&'static str, Tone, Sign) {
    match state {
        CommandState::Queued => ("Queued", Tone::Idle, Sign::Unknown),
        CommandState::Delivered => ("Delivered", Tone::Run, Sign::CatchingUp),
        CommandState::Running => ("Running", Tone::Run, Sign::CatchingUp),
        ended => ended_look(ended),
    }
}

/// Where it stands in two sentences, with tone and sign.
#[must_use]
pub fn sentence(view: &CommandView, now: Millis) -> (String, String, Tone, Sign) {
    let row = &view.row;
    let (word, tone, sign) = if row.is_unverified() { UNVERIFIED } else { look(row.state) };
    let what = match row.state {
        CommandState::Queued => format!("It waits until the device asks, at most until {}.", when(row.expires, now)),
        CommandState::Delivered => "The device has fetched it and has not said that it began.".to_owned(),
        CommandState::Running => match row.progress {
            Some((done, total)) => format!("The device is at it: {} of {}.", count(done), count(total)),
            None => "The device is at it.".to_owned(),
        },
        CommandState::Done if row.is_unverified() => not_verified(row.kind).to_owned(),
        CommandState::Done if row.kind == CommandKind::UploadWal && row.verified == Some(true) => {
            "All that the device was known to hold when it was asked is here, or finally answered.".to_owned()
        }
        CommandState::Done => done(row.kind).to_owned(),
        CommandState::Failed => match &row.error {
            Some((_, words)) if !words.is_empty() => format!("“{words}”"),
            Some((code, _)) => format!("The device says {code}."),
            None => "The device did not say why.".to_owned(),
        },
        CommandState::Expired => "Its time was over first. It is not handed over any more.".to_owned(),
        CommandState::Superseded => "A newer command of this kind took its place before the device asked.".to_owned(),
        CommandState::Cancelled => cancelled(view),
    };
    let since = format!("{word} since {}.", when(row.changed, now));
    (since, format!("{what} Asked for by {}: “{}”", who(&row.actor), row.reason), tone, sign)
}

/// What stands behind the word of the device.
const fn done(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Drain => "Every entry is answered, and what left the device is in the archive.",
        CommandKind::Resync => "The device has a fresh copy; its digests were compared here.",
        CommandKind::Mesh => "The device reports the mode that was wanted.",
        CommandKind::UploadLogs => "The device has sent its lines.",
        CommandKind::UploadWal => {
            "The device says that it has sent them; of those that were named one by one, none is missing here."
        }
        CommandKind::RefreshPolicy => "What the device has in force is at least as new as when this was asked for.",
    }
}

/// What could not be compared with what the device says.
const fn not_verified(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Resync => {
            "The device has a fresh copy. Not all of its digests could be compared here: it was written to meanwhile, so that it is equal is its own word."
        }
        _ => "The device says that it has sent everything. What it held is not known in full here, so that is its own word.",
    }
}

fn cancelled(view: &CommandView) -> String {
    let began = view.history.iter().any(|event| event.state == CommandState::Running);
    let by = view.history.iter().find(|event| event.state == CommandState::Cancelled);
    let by = by.map(|event| format!("{} called it back. ", who(&event.actor))).unwrap_or_default();
    let left = if began { view.row.kind.cannot_undo() } else { "the device had not begun it" };
    let mut letters = left.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{by}{first}{}.", letters.as_str())
}

/// The stages it went through, and while it is open those that are still to come.
#[must_use]
pub fn stages(view: &CommandView, next: Option<Millis>, now: Millis) -> Vec<Stage> {
    let row = &view.row;
    let mut stages: Vec<Stage> = view
        .history
        .iter()
        .map(|event| Stage { name: look(event.state).0.to_owned(), note: when(event.at, now), state: StageState::Done })
        .collect();
    if let Some(last) = stages.last_mut() {
        last.state = match row.state {
            CommandState::Queued => StageState::Wait,
            CommandState::Delivered | CommandState::Running => StageState::Now,
            CommandState::Failed | CommandState::Expired => StageState::Failed,
            CommandState::Done | CommandState::Superseded | CommandState::Cancelled => StageState::Done,
        };
        if let (CommandState::Running, Some((done, total))) = (row.state, row.progress) {
            last.note = format!("{}, {} of {}", last.note, count(done), count(total));
        }
    }
    if row.state.is_open() {
        let seen = |state: CommandState| view.history.iter().any(|event| event.state == state);
        let ahead = [CommandState::Delivered, CommandState::Running].into_iter().filter(|state| !seen(*state));
        let mut ahead: Vec<Stage> =
            ahead.map(|state| Stage { name: look(state).0.to_owned(), note: String::new(), state: StageState::Ahead }).collect();
        if let Some(first) = ahead.first_mut().filter(|_| row.state == CommandState::Queued) {
            first.note = expected(next, now);
        }
        stages.extend(ahead);
        let note = format!("expires {}", when(row.expires, now));
        stages.push(Stage { name: "Done".to_owned(), note, state: StageState::Ahead });
    }
    stages
}

/// When the device is expected to ask.
#[must_use]
pub fn expected(next: Option<Millis>, now: Millis) -> String {
    match next {
        Some(next) if next > now => format!("expected {}", ago(next, now)),
        Some(_) => "overdue".to_owned(),
        None => "rhythm not known".to_owned(),
    }
}

/// The book of its states, newest first: who brought it there, and why.
#[component]
pub fn History(
    /// Oldest first.
    events: Vec<CommandEvent>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let events: Vec<CommandEvent> = events.into_iter().rev().collect();
    view! {
        <Panel id="h-history" title="History" note="every state it came to, newest first; the book is only added to">
            <ol class="timeline timeline-side">{events.into_iter().enumerate().map(|(at, event)| view! { <Event event newest=at == 0 now/> }).collect_view()}</ol>
        </Panel>
    }
    .into_any()
}

#[component]
fn Event(event: CommandEvent, newest: bool, now: Millis) -> impl IntoView {
    let (word, tone, sign) = look(event.state);
    let node = if newest { view! { <Glyph sign/> }.into_any() } else { view! { <Icon name=IconName::Check/> }.into_any() };
    let tone = (newest && tone != Tone::Idle).then(|| tone.as_str());
    let by = match event.actor.strip_prefix("device:") {
        Some(_) => "the device".to_owned(),
        None => who(&event.actor).to_owned(),
    };
    view! {
        <li data-tone=tone>
            <When at=event.at now/>
            <span class="tl-node">{node}</span>
            <div><b>{word}</b><p>"by " {by}{event.detail.map(|detail| format!(": “{detail}”"))}</p></div>
        </li>
    }
}
