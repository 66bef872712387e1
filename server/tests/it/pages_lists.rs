//! The list pages and their exports over HTTP, as plain HTML and files: what a browser without a script gets.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tidewatch_domain::manifest::{Manifest, NotWhole};
use tidewatch_domain::role::Role;
use tidewatch_testkit::{Device, TestApp, intent};

/// Reports a name and a platform, and lets the telemetry move on.
async fn report(app: &TestApp, device: &Device, name: &str, platform: &str) {
    let at = app.state().now().to_string();
    let report = json!({
        "report_id": format!("report-of-{}", device.client_id), "at": at,
        "device": {"name": name, "platform": platform, "os_version": "17.0", "app_version": "4.2.1"},
        "offline_resilience": {"queued_operations_count": 2},
        "outbox": {"total": 0, "truncated": false, "entries": []}
    });
    let body = json!({"client_id": device.client_id, "reports": [report]});
    device.http().post("/telemetry", &body).await.ok(202);
    app.service().telemetry_roll(app.state().now()).await.expect("the telemetry moves on");
}

/// Ids of the device rows of a page, in order.
fn device_ids(html: &str) -> Vec<String> {
    html.split("id=\"dev-").skip(1).map(|rest| rest.chars().take(36).collect()).collect()
}

/// The rows of a file with one JSON object a line, without its manifest.
fn rows_of(text: &str) -> String {
    let manifest = Manifest::check(text).expect("whole");
    text.strip_suffix(&manifest.line()).expect("the last line").to_owned()
}

async fn two_devices(app: &TestApp) -> (Device, Device) {
    let (phone, laptop) = (app.device("phone").await, app.device("laptop").await);
    report(app, &phone, "Ward 3 phone", "ios").await;
    report(app, &laptop, "=HYPERLINK(\"x\")", "windows").await;
    (phone, laptop)
}

#[tokio::test]
async fn a_link_with_a_filter_shows_the_rows_it_names_without_a_script() {
    let app = TestApp::new().await;
    let (phone, laptop) = two_devices(&app).await;
    let viewer = app.viewer().await;
    let all = viewer.page("/devices?sort=name").await;
    assert_eq!(all.status(), 200);
    let mut ids = device_ids(&all.text());
    ids.sort();
    let mut both = [phone.client_id.clone(), laptop.client_id.clone()];
    both.sort();
    assert_eq!(ids, both);
    let ios = viewer.page("/devices?filter=platform:ios").await;
    assert_eq!(device_ids(&ios.text()), [phone.client_id.as_str()]);
    assert!(ios.text().contains("Ward 3 phone"));
    assert!(ios.text().contains("<title>Devices · Tidewatch</title>"), "the page has its title");
}

#[tokio::test]
async fn a_filter_with_an_unknown_key_answers_400_at_its_field_and_lists_nothing() {
    let app = TestApp::new().await;
    two_devices(&app).await;
    let viewer = app.viewer().await;
    for (path, near) in [
        ("/devices?filter=platfrom:ios", "platform"),
        ("/log?filter=colection:notes", "collection"),
        ("/audit?filter=actr:x", "actor"),
    ] {
        let answer = viewer.page(path).await;
        assert_eq!(answer.status(), 400, "{path}");
        let html = answer.text();
        let alert = html.split("role=\"alert\"").nth(1).unwrap_or_else(|| panic!("{path} has no alert"));
        let alert = &alert[..alert.find("</p>").expect("the alert ends")];
        assert!(alert.contains("nknown key") && alert.contains(near), "{path}: {alert}");
        assert!(!html.contains("<tbody"), "{path} lists rows");
    }
}

#[tokio::test]
async fn a_bad_value_of_another_parameter_is_refused_by_its_name() {
    let app = TestApp::new().await;
    let viewer = app.viewer().await;
    for (path, field) in [
        ("/devices?sort=age", "sort"),
        ("/devices?rows=9000", "rows"),
        ("/devices?columns=age", "columns"),
        ("/log?rows=x", "rows"),
    ] {
        let answer = viewer.page(path).await;
        assert_eq!(answer.status(), 400, "{path}");
        assert!(answer.text().contains(&format!("“{field}”")), "{path} does not name {field}");
    }
}

#[tokio::test]
async fn a_form_is_led_to_the_address_of_its_state() {
    let app = TestApp::new().await;
    let viewer = app.viewer().await;
    let answer = viewer.page("/devices?filter=platform:ios&filter=queue:%3E3&rows=&sort=worst").await;
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.header("location"), "/devices?filter=platform:ios%20queue:%3E3");
}

#[tokio::test]
async fn what_is_not_there_answers_404_and_says_what_it_may_mean() {
    let app = TestApp::new().await;
    let viewer = app.viewer().await;
    for path in [
        "/devices/00000000-0000-4000-8000-00000000dead",
        "/devices/nonsense",
        "/devices/nonsense/outbox",
        "/devices/nonsense/metrics",
    ] {
        assert_eq!(viewer.page(path).await.status(), 404, "{path}");
    }
    let trace = viewer.page("/operations/op-nobody-knows").await;
    assert_eq!(trace.status(), 404);
    assert!(trace.text().contains("may still wait in the outbox"));
    assert_eq!(viewer.get("/export/devices.xlsx").await.refusal(), "404 not_found");
    assert_eq!(viewer.get("/export/secrets.csv").await.refusal(), "404 not_found");
}

