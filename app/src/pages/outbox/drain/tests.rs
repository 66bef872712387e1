//! The page of a frozen set from hand-made sets: what it says, what it asks for, and what it never assumes.

use tidewatch_domain::drain::{Dependants, DrainAction};
use tidewatch_domain::fleet::DrainChange;
use tidewatch_domain::role::Role;

use super::field::OneField;
use super::patch::{PatchState, PatchView};
use super::query::{Draft, needs_typed};
use super::*;
use crate::pages::fixture::drain::{dry_run, preview, preview_one, row};
use crate::pages::fixture::{NOW, html, part, text};
use crate::pages::params::Params;
use crate::paths;

fn page(preview: DrainPreview, query: DialogQuery, role: Role) -> String {
    html(move || view! { <SetView preview query trials=Vec::new() role=Some(role) now=NOW/> })
}

fn chosen() -> DialogQuery {
    DialogQuery { chosen: true, ..DialogQuery::default() }
}

#[test]
fn a_set_says_how_many_what_it_does_what_it_does_not_and_how_it_is_taken_back() {
    let page = page(preview(DrainAction::Quarantine), chosen(), Role::Operator);
    let read = text(&page);
    for words in [
        "Quarantine 1,284 entries?",
        "1,284 entries on 212 devices",
        "Moves them out of the queue of 212 devices into the archive of this server. Lets the 4,906 entries that wait behind go out.",
        "41 more entries match by now and are left alone.",
        "Until 10 Jun 14:32: puts back what is here in its old place under its own id",
        "25 asleep, 71 % within 24 h",
        "490 applied",
        "Then released 4,906 at their next sync",
        "Would conflict 0 of 500 tried",
        "Would be refused 10 of 500 tried",
        "ines.carvalho (product owner) or tomasz.wilk (admin). It comes up in their list of what needs a person.",
        "Tried were 500 of the 1,000 whose payload is here, spread over 187 devices; the others were not. \
         278 could not be asked: their payload is still on the device.",
    ] {
        assert!(read.contains(words), "{words}: {read}");
    }
    assert!(page.contains("aria-label=\"1,000 here, at once, 98 on the device, 180 when it wakes, 6 left alone\""), "{page}");
}

#[test]
fn those_behind_wait_until_somebody_says_that_they_go_and_the_refused_among_them_stay() {
    let set = || DrainPreview { behind_refused: 6, decided_signatures: 3, ..preview(DrainAction::Retry) };
    let undecided = text(&page(set(), DialogQuery::default(), Role::Operator));
    assert!(undecided.contains("Wait behind 4,906 not in the set") && !undecided.contains("Then released"), "{undecided}");
    let retried = text(&page(set(), chosen(), Role::Operator));
    let words = "Then released 4,900 once what they wait for is accepted; 6 more stay poisoned";
    assert!(retried.contains(words) && retried.contains("spread over 3 signatures and 187 devices"), "{retried}");
    let held = text(&page(preview(DrainAction::Hold), chosen(), Role::Operator));
    assert!(!held.contains("Then released"), "what waits behind a held entry goes nowhere: {held}");
}

#[test]
fn where_nobody_else_may_approve_the_form_says_what_has_to_come_first() {
    let page = page(DrainPreview { approvers: Vec::new(), ..preview(DrainAction::Quarantine) }, chosen(), Role::Operator);
    assert!(text(part(&page, "id=\"d-approvers\"", "</p>")).contains("Nobody else may approve by now"), "{page}");
}

#[test]
fn a_submission_echoes_the_set_its_count_its_hash_and_its_selection() {
    let page = page(preview(DrainAction::Quarantine), chosen(), Role::Operator);
    let form = part(&page, "action=\"/console/drain/start\"", "</form>");
    for field in [
        "name=\"set\" value=\"S17\"",
        "name=\"count\" value=\"1284\"",
        "name=\"hash\" value=\"5be240cd9c41e07b00112233445566778899aabbccddeeff\"",
        "name=\"key\" value=\"k7f1-22ac-9b04\"",
        "name=\"filter\" value=\"age:&gt;=1h\"",
        "name=\"reason\"",
        "name=\"typed\"",
    ] {
        assert!(form.contains(field), "{field}: {form}");
    }
    assert!(
        text(form).contains("Ask to quarantine 1,284 entries")
            && text(form).contains("a second person has to approve, until 15:32")
    );
}

