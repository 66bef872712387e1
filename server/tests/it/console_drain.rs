//! The forms of draining, posted as a browser without JavaScript posts them: each leads on, or back with what is wrong; none does
//! anything by halves.

use bytes::Bytes;
use serde_json::json;
use tidewatch_domain::role::Role;
use tidewatch_testkit::{Device, Reply, TestApp, Visitor, intent};

/// Pushes two intents that no policy can take.
async fn refused(app: &TestApp) -> Device {
    let device = app.device("phone").await;
    let mut bad = [intent("op-bad-1", "r-1", "create", json!({})), intent("op-bad-2", "r-2", "create", json!({}))];
    for intent in &mut bad {
        intent["collection"] = "nothing".into();
    }
    assert_eq!(device.push_statuses(&bad).await, ["rejected", "rejected"]);
    app.service().telemetry_roll(app.state().now()).await.expect("the telemetry moves on");
    device
}

/// Where a form led.
#[track_caller]
fn led(reply: &Reply) -> String {
    assert_eq!(reply.status(), 302, "{}", reply.text());
    reply.header("location").to_owned()
}

/// Value of a hidden field of a page.
#[track_caller]
fn field(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let start = page.find(&mark).unwrap_or_else(|| panic!("{name} is not a field of {page}")) + mark.len();
    page[start..].split('"').next().expect("it ends").to_owned()
}

/// Freezes both entries and gives the set's address.
async fn frozen(visitor: &mut Visitor, device: &Device, action: &str) -> String {
    let keys = ["op-bad-1", "op-bad-2"].map(|operation| format!("{}/{operation}", device.client_id));
    let pairs = [("action", action), ("entries[]", &keys[0]), ("entries[]", &keys[1]), ("back", "/outbox/entries")];
    led(&visitor.form("/console/drain/freeze", &pairs).await)
}

#[tokio::test]
async fn a_set_is_frozen_looked_at_submitted_once_and_found_again_by_a_second_submission() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let mut operator = app.operator().await;
    let set = frozen(&mut operator, &device, "quarantine").await;
    assert!(set.starts_with("/outbox/drain/S"), "{set}");
    let page = operator.page(&set).await.text();
    assert!(page.contains("Quarantine 2\u{a0}entries") && page.contains("2\u{a0}entries on 1\u{a0}device"), "{page}");
    let fields = ["set", "count", "hash", "key"].map(|name| (name, field(&page, name)));
    let submit = |reason: &'static str| {
        let mut pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        pairs.extend([("reason", reason), ("rate", "all")]);
        pairs
    };
    let back = led(&operator.form("/console/drain/start", &submit("short")).await);
    assert!(back.starts_with(&format!("{}?", set.split('?').next().unwrap_or_default())), "{back}");
    assert!(back.contains("problem=reason") && back.contains("reason=short"), "{back}");
    assert!(operator.page(&back).await.text().contains("Say why, in 8 characters or more."));
    let job = led(&operator.form("/console/drain/start", &submit("out of the way for now")).await);
    assert!(job.starts_with("/outbox/jobs/J"), "{job}");
    assert_eq!(led(&operator.form("/console/drain/start", &submit("out of the way for now")).await), job, "never a second one");
    let page = operator.page(&job).await.text();
    assert!(page.contains("out of the way for now") && page.contains("adds up"), "{page}");
    let page = operator.page(&set).await.text();
    assert!(page.contains("can be submitted only once") && page.contains(&format!("href=\"{job}\"")), "{page}");
    assert!(operator.page("/outbox/jobs").await.text().contains(&format!("href=\"{job}\"")));
}

