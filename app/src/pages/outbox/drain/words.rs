//! What a drain is called, what it does, what it does not do, and how it is taken back: the sentences that a person decides by.

use serde_json::Value;
use tidewatch_domain::drain::{Dependants, DrainAction, JobState, Selection};
use tidewatch_domain::fleet::{Approver, DrainPreview, Tone};
use tidewatch_domain::time::Millis;

use crate::format::{count, counted, when};
use crate::icon::IconName;
use crate::ui::Sign;

/// People who can approve that are named; the others are counted.
const APPROVERS_MAX: usize = 5;

/// The verb, as a button says it.
#[must_use]
pub const fn verb(action: DrainAction) -> &'static str {
    match action {
        DrainAction::Retry => "Retry",
        DrainAction::Hold => "Hold",
        DrainAction::Skip => "Skip",
        DrainAction::Patch => "Patch and requeue",
        DrainAction::ToConflict => "Turn into conflict",
        DrainAction::Quarantine => "Quarantine",
        DrainAction::Discard => "Discard",
        DrainAction::Restore => "Restore",
    }
}

/// What was done, as a tally says it.
#[must_use]
pub const fn done(action: DrainAction) -> &'static str {
    match action {
        DrainAction::Retry => "Retried",
        DrainAction::Hold => "Held",
        DrainAction::Skip => "Skipped over",
        DrainAction::Patch => "Patched",
        DrainAction::ToConflict => "In conflict",
        DrainAction::Quarantine => "Quarantined",
        DrainAction::Discard => "Discarded",
        DrainAction::Restore => "Restored",
    }
}

/// Its icon.
#[must_use]
pub const fn icon(action: DrainAction) -> IconName {
    match action {
        DrainAction::Retry => IconName::Retry,
        DrainAction::Hold => IconName::Pause,
        DrainAction::Skip => IconName::Skip,
        DrainAction::Patch => IconName::Patch,
        DrainAction::ToConflict => IconName::Merge,
        DrainAction::Quarantine => IconName::Box,
        DrainAction::Discard => IconName::Trash,
        DrainAction::Restore => IconName::Undo,
    }
}

/// Whether it takes entries out of the queues of their devices.
#[must_use]
pub const fn takes_out(action: DrainAction) -> bool {
    matches!(action, DrainAction::Quarantine | DrainAction::Discard)
}

/// `Quarantine 1,284 entries`.
#[must_use]
pub fn title(action: DrainAction, entries: u64) -> String {
    let entries = counted(entries, "entry", "entries");
    match action {
        DrainAction::ToConflict => {
            format!("Turn {entries} into {}", if entries.starts_with("1\u{a0}") { "a conflict" } else { "conflicts" })
        }
        other => format!("{} {entries}", verb(other)),
    }
}

/// The same of a frozen set, of which a part may only be held: `Quarantine 10 entries and hold 40`.
#[must_use]
pub fn set_title(preview: &DrainPreview) -> String {
    match preview.entries.saturating_sub(preview.held) {
        0 if preview.held > 0 => title(DrainAction::Hold, preview.held),
        rest if preview.held > 0 && preview.action != DrainAction::Hold => {
            format!("{} and hold {}", title(preview.action, rest), count(preview.held))
        }
        _ => title(preview.action, preview.entries),
    }
}

/// What is done with those of a set that are not only held; where all of them are, that is what is done.
fn main_action(preview: &DrainPreview) -> DrainAction {
    if preview.held == preview.entries { DrainAction::Hold } else { preview.action }
}

/// What it does, one or two sentences.
#[must_use]
pub fn does(preview: &DrainPreview) -> String {
    let many = preview.entries != 1;
    let (them, their) = if many { ("them", "their") } else { ("it", "its") };
    let main = match main_action(preview) {
        DrainAction::Retry if preview.awake + preview.asleep == 0 => {
            format!("Decides {them} again now, under {their} own {}.", if many { "ids" } else { "id" })
        }
        DrainAction::Retry => format!(
            "Has {them} decided once more under {their} own ids: at once where the payload is here, else when the device next asks."
        ),
        DrainAction::Hold => format!("Stops {them}. Nothing of {them} is sent until somebody retries or restores {them}."),
        DrainAction::Skip => format!(
            "Lets pass what waits behind {them}. {} archived, and {} listed, and not sent.",
            if many { "The payloads are" } else { "The payload is" },
            if many { "the entries stay" } else { "the entry stays" }
        ),
        DrainAction::Patch => format!(
            "Closes {them} and sends a corrected copy of {} under a new id, linked to the original. Where the copy is refused, nothing changes.{}",
            if many { "each" } else { "it" },
            tested(preview)
        ),
        DrainAction::ToConflict => format!(
            "Opens a conflict of {} record with what the device wanted to write, for a person to decide, and closes the {}.",
            if many { "each" } else { "its" },
            if many { "entries" } else { "entry" }
        ),
        DrainAction::Quarantine => {
            format!("Moves {them} out of the queue of {} into the archive of this server.", devices(preview.devices))
        }
        DrainAction::Discard => format!(
            "Gives {them} up: out of the queue of {}, kept in the archive of this server until retention.",
            devices(preview.devices)
        ),
        DrainAction::Restore => {
            format!(
                "Puts {them} back in {their} old place, as poisoned, under {their} own {}. What a device holds it lets go, and sends once more.",
                if many { "ids" } else { "id" }
            )
        }
    };
    format!("{main}{}{}", together(preview), behind(preview))
}

