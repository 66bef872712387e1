//! What an entry wants to write: redacted, with the field at fault marked; plainly for a while to whoever gave a reason. Works without
//! a script: the form is a post that leads back here.

use leptos::prelude::*;
use serde_json::Value;
use server_fn::ServerFn;
use tidewatch_domain::drain::{ArchiveOrigin, PurgeRun, REASON_CHARS_MAX, REASON_CHARS_MIN};
use tidewatch_domain::fleet::{EntryPayload, EntryRow, Tone};
use tidewatch_domain::redact::Shown;
use tidewatch_domain::time::Millis;

use super::super::keeping::Purged;
use crate::actions::reveal::EntryReveal;
use crate::format::{When, exact, span};
use crate::pages::trace::shape::Shape;
use crate::ui::{Banner, Panel};

/// Lines shown before the rest is cut.
const LINES_MAX: usize = 400;

/// One line: indent, field name, what stands behind it, and whether the error names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    indent: usize,
    name: Option<String>,
    what: What,
    comma: bool,
    fault: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Bracket(&'static str),
    Plain(String),
    Masked(String),
}

/// The panel.
#[component]
pub fn PayloadPanel(
    /// The entry.
    entry: EntryRow,
    /// Its payload, when it is here.
    payload: Option<EntryPayload>,
    /// Names and types of its fields, when this server has ever seen them.
    shape: Option<String>,
    /// The run that has purged it.
    purge: Option<PurgeRun>,
    /// What the form leads back with.
    notice: String,
    /// As of.
    now: Millis,
) -> impl IntoView {
    if let Some(run) = purge {
        return view! { <Panel id="h-payload" title="Payload" note="purged"><Purged run now/></Panel> }.into_any();
    }
    let note = match &payload {
        None if shape.is_some() => "types only, no values",
        None => "",
        Some(EntryPayload { revealed_until: Some(_), .. }) => "revealed to you",
        Some(_) => "redacted, names are stable",
    };
    let body = match (payload, shape) {
        (Some(payload), _) => view! { <Here entry payload notice now/> }.into_any(),
        (None, Some(json)) => view! { <Shape json/> }.into_any(),
        (None, None) => view! {
            <div class="empty"><b>"Still on the device"</b><p>"A payload is known here once the device has sent it."</p></div>
        }
        .into_any(),
    };
    view! { <Panel id="h-payload" title="Payload" note>{body}</Panel> }.into_any()
}

#[component]
fn Here(entry: EntryRow, payload: EntryPayload, notice: String, now: Millis) -> impl IntoView {
    let lines = lines(&payload.shown, payload.fault.as_deref());
    let cut = lines.len() > LINES_MAX;
    let label = if payload.revealed_until.is_some() { "Payload, revealed" } else { "Payload, redacted" };
    let (at, payload_origin) = (payload.at, payload.origin);
    view! {
        <pre class="payload shape" tabindex="0" role="group" aria-label=label>
            {lines.into_iter().take(LINES_MAX).map(|line| view! { <PayloadLine line/> }).collect_view()}
        </pre>
        {cut.then(|| view! { <div class="panel-foot"><span>{format!("The first {LINES_MAX} lines are shown.")}</span></div> })}
        <div class="reveal"><Reveal entry payload notice now/><p class="small faint">"Here since " <When at now/> ", " {came(payload_origin)}</p></div>
    }
    .into_any()
}

/// How a payload came to be here.
const fn came(origin: ArchiveOrigin) -> &'static str {
    match origin {
        ArchiveOrigin::Refused => "when this server refused it",
        ArchiveOrigin::Reported => "from the dead letters of its device",
        ArchiveOrigin::Uploaded => "uploaded by its device when it was asked to",
        ArchiveOrigin::Escrowed => "sent up by its device before it dropped its copy",
    }
}

