//! What the forms of draining do: read what they sent, ask the service, and say where to go on. A refusal that a person can mend leads
//! back to the form that it is about; only faults of ours are errors.

use serde_json::Value;
use tidewatch_domain::drain::{Dependants, DrainAction, DrainOrder, JobChange, Selection};
use tidewatch_service::drain::{DrainSubmit, Submitted};
use tidewatch_service::{Error, Result};

use super::drain::patch;
use super::drain::query::{DialogQuery, Draft};
use super::notice::notice;
use super::selection::Picked;
use crate::context::Console;
use crate::paths;

/// The address that a form came from, with the word for why it did not work.
#[must_use]
pub fn back_with(back: &str, word: &str) -> String {
    let back = if back.is_empty() { paths::OUTBOX.to_owned() } else { paths::local(back) };
    let (path, query) = back.split_once('?').unwrap_or((&back, ""));
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("problem="));
    let pairs: Vec<&str> = kept.collect();
    let word = paths::encode(word);
    if pairs.is_empty() { format!("{path}?problem={word}") } else { format!("{path}?{}&problem={word}", pairs.join("&")) }
}

/// Where an error leads: back with its word, unless it is ours or nobody is signed in.
fn led_back(error: Error, back: &str) -> Result<String> {
    match error {
        Error::Internal(_) | Error::Unauthenticated => Err(error),
        other => Ok(back_with(back, notice(&other))),
    }
}

/// What a form asks to be frozen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// What is to be done.
    pub action: String,
    /// With which entries.
    pub picked: Picked,
    /// Correction, JSON text; empty for none.
    pub patch: String,
    /// What becomes of those behind; empty while nobody has said.
    pub dependants: String,
    /// Where the form is.
    pub back: String,
}

impl Asked {
    /// Freezes the set, or leads to where its correction is written.
    ///
    /// # Errors
    /// When the fault is ours, or nobody is signed in.
    pub async fn freeze(self, console: &Console) -> Result<String> {
        let Some(action) = DrainAction::parse(&self.action) else { return Ok(back_with(&self.back, "action")) };
        let selection = match self.picked.selection() {
            Ok(selection) => selection,
            Err(bad) => return Ok(back_with(&self.back, bad.field)),
        };
        if action == DrainAction::Patch && self.patch.is_empty() {
            return Ok(paths::drain_patch(&selection, ""));
        }
        let patch: Option<Value> = match (action, patch::read(&self.patch)) {
            (DrainAction::Patch, Ok(patch)) => Some(patch),
            (DrainAction::Patch, Err(_)) => return Ok(back_with(&self.back, "patch")),
            _ => None,
        };
        let dependants = Dependants::parse(&self.dependants);
        // What waits behind is counted first, and asked about; behind what is held it can only be held.
        let first = if Dependants::Cut.goes_with(action) { Dependants::Cut } else { Dependants::Hold };
        let order = DrainOrder { action, dependants: dependants.unwrap_or(first), patch };
        match console.service.drain_preview(&console.cx, order, selection).await {
            Ok(preview) => Ok(DialogQuery { chosen: dependants.is_some(), ..DialogQuery::default() }.on(&preview.set)),
            Err(error) => led_back(error, &self.back),
        }
    }
}

/// Notes the choice about those behind; a set that is not frozen with it is frozen again.
///
/// # Errors
/// When the fault is ours, or nobody is signed in.
pub async fn choose(console: &Console, set: &str, dependants: &str) -> Result<String> {
    let Some(choice) = Dependants::parse(dependants) else { return Ok(back_with(&paths::drain_set(set), "dependants")) };
    let chosen = DialogQuery { chosen: true, ..DialogQuery::default() };
    let preview = match console.service.drain_preview_view(&console.cx, set).await {
        Ok(preview) => preview,
        Err(error) => return led_back(error, &paths::drain_set(set)),
    };
    if preview.dependants == choice {
        return Ok(chosen.on(set));
    }
    let order = DrainOrder { action: preview.action, dependants: choice, patch: preview.patch };
    match console.service.drain_preview(&console.cx, order, preview.selection).await {
        Ok(again) => Ok(chosen.on(&again.set)),
        Err(error) => led_back(error, &paths::drain_set(set)),
    }
}

