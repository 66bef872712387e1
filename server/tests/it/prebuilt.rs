//! Prebuilt snapshots over HTTP: what they hold, how their bytes are sent, and to whom.

use std::io::Read as _;
use std::net::SocketAddr;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use serde_json::{Value, json};
use tidewatch_client::http::HttpTransport;
use tidewatch_client::{Action, Client, Config, MemoryJournal, Purpose, Reply};
use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::time::Millis;
use tidewatch_protocol::keys::content_digest;
use tidewatch_store::sync::SnapshotLimits;
use tidewatch_testkit::{Device, TestApp, intent};

const PATH: &str = "/snapshots?scope=building:42";

/// An app that makes snapshots of five records and more, in parts of five, with a device that has written so many.
async fn app_with(records: usize) -> (TestApp, Device) {
    let app = TestApp::with_snapshots(SnapshotLimits { rows_min: 5, part_rows: 5, ..SnapshotLimits::STANDARD }).await;
    let device = app.device("d1").await;
    let intents: Vec<Value> = (0..records)
        .map(|n| intent(&format!("op-{n}"), &format!("n-{n}"), "create", json!({"n": n, "text": "x".repeat(40)})))
        .collect();
    device.push_statuses(&intents).await;
    (app, device)
}

async fn manifest(device: &Device) -> Value {
    device.http().get(&format!("{PATH}&wait=25")).await.ok(200)
}

fn href(manifest: &Value, at: usize) -> &str {
    manifest["parts"][at]["href"].as_str().expect("a path")
}