#[component]
fn PayloadLine(line: Line) -> impl IntoView {
    let indent = (line.indent > 0).then(|| "  ".repeat(line.indent));
    let name = line.name.map(|name| view! { <i>{Value::from(name).to_string()}</i> ": " });
    let comma = line.comma.then_some(",");
    let what = match line.what {
        What::Bracket(sign) => sign.into_any(),
        What::Plain(text) => text.into_any(),
        What::Masked(text) => view! { <em>{text}</em> }.into_any(),
    };
    let mark = line.fault.then(|| view! { <b class="sr-only">" The error names this field."</b> });
    view! { <span data-hit=line.fault.then_some("")>{indent}{name}{what}{comma}{mark}</span> }.into_any()
}

/// The countdown, the form, or why there is none.
#[component]
fn Reveal(entry: EntryRow, payload: EntryPayload, notice: String, now: Millis) -> impl IntoView {
    if let Some(until) = payload.revealed_until {
        let left = span(until.since(now).max(0));
        return view! {
            <p class="small" data-tone=Tone::Watch.as_str()>
                "Shown to you alone for " <time datetime=until.to_string() title=exact(until)>{left}</time> " more. The audit log has your reason."
            </p>
        }
        .into_any();
    }
    if !payload.may_reveal {
        return view! { <p class="small faint">"Support, operators and admins can have it revealed."</p> }.into_any();
    }
    let wrong = (notice == "reason").then_some("true");
    let problem = problem(&notice).map(|title| view! { <Banner tone=Tone::Act title text="Nothing was revealed."/> });
    view! {
        {problem}
        <form method="post" action=EntryReveal::PATH class="reveal-form">
            <input type="hidden" name="client_id" value=entry.client_id.to_string()/>
            <input type="hidden" name="operation_id" value=entry.operation_id/>
            <label class="field">
                <span>"Reason"</span>
                <input class="input input-small" name="reason" autocomplete="off" minlength=REASON_CHARS_MIN.to_string() maxlength=REASON_CHARS_MAX.to_string() required aria-invalid=wrong placeholder="Kept in the audit log"/>
            </label>
            <button class="btn btn-small" type="submit">"Reveal for 10 min"</button>
        </form>
    }
    .into_any()
}

/// What was wrong with what the form sent.
fn problem(notice: &str) -> Option<String> {
    Some(match notice {
        "reason" => format!("The reason must have {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters"),
        "role" => "Your role may not have a payload revealed".to_owned(),
        "gone" => "The payload is not here any more".to_owned(),
        _ => return None,
    })
}

fn lines(shown: &Shown, fault: Option<&[String]>) -> Vec<Line> {
    let mut out = Vec::new();
    push(&mut out, &mut Vec::new(), None, shown, false, fault);
    out
}

fn push(out: &mut Vec<Line>, path: &mut Vec<String>, name: Option<String>, shown: &Shown, comma: bool, fault: Option<&[String]>) {
    let at_fault = fault.is_some_and(|fault| path.starts_with(fault));
    let line = |name: Option<String>, what: What, comma: bool, indent: usize| Line { indent, name, what, comma, fault: at_fault };
    let indent = path.len();
    match shown {
        Shown::Plain(value) => out.push(line(name, What::Plain(value.to_string()), comma, indent)),
        Shown::Masked(text) => out.push(line(name, What::Masked(text.clone()), comma, indent)),
        Shown::Object(members) => {
            out.push(line(name, What::Bracket("{"), false, indent));
            let last = members.len().saturating_sub(1);
            for (at, (name, member)) in members.iter().enumerate() {
                path.push(name.clone());
                push(out, path, Some(name.clone()), member, at < last, fault);
                path.pop();
            }
            out.push(line(None, What::Bracket("}"), comma, indent));
        }
        Shown::List(items) => {
            out.push(line(name, What::Bracket("["), false, indent));
            let last = items.len().saturating_sub(1);
            for (at, item) in items.iter().enumerate() {
                path.push(at.to_string());
                push(out, path, None, item, at < last, fault);
                path.pop();
            }
            out.push(line(None, What::Bracket("]"), comma, indent));
        }
    }
}
