//! The pages of the outbox from hand-made figures.

use serde_json::json;
use tidewatch_domain::drain::{ArchiveOrigin, DrainAction, Keeping, PurgeRun, PurgeState};
use tidewatch_domain::fleet::{
    Attempt, EntryPayload, EntryRow, FailureGroup, OutboxDevice, OutboxEntryView, OutboxFigures, StateTally, Tone, Untold,
};
use tidewatch_domain::redact::{Rules, Secret, Shown, fault_find, redact};
use tidewatch_domain::report::{EntryState, STATES};
use tidewatch_domain::role::Role;
use tidewatch_domain::time::DAY_MS;

use super::devices::DevicesView;
use super::entries::EntriesView;
use super::entry::EntryView;
use super::groups::{GroupsView, state_words, tone, version_words};
use super::pick::Pick;
use super::*;
use crate::pages::fixture::drain::row;
use crate::pages::fixture::{NOW, client, entry, html, lost, outbox_row, page as page_of, part, stuck, text};
use crate::pages::params::ListState;

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
    let entries = |state: EntryState| match state {
        EntryState::Poisoned => 3,
        EntryState::Quarantined => 1_284,
        EntryState::Done => 16,
        _ => 0,
    };
    let tally = |state: EntryState| StateTally { state, entries: entries(state), oldest: None };
    std::sync::Arc::new(OutboxFigures {
        as_of: NOW,
        depth: 18_406,
        devices: 1_106,
        asleep: 68,
        mirrored: 1_303,
        states: EntryState::ALL.map(tally),
        groups_all: groups.len() as u64,
        groups,
        collections: Vec::new(),
    })
}

#[test]
fn the_states_add_up_to_what_is_mirrored_before_everybodys_eyes() {
    let totals = |figures| text(&html(move || view! { <super::totals::Totals figures now=NOW/> }));
    let right = totals(figures(Vec::new()));
    assert!(right.contains("0 + 0 + 0 + 0 + 0 + 3 = 3 listed; 3 + 1,300 drained = 1,303 mirrored adds up"), "{right}");
    let mut wrong = OutboxFigures::clone(&figures(Vec::new()));
    wrong.mirrored = 1_302;
    let wrong = totals(wrong.into());
    assert!(wrong.contains("does not add up to 1,302") && !wrong.contains("mirrored adds up"), "{wrong}");
}