#[test]
fn what_becomes_of_those_behind_is_asked_before_anything_can_be_submitted() {
    let page = page(preview(DrainAction::Discard), DialogQuery::default(), Role::Operator);
    assert!(page.contains(paths::DRAIN_CHOOSE) && !page.contains("/console/drain/start"), "{page}");
    assert!(text(&page).contains("4,906 entries wait behind these. What becomes of them?"));
    assert_eq!(page.matches("type=\"radio\"").count(), Dependants::ALL.len());
    assert!(!part(&page, "<fieldset", "</fieldset>").contains("checked"), "nothing is chosen for anybody");
}

#[test]
fn one_entry_is_confirmed_without_a_typed_count_or_a_pace() {
    let page = page(preview_one(DrainAction::Quarantine), DialogQuery::default(), Role::Support);
    let form = part(&page, "action=\"/console/drain/start\"", "</form>");
    assert!(!form.contains("name=\"typed\"") && !form.contains("name=\"canary\""), "{form}");
    assert!(text(form).contains("Quarantine 1 entry") && !form.contains("aria-disabled"), "{form}");
}

#[test]
fn support_sees_the_button_of_a_large_set_and_the_role_that_it_needs() {
    let page = page(preview(DrainAction::Hold), chosen(), Role::Support);
    let button = part(&page, "aria-disabled=\"true\"", "</button>");
    assert!(button.contains("Needs the role operator or admin; yours is support"), "{button}");
}

#[test]
fn a_refused_form_keeps_what_was_typed_and_names_the_field() {
    let draft = Draft { reason: "because".into(), typed: "1,285".into(), canary: String::new(), rate: "all".into() };
    let query = |problem: &str| DialogQuery { problem: Some(problem.into()), draft: Some(draft.clone()), ..chosen() };
    let short = page(preview(DrainAction::Quarantine), query("reason"), Role::Operator);
    let form = part(&short, "action=\"/console/drain/start\"", "</form>");
    assert!(form.contains("value=\"because\"") && form.contains("aria-describedby=\"d-reason-wrong\""), "{form}");
    assert!(text(form).contains("Say why, in 8 characters or more."));
    let wrong = text(&page(preview(DrainAction::Quarantine), query("typed_count"), Role::Operator));
    assert!(wrong.contains("You typed 1,285. The set holds 1,284."), "{wrong}");
}

#[test]
fn what_no_field_can_say_is_said_above_the_form_and_what_was_typed_is_kept() {
    let draft = Draft { reason: "because of 4.18.0".into(), typed: "12x".into(), canary: "5".into(), rate: "all".into() };
    let query = |problem: &str| DialogQuery { problem: Some(problem.into()), draft: Some(draft.clone()), ..chosen() };
    let count = page(preview(DrainAction::Quarantine), query("count"), Role::Operator);
    assert!(text(&count).contains("The number of entries could not be read"), "{count}");
    assert!(count.contains("value=\"because of 4.18.0\"") && count.contains("value=\"12x\""), "{count}");
    let unknown = text(&page(preview(DrainAction::Quarantine), query("hash"), Role::Operator));
    assert!(unknown.contains("The form could not be read Nothing was done."), "{unknown}");
    let typed = page(preview(DrainAction::Quarantine), query("typed_count"), Role::Operator);
    assert!(text(&typed).contains("What you typed is no number. The set holds 1,284."), "{typed}");
    assert!(!typed.contains("class=\"banner\""), "the field says it: {typed}");
}

#[test]
fn a_set_that_was_submitted_leads_to_its_drain_and_has_no_form() {
    let preview = tidewatch_domain::fleet::DrainPreview { job: Some("J2291".into()), ..preview(DrainAction::Quarantine) };
    let page = page(preview, chosen(), Role::Operator);
    assert!(!page.contains("<form") && page.contains("href=\"/outbox/jobs/J2291\""), "{page}");
    assert!(text(&page).contains("It was submitted, and can be submitted only once."), "{page}");
}

#[test]
fn a_set_that_is_no_longer_what_was_confirmed_shows_the_difference_and_freezes_again() {
    let change = DrainChange { frozen: 1_284, now: 1_300, added: 20, removed: 4 };
    let page = page(preview(DrainAction::Retry), DialogQuery { change: Some(change), ..chosen() }, Role::Operator);
    let banner = part(&page, "class=\"banner\"", "</form>");
    assert!(text(banner).contains("The set holds 1,284; 1,300 match now: 20 came, 4 went. Nothing was done."), "{banner}");
    assert!(banner.contains("/console/drain/freeze") && banner.contains("value=\"retry\""), "{banner}");
}

#[test]
fn what_needs_a_second_person_has_its_number_typed() {
    assert!(needs_typed(&preview(DrainAction::Retry)));
    assert!(!needs_typed(&preview_one(DrainAction::Discard)));
}

