//! Head of a drain: what it is, where it stands, and the steps that can be taken now.

use leptos::prelude::*;
use tidewatch_domain::drain::{DrainAction, JobChange, JobState, REASON_CHARS_MAX, REASON_CHARS_MIN};
use tidewatch_domain::fleet::DrainJobView;
use tidewatch_domain::role::{Action, drain_action};
use tidewatch_domain::time::Millis;

use super::super::drain::words;
use super::Reader;
use crate::format::{count, counted, when};
use crate::icon::IconName;
use crate::pages::may::{Deed, refusal, who};
use crate::paths;
use crate::ui::{Glyph, Icon, Id};

/// Title, sentence, steps.
#[component]
pub fn Head(
    /// The job.
    view: DrainJobView,
    /// Who looks.
    reader: Reader,
    /// Since when this console is up.
    started: Option<Millis>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let row = view.row.clone();
    let (_, tone, sign) = words::job_state(row.state);
    let (lead, rest) = sentence(&view, started, now);
    view! {
        <div class="page-head">
            <div>
                <h1 class="flex wrap">{words::title(row.action, row.tally.all())} " " <Id id=row.id.clone()/></h1>
                <p class="lede" data-tone=tone.as_str()><Glyph sign/><span><b>{lead}</b> " " {rest}</span></p>
            </div>
            <div class="page-actions">{steps(&view).into_iter().map(|step| view! { <StepForm step view=view.clone() reader=reader.clone()/> }).collect_view()}</div>
        </div>
    }
    .into_any()
}

/// Where it stands, and who is behind it.
fn sentence(view: &DrainJobView, started: Option<Millis>, now: Millis) -> (String, String) {
    let row = &view.row;
    let since = view.events.iter().find(|event| event.state == row.state);
    let at = since.map(|event| format!(" since {}", when(event.at, now))).unwrap_or_default();
    let lead = match row.state {
        JobState::Requested => match view.approve_until {
            Some(until) => format!("Waits for a second person until {}.", when(until, now)),
            None => "Waits for a second person.".to_owned(),
        },
        JobState::Canary => format!("Canary{at}."),
        JobState::Running => format!("Running{at}."),
        JobState::Paused => format!("Paused{at}."),
        JobState::Done => format!("Done{at}."),
        JobState::Cancelled => format!("Stopped{at}."),
        JobState::Refused => format!("Refused{at}."),
        JobState::Undone => format!("Taken back{at}."),
    };
    let stopped = matches!(row.state, JobState::Paused | JobState::Cancelled | JobState::Refused);
    let why = since.and_then(|event| event.detail.clone()).filter(|_| stopped).map(|why| format!("“{why}” ")).unwrap_or_default();
    let approved = view.approved_by.as_deref().map(|name| format!(", approved by {}", who(name))).unwrap_or_default();
    let on = gone_on(row.state, since.map(|event| event.at), started, now);
    let began = if row.state == JobState::Requested { "Asked for" } else { "Started" };
    (lead, format!("{why}{on}{}{began} by {}{approved}: “{}”", pace(view), who(&row.created_by), row.reason))
}

/// That it was at work when the console stopped, and goes on by itself since.
fn gone_on(state: JobState, since: Option<Millis>, started: Option<Millis>, now: Millis) -> String {
    match (since, started) {
        (Some(since), Some(started)) if since < started && matches!(state, JobState::Canary | JobState::Running) => {
            format!("It goes on where it was when this console stopped; it is up again since {}. ", when(started, now))
        }
        _ => String::new(),
    }
}

/// What comes next by itself.
fn pace(view: &DrainJobView) -> String {
    let tally = &view.row.tally;
    match (view.row.state, tally.waiting) {
        (JobState::Canary, _) => {
            format!("{} go first; the rest follows when they succeed. ", counted(view.canary.into(), "entry", "entries"))
        }
        (JobState::Requested, _) => match words::approvers(&view.approvers) {
            Some(names) => format!("{names} can approve it. "),
            None => "Nobody else may approve it by now. ".to_owned(),
        },
        (JobState::Running, n) if n > 0 => match view.rate_per_s {
            Some(rate) => format!("{} not started, at most {rate} a second. ", count(n)),
            None => format!("{} not started. ", count(n)),
        },
        (JobState::Running, _) if tally.asleep > 0 && tally.sent == 0 => {
            "All reachable devices are done; the rest is asleep. ".to_owned()
        }
        _ => String::new(),
    }
}

/// The steps that can be taken now, in their order: what the state allows and what has something left to do.
pub(super) fn steps(view: &DrainJobView) -> Vec<JobChange> {
    let worth = |step: &JobChange| match step {
        // What has rolled to a file says why it is not taken back.
        JobChange::Undo => view.undoable.total() > 0 || view.row.rolled.is_some(),
        JobChange::Acknowledge => !view.row.acknowledged,
        _ => true,
    };
    JobChange::ALL.into_iter().filter(|step| view.row.state.allows(*step)).filter(worth).collect()
}

/// Whether a step asks for a remark first.
const fn wants_remark(step: JobChange) -> bool {
    !matches!(step, JobChange::Resume | JobChange::Acknowledge)
}

/// Verb, icon and look of a step.
const fn look(step: JobChange) -> (&'static str, IconName, &'static str) {
    match step {
        JobChange::Approve => ("Approve", IconName::Check, "btn-primary"),
        JobChange::Refuse => ("Refuse", IconName::X, ""),
        JobChange::Pause => ("Pause", IconName::Pause, ""),
        JobChange::Resume => ("Resume", IconName::Play, "btn-primary"),
        JobChange::Cancel => ("Stop", IconName::Stop, "btn-warn"),
        JobChange::Undo => ("Undo", IconName::Undo, ""),
        JobChange::Acknowledge => ("I have seen it", IconName::Check, ""),
    }
}