/// What the reader of a frozen set confirmed, as the form sent it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    /// Set.
    pub set: String,
    /// Entries.
    pub count: String,
    /// Hash of its members.
    pub hash: String,
    /// Idempotency key.
    pub key: String,
    /// Filter and signature, when the set is of all that match.
    pub picked: Picked,
}

impl Echo {
    /// Submits the set.
    ///
    /// # Errors
    /// When the fault is ours, or nobody is signed in.
    pub async fn start(self, console: &Console, draft: Draft) -> Result<String> {
        let set = self.set.clone();
        let back = |problem: &str| {
            DialogQuery { chosen: true, problem: Some(problem.to_owned()), draft: Some(draft.clone()), change: None }.on(&set)
        };
        let Some(rate_per_s) = draft.rate_per_s() else { return Ok(back("rate_per_s")) };
        let Some(canary) = draft.canary_entries() else { return Ok(back("canary")) };
        let Ok(count) = self.count.parse() else { return Ok(back("count")) };
        let selection = match self.selection(console).await {
            Ok(selection) => selection,
            Err(error @ (Error::Internal(_) | Error::Unauthenticated)) => return Err(error),
            Err(error) => return Ok(back(notice(&error))),
        };
        let submit = DrainSubmit {
            set: self.set,
            count,
            hash: self.hash,
            selection,
            reason: draft.reason.clone(),
            idempotency_key: self.key,
            typed_count: draft.typed_count(),
            canary,
            rate_per_s,
        };
        match console.service.drain_submit(&console.cx, submit).await {
            Ok(Submitted { job, .. }) => Ok(paths::drain_job(&job)),
            Err(Error::SetChanged(change)) => {
                Ok(DialogQuery { chosen: true, change: Some(change), ..DialogQuery::default() }.on(&set))
            }
            Err(error @ (Error::Internal(_) | Error::Unauthenticated)) => Err(error),
            Err(error) => Ok(back(notice(&error))),
        }
    }

    /// What was selected: as the form has it for all that match, as the set has it for entries that were named one by one, which its
    /// hash stands for.
    async fn selection(&self, console: &Console) -> Result<Selection> {
        match self.picked.selection() {
            Ok(selection) => Ok(selection),
            Err(_) => Ok(console.service.drain_preview_view(&console.cx, &self.set).await?.selection),
        }
    }
}

/// Takes a step with a job.
///
/// # Errors
/// When the fault is ours, or nobody is signed in.
pub async fn step(console: &Console, job: &str, step: &str, remark: &str) -> Result<String> {
    let (service, cx, back) = (&console.service, &console.cx, paths::drain_job(job));
    let remark = Some(remark).filter(|remark| !remark.is_empty());
    let taken = match JobChange::parse(step) {
        None => return Ok(back_with(&back, "action")),
        Some(JobChange::Approve) => service.drain_approve(cx, job, remark).await,
        Some(JobChange::Refuse) => service.drain_refuse(cx, job, remark).await,
        Some(JobChange::Pause) => service.drain_pause(cx, job, remark).await,
        Some(JobChange::Resume) => service.drain_resume(cx, job).await,
        Some(JobChange::Cancel) => service.drain_cancel(cx, job, remark).await,
        Some(JobChange::Undo) => service.drain_undo(cx, job, remark).await,
        Some(JobChange::Acknowledge) => service.drain_acknowledge(cx, job).await,
    };
    match taken {
        Ok(_) => Ok(back),
        Err(error) => led_back(error, &back),
    }
}

/// Freezes what failed in a job.
///
/// # Errors
/// When the fault is ours, or nobody is signed in.
pub async fn again(console: &Console, job: &str, code: &str) -> Result<String> {
    let code = Some(code).filter(|code| !code.is_empty());
    match console.service.drain_retry_failed(&console.cx, job, code).await {
        Ok(preview) => Ok(paths::drain_set(&preview.set)),
        Err(error) => led_back(error, &paths::drain_job(job)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_back_to_its_own_page_with_one_word() {
        assert_eq!(back_with("/outbox/entries?filter=age:%3E1h", "entry"), "/outbox/entries?filter=age:%3E1h&problem=entry");
        assert_eq!(back_with("/outbox/entries?problem=busy&rows=20", "gone"), "/outbox/entries?rows=20&problem=gone");
        assert_eq!(back_with("", "busy"), "/outbox?problem=busy");
        assert_eq!(back_with("https://example.org/", "busy"), "/?problem=busy", "never to another site");
    }
}
