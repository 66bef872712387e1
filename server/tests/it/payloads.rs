//! Payloads of entries over HTTP: redacted for everybody, plainly to whoever gave a reason and for so long, found by what they hold.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidewatch_domain::role::Role;
use tidewatch_testkit::{Device, TestApp, intent};

/// Two refused intents with the same person in them.
async fn refused(app: &TestApp) -> Device {
    let device = app.device("phone").await;
    let body = |kpa: Value| json!({"inspector": "R. Adeyemi", "reading": {"pressure_kpa": kpa}});
    let mut bad = [intent("op-bad-1", "r-1", "create", body(json!("412"))), intent("op-bad-2", "r-2", "create", body(json!(77)))];
    for intent in &mut bad {
        intent["collection"] = "nothing".into();
    }
    assert_eq!(device.push_statuses(&bad).await, ["rejected", "rejected"]);
    app.service().telemetry_roll(app.state().now()).await.expect("the telemetry moves on");
    device
}

fn path(device: &Device, operation: &str) -> String {
    format!("/api/v1/outbox/entries/{}/{operation}", device.client_id)
}

#[tokio::test]
async fn a_payload_is_redacted_with_the_same_names_everywhere_and_looking_writes_nothing() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let staff = app.api("ci", Role::Operator).await;
    let viewer = app.viewer().await;
    let before = staff.get("/api/v1/audit").await.ok(200)["total"].clone();
    let first = staff.get(&path(&device, "op-bad-1")).await.ok(200);
    let second = staff.get(&path(&device, "op-bad-2")).await.ok(200);
    let payload = &first["payload"];
    assert_eq!((payload["redacted"].as_bool(), payload["revealed_until"].is_null()), (Some(true), true), "{first}");
    let name = payload["value"]["inspector"].as_str().expect("a name");
    assert!(name.starts_with("person·"), "{name}");
    assert_eq!(second["payload"]["value"]["inspector"].as_str(), Some(name));
    assert_eq!(second["payload"]["value"]["reading"]["pressure_kpa"], json!("number"));
    assert!(!first.to_string().contains("Adeyemi"), "{first}");
    let page = viewer.page(&format!("/outbox/entries/{}/op-bad-1", device.client_id)).await.text();
    assert!(page.contains(name) && !page.contains("Adeyemi") && !page.contains("reveal-form"), "{page}");
    assert_eq!(staff.get("/api/v1/audit").await.ok(200)["total"], before);
}

#[tokio::test]
async fn a_reveal_needs_a_role_and_a_reason_and_is_for_one_person_and_one_entry() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let support = app.api("helper", Role::Support).await;
    let reveal = format!("{}/reveal", path(&device, "op-bad-1"));
    for (body, refusal) in [
        (json!({}), "400 envelope_invalid reason"),
        (json!({"reason": " too  "}), "400 envelope_invalid reason"),
        (json!({"reason": 7}), "400 envelope_invalid reason"),
        (json!({"reason": "x".repeat(501)}), "400 envelope_invalid reason"),
        (json!({"reason": "the caller asked for it", "until": "ever"}), "400 envelope_invalid until"),
    ] {
        assert_eq!(support.post(&reveal, &body).await.refusal(), refusal, "{body}");
    }
    let reason = json!({"reason": "the caller asked what was sent"});
    let viewer = app.api("looker", Role::Viewer).await;
    assert_eq!(viewer.post(&reveal, &reason).await.refusal(), "403 forbidden");
    let missing = format!("{}/reveal", path(&device, "op-none"));
    assert_eq!(support.post(&missing, &reason).await.refusal(), "404 not_found");
    assert!(
        !support.get(&path(&device, "op-bad-1")).await.text().contains("Adeyemi"),
        "nothing was revealed by what was refused"
    );

    let until = support.post(&reveal, &reason).await.ok(200)["revealed_until"].as_str().expect("an instant").to_owned();
    let shown = support.get(&path(&device, "op-bad-1")).await.ok(200);
    assert_eq!(shown["payload"]["value"]["inspector"], json!("R. Adeyemi"));
    assert_eq!(
        (shown["payload"]["redacted"].as_bool(), shown["payload"]["revealed_until"].as_str()),
        (Some(false), Some(until.as_str()))
    );
    assert!(!support.get(&path(&device, "op-bad-2")).await.text().contains("Adeyemi"), "one entry");
    let other = app.api("another", Role::Admin).await;
    assert!(!other.get(&path(&device, "op-bad-1")).await.text().contains("Adeyemi"), "one person");
    let audit = other.get("/api/v1/audit?q=action:payload_reveal").await.ok(200);
    let row = &audit["rows"][0];
    assert_eq!(audit["total"]["count"], json!(1), "{audit}");
    assert_eq!(
        (row["actor"].as_str(), row["subject"].as_str()),
        (Some("token:helper"), Some(format!("entry:{}/op-bad-1", device.client_id).as_str()))
    );
    assert!(row["after"].to_string().contains("the caller asked what was sent"), "{row}");
    assert!(!audit.to_string().contains("Adeyemi"), "{audit}");
    let export = support.get("/export/outbox.ndjson").await.text();
    assert!(export.contains("op-bad-1") && !export.contains("Adeyemi"), "exports stay redacted: {export}");
}