/// That a correction passes by what it is not meant for.
fn tested(preview: &DrainPreview) -> &'static str {
    let operations = preview.patch.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let tests = operations.iter().any(|operation| operation["op"] == "test");
    if tests { " An entry for which its test does not hold is left alone." } else { "" }
}

fn devices(n: u64) -> String {
    if n == 1 { "its device".to_owned() } else { counted(n, "device", "devices") }
}

/// What belongs together, and what of it stays as it is.
fn together(preview: &DrainPreview) -> String {
    let along = match preview.together {
        0 => String::new(),
        1 => " 1 of them was not selected: it belongs together with one that was, so both are accepted or neither is.".to_owned(),
        n => format!(
            " {} of them were not selected: they belong together with some that were. A group is accepted as a whole or not at all.",
            count(n)
        ),
    };
    let apart = match preview.apart {
        0 => String::new(),
        1 => " 1 more of the same group stays as it is: accepted already, or drained.".to_owned(),
        n => format!(" {} more of the same groups stay as they are: accepted already, or drained.", count(n)),
    };
    format!("{along}{apart}")
}

/// What becomes of those that wait behind; nothing when none do.
fn behind(preview: &DrainPreview) -> String {
    match (preview.dependants, preview.behind) {
        (Dependants::TakeAlong, _) => " What waits behind is among them.".to_owned(),
        (Dependants::Hold, _) if preview.held == preview.entries => " All of them wait behind others.".to_owned(),
        (Dependants::Hold, _) => match preview.held {
            0 => " Nothing waits behind.".to_owned(),
            1 => " 1 of them waits behind the others, and is only held.".to_owned(),
            n => format!(" {} of them wait behind the others, and are only held.", count(n)),
        },
        (Dependants::Cut, 0) => String::new(),
        (Dependants::Cut, n) => format!(
            "{}{}",
            let_go(preview.action, n.saturating_sub(preview.behind_refused)),
            refused_behind(preview.behind_refused)
        ),
    }
}

/// What was refused already because of what it names is not sent again by itself.
fn refused_behind(n: u64) -> String {
    match n {
        0 => String::new(),
        1 => " 1 entry that was refused because of one of them stays poisoned until somebody retries it.".to_owned(),
        n => format!(" {} entries that were refused because of them stay poisoned until somebody retries them.", count(n)),
    }
}

/// What is let go goes out at once, or when what it waits for is accepted; an action that takes nothing out of the way leaves it alone.
fn let_go(action: DrainAction, n: u64) -> String {
    if n == 0 {
        return String::new();
    }
    let them = counted(n, "entry that waits", "entries that wait");
    match action {
        DrainAction::Retry => format!(" Lets the {them} behind go out once what they wait for is accepted, and not before."),
        DrainAction::Patch => format!(" Lets the {them} behind go out once the copy is accepted, and not before."),
        DrainAction::Hold | DrainAction::Restore => format!(" Leaves the {them} behind as they are."),
        DrainAction::Skip | DrainAction::ToConflict | DrainAction::Quarantine | DrainAction::Discard => {
            format!(" Lets the {them} behind go out.")
        }
    }
}

/// When those behind go out, in a few words; none where they stay as they are.
#[must_use]
pub const fn released(action: DrainAction) -> Option<&'static str> {
    match action {
        DrainAction::Retry => Some("once what they wait for is accepted"),
        DrainAction::Patch => Some("once the copy is accepted"),
        DrainAction::Skip | DrainAction::ToConflict | DrainAction::Quarantine | DrainAction::Discard => {
            Some("at their next sync")
        }
        DrainAction::Hold | DrainAction::Restore => None,
    }
}

