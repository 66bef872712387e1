//! The audit log as its reader sees it.

use super::*;
use crate::pages::fixture::{NOW, html, page, part, text};

fn event(id: i64) -> AuditEvent {
    AuditEvent {
        id,
        at: NOW,
        actor: "user:maya".into(),
        action: "token_revoke".into(),
        subject: Some("token:ci".into()),
        before: Some(r#"{"revoked":false}"#.into()),
        after: Some(r#"{"revoked":true}"#.into()),
        trace_id: Some("req-0199a3c2".into()),
    }
}

fn show(raw: &str, list: Filtered<Page<AuditEvent>>) -> String {
    let query = ListState::parse(&Params::parse(raw)).expect("a valid query");
    html(|| view! { <AuditView query list now=NOW/> })
}

#[test]
fn a_row_says_who_did_what_to_what_and_what_it_changed() {
    let page = show("", Ok(page(vec![event(7)], 1)));
    let row = part(&page, "id=\"audit-7\"", "</tr>");
    for words in ["7", "14:32:07", "user:maya", "token_revoke", "token:ci", "revoked", "req-0199a3c2"] {
        assert!(text(row).contains(words), "{words} is missing in {}", text(row));
    }
}

#[test]
fn actor_action_and_subject_narrow_the_same_list() {
    let page = show("filter=action:token_revoke", Ok(page(vec![event(7)], 1)));
    assert!(
        page.contains("filter=action:token_revoke%20actor:user:maya")
            || page.contains("filter=action:token_revoke%20actor:%22user:maya%22"),
        "{page}"
    );
}

#[test]
fn a_refused_filter_lists_nothing_and_an_empty_log_says_so() {
    let refused = show("filter=colour:red", Err("Unknown key".into()));
    assert!(!refused.contains("<table") && refused.contains("role=\"alert\""));
    assert!(text(&show("", Ok(page(vec![], 0)))).contains("Nothing yet"));
    assert!(text(&show("filter=actor:nobody", Ok(page(vec![], 0)))).contains("No action matches"));
}