#[tokio::test]
async fn the_form_of_the_page_reveals_and_leads_back_and_a_bad_reason_leads_back_with_words() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let mut operator = app.operator().await;
    let entry = format!("/outbox/entries/{}/op-bad-1", device.client_id);
    let fields = |reason: &'static str| {
        [("client_id", device.client_id.to_string()), ("operation_id", "op-bad-1".to_owned()), ("reason", reason.to_owned())]
    };
    let short = fields("short");
    let pairs: Vec<(&str, &str)> = short.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let led = operator.form("/console/outbox/reveal", &pairs).await;
    assert_eq!(led.header("location"), format!("{entry}?notice=reason#h-payload"));
    let page = operator.page(&format!("{entry}?notice=reason")).await.text();
    assert!(page.contains("The reason must have 8 to 500 characters") && !page.contains("Adeyemi"), "{page}");
    let good = fields("the caller asked what was sent");
    let pairs: Vec<(&str, &str)> = good.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let led = operator.form("/console/outbox/reveal", &pairs).await;
    assert_eq!(led.header("location"), format!("{entry}#h-payload"));
    let page = operator.page(&entry).await.text();
    assert!(page.contains("R. Adeyemi") && page.contains("Shown to you alone for"), "{page}");
}

#[tokio::test]
async fn a_cookie_of_a_browser_reveals_nothing_for_another_site() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let operator = app.operator().await;
    let reveal = format!("{}/reveal", path(&device, "op-bad-1"));
    let body = json!({"reason": "the caller asked what was sent"}).to_string();
    let from = |site: &'static str| [("content-type", "application/json"), ("sec-fetch-site", site)];
    let other = operator.post_with(&reveal, &from("cross-site"), body.clone().into()).await;
    assert_eq!(other.status(), 403, "{}", other.text());
    assert!(!operator.get(&path(&device, "op-bad-1")).await.text().contains("Adeyemi"));
    assert_eq!(operator.post_with(&reveal, &from("same-origin"), body.into()).await.status(), 200);
}

#[tokio::test]
async fn entries_are_found_by_what_their_payloads_hold() {
    let app = TestApp::new().await;
    refused(&app).await;
    let staff = app.api("ci", Role::Support).await;
    for (filter, wanted) in [
        ("payload.reading.pressure_kpa:412", vec!["op-bad-1"]),
        ("payload.reading.pressure_kpa:\"412\"", vec!["op-bad-1"]),
        ("payload.reading.pressure_kpa:77,412", vec!["op-bad-1", "op-bad-2"]),
        ("payload.inspector:*adeyemi", vec!["op-bad-1", "op-bad-2"]),
        ("-payload.reading.pressure_kpa:77", vec!["op-bad-1"]),
        ("payload.inspector:*adeyemi record:r-2", vec!["op-bad-2"]),
        ("payload.inspector:nobody", vec![]),
        ("payload.nothing.of.the.kind:412", vec![]),
    ] {
        let page = staff.get(&format!("/api/v1/outbox/entries?q={}", tidewatch_app::paths::encode(filter))).await.ok(200);
        let found: BTreeSet<&str> =
            page["rows"].as_array().expect("rows").iter().filter_map(|row| row["operation_id"].as_str()).collect();
        assert_eq!(found, wanted.iter().copied().collect(), "{filter}");
        assert_eq!(page["total"], json!({"count": wanted.len(), "exact": true, "looked": 2}), "{filter}");
    }
    assert_eq!(staff.get("/api/v1/outbox/entries?q=payloads.x:1").await.refusal(), "400 query_invalid filter");
    let viewer = app.viewer().await;
    assert_eq!(viewer.page("/outbox/entries?filter=payload.inspector:a*").await.status(), 403, "a guess is an answer");
    let page = app.operator().await.page("/outbox/entries?filter=payload.inspector:*adeyemi").await.text();
    assert!(page.contains("looked at all 2 payloads") && page.contains("payload.reading.pressure_kpa:"), "{page}");
}

