//! The page of a drain from hand-made jobs: numbers that add up, steps by state and role, and the three kinds of empty.

use tidewatch_domain::drain::{DrainAction, ItemFilter, ItemOutcome, JobChange, JobState, Rolled, Undoable};
use tidewatch_domain::fleet::{FailureReason, Forecast, JobTally};
use tidewatch_domain::role::Role;

use super::head::{step_refused, steps};
use super::items::{ItemsQuery, ItemsView};
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
fn what_was_taken_back_is_a_part_of_the_sum() {
    let mut view = job(JobState::Undone);
    view.row.tally = JobTally { ok: 12, skipped: 865, failed: 14, ..JobTally::default() };
    view.undoable = Undoable::default();
    let undone = FailureReason { code: "undone".into(), entries: 859, ..view.reasons[1].clone() };
    view.reasons.push(undone);
    let page = page(view, reader(Role::Operator, "maya.okafor"));
    let read = text(&page);
    for words in [
        "12 + 859 + 6 + 14 + 0 + 0 + 0 = 891 adds up",
        "Put back 859 as before the drain",
        "Left alone 6 not begun, called back, or changed",
        "859 entries are back in their old place under their own ids, 6 left where they were, 12 had moved on since and stay as they are, 14 failed. That is all 891.",
    ] {
        assert!(read.contains(words), "{words}: {read}");
    }
}

#[test]
fn what_devices_have_not_been_told_of_what_is_done_stands_beside_it() {
    let read = |untold| text(&page(DrainJobView { untold, ..job(JobState::Done) }, reader(Role::Operator, "maya.okafor")));
    let some = read(38);
    assert!(some.contains("Device not told yet: 38 entries. A device keeps its own copy, and what waits behind it"), "{some}");
    assert!(read(1).contains("Device not told yet: 1 entry."));
    assert!(!read(0).contains("not told"), "what has nothing left is not there");
}

#[test]
fn an_undo_of_a_hold_says_that_devices_send_what_they_let_go() {
    let read = |action| {
        let mut view = job(JobState::Done);
        view.row.action = action;
        text(&page(view, reader(Role::Operator, "maya.okafor")))
    };
    let words = "Their devices let go of them and send them once more.";
    assert!(read(DrainAction::Hold).contains(words));
    assert!(!read(DrainAction::Quarantine).contains(words), "what was dropped there is not sent");
}

#[test]
fn a_drain_that_outlived_its_console_says_so() {
    let head = |started| {
        text(&html(
            move || view! { <JobView view=job(JobState::Running) reader=reader(Role::Operator, "maya.okafor") problem=None started now=NOW/> },
        ))
    };
    let again = "It goes on where it was when this console stopped; it is up again since";
    assert!(head(Some(NOW.plus(-60_000))).contains(again));
    assert!(!head(Some(NOW.plus(-4 * 60_000))).contains(again), "it has begun since");
    assert!(!head(None).contains(again));
}

#[test]
fn the_entries_of_a_drain_are_exported_with_the_outcome_that_is_shown() {
    let query = ItemsQuery { filter: ItemFilter::of(ItemOutcome::Failed), ..ItemsQuery::default() };
    let page =
        html(|| view! { <ItemsView query job=job(JobState::Done).row page=crate::pages::fixture::page(Vec::new(), 0) now=NOW/> });
    for kind in ["csv", "ndjson"] {
        assert!(page.contains(&format!("href=\"/export/drain-items.{kind}?job=J2291&amp;outcome=failed\"")), "{page}");
    }
}

#[test]
fn failures_are_by_reason_and_only_what_failed_can_be_frozen_and_retried() {
    let page = page(job(JobState::Running), reader(Role::Operator, "maya.okafor"));
    let failed = part(&page, "id=\"reason-failed-checksum_mismatch\"", "</tr>");
    assert!(text(failed).contains("Freeze and retry 14") && failed.contains("value=\"checksum_mismatch\""), "{failed}");
    assert!(failed.contains("href=\"/outbox/jobs/J2291/items?outcome=failed&amp;code=checksum_mismatch\""), "{failed}");
    let skipped = part(&page, "id=\"reason-skipped-state_changed\"", "</tr>");
    assert!(skipped.contains("href=\"/outbox/jobs/J2291/items?outcome=skipped&amp;code=state_changed\""), "{skipped}");
    assert!(text(skipped).contains("left alone: it had been answered") && !skipped.contains("<form"), "{skipped}");
}

