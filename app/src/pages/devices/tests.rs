//! The device table as its reader sees it: rows, marks of what is unknown, links that carry the state, and the three kinds of empty.

use tidewatch_domain::fleet::{DeviceList, DeviceRow, FleetCounts};

use super::query::DevicesQuery;
use super::*;
use crate::pages::fixture::{NOW, client, counts, devices, html, lost, never, part, stuck, text};
use crate::pages::params::Params;

fn show(raw: &str, list: Filtered<DeviceList>) -> String {
    show_of(raw, list, counts())
}

fn show_of(raw: &str, list: Filtered<DeviceList>, counts: FleetCounts) -> String {
    let query = DevicesQuery::parse(&Params::parse(raw)).expect("a valid query");
    html(|| view! { <DevicesView model=Model { query, counts, list, now: NOW }/> })
}

fn row_text(row: DeviceRow) -> String {
    let id = row.client_id.to_string();
    let page = show("", Ok(devices(vec![row])));
    text(part(&page, &format!("id=\"dev-{id}\""), "</tr>"))
}

#[test]
fn a_stuck_device_says_what_is_the_matter_in_every_column() {
    let shown = row_text(stuck());
    for words in [
        "Stuck",
        "9 rejected",
        "LOW-TAB-0412",
        "R. Adeyemi",
        "Android 14",
        "4.18.0",
        "3 min ago",
        "every 15 min",
        "53",
        "9 rejected",
        "8:11 h",
        "not acked",
        "78%",
        "71",
    ] {
        assert!(shown.contains(words), "{words} is missing in: {shown}");
    }
}

#[test]
fn figures_of_a_device_out_of_contact_are_boxed_as_last_known() {
    let id = lost().client_id;
    let page = show("", Ok(devices(vec![lost()])));
    let row = part(&page, &format!("id=\"dev-{id}\""), "</tr>");
    let queue = part(row, "data-label=\"Queue\"", "</td>");
    assert!(queue.contains("class=\"unsure\"") && queue.contains("last known"), "{queue}");
    assert!(text(row).contains("overdue, 12 or more missed"), "{}", text(row));
}

#[test]
fn what_was_never_reported_is_unknown_and_never_zero() {
    let id = never().client_id;
    let page = show("columns=queue,oldest,drift,score,behind,battery", Ok(devices(vec![never()])));
    let row = part(&page, &format!("id=\"dev-{id}\""), "</tr>");
    for label in ["Queue", "Oldest op", "Drift", "Score", "Behind"] {
        let cell = text(part(row, &format!("data-label=\"{label}\""), "</td>"));
        assert!(cell.ends_with("unknown"), "{label}: {cell}");
    }
    let battery = text(part(row, "data-label=\"Battery\"", "</td>"));
    assert!(battery.ends_with('—'), "a desktop has no battery to report: {battery}");
}

#[test]
fn every_row_is_keyed_by_its_device_and_leads_to_it() {
    let page = show("", Ok(devices(vec![stuck(), lost(), never()])));
    for n in [412, 871, 21] {
        assert!(page.contains(&format!("id=\"dev-{}\"", client(n))), "row {n}");
        assert!(page.contains(&format!("href=\"/devices/{}\"", client(n))), "link {n}");
    }
}

#[test]
fn sorting_tabs_and_chips_are_links_that_keep_the_rest_of_the_state() {
    let page = show("filter=platform:ios%20queue:%3E3&sort=queue&columns=queue", Ok(devices(vec![stuck()])));
    assert!(page.contains("aria-sort=\"descending\""));
    let queue_head = part(&page, "<thead", "</thead>");
    assert!(
        queue_head.contains("href=\"/devices?filter=platform:ios%20queue:%3E3&amp;sort=name&amp;columns=device,queue\""),
        "{queue_head}"
    );
    assert!(
        page.contains("href=\"/devices?filter=condition:stuck&amp;sort=queue&amp;columns=device,queue\""),
        "the tab of stuck devices"
    );
    let chip = part(&page, "class=\"chip\"", "</span>");
    assert!(chip.contains("href=\"/devices?filter=queue:%3E3&amp;sort=queue&amp;columns=device,queue\""), "{chip}");
}

#[test]
fn exports_have_the_filter_order_and_columns_of_the_page() {
    let page = show("filter=platform:ios&sort=queue&columns=queue&after=k", Ok(devices(vec![stuck()])));
    for kind in ["csv", "json"] {
        let href = format!("href=\"/export/devices.{kind}?filter=platform:ios&amp;sort=queue&amp;columns=device,queue\"");
        assert!(page.contains(&href), "{kind}");
    }
}

#[test]
fn the_counts_make_one_true_sentence_and_the_views() {
    let page = show("", Ok(devices(vec![stuck()])));
    assert!(
        text(&page).contains("2,418 devices. 212 stuck, 3 diverged, 71 stalling; 315 are late by their own rhythm."),
        "{}",
        text(&page)
    );
    let views = text(part(&page, "class=\"views\"", "</nav>"));
    assert!(
        views.contains("All 2,418")
            && views.contains("Stuck 212")
            && views.contains("Overdue 311")
            && views.contains("Never synced 16"),
        "{views}"
    );
}

#[test]
fn a_refused_filter_lists_nothing_and_can_be_mended_in_its_field() {
    let page = show("filter=colour:red", Err("Unknown key \"colour\" at 1; did you mean \"collection\"?".into()));
    assert!(!page.contains("<table"), "no row may be listed");
    assert!(part(&page, "role=\"alert\"", "</p>").contains("did you mean"));
    let field = part(&page, "id=\"filter\"", ">");
    assert!(field.contains("value=\"colour:red\"") && field.contains("aria-invalid=\"true\""), "{field}");
    assert!(!page.contains("/export/"), "nothing to export either");
}

#[test]
fn the_three_kinds_of_empty_are_told_apart() {
    let nobody = FleetCounts::default();
    assert!(text(&show_of("", Ok(devices(vec![])), nobody)).contains("No devices yet"));
    assert!(text(&show("filter=condition:stuck", Ok(devices(vec![])))).contains("No device is stuck"));
    let no_match = show("filter=platform:tvos", Ok(devices(vec![])));
    assert!(text(&no_match).contains("None of 2,418 devices match"));
    assert!(part(&no_match, "class=\"empty\"", "</section>").contains("href=\"/devices\""), "the way out");
    assert!(text(&show("after=gone", Ok(devices(vec![])))).contains("Nothing on this page"));
}

#[test]
fn the_column_chooser_is_a_form_that_keeps_filter_and_order() {
    let page = show("filter=platform:ios&sort=queue", Ok(devices(vec![stuck()])));
    let form = part(&page, "aria-label=\"Columns in this view\"", "</form>");
    for hidden in ["name=\"filter\" value=\"platform:ios\"", "name=\"sort\" value=\"queue\"", "name=\"columns\" value=\"device\""]
    {
        assert!(form.contains(hidden), "{hidden} in {form}");
    }
    assert!(form.contains("type=\"submit\""));
}

#[test]
fn pages_go_on_and_back_by_key() {
    let mut list = devices(vec![stuck()]);
    list.page.next = Some("k2".into());
    list.page.previous = Some("k0".into());
    let page = show("after=k1", Ok(list));
    assert!(page.contains("rel=\"prev\" href=\"/devices?before=k0\""));
    assert!(page.contains("rel=\"next\" href=\"/devices?after=k2\""));
}
