//! Bad input to every endpoint: the documented problem, nothing changed, and the server answers on.

use std::io::Write as _;

use bytes::Bytes;
use serde_json::{Value, json};
use tidewatch_domain::role::Role;
use tidewatch_testkit::{Device, Reply, TestApp, intent};

/// Routes of a device that take a body.
const BODIES: [&str; 3] = ["/mutations", "/mutations/status", "/telemetry"];

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).expect("writes to memory");
    encoder.finish().expect("finishes")
}

async fn coded(device: &Device, path: &str, coding: &str, body: Vec<u8>) -> Reply {
    device.http().post_with(path, &[("content-type", "application/json"), ("content-encoding", coding)], Bytes::from(body)).await
}

/// The rows of the log, and that a good push still works.
async fn unharmed(device: &Device, before: &[Value], operation_id: &str) {
    let (after, _) = device.pull("0", "").await;
    assert_eq!(after, before, "bad input changed the log");
    let created = device.push_statuses(&[intent(operation_id, operation_id, "create", json!({"fine": true}))]).await;
    assert_eq!(created, ["applied"], "the server answers on");
}

#[tokio::test]
async fn a_body_that_is_no_json_or_has_the_wrong_shape_is_refused_on_every_route() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let (before, _) = device.pull("0", "").await;
    for path in BODIES {
        for (body, refusal) in [
            ("{\"a\":", "400 json_invalid"),
            ("not json", "400 json_invalid"),
            ("", "400 json_invalid"),
            ("[]", "400 envelope_invalid $"),
            ("7", "400 envelope_invalid $"),
        ] {
            assert_eq!(device.http().post_text(path, body).await.refusal(), refusal, "{path} {body}");
        }
        let bytes =
            device.http().post_with(path, &[("content-type", "application/json")], Bytes::from_static(&[0xff, 0xfe])).await;
        assert_eq!(bytes.refusal(), "400 json_invalid", "{path}");
        let text = device.http().post_with(path, &[("content-type", "text/plain")], Bytes::from_static(b"{}")).await;
        assert_eq!(text.refusal(), "415 media_type_unsupported", "{path}");
    }
    assert_eq!(device.http().post_text("/mutations", "{}").await.refusal(), "400 envelope_invalid client_id");
    assert_eq!(device.http().post_text("/mutations/status", "{}").await.refusal(), "400 envelope_invalid operation_ids");
    assert_eq!(device.http().post_text("/telemetry", "{}").await.refusal(), "400 envelope_invalid reports");
    let enrolment = app.enrolment("e1").await;
    for path in ["/clients", "/clients/token"] {
        assert_eq!(enrolment.post_text(path, "nope").await.refusal(), "400 json_invalid");
        assert_eq!(enrolment.post_text(path, "[]").await.refusal(), "400 envelope_invalid $");
    }
    unharmed(&device, &before, "fine-1").await;
}

#[tokio::test]
async fn a_body_of_five_megabytes_is_refused_on_every_route() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let (before, _) = device.pull("0", "").await;
    let big = format!(r#"{{"x":"{}"}}"#, "y".repeat(5 * 1_024 * 1_024));
    for path in BODIES {
        assert_eq!(device.http().post_text(path, &big).await.refusal(), "413 body_too_large", "{path}");
    }
    assert_eq!(app.enrolment("e1").await.post_text("/clients", &big).await.refusal(), "413 body_too_large");
    unharmed(&device, &before, "fine-1").await;
}

#[tokio::test]
async fn a_zip_bomb_is_refused_in_both_codings_on_every_route() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let (before, _) = device.pull("0", "").await;
    let zeros = vec![b' '; 64 * 1_024 * 1_024];
    for path in BODIES {
        assert_eq!(coded(&device, path, "gzip", gzip(&zeros)).await.refusal(), "413 decompression_limit", "{path}");
        let bomb = zstd::encode_all(zeros.as_slice(), 1).expect("compressed");
        assert_eq!(coded(&device, path, "zstd", bomb).await.refusal(), "413 decompression_limit", "{path}");
        assert_eq!(coded(&device, path, "br", b"x".to_vec()).await.refusal(), "415 encoding_unsupported", "{path}");
        assert_eq!(coded(&device, path, "gzip", b"not gzip".to_vec()).await.refusal(), "400 json_invalid", "{path}");
    }
    unharmed(&device, &before, "fine-1").await;
}

