//! Paths survive the trip through a URL.

use tidewatch_domain::fleet::Target;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::TimeRange;

use super::*;

#[test]
fn a_filter_survives_the_trip_through_the_url() {
    for filter in ["platform:ios -version:<4.2 lag:>=1h queue:>100", "name:\"Ä & b\"", "label.region:north+south", "100%"] {
        let path = devices(filter);
        let (head, query) = path.split_once('?').expect("a filter makes a query");
        assert_eq!(head, DEVICES);
        assert_eq!(query_value(query, "filter").as_deref(), Some(filter));
    }
}

#[test]
fn a_filter_bar_adds_to_the_filter_it_was_given() {
    assert_eq!(query_joined("?filter=platform:ios&sort=queue&filter=queue:%3E5", "filter"), "platform:ios queue:>5");
    assert_eq!(query_joined("filter=&filter=+", "filter"), "");
}

#[test]
fn defaults_leave_no_trace_in_the_url() {
    assert_eq!(overview(TimeRange::Day, false), "/");
    assert_eq!(overview(TimeRange::Week, true), "/?range=7d&compare=1");
    assert_eq!(devices(""), "/devices");
    assert_eq!(sign_in("/", ""), "/sign-in");
}

#[test]
fn sign_in_leads_back_inside_only() {
    assert_eq!(local("/devices?filter=queue:%3E100"), "/devices?filter=queue:%3E100");
    for outside in
        ["https://example.org/", "//example.org", "/\\example.org", "javascript:alert(1)", "", "/a\nb", "/sign-in?next=/"]
    {
        assert_eq!(local(outside), OVERVIEW, "{outside:?} must not be followed");
    }
}

#[test]
fn the_way_back_keeps_its_own_query() {
    let path = sign_in("/devices?filter=a&sort=queue", "expired");
    let (_, query) = path.split_once('?').expect("next makes a query");
    assert_eq!(query_value(query, "next").as_deref(), Some("/devices?filter=a&sort=queue"));
    assert_eq!(query_value(query, "notice").as_deref(), Some("expired"));
}

#[test]
fn the_forms_post_to_the_actions_that_there_are() {
    use server_fn::ServerFn;

    use crate::actions::commands::{CommandCancel, CommandSend};
    use crate::actions::drain::{DrainAgain, DrainChoose, DrainFreeze, DrainStart, DrainStep};
    let posted = [DRAIN_FREEZE, DRAIN_CHOOSE, DRAIN_START, DRAIN_STEP, DRAIN_AGAIN, COMMAND_SEND, COMMAND_CANCEL];
    let there = [
        DrainFreeze::PATH,
        DrainChoose::PATH,
        DrainStart::PATH,
        DrainStep::PATH,
        DrainAgain::PATH,
        CommandSend::PATH,
        CommandCancel::PATH,
    ];
    assert_eq!(posted, there);
}

#[test]
fn every_target_has_a_path() {
    let id = ClientId::parse("0192f1c2-0000-7000-8000-000000000001").expect("a lower-case UUID");
    assert_eq!(target(&Target::Device(id)), "/devices/0192f1c2-0000-7000-8000-000000000001");
    assert_eq!(target(&Target::Devices("condition:stuck".into())), "/devices?filter=condition:stuck");
    assert_eq!(target(&Target::Changes("collection:notes".into())), "/log?filter=collection:notes");
    assert_eq!(target(&Target::Drain("J7".into())), "/outbox/jobs/J7");
    assert_eq!(target(&Target::Console), "/#console");
    assert_eq!(target(&Target::Trace("op_1:a".into())), "/operations/op_1:a");
}

#[test]
fn broken_escapes_stay_as_they_are() {
    assert_eq!(decode("100%"), "100%");
    assert_eq!(decode("%zz+%41"), "%zz A");
}