#[tokio::test]
async fn a_form_that_names_another_count_is_led_back_with_the_difference() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let mut operator = app.operator().await;
    let set = frozen(&mut operator, &device, "hold").await;
    let page = operator.page(&set).await.text();
    let (id, hash, key) = (field(&page, "set"), field(&page, "hash"), field(&page, "key"));
    let pairs =
        [("set", id.as_str()), ("count", "3"), ("hash", &hash), ("key", &key), ("reason", "held for a while"), ("rate", "all")];
    let back = led(&operator.form("/console/drain/start", &pairs).await);
    assert!(back.contains("frozen=2"), "{back}");
    assert!(operator.page(&back).await.text().contains("What you confirmed is not what is there"));
    assert!(operator.page("/outbox/jobs").await.text().contains("Nothing has been drained yet"));
}

#[tokio::test]
async fn a_count_that_is_no_number_is_a_field_at_fault_and_what_was_typed_stays() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let mut operator = app.operator().await;
    let set = frozen(&mut operator, &device, "hold").await;
    let page = operator.page(&set).await.text();
    let (id, hash, key) = (field(&page, "set"), field(&page, "hash"), field(&page, "key"));
    for count in ["", "two", "-2", "2.0"] {
        let pairs = [
            ("set", id.as_str()),
            ("count", count),
            ("hash", &hash),
            ("key", &key),
            ("reason", "held for a while"),
            ("rate", "all"),
        ];
        let back = led(&operator.form("/console/drain/start", &pairs).await);
        assert!(back.contains("problem=count") && !back.contains("frozen="), "{count}: {back}");
        let page = operator.page(&back).await.text();
        assert!(
            page.contains("The number of entries could not be read") && page.contains("value=\"held for a while\""),
            "{page}"
        );
    }
    assert!(operator.page("/outbox/jobs").await.text().contains("Nothing has been drained yet"));
}

#[tokio::test]
async fn a_form_without_its_hidden_fields_is_led_back_and_does_nothing() {
    let app = TestApp::new().await;
    let mut operator = app.operator().await;
    for (form, word) in [
        ("/console/drain/start", "problem=rate_per_s"),
        ("/console/drain/step", "problem=action"),
        ("/console/drain/again", "problem=gone"),
        ("/console/drain/choose", "problem=dependants"),
        ("/console/drain/freeze", "problem=action"),
    ] {
        let back = led(&operator.form(form, &[("odd", "1")]).await);
        assert!(back.contains(word), "{form}: {back}");
    }
}

