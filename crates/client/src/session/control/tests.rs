//! The control round against scripted answers.

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use tidewatch_domain::sync::MutationOp;
use tidewatch_protocol::keys::bytes_written;
use tidewatch_protocol::v1::control::command_bytes;

use super::super::tests::{Bench, page, results};
use super::super::{Action, Handled};
use crate::wire::Purpose;

mod settled;

const DEVICE: &str = "0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn keys() -> Value {
    let public = bytes_written(&key().verifying_key().to_bytes());
    json!({"keys": [{"kid": "k1", "alg": "ed25519", "public_key": public, "created_at": "2026-11-26T00:00:00.000Z"}]})
}

fn command(id: &str, kind: &str, args: Value) -> Value {
    let mut command = json!({"id": id, "client_id": DEVICE, "kind": kind, "args": args, "priority": 2, "kid": "k1"});
    let signature = key().sign(&command_bytes(&command)).to_bytes();
    command["sig"] = json!(bytes_written(&signature));
    command
}

fn drain(id: &str, entries: &[(&str, &str)]) -> Value {
    let entries: Vec<Value> =
        entries.iter().map(|(operation, action)| json!({"operation_id": operation, "action": action})).collect();
    command(id, "drain", json!({"entries": entries}))
}

fn handed(commands: &[Value]) -> Value {
    json!({"commands": commands, "policy": {"collections_revision": 12}})
}

impl Bench {
    /// A look at the control channel brings these commands; keys are fetched when they are not known.
    fn hand_over(&mut self, commands: &[Value]) {
        self.client.control_begin();
        self.expect(Purpose::Commands);
        self.answer(200, handed(commands));
        if self.client.state().commands.keys().is_empty() {
            self.expect(Purpose::ControlKeys);
            self.answer(200, keys());
        }
    }

    fn confirm(&mut self, id: &str, state: &str) -> Handled {
        self.expect(Purpose::CommandStatus);
        self.answer(200, json!({"id": id, "state": state}))
    }

    fn said(&mut self) -> Value {
        let request = self.expect(Purpose::CommandStatus);
        serde_json::from_str(request.body.as_deref().expect("a body")).expect("JSON")
    }
}

fn reject(bench: &mut Bench, operation: &str) {
    bench.push(
        200,
        results(&[
            json!({"operation_id": operation, "status": "rejected", "problem": {"code": "schema_invalid", "status": 422}}),
        ]),
    );
    bench.expect(Purpose::Pull);
    bench.answer(200, page("c2", &[], None));
}

#[test]
fn a_client_whose_pushes_are_refused_for_ever_still_asks_for_commands() {
    let mut bench = Bench::enrolled();
    bench.edit("a", MutationOp::Create, json!({}));
    bench.push(422, json!({"code": "schema_invalid", "status": 422}));
    assert!(matches!(bench.next(), Action::Wait(_)), "the sync backs off");
    bench.client.control_begin();
    bench.expect(Purpose::Commands);
    bench.answer(200, handed(&[]));
    assert!(matches!(bench.next(), Action::Wait(_)), "and goes on backing off");
    bench.later();
    bench.expect(Purpose::Push);
    bench.answer(403, json!({"code": "client_blocked", "status": 403}));
    assert!(matches!(bench.next(), Action::Stopped(_)));
    bench.client.control_begin();
    bench.expect(Purpose::Commands);
}

