//! The bar above a list of entries: ticked ones, or all that match as a choice of its own, and what can be done with them.
//!
//! It is one plain form around the table. What it sends freezes a set; nothing is drained before that set is confirmed.

use leptos::prelude::*;
use tidewatch_domain::drain::{ArchiveState, DrainAction, SUPPORT_ENTRIES_MAX};
use tidewatch_domain::page::Total;
use tidewatch_domain::report::EntryState;
use tidewatch_domain::role::{Action, Role};

use super::drain::words;
use super::notice;
use crate::format::{NBSP, count};
use crate::pages::may::{Deed, refusal};
use crate::paths;
use crate::ui::Banner;

/// What a list needs to know so that its entries can be picked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pick {
    /// Signature of the group that the list is of.
    pub signature: Option<String>,
    /// Role of the reader.
    pub role: Option<Role>,
    /// Where a form leads back to that could not do its work.
    pub back: String,
    /// Why one led back here.
    pub problem: Option<String>,
}

/// The archive's word for a state of the mirror; none while only the device has the entry.
fn archived(state: EntryState) -> Option<ArchiveState> {
    ArchiveState::ALL.into_iter().find(|known| known.as_str() == state.as_str())
}

/// Whether an action leads anywhere from a state.
#[must_use]
pub fn allows(state: EntryState, action: DrainAction) -> bool {
    match archived(state) {
        Some(known) => known.allows(action),
        None => action != DrainAction::Restore,
    }
}

/// The actions that lead somewhere from at least one of these states.
#[must_use]
pub fn offered(states: &[EntryState]) -> Vec<DrainAction> {
    DrainAction::ALL.into_iter().filter(|action| states.iter().any(|state| allows(*state, *action))).collect()
}

/// All that match as a choice; where a search in payloads has not seen all of them, why it is none.
fn all_choice(total: Total, role: Option<Role>) -> AnyView {
    let bulk = role.is_some_and(|role| role.can(Action::DrainBulk));
    let (Total::Exact(n) | Total::AtLeast(n) | Total::Among { found: n, .. }) = total;
    if n > SUPPORT_ENTRIES_MAX && !bulk && refusal(role, Action::Drain).is_none() {
        let most = count(SUPPORT_ENTRIES_MAX);
        let words = format!(
            "All that match are more than the {most} that your role may drain in one go: tick entries, or narrow the filter."
        );
        return view! { <small class="faint">{words}</small> }.into_any();
    }
    let words = match total {
        Total::Exact(n) | Total::Among { found: n, all: true, .. } => format!("All {}{NBSP}that match", count(n)),
        Total::AtLeast(n) => format!("All that match, more than {}", count(n)),
        Total::Among { all: false, .. } => {
            let words = "Not all payloads were looked at, so all that match cannot be taken: tick entries, or narrow the filter.";
            return view! { <small class="faint">{words}</small> }.into_any();
        }
    };
    view! { <label class="check pick-all"><input type="checkbox" name="all" value="1"/><span>{words}</span></label> }.into_any()
}

/// The form: its bar, then the table.
#[component]
pub fn PickForm(
    /// What it is of.
    pick: Pick,
    /// Filter of the list.
    filter: String,
    /// How many match.
    total: Total,
    /// States of the rows that are shown.
    states: Vec<EntryState>,
    /// The table.
    children: Children,
) -> impl IntoView {
    let refused = refusal(pick.role, Action::Drain);
    let problem = pick.problem.as_deref().and_then(notice::words);
    let deed = move |action: DrainAction| {
        let class = if words::takes_out(action) && action == DrainAction::Discard { "btn-small btn-warn" } else { "btn-small" };
        view! { <Deed label=words::verb(action) refused=refused.clone() icon=words::icon(action) class name="action" value=action.as_str()/> }
    };
    view! {
        {problem.map(|(tone, title, text)| view! { <Banner tone title text/> })}
        <form class="pick" id="pick" method="post" action=paths::DRAIN_FREEZE>
            <input type="hidden" name="filter" value=filter/>
            {pick.signature.map(|signature| view! { <input type="hidden" name="signature" value=signature/> })}
            <input type="hidden" name="back" value=pick.back/>
            <div class="actionbar" role="group" aria-label="Drain entries" tabindex="-1">
                <span class="pick-count js-only" data-pick-count="" hidden></span>
                <button class="btn btn-small pick-newer js-only" type="button" data-pick-newer="" hidden title="Show them; what is ticked stays ticked"></button>
                <label class="check pick-page js-only"><input type="checkbox" data-check-all=""/><span>"Select all on this page"</span></label>
                {all_choice(total, pick.role)}
                <div class="btn-row">{offered(&states).into_iter().map(deed).collect_view()}</div>
            </div>
            {children()}
        </form>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::fixture::{html, text};

    #[test]
    fn what_a_device_still_has_can_be_drained_and_only_what_was_drained_can_be_restored() {
        for state in EntryState::ALL {
            let restores = allows(state, DrainAction::Restore);
            let back = ["held", "skipped", "quarantined", "discarded"].contains(&state.as_str());
            assert_eq!(restores, back, "{state:?}");
        }
        assert!(allows(EntryState::Queued, DrainAction::Quarantine) && allows(EntryState::Poisoned, DrainAction::Patch));
    }

    #[test]
    fn an_action_is_offered_when_one_row_can_take_it() {
        assert!(!offered(&[EntryState::Poisoned]).contains(&DrainAction::Restore));
        assert!(offered(&[EntryState::Poisoned, EntryState::Held]).contains(&DrainAction::Restore));
        assert_eq!(offered(&[]), []);
    }

    #[test]
    fn a_total_that_is_a_floor_is_not_given_as_a_number() {
        let words = |total: Total| text(&html(move || all_choice(total, Some(Role::Operator)))).replace('\u{a0}', " ");
        assert_eq!(words(Total::Exact(1_284)), "All 1,284 that match");
        assert_eq!(words(Total::AtLeast(10_000)), "All that match, more than 10,000");
    }

    #[test]
    fn what_is_not_known_as_a_whole_cannot_be_picked_as_a_whole() {
        let some = html(|| all_choice(Total::Among { found: 10_000, looked: 100_000, all: false }, Some(Role::Operator)));
        assert!(!some.contains("<input") && text(&some).contains("Not all payloads were looked at"), "{some}");
        let all = html(|| all_choice(Total::Among { found: 7, looked: 900, all: true }, Some(Role::Operator)));
        assert!(all.contains("name=\"all\"") && text(&all).contains("All 7"), "{all}");
    }

    #[test]
    fn what_a_role_may_not_drain_in_one_go_cannot_be_picked_as_a_whole() {
        let page = |role, n| html(move || all_choice(Total::Exact(n), Some(role)));
        assert!(page(Role::Support, 50).contains("<input") && page(Role::Operator, 51).contains("<input"));
        let more = page(Role::Support, 51);
        assert!(!more.contains("<input") && text(&more).contains("more than the 50 that your role may drain"), "{more}");
    }
}