#[test]
fn what_needs_a_person_is_told_from_what_goes_on_by_itself() {
    assert_eq!(tone(&group(9, 1, 0, &[])).0, Tone::Act);
    assert_eq!(tone(&group(9, 0, 0, &[])).0, Tone::Watch);
    assert_eq!(state_words(&group(9, 0, 0, &[])), "will be sent again");
    assert_eq!(state_words(&group(9, 9, 4_906, &[])), "4,906 wait on its devices");
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
fn what_was_drained_is_told_apart_from_what_has_still_to_be_sent() {
    let page = html(|| view! { <GroupsView figures=figures(Vec::new()) now=NOW/> });
    let drained = part(&page, "class=\"drained\"", "</p>");
    assert!(
        text(drained).contains("1,300 entries were drained 1,284 quarantined 16 done not counted above"),
        "{}",
        text(drained)
    );
    assert!(drained.contains("href=\"/outbox/entries?filter=state:quarantined\""), "{drained}");
    let bar = part(&page, "class=\"bar\"", "</div>");
    assert!(!bar.contains("quarantined"), "{bar}");
}

#[test]
fn without_a_failure_the_page_says_that_all_is_well() {
    let page = html(|| view! { <GroupsView figures=figures(Vec::new()) now=NOW/> });
    assert!(page.contains("Nothing has failed"), "{page}");
}

fn states(of: &[(EntryState, u64)]) -> [u64; STATES] {
    EntryState::ALL.map(|state| of.iter().find(|(known, _)| *known == state).map_or(0, |(_, entries)| *entries))
}

#[test]
fn a_device_says_its_worst_state_and_one_that_lists_nothing_says_so() {
    let first = OutboxDevice {
        row: stuck(),
        states: states(&[(EntryState::Poisoned, 9), (EntryState::Waiting, 44), (EntryState::Skipped, 2)]),
    };
    let second = OutboxDevice { row: lost(), states: states(&[]) };
    let list = Ok(page_of(vec![first, second], 2));
    let page = html(|| view! { <DevicesView figures=figures(Vec::new()) query=Default::default() list now=NOW/> });
    let row = part(&page, "id=\"outbox-0199a3c2-0000-7000-8000-000000000412\"", "</tr>");
    assert!(text(row).contains("LOW-TAB-0412 app 4.18.0 Poisoned 53 9 0 44 2 8:11 h"), "{}", text(row));
    assert!(row.contains("/outbox?state=poisoned\""), "{row}");
    let row = text(part(&page, "id=\"outbox-0199a3c2-0000-7000-8000-000000000871\"", "</tr>"));
    assert!(row.contains("not listed 24 last known 0"), "{row}");
}

#[test]
fn an_entry_on_its_way_to_its_device_says_so_in_the_list() {
    let mut row = outbox_row(entry("op-1", EntryState::Poisoned));
    row.pending = Some(DrainAction::ToConflict);
    let list = Ok(page_of(vec![row], 1));
    let page = html(|| {
        view! { <EntriesView figures=figures(Vec::new()) query=Default::default() list fields=vec!["payload.reading.pressure_kpa".into()] now=NOW/> }
    });
    let id = format!("id=\"entry-{}-op-1\"", client(412));
    assert!(text(part(&page, &id, "</tr>")).contains("Poisoned to conflict on its way"), "{page}");
    assert!(page.contains("payload.reading.pressure_kpa:"), "{page}");
}

fn view(state: EntryState, waits_for: Vec<EntryRow>, blocked: Vec<EntryRow>) -> OutboxEntryView {
    let mut row = outbox_row(entry("op-1", state));
    row.blocks = blocked.len() as u64;
    OutboxEntryView {
        row,
        group: Some("5be240cd".into()),
        refused: Some(NOW),
        seen: NOW,
        attempts: vec![Attempt {
            at: NOW,
            code: Some("schema_invalid".into()),
            message: Some("reading: expected a number".into()),
            app_version: Some("4.18.0".into()),
        }],
        blocked,
        waits_for,
        pending: None,
        job: Some("J17".into()),
        clock_ahead_ms: Some(800),
        copy: None,
        original: None,
        untold: None,
    }
}

fn payload(revealed: bool, may_reveal: bool) -> EntryPayload {
    let body = json!({"inspector": "R. Adeyemi", "reading": {"pressure_kpa": 412}});
    let fault = fault_find(&body, "pressure_kpa: text, not number");
    let secret = Secret::new([7; 32]);
    let rules = Rules { secret: &secret, known: &[], fault: fault.as_deref() };
    let shown = if revealed { Shown::plain(&body) } else { redact(&body, rules) };
    let revealed_until = revealed.then(|| NOW.plus(9 * 60_000));
    let (idempotency_key, schema_version) = (Some("k7f1-22ac-9b04".to_owned()), Some(31));
    EntryPayload {
        shown,
        fault,
        revealed_until,
        may_reveal,
        at: NOW,
        origin: ArchiveOrigin::Refused,
        idempotency_key,
        schema_version,
    }
}

fn entry_page(view: OutboxEntryView, payload: Option<EntryPayload>, notice: &str) -> String {
    let notice = notice.to_owned();
    html(|| view! { <EntryView view payload shape=None notice now=NOW/> })
}

#[test]
fn a_redacted_payload_hides_who_and_marks_the_field_at_fault() {
    let page = entry_page(view(EntryState::Poisoned, vec![], vec![]), Some(payload(false, true)), "");
    let shown = part(&page, "class=\"payload", "</pre>");
    assert!(!page.contains("Adeyemi"), "{page}");
    assert!(text(shown).contains("\"inspector\" : person·"), "{}", text(shown));
    assert!(text(part(shown, "data-hit", "</span>")).contains("\"pressure_kpa\" : 412"), "{shown}");
    let form = part(part(&page, "id=\"h-payload\"", "</section>"), "<form", "</form>");
    assert!(
        form.contains("method=\"post\"") && form.contains("/console/outbox/reveal") && form.contains("name=\"reason\""),
        "{form}"
    );
}

#[test]
fn whoever_may_not_reveal_sees_no_form_and_a_bad_reason_is_named() {
    let page = entry_page(view(EntryState::Poisoned, vec![], vec![]), Some(payload(false, false)), "");
    let panel = part(&page, "id=\"h-payload\"", "</section>");
    assert!(!panel.contains("<form") && panel.contains("Support, operators and admins can have it revealed."), "{panel}");
    let page = entry_page(view(EntryState::Poisoned, vec![], vec![]), Some(payload(false, true)), "reason");
    assert!(text(&page).contains("The reason must have 8 to 500 characters Nothing was revealed."), "{}", text(&page));
    assert!(part(&page, "name=\"reason\"", ">").contains("aria-invalid=\"true\""), "{page}");
}

#[test]
fn an_entry_and_its_corrected_copy_lead_to_each_other() {
    let facts = |view| part(&entry_page(view, None, ""), "id=\"h-facts\"", "</section>").to_owned();
    let original = facts(OutboxEntryView { copy: Some("op-2".into()), ..view(EntryState::Done, vec![], vec![]) });
    assert!(text(&original).contains("Corrected by op-2"), "{}", text(&original));
    assert!(original.contains(&format!("href=\"{}\"", paths::trace("op-2"))), "{original}");
    let copy = facts(OutboxEntryView { original: Some("op-0".into()), ..view(EntryState::Queued, vec![], vec![]) });
    assert!(text(&copy).contains("Corrects op-0"), "{}", text(&copy));
    let alone = text(&facts(view(EntryState::Queued, vec![], vec![])));
    assert!(!alone.contains("Correct"), "{alone}");
}

#[test]
fn an_entry_says_what_its_device_has_not_been_told_yet_and_when_it_is_said_again() {
    let told = |again: Option<Millis>| {
        let untold = Untold { action: DrainAction::Retry, command: "c-1".into(), since: NOW.plus(-60_000), times: 1, again };
        let view = OutboxEntryView { untold: Some(untold), ..view(EntryState::Done, vec![], vec![]) };
        let facts = part(&entry_page(view, None, ""), "id=\"h-facts\"", "</section>").to_owned();
        assert!(facts.contains(&format!("href=\"{}\"", paths::command("c-1"))), "{facts}");
        text(&facts)
    };
    let open = told(None);
    assert!(open.contains("Device not told yet Retry , since 14:31:07 its command waits for it."), "{open}");
    let due = told(Some(NOW));
    assert!(due.contains("said again when it asks next. Until then it keeps its own copy, and what waits behind it."), "{due}");
    assert!(told(Some(NOW.plus(60_000))).contains("said again when it asks after"), "it pauses");
    let heard = text(&entry_page(view(EntryState::Done, vec![], vec![]), None, ""));
    assert!(!heard.contains("not told"), "{heard}");
}

#[test]
fn what_a_device_has_given_up_says_that_it_was_the_device() {
    let mut given_up = view(EntryState::Poisoned, vec![], vec![]);
    given_up.refused = None;
    let of_device = EntryPayload { origin: ArchiveOrigin::Reported, ..payload(false, true) };
    let read = text(&entry_page(given_up, Some(of_device), ""));
    for words in [
        "Its device has put it among its own dead letters",
        "not by this server; it comes from the dead letters of the device",
        "from the dead letters of its device",
    ] {
        assert!(read.contains(words), "{words}: {read}");
    }
    assert!(!read.contains("This server refused it"), "{read}");
}

#[test]
fn a_revealed_payload_says_to_whom_and_how_long() {
    let page = entry_page(view(EntryState::Poisoned, vec![], vec![]), Some(payload(true, true)), "");
    let panel = part(&page, "id=\"h-payload\"", "</section>");
    assert!(panel.contains("R. Adeyemi") && !panel.contains("<form"), "{panel}");
    assert!(text(&page).contains("Shown to you alone for 9 min more."), "{}", text(&page));
}

#[test]
fn a_payload_that_only_the_device_has_is_said_to_be_there() {
    assert!(text(&entry_page(view(EntryState::Retrying, vec![], vec![]), None, "")).contains("Still on the device"));
}

#[test]
fn an_entry_says_what_a_repeat_is_known_by_in_which_schema_and_by_which_clock_it_was_made() {
    let facts = |page: &str| text(part(page, "id=\"h-facts\"", "</section>"));
    let known = facts(&entry_page(view(EntryState::Poisoned, vec![], vec![]), Some(payload(false, true)), ""));
    for words in ["Idempotency k7f1-22ac-9b04", "schema 31", "by the clock of the device, 0.8 s ahead when last measured"] {
        assert!(known.contains(words), "{words}: {known}");
    }
    let slow = OutboxEntryView { clock_ahead_ms: Some(-252_000), ..view(EntryState::Poisoned, vec![], vec![]) };
    let slow = facts(&entry_page(slow, None, ""));
    assert!(slow.contains("4 min behind when last measured"), "{slow}");
    assert!(!slow.contains("Idempotency") && !slow.contains("schema 31"), "what has no data is not there: {slow}");
    let unmeasured = OutboxEntryView { clock_ahead_ms: None, ..view(EntryState::Poisoned, vec![], vec![]) };
    assert!(!facts(&entry_page(unmeasured, None, "")).contains("clock"));
}

fn run() -> PurgeRun {
    PurgeRun {
        id: "P3".into(),
        state: PurgeState::Done,
        actor: "system".into(),
        reason: None,
        created: NOW,
        finished: Some(NOW),
        entries: 8,
        removed: 7,
        file: Some("purged/P3.ndjson.zst".into()),
        sha256: Some("5be240cd".into()),
        span: None,
        detail: None,
        retention: tidewatch_domain::drain::Retention::default(),
    }
}

#[test]
fn what_was_given_up_says_how_long_it_is_kept_and_what_was_purged_where_its_export_is() {
    let mut kept = view(EntryState::Discarded, vec![], vec![]);
    kept.row.keeping = Some(Keeping::Until(NOW.plus(29 * DAY_MS)));
    let page = entry_page(kept.clone(), Some(payload(false, true)), "");
    assert!(text(part(&page, "id=\"h-facts\"", "</section>")).contains("Retention purged in 29 d"), "{page}");
    assert!(text(part(&page, "id=\"h-actions\"", "</section>")).contains("Restore"), "{page}");
    kept.row.keeping = Some(Keeping::Purged { at: NOW, run: "P3".into() });
    let page = html(|| view! { <EntryView view=kept payload=None shape=None notice=String::new() purge=Some(run()) now=NOW/> });
    let actions = part(&page, "id=\"h-actions\"", "</section>");
    assert!(!actions.contains("<form") && text(actions).contains("it cannot be restored"), "{actions}");
    let panel = text(part(&page, "id=\"h-payload\"", "</section>"));
    for words in ["P3", "7 of 8 entries, by the clock", "purged/P3.ndjson.zst", "5be240cd"] {
        assert!(panel.contains(words), "{words}: {panel}");
    }
    assert!(text(&page).contains("Purged. It was given up"), "{page}");
}

#[test]
fn an_entry_names_what_it_waits_for_and_what_waits_behind_it() {
    let before = entry("op-0", EntryState::Poisoned);
    let behind = entry("op-2", EntryState::Waiting);
    let page = entry_page(view(EntryState::Waiting, vec![before], vec![behind]), None, "");
    let waits = text(part(&page, "id=\"h-waits\"", "</section>"));
    assert!(waits.contains("op-0") && waits.contains("Poisoned") && !waits.contains("op-2"), "{waits}");
    let blocked = text(part(&page, "id=\"h-blocked\"", "</section>"));
    assert!(blocked.contains("op-2") && !blocked.contains("op-0"), "{blocked}");
    assert!(text(&page).contains("J17"), "{page}");
}

#[test]
fn the_rail_counts_groups_that_need_a_person() {
    let badge = |groups| text(&html(move || view! { <crate::shell::rail::GroupsBadge groups/> }));
    assert_eq!(badge(1), "1 , need a person");
    assert_eq!(badge(100), "99+ , need a person");
}

fn entries(role: Role, problem: Option<&str>) -> String {
    let rows = vec![row("op_01KKH2B4XYZ9V8RM"), row("op_01KKH2B7XYZ90ZD6")];
    let list: Entries = Ok(crate::pages::fixture::page(rows, 1_284));
    let query = ListState { filter: "state:poisoned".into(), ..ListState::default() };
    let back = "/outbox/entries?filter=state:poisoned".to_owned();
    let pick = Pick { signature: None, role: Some(role), back, problem: problem.map(str::to_owned) };
    html(move || view! { <EntriesView figures=figures(Vec::new()) query list fields=Vec::new() pick now=NOW/> })
}

#[test]
fn entries_are_ticked_one_by_one_and_all_that_match_is_a_choice_of_its_own() {
    let page = entries(Role::Operator, None);
    let form = part(&page, "action=\"/console/drain/freeze\"", "</form>");
    assert!(form.contains("class=\"pick\""), "{form}");
    assert_eq!(form.matches("name=\"entries[]\"").count(), 2);
    assert!(form.contains(&format!("value=\"{}/op_01KKH2B4XYZ9V8RM\"", crate::pages::fixture::client(412))), "{form}");
    assert!(form.contains("name=\"all\" value=\"1\"") && text(form).contains("All 1,284 that match"), "{form}");
    assert!(form.contains("name=\"filter\" value=\"state:poisoned\""), "{form}");
    assert!(!form.contains("checked"), "nothing is ticked for anybody");
    for verb in ["Retry", "Hold", "Skip", "Patch and requeue", "Turn into conflict", "Quarantine", "Discard"] {
        assert!(text(form).contains(verb), "{verb}");
    }
    assert!(!text(form).contains("Restore"), "nothing here was drained");
}

#[test]
fn a_viewer_sees_the_actions_and_the_role_that_they_need() {
    let page = entries(Role::Viewer, None);
    assert!(page.contains("title=\"Needs the role support, operator or admin; yours is viewer\""), "{page}");
    assert!(!part(&page, "action=\"/console/drain/freeze\"", "</form>").contains("type=\"submit\""), "{page}");
}

#[test]
fn a_form_that_nothing_was_ticked_in_says_so_when_it_leads_back() {
    let read = text(&entries(Role::Operator, Some("entry")));
    assert!(read.contains("Nothing is selected Tick the entries first, or choose all that match."), "{read}");
}
