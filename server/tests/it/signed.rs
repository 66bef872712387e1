//! Signatures over HTTP: intents that others relay, and whole requests.

use serde_json::{Value, json};
use tidewatch_domain::time::SECOND_MS;
use tidewatch_server::router::router;
use tidewatch_testkit::{Reply, Signer, TestApp, Visitor, intent};

const AUTHOR: &str = "0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e";

fn words(answer: &Value) -> Vec<String> {
    let word = |result: &Value| {
        let code = result["problem"]["code"].as_str().map(|code| format!(":{code}")).unwrap_or_default();
        format!("{}{code}", result["status"].as_str().unwrap_or_default())
    };
    answer["results"].as_array().expect("results").iter().map(word).collect()
}

/// Registers a device that signs; answers it with its token.
async fn signing(app: &TestApp, signer: &Signer) -> Visitor {
    let enrolment = app.enrolment("signing").await;
    let body = json!({"client_id": AUTHOR, "device_public_key": signer.public_key()});
    let registered = enrolment.post("/clients", &body).await.ok(201);
    enrolment.with_bearer(registered["access_token"].as_str().expect("a token"))
}

fn made_by(author: &str, mut intent: Value) -> Value {
    intent["client_id"] = json!(author);
    intent
}

#[tokio::test]
async fn a_key_is_bound_once() {
    let app = TestApp::new().await;
    signing(&app, &Signer::new(1)).await;
    let enrolment = app.enrolment("again").await;
    let register = |key: Value| json!({"client_id": AUTHOR, "device_public_key": key});
    assert_eq!(enrolment.post("/clients", &register(json!(Signer::new(1).public_key()))).await.status(), 200);
    assert_eq!(enrolment.post("/clients", &json!({"client_id": AUTHOR})).await.status(), 200);
    let other = enrolment.post("/clients", &register(json!(Signer::new(2).public_key()))).await;
    assert_eq!(other.refusal(), "400 envelope_invalid device_public_key");
    let broken = enrolment.post("/clients", &register(json!("c2hvcnQ="))).await;
    assert_eq!(broken.refusal(), "400 envelope_invalid device_public_key");
}

#[tokio::test]
async fn an_intent_of_another_device_is_taken_with_its_signature_and_belongs_to_it() {
    let app = TestApp::new().await;
    let (relay, signer) = (app.device("relay").await, Signer::new(1));
    let author = signing(&app, &signer).await;
    let signed = signer.intent(made_by(AUTHOR, intent("op-1", "n-1", "create", json!({"text": "a"}))));
    let mut carried = signed.clone();
    carried["relayed_by"] = json!([relay.client_id]);
    carried["hops"] = json!(1);
    let own = intent("op-1", "n-2", "create", json!({"text": "mine"}));
    let mut edit = made_by(AUTHOR, intent("op-2", "n-1", "update", json!({"text": "b"})));
    edit["base_version"] = json!(1);
    let answer = relay.push(&[carried, own, signer.intent(edit)]).await.ok(200);
    assert_eq!(words(&answer), ["applied", "applied", "applied"], "ids belong to the device that made them");
    let (rows, _) = relay.pull("0", "").await;
    let makers: Vec<&str> = rows.iter().map(|row| row["client_id"].as_str().unwrap_or_default()).collect();
    assert_eq!(makers, [AUTHOR, relay.client_id.as_str(), AUTHOR]);
    let again = author.post("/mutations", &json!({"client_id": AUTHOR, "mutations": [signed]})).await.ok(200);
    assert_eq!(again["results"][0]["replayed"], true, "the device itself may send it, too");
}

