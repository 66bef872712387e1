//! Two-axis status: health as glyph and word on the first line, a note or the contact on the second.

use leptos::prelude::*;
use tidewatch_domain::fleet::{Condition, Contact, Tone};

use super::glyph::Glyph;

/// Tone of a condition.
#[must_use]
pub const fn condition_tone(condition: Condition) -> Tone {
    match condition {
        Condition::Stuck | Condition::Diverged => Tone::Act,
        Condition::Stalling => Tone::Watch,
        Condition::Held | Condition::Unknown => Tone::Idle,
        Condition::CatchingUp => Tone::Run,
        Condition::Converged => Tone::Good,
    }
}

/// Contact in words, as the second line of a status says it.
#[must_use]
pub const fn contact_label(contact: Contact) -> &'static str {
    match contact {
        Contact::Active => "Active",
        Contact::Quiet => "Quiet",
        Contact::Overdue => "Overdue",
        Contact::Lost => "Lost",
        Contact::Never => "Never",
    }
}

/// Tone of a contact; `None` where there is nothing to look at.
#[must_use]
pub const fn contact_tone(contact: Contact) -> Option<Tone> {
    match contact {
        Contact::Active | Contact::Never => None,
        Contact::Quiet | Contact::Overdue => Some(Tone::Watch),
        Contact::Lost => Some(Tone::Act),
    }
}

/// Glyph, word, second line.
#[component]
pub fn Status(
    /// First axis.
    condition: Condition,
    /// Second line: what goes with it, e.g. "9 rejected · active".
    #[prop(into)]
    note: String,
    /// Tone of the second line, when it has one of its own.
    #[prop(optional_no_strip)]
    note_tone: Option<Tone>,
) -> impl IntoView {
    view! {
        <span class="status" data-tone=condition_tone(condition).as_str()>
            <Glyph sign=condition/>
            <b>{condition.label()}</b>
            {(!note.is_empty()).then(|| view! { <small data-tone=note_tone.map(Tone::as_str)>{note}</small> })}
        </span>
    }
}
