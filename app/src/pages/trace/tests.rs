//! Traces as their reader sees them: applied, refused, and still under way.

use super::*;
use crate::pages::fixture::{NOW, client, html, part, stage, text, trace};

fn show(trace: Trace) -> String {
    html(|| view! { <TraceView trace now=NOW/> })
}

#[test]
fn an_applied_operation_ends_with_those_who_pulled_it() {
    let stages = ["enqueued", "received", "decided", "committed", "pulled"];
    let stages = stages.into_iter().zip([9, 8, 7, 6, 5]).map(|(name, ago)| stage(name, ago, Tone::Good)).collect();
    let page = show(trace(Some("applied"), stages));
    assert!(text(&page).contains("Applied. 3 of 12 devices of its scope have pulled past it."), "{}", text(&page));
    let life = text(part(&page, "class=\"lifeline\"", "</ol>"));
    for words in ["Enqueued , done", "Applied , done", "Committed , done", "Pulled by , done 3 of 12 devices"] {
        assert!(life.contains(words), "{words} is missing in {life}");
    }
    assert!(text(&page).contains("3 min from 14:23:07 to the commit"), "{}", text(&page));
}

#[test]
fn a_rejected_operation_stops_at_its_verdict() {
    let stages = vec![stage("enqueued", 9, Tone::Idle), stage("received", 8, Tone::Idle), stage("decided", 8, Tone::Act)];
    let mut rejected = trace(Some("rejected"), stages);
    rejected.pulled = None;
    rejected.shape = None;
    let page = show(rejected);
    let life = text(part(&page, "class=\"lifeline\"", "</ol>"));
    assert!(life.contains("Rejected , failed") && life.contains("Committed , still to come"), "{life}");
    assert!(text(&page).contains("kept as a dead letter"));
    assert!(text(&page).contains("No body"));
}

#[test]
fn an_operation_without_an_answer_is_under_way() {
    let mut waiting = trace(None, vec![stage("enqueued", 9, Tone::Idle), stage("received", 1, Tone::Run)]);
    waiting.pulled = None;
    let page = show(waiting);
    let life = text(part(&page, "class=\"lifeline\"", "</ol>"));
    assert!(life.contains("Received , under way") && life.contains("Decided , still to come"), "{life}");
    assert!(text(&page).contains("No final answer yet."));
}

#[test]
fn a_stage_that_was_missed_on_the_way_is_not_called_done() {
    let page = show(trace(Some("applied"), vec![stage("committed", 6, Tone::Good)]));
    let life = text(part(&page, "class=\"lifeline\"", "</ol>"));
    assert!(life.contains("Enqueued , unseen Received , unseen Applied , unseen"), "{life}");
}

#[test]
fn the_subject_leads_to_its_record_and_its_device() {
    let page = show(trace(Some("applied"), vec![]));
    assert!(page.contains("href=\"/log?filter=collection:inspections%20record:INS-40217\""));
    assert!(page.contains(&format!("href=\"/devices/{}\"", client(412))));
}
