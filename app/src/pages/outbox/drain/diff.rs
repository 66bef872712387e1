//! What the engine would answer to some entries, and what a correction would change in them. A trial writes nothing.

use leptos::prelude::*;
use serde_json::Value;
use tidewatch_domain::drain::DrainAction;
use tidewatch_domain::fleet::{DrainPreview, DryRun, OutboxRow};
use tidewatch_service::Error;

use super::dialog::verdict_tone;
use crate::context::console;
use crate::paths;
use crate::ui::empty::Reason;
use crate::ui::{Empty, Id, Panel, Tag};

/// One entry that was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The entry.
    pub row: OutboxRow,
    /// The answer, or why there is none.
    pub run: Result<DryRun, &'static str>,
}

/// Tries the sample of a set that corrects its entries; other sets need no trial of single entries.
pub(super) async fn trials(preview: &DrainPreview) -> Vec<Trial> {
    if preview.action != DrainAction::Patch {
        return Vec::new();
    }
    let rows = preview.sample.iter().map(|sample| sample.row.clone()).collect();
    tried(rows, preview.patch.as_ref()).await
}

/// Tries entries with a correction, or as they are.
pub(super) async fn tried(rows: Vec<OutboxRow>, patch: Option<&Value>) -> Vec<Trial> {
    let console = console();
    let mut trials = Vec::with_capacity(rows.len());
    for row in rows {
        let (client_id, operation) = (&row.entry.client_id, &row.entry.operation_id);
        let run = console
            .service
            .entry_dry_run(&console.cx, client_id, operation, patch.cloned())
            .await
            .map_err(|error| unanswered(&error));
        trials.push(Trial { row, run });
    }
    trials
}

/// Why a trial has no answer.
fn unanswered(error: &Error) -> &'static str {
    match error {
        Error::NotFound(_) => "its payload is still on the device",
        Error::Invalid { .. } => "the correction does not fit it",
        Error::Forbidden => "your role may not try it",
        _ => "it could not be tried just now",
    }
}

/// The panel.
#[component]
pub fn Trials(
    /// The entries that were tried.
    trials: Vec<Trial>,
) -> impl IntoView {
    let body = if trials.is_empty() {
        view! { <Empty reason=Reason::NoneYet title="Nothing to try" text="No entry of the selection is listed here."/> }
            .into_any()
    } else {
        view! { <ul class="trials">{trials.into_iter().map(|trial| view! { <TrialRow trial/> }).collect_view()}</ul> }.into_any()
    };
    view! { <Panel id="h-trials" title="What would be answered" note="tried on a copy, nothing is written">{body}</Panel> }
        .into_any()
}

#[component]
fn TrialRow(trial: Trial) -> impl IntoView {
    let Trial { row, run } = trial;
    let href = paths::outbox_entry(&row.entry.client_id, &row.entry.operation_id);
    let (answer, detail, changes) = match run {
        Err(why) => (view! { <span class="faint">{why}</span> }.into_any(), None, Vec::new()),
        Ok(run) => {
            let code = run.code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
            (
                view! { <Tag tone=verdict_tone(&run.status) text=format!("{}{code}", run.status)/> }.into_any(),
                run.detail,
                run.diff,
            )
        }
    };
    view! {
        <li>
            <div class="between wrap"><span><Id id=row.entry.operation_id.clone() href=Some(href)/> " " <span class="faint small">{row.device_name}</span></span>{answer}</div>
            {detail.map(|detail| view! { <p class="small">{detail}</p> })}
            {(!changes.is_empty()).then(|| view! { <Diff changes/> })}
        </li>
    }
    .into_any()
}

/// Pointer, before, after.
#[component]
fn Diff(changes: Vec<(String, Option<String>, Option<String>)>) -> impl IntoView {
    let line = |(pointer, before, after): (String, Option<String>, Option<String>)| {
        let gone =
            before.map(|value| view! { <del><span class="sr-only">"before: "</span>{format!("{pointer}: {value}")}</del> });
        let come = after.map(|value| view! { <ins><span class="sr-only">"after: "</span>{format!("{pointer}: {value}")}</ins> });
        view! { {gone}{come} }
    };
    view! { <div class="diff" role="group" aria-label="What the correction changes" tabindex="0">{changes.into_iter().map(line).collect_view()}</div> }
}