#[test]
fn a_quarantined_entry_is_uploaded_before_it_goes_and_what_was_behind_it_flows() {
    let mut bench = Bench::enrolled();
    let bad = bench.edit("a", MutationOp::Create, json!({"n": "text"}));
    let behind = bench.edit("a", MutationOp::Update, json!({"n": 1}));
    bench.client.round_begin();
    bench.expect(Purpose::Push);
    bench.answer(
        200,
        results(&[
            json!({"operation_id": bad, "status": "rejected", "problem": {"code": "schema_invalid", "status": 422}}),
            json!({"operation_id": behind, "status": "deferred", "problem": {"code": "dependency_missing", "retry_after_ms": 1}}),
        ]),
    );
    bench.expect(Purpose::Pull);
    bench.answer(200, page("c2", &[], None));
    bench.hand_over(&[drain("c-1", &[(&bad, "quarantine"), ("nobody", "retry")])]);
    bench.confirm("c-1", "running");
    let upload = bench.expect(Purpose::Escrow);
    assert_eq!(upload.path, "/control/escrow?command=c-1");
    assert!(upload.body.as_deref().is_some_and(|body| body.contains(&bad) && !body.contains(&behind)));
    assert_eq!(bench.outbox(), [bad.as_str(), behind.as_str()], "it is still here while the upload is on its way");
    let handled = bench.answer(200, json!({"stored": 1, "duplicates": 0, "settled": [], "refused": []}));
    assert_eq!((handled.obeyed.as_deref(), handled.drained), (Some("c-1"), vec![bad.clone()]));
    let said = bench.said();
    let entries = said["result"]["entries"].as_array().expect("entries");
    assert_eq!(
        (&said["state"], &entries[0]["outcome"], &entries[1]["outcome"]),
        (&json!("done"), &json!("ok"), &json!("not_found"))
    );
    bench.answer(200, json!({"id": "c-1", "state": "done"}));
    bench.later();
    bench.expect(Purpose::Push);
    assert_eq!(bench.outbox(), [behind.as_str()]);
}

#[test]
fn an_entry_whose_upload_is_refused_stays_and_the_server_is_told_why() {
    let mut bench = Bench::enrolled();
    let bad = bench.edit("a", MutationOp::Create, json!({}));
    reject(&mut bench, &bad);
    bench.hand_over(&[drain("c-1", &[(&bad, "discard")])]);
    bench.confirm("c-1", "running");
    bench.expect(Purpose::Escrow);
    bench.answer(
        200,
        json!({"stored": 0, "refused": [{"line": 1, "operation_id": bad, "code": "record_too_large", "detail": "too long"}]}),
    );
    let said = bench.said();
    assert_eq!(
        (&said["result"]["entries"][0]["outcome"], &said["result"]["entries"][0]["code"]),
        (&json!("refused"), &json!("record_too_large"))
    );
    assert_eq!(bench.outbox(), [bad.as_str()]);
}

#[test]
fn a_held_entry_stays_out_of_pushes_over_a_crash_until_it_is_asked_for_again() {
    let mut bench = Bench::enrolled();
    let operation = bench.edit("a", MutationOp::Create, json!({}));
    bench.hand_over(&[drain("c-1", &[(&operation, "hold")])]);
    bench.confirm("c-1", "running");
    let mut bench = bench.restart_after_crash();
    bench.confirm("c-1", "done");
    let report = bench.client.report(bench.now, 1, json!({}), &mut bench.rng);
    assert_eq!(report["outbox"]["entries"][0]["state"], "held");
    bench.client.round_begin();
    bench.expect(Purpose::Pull);
    bench.answer(200, page("c2", &[], None));
    bench.hand_over(&[drain("c-2", &[(&operation, "retry")])]);
    bench.confirm("c-2", "running");
    bench.confirm("c-2", "done");
    bench.expect(Purpose::Push);
}

