//! The timeline of a device: which things become an event, in which words. More of the same soon after grows one event instead
//! of making another, so a busy device does not push its own history out of the bounded list.

use std::collections::BTreeMap;

use tidewatch_domain::contact::Contact;
use tidewatch_domain::fleet::{Condition, TimelineKind, Tone};
use tidewatch_domain::sync::{IntentResult, IntentStatus};
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS};

use super::columns::condition_rank;
use super::device::OpenEvent;
use super::group::{EventRow, Touched};

/// Events that one device keeps.
pub(crate) const EVENTS_KEPT: i64 = 300;
/// Trimmed when there are so many more.
pub(crate) const EVENTS_SLACK: i64 = 50;
/// An event grows for so long.
const GROWS_MS: i64 = 15 * MINUTE_MS;

type Events = BTreeMap<(i64, i64, i64), EventRow>;

/// What an event is; only events of one kind grow together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum What {
    Pushed,
    Refused,
    PushFailed,
    Pulled,
    PullFailed,
    TokenRefused,
    CheckedIn,
    Changed,
    Updated,
    Conflicts,
    Digest,
}

struct Told<'a> {
    what: What,
    kind: TimelineKind,
    tone: Tone,
    amount: i64,
    operation_id: Option<&'a str>,
}

impl<'a> Told<'a> {
    const fn sync(what: What, tone: Tone, amount: i64) -> Self {
        Self { what, kind: TimelineKind::Sync, tone, amount, operation_id: None }
    }

    const fn about(self, operation_id: Option<&'a str>) -> Self {
        Self { operation_id, ..self }
    }
}

/// Place of a kind in the table.
pub(crate) const fn kind_code(kind: TimelineKind) -> i64 {
    match kind {
        TimelineKind::Sync => 0,
        TimelineKind::Conflict => 1,
        TimelineKind::People => 2,
    }
}

/// Reads [`kind_code`].
pub(crate) const fn kind_of(code: i64) -> TimelineKind {
    match code {
        0 => TimelineKind::Sync,
        1 => TimelineKind::Conflict,
        _ => TimelineKind::People,
    }
}

const fn tone_code(tone: Tone) -> i64 {
    match tone {
        Tone::Good => 0,
        Tone::Watch => 1,
        Tone::Act => 2,
        Tone::Run => 3,
        Tone::Idle => 4,
    }
}

/// Reads [`tone_code`].
pub(crate) const fn tone_of(code: i64) -> Tone {
    match code {
        0 => Tone::Good,
        1 => Tone::Watch,
        2 => Tone::Act,
        3 => Tone::Run,
        _ => Tone::Idle,
    }
}

