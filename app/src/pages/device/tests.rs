//! A device's pages as their reader sees them.

use super::*;
use crate::pages::fixture::{NOW, client, device_view, entry, html, outbox_row, page, part, stuck, text};
use tidewatch_domain::fleet::{EntryRow, TimelineEvent, TimelineKind, Tone};

fn outbox(raw: &str, rows: Vec<EntryRow>, tallies: Vec<(EntryState, u64)>, depth: Option<i64>) -> String {
    let query = OutboxQuery::parse(&Params::parse(raw)).expect("a valid query");
    let mut row = stuck();
    row.queue_depth = depth;
    let list = page(rows.into_iter().map(outbox_row).collect(), 2);
    html(|| view! { <OutboxTab view=device_view(row) query page=list tallies now=NOW/> })
}

fn timeline(raw: &str, rows: Vec<TimelineEvent>) -> String {
    let query = TimelineQuery::parse(&Params::parse(raw)).expect("a valid query");
    let list = page(rows, 1);
    html(|| view! { <TimelineTab view=device_view(stuck()) query page=list now=NOW/> })
}

#[test]
fn the_head_says_condition_contact_and_reason_and_marks_the_shut_gate() {
    let shown = html(|| view! { <DeviceHead view=device_view(stuck()) tab=Tab::Outbox now=NOW/> });
    assert!(
        text(&shown).contains(
            "Stuck for 8:11 h. 9 entries were rejected and 44 entries wait behind. It checked in 3 min ago, on its own rhythm."
        ),
        "{}",
        text(&shown)
    );
    assert!(text(&shown).contains("Drift age 8:11 h"));
    assert!(text(part(&shown, "data-state=\"blocked\"", "</li>")).contains("Pushed, not acknowledged"));
    assert!(text(&shown).contains("last pull 14:29:04, 0 changes behind"), "{}", text(&shown));
    let current = part(&shown, "aria-current=\"page\"", "</a>");
    assert!(text(current).contains("Outbox 53"), "{current}");
}

#[test]
fn facts_that_were_not_reported_say_so() {
    let shown = text(&timeline("", vec![]));
    assert!(shown.contains("Network cellular") && shown.contains("Storage not reported"), "{shown}");
}

#[test]
fn convergence_names_each_collection_with_its_verdict() {
    let page = timeline("", vec![]);
    let shown = text(part(&page, "id=\"h-convergence\"", "</section>"));
    for words in ["inspections 9 entries stuck Blocked", "assets at seq 8,812,406 Identical", "photos Not reported"] {
        assert!(shown.contains(words), "{words} is missing in {shown}");
    }
}

#[test]
fn a_score_without_enough_data_has_no_number_but_its_coverage() {
    let page = timeline("", vec![]);
    let shown = text(part(&page, "id=\"h-score\"", "</section>"));
    assert!(shown.contains("71 of 100, from 90 % of its inputs"), "{shown}");
    assert!(shown.contains("Battery not enough data 20 % reported"), "{shown}");
}

#[test]
fn an_event_leads_to_the_trace_of_its_operation_and_kinds_are_links() {
    let event = TimelineEvent {
        at: NOW,
        kind: TimelineKind::Sync,
        tone: Tone::Act,
        title: "Push rejected".into(),
        detail: "9 refused with 422".into(),
        operation_id: Some("op-1".into()),
    };
    let page = timeline("kind=sync", vec![event]);
    assert!(text(&page).contains("Push rejected 9 refused with 422 op-1"), "{}", text(&page));
    assert!(page.contains("href=\"/operations/op-1\""));
    let id = client(412);
    assert!(page.contains(&format!("href=\"/devices/{id}?kind=conflict\"")));
    assert!(text(part(&page, "aria-current=\"true\"", "</a>")).contains("Sync"));
}

#[test]
fn a_cut_digest_says_how_much_of_it_is_shown() {
    let tallies = vec![(EntryState::Poisoned, 9), (EntryState::Queued, 491), (EntryState::Quarantined, 3)];
    let shown = text(&outbox("", vec![entry("op-1", EntryState::Poisoned)], tallies, Some(1_204)));
    assert!(shown.contains("showing the 500 worst of 1,204"), "{shown}");
    assert!(shown.contains("All 500 Poisoned 9 Queued 491 Quarantined 3"), "{shown}");
}

#[test]
fn an_entry_shows_its_error_its_tries_and_what_it_waits_for() {
    let mut waiting = entry("op-2", EntryState::Waiting);
    waiting.error = None;
    waiting.depends_on = vec!["op-1".into(), "op-0".into()];
    let tallies = vec![(EntryState::Poisoned, 1), (EntryState::Waiting, 1)];
    let page = outbox("", vec![entry("op-1", EntryState::Poisoned), waiting], tallies, Some(2));
    let first = text(part(&page, "id=\"op-op-1\"", "</tr>"));
    for words in
        ["Poisoned", "op-1", "inspections/INS-40217", "422 schema_invalid", "pressure_kpa is text", "5", "8:00 h", "1.9 kB"]
    {
        assert!(first.contains(words), "{words} is missing in {first}");
    }
    let row = part(&page, "id=\"op-op-1\"", "</tr>");
    assert!(row.contains(&format!("href=\"/outbox/entries/{}/op-1\"", client(412))), "the entry: {row}");
    assert!(row.contains("href=\"/operations/op-1\""), "and its trace: {row}");
    let second = part(&page, "id=\"op-op-2\"", "</tr>");
    assert!(second.contains("href=\"/operations/op-1\"") && text(second).contains("and 1 more"), "{}", text(second));
}

#[test]
fn an_empty_outbox_is_good_news_and_an_unreported_one_is_not() {
    assert!(text(&outbox("", vec![], vec![], Some(0))).contains("The outbox is empty"));
    assert!(text(&outbox("", vec![], vec![], None)).contains("Not reported"));
    assert!(text(&outbox("state=held", vec![], vec![], Some(3))).contains("No entry is held"));
}