fn unpacked(bytes: &[u8]) -> Vec<Value> {
    let mut text = String::new();
    zstd::Decoder::new(bytes).expect("zstd").read_to_string(&mut text).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn a_snapshot_has_the_rows_of_a_scan_and_its_cursor_goes_on_behind_them() {
    let (app, device) = app_with(12).await;
    let mut gone = intent("op-gone", "n-3", "delete", json!({}));
    gone["base_version"] = json!(1);
    assert_eq!(device.push_statuses(&[gone]).await, ["applied"]);
    let manifest = manifest(&device).await;
    let parts = manifest["parts"].as_array().expect("parts");
    assert_eq!((&manifest["rows"], parts.len(), &manifest["scope"]), (&json!(11), 3, &json!("building:42")));
    let mut rows = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let reply = device.http().get_with(href(&manifest, at), &[("accept-encoding", "zstd")]).await;
        assert_eq!((reply.status(), json!(reply.bytes().len())), (200, part["bytes"].clone()));
        rows.extend(unpacked(reply.bytes()));
    }
    let scanned = device.http().get("/changes?since=0&compact=true&scopes=building:42").await.ok(200);
    assert_eq!(json!(rows), scanned["changes"], "the same rows in the same form");
    assert_eq!(scanned["cursor"], manifest["cursor"]);
    device.push_statuses(&[intent("op-new", "n-new", "create", json!({"n": 1}))]).await;
    let cursor = manifest["cursor"].as_str().expect("a cursor");
    let (rows, _) = device.pull(cursor, "&scopes=building:42").await;
    assert_eq!(rows.iter().map(|row| row["record_id"].as_str()).collect::<Vec<_>>(), [Some("n-new")]);
    let again = device.http().get(PATH).await.ok(200);
    assert_eq!(again["id"], manifest["id"], "recent enough");
    assert_eq!(
        device.http().get(&format!("/api/v1/sync/snapshots/{}", manifest["id"].as_str().expect("an id"))).await.ok(200)["sha256"],
        manifest["sha256"]
    );
    let under = device.http().get("/api/v1/sync/snapshots?scope=building:42").await.ok(200);
    assert!(href(&under, 0).starts_with("/api/v1/sync/snapshots/"), "{}", href(&under, 0));
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn only_some_collections_are_another_snapshot_with_a_cursor_of_its_own() {
    let (_app, device) = app_with(6).await;
    let some = device.http().get(&format!("{PATH}&collections=notes&wait=25")).await.ok(200);
    assert_eq!((&some["rows"], &some["collections"]), (&json!(6), &json!(["notes"])));
    let cursor = some["cursor"].as_str().expect("a cursor");
    assert_eq!(device.pull(cursor, "&scopes=building:42&collections=notes").await.0.len(), 0);
    let refused = device.http().get(&format!("/changes?since={cursor}&scopes=building:42")).await;
    assert_eq!(refused.refusal(), "409 cursor_filter_mismatch since");
    assert_eq!(device.http().get(&format!("{PATH}&collections=tasks")).await.refusal(), "404 snapshot_not_offered");
}

#[tokio::test]
async fn the_bytes_of_a_part_carry_their_digest_and_are_never_sent_twice() {
    let (_app, device) = app_with(12).await;
    let manifest = manifest(&device).await;
    let sha256 = manifest["parts"][0]["sha256"].as_str().expect("a digest");
    let whole = device.http().get(href(&manifest, 0)).await;
    assert_eq!(whole.status(), 200);
    for (name, value) in [
        ("content-type", "application/x-ndjson"),
        ("content-encoding", "zstd"),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, max-age=3600, immutable"),
        ("vary", "authorization, accept-encoding"),
        ("etag", format!("\"{sha256}\"").as_str()),
        ("content-digest", content_digest(whole.bytes()).as_str()),
        ("repr-digest", content_digest(whole.bytes()).as_str()),
    ] {
        assert_eq!(whole.header(name), value, "{name}");
    }
    for held in [format!("\"{sha256}\""), format!("\"x\", W/\"{sha256}\"")] {
        let kept = device.http().get_with(href(&manifest, 0), &[("if-none-match", held.as_str())]).await;
        assert_eq!((kept.status(), kept.bytes().len()), (304, 0));
    }
    let other = device.http().get_with(href(&manifest, 1), &[("if-none-match", format!("\"{sha256}\"").as_str())]).await;
    assert_eq!(other.status(), 200);
}

#[tokio::test]
async fn a_part_is_sent_in_ranges_and_a_range_of_other_bytes_is_not() {
    let (_app, device) = app_with(12).await;
    let manifest = manifest(&device).await;
    let path = href(&manifest, 0);
    let whole = device.http().get(path).await.bytes().clone();
    let tag = format!("\"{}\"", manifest["parts"][0]["sha256"].as_str().expect("a digest"));
    let ranged = async |range: &str, tag: &str| device.http().get_with(path, &[("range", range), ("if-range", tag)]).await;
    let rest = ranged("bytes=7-", &tag).await;
    assert_eq!(rest.status(), 206);
    assert_eq!(rest.bytes()[..], whole[7..]);
    assert_eq!(rest.header("content-range"), format!("bytes 7-{}/{}", whole.len() - 1, whole.len()));
    assert_eq!((rest.header("etag"), rest.header("content-encoding")), (tag.as_str(), "zstd"));
    assert_eq!(rest.header("content-digest"), content_digest(&whole[7..]));
    assert_eq!(rest.header("repr-digest"), content_digest(&whole));
    assert_eq!(ranged("bytes=2-4", &tag).await.bytes()[..], whole[2..5]);
    assert_eq!(ranged("bytes=-4", &tag).await.bytes()[..], whole[whole.len() - 4..]);
    for (range, tag) in [("bytes=7-", "\"other\""), ("bytes=1-2,4-5", tag.as_str()), ("rows=1-2", tag.as_str())] {
        let reply = ranged(range, tag).await;
        assert_eq!((reply.status(), reply.bytes().len()), (200, whole.len()), "{range} {tag}");
    }
    let outside = ranged(&format!("bytes={}-", whole.len()), &tag).await;
    assert_eq!(outside.refusal(), "416 range_not_satisfiable");
    assert_eq!(outside.header("content-range"), format!("bytes */{}", whole.len()));
}

#[tokio::test]
async fn who_cannot_take_zstd_gets_plain_lines_or_is_told() {
    let (_app, device) = app_with(12).await;
    let manifest = manifest(&device).await;
    let packed = device.http().get(href(&manifest, 0)).await;
    let plain = device.http().get_with(href(&manifest, 0), &[("accept-encoding", "identity"), ("range", "bytes=3-")]).await;
    assert_eq!((plain.status(), plain.header("content-encoding"), plain.header("accept-ranges")), (200, "", "none"));
    assert_eq!(plain.header("etag"), format!("W/{}", packed.header("etag")));
    assert_eq!(json!(plain.bytes().len()), manifest["parts"][0]["raw_bytes"]);
    let lines: Vec<Value> = plain.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines, unpacked(packed.bytes()));
    let refused = device.http().get_with(href(&manifest, 0), &[("accept-encoding", "zstd;q=0, identity;q=0")]).await;
    assert_eq!(refused.refusal(), "406 not_acceptable");
}

