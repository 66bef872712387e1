//! The page of a drain from hand-made jobs: numbers that add up, steps by state and role, and the three kinds of empty.

use tidewatch_domain::drain::JobState;
use tidewatch_domain::fleet::{Forecast, JobTally};
use tidewatch_domain::role::Role;

use super::head::{step_refused, steps};
use super::step::Step;
use super::*;
use crate::pages::fixture::drain::job;
use crate::pages::fixture::{NOW, html, part, text};
use crate::pages::outbox::jobs::JobsView;
use crate::pages::params::ListState;

fn reader(role: Role, name: &str) -> Reader {
    Reader { role: Some(role), name: format!("user:{name}") }
}

fn page(view: DrainJobView, reader: Reader) -> String {
    html(move || view! { <JobView view reader problem=None now=NOW/> })
}

#[test]
fn the_numbers_of_a_job_add_up_and_lead_to_what_they_count() {
    let page = page(job(JobState::Running), reader(Role::Operator, "maya.okafor"));
    let read = text(&page);
    for words in [
        "Quarantine 1,284 entries",
        "891 of 1,284 settled",
        "871 + 6 + 14 + 42 + 171 + 180 = 1,284 adds up",
        "Started by maya.okafor, approved by ines.carvalho: “4.18.0 writes the reading as text”",
    ] {
        assert!(read.contains(words), "{words}: {read}");
    }
    assert!(page.contains("href=\"/outbox/jobs/J2291/items?outcome=failed\""), "{page}");
    assert!(
        page.contains(
            "aria-label=\"871 quarantined, 6 left alone, 14 failed, 42 on the device, 171 not started, 180 device asleep\""
        ),
        "{page}"
    );
}

#[test]
fn failures_are_by_reason_and_only_what_failed_can_be_frozen_and_retried() {
    let page = page(job(JobState::Running), reader(Role::Operator, "maya.okafor"));
    let failed = part(&page, "id=\"reason-failed-checksum_mismatch\"", "</tr>");
    assert!(text(failed).contains("Freeze and retry 14") && failed.contains("value=\"checksum_mismatch\""), "{failed}");
    let skipped = part(&page, "id=\"reason-skipped-state_changed\"", "</tr>");
    assert!(text(skipped).contains("left alone: it had been answered") && !skipped.contains("<form"), "{skipped}");
}

#[test]
fn each_state_offers_its_own_steps() {
    let offered = |state: JobState| steps(&job(state));
    assert_eq!(offered(JobState::Requested), [Step::Approve, Step::Refuse, Step::Cancel]);
    assert_eq!(offered(JobState::Running), [Step::Pause, Step::Cancel, Step::Undo]);
    assert_eq!(offered(JobState::Paused), [Step::Resume, Step::Cancel, Step::Undo]);
    assert_eq!(offered(JobState::Done), [Step::Undo, Step::Acknowledge]);
    let mut seen = job(JobState::Undone);
    (seen.undoable, seen.row.acknowledged) = (0, true);
    assert_eq!(steps(&seen), []);
}

#[test]
fn nobody_approves_their_own_job_and_a_viewer_takes_no_step() {
    let view = job(JobState::Requested);
    let own = step_refused(Step::Approve, &view, &reader(Role::Operator, "maya.okafor"));
    assert_eq!(own.as_deref(), Some("Nobody approves their own change"));
    assert_eq!(step_refused(Step::Cancel, &view, &reader(Role::Operator, "maya.okafor")), None, "but they may call it off");
    assert_eq!(step_refused(Step::Approve, &view, &reader(Role::ProductOwner, "ines.carvalho")), None);
    assert!(step_refused(Step::Cancel, &view, &reader(Role::Viewer, "vera.lind")).is_some());
    assert!(
        step_refused(Step::Cancel, &view, &reader(Role::Support, "sue")).is_some(),
        "the job is larger than support may drain"
    );
    let page = page(view, reader(Role::Operator, "maya.okafor"));
    assert!(page.contains("title=\"Nobody approves their own change\""), "{page}");
}

#[test]
fn a_step_that_takes_something_says_what_and_asks_why() {
    let page = page(job(JobState::Running), reader(Role::Operator, "maya.okafor"));
    let stop = part(&page, "id=\"step-cancel\"", "</details>");
    assert!(text(stop).contains("Leaves 871 as they are now and 171 where they were."), "{stop}");
    assert!(stop.contains("name=\"remark\"") && stop.contains("value=\"cancel\""), "{stop}");
    let undo = text(part(&page, "id=\"step-undo\"", "</details>"));
    assert!(undo.contains("Puts 871 entries back in their old place under their own ids"), "{undo}");
}

#[test]
fn a_job_that_has_done_nothing_yet_says_so_in_each_panel() {
    let mut view = job(JobState::Requested);
    view.row.tally = JobTally { waiting: 3, ..JobTally::default() };
    (view.undoable, view.undo_until, view.forecast, view.running_all) = (0, None, Forecast::default(), 0);
    (view.minutes, view.reasons, view.running) = (Vec::new(), Vec::new(), Vec::new());
    let read = text(&page(view, reader(Role::Admin, "ada.admin")));
    for words in [
        "0 of 3 settled",
        "Nothing is settled yet",
        "Nothing failed, nothing was left alone",
        "No device is at it",
        "Nothing has been done yet.",
    ] {
        assert!(read.contains(words), "{words}: {read}");
    }
    assert!(!read.contains("asleep pick-up forecast"), "{read}");
}

#[test]
fn a_list_of_drains_says_which_ends_nobody_has_seen() {
    let rows = vec![job(JobState::Done).row, job(JobState::Running).row];
    let page = crate::pages::fixture::page(rows, 2);
    let read = text(&html(|| view! { <JobsView query=ListState::default() page now=NOW/> }));
    assert_eq!(read.matches("not seen by anybody yet").count(), 1, "{read}");
    let none = html(|| view! { <JobsView query=ListState::default() page=crate::pages::fixture::page(Vec::new(), 0) now=NOW/> });
    assert!(none.contains("Nothing has been drained yet"), "{none}");
}