#[tokio::test]
async fn what_cannot_be_done_leads_back_with_a_word_and_freezes_nothing() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let key = format!("{}/op-bad-1", device.client_id);
    let mut operator = app.operator().await;
    for (pairs, word) in [
        (vec![("action", "quarantine")], "problem=entry"),
        (vec![("action", "quarantine"), ("entries[]", "nonsense")], "problem=entry"),
        (vec![("action", "melt"), ("entries[]", key.as_str())], "problem=action"),
        (vec![("action", "patch"), ("entries[]", key.as_str()), ("patch", "[{]")], "problem=patch"),
        (vec![("action", "hold"), ("all", "1"), ("filter", "colour:red")], "problem=filter"),
    ] {
        let mut sent = pairs.clone();
        sent.push(("back", "/outbox/entries?rows=20"));
        let back = led(&operator.form("/console/drain/freeze", &sent).await);
        assert_eq!(back, format!("/outbox/entries?rows=20&{word}"), "{pairs:?}");
    }
    let patch = led(&operator.form("/console/drain/freeze", &[("action", "patch"), ("entries[]", &key)]).await);
    assert!(patch.starts_with("/outbox/drain/patch?entry="), "a correction is written first: {patch}");
    assert_eq!(operator.page(&patch).await.status(), 200);
    let mut viewer = app.viewer().await;
    let back = led(&viewer.form("/console/drain/freeze", &[("action", "hold"), ("entries[]", &key), ("back", "/outbox")]).await);
    assert_eq!(back, "/outbox?problem=forbidden");
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_answered_with_a_page_that_says_so() {
    let app = TestApp::new().await;
    let mut operator = app.operator().await;
    let reply = operator.form("/console/drain/freeze", &[("action", "hold"), ("entries", "one")]).await;
    assert_eq!((reply.status(), reply.headers().get("location")), (400, None));
    let page = reply.text();
    assert!(
        page.contains("The form could not be read") && page.contains("Nothing was changed") && page.contains("class=\"rail"),
        "{page}"
    );
    assert!(operator.page("/outbox/jobs").await.text().contains("Nothing has been drained yet"));
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused_before_it_is_read() {
    let app = TestApp::new().await;
    let operator = app.staff("maya", Role::Operator).await;
    let body = Bytes::from(format!("action=hold&filter={}", "x".repeat(2 * 1024 * 1024)));
    let extra =
        [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin"), ("content-length", "2097171")];
    let reply = operator.post_with("/console/drain/freeze", &extra, body).await;
    assert_eq!(reply.status(), 413);
}

#[tokio::test]
async fn a_command_is_sent_listed_and_called_back() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let client = device.client_id.to_string();
    let mut support = app.staff("jonas", Role::Support).await;
    let tab = format!("/devices/{client}/commands");
    let unnamed =
        led(&support.form("/console/commands/send", &[("client", &client), ("kind", "dance"), ("reason", "why not")]).await);
    assert_eq!(unnamed, format!("{tab}?kind=dance&reason=why%20not&problem=kind"));
    let short =
        led(&support.form("/console/commands/send", &[("client", &client), ("kind", "upload_wal"), ("reason", "no")]).await);
    assert_eq!(short, format!("{tab}?kind=upload_wal&reason=no&problem=reason"));
    let page = support.page(&short).await.text();
    assert!(page.contains("name=\"reason\" value=\"no\"") && page.contains("value=\"upload_wal\" required checked"), "{page}");
    assert!(page.contains("Say why, in 8 to 500 characters."), "{page}");
    let sent = [("client", client.as_str()), ("kind", "upload_wal"), ("reason", "to see what it holds")];
    assert_eq!(led(&support.form("/console/commands/send", &sent).await), tab);
    let page = support.page(&tab).await.text();
    assert!(page.contains("Upload payloads") && page.contains("to see what it holds"), "{page}");
    let id = field(&page, "id");
    let cancel = [("id", id.as_str()), ("client", &client), ("reason", "asked for by mistake")];
    assert_eq!(led(&support.form("/console/commands/cancel", &cancel).await), tab);
    assert!(support.page(&tab).await.text().contains("Cancelled"));
}

#[tokio::test]
async fn what_another_person_does_to_a_drain_is_told_to_whoever_looks_at_it_when_nothing_else_moves() {
    let app = TestApp::new().await;
    let device = refused(&app).await;
    let (mut operator, viewer) = (app.operator().await, app.viewer().await);
    let set = frozen(&mut operator, &device, "quarantine").await;
    let page = operator.page(&set).await.text();
    let mut fields = ["set", "count", "hash", "key"].map(|name| (name, field(&page, name))).to_vec();
    fields.extend([("reason", "out of the way for now".to_owned()), ("rate", "all".to_owned())]);
    let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let job = led(&operator.form("/console/drain/start", &pairs).await);
    let id = job.rsplit('/').next().expect("an id");
    let mut events = viewer.listen("/console/events", &[]).await;
    let mut last = events.next().await.expect("an event").data;
    let mut quiet = false;
    // What telemetry has to say may come in between, and once with a step.
    for step in ["pause", "resume"].into_iter().cycle().take(10) {
        let pairs = [("job", id), ("step", step), ("remark", "wait for the vendor")];
        assert_eq!(led(&operator.form("/console/drain/step", &pairs).await), job);
        let hint = events.next().await.expect("an event").data;
        quiet |= (&hint["head"], &hint["fleet"]) == (&last["head"], &last["fleet"]);
        last = hint;
    }
    assert!(quiet, "a step alone is told");
}
