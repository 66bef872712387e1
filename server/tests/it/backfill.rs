//! `POST /records/backfill` over HTTP: who may ask for what, how it is refused, and in whose names it is answered.

use serde_json::{Value, json};
use tidewatch_testkit::{Device, Reply, TestApp, intent};

async fn ask(device: &Device, schema: &str, body: Value) -> Reply {
    let headers = [("content-type", "application/json"), ("sync-schema", schema)];
    device.http().post_with("/records/backfill", &headers, body.to_string().into()).await
}

fn rows(page: &Value) -> Vec<(&str, i64, &Value)> {
    let row = |row: &'_ Value| (row["version"].as_i64().expect("a version"), row["seq"].as_i64().is_some());
    let all = page["rows"].as_array().expect("rows");
    assert!(all.iter().all(|entry| row(entry).1), "each row has its position");
    all.iter().map(|entry| (entry["record_id"].as_str().expect("an id"), row(entry).0, &entry["fields"])).collect()
}

#[tokio::test]
async fn fields_come_page_by_page_from_scopes_that_are_open_to_the_device() {
    let app = TestApp::new().await;
    let (one, two) = (app.device("d1").await, app.device("d2").await);
    let make = |n: i64| intent(&format!("op-{n}"), &format!("n-{n}"), "create", json!({"n": n, "stars": n * 2}));
    one.push_statuses(&(0..3).map(make).collect::<Vec<_>>()).await;
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let asked = json!({"collection": "notes", "fields": ["stars"], "limit": 2, "cursor": cursor});
        let page = ask(&two, "1", asked).await.ok(200);
        seen.extend(rows(&page).into_iter().map(|(record, version, fields)| (record.to_owned(), version, fields.clone())));
        assert_eq!((&page["protocol"], &page["up_to_date"]), (&json!(1), &json!(page["has_more"] == false)));
        cursor = page["cursor"].clone();
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, (0..3).map(|n| (format!("n-{n}"), 1, json!({"stars": n * 2}))).collect::<Vec<_>>());
    let nobody = ask(&two, "1", json!({"collection": "notes", "fields": ["stars"], "scopes": ["building:9"]})).await;
    assert_eq!(nobody.refusal(), "403 scope_forbidden scopes");
}

#[tokio::test]
async fn a_request_that_cannot_be_is_refused_by_the_member_at_fault() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    device.push_statuses(&[intent("op-1", "n-1", "create", json!({"a": 1}))]).await;
    let (_, feed) = device.pull("0", "&collections=notes").await;
    let own = ask(&device, "1", json!({"collection": "notes", "fields": ["a"]})).await.ok(200)["cursor"].clone();
    for (body, refusal) in [
        (json!({"collection": "nothing", "fields": ["a"]}), "404 collection_unknown collection"),
        (json!({"collection": "notes", "fields": []}), "400 envelope_invalid fields"),
        (json!({"collection": "notes", "fields": vec!["a"; 65]}), "400 envelope_invalid fields"),
        (json!({"collection": "notes", "fields": ["a"], "cursor": "old"}), "400 cursor_malformed cursor"),
        (json!({"collection": "notes", "fields": ["a"], "cursor": feed}), "409 cursor_filter_mismatch cursor"),
        (json!({"collection": "notes", "fields": ["b"], "cursor": own}), "409 cursor_filter_mismatch cursor"),
        (
            json!({"collection": "notes", "fields": ["a"], "scopes": ["building:42"], "cursor": own}),
            "409 cursor_filter_mismatch cursor",
        ),
    ] {
        let reply = ask(&device, "1", body.clone()).await;
        assert_eq!(reply.refusal(), refusal, "{body}");
        assert!(!reply.text().contains("since"), "its words name no member of another route: {}", reply.text());
    }
    assert_eq!(
        ask(&device, "1", json!({"collection": "notes", "fields": ["a"], "cursor": own})).await.ok(200)["rows"],
        json!([])
    );
}

#[tokio::test]
async fn fields_are_asked_for_and_answered_in_the_names_of_the_readers_schema() {
    let app = TestApp::new().await;
    let device = app.device("d1").await;
    let import = |schema: Value| {
        let text = json!([{"name": "jobs", "policy": {"kind": "lww"}, "schema": schema}]).to_string();
        let app = &app;
        async move { app.service().collections_import(&app.state().system_cx(), &text).await }
    };
    import(json!({"min": 1, "current": 1})).await.expect("imported");
    let mut made = intent("op-1", "j-1", "create", json!({"name": "a", "legacy": 1, "own": 1}));
    made["collection"] = json!("jobs");
    device.push_statuses(&[made]).await;
    let step = json!({"to": 2, "rename": {"name": "title"}, "default": {"stars": 0}, "drop": ["legacy"]});
    import(json!({"min": 1, "current": 2, "steps": [step]})).await.expect("imported");
    for (schema, fields) in [("1", json!({"name": "a"})), ("2", json!({"title": "a"}))] {
        let body = json!({"collection": "jobs", "fields": ["name", "title", "legacy", "stars"]});
        let page = ask(&device, schema, body).await.ok(200);
        assert_eq!(rows(&page), [("j-1", 1, &fields)], "schema {schema}");
    }
    import(json!({"min": 2, "current": 2, "steps": [{"to": 2, "rename": {"name": "title"}, "default": {"stars": 0}, "drop": ["legacy"]}]}))
        .await
        .expect("imported");
    let old = ask(&device, "1", json!({"collection": "jobs", "fields": ["title"]})).await;
    assert_eq!(old.refusal().split(' ').take(2).collect::<Vec<_>>(), ["426", "schema_unsupported"]);
}
