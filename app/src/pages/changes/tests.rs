//! The log explorer as its reader sees it.

use super::*;
use crate::pages::fixture::{NOW, change, client, html, page, part, text};

fn show(raw: &str, list: Filtered<Page<ChangeRow>>) -> String {
    let query = ListState::parse(&Params::parse(raw)).expect("a valid query");
    html(|| view! { <ChangesView query list now=NOW/> })
}

#[test]
fn a_row_says_what_changed_where_by_whom_and_how_it_was_decided() {
    let page = show("", Ok(page(vec![change(8_812_406)], 1)));
    let row = part(&page, "id=\"seq-8812406\"", "</tr>");
    for words in [
        "8,812,406",
        "14:31:07",
        "clock corrected",
        "inspections",
        "INS-40217",
        "update",
        "to v13",
        "status, reading, note, photos",
        "and 2 more",
        "building:42",
        "LOW-TAB-0412",
        "merged",
    ] {
        assert!(text(row).contains(words), "{words} is missing in {}", text(row));
    }
    assert!(row.contains("title=\"2026-03-12 14:31:07 UTC\""), "the exact time");
    assert!(row.contains("href=\"/operations/op_01KKH2B4XYZ9V8RM\""), "the trace");
    assert!(row.contains(&format!("href=\"/devices/{}\"", client(412))), "the device");
}

#[test]
fn a_collection_or_scope_narrows_the_same_list() {
    let page = show("filter=op:update", Ok(page(vec![change(7)], 1)));
    assert!(page.contains("href=\"/log?filter=op:update%20collection:inspections\""));
    assert!(
        page.contains("href=\"/log?filter=op:update%20scope:building:42\"")
            || page.contains("filter=op:update%20scope:%22building:42%22"),
        "{page}"
    );
}

#[test]
fn a_control_row_has_no_record_and_no_device() {
    let mut row = change(1);
    (row.collection, row.record_id, row.scope, row.operation_id) = (String::new(), String::new(), String::new(), String::new());
    (row.op, row.version, row.client_id, row.hlc_claimed, row.changed) = ("genesis", 0, None, None, Vec::new());
    let page = show("", Ok(page(vec![row], 1)));
    let shown = text(part(&page, "id=\"seq-1\"", "</tr>"));
    assert!(shown.contains("control row") && shown.contains("genesis") && shown.contains("this console"), "{shown}");
    assert!(!shown.contains("clock corrected"));
}

#[test]
fn a_refused_filter_lists_nothing() {
    let page = show("filter=colour:red", Err("Unknown key".into()));
    assert!(!page.contains("<table") && page.contains("role=\"alert\""));
    assert!(!page.contains("/export/"));
}

#[test]
fn the_log_pages_to_older_and_newer_and_exports_what_matches() {
    let mut list = page(vec![change(7)], 40);
    (list.next, list.previous) = (Some("6".into()), Some("7".into()));
    let page = show("filter=op:put&after=8", Ok(list));
    assert!(
        page.contains("href=\"/log?filter=op:put&amp;after=6\"") && page.contains("href=\"/log?filter=op:put&amp;before=7\"")
    );
    assert!(
        page.contains("href=\"/export/changes.csv?filter=op:put\"")
            && page.contains("href=\"/export/changes.ndjson?filter=op:put\"")
    );
}

#[test]
fn an_operation_can_be_looked_for_by_its_id() {
    let page = show("", Ok(page(vec![], 0)));
    let form = part(&page, "action=\"/operations\"", "</form>");
    assert!(form.contains("name=\"id\""));
    assert!(text(&page).contains("No changes yet"));
}
