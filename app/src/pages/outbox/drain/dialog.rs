//! The page of a frozen set: how many, what a dry run found, what the drain does, what it does not and how it is taken back, then why,
//! how fast, and who else has to agree. It is a dialog in manner and a page in fact, so that it works without a script and has an address.

use leptos::prelude::*;
use tidewatch_domain::drain::{Dependants, Selection};
use tidewatch_domain::fleet::{DRY_RUN_MAX, DrainPreview, Tone};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::role::{Action, Role, drain_action};
use tidewatch_domain::signature::signature_id;
use tidewatch_domain::time::Millis;

use super::form::SubmitForm;
use super::query::DialogQuery;
use super::words;
use crate::format::{When, ago, count, counted};
use crate::icon::{Icon, IconName};
use crate::pages::may::{Deed, refusal};
use crate::pages::outbox::notice;
use crate::paths;
use crate::ui::{Banner, BarPart, Id, PartsBar};

/// Fields of the form that say themselves what is wrong with them.
const FIELDS: [&str; 4] = ["reason", "typed_count", "rate_per_s", "canary"];
/// When a form was refused for something that it does not show.
const REFUSED: (Tone, &str, &str) =
    (Tone::Act, "The form could not be read", "Nothing was done. What you wrote is kept: look it over and send it once more.");

/// The dialog.
#[component]
pub fn Dialog(
    /// The frozen set.
    preview: DrainPreview,
    /// State of the URL.
    query: DialogQuery,
    /// Role of the reader.
    role: Option<Role>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let undecided = preview.behind > 0 && !query.chosen;
    let shown = preview.clone();
    let foot = match preview.job.clone() {
        Some(job) => view! { <Submitted job/> }.into_any(),
        None if undecided => view! { <ChooseForm preview=preview.clone() role/> }.into_any(),
        None => view! { <SubmitForm preview=preview.clone() query=query.clone() role now/> }.into_any(),
    };
    let standing = match &preview.job {
        Some(_) => "It was submitted, and can be submitted only once.",
        None => "Nothing has been done yet, and nothing has been sent to any device.",
    };
    view! {
        <section class="dialog-page" aria-labelledby="d-title">
            <div class="dialog-head">
                <div>
                    <h1 id="d-title">{words::set_title(&preview)} "?"</h1>
                    <p>{standing}</p>
                </div>
                <a class="btn btn-icon btn-quiet" href=back(&preview.selection) aria-label="Close"><Icon name=IconName::X/></a>
            </div>
            <div class="dialog-body">
                <Problems preview=preview.clone() query role/>
                <SetLine preview=preview.clone() now/>
                <DryRun preview=preview.clone() undecided now/>
                <Consequence preview=shown now/>
            </div>
            {foot}
        </section>
    }
    .into_any()
}

/// What stands in place of the form once the set is a drain.
#[component]
fn Submitted(job: String) -> impl IntoView {
    view! {
        <div class="dialog-foot">
            <p>"What came of it, and how it is taken back, is on the page of the drain."</p>
            <a class="btn btn-primary end" href=paths::drain_job(&job)>{format!("Open {job}")}</a>
        </div>
    }
    .into_any()
}

/// Where the selection came from.
pub(super) fn back(selection: &Selection) -> String {
    let list = |path: &str, filter: &str| paths::Query::new().with("filter", filter).on(path);
    match selection {
        Selection::Entries(entries) => match entries.as_slice() {
            [(client_id, operation)] => paths::outbox_entry(client_id, operation),
            _ => paths::OUTBOX_ENTRIES.to_owned(),
        },
        Selection::Matching { signature: None, filter } => list(paths::OUTBOX_ENTRIES, filter),
        Selection::Matching { signature: Some(signature), filter } => {
            list(&paths::outbox_group(&signature_id(signature)), filter)
        }
        Selection::Failed { job, .. } => paths::drain_job(job),
    }
}

#[component]
fn Problems(preview: DrainPreview, query: DialogQuery, role: Option<Role>) -> impl IntoView {
    if let Some(change) = query.change {
        let text = format!(
            "The set holds {}; {} match now: {} came, {} went. Nothing was done.",
            count(change.frozen),
            count(change.now),
            count(change.added),
            count(change.removed)
        );
        let again = move || view! { <FreezeAgain preview=preview.clone() role/> };
        return view! { <Banner tone=Tone::Act title="What you confirmed is not what is there" text actions=again/> }.into_any();
    }
    let Some(problem) = query.problem.as_deref() else { return ().into_any() };
    // Beside a field that says what is wrong with it nothing needs to be said twice.
    if FIELDS.contains(&problem) && (preview.entries > 1 || problem == "reason") {
        return ().into_any();
    }
    let (tone, title, text) = notice::words(problem).unwrap_or(REFUSED);
    view! { <Banner tone title text/> }.into_any()
}