#[tokio::test]
async fn a_closed_scope_closes_its_snapshots_at_once() {
    let (app, device) = app_with(6).await;
    let other = app.device("d2").await;
    let manifest = manifest(&device).await;
    let by_id = format!("/snapshots/{}", manifest["id"].as_str().expect("an id"));
    assert_eq!(other.http().get(&by_id).await.status(), 200, "whoever has the scope may read it");
    let client_id = ClientId::parse(device.client_id.clone()).expect("an id");
    let scope = Scope::parse("building:42").expect("a scope");
    app.service().device_scope_set(&app.state().system_cx(), &client_id, &scope, false).await.expect("set");
    assert_eq!(device.http().get(PATH).await.refusal(), "403 scope_forbidden scope");
    assert_eq!(device.http().get(&by_id).await.refusal(), "403 scope_forbidden id");
    assert_eq!(device.http().get(href(&manifest, 0)).await.refusal(), "403 scope_forbidden id");
    let held = [("if-none-match", "*")];
    assert_eq!(device.http().get_with(href(&manifest, 0), &held).await.refusal(), "403 scope_forbidden id");
    assert_eq!(other.http().get(href(&manifest, 0)).await.status(), 200);
}

#[tokio::test]
async fn what_is_not_there_or_not_offered_is_said() {
    let (app, device) = app_with(4).await;
    let get = async |path: &str| device.http().get(path).await.refusal();
    assert_eq!(get(PATH).await, "404 snapshot_not_offered");
    assert_eq!(get("/snapshots?scope=building:99").await, "403 scope_forbidden scope");
    assert_eq!(get("/snapshots").await, "400 query_invalid scope");
    assert_eq!(get("/snapshots?scope=no%20good").await, "400 query_invalid scope");
    assert_eq!(get(&format!("{PATH}&wait=26")).await, "400 query_invalid wait");
    assert_eq!(get(&format!("{PATH}&collections=Upper")).await, "400 query_invalid collections");
    assert_eq!(get(&format!("{PATH}&include=full")).await, "400 query_invalid include");
    assert_eq!(get("/snapshots/0123").await, "404 not_found");
    assert_eq!(get("/snapshots/0123/parts/1").await, "404 not_found");
    device.push_statuses(&[intent("op-5", "n-5", "create", json!({"n": 5}))]).await;
    let made = manifest(&device).await;
    for n in ["0", "2", "x", "-1"] {
        assert_eq!(get(&format!("/snapshots/{}/parts/{n}", made["id"].as_str().expect("an id"))).await, "404 not_found", "{n}");
    }
    let old = device.http().get_with(PATH, &[("sync-schema", "0")]).await;
    assert_eq!(old.refusal(), "426 schema_unsupported");
    let body = json!({"client_id": device.client_id, "scopes": ["building:42"]});
    let registered = app.enrolment("again").await.post("/clients", &body).await.ok(200);
    assert_eq!(registered["limits"]["snapshot_rows_min"], 5);
}

#[tokio::test]
async fn fields_are_called_by_their_current_names_and_who_calls_them_otherwise_scans() {
    let app = TestApp::with_snapshots(SnapshotLimits { rows_min: 1, ..SnapshotLimits::STANDARD }).await;
    let device = app.device("d1").await;
    let import = async |schema: Value| {
        let text = json!([{"name": "jobs", "policy": {"kind": "lww"}, "schema": schema}]).to_string();
        app.service().collections_import(&app.state().system_cx(), &text).await.expect("imported");
    };
    import(json!({"min": 1, "current": 1})).await;
    let mut job = intent("op-1", "j-1", "create", json!({"name": "a"}));
    job["collection"] = json!("jobs");
    device.push_statuses(&[job]).await;
    let path = format!("{PATH}&collections=jobs&wait=25");
    let with = async |path: &str, schema: &str| device.http().get_with(path, &[("sync-schema", schema)]).await;
    let before = with(&path, "1").await.ok(200);
    assert_eq!(unpacked(with(href(&before, 0), "1").await.bytes())[0]["fields"], json!({"name": "a"}));
    import(json!({"min": 1, "current": 2, "steps": [{"to": 2, "rename": {"name": "title"}}]})).await;
    assert_eq!(with(href(&before, 0), "2").await.refusal(), "404 not_found", "the names in it are those of before");
    assert_eq!(with(&path, "1").await.refusal(), "404 snapshot_not_offered");
    assert_eq!(device.http().get(&path).await.refusal(), "404 snapshot_not_offered", "the device is registered with 1");
    let after = with(&path, "2").await.ok(200);
    assert_eq!(unpacked(with(href(&after, 0), "2").await.bytes())[0]["fields"], json!({"title": "a"}));
    assert_eq!(with(href(&after, 0), "1").await.refusal(), "404 not_found");
}