/// A device that reports entries which it gave up, with words of its own.
async fn reported(app: &TestApp, entries: usize) -> Device {
    let device = app.device("talker").await;
    let at = app.state().now().to_string();
    let entry = |n: usize| {
        json!({
            "operation_id": format!("op-own-{n:04}"), "collection": "inspections", "record_id": format!("r-{n}"), "op": "update",
            "state": "poisoned", "attempts": 1, "created_at": at,
            "error": {"code": "schema_invalid", "status": 422, "message": format!("inspector is \"R. Adeyemi {n}\" of a@b.example, `kpa` must be a number")},
        })
    };
    let list: Vec<Value> = (0..entries).map(entry).collect();
    for (n, part) in list.chunks(100).enumerate() {
        let outbox = json!({"truncated": true, "total": entries, "entries": part});
        let reports = json!([{"report_id": format!("0199a3c2-7b1e-7c3a-9d2e-{n:012}"), "at": at, "outbox": outbox}]);
        device.http().post("/telemetry", &json!({"client_id": device.client_id, "reports": reports})).await.ok(202);
    }
    app.service().telemetry_roll(app.state().now()).await.expect("the telemetry moves on");
    device
}

#[tokio::test]
async fn words_of_failures_name_what_they_quote_for_everybody_everywhere() {
    let app = TestApp::new().await;
    let device = reported(&app, 2).await;
    let said = |text: &str| assert!(!text.contains("Adeyemi") && !text.contains("a@b.example"), "{text}");
    let staff = app.api("ci", Role::Support).await;
    let list = staff.get("/api/v1/outbox/entries").await.ok(200);
    said(&list.to_string());
    let message = list["rows"][0]["error_message"].as_str().expect("words");
    assert!(message.starts_with("inspector is \"text·") && message.ends_with("`kpa` must be a number"), "{message}");
    let entry = format!("/outbox/entries/{}/op-own-0000", device.client_id);
    let group = staff.get("/api/v1/outbox").await.ok(200)["groups"][0].clone();
    assert_eq!(group["message"], json!("inspector is \"text·…\" of mail·…, `kpa` must be a number"));
    said(&staff.get(&format!("/api/v1{entry}")).await.text());
    said(&staff.get("/export/outbox.ndjson").await.text());
    said(&staff.get("/export/outbox.csv").await.text());
    let viewer = app.viewer().await;
    for page in ["/outbox", "/outbox/entries", entry.as_str(), &format!("/devices/{}/outbox", device.client_id)] {
        let page = viewer.page(page).await.text();
        said(&page);
        assert!(page.contains("must be a number"), "{page}");
    }
    // Whoever may not see a text may not ask for it letter by letter.
    let found = |page: &Value| page["rows"].as_array().map(Vec::len);
    let guess = "/api/v1/outbox/entries?q=%22R.%20Adeyemi%201%22";
    assert_eq!(found(&staff.get(guess).await.ok(200)), Some(1));
    let looker = app.api("looker", Role::Viewer).await;
    assert_eq!(found(&looker.get(guess).await.ok(200)), Some(0));
    assert_eq!(found(&looker.get("/api/v1/outbox/entries?q=kpa").await.ok(200)), Some(2));
}

#[tokio::test]
async fn an_export_of_many_pages_holds_each_entry_once_by_device_and_operation() {
    let app = TestApp::new().await;
    reported(&app, 1_203).await;
    let staff = app.api("ci", Role::Viewer).await;
    let text = staff.get("/export/outbox.ndjson?filter=state:poisoned").await.text();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    let (manifest, rows) = rows.split_last().expect("a manifest");
    assert_eq!(manifest["count"], json!(1_203));
    let operations: Vec<&str> = rows.iter().filter_map(|row| row["operation_id"].as_str()).collect();
    let wanted: Vec<String> = (0..1_203).map(|n| format!("op-own-{n:04}")).collect();
    assert_eq!(operations, wanted);
}

#[tokio::test]
async fn the_outbox_by_device_is_the_same_as_a_page_an_answer_and_a_file() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let staff = app.api("ci", Role::Viewer).await;
    let listed = staff.get("/api/v1/outbox/devices").await.ok(200);
    let row = &listed["rows"][0];
    assert_eq!(listed["total"], json!({"count": 1, "exact": true}));
    assert_eq!((row["client_id"].as_str(), row["worst"].as_str()), (Some(device.client_id.as_str()), Some("poisoned")));
    assert_eq!(row["states"], json!([{"state": "poisoned", "entries": 2, "oldest": null}]));
    assert_eq!(staff.get("/api/v1/outbox/devices?q=colour:red").await.refusal(), "400 query_invalid filter");
    let export = staff.get("/export/outbox-devices.ndjson").await.text();
    let line: Value = serde_json::from_str(export.lines().next().expect("a line")).expect("JSON");
    assert_eq!(
        (line["client_id"].as_str(), line["poisoned"].as_i64(), line["done"].as_i64()),
        (Some(device.client_id.as_str()), Some(2), Some(0))
    );
    let viewer = app.viewer().await;
    let page = viewer.page("/outbox/devices").await.text();
    assert!(page.contains(&format!("id=\"outbox-{}\"", device.client_id)), "{page}");
    assert!(page.contains("rail-badge"), "a group needs a person: {page}");
    assert_eq!(viewer.page("/outbox/devices?filter=colour:red").await.status(), 400);
}