#[test]
fn the_state_of_a_refused_form_survives_its_address() {
    let query = DialogQuery {
        chosen: true,
        problem: Some("reason".into()),
        draft: Some(Draft { reason: "a & b".into(), typed: "12".into(), canary: "5".into(), rate: "50".into() }),
        change: Some(DrainChange { frozen: 1, now: 2, added: 3, removed: 4 }),
    };
    let address = query.on("S17");
    let (path, raw) = address.split_once('?').expect("a state makes a query");
    assert_eq!((path, DialogQuery::parse(&Params::parse(raw))), ("/outbox/drain/S17", query));
}

#[test]
fn every_action_says_all_three_things_in_whole_sentences() {
    for action in DrainAction::ALL {
        for preview in [preview(action), preview_one(action)] {
            for words in [words::does(&preview), words::does_not(&preview), words::undo(&preview, NOW)] {
                assert!(words.ends_with('.') && words.len() > 20 && !words.contains("  "), "{action:?}: {words}");
            }
        }
    }
    assert_eq!(words::title(DrainAction::ToConflict, 1).replace('\u{a0}', " "), "Turn 1 entry into a conflict");
    assert_eq!(words::title(DrainAction::ToConflict, 3).replace('\u{a0}', " "), "Turn 3 entries into conflicts");
}

#[test]
fn what_waits_behind_is_said_to_go_out_only_when_it_does() {
    let said = |action| words::does(&preview(action)).replace('\u{a0}', " ");
    for action in [DrainAction::Skip, DrainAction::ToConflict, DrainAction::Quarantine, DrainAction::Discard] {
        assert!(said(action).ends_with("Lets the 4,906 entries that wait behind go out."), "{}", said(action));
    }
    for action in [DrainAction::Retry, DrainAction::Patch] {
        let said = said(action);
        assert!(
            said.contains("Lets the 4,906 entries that wait behind go out once") && said.ends_with("and not before."),
            "{said}"
        );
    }
    for action in [DrainAction::Hold, DrainAction::Restore] {
        assert!(!said(action).contains("go out"), "{}", said(action));
    }
    let refused = tidewatch_domain::fleet::DrainPreview { behind: 3, behind_refused: 2, ..preview(DrainAction::Skip) };
    let said = words::does(&refused).replace('\u{a0}', " ");
    assert!(
        said.contains("Lets the 1 entry that waits behind go out. 2 entries that were refused because of them stay"),
        "{said}"
    );
}

#[test]
fn what_is_only_held_is_named_apart_from_what_is_drained() {
    let held = |held| tidewatch_domain::fleet::DrainPreview {
        dependants: tidewatch_domain::drain::Dependants::Hold,
        held,
        behind: 0,
        entries: 50,
        ..preview(DrainAction::Discard)
    };
    let title = |n| words::set_title(&held(n)).replace('\u{a0}', " ");
    assert_eq!(
        (title(0), title(40), title(50)),
        ("Discard 50 entries".into(), "Discard 10 entries and hold 40".into(), "Hold 50 entries".into())
    );
    assert!(words::does(&held(40)).ends_with("40 of them wait behind the others, and are only held."));
    assert!(words::does(&held(50)).starts_with("Stops them."), "{}", words::does(&held(50)));
}

#[test]
fn a_correction_is_tried_before_it_can_be_frozen() {
    let state = |patch| PatchState {
        selection: preview(DrainAction::Patch).selection,
        total: tidewatch_domain::page::Total::Exact(1_284),
        one: OneField::fresh(Some(r#"{"reading":"string"}"#), None),
        text: "[]".into(),
        patch,
        problem: None,
    };
    let view = |state: PatchState, trials: Vec<Trial>| {
        html(move || view! { <PatchView page=state trials shape=None role=Some(Role::Support)/> })
    };
    let fresh = view(state(None), Vec::new());
    assert!(part(&fresh, "class=\"go\"", "</form>").contains("title=\"Try the correction first\""), "{fresh}");
    let bad = view(state(Some(Err("Write at least one operation.".into()))), Vec::new());
    assert!(bad.contains("aria-invalid=\"true\"") && text(&bad).contains("Write at least one operation."), "{bad}");
    let trial = Trial { row: row("op_01KKH2B4XYZ9V8RM"), run: Ok(dry_run()) };
    let tried = view(state(Some(Ok(serde_json::json!([{ "op": "remove", "path": "/reading" }])))), vec![trial]);
    assert!(!part(&tried, "class=\"go\"", "</form>").contains("aria-disabled"), "{tried}");
    assert!(text(&tried).contains("applied before: /reading: \"412\" after: /reading: 412"), "{}", text(&tried));
}
