//! The form that sends a device a command: each kind in plain words, with what it asks for where that is not always the same.

use leptos::prelude::*;
use tidewatch_domain::control::{CommandKind, MESH_INTERVAL_MS_MAX, MESH_INTERVAL_MS_MIN, MeshMode};
use tidewatch_domain::drain::{REASON_CHARS_MAX, REASON_CHARS_MIN};
use tidewatch_domain::fleet::{DeviceView, Tone};
use tidewatch_domain::role::{Role, command_action};
use tidewatch_domain::time::{HOUR_MS, SECOND_MS};

use crate::icon::IconName;
use crate::pages::may::{Deed, refusal};
use crate::paths;
use crate::ui::Panel;

/// The kinds that a person can send from here, with what each does. A drain starts from the entries that it is for.
pub const SENT: [(CommandKind, &str); 5] = [
    (CommandKind::UploadWal, "Send the payloads of its outbox, so that they can be looked at and corrected here"),
    (CommandKind::UploadLogs, "Send the lines of its own log: what its sync did and what went wrong, no payloads"),
    (CommandKind::RefreshPolicy, "Fetch flags and models now"),
    (CommandKind::Mesh, "Use its mesh another way: pass on for others, speak with neighbours only, or not at all"),
    (CommandKind::Resync, "Upload what it has not sent, take a new snapshot, then replay"),
];

/// How far back logs are asked for: word of the form, label, milliseconds.
pub const SPANS: [(&str, &str, Option<i64>); 4] = [
    ("", "All that it has", None),
    ("hour", "The last hour", Some(HOUR_MS)),
    ("day", "The last day", Some(24 * HOUR_MS)),
    ("week", "The last week", Some(7 * 24 * HOUR_MS)),
];

/// A mode in words.
#[must_use]
pub const fn mode_label(mode: MeshMode) -> &'static str {
    match mode {
        MeshMode::MultiHop => "Multi hop: passes on for others",
        MeshMode::SingleHop => "Single hop: neighbours only",
        MeshMode::Off => "Off",
    }
}

/// What the form holds, when it was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandDraft {
    /// Which command.
    pub kind: String,
    /// Of `mesh`: the mode.
    pub mode: String,
    /// Of `mesh`: seconds between two broadcasts.
    pub interval: String,
    /// Of `mesh`: whether it makes a new key.
    pub rotate: String,
    /// Of `upload_logs`: how far back.
    pub since: String,
    /// Why.
    pub reason: String,
}

/// The form.
#[component]
pub fn SendForm(
    /// The device.
    view: DeviceView,
    /// Role of the reader.
    role: Option<Role>,
    /// What was written when it led back.
    draft: CommandDraft,
    /// Word for why it did.
    #[prop(optional_no_strip)]
    wrong: Option<String>,
) -> impl IntoView {
    let refused = refusal(role, tidewatch_domain::role::Action::CommandIssue);
    let wrong = wrong.filter(|_| !draft.kind.is_empty()).unwrap_or_default();
    let short = wrong == "reason";
    let reason = draft.reason.clone();
    let choices =
        SENT.map(|(kind, gloss)| view! { <Choice kind gloss role draft=draft.clone() wrong=wrong.clone()/> }).into_iter();
    view! {
        <Panel id="h-send" title="Send a command" note="waits until the device asks">
            <form class="panel-body grid" method="post" action=paths::COMMAND_SEND>
                <input type="hidden" name="client" value=view.row.client_id.to_string()/>
                <fieldset class="choices"><legend class="sr-only">"Command"</legend>{choices.collect_view()}</fieldset>
                <label class="field">
                    <span>"Reason, kept in the audit log"</span>
                    <input class="input" name="reason" value=reason required minlength=REASON_CHARS_MIN.to_string() maxlength=REASON_CHARS_MAX.to_string() autocomplete="off"
                        aria-invalid=short.then_some("true") aria-describedby=short.then_some("send-reason-wrong")/>
                    {short.then(|| view! { <small id="send-reason-wrong" data-tone=Tone::Act.as_str()>{format!("Say why, in {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters.")}</small> })}
                </label>
                <Deed label="Send it" refused icon=IconName::Terminal class="btn-primary"/>
            </form>
        </Panel>
    }
    .into_any()
}

/// One kind. One that the reader may not send says which role it needs, unless no kind may be sent: then the button says so.
#[component]
fn Choice(
    kind: CommandKind,
    gloss: &'static str,
    #[prop(optional_no_strip)] role: Option<Role>,
    draft: CommandDraft,
    wrong: String,
) -> impl IntoView {
    let any = role.is_some_and(|role| role.can(tidewatch_domain::role::Action::CommandIssue));
    let refused = refusal(role, command_action(kind)).filter(|_| any);
    let on = kind.as_str() == draft.kind && refused.is_none();
    let shut = refused.is_some();
    let more = match kind {
        CommandKind::Mesh if !shut => Some(view! { <MeshFields draft wrong/> }.into_any()),
        CommandKind::UploadLogs => Some(view! { <LogFields draft/> }.into_any()),
        _ => None,
    };
    view! {
        <label class="choice">
            <input type="radio" name="kind" value=kind.as_str() required checked=on disabled=shut/>
            <span>{super::commands::kind_label(kind)} " "<small>{gloss}</small>{refused.map(|why| view! { <small data-tone=Tone::Watch.as_str()>{why}</small> })}</span>
        </label>
        {more}
    }
    .into_any()
}

#[component]
fn MeshFields(draft: CommandDraft, wrong: String) -> impl IntoView {
    let chosen = MeshMode::parse(&draft.mode);
    let bad = wrong == "interval";
    let (least, most) = (MESH_INTERVAL_MS_MIN / SECOND_MS, MESH_INTERVAL_MS_MAX / SECOND_MS);
    let option = |mode: MeshMode| view! { <option value=mode.as_str() selected=chosen == Some(mode)>{mode_label(mode)}</option> };
    view! {
        <div class="choice-more" role="group" aria-label="Mesh">
            <label class="field"><span>"Mode"</span><select class="select" name="mode">{MeshMode::ALL.map(option).into_iter().collect_view()}</select></label>
            <label class="field">
                <span>"Seconds between two broadcasts"</span>
                <input class="input" name="interval" inputmode="numeric" placeholder="as it is" value=draft.interval autocomplete="off"
                    aria-invalid=bad.then_some("true") aria-describedby="send-interval-help"/>
                <small id="send-interval-help" data-tone=bad.then_some(Tone::Act.as_str())>{format!("{least} to {most} whole seconds; empty leaves it as it is.")}</small>
            </label>
            <label class="check"><input type="checkbox" name="rotate" value="1" checked=!draft.rotate.is_empty()/><span>"Make a new key: neighbours must learn it before they hear it again"</span></label>
        </div>
    }
    .into_any()
}

#[component]
fn LogFields(draft: CommandDraft) -> impl IntoView {
    let option = |(word, label, _): (&'static str, &'static str, Option<i64>)| {
        view! { <option value=word selected=draft.since == word>{label}</option> }
    };
    view! {
        <div class="choice-more" role="group" aria-label="Log lines">
            <label class="field"><span>"How far back"</span><select class="select" name="since">{SPANS.map(option).into_iter().collect_view()}</select></label>
        </div>
    }
    .into_any()
}