/// What a step leaves and what it takes, for the one who is about to take it.
fn consequence(step: JobChange, view: &DrainJobView) -> String {
    let tally = &view.row.tally;
    match step {
        JobChange::Approve => format!("{} start at once.", counted(tally.waiting, "entry", "entries")),
        JobChange::Refuse => "The set stays as it is; nothing of it is drained.".to_owned(),
        JobChange::Pause => {
            "What devices have fetched goes on to its end; nothing else is begun or handed over until somebody resumes it."
                .to_owned()
        }
        JobChange::Cancel => {
            let left = format!("Leaves {} as they are now and {} where they were.", count(tally.ok), count(tally.waiting));
            format!("{left}{}", called_back(view))
        }
        JobChange::Undo => undo_words(view),
        JobChange::Resume | JobChange::Acknowledge => String::new(),
    }
}

/// What a stop does with what is under way.
pub(super) fn called_back(view: &DrainJobView) -> String {
    match view.row.tally.sent + view.row.tally.asleep {
        0 => String::new(),
        sent => {
            let sent = counted(sent, "entry", "entries");
            format!(" What no device has fetched of {sent} under way is called back; what one has fetched finishes.")
        }
    }
}

/// What an undo would do, part by part.
pub(super) fn undo_words(view: &DrainJobView) -> String {
    let (now, tally, hold) = (view.undoable, &view.row.tally, view.row.action == DrainAction::Hold);
    let parts = [
        (now.put_back, "puts {} back in their old place under their own ids"),
        (
            now.called_back,
            if hold || view.row.action == DrainAction::ToConflict {
                "calls back {} under way"
            } else {
                "calls back {} that no device has fetched"
            },
        ),
        (now.left, "leaves {} where they were"),
    ];
    let named = |(n, words): (u64, &str)| (n > 0).then(|| words.replace("{}", &counted(n, "entry", "entries")));
    let parts: Vec<String> = parts.into_iter().filter_map(named).collect();
    let Some((last, first)) = parts.split_last() else { return String::new() };
    let said = if first.is_empty() { last.clone() } else { format!("{} and {last}", first.join(", ")) };
    let held = if now.put_back > 0 && hold { " Their devices let go of them and send them once more." } else { "" };
    let waiting = if view.row.state.is_final() { 0 } else { tally.waiting };
    let fixed = match (tally.ok + tally.sent + tally.asleep + waiting).saturating_sub(now.total()) {
        0 => String::new(),
        n => format!(
            " {} cannot be taken back: a device has fetched them or acted on them, somebody has moved them since, or they are part of the record.",
            counted(n, "entry", "entries")
        ),
    };
    format!("{}.{held}{fixed} What was released behind them stays sent.", upper_first(&said))
}

fn upper_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The verb of a step with its number, where it has one.
fn deed_words(step: JobChange, view: &DrainJobView) -> String {
    match step {
        JobChange::Undo => format!("Undo {}", count(view.undoable.total())),
        JobChange::Approve => format!("Approve {}", count(view.row.tally.all())),
        other => look(other).0.to_owned(),
    }
}

/// Why the reader may not take a step; the first reason that holds.
pub(super) fn step_refused(step: JobChange, view: &DrainJobView, reader: &Reader) -> Option<String> {
    match step {
        JobChange::Approve | JobChange::Refuse => refusal(reader.role, Action::Approve)
            .or_else(|| (reader.name == view.asked_by).then(|| "Nobody approves their own change".to_owned())),
        JobChange::Undo if view.row.rolled.is_some() => rolled_refused(view),
        _ => refusal(reader.role, drain_action(view.row.tally.all())),
    }
}

/// Why nothing can be done that needs the entries of the drain one by one, when they have rolled to a file.
pub(super) fn rolled_refused(view: &DrainJobView) -> Option<String> {
    view.row.rolled.as_ref().map(|rolled| upper_first(&rolled.words()))
}

#[component]
fn StepForm(step: JobChange, view: DrainJobView, reader: Reader) -> impl IntoView {
    let refused = step_refused(step, &view, &reader);
    let (label, icon, class) = look(step);
    let fields = move |id: String| {
        view! {
            <input type="hidden" name="job" value=id/>
            <input type="hidden" name="step" value=step.as_str()/>
        }
    };
    if refused.is_some() || !wants_remark(step) {
        return view! {
            <form method="post" action=paths::DRAIN_STEP>{fields(view.row.id.clone())}<Deed label refused icon class/></form>
        }
        .into_any();
    }
    let deed = deed_words(step, &view);
    // Open it holds the live page still, closed it is one button.
    view! {
        <details class="menu step" id=format!("step-{}", step.as_str())>
            <summary class=format!("btn {class}")><Icon name=icon/>{label}</summary>
            <form class="menu-sheet step-sheet" method="post" action=paths::DRAIN_STEP>
                {fields(view.row.id.clone())}
                <p>{consequence(step, &view)}</p>
                <label class="field">
                    <span>"Remark, kept in the audit log"</span>
                    <input class="input" name="remark" required minlength=REASON_CHARS_MIN.to_string() maxlength=REASON_CHARS_MAX.to_string() autocomplete="off"/>
                </label>
                <Deed label=deed refused=None icon class/>
            </form>
        </details>
    }
    .into_any()
}
