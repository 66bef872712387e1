//! Words of the device table: counts in a sentence, contact, platform, the short forms of causes. Pure.

use tidewatch_domain::fleet::{Condition, Contact, DeviceRow, DeviceSort, DriftCause, FleetCounts, Tone};

use crate::format::{NBSP, count, counted, span};
use crate::icon::IconName;
use crate::ui::status::contact_tone;

/// Devices of this condition.
#[must_use]
pub fn of_condition(counts: &FleetCounts, condition: Condition) -> u64 {
    Condition::ALL.into_iter().zip(counts.by_condition).find(|(known, _)| *known == condition).map_or(0, |(_, n)| n)
}

/// Devices in this contact.
#[must_use]
pub fn of_contact(counts: &FleetCounts, contact: Contact) -> u64 {
    Contact::ALL.into_iter().zip(counts.by_contact).find(|(known, _)| *known == contact).map_or(0, |(_, n)| n)
}

/// The counts in one true sentence: how many, how many in trouble, how many out of contact.
#[must_use]
pub fn fleet_sentence(counts: &FleetCounts) -> String {
    if counts.devices == 0 {
        return "No device has registered yet.".to_owned();
    }
    let troubles: Vec<String> = [Condition::Stuck, Condition::Diverged, Condition::Stalling]
        .into_iter()
        .map(|condition| (of_condition(counts, condition), condition))
        .filter(|(n, _)| *n > 0)
        .map(|(n, condition)| format!("{} {}", count(n), condition.label().to_lowercase()))
        .collect();
    let late = of_contact(counts, Contact::Overdue) + of_contact(counts, Contact::Lost);
    let mut text = counted(counts.devices, "device", "devices");
    if counts.simulated > 0 {
        let simulated = if counts.simulated == counts.devices {
            "all simulated".to_owned()
        } else {
            format!("{} simulated", count(counts.simulated))
        };
        text = format!("{text}, {simulated}");
    }
    let troubles = if troubles.is_empty() { "None is in trouble".to_owned() } else { troubles.join(", ") };
    let late = match late {
        0 => "all are in their own rhythm".to_owned(),
        1 => "1 is late by its own rhythm".to_owned(),
        late => format!("{} are late by their own rhythm", count(late)),
    };
    format!("{text}. {troubles}; {late}.")
}

/// Label of the view of a contact.
#[must_use]
pub const fn contact_view(contact: Contact) -> &'static str {
    match contact {
        Contact::Active => "On rhythm",
        Contact::Quiet => "Quiet",
        Contact::Overdue => "Overdue",
        Contact::Lost => "Lost",
        Contact::Never => "Never synced",
    }
}

/// Second axis in words, with what it rests on: `on rhythm`, `overdue, 5 missed`.
#[must_use]
pub fn contact_words(row: &DeviceRow) -> String {
    let word = contact_view(row.contact).to_lowercase();
    let missed = row.rhythm.iter().rev().take_while(|kept| !**kept).count();
    match row.contact {
        Contact::Quiet | Contact::Overdue | Contact::Lost if missed > 0 => {
            let floor = if missed == row.rhythm.len() { " or more" } else { "" };
            format!("{word}, {missed}{floor} missed")
        }
        _ => word,
    }
}

/// Second line of the status: what is behind the condition; where the device is out of its rhythm, that too.
#[must_use]
pub fn status_note(row: &DeviceRow) -> (String, Option<Tone>) {
    let contact = contact_words(row);
    let tone = contact_tone(row.contact).or((row.condition == Condition::Stalling).then_some(Tone::Watch));
    let note = match row.contact {
        _ if row.condition_note.is_empty() => contact,
        Contact::Never => contact,
        Contact::Active => row.condition_note.clone(),
        Contact::Quiet | Contact::Overdue | Contact::Lost => format!("{} · {contact}", row.condition_note),
    };
    (note, tone)
}

/// Whether what the device reported is too old to be taken for its present state.
#[must_use]
pub const fn is_last_known(contact: Contact) -> bool {
    matches!(contact, Contact::Overdue | Contact::Lost)
}

/// Platform as people write it.
#[must_use]
pub fn platform_name(platform: &str) -> &str {
    match platform {
        "ios" => "iOS",
        "android" => "Android",
        "windows" => "Windows",
        "macos" => "macOS",
        "linux" => "Linux",
        "web" => "Web",
        other => other,
    }
}

/// Shape of the machine that usually runs a platform.
#[must_use]
pub fn platform_icon(platform: Option<&str>) -> IconName {
    match platform {
        Some("ios" | "android") => IconName::Phone,
        Some("windows" | "macos") => IconName::Laptop,
        _ => IconName::Desktop,
    }
}

/// Cause of drift, short enough for a cell.
#[must_use]
pub const fn cause_short(cause: DriftCause) -> &'static str {
    match cause {
        DriftCause::NotConnected => "not connected",
        DriftCause::NotPulling => "not pulling",
        DriftCause::NotApplying => "not applying",
        DriftCause::NotAcknowledged => "not acked",
    }
}

/// Usual gap between contacts, as it stands behind the last one.
#[must_use]
pub fn interval_words(interval_ms: i64) -> String {
    let minutes = interval_ms / tidewatch_domain::time::MINUTE_MS;
    match minutes {
        0 => format!("every {}", span(interval_ms)),
        1..120 => format!("every {minutes}{NBSP}min"),
        120..2_880 => format!("every {}{NBSP}h", (minutes + 30) / 60),
        _ => format!("every {}{NBSP}d", (minutes + 720) / 1_440),
    }
}

/// The order in words, for the foot and the caption.
#[must_use]
pub const fn sort_words(sort: DeviceSort) -> &'static str {
    match sort {
        DeviceSort::Worst => "worst first",
        DeviceSort::Queue => "deepest queue first",
        DeviceSort::Drift => "oldest drift first",
        DeviceSort::Contact => "latest contact first",
        DeviceSort::Name => "by name",
        DeviceSort::Score => "lowest score first",
    }
}