#[tokio::test]
async fn an_intent_whose_signature_does_not_hold_is_refused() {
    let app = TestApp::new().await;
    let (relay, signer) = (app.device("relay").await, Signer::new(1));
    signing(&app, &signer).await;
    let head = app.service().head();
    let plain = |id: &str| made_by(AUTHOR, intent(id, "n-1", "create", json!({"text": "a"})));
    let mut changed = signer.intent(plain("op-2"));
    changed["fields"] = json!({"text": "forged"});
    let mut short = plain("op-3");
    short["sig"] = json!("c2hvcnQ=");
    let unknown = signer.intent(made_by("0192f0c1-7b1e-7c3a-9d2e-000000000009", intent("op-4", "n-1", "create", json!({}))));
    let mut unbound = intent("op-6", "n-1", "create", json!({}));
    unbound = signer.intent(unbound);
    let batch = [plain("op-1"), changed, short, unknown, Signer::new(2).intent(plain("op-5")), unbound];
    let invalid = "rejected:signature_invalid";
    assert_eq!(
        words(&relay.push(&batch).await.ok(200)),
        [invalid, invalid, "rejected:schema_invalid", invalid, invalid, invalid]
    );
    let mut atomic = relay.batch(&[signer.intent(plain("op-7"))]);
    atomic["atomic"] = json!(true);
    assert_eq!(relay.http().post("/mutations", &atomic).await.refusal(), "422 schema_invalid mutations[0]");
    assert_eq!(app.service().head(), head);
}

#[tokio::test]
async fn what_a_revoked_device_has_signed_is_not_taken_from_a_relay() {
    let app = TestApp::new().await;
    let (relay, signer) = (app.device("relay").await, Signer::new(1));
    signing(&app, &signer).await;
    let made = |id: &str| signer.intent(made_by(AUTHOR, intent(id, id, "create", json!({"text": "a"}))));
    assert_eq!(words(&relay.push(&[made("op-1")]).await.ok(200)), ["applied"]);
    let author = tidewatch_domain::ids::ClientId::parse(AUTHOR).expect("an id");
    app.service().device_tokens_revoke(&app.state().system_cx(), &author).await.expect("revoked");
    assert_eq!(words(&relay.push(&[made("op-2")]).await.ok(200)), ["rejected:client_blocked"]);
}