#[test]
fn a_patched_entry_is_sent_under_another_id_with_its_own_sum_and_a_patch_that_fails_is_refused() {
    let mut bench = Bench::enrolled();
    let bad = bench.edit("a", MutationOp::Create, json!({"n": "text", "title": "one"}));
    reject(&mut bench, &bad);
    let patch = |id: &str, path: &str| {
        let patch = json!({"json_patch": [{"op": "replace", "path": path, "value": 1}]});
        command(id, "drain", json!({"entries": [{"operation_id": bad, "action": "patch", "patch": patch}]}))
    };
    bench.hand_over(&[patch("c-1", "/nowhere")]);
    bench.confirm("c-1", "running");
    bench.expect(Purpose::Escrow);
    bench.answer(200, json!({"stored": 1, "refused": []}));
    assert_eq!(bench.said()["result"]["entries"][0]["code"], "patch_failed");
    bench.answer(200, json!({"id": "c-1", "state": "done"}));
    let test = json!({"json_patch": [{"op": "test", "path": "/n", "value": 7}]});
    bench.hand_over(&[command("c-t", "drain", json!({"entries": [{"operation_id": bad, "action": "patch", "patch": test}]}))]);
    bench.confirm("c-t", "running");
    bench.expect(Purpose::Escrow);
    bench.answer(200, json!({"duplicates": 1, "refused": []}));
    assert_eq!(bench.said()["result"]["entries"][0]["code"], "test_not_met");
    bench.answer(200, json!({"id": "c-t", "state": "done"}));
    bench.hand_over(&[patch("c-2", "/n")]);
    bench.confirm("c-2", "running");
    bench.expect(Purpose::Escrow);
    bench.answer(200, json!({"duplicates": 1, "refused": []}));
    let said = bench.said();
    bench.answer(200, json!({"id": "c-2", "state": "done"}));
    let successor = said["result"]["entries"][0]["detail"].as_str().expect("the new id").to_owned();
    assert_eq!(bench.outbox(), [successor.as_str()]);
    let request = bench.expect(Purpose::Push);
    let body: Value = serde_json::from_str(request.body.as_deref().expect("a body")).expect("JSON");
    let sent = &body["mutations"][0];
    assert_eq!((&sent["supersedes"], &sent["fields"]), (&json!(bad), &json!({"n": 1, "title": "one"})));
    let sum = tidewatch_protocol::checksum::intent_checksum(sent.as_object().expect("an object"));
    assert_eq!(sent["checksum"], json!(sum));
}

#[test]
fn a_command_is_obeyed_once_however_often_it_comes_and_a_crash_does_not_repeat_it() {
    let mut bench = Bench::enrolled();
    let operation = bench.edit("a", MutationOp::Create, json!({}));
    let order = drain("c-1", &[(&operation, "hold")]);
    bench.hand_over(&[order.clone(), order.clone()]);
    let handled = bench.confirm("c-1", "running");
    assert_eq!(handled.obeyed.as_deref(), Some("c-1"));
    let mut bench = bench.restart_after_crash();
    let said = bench.said();
    assert_eq!(said["state"], "done", "the last word is sent until the server has it");
    bench.lose();
    bench.later();
    let handled = bench.confirm("c-1", "done");
    assert_eq!(handled.obeyed, None);
    bench.hand_over(&[order]);
    assert_eq!(bench.next(), Action::Idle);
    assert_eq!(bench.client.state().commands.obeyed().collect::<Vec<_>>(), ["c-1"]);
}

#[test]
fn a_command_that_was_taken_back_before_it_was_begun_changes_nothing() {
    let mut bench = Bench::enrolled();
    let operation = bench.edit("a", MutationOp::Create, json!({}));
    bench.hand_over(&[drain("c-1", &[(&operation, "hold")])]);
    let handled = bench.confirm("c-1", "cancelled");
    assert_eq!(handled.obeyed, None);
    assert!(bench.client.state().outbox.get(&operation).is_some_and(|entry| !entry.held));
    assert_eq!(bench.next(), Action::Idle);
}

#[test]
fn a_command_that_nobody_signed_is_refused_and_one_that_is_not_known_fails() {
    let mut bench = Bench::enrolled();
    bench.hand_over(&[command("c-0", "refresh_policy", json!({}))]);
    bench.confirm("c-0", "running");
    bench.confirm("c-0", "done");
    assert_eq!(bench.client.state().commands.collections_revision, Some(12));
    let mut forged = command("c-1", "refresh_policy", json!({}));
    forged["priority"] = json!(1);
    bench.hand_over(&[forged]);
    assert_eq!(bench.said()["error"]["code"], "signature_invalid");
    bench.answer(404, json!({"code": "not_found"}));
    bench.hand_over(&[command("c-2", "reboot", json!({}))]);
    bench.confirm("c-2", "running");
    assert_eq!(bench.said()["error"]["code"], "unknown_kind");
}

