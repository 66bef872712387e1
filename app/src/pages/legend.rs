//! Legend: every word and sign that the console uses, and what it asks of a person.

pub mod live;
pub mod states;

use leptos::prelude::*;
use tidewatch_domain::fleet::{Condition, Contact, Tone};
use tidewatch_domain::role::Action;
use tidewatch_service::Error;

use super::loaded;
use crate::context::console;
use crate::shell::{Frame, Section};
use crate::ui::status::{contact_label, contact_tone};
use crate::ui::{Empty, Panel, PanelFoot, Rhythm, Status, empty::Reason};
use live::{KeysPanel, LivePanel};
use states::{AbsencePanel, EntryPanel, GatePanel, LifelinePanel};

/// Every word and sign.
#[component]
pub fn LegendPage() -> impl IntoView {
    loaded(async move {
        console().cx.require(Action::Look)?;
        Ok::<_, Error>(view! {
            <Frame title="Legend" section=Section::Legend>
                <div class="page-head"><div><h1>"Legend"</h1><p>"Every word and sign this console uses, and what it asks of you."</p></div></div>
                <Words/>
            </Frame>
        })
    })
}

/// The page without its frame.
#[component]
pub fn Words() -> impl IntoView {
    view! {
        <div class="cols cols-halves"><HealthPanel/><ContactPanel/></div>
        <div class="cols cols-halves"><GatePanel/><EntryPanel/></div>
        <div class="cols cols-halves"><LifelinePanel/><AbsencePanel/></div>
        <LivePanel/>
        <h2 class="section-title">"Panels with nothing in them"</h2>
        <Empties/>
        <KeysPanel/>
    }
    .into_any()
}

/// What a condition means, and what it asks for.
const fn condition_words(condition: Condition) -> (&'static str, &'static str, &'static str) {
    match condition {
        Condition::Converged => {
            ("settled", "Digest verified identical to the store, or nothing pending and nothing behind", "Nothing to do")
        }
        Condition::CatchingUp => ("moving", "Behind by a known number of changes, and the number is falling", "Wait"),
        Condition::Stalling => {
            ("moving", "Something fails, and the device tries again by itself", "Watch; a person only if it repeats")
        }
        Condition::Stuck => {
            ("settled", "Entries rejected, or nothing acknowledged for 2 h. Trying again will not help", "A person must act")
        }
        Condition::Diverged => ("settled", "Nothing pending, yet the digest differs from the store", "A person must act"),
        Condition::Held => ("settled", "A person stopped the queue on purpose", "Release it, or let the hold end"),
        Condition::Unknown => ("settled", "No report that is recent enough to say", "See contact"),
    }
}

#[component]
fn HealthPanel() -> impl IntoView {
    let row = |condition: Condition| {
        let (kind, means, then) = condition_words(condition);
        view! { <tr><th scope="row"><Status condition note=kind/></th><td>{means}</td><td class="muted">{then}</td></tr> }
    };
    view! {
        <Panel id="l-health" title="Health" note="what the device’s data is doing">
            <div class="table-wrap">
                <table class="table">
                    <caption>"Health words"</caption>
                    <thead><tr><th scope="col">"Word"</th><th scope="col">"Means"</th><th scope="col">"Then"</th></tr></thead>
                    <tbody>{Condition::ALL.into_iter().rev().map(row).collect_view()}</tbody>
                </table>
            </div>
        </Panel>
    }
}

/// Missed check-ins of the example, and what a contact means.
const fn contact_words(contact: Contact) -> (usize, &'static str) {
    match contact {
        Contact::Active => (0, "Last contact within its own usual interval"),
        Contact::Quiet => (2, "Later than usual, not yet overdue"),
        Contact::Overdue => (5, "Past its expected contact: three times its usual interval, 15 min at least"),
        Contact::Lost => (12, "Not seen for 30 days. Figures shown are the last known"),
        Contact::Never => (0, "Enrolled, but never once in contact since"),
    }
}

#[component]
fn ContactPanel() -> impl IntoView {
    let row = |contact: Contact| {
        let (missed, means) = contact_words(contact);
        let tone = contact_tone(contact);
        let kept = if contact == Contact::Never { Vec::new() } else { (0..12).map(|at| at < 12 - missed).collect() };
        view! {
            <tr>
                <th scope="row" class="nowrap" data-tone=tone.map(Tone::as_str)><span class="tone">{contact_label(contact)}</span></th>
                <td><Rhythm kept tone=tone.unwrap_or(Tone::Watch)/></td>
                <td>{means}</td>
            </tr>
        }
    };
    view! {
        <Panel id="l-contact" title="Contact" note="against the device’s own rhythm, newest at the right">
            <div class="table-wrap">
                <table class="table">
                    <caption>"Contact words"</caption>
                    <thead><tr><th scope="col">"Word"</th><th scope="col">"Last 12 expected"</th><th scope="col">"Means"</th></tr></thead>
                    <tbody>{Contact::ALL.into_iter().rev().map(row).collect_view()}</tbody>
                </table>
            </div>
            <PanelFoot><span>"Health and contact are always shown together: “stuck, active” needs a person; “converged, lost” needs a phone call."</span></PanelFoot>
        </Panel>
    }
}

#[component]
fn Empties() -> impl IntoView {
    view! {
        <div class="thirds">
            <Panel id="l-none-healthy" title="All is well"><Empty reason=Reason::Healthy title="Nothing waits for a person" text="There is none because nothing is wrong."/></Panel>
            <Panel id="l-none-match" title="Nothing matches"><Empty reason=Reason::NoMatch title="No device matches" text="There are some, but the filter leaves none. It offers to clear the filter."/></Panel>
            <Panel id="l-none-yet" title="None yet"><Empty reason=Reason::NoneYet title="No devices yet" text="There has never been one. It names the next step."/></Panel>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_and_every_contact_is_explained_by_its_own_word() {
        let owner = Owner::new();
        let page = owner.with(|| view! { <Words/> }.to_html());
        for word in Condition::ALL.map(Condition::label).into_iter().chain(Contact::ALL.map(contact_label)) {
            assert!(page.contains(&format!(">{word}<")), "{word} is missing");
        }
    }
}
