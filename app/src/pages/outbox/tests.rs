//! The pages of the outbox from hand-made figures.

use tidewatch_domain::fleet::{FailureGroup, OutboxFigures, StateTally, Tone};
use tidewatch_domain::report::EntryState;

use super::groups::{GroupsView, state_words, tone, version_words};
use super::*;
use crate::pages::fixture::{NOW, html, text};

fn group(entries: u64, poisoned: u64, waiting: u64, versions: &[(&str, u64)]) -> FailureGroup {
    FailureGroup {
        id: "5be240cd".into(),
        signature: "schema_invalid inspections update pressure_kpa: expected number".into(),
        code: "schema_invalid".into(),
        status: Some(422),
        collection: "inspections".into(),
        message: Some("pressure_kpa: expected number".into()),
        entries,
        poisoned,
        devices: 212,
        waiting,
        since: NOW,
        newest: NOW,
        last_hour: 3,
        hours: [1; 24],
        versions: versions.iter().map(|(version, n)| ((*version).to_owned(), *n)).collect(),
    }
}

fn figures(groups: Vec<FailureGroup>) -> std::sync::Arc<OutboxFigures> {
    let tally =
        |state: EntryState| StateTally { state, entries: if state == EntryState::Poisoned { 3 } else { 0 }, oldest: None };
    std::sync::Arc::new(OutboxFigures {
        as_of: NOW,
        depth: 18_406,
        devices: 1_106,
        asleep: 68,
        states: EntryState::ALL.map(tally),
        groups_all: groups.len() as u64,
        groups,
        collections: Vec::new(),
    })
}

#[test]
fn what_needs_a_person_is_told_from_what_goes_on_by_itself() {
    assert_eq!(tone(&group(9, 1, 0, &[])).0, Tone::Act);
    assert_eq!(tone(&group(9, 0, 0, &[])).0, Tone::Watch);
    assert_eq!(state_words(&group(9, 0, 0, &[])), "will be sent again");
    assert_eq!(state_words(&group(9, 9, 4_906, &[])), "4,906 wait behind");
}

#[test]
fn one_bad_release_is_named_as_such() {
    assert_eq!(version_words(&group(9, 9, 0, &[("4.18.0", 212)])), "app 4.18.0 only");
    assert_eq!(version_words(&group(9, 9, 0, &[("4.18.0", 200)])), "app 4.18.0 and unknown");
    assert_eq!(version_words(&group(9, 9, 0, &[("4.18.0", 200), ("4.17.0", 12)])), "app 4.18.0 and 1 more");
    assert_eq!(version_words(&group(9, 9, 0, &[])), "app not reported");
}

#[test]
fn the_page_says_how_much_of_the_depth_is_listed_and_whose_count_is_old() {
    let page = html(|| view! { <GroupsView figures=figures(vec![group(3, 3, 0, &[])]) now=NOW/> });
    let read = text(&page);
    assert!(read.contains("18,406 entries on 1,106 devices"), "{read}");
    assert!(
        read.contains("3 of them are listed, the worst of each device; 68 devices are overdue, theirs are the last known"),
        "{page}"
    );
    assert!(page.contains("href=\"/outbox/groups/5be240cd\""), "{page}");
}

#[test]
fn without_a_failure_the_page_says_that_all_is_well() {
    let page = html(|| view! { <GroupsView figures=figures(Vec::new()) now=NOW/> });
    assert!(page.contains("Nothing has failed"), "{page}");
}