#[test]
fn a_code_is_one_row_whose_button_says_what_it_freezes() {
    let mut view = job(JobState::Done);
    (view.reasons[0].wordings, view.reasons[0].again) = (12, 17);
    let page = page(view, reader(Role::Operator, "maya.okafor"));
    let failed = text(part(&page, "id=\"reason-failed-checksum_mismatch\"", "</tr>"));
    for words in ["the upload does not match; the last of 12 wordings", "Freeze and retry 17", "3 of the same groups among them"]
    {
        assert!(failed.contains(words), "{words}: {failed}");
    }
}

#[test]
fn reasons_that_the_table_leaves_out_are_counted() {
    let mut view = job(JobState::Running);
    assert!(!page(view.clone(), reader(Role::Operator, "maya.okafor")).contains("more reason"));
    (view.reasons_all, view.reasons_failed) = (61, 60);
    view.row.tally.failed = 140;
    let page = page(view, reader(Role::Operator, "maya.okafor"));
    let read = text(&page);
    assert!(read.contains("59 more reasons for 126 entries All that failed All that were left alone"), "{read}");
    assert!(read.contains("Failed 140 60 reasons"), "{read}");
}

#[test]
fn the_curve_says_who_stopped_it_and_what_was_released_behind_it() {
    let page = page(job(JobState::Running), reader(Role::Operator, "maya.okafor"));
    let chart = part(&page, "id=\"job-rate\"", "</figure>");
    assert!(chart.contains("paused by maya.okafor") && chart.contains("4,300 released behind them"), "{chart}");
    assert!(text(chart).contains("released behind them"), "{chart}");
    let words = "Of 4,906 entries that waited behind them 4,300 are in the log by now, 35 stand as conflicts, 6 were refused, 565 are not in the log.";
    assert!(text(part(&page, "id=\"job-released\"", "</p>")).ends_with(words), "{page}");
    let mut large = job(JobState::Running);
    large.behind = 34_000;
    let page = self::page(large, reader(Role::Operator, "maya.okafor"));
    assert!(text(&page).contains("Of the 4,906 oldest of 34,000 entries that waited behind them"), "{page}");
    let mut none = job(JobState::Running);
    none.released = None;
    let page = self::page(none, reader(Role::Operator, "maya.okafor"));
    let chart = part(&page, "id=\"job-rate\"", "</figure>");
    assert!(!chart.contains("released behind them") && !page.contains("job-released"), "{page}");
}

#[test]
fn each_state_offers_its_own_steps() {
    let offered = |state: JobState| steps(&job(state));
    assert_eq!(offered(JobState::Requested), [JobChange::Approve, JobChange::Refuse, JobChange::Cancel]);
    assert_eq!(offered(JobState::Running), [JobChange::Pause, JobChange::Cancel, JobChange::Undo]);
    assert_eq!(offered(JobState::Paused), [JobChange::Resume, JobChange::Cancel, JobChange::Undo]);
    assert_eq!(offered(JobState::Done), [JobChange::Undo, JobChange::Acknowledge]);
    let mut seen = job(JobState::Undone);
    (seen.undoable, seen.row.acknowledged) = (Undoable::default(), true);
    assert_eq!(steps(&seen), []);
}

#[test]
fn nobody_approves_their_own_job_and_a_viewer_takes_no_step() {
    let view = job(JobState::Requested);
    let operator = step_refused(JobChange::Approve, &view, &reader(Role::Operator, "jonas.lind"));
    assert_eq!(operator.as_deref(), Some("Needs the role product owner or admin; yours is operator"));
    let own = step_refused(JobChange::Approve, &view, &reader(Role::Admin, "maya.okafor"));
    assert_eq!(own.as_deref(), Some("Nobody approves their own change"));
    assert_eq!(step_refused(JobChange::Cancel, &view, &reader(Role::Operator, "maya.okafor")), None, "but they may call it off");
    assert_eq!(step_refused(JobChange::Approve, &view, &reader(Role::ProductOwner, "ines.carvalho")), None);
    assert!(step_refused(JobChange::Cancel, &view, &reader(Role::Viewer, "vera.lind")).is_some());
    assert!(
        step_refused(JobChange::Cancel, &view, &reader(Role::Support, "sue")).is_some(),
        "the job is larger than support may drain"
    );
    let page = page(view, reader(Role::Admin, "maya.okafor"));
    assert!(page.contains("title=\"Nobody approves their own change\""), "{page}");
    assert!(text(&page).contains("ines.carvalho (product owner) or tomasz.wilk (admin) can approve it."), "{page}");
}

