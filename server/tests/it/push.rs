//! The push envelope over HTTP: what waits, what stands or falls together, preconditions, sequences.

use serde_json::{Value, json};
use tidewatch_testkit::{Device, Reply, TestApp, intent};

fn with(mut intent: Value, member: &str, value: Value) -> Value {
    intent[member] = value;
    intent
}

fn words(answer: &Value) -> Vec<String> {
    let word = |result: &Value| {
        let code = result["problem"]["code"].as_str().map(|code| format!(":{code}")).unwrap_or_default();
        format!("{}{code}", result["status"].as_str().unwrap_or_default())
    };
    answer["results"].as_array().expect("results").iter().map(word).collect()
}

async fn batch(device: &Device, intents: &[Value], members: &[(&str, Value)]) -> Reply {
    let mut batch = device.batch(intents);
    for (name, value) in members {
        batch[*name] = value.clone();
    }
    device.http().post("/mutations", &batch).await
}

#[tokio::test]
async fn an_intent_waits_for_what_it_depends_on_and_a_group_falls_as_one() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let child = with(intent("op-2", "n-2", "create", json!({"text": "b"})), "depends_on", json!(["op-1"]));
    let held = batch(&device, std::slice::from_ref(&child), &[]).await.ok(200);
    let problem = &held["results"][0]["problem"];
    assert_eq!(
        (words(&held), &problem["status"], &problem["retry_after_ms"]),
        (vec!["deferred:dependency_missing".to_owned()], &json!(424), &json!(2000))
    );
    let both = batch(&device, &[intent("op-1", "n-1", "create", json!({"text": "a"})), child], &[]).await.ok(200);
    assert_eq!(words(&both), ["applied", "applied"]);
    let grouped = [
        with(intent("op-3", "n-3", "create", json!({"text": "c"})), "group", json!("g")),
        with(intent("op-4", "n-9", "update", json!({"text": "d"})), "group", json!("g")),
    ];
    let fallen = batch(&device, &grouped, &[]).await.ok(200);
    assert_eq!(words(&fallen), ["rejected:dependency_failed", "rejected:not_found"]);
    let (rows, _) = device.pull("0", "").await;
    assert_eq!(rows.iter().map(|row| row["operation_id"].as_str().unwrap_or_default()).collect::<Vec<_>>(), ["op-1", "op-2"]);
}

#[tokio::test]
async fn an_atomic_batch_is_kept_whole_or_answered_409_with_the_intents_at_fault() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    one.push_statuses(&[intent("op-1", "n-1", "create", json!({"text": "a"}))]).await;
    let (_, cursor) = one.pull("0", "").await;
    let edit = |id: &str, text: &str| intent(id, "n-1", "update", json!({"text": text}));
    let since = [("atomic", json!(true)), ("since", json!(cursor))];
    assert_eq!(
        words(&batch(&one, &[edit("op-2", "b"), intent("op-3", "n-2", "create", json!({}))], &since).await.ok(200)),
        ["applied", "applied"]
    );
    two.push_statuses(&[with(edit("op-4", "c"), "base_version", json!(2))]).await;
    let head = app.service().head();
    let refused = batch(
        &one,
        &[intent("op-5", "n-5", "create", json!({})), edit("op-6", "d")],
        &[("atomic", json!(true)), ("since", json!(cursor))],
    )
    .await;
    assert_eq!(refused.refusal(), "409 version_conflict mutations[1]");
    assert_eq!(app.service().head(), head);
    let number = [("atomic", json!(true)), ("since", json!(head.0)), ("epoch", json!(app.service().epoch().to_string()))];
    assert_eq!(words(&batch(&one, &[edit("op-7", "e")], &number).await.ok(200)), ["applied"]);
    let other = [("atomic", json!(true)), ("since", json!(1)), ("epoch", json!("0123456789abcdef"))];
    assert_eq!(batch(&one, &[edit("op-8", "f")], &other).await.refusal(), "410 cursor_epoch_mismatch since");
    let bad = batch(
        &one,
        &[intent("op-9", "n-6", "create", json!({})), intent("op-10", "n-99", "update", json!({}))],
        &[("atomic", json!(true))],
    )
    .await;
    assert_eq!(bad.refusal(), "404 not_found mutations[1]");
}