async fn send(device: &Visitor, headers: &[(String, String)], body: &Value) -> Reply {
    let mut all: Vec<(&str, &str)> = vec![("content-type", "application/json")];
    all.extend(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    device.post_with("/mutations", &all, body.to_string().into()).await
}

#[tokio::test]
async fn a_signed_request_is_taken_once_and_only_as_it_was_signed() {
    let app = TestApp::new().await;
    let signer = Signer::new(1);
    let device = signing(&app, &signer).await;
    let now = app.state().now().0 / SECOND_MS;
    let body = json!({"client_id": AUTHOR, "mutations": [intent("op-1", "n-1", "create", json!({"text": "a"}))]});
    let sign = |path: &str, nonce: &str, at: i64| signer.headers("POST", path, body.to_string().as_bytes(), AUTHOR, (at, nonce));
    let first = sign("/mutations", "n-1", now);
    assert_eq!(words(&send(&device, &first, &body).await.ok(200)), ["applied"]);
    assert_eq!(send(&device, &first, &body).await.refusal(), "401 nonce_replayed");
    let retry = send(&device, &sign("/mutations", "n-2", now), &body).await.ok(200);
    assert_eq!(retry["results"][0]["replayed"], true, "a retry takes a new nonce and keeps its operation ids");
    assert_eq!(send(&device, &sign("/mutations", "n-3", now - 301), &body).await.refusal(), "401 signature_expired");
    assert_eq!(send(&device, &sign("/mutations", "n-4", now + 305), &body).await.refusal(), "401 signature_expired");
    assert_eq!(send(&device, &sign("/telemetry", "n-5", now), &body).await.refusal(), "401 signature_invalid");
    let other = json!({"client_id": AUTHOR, "mutations": []});
    assert_eq!(send(&device, &sign("/mutations", "n-6", now), &other).await.refusal(), "400 header_invalid content-digest");
    let foreign = Signer::new(2).headers("POST", "/mutations", body.to_string().as_bytes(), AUTHOR, (now, "n-7"));
    assert_eq!(send(&device, &foreign, &body).await.refusal(), "401 signature_invalid");
    let half = sign("/mutations", "n-8", now)[..3].to_vec();
    assert_eq!(send(&device, &half, &body).await.refusal(), "401 signature_invalid");
    app.service().nonces_keep(app.state().now()).await.expect("kept");
}

#[tokio::test]
async fn where_signatures_are_required_only_devices_with_a_key_must_sign() {
    let app = TestApp::new().await;
    let signer = Signer::new(1);
    let (device, plain) = (signing(&app, &signer).await, app.device("plain").await);
    let strict = router(&app.state().clone().with_signatures_required(true));
    let now = app.state().now().0 / SECOND_MS;
    let body = json!({"client_id": AUTHOR, "mutations": []});
    assert_eq!(send(&device.clone().with_router(strict.clone()), &[], &body).await.refusal(), "401 signature_invalid");
    let signed = signer.headers("POST", "/mutations", body.to_string().as_bytes(), AUTHOR, (now, "n-1"));
    assert_eq!(send(&device.clone().with_router(strict.clone()), &signed, &body).await.status(), 200);
    let read = signer.headers("GET", "/changes?since=0", b"", AUTHOR, (now, "n-2"));
    let read: Vec<(&str, &str)> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(device.with_router(strict.clone()).get_with("/changes?since=0", &read).await.status(), 200);
    let other = json!({"client_id": plain.client_id, "mutations": []});
    assert_eq!(plain.http().clone().with_router(strict).post("/mutations", &other).await.status(), 200);
}

#[tokio::test]
async fn a_token_signs_where_there_is_no_key() {
    use tidewatch_protocol::http_signature::{Algorithm, SignedRequest, to_sign};
    use tidewatch_protocol::keys::{bytes_written, content_digest};
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let body = device.batch(&[intent("op-1", "n-1", "create", json!({}))]);
    let (digest, now) = (content_digest(body.to_string().as_bytes()), app.state().now().0 / SECOND_MS);
    let sign = |nonce: &str, token: &str| {
        let target_uri = "http://tidewatch.test/mutations";
        let request = SignedRequest { method: "POST", target_uri, content_digest: &digest, sync_client: &device.client_id };
        let (params, text) = to_sign(&request, now, nonce, &device.client_id, Algorithm::HmacSha256);
        let mac = tidewatch_testkit::token_mac(token, text.as_bytes());
        vec![
            ("content-digest".to_owned(), digest.clone()),
            ("sync-client".to_owned(), device.client_id.clone()),
            ("signature-input".to_owned(), format!("sig1={params}")),
            ("signature".to_owned(), format!("sig1=:{}:", bytes_written(&mac))),
        ]
    };
    assert_eq!(send(device.http(), &sign("n-1", &device.access_token), &body).await.status(), 200);
    assert_eq!(send(device.http(), &sign("n-2", "twd_other"), &body).await.refusal(), "401 signature_invalid");
}

#[tokio::test]
async fn an_answer_says_what_is_left_of_the_rate_and_a_refusal_when_to_come_back() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let first = device.push(&[]).await;
    assert_eq!(first.header("ratelimit-policy"), "\"device\";q=200;w=4");
    assert_eq!(first.header("ratelimit"), "\"device\";r=199;t=1");
    let mut refused = first;
    for _ in 0..1_000 {
        refused = device.push(&[]).await;
        if refused.status() == 429 {
            break;
        }
    }
    assert_eq!(refused.refusal(), "429 rate_limited");
    assert_eq!((refused.header("ratelimit"), refused.header("retry-after")), ("\"device\";r=0;t=1", "1"));
    assert_eq!(app.device("d2").await.push(&[]).await.status(), 200, "another device has its own bucket");
}