#[test]
fn a_resync_lets_go_of_the_outbox_only_after_the_upload_and_pulls_before_it_pushes() {
    let mut bench = Bench::enrolled();
    let operation = bench.edit("a", MutationOp::Create, json!({"title": "mine"}));
    bench.hand_over(&[command("c-1", "resync", json!({"scopes": "all", "mode": "escrow"}))]);
    bench.confirm("c-1", "running");
    bench.expect(Purpose::Escrow);
    bench.lose();
    assert_eq!(bench.outbox(), [operation.as_str()], "a lost answer lets go of nothing");
    bench.later();
    bench.expect(Purpose::Escrow);
    let handled = bench.answer(200, json!({"stored": 1, "refused": []}));
    assert_eq!(handled.drained, [operation]);
    let later = bench.edit("b", MutationOp::Create, json!({"title": "new"}));
    let pull = bench.expect(Purpose::Pull);
    assert!(pull.path.contains("since=0") && pull.path.contains("compact=true"), "{}", pull.path);
    let row = json!({"seq": 4, "op": "put", "collection": "todos", "record_id": "z", "scope": "site:a", "version": 1,
        "operation_id": "x", "fields": {"title": "theirs"}});
    let handled = bench.answer(200, page("c9", &[row], Some(true)));
    assert_eq!(handled.obeyed.as_deref(), Some("c-1"));
    let said = bench.said();
    assert_eq!((&said["result"]["cursor"], &said["result"]["escrowed"]), (&json!("c9"), &json!(1)));
    assert_eq!(said["result"]["digests"]["site:a"]["todos"]["rows"], 1);
    bench.answer(200, json!({"id": "c-1", "state": "done"}));
    bench.expect(Purpose::Push);
    assert_eq!(bench.outbox(), [later.as_str()]);
}

#[test]
fn an_upload_without_values_tells_names_and_types_only() {
    let mut bench = Bench::enrolled();
    bench.edit("a", MutationOp::Create, json!({"name": "Ms Secret", "n": 4}));
    bench.hand_over(&[command("c-1", "upload_wal", json!({"operation_ids": "all", "redact": true}))]);
    bench.confirm("c-1", "running");
    let said = bench.said();
    assert_eq!(said["result"]["payloads"][0]["fields"], json!({"name": "string", "n": "number"}));
    assert!(!said.to_string().contains("Secret"));
}

fn mesh_facts(bench: &mut Bench) -> Value {
    bench.client.report(bench.now, 1, json!({}), &mut bench.rng)["mesh"].clone()
}

fn mesh_key(bench: &Bench) -> String {
    bench.client.state().mesh.as_ref().expect("a mesh").key().to_owned()
}

#[test]
fn a_mesh_command_changes_mode_interval_and_key_once_and_a_restart_forgets_none_of_it() {
    let mut bench = Bench::enrolled();
    assert_eq!(mesh_facts(&mut bench), Value::Null, "what nobody has set is not reported");
    bench.hand_over(&[command("c-1", "mesh", json!({"mode": "multi_hop", "rotate_keys": false}))]);
    let handled = bench.confirm("c-1", "running");
    assert_eq!(handled.obeyed.as_deref(), Some("c-1"));
    let first = mesh_key(&bench);
    let said = bench.said();
    assert_eq!((&said["state"], &said["result"]["mode"]), (&json!("done"), &json!("multi_hop")));
    assert!(!said.to_string().contains(&first), "the key stays on the device");
    bench.answer(200, json!({"id": "c-1", "state": "done"}));
    let order = command("c-2", "mesh", json!({"mode": "single_hop", "broadcast_interval_ms": 5_000, "rotate_keys": true}));
    bench.hand_over(std::slice::from_ref(&order));
    bench.confirm("c-2", "running");
    let second = mesh_key(&bench);
    assert_ne!(first, second);
    // The process ends before the last word is out.
    let mut bench = bench.restart_after_crash();
    let wanted = json!({"mode": "single_hop", "broadcast_interval_ms": 5_000, "key_revision": 2});
    assert_eq!((mesh_facts(&mut bench), mesh_key(&bench)), (wanted.clone(), second.clone()));
    bench.confirm("c-2", "done");
    bench.hand_over(&[order]);
    assert_eq!(bench.next(), Action::Idle, "a command that comes again rotates nothing");
    assert_eq!((mesh_facts(&mut bench), mesh_key(&bench)), (wanted, second));
    bench.hand_over(&[command("c-3", "mesh", json!({"mode": "off"}))]);
    bench.confirm("c-3", "running");
    assert_eq!(mesh_facts(&mut bench), json!({"mode": "off", "broadcast_interval_ms": 5_000, "key_revision": 2}));
    let mut compacted = crate::state::State::new(10);
    bench.client.state().compacted().into_iter().for_each(|event| compacted.apply(event));
    assert_eq!(compacted.mesh, bench.client.state().mesh, "nor does a compacted journal");
}