#[tokio::test]
async fn an_export_holds_the_rows_of_the_list_and_no_formula() {
    let app = TestApp::new().await;
    two_devices(&app).await;
    let viewer = app.viewer().await;
    let listed = device_ids(&viewer.page("/devices?sort=name").await.text());
    let csv = viewer.get("/export/devices.csv?sort=name").await;
    assert_eq!(csv.status(), 200);
    let name = csv.header("content-disposition").to_owned();
    assert!(name.starts_with("attachment; filename=\"tidewatch-devices-2") && name.ends_with(".csv\""), "{name}");
    let text = csv.text();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert!(lines[0].starts_with("client_id,condition,"), "{}", lines[0]);
    assert_eq!(lines[1..].iter().map(|line| line[..36].to_owned()).collect::<Vec<_>>(), listed);
    assert!(text.contains("\"'=HYPERLINK(\"\"x\"\")\""), "a formula must not run: {text}");
    let json = viewer.get("/export/devices.json?sort=name").await.ok(200);
    let ids: Vec<_> =
        json.as_array().expect("an array").iter().map(|row| row["client_id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids, listed);
    assert!(json[0]["score"].is_number() || json[0]["score"].is_null());
}

#[tokio::test]
async fn an_export_has_only_the_columns_and_rows_that_were_asked_for() {
    let app = TestApp::new().await;
    let (phone, _) = two_devices(&app).await;
    let viewer = app.viewer().await;
    let rows = viewer.get("/export/devices.ndjson?filter=platform:ios&columns=platform").await;
    let lines: Vec<Value> = rows_of(&rows.text()).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        lines,
        [
            json!({"client_id": phone.client_id, "name": "Ward 3 phone", "principal": "phone", "simulated": false, "platform": "ios", "os_version": "17.0"})
        ]
    );
    assert_eq!(viewer.get("/export/devices.csv?filter=platfrom:ios").await.refusal(), "400 query_invalid filter");
}

#[tokio::test]
async fn every_file_has_a_manifest_and_a_file_that_was_cut_has_none() {
    let app = TestApp::new().await;
    two_devices(&app).await;
    let staff = app.api("ci", Role::Viewer).await;
    for kind in ["csv", "json", "ndjson"] {
        let path = format!("/export/devices.{kind}?filter=platform:ios");
        let file = staff.get(&path).await;
        let hash = hex::encode(Sha256::digest(file.bytes()));
        let manifest = staff.get(&format!("/export/manifests/{hash}")).await.ok(200);
        assert_eq!(
            (manifest["count"].as_u64(), manifest["bytes"].as_u64(), manifest["sha256"].as_str()),
            (Some(1), Some(file.bytes().len() as u64), Some(hash.as_str())),
            "{kind}"
        );
        assert_eq!((&manifest["list"], &manifest["query"]), (&json!("devices"), &json!("filter=platform:ios")));
        let link = file.header("link");
        let beside = link.split(['<', '>']).nth(1).expect("a link");
        assert_eq!(link, format!("<{beside}>; rel=\"describedby\""));
        assert_eq!(staff.get(beside).await.ok(200), manifest, "{kind}");
        assert_eq!(app.viewer().await.get(beside).await.refusal(), "404 not_found", "it is another one's export");
        let cut = hex::encode(Sha256::digest(&file.bytes()[..file.bytes().len() - 1]));
        assert_eq!(staff.get(&format!("/export/manifests/{cut}")).await.refusal(), "404 not_found");
    }
    let ndjson = staff.get("/export/devices.ndjson").await.text();
    assert_eq!(Manifest::check(&ndjson[..ndjson.len() - 1]), Err(NotWhole::Cut));
}

#[tokio::test]
async fn an_export_is_for_staff_and_api_tokens_only() {
    let app = TestApp::new().await;
    let device = app.device("phone").await;
    for path in ["/export/devices.csv", "/export/changes.ndjson", "/export/audit.json"] {
        assert_eq!(app.viewer().await.get(path).await.status(), 200, "{path}");
        assert_eq!(app.anonymous().get(path).await.status(), 401, "{path}");
        assert_eq!(device.http().get(path).await.status(), 401, "{path}");
    }
    assert_eq!(app.api("ci", Role::Viewer).await.get("/export/devices.csv").await.status(), 200);
}

#[tokio::test]
async fn the_log_shows_a_change_and_its_operation_has_a_trace() {
    let app = TestApp::new().await;
    let device = app.device("phone").await;
    let statuses = device.push_statuses(&[intent("op-first-note", "note-1", "create", json!({"title": "Low tide"}))]).await;
    assert_eq!(statuses, ["applied"]);
    let viewer = app.viewer().await;
    let log = viewer.page("/log?filter=operation:op-first-note").await.text();
    assert!(log.contains("note-1") && log.contains("href=\"/operations/op-first-note\""), "the row and its trace");
    assert!(log.contains(&format!("href=\"/devices/{}\"", device.client_id)), "its device");
    let trace = viewer.page("/operations/op-first-note").await;
    assert_eq!(trace.status(), 200);
    assert!(trace.text().contains("Applied") && trace.text().contains("notes"));
    assert!(!trace.text().contains("Low tide"), "values never show");
    let found = viewer.page("/operations?id=op-first-note").await;
    assert_eq!((found.status(), found.header("location")), (302, "/operations/op-first-note"));
    let rows = viewer.get("/export/changes.ndjson?filter=operation:op-first-note").await;
    let row: Value = serde_json::from_str(rows_of(&rows.text()).trim()).expect("one line");
    assert_eq!((row["operation_id"].as_str(), row["record_id"].as_str()), (Some("op-first-note"), Some("note-1")));
}