#[tokio::test]
async fn a_version_in_if_match_is_met_or_answered_412() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    device.push_statuses(&[intent("op-1", "n-1", "create", json!({"text": "a"}))]).await;
    let send = |id: &str, header: (&'static str, &'static str), count: usize| {
        let intents: Vec<Value> =
            (0..count).map(|n| intent(&format!("{id}-{n}"), "n-1", "update", json!({"text": id}))).collect();
        let (device, body) = (device.clone(), device.batch(&intents).to_string());
        async move { device.http().post_with("/mutations", &[("content-type", "application/json"), header], body.into()).await }
    };
    assert_eq!(words(&send("op-2", ("if-match", "\"1\""), 1).await.ok(200)), ["applied"]);
    assert_eq!(send("op-3", ("if-match", "\"1\""), 1).await.refusal(), "412 precondition_failed mutations[0]");
    assert_eq!(send("op-4", ("if-match", "1"), 1).await.refusal(), "400 header_invalid if-match");
    assert_eq!(send("op-5", ("if-match", "\"2\""), 2).await.refusal(), "400 header_invalid if-match");
}

#[tokio::test]
async fn a_lost_decision_is_a_409_for_whoever_prefers_strict_handling() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let on = |id: &str, op: &str, fields: Value| with(intent(id, "s-1", op, fields), "collection", json!("approvals"));
    device.push_statuses(&[on("op-1", "create", json!({"state": "draft"}))]).await;
    let late = device.batch(&[on("op-2", "update", json!({"state": "done"}))]).to_string();
    let strict = [("content-type", "application/json"), ("prefer", "respond-async, handling=strict")];
    assert_eq!(
        device.http().post_with("/mutations", &strict, late.clone().into()).await.refusal(),
        "409 version_conflict mutations[0]"
    );
    let plain = device.http().post_text("/mutations", &late).await.ok(200);
    assert_eq!(words(&plain), ["conflict:version_conflict"]);
}

#[tokio::test]
async fn a_strict_device_goes_on_without_gaps_and_forgets_what_it_has_stored() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let at = |seq: i64| with(intent(&format!("op-{seq}"), &format!("n-{seq}"), "create", json!({})), "client_seq", json!(seq));
    let strict = [("sequencing", json!("strict"))];
    assert_eq!(
        words(&batch(&device, &[at(1), at(2), at(4)], &strict).await.ok(200)),
        ["applied", "applied", "deferred:out_of_order"]
    );
    assert_eq!(words(&batch(&device, &[at(2), at(3), at(4)], &strict).await.ok(200)), ["applied", "applied", "applied"]);
    let floor = [("sequencing", json!("strict")), ("ack_floor", json!(3))];
    assert_eq!(words(&batch(&device, &[at(5)], &floor).await.ok(200)), ["applied"]);
    let head = app.service().head();
    let repeated = batch(&device, &[at(3), at(4)], &strict).await.ok(200);
    assert_eq!(words(&repeated), ["rejected:dedupe_horizon_passed", "applied"]);
    assert_eq!(app.service().head(), head);
}

#[tokio::test]
async fn a_base_by_content_and_a_patch_are_taken() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    device.push_statuses(&[intent("op-1", "n-1", "create", json!({"text": "a", "tags": ["x"]}))]).await;
    // SHA-256 of {"tags":["x"],"text":"a"}
    let base = "sha256:d2178e0dc3b0a41cca4aa093f662efcbb7eaf07b261a627f2ec74ce81b0fcffd";
    let patch = json!([{"op": "test", "path": "/text", "value": "a"}, {"op": "add", "path": "/tags/-", "value": "y"}]);
    let mut patched = with(intent("op-2", "n-1", "update", json!({})), "json_patch", patch);
    patched.as_object_mut().expect("an object").remove("fields");
    patched["base_checksum"] = json!(base);
    let answer = batch(&device, &[patched], &[]).await.ok(200);
    assert_eq!((words(&answer), &answer["results"][0]["version"]), (vec!["applied".to_owned()], &json!(2)));
    let (rows, _) = device.pull("0", "").await;
    assert_eq!(rows[1]["fields"], json!({"tags": ["x", "y"]}));
}