#[tokio::test]
async fn a_bad_intent_is_answered_by_its_id_and_the_others_stand() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let base = |id: &str, rest: &str| {
        format!(r#"{{"operation_id":"{id}","collection":"notes","record_id":"{id}","scope":"building:42",{rest}}}"#)
    };
    let cases = [
        (base("big-number", r#""op":"create","fields":{"n":9007199254740993}"#), "number_out_of_range"),
        (base("unknown-op", r#""op":"explode","fields":{}"#), "schema_invalid"),
        (base("deep", &format!(r#""op":"create","fields":{{"d":{deep}}}"#)), "schema_invalid"),
        (base("twice", r#""op":"create","fields":{"a":1,"a":2}"#), "schema_invalid"),
        (base("no-fields", r#""op":"create""#), "schema_invalid"),
        (base("sum", r#""op":"create","fields":{},"checksum":"sha256:00""#), "checksum_mismatch"),
        (base("crdt", r#""op":"crdt","crdt":{"type":"counter"}"#), "schema_invalid"),
        (base("fat", &format!(r#""op":"create","fields":{{"t":"{}"}}"#, "z".repeat(300_000))), "record_too_large"),
        (base("collection", r#""op":"create","fields":{}"#).replace("notes", "nowhere"), "collection_unknown"),
    ];
    let good = base("good", r#""op":"create","fields":{"a":1}"#);
    let intents: Vec<&str> = cases.iter().map(|(text, _)| text.as_str()).chain([good.as_str()]).collect();
    let body = format!(r#"{{"protocol":1,"client_id":"{}","mutations":[{}]}}"#, device.client_id, intents.join(","));
    let answer = device.http().post_text("/mutations", &body).await.ok(200);
    let results = answer["results"].as_array().expect("results");
    for ((text, code), result) in cases.iter().zip(results) {
        assert_eq!(result["status"], "rejected", "{}", &text[..60]);
        assert_eq!(result["problem"]["code"], *code, "{}", &text[..60]);
    }
    assert_eq!(results[cases.len()]["status"], "applied");
    let (rows, _) = device.pull("0", "").await;
    assert_eq!(rows.iter().filter_map(|row| row["record_id"].as_str()).collect::<Vec<_>>(), ["good"]);
}

#[tokio::test]
async fn a_batch_beyond_its_limit_is_refused_whole() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let (before, _) = device.pull("0", "").await;
    let many: Vec<Value> = (0..1_001).map(|n| intent(&format!("op-{n}"), "n", "create", json!({}))).collect();
    let refused = device.push(&many).await;
    assert_eq!(refused.refusal(), "413 batch_too_large mutations");
    assert_eq!(refused.problem().action.as_deref(), Some("halve_batch"));
    let ids: Vec<String> = (0..1_001).map(|n| format!("op-{n}")).collect();
    let status = device.http().post("/mutations/status", &json!({"client_id": device.client_id, "operation_ids": ids})).await;
    assert_eq!(status.refusal(), "413 batch_too_large operation_ids");
    let reports = vec![json!({"report_id": "r", "at": "2026-11-20T15:21:40.680Z"}); 101];
    let telemetry = device.http().post("/telemetry", &json!({"client_id": device.client_id, "reports": reports})).await;
    assert_eq!(telemetry.refusal(), "413 batch_too_large reports");
    unharmed(&device, &before, "fine-1").await;
}

#[tokio::test]
async fn what_nobody_can_ask_for_is_refused_by_name() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    for (member, value) in [("atomic", json!("yes")), ("sequencing", json!("loose")), ("since", json!(7))] {
        let mut batch = device.batch(&[]);
        batch[member] = value;
        assert_eq!(device.http().post("/mutations", &batch).await.refusal(), format!("400 envelope_invalid {member}"));
    }
    let mut batch = device.batch(&[]);
    batch["protocol"] = json!(2);
    assert_eq!(device.http().post("/mutations", &batch).await.refusal(), "426 protocol_unsupported protocol");
    assert_eq!(
        device.http().get_with("/changes", &[("sync-protocol", "2")]).await.refusal(),
        "426 protocol_unsupported sync-protocol"
    );
    for (query, field) in
        [("exclude_self=yes", "exclude_self"), ("limit=0", "limit"), ("include=all", "include"), ("since=0&since=1", "since")]
    {
        assert_eq!(device.http().get(&format!("/changes?{query}")).await.refusal(), format!("400 query_invalid {field}"));
    }
}

#[tokio::test]
async fn a_bad_query_of_the_read_api_is_named() {
    let app = TestApp::new().await;
    let api = app.api("ci", Role::Viewer).await;
    for (path, refusal) in [
        ("/api/v1/devices?sort=upside", "400 query_invalid sort"),
        ("/api/v1/devices?limit=501", "400 query_invalid limit"),
        ("/api/v1/devices?colour=red", "400 query_invalid colour"),
        ("/api/v1/devices?after=a&before=b", "400 query_invalid before"),
        ("/api/v1/devices/not-an-id", "404 not_found"),
        ("/api/v1/changes?colour=red", "400 query_invalid colour"),
        ("/api/v1/audit?limit=0", "400 query_invalid limit"),
        ("/api/v1/resilience-report?range=2h", "400 query_invalid range"),
    ] {
        assert_eq!(api.get(path).await.refusal(), refusal, "{path}");
    }
    for path in ["/api/v1/devices", "/api/v1/changes", "/api/v1/audit"] {
        assert_eq!(api.get(&format!("{path}?q=nonsense:1")).await.refusal(), "400 query_invalid filter", "{path}");
    }
}

#[tokio::test]
async fn a_report_that_breaks_a_rule_is_refused_alone() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let good = json!({"report_id": "r-1", "at": "2026-11-20T15:21:40.680Z", "device": {"battery_percent": 61}});
    let bad = json!({"report_id": "r-2", "at": "2026-11-20T15:21:40.680Z", "device": {"battery_percent": 161}});
    let answer =
        device.http().post("/telemetry", &json!({"client_id": device.client_id, "reports": [good, bad, good]})).await.ok(202);
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(1), &json!(1)));
    assert_eq!(
        answer["rejected"],
        json!([{"report_id": "r-2", "code": "schema_invalid", "detail": "device.battery_percent: must be within 0 and 100"}])
    );
}