/// `1 change`, `2 changes`.
pub(crate) fn counted(n: i64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

fn tell(touched: &mut Touched, at: i64, told: &Told<'_>, events: &mut Events, words: impl Fn(i64, i64) -> (String, String)) {
    let grows = touched.doc.event.as_ref().is_some_and(|open| {
        open.what == told.what as u8
            && at >= open.last
            && at - open.at < GROWS_MS
            && !matches!(told.what, What::Refused | What::Changed)
    });
    if !grows {
        touched.doc.events_kept += 1;
        let id = touched.doc.event.as_ref().map_or(0, |open| open.id) + 1;
        touched.doc.event = Some(OpenEvent { at, id, what: told.what as u8, times: 0, amount: 0, last: at });
    }
    let open = touched.doc.event.as_mut().expect("set above");
    open.times += 1;
    open.amount += told.amount;
    open.last = at;
    let (title, detail) = words(open.times, open.amount);
    let row = EventRow {
        device: touched.id,
        at: open.at,
        id: open.id,
        kind: kind_code(told.kind),
        tone: tone_code(told.tone),
        title,
        detail,
        operation_id: told.operation_id.map(str::to_owned),
    };
    events.insert((row.device, row.at, row.id), row);
}

/// Tells a contact.
pub(crate) fn contact(touched: &mut Touched, at: i64, contact: &Contact, events: &mut Events) {
    match contact {
        Contact::PushAnswered { results, took_ms } => push_answered(touched, at, results, *took_ms, events),
        Contact::PushRefused { code } => {
            tell(touched, at, &Told::sync(What::PushFailed, Tone::Watch, 1), events, |times, _| {
                (
                    format!("Push refused: {code}"),
                    format!("The whole request was refused, {}. Nothing in it was decided.", counted(times, "time", "times")),
                )
            });
        }
        Contact::PullRefused { code } => {
            tell(touched, at, &Told::sync(What::PullFailed, Tone::Watch, 1), events, |times, _| {
                (format!("Pull refused: {code}"), format!("{} in a row.", counted(times, "request", "requests")))
            });
        }
        Contact::Pulled { to, rows, .. } if *rows > 0 => {
            tell(touched, at, &Told::sync(What::Pulled, Tone::Run, i64::from(*rows)), events, |_, amount| {
                (format!("Pulled {}", counted(amount, "change", "changes")), format!("Cursor moved to seq {to}."))
            });
        }
        Contact::TokenRefused => {
            tell(touched, at, &Told::sync(What::TokenRefused, Tone::Watch, 1), events, |times, _| {
                (
                    "Token refused".to_owned(),
                    format!("{} with a token that is expired, revoked or unknown.", counted(times, "request", "requests")),
                )
            });
        }
        Contact::Pulled { .. }
        | Contact::PushStarted { .. }
        | Contact::LettersReported { .. }
        | Contact::Enrolled
        | Contact::Seen => {}
    }
}

fn push_answered(touched: &mut Touched, at: i64, results: &[IntentResult], took_ms: f64, events: &mut Events) {
    let count = |wanted: &[IntentStatus]| results.iter().filter(|r| wanted.contains(&r.status)).count() as i64;
    let settled = count(&[IntentStatus::Applied, IntentStatus::Merged]);
    if settled > 0 {
        let first = results.iter().find(|r| matches!(r.status, IntentStatus::Applied | IntentStatus::Merged));
        let told = Told::sync(What::Pushed, Tone::Good, settled).about(first.map(|r| r.operation_id.as_str()));
        tell(touched, at, &told, events, |times, amount| {
            (
                format!("Pushed {}", counted(amount, "intent", "intents")),
                format!("Applied in {}, the last in {took_ms:.0} ms.", counted(times, "request", "requests")),
            )
        });
    }
    let lost = count(&[IntentStatus::Superseded, IntentStatus::Conflict]);
    if lost > 0 {
        let first = results.iter().find(|r| matches!(r.status, IntentStatus::Superseded | IntentStatus::Conflict));
        let told = Told { kind: TimelineKind::Conflict, ..Told::sync(What::Conflicts, Tone::Watch, lost) }
            .about(first.map(|r| r.operation_id.as_str()));
        tell(touched, at, &told, events, |_, amount| {
            (
                format!("{} in conflict", counted(amount, "intent", "intents")),
                "The losing values are kept in the conflicts log.".to_owned(),
            )
        });
    }
    let Some(first) = results.iter().find(|r| r.status == IntentStatus::Rejected) else {
        return;
    };
    let refused = count(&[IntentStatus::Rejected]);
    let told = Told::sync(What::Refused, Tone::Act, refused).about(Some(first.operation_id.as_str()));
    let why = first.problem.as_ref().map(|p| format!("{} {}: {}", p.status, p.code, p.detail)).unwrap_or_default();
    tell(touched, at, &told, events, |_, amount| (format!("{} rejected", counted(amount, "intent", "intents")), why.clone()));
}

/// Tells a check-in: the first in an hour, or the first after a silence, or one that brings late reports.
pub(crate) fn checked_in(touched: &mut Touched, at: i64, late: i64, events: &mut Events) {
    let before = touched.doc.checked_in_event_at.replace(at);
    let quiet_ms = before.map(|before| at - before);
    let title = match quiet_ms {
        None => "First report",
        Some(gap) if gap >= HOUR_MS => "Checked in",
        _ if late > 0 => "Late reports came in",
        Some(_) => {
            touched.doc.checked_in_event_at = before;
            return;
        }
    };
    let depth = touched.doc.queue_depth().map(|depth| format!("Outbox of {}.", counted(depth, "entry", "entries")));
    let late_note = (late > 0).then(|| format!("{} taken while it was away.", counted(late, "report", "reports")));
    let detail = late_note.or(depth).unwrap_or_else(|| "Its outbox is not reported.".to_owned());
    tell(touched, at, &Told::sync(What::CheckedIn, Tone::Idle, 1), events, |_, _| (title.to_owned(), detail.clone()));
}

/// Tells another version of the app.
pub(crate) fn app_updated(touched: &mut Touched, at: i64, before: Option<&str>, events: &mut Events) {
    let now = touched.doc.app_version.clone();
    if let (Some(before), Some(now)) = (before, now)
        && before != now
    {
        let schema = touched.doc.schema_version.map(|v| format!(" Schema {v}.")).unwrap_or_default();
        tell(touched, at, &Told::sync(What::Updated, Tone::Idle, 1), events, |_, _| {
            (format!("Updated to app {now}"), format!("From {before}.{schema}"))
        });
    }
}

/// Tells another condition than the last one told.
pub(crate) fn condition_changed(touched: &mut Touched, at: i64, condition: Condition, note: &str, events: &mut Events) {
    let rank = condition_rank(condition) as u8;
    let before = touched.doc.last_condition.replace(rank);
    let settles =
        matches!(condition, Condition::Stuck | Condition::Diverged | Condition::Stalling | Condition::Held | Condition::Unknown);
    let recovers =
        condition == Condition::Converged && before.is_some_and(|b| usize::from(b) < condition_rank(Condition::Unknown));
    if before == Some(rank) || before.is_none() || !(settles || recovers) {
        return;
    }
    let tone = match condition {
        Condition::Stuck | Condition::Diverged => Tone::Act,
        Condition::Stalling => Tone::Watch,
        Condition::Converged => Tone::Good,
        _ => Tone::Idle,
    };
    tell(touched, at, &Told::sync(What::Changed, tone, 1), events, |_, _| (condition.label().to_owned(), note.to_owned()));
}

/// Tells that a digest differs for the first time, or agrees again.
pub(crate) fn digest_changed(touched: &mut Touched, at: i64, collection: &str, same: bool, position: i64, events: &mut Events) {
    let (tone, title) =
        if same { (Tone::Good, format!("{collection} identical again")) } else { (Tone::Act, format!("{collection} differs")) };
    tell(touched, at, &Told::sync(What::Digest, tone, 1), events, |_, _| {
        (title.clone(), format!("Its digest compared with the store's at seq {position}."))
    });
}
