//! What can be done with one entry: the actions that lead somewhere from its state. Each freezes a set of one and asks before anything
//! is done.

use leptos::prelude::*;
use tidewatch_domain::drain::{DrainAction, Keeping};
use tidewatch_domain::fleet::OutboxEntryView;
use tidewatch_domain::role::{Action, Role};

use super::super::drain::words;
use super::super::notice;
use super::super::pick::offered;
use crate::pages::may::{Deed, refusal};
use crate::paths;
use crate::ui::empty::Reason;
use crate::ui::{Banner, Empty, Panel};

/// What an action leads to, for one entry.
const fn gloss(action: DrainAction) -> &'static str {
    match action {
        DrainAction::Retry => "Has it decided once more, as it is.",
        DrainAction::Hold => "Keeps it here, unsent, until somebody says otherwise.",
        DrainAction::Skip => "Lets pass what waits behind it.",
        DrainAction::Patch => "Sends a corrected copy under a new id.",
        DrainAction::ToConflict => "Lets a person decide it as a conflict of its record.",
        DrainAction::Quarantine => "Takes it out of the queue; it can be put back.",
        DrainAction::Discard => "Gives it up; it can be put back while its payload is kept.",
        DrainAction::Restore => "Puts it back in its old place.",
    }
}

/// The panel.
#[component]
pub fn EntryActions(
    /// The entry.
    view: OutboxEntryView,
    /// Role of the reader.
    role: Option<Role>,
    /// Why a form led back here.
    problem: Option<String>,
) -> impl IntoView {
    let purged = matches!(view.row.keeping, Some(Keeping::Purged { .. }));
    let entry = view.row.entry;
    let actions = if purged { Vec::new() } else { offered(&[entry.state]) };
    let key = paths::entry_key(&entry.client_id, &entry.operation_id);
    let back = paths::outbox_entry(&entry.client_id, &entry.operation_id);
    let banner = problem.as_deref().and_then(notice::words).map(|(tone, title, text)| view! { <Banner tone title text/> });
    let refused = refusal(role, Action::Drain);
    let deed = move |action: DrainAction| {
        view! {
            <li>
                <Deed label=words::verb(action) refused=refused.clone() icon=words::icon(action) class="btn-small" name="action" value=action.as_str()/>
                <span class="small">{gloss(action)}</span>
            </li>
        }
    };
    let body = if purged {
        view! { <Empty reason=Reason::NoneYet title="Its payload was purged" text="Nothing more can be done with it here, and it cannot be restored. Its export has what it wanted to write."/> }
            .into_any()
    } else if actions.is_empty() {
        view! { <Empty reason=Reason::Healthy title="It is closed" text="Nothing more has to be done with it."/> }.into_any()
    } else {
        view! {
            <form class="panel-body" method="post" action=paths::DRAIN_FREEZE>
                <input type="hidden" name="entries[]" value=key/>
                <input type="hidden" name="back" value=back/>
                <ul class="deeds">{actions.into_iter().map(deed).collect_view()}</ul>
            </form>
        }
        .into_any()
    };
    view! { {banner}<Panel id="h-actions" title="What can be done" note="asks before it does">{body}</Panel> }.into_any()
}