/// The same selection, frozen once more.
#[component]
fn FreezeAgain(preview: DrainPreview, role: Option<Role>) -> impl IntoView {
    let refused = refusal(role, Action::Drain);
    view! {
        <form method="post" action=paths::DRAIN_FREEZE>
            <SelectionFields selection=preview.selection.clone()/>
            <input type="hidden" name="patch" value=super::patch_text(preview.patch.as_ref())/>
            <input type="hidden" name="dependants" value=preview.dependants.as_str()/>
            <Deed label="Freeze again" refused icon=IconName::Lock class="btn-small" name="action" value=preview.action.as_str()/>
        </form>
    }
}

/// A selection as hidden fields.
#[component]
pub fn SelectionFields(
    /// Which entries.
    selection: Selection,
) -> impl IntoView {
    if let Selection::Entries(entries) = selection {
        let field = |(client_id, operation): (ClientId, String)| {
            view! { <input type="hidden" name="entries[]" value=paths::entry_key(&client_id, &operation)/> }
        };
        return entries.into_iter().map(field).collect_view().into_any();
    }
    let (signature, filter) = match selection {
        Selection::Matching { signature, filter } => (signature, filter),
        Selection::Failed { job, code } => {
            return view! {
                <input type="hidden" name="job" value=job/>
                <input type="hidden" name="code" value=code.unwrap_or_default()/>
            }
            .into_any();
        }
        Selection::Entries(_) => return ().into_any(),
    };
    view! {
        <input type="hidden" name="all" value="1"/>
        <input type="hidden" name="filter" value=filter/>
        {signature.map(|signature| view! { <input type="hidden" name="signature" value=signature/> })}
    }
    .into_any()
}

#[component]
fn SetLine(preview: DrainPreview, now: Millis) -> impl IntoView {
    let on = format!("{} on {}", counted(preview.entries, "entry", "entries"), counted(preview.devices, "device", "devices"));
    let mark: String = preview.hash.chars().take(16).collect();
    view! {
        <div class="setline">
            <Icon name=IconName::Lock/>
            <b>{on}</b>
            <small>"frozen " <When at=preview.frozen now/> ", " {words::selection(&preview.selection)} "; set"</small>
            <Id id=mark/>
            <a class="small end" href=paths::drain_set_items(&preview.set)>"View list"</a>
        </div>
    }
    .into_any()
}

/// What a dry run found: where each entry is, and what the engine would answer to those that are here.
#[component]
pub fn DryRun(
    /// The frozen set.
    preview: DrainPreview,
    /// Whether it is not said yet what becomes of those behind.
    undecided: bool,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let as_of = format!("{}, on a copy of the queues", ago(preview.frozen, now));
    view! {
        <section aria-labelledby="d-dry">
            <div class="between"><h2 id="d-dry">"Dry run"</h2><small class="faint">{as_of}</small></div>
            <div class="grid parts"><PartsBar parts=parts(&preview) beside=beside(&preview, undecided)/></div>
            {verdicts(&preview)}
        </section>
    }
    .into_any()
}

fn parts(preview: &DrainPreview) -> Vec<BarPart> {
    let part = |part, label, n, note: String| BarPart { part, label, n, note, href: None };
    let skipped: u64 = preview.skipped.iter().map(|(_, n)| n).sum();
    let asleep = match preview.asleep_day_percent {
        Some(share) => format!("{} asleep, {share}\u{a0}% within 24\u{a0}h", count(preview.asleep_devices)),
        None => format!("{} asleep, rhythm not known", count(preview.asleep_devices)),
    };
    let why = preview.skipped.iter().map(|(reason, n)| format!("{} {reason}", count(*n))).collect::<Vec<_>>().join(", ");
    let mut parts = vec![
        part("here", "Here, at once", preview.here, "payload is archived".to_owned()),
        part(
            "awake",
            "On the device",
            preview.awake,
            format!("{} in contact", counted(preview.awake_devices, "device", "devices")),
        ),
        part("asleep", "When it wakes", preview.asleep, asleep),
        part("skipped", "Left alone", skipped, why),
    ];
    parts.retain(|part| part.n > 0);
    parts
}

