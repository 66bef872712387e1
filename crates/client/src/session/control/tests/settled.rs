//! What the server has applied while its answer was lost.

use super::*;

#[test]
fn an_entry_that_was_applied_already_is_sent_for_its_answer_and_not_taken_for_uploaded() {
    let mut bench = Bench::enrolled();
    let (lost, bad) = (bench.edit("a", MutationOp::Create, json!({})), bench.edit("b", MutationOp::Create, json!({"n": "text"})));
    bench.push(422, json!({"code": "schema_invalid", "status": 422}));
    bench.hand_over(&[drain("c-1", &[(&lost, "quarantine"), (&bad, "quarantine")])]);
    bench.confirm("c-1", "running");
    bench.expect(Purpose::Escrow);
    let handled = bench.answer(200, json!({"stored": 1, "duplicates": 0, "settled": [lost], "refused": []}));
    assert_eq!(handled.obeyed.as_deref(), Some("c-1"));
    assert_eq!(bench.outbox(), [lost.as_str()], "it has its answer to hear yet");
    let said = bench.said();
    let entries = said["result"]["entries"].as_array().expect("entries");
    let told = |at: usize| (entries[at]["outcome"].as_str(), entries[at]["code"].as_str());
    assert_eq!((told(0), told(1)), ((Some("not_found"), Some("already_applied")), (Some("ok"), None)));
    bench.answer(200, json!({"id": "c-1", "state": "done"}));
    let again = bench.expect(Purpose::Push);
    assert!(again.body.as_deref().is_some_and(|body| body.contains(&lost)), "whatever was in its way");
}

#[test]
fn a_fresh_copy_lets_go_of_what_was_applied_already() {
    let mut bench = Bench::enrolled();
    let lost = bench.edit("a", MutationOp::Create, json!({}));
    bench.hand_over(&[command("c-1", "resync", json!({"scopes": "all", "mode": "escrow"}))]);
    bench.confirm("c-1", "running");
    bench.expect(Purpose::Escrow);
    bench.answer(200, json!({"stored": 0, "duplicates": 0, "settled": [lost], "refused": []}));
    assert_eq!(bench.outbox(), [] as [&str; 0]);
}