/// What it does not do.
#[must_use]
pub fn does_not(preview: &DrainPreview) -> String {
    let newer = match preview.newer {
        0 => String::new(),
        1 => " 1 more entry matches by now and is left alone.".to_owned(),
        n => format!(" {} more entries match by now and are left alone.", count(n)),
    };
    let main = match preview.action {
        DrainAction::Retry => "Change what an entry says. One that is refused for the same reason is poisoned again.",
        DrainAction::Hold => "Delete anything, or change a record on this server.",
        DrainAction::Skip => "Delete anything, or change a record on this server.",
        DrainAction::Patch => "Alter an original: each is kept as its device wrote it.",
        DrainAction::ToConflict => "Change any record before somebody has decided.",
        DrainAction::Quarantine | DrainAction::Discard => {
            "Delete anything, change a record on this server, or stop an app from making more of the same."
        }
        DrainAction::Restore => "Send anything from here: a restored entry waits for a person, as before.",
    };
    format!("{main}{newer}")
}

/// How it is taken back.
#[must_use]
pub fn undo(preview: &DrainPreview, now: Millis) -> String {
    match preview.action {
        DrainAction::Hold => {
            let until = when(preview.undo_until, now);
            format!(
                "Until {until}: a device that holds one lets it go and sends it once more; what no device has fetched is called back."
            )
        }
        DrainAction::Quarantine | DrainAction::Discard | DrainAction::Skip => {
            let until = when(preview.undo_until, now);
            let purge = preview.purge_from.map_or_else(String::new, |at| {
                format!(" After {} payloads are written to an export and purged: then nothing can be put back.", when(at, now))
            });
            format!(
                "Until {until}: puts back what is here in its old place under its own id, and calls back what no device has fetched.{purge}"
            )
        }
        DrainAction::Retry | DrainAction::Patch => {
            "What no device has fetched is called back. What was accepted is part of the record, and is undone by a new change."
                .to_owned()
        }
        DrainAction::ToConflict => "Not from here: the conflict stays open until somebody decides it.".to_owned(),
        DrainAction::Restore => "At any time, by draining them once more.".to_owned(),
    }
}

/// What becomes of those behind, as a choice.
#[must_use]
pub const fn dependants(choice: Dependants) -> (&'static str, &'static str) {
    match choice {
        Dependants::TakeAlong => ("Take them along", "The same is done with them; they become part of the set."),
        Dependants::Hold => ("Hold them", "They stay listed and are not sent."),
        Dependants::Cut => ("Let them go", "They are left out, and are sent as soon as what they wait for is out of the way."),
    }
}

/// Who can approve, named: `ines.carvalho (product owner) or tomasz.wilk (admin)`.
#[must_use]
pub fn approvers(approvers: &[Approver]) -> Option<String> {
    let named = |approver: &Approver| format!("{} ({})", approver.name, approver.role.label());
    let mut names: Vec<String> = approvers.iter().take(APPROVERS_MAX).map(named).collect();
    let more = approvers.len().saturating_sub(APPROVERS_MAX);
    names.extend((more > 0).then(|| format!("{} more", count(more as u64))));
    let (last, rest) = names.split_last()?;
    Some(if rest.is_empty() { last.clone() } else { format!("{} or {last}", rest.join(", ")) })
}

/// What was selected, as a reader would ask for it.
#[must_use]
pub fn selection(selection: &Selection) -> String {
    if let Selection::Entries(entries) = selection {
        return counted(entries.len() as u64, "entry that was ticked", "entries that were ticked");
    }
    if let Selection::Failed { job, code } = selection {
        return match code {
            None => format!("what failed in {job}"),
            Some(code) => format!("what failed in {job} with {code}"),
        };
    }
    let Selection::Matching { signature, filter } = selection else { return String::new() };
    match (signature, filter.as_str()) {
        (None, "") => "every entry of the outbox".to_owned(),
        (None, filter) => format!("all that match {filter}"),
        (Some(_), "") => "all of one group of failures".to_owned(),
        (Some(_), filter) => format!("all of one group of failures that match {filter}"),
    }
}

/// Where a job stands, in one word, with its look.
#[must_use]
pub const fn job_state(state: JobState) -> (&'static str, Tone, Sign) {
    match state {
        JobState::Requested => ("Waits for approval", Tone::Watch, Sign::Stalling),
        JobState::Canary => ("Canary under way", Tone::Run, Sign::CatchingUp),
        JobState::Running => ("Running", Tone::Run, Sign::CatchingUp),
        JobState::Paused => ("Paused", Tone::Watch, Sign::Held),
        JobState::Done => ("Done", Tone::Good, Sign::Converged),
        JobState::Cancelled => ("Stopped", Tone::Idle, Sign::Held),
        JobState::Refused => ("Refused", Tone::Idle, Sign::Held),
        JobState::Undone => ("Taken back", Tone::Idle, Sign::Check),
    }
}