/// What comes after: those behind that go out then, and what would become of those that were tried.
fn beside(preview: &DrainPreview, undecided: bool) -> Vec<BarPart> {
    let part = |label, n, note: String| BarPart { part: "", label, n, note, href: None };
    let mut parts = Vec::new();
    if preview.behind > 0 {
        let refused = preview.behind_refused.min(preview.behind);
        parts.push(match words::released(preview.action) {
            Some(when) if !undecided => {
                let stay = if refused > 0 { format!("; {} more stay poisoned", count(refused)) } else { String::new() };
                part("Then released", preview.behind - refused, format!("{when}{stay}"))
            }
            _ => part("Wait behind", preview.behind, "not in the set".to_owned()),
        });
    }
    if preview.decided > 0 {
        let is = |verdict: &str, first: &str| verdict.split(' ').next() == Some(first);
        let sum = |first: &str| preview.verdicts.iter().filter(|(verdict, _)| is(verdict, first)).map(|(_, n)| n).sum::<u64>();
        let tried = format!("of {} tried", count(preview.decided));
        parts.push(part("Would conflict", sum("conflict"), tried.clone()));
        parts.push(part("Would be refused", sum("rejected"), tried.clone()));
        if sum("skipped") > 0 {
            parts.push(part("Would be left alone", sum("skipped"), tried));
        }
    }
    parts
}

/// What the engine would answer, where it was asked.
fn verdicts(preview: &DrainPreview) -> AnyView {
    if preview.verdicts.is_empty() {
        return ().into_any();
    }
    let away = match preview.awake + preview.asleep {
        0 => String::new(),
        away => format!("{} could not be asked: their payload is still on the device.", count(away)),
    };
    let untried = if preview.decided < DRY_RUN_MAX || preview.here <= preview.decided { String::new() } else { untried(preview) };
    let rest = [untried, away].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
    let item = |(verdict, n): &(String, u64)| {
        let tone = verdict_tone(verdict);
        view! { <li data-tone=tone.as_str()><b class="tone">{count(*n)}</b> " " <span class="mono">{verdict.clone()}</span></li> }
    };
    view! {
        <ul class="verdicts" aria-label="What would be answered">{preview.verdicts.iter().map(item).collect_view()}</ul>
        {(!rest.is_empty()).then(|| view! { <p class="small faint">{rest}</p> })}
    }
    .into_any()
}

/// How many of how many were tried, and what they are spread over.
fn untried(preview: &DrainPreview) -> String {
    let (decided, here) = (count(preview.decided), count(preview.here));
    let devices = counted(preview.decided_devices, "device", "devices");
    let over = match preview.decided_signatures {
        0 | 1 => devices,
        n => format!("{} and {devices}", counted(n, "signature", "signatures")),
    };
    format!("Tried were {decided} of the {here} whose payload is here, spread over {over}; the others were not.")
}

/// Tone of an answer of the engine.
pub(super) fn verdict_tone(verdict: &str) -> Tone {
    match verdict.split(' ').next().unwrap_or_default() {
        "applied" | "merged" => Tone::Good,
        "rejected" => Tone::Act,
        "skipped" => Tone::Idle,
        _ => Tone::Watch,
    }
}

/// What it does, what it does not, and how it is taken back.
#[component]
pub fn Consequence(
    /// The frozen set.
    preview: DrainPreview,
    /// As of.
    now: Millis,
) -> impl IntoView {
    view! {
        <dl class="consequence">
            <dt>"Does"</dt>
            <dd>{words::does(&preview)}</dd>
            <dt>"Does not"</dt>
            <dd>{words::does_not(&preview)}</dd>
            <dt>"Undo"</dt>
            <dd>{words::undo(&preview, now)}</dd>
        </dl>
    }
    .into_any()
}

/// What becomes of those that wait behind is chosen, never assumed: nothing is marked before somebody marks it.
#[component]
fn ChooseForm(preview: DrainPreview, role: Option<Role>) -> impl IntoView {
    let refused = refusal(role, drain_action(preview.entries));
    let legend = format!("{} behind these. What becomes of them?", counted(preview.behind, "entry waits", "entries wait"));
    view! {
        <form method="post" action=paths::DRAIN_CHOOSE>
            <div class="dialog-body">
                <input type="hidden" name="set" value=preview.set.clone()/>
                <fieldset class="choices">
                    <legend>{legend}</legend>
                    {Dependants::ALL.map(|choice| view! { <Choice choice/> }).into_iter().collect_view()}
                </fieldset>
            </div>
            <div class="dialog-foot">
                <p>"Taking them along or holding them makes the set larger: it is then frozen again."</p>
                <a class="btn" href=back(&preview.selection)>"Keep them where they are"</a>
                <Deed label="Go on" refused class="btn-primary"/>
            </div>
        </form>
    }
    .into_any()
}

#[component]
fn Choice(choice: Dependants) -> impl IntoView {
    let (label, note) = words::dependants(choice);
    view! {
        <label class="choice">
            <input type="radio" name="dependants" value=choice.as_str() required/>
            <span>{label} " "<small>{note}</small></span>
        </label>
    }
}