#[test]
fn a_mesh_command_that_cannot_be_read_changes_nothing_and_says_so() {
    let mut bench = Bench::enrolled();
    bench.hand_over(&[command("c-1", "mesh", json!({"mode": "off", "broadcast_interval_ms": 5}))]);
    bench.confirm("c-1", "running");
    assert_eq!(bench.said()["error"]["code"], "args_invalid");
    assert_eq!(bench.client.state().mesh, None);
}

/// The lines of an upload.
fn uploaded(request: &crate::wire::Request) -> Vec<tidewatch_domain::control::LogLine> {
    let body = request.body.as_deref().expect("a body");
    tidewatch_protocol::v1::control::log_lines_read(body.as_bytes()).expect("a server reads it")
}

#[test]
fn a_jammed_client_uploads_what_its_log_says_of_the_jam_and_nothing_of_its_payloads() {
    let mut bench = Bench::enrolled();
    bench.edit("a", MutationOp::Create, json!({"name": "Ms Secret"}));
    bench.push(422, json!({"code": "schema_invalid", "status": 422, "detail": "Ms Secret does not fit"}));
    bench.client.log(bench.now, tidewatch_domain::control::LogLevel::Debug, "app.camera", "warmed up");
    bench.hand_over(&[command("c-1", "upload_logs", json!({}))]);
    bench.confirm("c-1", "running");
    let request = bench.expect(Purpose::Logs);
    assert!(request.path.starts_with("/control/logs?command=c-1&dropped=0&begins_at="), "{}", request.path);
    let lines = uploaded(&request);
    let said: Vec<String> = lines.iter().map(|line| format!("{} {}", line.target, line.message)).collect();
    assert!(said[0].starts_with("client began: no replica"), "{said:?}");
    assert!(said.contains(&"sync.push a push of 1 intents failed: schema_invalid".to_owned()), "{said:?}");
    assert!(said.contains(&"app.camera warmed up".to_owned()), "{said:?}");
    assert!(!said.concat().contains("Secret"), "{said:?}");
    let handled = bench.answer(200, json!({"lines": lines.len(), "bytes": 1, "duplicate": false}));
    assert_eq!(handled.obeyed.as_deref(), Some("c-1"));
    let last = bench.said();
    assert_eq!((&last["state"], &last["result"]["lines"]), (&json!("done"), &json!(lines.len())));
}

#[test]
fn an_upload_of_the_log_that_a_crash_cut_is_made_again_and_one_that_is_refused_fails() {
    let mut bench = Bench::enrolled();
    bench.hand_over(&[command("c-1", "upload_logs", json!({"since": "2020-01-01T00:00:00Z"}))]);
    bench.confirm("c-1", "running");
    bench.expect(Purpose::Logs);
    bench.lose();
    let mut bench = bench.restart_after_crash();
    bench.confirm("c-1", "running");
    let lines = uploaded(&bench.expect(Purpose::Logs));
    assert!(lines[0].message.ends_with("commands open: 1"), "the log begins anew and says so: {lines:?}");
    bench.answer(200, json!({"lines": 3, "bytes": 1, "duplicate": true}));
    bench.confirm("c-1", "done");
    bench.hand_over(&[command("c-2", "upload_logs", json!({"since": "2999-01-01T00:00:00Z"}))]);
    bench.confirm("c-2", "running");
    assert_eq!(uploaded(&bench.expect(Purpose::Logs)), [], "nothing is that new");
    bench.answer(404, json!({"code": "not_found", "status": 404}));
    let last = bench.said();
    assert_eq!((&last["state"], &last["error"]["code"]), (&json!("failed"), &json!("logs_refused")));
}
