//! The form that submits a frozen set: it echoes the set, its count and its hash, and asks why, how many, how fast.

use leptos::prelude::*;
use tidewatch_domain::drain::{
    APPROVAL_DEVICES, APPROVAL_ENTRIES, APPROVAL_MS, CANARY_ENTRIES, REASON_CHARS_MAX, REASON_CHARS_MIN, Selection,
};
use tidewatch_domain::fleet::DrainPreview;
use tidewatch_domain::role::{Role, drain_action};
use tidewatch_domain::time::Millis;

use super::dialog::back;
use super::query::{DialogQuery, Draft, RATES, needs_typed, rate_word};
use super::words;
use crate::format::{clock_short, count};
use crate::pages::may::{Deed, refusal};
use crate::paths;

/// The form.
#[component]
pub fn SubmitForm(
    /// The frozen set.
    preview: DrainPreview,
    /// State of the URL.
    query: DialogQuery,
    /// Role of the reader.
    role: Option<Role>,
    /// As of.
    now: Millis,
) -> impl IntoView {
    let draft = query.draft.clone().unwrap_or_else(|| Draft::fresh(&preview));
    let refused = match preview.entries {
        0 => Some("The set is empty".to_owned()),
        n => refusal(role, drain_action(n)),
    };
    let verb = words::set_title(&preview);
    let label = if preview.needs_approval { format!("Ask to {}", lower_first(&verb)) } else { verb };
    let class = if words::takes_out(preview.action) { "btn-danger" } else { "btn-primary" };
    let away = back(&preview.selection);
    let keep = if preview.entries == 1 { "Keep it where it is" } else { "Keep them where they are" };
    let note = note(&preview, now);
    view! {
        <form method="post" action=paths::DRAIN_START>
            <div class="dialog-body">
                <Echo preview=preview.clone()/>
                <div class="drain-form">
                    <Reason draft=draft.clone() wrong=query.wrong("reason", &preview)/>
                    {needs_typed(&preview).then(|| view! { <TypedCount draft=draft.clone() entries=preview.entries wrong=query.wrong("typed_count", &preview)/> })}
                    <Pace preview=preview.clone() draft query/>
                    {preview.needs_approval.then(|| view! { <Approvers preview=preview.clone()/> })}
                </div>
            </div>
            <div class="dialog-foot">
                <p>{note}</p>
                <a class="btn" href=away>{keep}</a>
                <Deed label refused class/>
            </div>
        </form>
    }
    .into_any()
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// What the reader confirms, sent back word for word: what differs from the frozen set is refused.
#[component]
fn Echo(preview: DrainPreview) -> impl IntoView {
    let selection = match preview.selection {
        Selection::Matching { signature, filter } => view! {
            <input type="hidden" name="all" value="1"/>
            <input type="hidden" name="filter" value=filter/>
            <input type="hidden" name="signature" value=signature.unwrap_or_default()/>
        }
        .into_any(),
        _ => ().into_any(),
    };
    view! {
        <input type="hidden" name="set" value=preview.set/>
        <input type="hidden" name="count" value=preview.entries.to_string()/>
        <input type="hidden" name="hash" value=preview.hash/>
        <input type="hidden" name="key" value=preview.idempotency_key/>
        {selection}
    }
}

/// Words about a field that was refused, tied to it.
fn refused_words(id: &'static str, wrong: Option<String>) -> AnyView {
    wrong.map(|words| view! { <small class="tone" data-tone="act" id=id>{words}</small> }).into_any()
}

#[component]
fn Reason(draft: Draft, wrong: Option<String>) -> impl IntoView {
    let invalid = wrong.is_some();
    view! {
        <label class="field">
            <span>"Reason, kept in the audit log"</span>
            <input class="input" name="reason" value=draft.reason required minlength=REASON_CHARS_MIN.to_string() maxlength=REASON_CHARS_MAX.to_string()
                autocomplete="off" aria-invalid=invalid.then_some("true") aria-describedby=invalid.then_some("d-reason-wrong") autofocus=invalid/>
            {refused_words("d-reason-wrong", wrong)}
        </label>
    }
    .into_any()
}

#[component]
fn TypedCount(draft: Draft, entries: u64, wrong: Option<String>) -> impl IntoView {
    let invalid = wrong.is_some();
    let label = format!("Type the number of entries: {}", count(entries));
    view! {
        <label class="field">
            <span>{label}</span>
            <input class="input" name="typed" value=draft.typed inputmode="numeric" required maxlength="12" autocomplete="off"
                aria-invalid=invalid.then_some("true") aria-describedby=invalid.then_some("d-typed-wrong")/>
            {refused_words("d-typed-wrong", wrong)}
        </label>
    }
    .into_any()
}

/// How it starts and how fast it goes; one entry has no pace.
#[component]
fn Pace(preview: DrainPreview, draft: Draft, query: DialogQuery) -> impl IntoView {
    if preview.entries < 2 {
        return view! { <input type="hidden" name="rate" value="all"/> }.into_any();
    }
    let sent_first = draft.canary_entries().filter(|n| *n > 0);
    let canary = sent_first.unwrap_or(CANARY_ENTRIES).min(u32::try_from(preview.entries - 1).unwrap_or(u32::MAX));
    let option = |rate: Option<u32>| {
        let label = rate.map_or_else(|| "As fast as it goes".to_owned(), |rate| format!("{rate} entries a second"));
        let word = rate_word(rate);
        view! { <option value=word.clone() selected=word == draft.rate>{label}</option> }
    };
    view! {
        <label class="field">
            <span>"Pace"</span>
            <select class="select" name="rate">{RATES.map(option).into_iter().collect_view()}</select>
            {refused_words("d-rate-wrong", query.wrong("rate_per_s", &preview))}
        </label>
        <label class="check drain-canary">
            <input type="checkbox" name="canary" value=canary.to_string() checked=!draft.canary.is_empty()/>
            <span>{format!("Send {canary} first")}<small class="faint">" of different devices; the rest follows when they succeed"</small></span>
            {refused_words("d-canary-wrong", query.wrong("canary", &preview))}
        </label>
    }
    .into_any()
}

/// Who the second person can be. They find it in their list of what needs a person.
#[component]
fn Approvers(preview: DrainPreview) -> impl IntoView {
    let words = match words::approvers(&preview.approvers) {
        Some(names) => format!("{names}. It comes up in their list of what needs a person."),
        None => "Nobody else may approve by now: an admin has to add another product owner or admin first.".to_owned(),
    };
    view! { <p class="field drain-approvers" id="d-approvers"><span>"Who can approve"</span> <small>{words}</small></p> }
        .into_any()
}

fn note(preview: &DrainPreview, now: Millis) -> String {
    if preview.needs_approval {
        let limit = if preview.devices > APPROVAL_DEVICES {
            format!("More than {APPROVAL_DEVICES} devices")
        } else {
            format!("More than {} entries", count(APPROVAL_ENTRIES))
        };
        return format!("{limit}, so a second person has to approve, until {}.", clock_short(now.plus(APPROVAL_MS)));
    }
    format!("The set can be submitted until {}. Each entry gets a row in the audit log.", clock_short(preview.expires))
}