#[test]
fn a_step_that_takes_something_says_what_and_asks_why() {
    let page = page(job(JobState::Running), reader(Role::Operator, "maya.okafor"));
    let stop = part(&page, "id=\"step-cancel\"", "</details>");
    assert!(text(stop).contains("Leaves 871 as they are now and 171 where they were."), "{stop}");
    assert!(stop.contains("name=\"remark\"") && stop.contains("value=\"cancel\""), "{stop}");
    let undo = text(part(&page, "id=\"step-undo\"", "</details>"));
    let all = "Puts 860 entries back in their old place under their own ids, calls back 180 entries that no device has fetched and leaves 171 entries where they were.";
    let fixed = "53 entries cannot be taken back: a device has fetched them or acted on them";
    assert!(undo.contains(all) && undo.contains(fixed) && undo.ends_with("Undo 1,211"), "{undo}");
}

#[test]
fn a_job_that_has_done_nothing_yet_says_so_in_each_panel() {
    let mut view = job(JobState::Requested);
    view.row.tally = JobTally { waiting: 3, ..JobTally::default() };
    (view.undoable, view.undo_until, view.forecast, view.running_all) = (Undoable::default(), None, Forecast::default(), 0);
    (view.minutes, view.reasons, view.running) = (Vec::new(), Vec::new(), Vec::new());
    let read = text(&page(view, reader(Role::Admin, "ada.admin")));
    for words in
        ["0 of 3 settled", "Nothing is settled yet", "Nothing has failed yet", "No device is at it", "Nothing has been done yet."]
    {
        assert!(read.contains(words), "{words}: {read}");
    }
    assert!(!read.contains("asleep pick-up forecast") && !read.contains("Nothing failed"), "{read}");
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

#[test]
fn a_drain_whose_entries_are_in_a_file_names_it_and_offers_nothing_that_needs_them() {
    let view = |rolled| {
        let mut view = job(JobState::Done);
        view.row.rolled = rolled;
        view.undoable = Undoable::default();
        view
    };
    let rolled =
        Rolled { at: NOW, file: "rolled/J2291-20260312T143100000Z.ndjson.zst".into(), sha256: "5be240cd".into(), entries: 1_284 };
    let maya = || reader(Role::Operator, "maya.okafor");
    let page = page(view(Some(rolled.clone())), maya());
    let facts = text(part(&page, "id=\"h-job-facts\"", "</dl>"));
    assert!(
        facts.contains("Entries rolled/J2291-20260312T143100000Z.ndjson.zst 1,284 lines") && facts.contains("5be240cd"),
        "{facts}"
    );
    let why = "title=\"Retention of jobs is over: what became of each entry is in rolled/J2291-";
    let failed = part(&page, "id=\"reason-failed-checksum_mismatch\"", "</tr>");
    assert!(failed.contains("aria-disabled=\"true\"") && failed.contains(why), "{failed}");
    let undo = part(&page, "name=\"step\" value=\"undo\"", "</form>");
    assert!(undo.contains("aria-disabled=\"true\"") && undo.contains(why), "{undo}");
    assert!(!steps(&view(None)).contains(&JobChange::Undo), "what is here and cannot be taken back has no button");
    let items = |rolled| {
        let row = view(rolled).row;
        html(
            move || view! { <ItemsView query=ItemsQuery::default() job=row page=crate::pages::fixture::page(Vec::new(), 0) now=NOW/> },
        )
    };
    let list = items(Some(rolled));
    assert!(text(&list).contains("The entries are in a file") && text(&list).contains("rolled/J2291-"), "{list}");
    assert!(!list.contains("/export/drain-items") && items(None).contains("/export/drain-items"), "there is nothing to export");
}