#[tokio::test]
async fn one_that_is_being_made_is_asked_for_again() {
    let (_app, device) = app_with(6).await;
    let pending = device.http().get(&format!("{PATH}&wait=0")).await;
    let body = pending.ok(202);
    assert_eq!(body["state"], "making");
    let seconds: i64 = pending.header("retry-after").parse().expect("seconds");
    assert!((1..=3).contains(&seconds));
    assert_eq!(manifest(&device).await["rows"], 6);
}

/// Drives a client until its round is done; answers what it asked for.
async fn drive(client: &mut Client<MemoryJournal>, transport: &HttpTransport, rng: &mut SmallRng, now: Millis) -> Vec<Purpose> {
    let mut asked = Vec::new();
    client.round_begin();
    for _ in 0..200 {
        match client.next_action(now, rng).expect("the journal works") {
            Action::Send(request) => {
                asked.push(request.purpose);
                let reply = transport.send(&request).await;
                assert!(!matches!(reply, Reply::Lost { .. }), "{reply:?}");
                client.handle(reply, now, rng).expect("the journal works");
            }
            Action::Idle => return asked,
            other => panic!("{other:?} after {asked:?}"),
        }
    }
    panic!("no end: {asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_client_begins_with_a_snapshot_and_holds_what_the_store_holds() {
    use Purpose::{Pull, Register, ScopeScan, Snapshot, SnapshotPart};
    let (app, writer) = app_with(23).await;
    let mut small = intent("op-small", "s-1", "create", json!({"n": 1}));
    small["scope"] = json!("building:7");
    writer.push_statuses(&[small]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = app.router().into_make_service_with_connect_info::<SocketAddr>();
    let serving = tokio::spawn(async move { axum::serve(listener, service).await });
    let transport = HttpTransport::new(&format!("http://{address}")).expect("a transport");
    let token = app.enrolment_token("reader").await;
    let config = Config {
        enrolment_token: Some(token),
        principal: "reader".into(),
        platform: "linux".into(),
        app_version: "1.0.0".into(),
        schema_version: 1,
        scopes: vec!["building:42".into(), "building:7".into()],
        simulated: true,
        batch_entries: 100,
        page_rows: 7,
        acknowledged_limit: 10,
    };
    let (mut rng, now) = (SmallRng::seed_from_u64(7), app.state().now());
    let mut client = Client::open(config, MemoryJournal::default()).expect("opens");
    let asked = drive(&mut client, &transport, &mut rng, now).await;
    let parts = [SnapshotPart; 5];
    assert_eq!(asked, [&[Register, Snapshot, Snapshot][..], &parts, &[ScopeScan, Pull]].concat());
    writer.push_statuses(&[intent("op-late", "n-late", "create", json!({"n": 1}))]).await;
    assert_eq!(drive(&mut client, &transport, &mut rng, now).await, [Pull]);
    let integrity = writer.http().get("/integrity?scope=building:42,building:7").await.ok(200);
    let wanted: Vec<(String, i64)> = integrity["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| (item["digest"].as_str().expect("a digest").to_owned(), item["rows"].as_i64().expect("a number")))
        .collect();
    let mut held: Vec<(String, i64)> =
        client.state().replica.digests().map(|(_, digest)| (format!("{:016x}", digest.digest), digest.rows)).collect();
    let mut wanted = wanted;
    wanted.sort();
    held.sort();
    assert_eq!(held, wanted);
    serving.abort();
}
